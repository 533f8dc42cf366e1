import { useEffect, useReducer } from "preact/hooks";
import type { App } from "../model/app.ts";
import { Devices } from "./devices.tsx";
import { Groups } from "./groups.tsx";
import { Announcer, Head, Stale } from "./head.tsx";
import { Kept } from "./parts.tsx";
import { Plan } from "./plan.tsx";
import { Table } from "./table.tsx";
import { Timeline } from "./timeline.tsx";
import { Troubles } from "./troubles.tsx";
import { Tunnels } from "./tunnels.tsx";
import { Caps, Usage } from "./usage.tsx";

export function Page({ app }: { app: App }) {
  const [, draw] = useReducer((count: number, _: void) => count + 1, 0);
  useEffect(() => app.listen(() => draw()), [app]);
  const { picture, latency, usage, usageOfSelected, plan, timeline, selected, seconds } = app;
  return (
    <>
      <a class="skip" href="#tunnels">
        To the tunnels
      </a>
      <Head app={app} />
      <main class={app.freshness.live ? "" : "old"}>
        <Stale app={app} />
        <Announcer app={app} />
        <Kept of={[picture.value]}>
          <Troubles app={app} />
        </Kept>
        {app.isMany() ? <Table app={app} /> : <Tunnels app={app} />}
        <div class="columns">
          <Kept of={[picture.value, seconds]}>
            <Groups app={app} />
          </Kept>
          <Kept of={[latency.value, seconds]}>
            <Devices app={app} />
          </Kept>
          <Kept of={[picture.value]}>
            <Caps app={app} />
          </Kept>
          <Kept of={[usage.value, usageOfSelected.value, selected]}>
            <Usage app={app} />
          </Kept>
          <Kept of={[plan.value, plan.problem]}>
            <Plan app={app} />
          </Kept>
        </div>
        <Kept of={[timeline.entries, selected]}>
          <Timeline app={app} />
        </Kept>
      </main>
    </>
  );
}

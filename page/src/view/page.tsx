import { useEffect, useReducer } from "preact/hooks";
import type { App } from "../model/app.ts";
import { Caps, Devices, Groups, Plan, Usage } from "./beside.tsx";
import { Announcer, Head, Stale } from "./head.tsx";
import { Table } from "./table.tsx";
import { Timeline } from "./timeline.tsx";
import { Troubles } from "./troubles.tsx";
import { Tunnels } from "./tunnels.tsx";

/** So many tunnels are shown with their whole way each; more are a table. */
const FEW = 8;

export function Page({ app }: { app: App }) {
  const [, draw] = useReducer((count: number, _: void) => count + 1, 0);
  useEffect(() => app.listen(() => draw()), [app]);
  const isMany = app.keys.get().length > FEW;
  return (
    <>
      <a class="skip" href="#tunnels">
        To the tunnels
      </a>
      <Head app={app} />
      <main class={app.freshness.live ? "" : "old"}>
        <Stale app={app} />
        <Announcer app={app} />
        <Troubles app={app} />
        {isMany ? <Table app={app} /> : <Tunnels app={app} />}
        <div class="columns">
          <Groups app={app} />
          <Devices app={app} />
          <Caps app={app} />
          <Usage app={app} />
          <Plan app={app} />
        </div>
        <Timeline app={app} />
      </main>
    </>
  );
}

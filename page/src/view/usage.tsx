// What tunnels may use, and what they used.

import type { App } from "../model/app.ts";
import { bytes, rate, short } from "../model/format.ts";
import type { Flow } from "../model/traffic.ts";
import { List, type ListRow } from "./list.tsx";
import { Badge } from "./parts.tsx";

/** What each tunnel may use; the daemon says it whole. */
export function Caps({ app }: { app: App }) {
  const rows = (app.picture.value?.paths ?? []).flatMap(({ tunnel, link, cap }) => {
    if (!cap) return [];
    const used = (
      <>
        <Badge state={cap.state} /> {cap.text}
      </>
    );
    return [{ key: tunnel, title: tunnel, cells: [link ?? short(tunnel), used, cap.reason ?? "not held"] }];
  });
  return <List id="caps" title="Caps" columns={["Tunnel", "Used", "Now"]} rows={rows} />;
}

export function Usage({ app }: { app: App }) {
  const { all, flows } = app.traffic;
  const row = (key: string, name: string, flow: Flow): ListRow => ({
    key,
    title: key,
    cells: [name, bytes(flow.total.received), bytes(flow.total.sent), rate(flow.received.last() ?? 0), rate(flow.sent.last() ?? 0)],
  });
  const of = (tunnel: string, flow: Flow) => row(tunnel, app.tunnels()[tunnel]?.link ?? short(tunnel), flow);
  const shown = app.isMany() ? [...flows].filter(([tunnel]) => tunnel === app.selected) : [...flows];
  const rows = [...(all && app.isMany() ? [row("all", "all tunnels", all)] : []), ...shown.map(([tunnel, flow]) => of(tunnel, flow))];
  return <List id="usage" title="Usage" columns={["Tunnel", "In", "Out", "In now", "Out now"]} rows={rows} />;
}

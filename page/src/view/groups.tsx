// The multicast groups of all tunnels.

import type { App } from "../model/app.ts";
import { age } from "../model/format.ts";
import { groups } from "../model/groups.ts";
import { List } from "./list.tsx";
import { Badge } from "./parts.tsx";

export function Groups({ app }: { app: App }) {
  const counted = (value: number | null | undefined) => value?.toLocaleString("en") ?? "–";
  const rows = groups(app.picture.value?.paths ?? []).map((one) => ({
    key: `${one.tunnel} ${one.group}`,
    cells: [
      one.group,
      [one.sends && "sends", one.receives && "receives"].filter(Boolean).join(", "),
      counted(one.packets_in),
      counted(one.packets_out),
      <>
        <Badge state={one.freshness} /> {one.last_seen_unix_ms ? age(app.now() - one.last_seen_unix_ms) : ""}
      </>,
    ],
  }));
  return <List id="groups" title="Multicast groups" columns={["Group", "This host", "Packets in", "Packets out", "Last seen"]} rows={rows} />;
}

// Devices, by how far they are.

import type { App } from "../model/app.ts";
import { milliseconds, percent } from "../model/format.ts";
import { List } from "./list.tsx";
import { Badge } from "./parts.tsx";

const NEAREST = 12;

export function Devices({ app }: { app: App }) {
  const inUse = new Set(Object.values(app.tunnels()).map((tunnel) => tunnel.remote));
  const rows = (app.latency.value?.targets ?? []).map((target) => ({
    key: target.device_ip,
    cells: [
      <>
        {target.device_code} {inUse.has(target.device_ip) && <small>in use</small>}
      </>,
      target.device_ip,
      target.reachable === false ? <Badge state="wrong">no answer</Badge> : target.smoothed_ns ? milliseconds(target.smoothed_ns) : "–",
      milliseconds(target.jitter_ns),
      percent(target.history[target.history.length - 1]?.loss_percentage ?? 0),
    ],
  }));
  return <List id="devices" title="Devices, the nearest first" columns={["Device", "Address", "Round trip", "Jitter", "Loss"]} rows={rows} most={NEAREST} />;
}

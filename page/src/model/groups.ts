// Multicast groups, and how fresh what is known of them is.

import type { StatusTunnel } from "../types.ts";

export type GroupFreshness = "ok" | "stale" | "dead" | "unknown";

export interface Group {
  group: string;
  tunnel: string;
  sends: boolean;
  receives: boolean;
  packetsIn: number | null;
  packetsOut: number | null;
  lastSeen: number | null;
}

const OK_MS = 10_000;
const STALE_MS = 60_000;

export function freshness(lastSeen: number | null, now: number): GroupFreshness {
  if (lastSeen === null) return "unknown";
  const old = now - lastSeen;
  return old <= OK_MS ? "ok" : old <= STALE_MS ? "stale" : "dead";
}

/** A tunnel's groups: those that the API counts packets of with what it counted, the others with what this host last said for them. */
export function groups(tunnel: StatusTunnel): Group[] {
  const { multicast } = tunnel;
  if (!multicast) return [];
  const counted = (multicast as unknown as { groups?: Counted[] }).groups ?? [];
  const names = [...new Set([...multicast.joined, ...multicast.announced])].sort();
  return names.map((group) => {
    const its = counted.find((one) => one.group === group);
    const sends = multicast.announced.includes(group);
    return {
      group,
      tunnel: tunnel.name ?? tunnel.id,
      sends,
      receives: multicast.joined.includes(group),
      packetsIn: its?.packets_in ?? null,
      packetsOut: its?.packets_out ?? null,
      lastSeen: its ? (its.last_seen_unix_ms ?? null) : sends ? (multicast.last_said_unix_ms ?? null) : null,
    };
  });
}

interface Counted {
  group: string;
  packets_in?: number;
  packets_out?: number;
  last_seen_unix_ms?: number | null;
}

// What tunnels carried, made of readings of /v3/usage: rates for charts, and totals. The API's names are looked for and not relied on:
// what a daemon does not tell is not shown.

import type { Usage } from "../types.ts";
import { Growth, Series } from "./series.ts";

export interface Carried {
  received: number;
  sent: number;
}

/** Of a tunnel: bits in a second each way. */
export class Flow {
  readonly received = new Series();
  readonly sent = new Series();
  readonly total: Carried = { received: 0, sent: 0 };
  private readonly growth = [new Growth(), new Growth()] as const;

  take(unixMs: number, carried: Carried): void {
    const [received, sent] = [this.growth[0].perSecond(unixMs, carried.received), this.growth[1].perSecond(unixMs, carried.sent)];
    this.received.add(unixMs, received === null ? null : received * 8);
    this.sent.add(unixMs, sent === null ? null : sent * 8);
    Object.assign(this.total, carried);
  }
}

export class Traffic {
  readonly flows = new Map<string, Flow>();

  take(usage: Usage | null): void {
    const unixMs = typeof usage?.unix_ms === "number" ? usage.unix_ms : Date.now();
    for (const [tunnel, carried] of carriedBy(usage)) {
      const flow = this.flows.get(tunnel) ?? new Flow();
      this.flows.set(tunnel, flow);
      flow.take(unixMs, carried);
    }
  }
}

/** The totals of each tunnel in an answer. */
export function carriedBy(usage: Usage | null): [string, Carried][] {
  const list = [usage?.tunnels, usage?.users].find(Array.isArray) as Record<string, unknown>[] | undefined;
  return (list ?? []).flatMap((one) => {
    const tunnel = one.tunnel ?? one.user ?? one.id;
    const total = (typeof one.total === "object" && one.total ? one.total : one) as Record<string, unknown>;
    const number = (...names: string[]) => names.map((name) => total[name]).find((value) => typeof value === "number") as number | undefined;
    const received = number("rx_bytes", "received_bytes", "received");
    const sent = number("tx_bytes", "sent_bytes", "sent");
    return typeof tunnel === "string" && received !== undefined && sent !== undefined ? [[tunnel, { received, sent }]] : [];
  });
}

// What tunnels carried, made of readings of /v3/usage: rates for charts, and totals. A daemon that does not measure it has no such answer.

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
  private readAt = 0;
  private readonly growth = [new Growth(), new Growth()] as const;

  take(unixMs: number, carried: Carried): void {
    // Asked more often than it is read.
    if (unixMs <= this.readAt) return;
    this.readAt = unixMs;
    const [received, sent] = [this.growth[0].perSecond(unixMs, carried.received), this.growth[1].perSecond(unixMs, carried.sent)];
    this.received.add(unixMs, received === null ? null : received * 8);
    this.sent.add(unixMs, sent === null ? null : sent * 8);
    Object.assign(this.total, carried);
  }
}

export class Traffic {
  readonly flows = new Map<string, Flow>();

  take(usage: Usage | null): void {
    const unixMs = usage?.read_unix_ms ?? 0;
    for (const [tunnel, carried] of carriedBy(usage)) {
      const flow = this.flows.get(tunnel) ?? new Flow();
      this.flows.set(tunnel, flow);
      flow.take(unixMs, carried);
    }
  }
}

/** The totals of each tunnel in an answer, for whoever paid for it when. */
export function carriedBy(usage: Usage | null): [string, Carried][] {
  const totals = new Map<string, Carried>();
  for (const figure of usage?.figures ?? []) {
    if (!figure.tunnel) continue;
    const total = totals.get(figure.tunnel) ?? { received: 0, sent: 0 };
    totals.set(figure.tunnel, { received: total.received + figure.rx_bytes, sent: total.sent + figure.tx_bytes });
  }
  return [...totals];
}

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
  /** Of each tunnel that was asked about. */
  readonly flows = new Map<string, Flow>();
  /** Of all of them together, where there are too many to ask about each. */
  all: Flow | null = null;

  /** Of tunnels, each for itself. */
  take(usage: Usage | null): void {
    const unixMs = usage?.read_unix_ms ?? 0;
    for (const [tunnel, carried] of carriedBy(usage)) {
      const flow = this.flows.get(tunnel) ?? new Flow();
      this.flows.set(tunnel, flow);
      flow.take(unixMs, carried);
    }
  }

  /** What was added up. */
  takeAll(usage: Usage | null): void {
    if (!usage) return;
    this.all ??= new Flow();
    this.all.take(usage.read_unix_ms, sum(usage.figures));
  }
}

function sum(figures: Usage["figures"]): Carried {
  const add = (total: Carried, { rx_bytes, tx_bytes }: Usage["figures"][number]) => ({ received: total.received + rx_bytes, sent: total.sent + tx_bytes });
  return figures.reduce(add, { received: 0, sent: 0 });
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

// Tunnels in a long table: which rows there are, which of them are asked for, and which can be seen.

import type { TunnelState } from "../types.ts";

/** Rows that are drawn above and below those that can be seen. */
const BEYOND = 8;

export interface Window {
  first: number;
  last: number;
}

/** The rows of a list that can be seen through it. */
export function seen(total: number, rowHeight: number, scrolled: number, height: number): Window {
  const first = Math.max(0, Math.floor(scrolled / rowHeight) - BEYOND);
  const last = Math.min(total, Math.ceil((scrolled + height) / rowHeight) + BEYOND);
  return { first: Math.min(first, total), last };
}

/** How many there are in each phase, those with the most first. */
export function sums(ids: string[], tunnels: Record<string, TunnelState>): [string, number][] {
  const counts = new Map<string, number>();
  for (const id of ids) {
    const phase = tunnels[id]?.phase ?? "unknown";
    counts.set(phase, (counts.get(phase) ?? 0) + 1);
  }
  return [...counts].sort((one, other) => other[1] - one[1] || (one[0] < other[0] ? -1 : 1));
}

/** Whether a tunnel is one that is asked for by its key, an address, its link or its state. */
export function matches(id: string, tunnel: TunnelState, query: string, phase: string): boolean {
  if (phase && tunnel.phase !== phase) return false;
  if (!query) return true;
  const wanted = query.toLowerCase();
  return (
    id.toLowerCase().includes(wanted) ||
    [tunnel.link, tunnel.remote, tunnel.local, tunnel.session].some((text) => text?.toLowerCase().includes(wanted))
  );
}

/** The sorted keys of the tunnels, kept until one comes or goes. */
export class Keys {
  private known = new Set<string>();
  private sorted: string[] = [];

  /** All of them, after a snapshot. */
  begin(tunnels: Record<string, unknown>): void {
    this.sorted = Object.keys(tunnels).sort();
    this.known = new Set(this.sorted);
  }

  /** After a patch. */
  patched(tunnels: Record<string, unknown>): void {
    let isChanged = false;
    for (const [id, patch] of Object.entries(tunnels)) {
      if (patch === null) isChanged = this.known.delete(id) || isChanged;
      else if (!this.known.has(id)) isChanged = Boolean(this.known.add(id));
    }
    if (isChanged) this.sorted = [...this.known].sort();
  }

  get(): string[] {
    return this.sorted;
  }
}

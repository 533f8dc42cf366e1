// Tunnels in a long table: which rows there are, which of them are asked for, and which can be seen.

import type { TunnelState } from "../types.ts";

/** Rows that are drawn above and below those that can be seen. */
const BEYOND = 8;

export interface Window {
  first: number;
  last: number;
  /** So many rows there are at most, wherever it is scrolled to. */
  most: number;
}

/** The rows of a list that can be seen through it. */
export function seen(total: number, rowHeight: number, scrolled: number, height: number): Window {
  const first = Math.max(0, Math.floor(scrolled / rowHeight) - BEYOND);
  const last = Math.min(total, Math.ceil((scrolled + height) / rowHeight) + BEYOND);
  return { first: Math.min(first, total), last, most: Math.ceil(height / rowHeight) + 1 + 2 * BEYOND };
}

/** All tunnels, sorted by their keys, counted by their phases, and found; each kept until one changes. */
export class Index {
  private tunnels: Record<string, TunnelState> = {};
  private phases = new Map<string, string>();
  private counts = new Map<string, number>();
  private sorted: string[] = [];
  /** What a tunnel is found by. */
  private readonly words = new Map<string, string>();

  /** All of them, after a snapshot. */
  begin(tunnels: Record<string, TunnelState>): void {
    this.tunnels = tunnels;
    this.sorted = Object.keys(tunnels).sort();
    this.phases = new Map();
    this.counts = new Map();
    this.words.clear();
    for (const id of this.sorted) this.count(id);
  }

  /** After a patch, which was applied. */
  patched(patch: Record<string, unknown>, tunnels: Record<string, TunnelState>): void {
    this.tunnels = tunnels;
    let isSorted = true;
    for (const id of Object.keys(patch)) {
      const wasThere = this.phases.has(id);
      this.words.delete(id);
      this.count(id);
      isSorted &&= wasThere === this.phases.has(id);
    }
    if (!isSorted) this.sorted = [...this.phases.keys()].sort();
  }

  get(): string[] {
    return this.sorted;
  }

  /** How many there are in each phase, those with the most first. */
  sums(): [string, number][] {
    return [...this.counts].sort((one, other) => other[1] - one[1] || (one[0] < other[0] ? -1 : 1));
  }

  /** Those in a phase whose key, address, link or session has this in it; where nothing is asked, all. */
  found(query: string, phase: string): string[] {
    if (!query && !phase) return this.sorted;
    const wanted = query.toLowerCase();
    return this.sorted.filter((id) => (!phase || this.phases.get(id) === phase) && this.wordsOf(id).includes(wanted));
  }

  private count(id: string): void {
    const [before, now] = [this.phases.get(id), phaseOf(this.tunnels[id])];
    if (before === now) return;
    if (before !== undefined) {
      const left = (this.counts.get(before) ?? 0) - 1;
      if (left > 0) this.counts.set(before, left);
      else this.counts.delete(before);
    }
    if (now === undefined) this.phases.delete(id);
    else {
      this.phases.set(id, now);
      this.counts.set(now, (this.counts.get(now) ?? 0) + 1);
    }
  }

  private wordsOf(id: string): string {
    const known = this.words.get(id);
    if (known !== undefined) return known;
    const { link, remote, local, session } = this.tunnels[id] ?? {};
    const words = [id, link, remote, local, session].join("\n").toLowerCase();
    this.words.set(id, words);
    return words;
  }
}

function phaseOf(tunnel: TunnelState | undefined): string | undefined {
  return tunnel && (tunnel.phase ?? "unknown");
}

// What happened, each once and the newest first.

import type { Happening } from "../types.ts";

export const LEVELS = ["debug", "info", "warn", "error"] as const;

export interface Filter {
  level: string;
  text: string;
  tunnel: string;
}

export class Timeline {
  private readonly known = new Set<string>();
  entries: Happening[] = [];

  /** So many are kept of what is told to everybody, and so many of what only those see who look for a fault. */
  constructor(
    private readonly most = 1000,
    private readonly mostOfDebug = 500,
  ) {}

  /** Whether there is something new. */
  add(happenings: Happening[]): boolean {
    const fresh = happenings.filter((one) => {
      const isNew = !this.known.has(place(one));
      if (isNew) this.known.add(place(one));
      return isNew;
    });
    if (fresh.length === 0) return false;
    const after = (one: Happening, other: Happening) => other.epoch - one.epoch || other.sequence - one.sequence;
    this.entries = this.bounded([...fresh, ...this.entries].sort(after));
    return true;
  }

  /** The newest of each kind of reader: measurements that come each minute leave the failure of last night where it is. */
  private bounded(entries: Happening[]): Happening[] {
    if (entries.length <= Math.min(this.most, this.mostOfDebug)) return entries;
    let [told, debug] = [0, 0];
    return entries.filter((one) => {
      const isKept = one.level === "debug" ? ++debug <= this.mostOfDebug : ++told <= this.most;
      if (!isKept) this.known.delete(place(one));
      return isKept;
    });
  }
}

/** Those that are asked for. A level that is not known here is no reason to hide anything. */
export function filtered(entries: Happening[], filter: Filter): Happening[] {
  const levels: readonly string[] = LEVELS;
  const least = levels.indexOf(filter.level);
  const wanted = filter.text.toLowerCase();
  return entries.filter((one) => {
    const level = levels.indexOf(one.level);
    return (
      (level < 0 || level >= least) &&
      (!filter.tunnel || one.tunnel === filter.tunnel) &&
      (!wanted || one.text.toLowerCase().includes(wanted) || one.kind.includes(wanted))
    );
  });
}

function place(one: Happening): string {
  return `${one.epoch}.${one.sequence}`;
}

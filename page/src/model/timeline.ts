// What happened, each once and the newest first.

import type { Happening } from "../types.ts";

const LEVELS = ["debug", "info", "warn", "error"];

export interface Filter {
  level: string;
  text: string;
  tunnel: string;
}

export class Timeline {
  private readonly known = new Set<string>();
  entries: Happening[] = [];

  constructor(private readonly most = 1000) {}

  /** Whether there is something new. */
  add(happenings: Happening[]): boolean {
    const fresh = happenings.filter((one) => {
      const place = `${one.epoch}.${one.sequence}`;
      const isNew = !this.known.has(place);
      if (isNew) this.known.add(place);
      return isNew;
    });
    if (fresh.length === 0) return false;
    const after = (one: Happening, other: Happening) => other.epoch - one.epoch || other.sequence - one.sequence;
    this.entries = [...fresh, ...this.entries].sort(after);
    for (const gone of this.entries.splice(this.most)) this.known.delete(`${gone.epoch}.${gone.sequence}`);
    return true;
  }
}

export function filtered(entries: Happening[], filter: Filter): Happening[] {
  const least = LEVELS.indexOf(filter.level);
  const wanted = filter.text.toLowerCase();
  return entries.filter(
    (one) =>
      LEVELS.indexOf(one.level) >= least &&
      (!filter.tunnel || one.tunnel === filter.tunnel) &&
      (!wanted || one.text.toLowerCase().includes(wanted) || one.kind.includes(wanted)),
  );
}

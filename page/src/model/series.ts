// Values over time, for small charts.

export class Series {
  readonly times: number[] = [];
  readonly values: (number | null)[] = [];

  constructor(private readonly most = 300) {}

  add(unixMs: number, value: number | null): void {
    const last = this.times[this.times.length - 1];
    if (last !== undefined && unixMs / 1000 <= last) return;
    this.times.push(unixMs / 1000);
    this.values.push(value);
    if (this.times.length > this.most) {
      this.times.shift();
      this.values.shift();
    }
  }

  last(): number | null {
    return this.values[this.values.length - 1] ?? null;
  }
}

/** What grew in a second between two readings of a counter; none where it was set back. */
export class Growth {
  private before: { unixMs: number; total: number } | null = null;

  perSecond(unixMs: number, total: number): number | null {
    const before = this.before;
    this.before = { unixMs, total };
    if (!before || unixMs <= before.unixMs || total < before.total) return null;
    return ((total - before.total) * 1000) / (unixMs - before.unixMs);
  }
}

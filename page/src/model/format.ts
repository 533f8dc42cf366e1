// Numbers and times as people read them.

/** How long ago, in the two largest units. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const units: [string, number][] = [["d", 86_400], ["h", 3600], ["m", 60], ["s", 1]];
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return "0 s";
  const shown = units.slice(first, first + 2).map(([unit, size], index) => {
    const whole = index === 0 ? Math.floor(seconds / size) : Math.floor((seconds % units[first]![1]) / size);
    return index > 0 && whole === 0 ? "" : `${whole} ${unit}`;
  });
  return shown.filter(Boolean).join(" ");
}

/** Bits in a second. */
export function rate(bits: number): string {
  return scaled(bits, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"]);
}

export function bytes(count: number): string {
  return scaled(count, ["B", "kB", "MB", "GB", "TB", "PB"]);
}

function scaled(value: number, units: string[]): string {
  let rest = Math.max(0, Number.isFinite(value) ? value : 0);
  let unit = 0;
  for (; rest >= 1000 && unit < units.length - 1; unit += 1) rest /= 1000;
  const digits = unit === 0 || rest >= 100 ? 0 : rest >= 10 ? 1 : 2;
  return `${rest.toFixed(digits)} ${units[unit]}`;
}

export function milliseconds(ns: number): string {
  const ms = ns / 1e6;
  return `${ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0)} ms`;
}

export function percent(value: number): string {
  return `${value > 0 && value < 10 ? value.toFixed(1) : value.toFixed(0)} %`;
}

export function count(value: number, one: string, several: string): string {
  return `${value.toLocaleString("en")} ${value === 1 ? one : several}`;
}

/** The beginning and the end of a key. */
export function short(key: string): string {
  return key.length > 16 ? `${key.slice(0, 6)}…${key.slice(-4)}` : key;
}

export function clock(unixMs: number): string {
  return new Date(unixMs).toLocaleTimeString("en-GB", { hour12: false });
}

export function dayAndClock(unixMs: number): string {
  const at = new Date(unixMs);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock(unixMs)}`;
}

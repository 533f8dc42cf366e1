import assert from "node:assert/strict";
import { test } from "node:test";
import { age, bytes, count, percent, rate, short } from "../src/model/format.ts";
import { groups } from "../src/model/groups.ts";
import { Growth, Series } from "../src/model/series.ts";
import { Keys, matches, seen, sums } from "../src/model/table.ts";
import { filtered, Timeline } from "../src/model/timeline.ts";
import { carriedBy, Traffic } from "../src/model/traffic.ts";
import type { Happening } from "../src/types.ts";

test("ages are told in two units at most", () => {
  const cases: [number, string][] = [[-5, "0 s"], [900, "0 s"], [59_000, "59 s"], [60_000, "1 m"], [65_000, "1 m 5 s"], [3_600_000 * 26, "1 d 2 h"]];
  for (const [ms, said] of cases) assert.equal(age(ms), said);
});

test("numbers are told with three digits and their unit", () => {
  assert.equal(rate(0), "0 bit/s");
  assert.equal(rate(1234), "1.23 kbit/s");
  assert.equal(rate(5e9), "5.00 Gbit/s");
  assert.equal(bytes(123_456_789), "123 MB");
  assert.equal(bytes(Number.NaN), "0 B");
  assert.equal(percent(0.4), "0.4 %");
  assert.equal(count(1, "row", "rows"), "1 row");
  assert.equal(short("4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi"), "4vJ9JU…kLKi");
});

test("groups of all tunnels are rows, each with the name of its tunnel", () => {
  const group = { group: "233.0.0.1", sends: true, receives: true, packets_in: 7, packets_out: 0, last_seen_unix_ms: 5, freshness: "ok" as const };
  const rows = groups([
    { tunnel: "a", link: "doublezero1", steps: [], groups: [group] },
    { tunnel: "b", steps: [] },
    { tunnel: "c", link: null, steps: [], groups: [group] },
  ]);
  assert.deepEqual(rows.map((row) => [row.tunnel, row.group, row.freshness]), [
    ["doublezero1", "233.0.0.1", "ok"],
    ["c", "233.0.0.1", "ok"],
  ]);
});

test("of many rows those are drawn that can be seen, and a few beyond", () => {
  assert.deepEqual(seen(10_000, 32, 0, 320), { first: 0, last: 18 });
  assert.deepEqual(seen(10_000, 32, 32_000, 320), { first: 992, last: 1018 });
  assert.deepEqual(seen(10_000, 32, 320_000, 320), { first: 9992, last: 10_000 });
  assert.deepEqual(seen(3, 32, 5000, 320), { first: 3, last: 3 }, "a list that became short");
});

test("tunnels are found by key, address, link, session and phase, and summed by phase", () => {
  const tunnels = {
    AbCd: { phase: "active", remote: "192.0.2.7", link: "dz7", session: "BGP Session Up" },
    efgh: { phase: "active", remote: "192.0.2.8" },
    ijkl: { phase: "failed" },
  };
  const found = (query: string, phase = "") => Object.entries(tunnels).filter(([id, one]) => matches(id, one, query, phase)).map(([id]) => id);
  assert.deepEqual(found("abcd"), ["AbCd"]);
  assert.deepEqual(found("192.0.2"), ["AbCd", "efgh"]);
  assert.deepEqual(found("session up"), ["AbCd"]);
  assert.deepEqual(found("", "failed"), ["ijkl"]);
  assert.deepEqual(found("192", "failed"), []);
  assert.deepEqual(sums(Object.keys(tunnels), tunnels), [["active", 2], ["failed", 1]]);
});

test("keys are sorted, and sorted anew when one comes or goes only", () => {
  const keys = new Keys();
  keys.begin({ b: {}, a: {} });
  const before = keys.get();
  keys.patched({ a: { phase: "active" }, z: null });
  assert.equal(keys.get(), before, "nothing came or went");
  keys.patched({ c: {}, b: null });
  assert.deepEqual(keys.get(), ["a", "c"]);
});

test("a rate is what grew in a second, and a counter that was set back has none", () => {
  const growth = new Growth();
  assert.equal(growth.perSecond(1000, 100), null);
  assert.equal(growth.perSecond(3000, 300), 100);
  assert.equal(growth.perSecond(4000, 10), null);
  assert.equal(growth.perSecond(5000, 20), 10);
  assert.equal(growth.perSecond(5000, 30), null, "no time went by");
});

test("a series keeps so many values in order of time", () => {
  const series = new Series(2);
  [1, 2, 3, 3].forEach((second) => series.add(second * 1000, second));
  assert.deepEqual(series.times, [2, 3]);
  assert.equal(series.last(), 3);
});

test("what happened is kept once, the newest first, over starts of the daemon", () => {
  const happening = (epoch: number, sequence: number, more: Partial<Happening> = {}): Happening => {
    return { epoch, sequence, unix_ms: 0, kind: "switched", level: "info", text: "enabled", ...more };
  };
  const timeline = new Timeline(3);
  assert.ok(timeline.add([happening(1, 7), happening(1, 8)]));
  assert.ok(!timeline.add([happening(1, 8)]));
  timeline.add([happening(2, 1, { level: "warn", text: "gone wrong", tunnel: "a" }), happening(2, 2, { level: "debug" })]);
  assert.deepEqual(timeline.entries.map((one) => `${one.epoch}.${one.sequence}`), ["2.2", "2.1", "1.8"]);
  const found = (level: string, text = "", tunnel = "") => filtered(timeline.entries, { level, text, tunnel }).map((one) => one.sequence);
  assert.deepEqual(found("debug"), [2, 1, 8]);
  assert.deepEqual(found("info"), [1, 8]);
  assert.deepEqual(found("info", "WRONG"), [1]);
  assert.deepEqual(found("debug", "switched", "a"), [1]);
});

test("what a tunnel carried for several owners is one sum, and what is no tunnel's any more is left out", () => {
  assert.deepEqual(carriedBy(null), []);
  const figure = (tunnel: string | null, rx_bytes: number, tx_bytes: number) => ({ tunnel, rx_bytes, tx_bytes });
  const figures = [figure("a", 1, 2), figure("a", 10, 20), figure(null, 5, 5)];
  assert.deepEqual(carriedBy({ read_unix_ms: 0, figures }), [["a", { received: 11, sent: 22 }]]);
});

test("a reading that is seen twice is one point of a chart", () => {
  const traffic = new Traffic();
  const usage = (read_unix_ms: number, rx_bytes: number) => ({ read_unix_ms, figures: [{ tunnel: "a", rx_bytes, tx_bytes: 0 }] });
  [usage(1000, 0), usage(2000, 1000), usage(2000, 1000), usage(3000, 1000)].forEach((one) => traffic.take(one));
  const flow = traffic.flows.get("a")!;
  assert.deepEqual(flow.received.values, [null, 8000, 0]);
  assert.deepEqual(flow.total, { received: 1000, sent: 0 });
});

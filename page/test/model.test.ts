import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { age, bytes, count, percent, rate, short } from "../src/model/format.ts";
import { groups } from "../src/model/groups.ts";
import { Growth, Series } from "../src/model/series.ts";
import { Index, seen } from "../src/model/table.ts";
import { filtered, LEVELS, Timeline } from "../src/model/timeline.ts";
import { carriedBy, Traffic } from "../src/model/traffic.ts";
import { merge } from "../src/stream/replica.ts";
import type { Happening, TunnelState } from "../src/types.ts";

const FIXTURES = join(process.env.PAGE!, "../fixtures/events");

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
  const at = (total: number, scrolled: number) => {
    const { first, last, most } = seen(total, 32, scrolled, 320);
    assert.ok(last - first <= most, "a row for each");
    return [first, last];
  };
  assert.deepEqual(at(10_000, 0), [0, 18]);
  assert.deepEqual(at(10_000, 32_000), [992, 1018]);
  assert.deepEqual(at(10_000, 32_017), [992, 1019], "where a row is seen in part");
  assert.deepEqual(at(10_000, 320_000), [9992, 10_000]);
  assert.deepEqual(at(3, 5000), [3, 3], "a list that became short");
});

test("tunnels are found by key, address, link, session and phase, and summed by phase", () => {
  const index = new Index();
  index.begin({
    AbCd: { phase: "active", remote: "192.0.2.7", link: "dz7", session: "BGP Session Up" },
    efgh: { phase: "active", remote: "192.0.2.8" },
    ijkl: { phase: "failed" },
  });
  assert.deepEqual(index.found("abcd", ""), ["AbCd"]);
  assert.deepEqual(index.found("192.0.2", ""), ["AbCd", "efgh"]);
  assert.deepEqual(index.found("session up", ""), ["AbCd"]);
  assert.deepEqual(index.found("", "failed"), ["ijkl"]);
  assert.deepEqual(index.found("192", "failed"), []);
  assert.deepEqual(index.sums(), [["active", 2], ["failed", 1]]);
});

test("what is found, summed and sorted is the same after patches as of the whole state", () => {
  const phases = ["active", "peering", "failed"];
  const [index, tunnels]: [Index, Record<string, TunnelState>] = [new Index(), {}];
  index.begin(tunnels);
  let random = 7;
  const next = (most: number) => (random = (random * 48_271) % 2_147_483_647) % most;
  for (let round = 0; round < 500; round += 1) {
    const id = `t${next(40)}`;
    const patch: Record<string, unknown> = { [id]: next(4) === 0 ? null : { phase: phases[next(3)], remote: `192.0.2.${next(9)}` } };
    merge(tunnels, patch);
    index.patched(patch, tunnels);
    const whole = new Index();
    whole.begin(tunnels);
    const looked = (one: Index) => [one.get(), one.sums(), one.found("192.0.2.3", ""), one.found("", "failed"), one.found("t1", "active")];
    assert.deepEqual(looked(index), looked(whole), `round ${round}`);
  }
});

test("keys are sorted anew when one comes or goes only", () => {
  const [index, tunnels]: [Index, Record<string, TunnelState>] = [new Index(), { b: {}, a: {} }];
  index.begin(tunnels);
  const before = index.get();
  const patched = (patch: Record<string, unknown>) => index.patched(patch, merge(tunnels, patch) as typeof tunnels);
  patched({ a: { phase: "active" }, z: null });
  assert.equal(index.get(), before, "nothing came or went");
  patched({ c: {}, b: null });
  assert.deepEqual(index.get(), ["a", "c"]);
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
  const timeline = new Timeline(2, 1);
  assert.ok(timeline.add([happening(1, 7), happening(1, 8)]));
  assert.ok(!timeline.add([happening(1, 8)]));
  timeline.add([happening(2, 1, { level: "warn", text: "gone wrong", tunnel: "a" }), happening(2, 2, { level: "debug" })]);
  assert.deepEqual(timeline.entries.map((one) => `${one.epoch}.${one.sequence}`), ["2.2", "2.1", "1.8"]);
  assert.ok(timeline.add([happening(1, 7)]) && timeline.entries.length === 3, "what is not kept is not known");
  const found = (level: string, text = "", tunnel = "") => filtered(timeline.entries, { level, text, tunnel }).map((one) => one.sequence);
  assert.deepEqual(found("debug"), [2, 1, 8]);
  assert.deepEqual(found("info"), [1, 8]);
  assert.deepEqual(found("info", "WRONG"), [1]);
  assert.deepEqual(found("debug", "switched", "a"), [1]);
});

test("measurements that come each minute do not drive out what happened last night", () => {
  const timeline = new Timeline(3, 2);
  const happening = (sequence: number, level: string): Happening => ({ epoch: 1, sequence, unix_ms: 0, kind: "x", level, text: "x" });
  timeline.add([happening(1, "error")]);
  for (let sequence = 2; sequence < 100; sequence += 1) timeline.add([happening(sequence, "debug")]);
  assert.deepEqual(timeline.entries.map((one) => one.sequence), [99, 98, 1]);
});

/** Of each kind of event, as the daemon keeps them. */
const kept = readdirSync(FIXTURES).flatMap((name) => JSON.parse(readFileSync(join(FIXTURES, name), "utf8")) as Happening[]);

test("whatever the journal keeps can be seen in the timeline, and found by the name of its kind", () => {
  assert.ok(new Set(kept.map((one) => one.kind)).size > 60, "the files of all kinds are here");
  for (const level of [...LEVELS, "of a level that nobody knows yet"]) {
    for (const [number, one] of kept.entries()) {
      const timeline = new Timeline();
      timeline.add([{ ...one, sequence: number, level, text: "something happened" }]);
      for (const filter of [{ level, text: "", tunnel: "" }, { level: "debug", text: one.kind, tunnel: one.tunnel ?? "" }]) {
        assert.equal(filtered(timeline.entries, filter).length, 1, `${one.kind} at ${level}`);
      }
    }
  }
});

test("what a tunnel carried for several owners is one sum, and what is no tunnel's any more is left out", () => {
  assert.deepEqual(carriedBy(null), []);
  const figure = (tunnel: string | null, rx_bytes: number, tx_bytes: number) => ({ tunnel, rx_bytes, tx_bytes });
  const figures = [figure("a", 1, 2), figure("a", 10, 20), figure(null, 5, 5)];
  assert.deepEqual(carriedBy({ read_unix_ms: 0, figures }), [["a", { received: 11, sent: 22 }]]);
});

test("what all tunnels carry together is one flow, however it is added up", () => {
  const traffic = new Traffic();
  const usage = (read_unix_ms: number, ...carried: number[]) => ({ read_unix_ms, figures: carried.map((rx_bytes) => ({ rx_bytes, tx_bytes: 1 })) });
  traffic.takeAll(null);
  assert.equal(traffic.all, null);
  for (const one of [usage(1000, 500, 500), usage(2000, 500, 1500)]) traffic.takeAll(one);
  assert.deepEqual(traffic.all?.total, { received: 2000, sent: 2 });
  assert.deepEqual(traffic.all?.received.values, [null, 8000]);
});

test("a reading that is seen twice is one point of a chart", () => {
  const traffic = new Traffic();
  const usage = (read_unix_ms: number, rx_bytes: number) => ({ read_unix_ms, figures: [{ tunnel: "a", rx_bytes, tx_bytes: 0 }] });
  [usage(1000, 0), usage(2000, 1000), usage(2000, 1000), usage(3000, 1000)].forEach((one) => traffic.take(one));
  const flow = traffic.flows.get("a")!;
  assert.deepEqual(flow.received.values, [null, 8000, 0]);
  assert.deepEqual(flow.total, { received: 1000, sent: 0 });
});

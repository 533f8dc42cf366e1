import assert from "node:assert/strict";
import { test } from "node:test";
import { type Frame, Frames } from "../src/stream/frames.ts";
import { position, text } from "../src/stream/position.ts";
import { merge, Replica } from "../src/stream/replica.ts";
import { inSteps, readJson } from "../src/stream/steps.ts";

const NODE = "12345678901234567890";

function frame(name: string, data: object, sequence?: number, epoch = 1): Frame {
  return { name, id: sequence === undefined ? null : `${NODE}.${epoch}.${sequence}`, data: JSON.stringify(data) };
}

function snapshot(sequence: number, state: object, epoch = 1): Frame {
  return frame("snapshot", { position: `${NODE}.${epoch}.${sequence}`, state }, sequence, epoch);
}

function change(after: number, sequence: number, patch: object, epoch = 1): Frame {
  return frame("change", { after, patch }, sequence, epoch);
}

function following(...frames: Frame[]): Replica {
  const replica = new Replica();
  for (const one of frames) replica.apply(one);
  return replica;
}

test("frames are the same however the text is cut", () => {
  const said = `: hello\nevent: snapshot\r\nid: 1.2.3\ndata: {"a":\ndata:1}\n\nid: 1.2.4\n\ndata: x\n\n`;
  const whole = new Frames().take(said);
  assert.deepEqual(whole, [
    { name: "snapshot", id: "1.2.3", data: '{"a":\n1}' },
    { name: "message", id: null, data: "x" },
  ]);
  for (let size = 1; size < said.length; size += 1) {
    const frames = new Frames();
    const cut = [];
    for (let at = 0; at < said.length; at += size) cut.push(...frames.take(said.slice(at, at + size)));
    assert.deepEqual(cut, whole, `in pieces of ${size}`);
  }
});

test("a position keeps all digits of its node", () => {
  assert.equal(text(position(`${NODE}.2.3`)!), `${NODE}.2.3`);
  for (const wrong of ["", "1.2", "1.2.x", "1.2.3.4", "1.-2.3", 7, null]) assert.equal(position(wrong), null, String(wrong));
});

test("a copy follows what changes, and what is gone is gone", () => {
  const replica = following(
    snapshot(5, { enabled: true, tunnels: { a: { phase: "active" } } }),
    change(5, 6, { tunnels: { a: { phase: "failed" }, b: { phase: "pending" } } }),
    change(6, 9, { tunnels: { b: null } }),
  );
  assert.ok(replica.isRight());
  assert.deepEqual(replica.state, { enabled: true, tunnels: { a: { phase: "failed" } } });
  assert.equal(replica.at?.sequence, 9);
});

test("what comes twice changes nothing", () => {
  const replica = following(snapshot(5, { generation: 1 }), change(5, 6, { generation: 2 }));
  assert.equal(replica.apply(change(5, 6, { generation: 7 })), "known");
  assert.equal(replica.apply(snapshot(4, { generation: 0 })), "known");
  assert.deepEqual(replica.state, { generation: 2 });
});

test("a frame that is lost on the way is noticed and not papered over", () => {
  const replica = following(snapshot(5, {}));
  assert.equal(replica.apply(change(6, 7, { enabled: true })), "doubted");
  assert.ok(replica.mustConnectAgain() && !replica.isRight());
  assert.equal(replica.apply(change(7, 8, {})), "doubted", "until there is a state");
  replica.apply(snapshot(8, {}));
  assert.ok(replica.isRight());
});

test("a heartbeat shows that something was lost, too", () => {
  const replica = following(snapshot(5, {}));
  assert.equal(replica.apply(frame("heartbeat", { position: `${NODE}.1.5`, after: 5 })), "known");
  assert.equal(replica.apply(frame("heartbeat", { position: `${NODE}.1.8`, after: 7 })), "doubted");
});

test("after a gap and after a reset the state comes by itself", () => {
  for (const begun of [frame("gap", { dropped: 3 }), frame("reset", { reason: "too old" })]) {
    const replica = following(snapshot(5, { generation: 1 }), begun);
    assert.ok(!replica.isRight() && !replica.mustConnectAgain(), begun.name);
    replica.apply(snapshot(9, { generation: 2 }));
    assert.ok(replica.isRight() && replica.state?.enabled === undefined);
  }
});

test("resumed from memory the copy stays, and told from the journal it waits for the state", () => {
  const replica = following(snapshot(5, {}));
  assert.equal(replica.apply(frame("resumed", { position: `${NODE}.1.5`, from: "memory" })), "aside");
  assert.ok(replica.isRight());
  replica.apply(frame("resumed", { position: `${NODE}.1.5`, from: "journal" }));
  assert.equal(replica.doubt?.kind, "told");
  assert.equal(replica.apply(frame("event", { kind: "stopping" }, 6)), "aside");
  replica.apply(snapshot(2, {}, 2));
  assert.ok(replica.isRight() && replica.at?.epoch === 2);
});

test("resumed from elsewhere than where the copy is, it is lost", () => {
  const replica = following(snapshot(5, {}));
  replica.apply(frame("resumed", { position: `${NODE}.1.4`, from: "memory" }));
  assert.ok(replica.mustConnectAgain());
});

test("frames of names that are not known are passed over, and what is no JSON is said", () => {
  const replica = following(snapshot(5, {}));
  assert.equal(replica.apply(frame("novelty", { after: 5 }, 6)), "new");
  assert.equal(replica.apply(frame("novelty", {})), "aside");
  assert.equal(replica.apply({ name: "change", id: "x", data: "{" }), "doubted");
  assert.deepEqual(replica.doubt, { kind: "unreadable", what: "change" });
});

test("a patch of a large state costs what the patch costs and reaches no prototype", () => {
  const state = { tunnels: { a: { phase: "active" } } };
  const tunnels = state.tunnels;
  merge(state, JSON.parse('{"tunnels":{"b":{"phase":"pending"}},"__proto__":{"polluted":true}}'));
  assert.equal(state.tunnels, tunnels, "in place");
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
});

test("JSON that is read in steps says what it says when it is read at once", async () => {
  const texts = [
    '{"position":"1.2.3","state":{"tunnels":{"a":{"b":[1,{"c":"}\\"]"}],"d":null},"e":{}},"x":[[]],"y":-1.5e3}}',
    ' { "a" : { } , "b" : [ ] , "c" : "\\\\" , "d" : true }\n',
    '{"a":{"b":{"c":{"d":{"e":{"f":1}}}}}}',
    "[1,2]",
    '"text"',
    "7",
    "{}",
    '{"a":1,"a":2}',
    JSON.stringify({ state: { tunnels: Object.fromEntries(Array.from({ length: 3000 }, (_, at) => [`k${at}`, { phase: "active", said: '"\\{[' }])) } }),
  ];
  for (const text of texts) assert.deepEqual(await inSteps(readJson(text)), JSON.parse(text), text.slice(0, 80));
  const steps = [...readJson(texts.at(-1)!)].length;
  assert.ok(steps > 3, `${steps} steps`);
});

test("what is no JSON is none in steps either, wherever it is cut", async () => {
  const whole = '{"a":{"b":{"c":[1,"x\\"y"]}},"d":true}';
  const wrong = ["", "{a:1}", '{"a" 1}', '{"a":}', '{"a":1,}', "{,}", "{}{}", '{"a":1 "b":2}', '{"a":[1,]}', '{"a":nothing}', "]", "{]", '{"a":{"b":{"c":{"d":}}}}'];
  for (let end = 1; end < whole.length; end += 1) wrong.push(whole.slice(0, end));
  for (const text of wrong) {
    assert.throws(() => JSON.parse(text), SyntaxError, text);
    await assert.rejects(inSteps(readJson(text)), SyntaxError, text);
  }
});

test("a member that is called like a prototype is left out in steps", async () => {
  const read = (await inSteps(readJson('{"a":{"__proto__":{"polluted":true},"b":1}}'))) as { a: { polluted?: boolean } };
  assert.deepEqual([read.a.polluted, Object.getPrototypeOf(read.a)], [undefined, Object.prototype]);
});

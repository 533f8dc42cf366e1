// One stream for all tabs of a browser: who has the lock reads it and passes on what comes; a tab that is hidden gives the lock back,
// and where all are hidden there is no stream.

import { follow } from "./connection.ts";
import type { Frame } from "./frames.ts";
import { type Position, text } from "./position.ts";
import { Replica } from "./replica.ts";
import { inSteps, others, readJson } from "./steps.ts";

/** Whether what is shown is what is true now; since when it may not be, and why. */
export type Freshness = { live: true } | { live: false; since: number; why: string };

export interface Watcher {
  frame(frame: Frame, data: Record<string, unknown> | null, replica: Replica): void;
  freshness(freshness: Freshness): void;
}

type Message =
  | { kind: "hello" }
  | { kind: "freshness"; freshness: Freshness }
  /** A piece of the data of the frame that comes next. */
  | { kind: "piece"; data: string }
  | { kind: "frame"; frame: Frame }
  | { kind: "state"; frame: Frame; freshness: Freshness };

const NAME = "warren-stream";
/** More than this is read in steps, and passed on in pieces. */
const LARGE = 128 * 1024;

export class SharedStream {
  readonly replica = new Replica();
  private freshness: Freshness = { live: false, since: Date.now(), why: "connecting" };
  private channel: BroadcastChannel | null = null;
  private isLeader = false;
  private hidden: AbortController | null = null;
  /** Whether anything was heard of another tab. */
  private hasOthers = false;
  private pieces: string[] = [];
  /** What comes is done in its order, one after the other. */
  private done: Promise<void> = Promise.resolve();

  constructor(private readonly watcher: Watcher) {}

  /** From now on, whenever the page can be seen. */
  start(): void {
    // A page that is no secure context has no locks: it has a stream of its own.
    if ("locks" in navigator) {
      this.channel = new BroadcastChannel(NAME);
      this.channel.onmessage = (event: MessageEvent<Message>) => this.heard(event.data);
      this.say({ kind: "hello" });
    }
    document.addEventListener("visibilitychange", () => this.seen());
    addEventListener("pagehide", () => this.hidden?.abort());
    addEventListener("pageshow", () => this.seen());
    this.seen();
  }

  private seen(): void {
    const isSeen = document.visibilityState === "visible";
    if (isSeen && (!this.hidden || this.hidden.signal.aborted)) {
      this.hidden = new AbortController();
      void this.lead(this.hidden.signal);
      this.say({ kind: "hello" });
    } else if (!isSeen) {
      this.hidden?.abort();
      this.told({ live: false, since: Date.now(), why: "this page was hidden" });
    }
  }

  /** Waits for its turn, and reads until the page is hidden. */
  private async lead(signal: AbortSignal): Promise<void> {
    if (!this.channel) return this.read(signal);
    try {
      await navigator.locks.request(NAME, { signal }, () => this.read(signal));
    } catch {
      // Hidden before its turn came.
    }
  }

  private async read(signal: AbortSignal): Promise<void> {
    this.isLeader = true;
    this.pieces = [];
    await follow(
      {
        since: () => (this.replica.at ? text(this.replica.at) : null),
        open: () => {},
        ended: (why) => this.tell({ live: false, since: Date.now(), why }),
        frame: (frame) =>
          this.after(async () => {
            await this.take(frame);
            await this.passOn(frame);
            if (this.replica.mustConnectAgain()) throw new Error("something was lost on the way");
            if (frame.name !== "shutdown" && this.replica.isRight()) this.tell({ live: true });
          }),
      },
      signal,
    );
    this.isLeader = false;
  }

  /** Once all that came before is done. What fails is the caller's to tell. */
  private after(work: () => Promise<void>): Promise<void> {
    const done = this.done.then(work);
    this.done = done.catch(() => {});
    return done;
  }

  private async take(frame: Frame): Promise<void> {
    let data: Record<string, unknown> | null = null;
    try {
      const isLarge = frame.data.length > LARGE;
      data = (isLarge ? await inSteps(readJson(frame.data)) : JSON.parse(frame.data)) as Record<string, unknown>;
      if (isLarge) await others();
    } catch {
      // The replica says so.
    }
    this.replica.apply(frame, data);
    this.watcher.frame(frame, data, this.replica);
  }

  /** To the other tabs, if there are any. */
  private async passOn(frame: Frame): Promise<void> {
    if (!this.hasOthers) return;
    const { data } = frame;
    for (let from = 0; data.length > LARGE && from < data.length; from += LARGE) {
      this.say({ kind: "piece", data: data.slice(from, from + LARGE) });
      await others();
    }
    this.say({ kind: "frame", frame: data.length > LARGE ? { ...frame, data: "" } : frame });
  }

  /** To a tab that has none. */
  private async passOnState(): Promise<void> {
    const { at, state } = this.replica;
    if (!this.isLeader || !at || !state) return;
    const last = await inSteps(written(this.replica, at, (data) => this.say({ kind: "piece", data })));
    this.say({ kind: "state", frame: { name: "snapshot", id: text(at), data: last }, freshness: this.freshness });
  }

  private heard(message: Message): void {
    this.hasOthers = true;
    if (this.isLeader) {
      if (message.kind === "hello") void this.after(() => this.passOnState());
    } else if (document.visibilityState === "visible") {
      void this.after(() => this.follow(message));
    }
  }

  /** What the tab that reads says. */
  private async follow(message: Message): Promise<void> {
    switch (message.kind) {
      case "hello":
        return;
      case "freshness":
        this.told(message.freshness);
        return;
      case "piece":
        this.pieces.push(message.data);
        return;
    }
    const frame = { ...message.frame, data: this.pieces.join("") + message.frame.data };
    this.pieces = [];
    // The one who reads has the state.
    if (message.kind === "state" && !this.replica.isRight()) this.replica.doubt = { kind: "reset", reason: "" };
    await this.take(frame);
    if (message.kind === "state") this.told(message.freshness);
    else if (this.replica.mustConnectAgain()) this.say({ kind: "hello" });
  }

  private tell(freshness: Freshness): void {
    if (this.told(freshness)) this.say({ kind: "freshness", freshness: this.freshness });
  }

  /** Since when it may not be true stays what it was at first. */
  private told(freshness: Freshness): boolean {
    const was = this.freshness;
    if (was.live && freshness.live) return false;
    const since = !was.live && !freshness.live ? was.since : undefined;
    this.freshness = freshness.live ? freshness : { ...freshness, since: since ?? freshness.since };
    this.watcher.freshness(this.freshness);
    return true;
  }

  private say(message: Message): void {
    this.channel?.postMessage(message);
  }
}

/** The data of a snapshot, in steps of which each says a piece; the last piece is the result. */
function* written({ state, started }: Replica, at: Position, say: (piece: string) => void): Generator<undefined, string, void> {
  const { tunnels, ...rest } = state ?? {};
  const head = { position: text(at), unix_ms: Date.now(), started_unix_ms: started };
  let piece = `${JSON.stringify(head).slice(0, -1)},"state":${JSON.stringify({ ...rest, tunnels: {} }).slice(0, -2)}`;
  let comma = "";
  for (const [id, tunnel] of Object.entries(tunnels ?? {})) {
    piece += `${comma}${JSON.stringify(id)}:${JSON.stringify(tunnel)}`;
    comma = ",";
    if (piece.length < LARGE) continue;
    say(piece);
    piece = "";
    yield;
  }
  return `${piece}}}}`;
}

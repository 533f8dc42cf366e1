// One stream for all tabs of a browser: who has the lock reads it and passes on what comes; a tab that is hidden gives the lock back,
// and where all are hidden there is no stream.

import { follow } from "./connection.ts";
import type { Frame } from "./frames.ts";
import { type Position, text } from "./position.ts";
import { Replica } from "./replica.ts";

/** Whether what is shown is what is true now; since when it may not be, and why. */
export type Freshness = { live: true } | { live: false; since: number; why: string };

export interface Watcher {
  frame(frame: Frame, data: Record<string, unknown> | null, replica: Replica): void;
  freshness(freshness: Freshness): void;
}

type Message =
  | { kind: "frame"; frame: Frame }
  | { kind: "freshness"; freshness: Freshness }
  | { kind: "hello" }
  | { kind: "state"; frame: Frame; freshness: Freshness };

const NAME = "warren-stream";

export class SharedStream {
  readonly replica = new Replica();
  private freshness: Freshness = { live: false, since: Date.now(), why: "connecting" };
  private channel: BroadcastChannel | null = null;
  private isLeader = false;
  private hidden: AbortController | null = null;

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
    await follow(
      {
        since: () => (this.replica.at ? text(this.replica.at) : null),
        open: () => {},
        ended: (why) => this.tell({ live: false, since: Date.now(), why }),
        frame: (frame) => {
          this.take(frame);
          this.say({ kind: "frame", frame });
          if (this.replica.mustConnectAgain()) throw new Error("something was lost on the way");
          if (frame.name !== "shutdown" && this.replica.isRight()) this.tell({ live: true });
        },
      },
      signal,
    );
    this.isLeader = false;
  }

  private take(frame: Frame): void {
    let data: Record<string, unknown> | null = null;
    try {
      data = JSON.parse(frame.data) as Record<string, unknown>;
    } catch {
      // The replica says so.
    }
    this.replica.apply(frame, data);
    this.watcher.frame(frame, data, this.replica);
  }

  private heard(message: Message): void {
    if (this.isLeader) {
      if (message.kind === "hello" && this.replica.at && this.replica.state) {
        this.say({ kind: "state", frame: snapshot(this.replica, this.replica.at), freshness: this.freshness });
      }
      return;
    }
    if (document.visibilityState !== "visible") return;
    if (message.kind === "frame") {
      this.take(message.frame);
      // The one who reads has the state.
      if (this.replica.mustConnectAgain()) this.say({ kind: "hello" });
    } else if (message.kind === "state") {
      if (!this.replica.isRight()) this.replica.doubt = { kind: "reset", reason: "" };
      this.take(message.frame);
      this.told(message.freshness);
    } else if (message.kind === "freshness") {
      this.told(message.freshness);
    }
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

function snapshot({ state, started }: Replica, at: Position): Frame {
  const data = { position: text(at), unix_ms: Date.now(), started_unix_ms: started, state };
  return { name: "snapshot", id: text(at), data: JSON.stringify(data) };
}

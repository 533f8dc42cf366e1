// What the page knows: the replica of the daemon's state, what happened, and what is read beside the stream.

import { type Freshness, SharedStream } from "../stream/shared.ts";
import type { Frame } from "../stream/frames.ts";
import type { Replica } from "../stream/replica.ts";
import type { Happening, Journal, Latency, Picture, Plan, State, Status, TunnelState, Usage } from "../types.ts";
import { Reading } from "./reading.ts";
import { Keys } from "./table.ts";
import { Timeline } from "./timeline.ts";
import { Traffic } from "./traffic.ts";

/** Changes that follow each other closely are asked about once. */
const SETTLED_MS = 150;
/** Nobody sees more of them in a second than so: what is drawn is drawn anew at most this often. Scrolling does not wait. */
const DRAWN_MS = 100;

export class App {
  state: State = {};
  freshness: Freshness = { live: false, since: Date.now(), why: "connecting" };
  selected: string | null = null;
  readonly keys = new Keys();
  readonly timeline = new Timeline();
  readonly traffic = new Traffic();
  readonly picture = new Reading<Picture>("/v3/picture", 5000);
  readonly ofSelected = new Reading<Picture>("", 5000);
  readonly status = new Reading<Status>("/v3/status", 5000);
  readonly latency = new Reading<Latency>("/v3/latency", 10_000);
  readonly plan = new Reading<Plan>("/v3/plan", 10_000);
  readonly usage = new Reading<Usage>("/v3/usage", 5000);
  private readonly journal = new Reading<Journal>("/v3/journal?limit=300", 0);
  private readonly listeners = new Set<() => void>();
  private readonly stream = new SharedStream({
    frame: (frame, data, replica) => this.took(frame, data, replica),
    freshness: (freshness) => this.isFresh(freshness),
  });
  private ahead = 0;
  private started = 0;
  private settling = 0;
  private isDrawn = true;
  private drawnAt = 0;

  start(): void {
    for (const reading of this.readings()) reading.onChange = () => this.changed();
    this.journal.onChange = () => {
      this.timeline.add(this.journal.value?.entries ?? []);
      this.changed();
    };
    this.usage.onChange = () => {
      this.traffic.take(this.usage.value);
      this.changed();
    };
    this.stream.start();
    document.addEventListener("visibilitychange", () => this.settle());
    setInterval(() => this.tick(), 1000);
    this.tick();
  }

  /** Now, on the daemon's clock. */
  now(): number {
    return Date.now() + this.ahead;
  }

  /** A time of the state, as Unix time. */
  unixMs(sinceStartMs: number): number {
    return this.started + sinceStartMs;
  }

  tunnels(): Record<string, TunnelState> {
    return this.state.tunnels ?? {};
  }

  select(tunnel: string | null): void {
    this.selected = tunnel;
    this.ofSelected.of(tunnel ? `/v3/picture?tunnel=${encodeURIComponent(tunnel)}` : "");
    this.changed();
  }

  /** Calls back in the next frame that is drawn after something changed. */
  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** What is read beside the stream is read again, at once. */
  again(): void {
    for (const reading of this.readings()) reading.again();
  }

  private readings(): Reading<unknown>[] {
    return [this.picture, this.ofSelected, this.status, this.latency, this.plan, this.usage, this.journal];
  }

  private took(frame: Frame, data: Record<string, unknown> | null, replica: Replica): void {
    if (typeof data?.unix_ms === "number" && frame.name !== "event") this.ahead = data.unix_ms - Date.now();
    if (!replica.isRight() || !replica.state) return this.changed();
    this.state = replica.state;
    this.started = replica.started ?? this.started;
    if (frame.name === "snapshot") {
      this.keys.begin(this.tunnels());
      this.journal.again();
    }
    if (frame.name === "event" && data) this.timeline.add([data as unknown as Happening]);
    const patch = data?.patch as State | undefined;
    if (patch?.tunnels) this.keys.patched(patch.tunnels);
    if (patch || frame.name === "snapshot") this.settle();
    this.changed();
  }

  private isFresh(freshness: Freshness): void {
    const isBack = freshness.live && !this.freshness.live;
    this.freshness = freshness;
    if (isBack) this.again();
    this.changed();
  }

  /** What follows from the state is asked for once it stands for a moment. */
  private settle(): void {
    this.settling ||= setTimeout(() => {
      this.settling = 0;
      for (const reading of [this.picture, this.ofSelected, this.status, this.plan]) reading.again();
    }, SETTLED_MS);
  }

  private tick(): void {
    if (document.visibilityState !== "visible") return;
    for (const reading of this.readings()) reading.tick();
    // Ages grow.
    this.changed();
  }

  private changed(): void {
    if (!this.isDrawn) return;
    this.isDrawn = false;
    const draw = () => {
      this.isDrawn = true;
      this.drawnAt = performance.now();
      for (const listener of this.listeners) listener();
    };
    setTimeout(() => requestAnimationFrame(draw), Math.max(0, this.drawnAt + DRAWN_MS - performance.now()));
  }
}

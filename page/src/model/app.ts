// What the page knows: the replica of the daemon's state, what happened, and what is read beside the stream.

import { type Freshness, SharedStream } from "../stream/shared.ts";
import type { Frame } from "../stream/frames.ts";
import type { Replica } from "../stream/replica.ts";
import type { Happening, Journal, Latency, Picture, Plan, State, Status, TunnelState, Usage } from "../types.ts";
import { Reading } from "./reading.ts";
import { Index } from "./table.ts";
import { Timeline } from "./timeline.ts";
import { Traffic } from "./traffic.ts";

/** Changes that follow each other closely are asked about once. */
const SETTLED_MS = 150;
/** Where changes never end, what follows from them is asked for so often: where there are many tunnels that is more for the daemon to do. */
const ASKED_MS = { few: 500, many: 2000 };
/** Nobody sees more of them in a second than so: what is drawn is drawn anew at most this often. Scrolling does not wait. */
const DRAWN_MS = 100;
/** So many tunnels are shown with their whole way each; more are a table. */
const FEW = 8;
/** What happened before this page was opened. */
const BEFORE = "/v3/journal?limit=300&level=";
/** What was carried: by each tunnel, or where there are many by all of them. */
const USAGE = { few: "/v3/usage", many: "/v3/usage?per=device" };

export class App {
  state: State = {};
  freshness: Freshness = { live: false, since: Date.now(), why: "connecting" };
  selected: string | null = null;
  /** Goes up each second in which the page can be seen. */
  seconds = 0;
  readonly tunnelIndex = new Index();
  readonly timeline = new Timeline();
  readonly traffic = new Traffic();
  readonly picture = new Reading<Picture>("/v3/picture", 5000);
  readonly ofSelected = new Reading<Picture>("", 5000);
  readonly status = new Reading<Status>("/v3/status", 5000);
  readonly latency = new Reading<Latency>("/v3/latency", 10_000);
  readonly plan = new Reading<Plan>("/v3/plan", 10_000);
  readonly usage = new Reading<Usage>("", 5000);
  readonly usageOfSelected = new Reading<Usage>("", 5000);
  private readonly journal = new Reading<Journal>(`${BEFORE}info`, 0);
  private readonly listeners = new Set<() => void>();
  private readonly stream = new SharedStream({
    frame: (frame, data, replica) => this.took(frame, data, replica),
    freshness: (freshness) => this.isFresh(freshness),
  });
  private ahead = 0;
  private started = 0;
  private settling = 0;
  private settledAt = Number.NEGATIVE_INFINITY;
  private isDrawn = true;
  private drawnAt = 0;

  start(): void {
    for (const reading of this.readings()) reading.onChange = () => this.changed();
    this.journal.onChange = () => {
      this.timeline.add(this.journal.value?.entries ?? []);
      this.changed();
    };
    this.status.onChange = () => {
      if (this.status.value) this.usage.of(USAGE[this.isMany() ? "many" : "few"]);
      this.changed();
    };
    this.usage.onChange = () => {
      if (this.isMany()) this.traffic.takeAll(this.usage.value);
      else this.traffic.take(this.usage.value);
      this.changed();
    };
    this.usageOfSelected.onChange = () => {
      this.traffic.take(this.usageOfSelected.value);
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
    const name = encodeURIComponent(tunnel ?? "");
    this.ofSelected.of(name && `/v3/picture?tunnel=${name}`);
    this.usageOfSelected.of(name && this.isMany() ? `/v3/usage?of=${name}` : "");
    this.changed();
  }

  /** Whether there are too many tunnels to show the way of each. */
  isMany(): boolean {
    const { value } = this.picture;
    return Math.max(this.tunnelIndex.get().length, this.status.value?.tunnels_total ?? 0, value?.paths.length ?? 0) > FEW;
  }

  /** What happened of this level and above is read, as far as it is kept. */
  toldFrom(level: string): void {
    this.journal.of(BEFORE + level);
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
    return [this.picture, this.ofSelected, this.status, this.latency, this.plan, this.usage, this.usageOfSelected, this.journal];
  }

  private took(frame: Frame, data: Record<string, unknown> | null, replica: Replica): void {
    if (typeof data?.unix_ms === "number" && frame.name !== "event") this.ahead = data.unix_ms - Date.now();
    if (!replica.isRight() || !replica.state) return this.changed();
    this.state = replica.state;
    this.started = replica.started ?? this.started;
    if (frame.name === "snapshot") {
      this.tunnelIndex.begin(this.tunnels());
      this.journal.again();
    }
    if (frame.name === "event" && data) this.timeline.add([data as unknown as Happening]);
    const patch = data?.patch as State | undefined;
    if (patch?.tunnels) this.tunnelIndex.patched(patch.tunnels, this.tunnels());
    if (patch || frame.name === "snapshot") this.settle();
    this.changed();
  }

  private isFresh(freshness: Freshness): void {
    const isBack = freshness.live && !this.freshness.live;
    this.freshness = freshness;
    if (isBack) this.again();
    this.changed();
  }

  /** What follows from the state is asked for once it stands for a moment, or has changed for long. */
  private settle(): void {
    const next = this.settledAt + ASKED_MS[this.isMany() ? "many" : "few"];
    this.settling ||= setTimeout(
      () => {
        this.settling = 0;
        this.settledAt = performance.now();
        for (const reading of [this.picture, this.ofSelected]) reading.again();
        // All that is there is looked at for it.
        if (!this.isMany()) this.plan.again();
      },
      Math.max(SETTLED_MS, next - performance.now()),
    );
  }

  private tick(): void {
    if (document.visibilityState !== "visible") return;
    for (const reading of this.readings()) reading.tick();
    // Ages grow.
    this.seconds += 1;
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

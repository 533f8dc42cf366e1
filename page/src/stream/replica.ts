// A copy of the daemon's state, made of the frames of /v3/events: it is right, or it says why it may not be. It keeps the rules of
// `warren_api::replica`; the tests of both say the same.

import type { State } from "../types.ts";
import type { Frame } from "./frames.ts";
import { type Position, isOfOneStart, position } from "./position.ts";

export type Applied = "new" | "known" | "aside" | "doubted";

/** Why the copy may not be right. After "gap", "reset" and "told" the state comes by itself. */
export type Doubt =
  | { kind: "gap"; dropped: number }
  | { kind: "reset"; reason: string }
  | { kind: "told" }
  | { kind: "lost" }
  | { kind: "unreadable"; what: string };

interface Data {
  position?: unknown;
  after?: unknown;
  state?: unknown;
  started_unix_ms?: unknown;
  patch?: unknown;
  from?: unknown;
  dropped?: unknown;
  reason?: unknown;
}

export class Replica {
  at: Position | null = null;
  state: State | null = null;
  doubt: Doubt | null = null;
  /** When the daemon's clock began, on which times of the state count. */
  started: number | null = null;

  isRight(): boolean {
    return this.state !== null && this.doubt === null;
  }

  /** Whether nothing that comes on this connection will make it right. */
  mustConnectAgain(): boolean {
    return this.doubt?.kind === "lost" || this.doubt?.kind === "unreadable";
  }

  apply(frame: Frame, data: Data | null = read(frame)): Applied {
    if (!data) return this.doubted({ kind: "unreadable", what: frame.name });
    switch (frame.name) {
      case "snapshot":
        return this.begin(data);
      case "resumed":
        return this.resume(data);
      case "gap":
        return this.doubted({ kind: "gap", dropped: Number(data.dropped) || 0 });
      case "reset":
        return this.doubted({ kind: "reset", reason: typeof data.reason === "string" ? data.reason : "" });
      case "heartbeat": {
        const at = position(data.position);
        return at && typeof data.after === "number" ? this.goOn(at, data) : "aside";
      }
    }
    // A frame of another name may move on as well: by its id.
    if (frame.id === null) return "aside";
    const at = position(frame.id);
    return at ? this.goOn(at, data) : this.doubted({ kind: "unreadable", what: frame.name });
  }

  private begin(data: Data): Applied {
    const at = position(data.position);
    if (!at || typeof data.state !== "object" || data.state === null) {
      return this.doubted({ kind: "unreadable", what: "snapshot" });
    }
    const isOlder = this.at !== null && isOfOneStart(at, this.at) && at.sequence < this.at.sequence;
    if (isOlder && this.doubt?.kind !== "reset") return "known";
    this.at = at;
    this.state = data.state as State;
    if (typeof data.started_unix_ms === "number") this.started = data.started_unix_ms;
    this.doubt = null;
    return "new";
  }

  private resume(data: Data): Applied {
    if (data.from !== "memory") return this.doubted({ kind: "told" });
    const at = position(data.position);
    const isSame = at && this.at && isOfOneStart(at, this.at) && at.sequence === this.at.sequence;
    if (!isSame) return this.doubted({ kind: "lost" });
    this.doubt = null;
    return "aside";
  }

  private goOn(at: Position, data: Data): Applied {
    const isKnown = this.at !== null && isOfOneStart(at, this.at) && at.sequence <= this.at.sequence;
    if (typeof data.after !== "number") {
      // It is of the past, and the state comes behind it.
      if (this.doubt) return "aside";
      return isKnown ? "known" : this.doubted({ kind: "told" });
    }
    if (!this.at || !this.state || this.doubt) return this.doubted({ kind: "lost" });
    if (isKnown) return "known";
    if (!isOfOneStart(at, this.at) || data.after > this.at.sequence) return this.doubted({ kind: "lost" });
    if (data.patch !== undefined) this.state = merge(this.state, data.patch) as State;
    this.at = at;
    return "new";
  }

  private doubted(doubt: Doubt): Applied {
    this.doubt = doubt;
    return "doubted";
  }
}

function read(frame: Frame): Data | null {
  try {
    const data: unknown = JSON.parse(frame.data);
    return typeof data === "object" && data !== null ? data : null;
  } catch {
    return null;
  }
}

/** Applies a JSON Merge Patch (RFC 7396) in place, so that its cost is the patch's and not the state's. */
export function merge(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const into: Record<string, unknown> = isObject(target) ? target : {};
  for (const [name, value] of Object.entries(patch)) {
    // What a key of foreign text may be called is no way to a prototype.
    if (name === "__proto__") continue;
    if (value === null) delete into[name];
    else into[name] = merge(into[name], value);
  }
  return into;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

// One connection to /v3/events that comes back by itself.

import { type Frame, Frames } from "./frames.ts";

export interface Listener {
  /** The position to go on from; none for the whole state. */
  since(): string | null;
  /** What comes next waits until it is done. */
  frame(frame: Frame): Promise<void>;
  /** It is there. */
  open(): void;
  /** It ended, and why; it is tried again. */
  ended(why: string): void;
}

/** The daemon sends something each 15 s. */
const SILENCE_MS = 40_000;
const PAUSES_MS = [250, 500, 1000, 2000, 4000, 5000];

/** Follows until it is aborted. */
export async function follow(listener: Listener, signal: AbortSignal): Promise<void> {
  for (let failures = 0; !signal.aborted; ) {
    const why = await once(listener, signal, () => (failures = 0));
    if (signal.aborted) return;
    listener.ended(why);
    await pause(PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)] ?? 5000, signal);
    failures += 1;
  }
}

async function once(listener: Listener, signal: AbortSignal, isThere: () => void): Promise<string> {
  const silence = new AbortController();
  let timer = 0;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), SILENCE_MS);
  };
  try {
    heard();
    const since = listener.since();
    const headers: Record<string, string> = since ? { "last-event-id": since } : {};
    const answer = await fetch("/v3/events", { headers, cache: "no-store", signal: AbortSignal.any([signal, silence.signal]) });
    if (!answer.ok || !answer.body) return await said(answer);
    listener.open();
    isThere();
    return await read(answer.body, listener, heard);
  } catch {
    return silence.signal.aborted ? "nothing was heard of the daemon" : "the daemon does not answer";
  } finally {
    clearTimeout(timer);
  }
}

async function read(body: ReadableStream<Uint8Array>, listener: Listener, heard: () => void): Promise<string> {
  const [frames, text, reader] = [new Frames(), new TextDecoder(), body.getReader()];
  let last = "the stream ended";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return last;
    heard();
    for (const frame of frames.take(text.decode(value, { stream: true }))) {
      if (frame.name === "shutdown") last = "the daemon stops";
      try {
        await listener.frame(frame);
      } catch (again) {
        await reader.cancel();
        return again instanceof Error ? again.message : "the stream is taken up anew";
      }
    }
  }
}

async function said(answer: Response): Promise<string> {
  const text = (await answer.text()).trim();
  try {
    return String((JSON.parse(text) as { description?: string }).description ?? text);
  } catch {
    return text.split("\n")[0] || `the daemon answered ${answer.status}`;
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}

// Small parts that several views are made of. What a colour says, a sign and a word say too.

import { Component, type ComponentChildren } from "preact";
import type { StepState } from "../types.ts";

interface KeptProps {
  of: readonly unknown[];
  children: ComponentChildren;
}

/** Draws what is in it anew only when one of these is another one. */
export class Kept extends Component<KeptProps> {
  override shouldComponentUpdate({ of }: KeptProps): boolean {
    return of.some((one, at) => one !== this.props.of[at]);
  }

  override render({ children }: KeptProps) {
    return children;
  }
}

const SIGNS: Record<string, string> = {
  ok: "✓",
  working: "…",
  attention: "!",
  wrong: "✗",
  waiting: "·",
  unknown: "?",
  stale: "!",
  dead: "✗",
  debug: "·",
  info: "i",
  warn: "!",
  error: "✗",
};

const WORDS: Record<string, string> = {
  ok: "ok",
  working: "working on it",
  attention: "look at it",
  wrong: "wrong",
  waiting: "waiting",
  unknown: "not known",
  stale: "stale",
  dead: "dead",
};

export function Badge({ state, children }: { state: string; children?: ComponentChildren }) {
  return (
    <span class={`badge ${state}`}>
      <span aria-hidden="true">{SIGNS[state] ?? "?"}</span> {children ?? WORDS[state] ?? state}
    </span>
  );
}

export function Section({ id, title, children, more }: { id: string; title: string; children: ComponentChildren; more?: ComponentChildren }) {
  return (
    <section aria-labelledby={`${id}-title`} id={id}>
      <header class="head">
        <h2 id={`${id}-title`}>{title}</h2>
        {more}
      </header>
      {children}
    </section>
  );
}

/** Text in which what stands in backquotes is a command. */
export function Words({ text }: { text: string }) {
  return <>{text.split("`").map((part, index) => (index % 2 ? <code key={index}>{part}</code> : part))}</>;
}

export function stateOfPhase(phase: string | undefined): StepState {
  if (phase === "active") return "ok";
  if (phase === "failed" || phase === "removed") return "wrong";
  if (phase === "draining") return "attention";
  return phase ? "working" : "unknown";
}

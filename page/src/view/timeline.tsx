// What happened, the newest first.

import { useState } from "preact/hooks";
import type { App } from "../model/app.ts";
import { dayAndClock } from "../model/format.ts";
import { filtered } from "../model/timeline.ts";
import { Badge, Section } from "./parts.tsx";

const SHOWN = 100;
const STATES: Record<string, string> = { error: "wrong", warn: "attention", info: "ok", debug: "waiting" };

export function Timeline({ app }: { app: App }) {
  const [level, least] = useState("info");
  const [text, ask] = useState("");
  const found = filtered(app.timeline.entries, { level, text, tunnel: app.selected ?? "" });
  return (
    <Section
      id="timeline"
      title="What happened"
      more={
        <div class="filters">
          <label>
            From{" "}
            <select value={level} onChange={(event) => least(event.currentTarget.value)}>
              {["debug", "info", "warn", "error"].map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          </label>
          <label>
            With <input type="search" value={text} onInput={(event) => ask(event.currentTarget.value.trim())} />
          </label>
        </div>
      }
    >
      {found.length === 0 && <p class="quiet">Nothing that fits.</p>}
      <ol class="events" tabIndex={0} aria-label="What happened, the newest first">
        {found.slice(0, SHOWN).map((one) => (
          <li key={`${one.epoch}.${one.sequence}`}>
            <time dateTime={new Date(one.unix_ms).toISOString()}>{dayAndClock(one.unix_ms)}</time>
            <Badge state={STATES[one.level] ?? "unknown"}>{one.level}</Badge>
            <span>{one.text}</span>
          </li>
        ))}
      </ol>
    </Section>
  );
}

// What happened, the newest first.

import { useState } from "preact/hooks";
import type { App } from "../model/app.ts";
import { dayAndClock, short } from "../model/format.ts";
import { filtered, LEVELS } from "../model/timeline.ts";
import type { Happening } from "../types.ts";
import { Badge, Section } from "./parts.tsx";

const SHOWN = 100;

export function Timeline({ app }: { app: App }) {
  const [level, least] = useState("info");
  const [text, ask] = useState("");
  const choose = (chosen: string) => {
    least(chosen);
    app.toldFrom(chosen);
  };
  const found = filtered(app.timeline.entries, { level, text, tunnel: app.selected ?? "" });
  return (
    <Section
      id="timeline"
      title="What happened"
      more={
        <div class="filters">
          <label>
            From{" "}
            <select value={level} onChange={(event) => choose(event.currentTarget.value)}>
              {LEVELS.map((one) => (
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
            <Badge state={one.level} />
            <span>
              {about(app, one)} {one.text}
            </span>
          </li>
        ))}
      </ol>
    </Section>
  );
}

/** The tunnel that it is about, where its words do not say that. */
function about(app: App, { tunnel, link, text }: Happening) {
  if (!tunnel) return null;
  const name = link ?? app.tunnels()[tunnel]?.link;
  if (text.includes(tunnel) || (name && text.includes(name))) return null;
  return <b title={tunnel}>{name ?? short(tunnel)}</b>;
}

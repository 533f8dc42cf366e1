// Many tunnels: a table of which only what can be seen is drawn.

import { Component } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { App } from "../model/app.ts";
import { age, count, short } from "../model/format.ts";
import { seen } from "../model/table.ts";
import { Badge, Section, stateOfPhase } from "./parts.tsx";
import { Tunnel } from "./tunnels.tsx";

const ROW = 32;

export function Table({ app }: { app: App }) {
  const [query, ask] = useState("");
  const [phase, only] = useState("");
  const search = useRef<HTMLInputElement>(null);
  useEffect(() => focusOnSlash(search), []);
  const all = app.tunnelIndex.get();
  const found = app.tunnelIndex.found(query, phase);
  return (
    <Section id="tunnels" title="Tunnels" more={<p class="quiet">{count(all.length, "tunnel", "tunnels")}</p>}>
      <ul class="sums">
        {app.tunnelIndex.sums().map(([name, number]) => (
          <li key={name}>
            <button type="button" aria-pressed={phase === name} onClick={() => only(phase === name ? "" : name)}>
              <Badge state={stateOfPhase(name)}>{name}</Badge> {number.toLocaleString("en")}
            </button>
          </li>
        ))}
      </ul>
      <label class="search">
        Find a key or an address{" "}
        <input ref={search} type="search" value={query} onInput={(event) => ask(event.currentTarget.value.trim())} />
        <span class="quiet"> {found.length === all.length ? "" : `${found.length.toLocaleString("en")} found`}</span>
      </label>
      <Selected app={app} />
      <Rows app={app} ids={found} />
    </Section>
  );
}

function Rows({ app, ids }: { app: App; ids: string[] }) {
  const place = useRef<HTMLDivElement>(null);
  const focused = useRef<string | null>(null);
  const [scrolled, scroll] = useState(0);
  const [height, size] = useState(480);
  useEffect(() => {
    const at = place.current;
    if (!at) return;
    const watch = new ResizeObserver(() => size(at.clientHeight));
    watch.observe(at);
    return () => watch.disconnect();
  }, []);
  const { first, last, most } = seen(ids.length, ROW, scrolled, height);
  const drawn = ids.slice(first, last);
  useLayoutEffect(() => {
    // Whose row scrolled away stays in the table, and in no other tunnel's row.
    if (focused.current === null || drawn.includes(focused.current)) return;
    focused.current = null;
    place.current?.focus({ preventScroll: true });
  });
  const tunnels = app.tunnels();
  return (
    <div class="rows" role="table" aria-label="Tunnels" aria-rowcount={ids.length + 1}>
      <div role="rowgroup">
        <div class="row names" role="row" aria-rowindex={1}>
          {["Key", "Phase", "For", "Session", "Remote", "Interface", "Routes"].map((name) => (
            <span key={name} role="columnheader">
              {name}
            </span>
          ))}
        </div>
      </div>
      <div class="scroll" role="rowgroup" tabIndex={0} aria-label="Rows" ref={place} onScroll={(event) => scroll(event.currentTarget.scrollTop)}>
        <div class="space" role="presentation" style={{ height: `${ids.length * ROW}px` }}>
          {drawn.map((id, index) => {
            const tunnel = tunnels[id] ?? {};
            const at = first + index;
            return (
              <Row
                // A row that scrolls out is drawn again as one that scrolls in.
                key={at % most}
                at={at}
                id={id}
                phase={tunnel.phase}
                since={tunnel.since_ms === undefined ? "" : age(app.now() - app.unixMs(tunnel.since_ms))}
                session={tunnel.session}
                remote={tunnel.remote}
                link={tunnel.link}
                routes={tunnel.learned_routes}
                isSelected={app.selected === id}
                select={() => app.select(app.selected === id ? null : id)}
                focus={(isFocused) => {
                  focused.current = isFocused ? id : null;
                }}
              />
            );
          })}
        </div>
      </div>
    </div>
  );
}

interface RowProps {
  at: number;
  id: string;
  phase: string | undefined;
  since: string;
  session: string | undefined;
  remote: string | undefined;
  link: string | undefined;
  routes: number | undefined;
  isSelected: boolean;
  select: () => void;
  focus: (isFocused: boolean) => void;
}

/** What of a row is seen: what it does follows from its tunnel. */
const SEEN = ["at", "id", "phase", "since", "session", "remote", "link", "routes", "isSelected"] as const;

class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    return SEEN.some((name) => next[name] !== this.props[name]);
  }

  override render({ at, id, phase, since, session, remote, link, routes, isSelected, select, focus }: RowProps) {
    return (
      <div class="row" role="row" aria-rowindex={at + 2} style={{ top: `${at * ROW}px` }}>
        <span role="cell">
          <button type="button" class="plain" title={id} aria-pressed={isSelected} onClick={select} onFocus={() => focus(true)} onBlur={() => focus(false)}>
            {short(id)}
          </button>
        </span>
        <span role="cell">
          <Badge state={stateOfPhase(phase)}>{phase}</Badge>
        </span>
        <span role="cell">{since}</span>
        <span role="cell">{session}</span>
        <span role="cell">{remote}</span>
        <span role="cell">{link}</span>
        <span role="cell">{routes}</span>
      </div>
    );
  }
}

function Selected({ app }: { app: App }) {
  const path = app.ofSelected.value?.paths[0];
  if (!app.selected || !path) return null;
  return <Tunnel app={app} path={path} />;
}

function focusOnSlash(search: { current: HTMLInputElement | null }): () => void {
  const pressed = (event: KeyboardEvent) => {
    const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    search.current?.focus();
  };
  addEventListener("keydown", pressed);
  return () => removeEventListener("keydown", pressed);
}

// Many tunnels: a table of which only what can be seen is drawn.

import { useEffect, useRef, useState } from "preact/hooks";
import type { App } from "../model/app.ts";
import { age, count, short } from "../model/format.ts";
import { matches, seen, sums } from "../model/table.ts";
import type { TunnelState } from "../types.ts";
import { Badge, Section, stateOfPhase } from "./parts.tsx";
import { Tunnel } from "./tunnels.tsx";

const ROW = 32;

export function Table({ app }: { app: App }) {
  const [query, ask] = useState("");
  const [phase, only] = useState("");
  const search = useRef<HTMLInputElement>(null);
  useEffect(() => focusOnSlash(search), []);
  const tunnels = app.tunnels();
  const all = app.keys.get();
  const found = query || phase ? all.filter((id) => tunnels[id] && matches(id, tunnels[id], query, phase)) : all;
  return (
    <Section id="tunnels" title="Tunnels" more={<p class="quiet">{count(all.length, "tunnel", "tunnels")}</p>}>
      <ul class="sums">
        {sums(all, tunnels).map(([name, number]) => (
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
  const [scrolled, scroll] = useState(0);
  const [height, size] = useState(480);
  useEffect(() => {
    const at = place.current;
    if (!at) return;
    const watch = new ResizeObserver(() => size(at.clientHeight));
    watch.observe(at);
    return () => watch.disconnect();
  }, []);
  const { first, last } = seen(ids.length, ROW, scrolled, height);
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
          {ids.slice(first, last).map((id, index) => (
            <Row key={id} app={app} id={id} tunnel={tunnels[id] ?? {}} at={first + index} />
          ))}
        </div>
      </div>
    </div>
  );
}

function Row({ app, id, tunnel, at }: { app: App; id: string; tunnel: TunnelState; at: number }) {
  const since = tunnel.since_ms === undefined ? "" : age(app.now() - app.unixMs(tunnel.since_ms));
  return (
    <div class="row" role="row" aria-rowindex={at + 2} style={{ transform: `translateY(${at * ROW}px)` }}>
      <span role="cell">
        <button type="button" class="plain" title={id} aria-pressed={app.selected === id} onClick={() => app.select(app.selected === id ? null : id)}>
          {short(id)}
        </button>
      </span>
      <span role="cell">
        <Badge state={stateOfPhase(tunnel.phase)}>{tunnel.phase}</Badge>
      </span>
      <span role="cell">{since}</span>
      <span role="cell">{tunnel.session}</span>
      <span role="cell">{tunnel.remote}</span>
      <span role="cell">{tunnel.link}</span>
      <span role="cell">{tunnel.learned_routes}</span>
    </div>
  );
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

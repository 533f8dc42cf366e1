// Whose page this is, how it stands, and the switch.

import { useEffect, useRef, useState } from "preact/hooks";
import type { App } from "../model/app.ts";
import { age, clock } from "../model/format.ts";
import { set } from "../model/switch.ts";
import { Badge } from "./parts.tsx";
import { Theme } from "./theme.tsx";

export function Head({ app }: { app: App }) {
  const status = app.status.value;
  return (
    <header class="top">
      <h1>
        Warren <small>{whose(app)}</small>
      </h1>
      <p class="facts">
        {status ? `${status.network} · ${status.role} · ${status.dataplane.backend} · warrend ${status.process.version}` : ""}
      </p>
      <div class="actions">
        <Badge state={overall(app)}>{overallInWords(app)}</Badge>
        <Switch app={app} />
        <Theme />
      </div>
    </header>
  );
}

/** Whether what is shown may be old. Read out when it changes and not as it ages. */
export function Stale({ app }: { app: App }) {
  const { freshness } = app;
  const isSeenOnce = app.picture.value !== null || app.tunnelIndex.get().length > 0;
  return (
    <div>
      {!freshness.live && (
        <p class="stale">
          <Badge state="stale">{isSeenOnce ? `stale since ${clock(freshness.since)}` : "connecting"}</Badge> {freshness.why}
          {isSeenOnce && `, ${age(Date.now() - freshness.since)} ago; this page comes back by itself`}
        </p>
      )}
    </div>
  );
}

/** Says to who cannot see it what changed, and to who looks at another tab how it stands. */
export function Announcer({ app }: { app: App }) {
  const keys = app.tunnelIndex.get();
  const few = keys.length <= 4 ? keys.map((id) => `${app.tunnels()[id]?.link ?? id}: ${app.tunnels()[id]?.phase ?? ""}`) : [];
  const parts = [app.freshness.live ? "live" : "stale", overallInWords(app), ...few];
  const title = [overallInWords(app), whose(app), "Warren"].filter(Boolean).join(" · ");
  useEffect(() => {
    document.title = title;
  }, [title]);
  return (
    <p class="unseen" aria-live="polite">
      {parts.join(". ")}
    </p>
  );
}

function whose({ status, state }: App) {
  return status.value?.client_ip ?? status.value?.device ?? state.client_ip;
}

function overall(app: App): string {
  if (!app.freshness.live) return "stale";
  if (app.state.enabled === false) return "attention";
  if (app.picture.value?.problems.length) return "wrong";
  if (held(app) > 0) return "attention";
  return app.state.converged ? "ok" : "working";
}

/** How many tunnels are slower than they could be, because of their caps. */
function held(app: App): number {
  return (app.picture.value?.paths ?? []).filter(({ cap }) => cap?.reason).length;
}

function overallInWords(app: App): string {
  const attention = app.state.enabled === false ? "disabled" : `${held(app)} held to a rate`;
  const words: Record<string, string> = { stale: "not live", attention, ok: "all is well", working: "working on it" };
  const problems = app.picture.value?.problems.length ?? 0;
  return words[overall(app)] ?? `${problems} ${problems === 1 ? "problem" : "problems"}`;
}

function Switch({ app }: { app: App }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [problem, tell] = useState<string | null>(null);
  const isOn = app.state.enabled !== false;
  const verb = isOn ? "Disable" : "Enable";
  const confirm = async () => {
    const failed = await set(!isOn);
    tell(failed);
    if (!failed) dialog.current?.close();
  };
  return (
    <>
      <button type="button" disabled={!app.freshness.live} onClick={() => (tell(null), dialog.current?.showModal())}>
        {verb}…
      </button>
      <dialog ref={dialog} aria-labelledby="switch-title">
        <h2 id="switch-title">{verb} warrend?</h2>
        <p>{isOn ? "All its tunnels are taken down, and traffic stops." : "It builds the tunnels that the ledger asks for."}</p>
        {problem && (
          <p role="alert">
            <Badge state="wrong">refused</Badge> {problem}
          </p>
        )}
        <div class="actions">
          <button type="button" autofocus onClick={() => dialog.current?.close()}>
            Leave it
          </button>
          <button type="button" class="danger" onClick={() => void confirm()}>
            {verb} it
          </button>
        </div>
      </dialog>
    </>
  );
}

// Each tunnel with its way: ledger, view, tunnel, session, routes, traffic.

import type { App } from "../model/app.ts";
import { age, milliseconds, percent, rate, short } from "../model/format.ts";
import type { Path, Step, Target } from "../types.ts";
import { Chart } from "./chart.tsx";
import { Badge, Section, Words } from "./parts.tsx";

export function Tunnels({ app }: { app: App }) {
  const paths = app.picture.value?.paths ?? [];
  return (
    <Section id="tunnels" title="Tunnels">
      {paths.length === 0 && <p class="quiet">There are none.</p>}
      <div class="cards">
        {paths.map((path) => (
          <Tunnel key={path.tunnel} app={app} path={path} />
        ))}
      </div>
    </Section>
  );
}

export function Tunnel({ app, path }: { app: App; path: Path }) {
  const state = app.tunnels()[path.tunnel];
  const device = app.latency.value?.targets.find((target) => target.device_ip === state?.remote);
  return (
    <article class="card">
      <h3>
        {path.link ?? "no interface"} <small title={path.tunnel}>{short(path.tunnel)}</small>
        {state?.service && <small>{state.service}</small>}
      </h3>
      <ol class="path">
        {path.steps.map((step) => (
          <StepOfPath key={step.step} app={app} step={step} />
        ))}
      </ol>
      <div class="charts">
        <Rates app={app} tunnel={path.tunnel} />
        {device && <Probes device={device} />}
      </div>
    </article>
  );
}

function StepOfPath({ app, step }: { app: App; step: Step }) {
  const since = step.since_unix_ms;
  return (
    <li class={step.state}>
      <span class="step">{step.step}</span>
      <Badge state={step.state} />
      <span class="said">
        {step.text}
        {since ? <span class="age"> {age(app.now() - since)}</span> : null}
        {step.reason && (
          <span class="reason">
            <Words text={step.reason} />
          </span>
        )}
      </span>
    </li>
  );
}

function Rates({ app, tunnel }: { app: App; tunnel: string }) {
  const flow = app.traffic.flows.get(tunnel);
  // A tunnel that is gone carries nothing.
  if (!flow || !app.tunnels()[tunnel]) return null;
  const lines = [
    { name: "in", values: flow.received.values },
    { name: "out", values: flow.sent.values },
  ];
  return <Chart label="Rate" times={flow.received.times} lines={lines} format={rate} />;
}

function Probes({ device }: { device: Target }) {
  const times = device.history.map((round) => round.unix_ms / 1000);
  const trips = device.history.map((round) => (round.avg_ns > 0 ? round.avg_ns : null));
  const losses = device.history.map((round) => round.loss_percentage);
  return (
    <>
      <Chart label={`To ${device.device_code}`} times={times} lines={[{ name: "round trip", values: trips }]} format={milliseconds} />
      <Chart label="Loss" times={times} lines={[{ name: "lost", values: losses }]} format={percent} />
    </>
  );
}

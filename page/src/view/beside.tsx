// What belongs to tunnels: groups, devices, the plan, caps and usage.

import type { App } from "../model/app.ts";
import { age, bytes, count, milliseconds, percent, rate, short } from "../model/format.ts";
import { groups } from "../model/groups.ts";
import { Badge, Section } from "./parts.tsx";

export function Groups({ app }: { app: App }) {
  const all = groups(app.picture.value?.paths ?? []);
  if (all.length === 0) return null;
  const counted = (value: number | null | undefined) => value?.toLocaleString("en") ?? "–";
  return (
    <Section id="groups" title="Multicast groups">
      <table>
        <thead>
          <tr>
            <th scope="col">Group</th>
            <th scope="col">This host</th>
            <th scope="col">In</th>
            <th scope="col">Out</th>
            <th scope="col">Last seen</th>
          </tr>
        </thead>
        <tbody>
          {all.map((one) => (
            <tr key={`${one.tunnel} ${one.group}`}>
              <th scope="row">{one.group}</th>
              <td>{[one.sends && "sends", one.receives && "receives"].filter(Boolean).join(", ")}</td>
              <td>{counted(one.packets_in)}</td>
              <td>{counted(one.packets_out)}</td>
              <td>
                <Badge state={one.freshness} /> {one.last_seen_unix_ms ? age(app.now() - one.last_seen_unix_ms) : ""}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}

const NEAREST = 12;

export function Devices({ app }: { app: App }) {
  const targets = app.latency.value?.targets ?? [];
  if (targets.length === 0) return null;
  const inUse = new Set(Object.values(app.tunnels()).map((tunnel) => tunnel.remote));
  return (
    <Section id="devices" title="Devices, the nearest first">
      <table>
        <thead>
          <tr>
            <th scope="col">Device</th>
            <th scope="col">Address</th>
            <th scope="col">Round trip</th>
            <th scope="col">Jitter</th>
            <th scope="col">Loss</th>
          </tr>
        </thead>
        <tbody>
          {targets.slice(0, NEAREST).map((target) => (
            <tr key={target.device_ip}>
              <th scope="row">
                {target.device_code} {inUse.has(target.device_ip) && <small>in use</small>}
              </th>
              <td>{target.device_ip}</td>
              <td>
                {target.reachable === false ? <Badge state="wrong">no answer</Badge> : target.smoothed_ns ? milliseconds(target.smoothed_ns) : "–"}
              </td>
              <td>{milliseconds(target.jitter_ns)}</td>
              <td>{percent(target.history[target.history.length - 1]?.loss_percentage ?? 0)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {targets.length > NEAREST && <p class="quiet">{count(targets.length - NEAREST, "more device", "more devices")}</p>}
    </Section>
  );
}

export function Plan({ app }: { app: App }) {
  const plan = app.plan.value;
  if (!plan) return app.plan.problem ? <Section id="plan" title="What the daemon would do now"><p class="quiet">{app.plan.problem}</p></Section> : null;
  const isIdle = plan.steps.length === 0 && plan.conflicts.length === 0;
  return (
    <Section id="plan" title="What the daemon would do now">
      {isIdle && <p class="quiet">Nothing: what is there is what should be there (plan {plan.generation}).</p>}
      <ol class="steps">
        {plan.steps.slice(0, 50).map((step, index) => (
          <li key={index}>
            <code>{step.text}</code>
          </li>
        ))}
      </ol>
      {plan.steps.length > 50 && <p class="quiet">{count(plan.steps.length - 50, "more step", "more steps")}</p>}
      {plan.conflicts.map((conflict, index) => (
        <p key={index}>
          <Badge state="wrong">in the way</Badge> {conflict.link}: {conflict.reason}
        </p>
      ))}
    </Section>
  );
}

/** What each tunnel may use; the daemon says it whole. */
export function Caps({ app }: { app: App }) {
  const capped = (app.picture.value?.paths ?? []).flatMap((path) => (path.cap ? [{ name: path.link ?? short(path.tunnel), tunnel: path.tunnel, ...path.cap }] : []));
  if (capped.length === 0) return null;
  return (
    <Section id="caps" title="Caps">
      <table>
        <thead>
          <tr>
            <th scope="col">Tunnel</th>
            <th scope="col">Used</th>
            <th scope="col">Now</th>
          </tr>
        </thead>
        <tbody>
          {capped.slice(0, 50).map((one) => (
            <tr key={one.tunnel}>
              <th scope="row" title={one.tunnel}>
                {one.name}
              </th>
              <td>
                <Badge state={one.state} /> {one.text}
              </td>
              <td>{one.reason ?? "not held"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}

export function Usage({ app }: { app: App }) {
  const flows = [...app.traffic.flows];
  if (flows.length === 0) return null;
  return (
    <Section id="usage" title="Usage">
      <table>
        <thead>
          <tr>
            <th scope="col">Tunnel</th>
            <th scope="col">In</th>
            <th scope="col">Out</th>
            <th scope="col">In now</th>
            <th scope="col">Out now</th>
          </tr>
        </thead>
        <tbody>
          {flows.slice(0, 50).map(([tunnel, flow]) => (
            <tr key={tunnel}>
              <th scope="row" title={tunnel}>
                {app.tunnels()[tunnel]?.link ?? short(tunnel)}
              </th>
              <td>{bytes(flow.total.received)}</td>
              <td>{bytes(flow.total.sent)}</td>
              <td>{rate(flow.received.last() ?? 0)}</td>
              <td>{rate(flow.sent.last() ?? 0)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}

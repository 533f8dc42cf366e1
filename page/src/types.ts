// What the daemon says, as far as it is shown. /openapi.json has all of it.

export interface TunnelState {
  link?: string;
  service?: string;
  local?: string;
  remote?: string;
  phase?: string;
  since_ms?: number;
  session?: string;
  session_cause?: string;
  learned_routes?: number;
  repairs?: number;
  attempts?: number;
  failure?: { phase: string; class: string; operation: string; detail: string };
}

export interface State {
  enabled?: boolean;
  switch?: string;
  stopping?: boolean;
  converged?: boolean;
  client_ip?: string;
  tunnels?: Record<string, TunnelState>;
  refused?: Record<string, { code: string; reason: string }>;
  view?: { slot: number; users: number };
}

export interface Happening {
  epoch: number;
  sequence: number;
  unix_ms: number;
  kind: string;
  level: string;
  text: string;
  tunnel?: string;
  link?: string | null;
}

export type StepState = "ok" | "working" | "attention" | "wrong" | "waiting" | "unknown";

export interface Step {
  step: string;
  state: StepState;
  since_unix_ms?: number | null;
  text: string;
  reason?: string | null;
}

export interface Path {
  tunnel: string;
  link?: string | null;
  steps: Step[];
  groups?: Group[];
  cap?: Cap | null;
}

export interface Group {
  group: string;
  sends: boolean;
  receives: boolean;
  packets_in?: number | null;
  packets_out?: number | null;
  last_seen_unix_ms?: number | null;
  freshness: "ok" | "stale" | "dead" | "unknown";
}

export interface Cap {
  state: StepState;
  text: string;
  reason?: string | null;
}

export interface Problem {
  tunnel?: string | null;
  text: string;
  fix?: string | null;
}

export interface Picture {
  unix_ms: number;
  problems: Problem[];
  paths: Path[];
}

export interface StatusTunnel {
  id: string;
  name?: string | null;
}

export interface Status {
  unix_ms: number;
  role: string;
  network: string;
  client_ip?: string | null;
  device?: string | null;
  enabled: boolean;
  uptime_seconds: number;
  process: { version: string };
  dataplane: { backend: string };
  tunnels: StatusTunnel[];
  tunnels_total: number;
}

export interface Round {
  unix_ms: number;
  loss_percentage: number;
  avg_ns: number;
}

export interface Target {
  device_code: string;
  device_ip: string;
  reachable?: boolean | null;
  smoothed_ns?: number | null;
  jitter_ns: number;
  history: Round[];
}

export interface Latency {
  ready: boolean;
  targets: Target[];
}

export interface Plan {
  generation: number;
  steps: { tunnel: string; link: string; text: string }[];
  conflicts: { tunnel: string; link: string; reason: string }[];
  stray_rules?: string[];
}

export interface Journal {
  entries: Happening[];
}

export interface Usage {
  read_unix_ms: number;
  figures: { tunnel?: string | null; rx_bytes: number; tx_bytes: number }[];
}

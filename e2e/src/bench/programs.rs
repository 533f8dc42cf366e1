//! Figures that programs of other rooms take: examples, run as release builds.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{report::Row, stage::Stage};

/// Of the machine that runs commands under a kernel with GRE, from the folder of the workspace.
const VM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/vm/run");

const USERS: u32 = 10_000;
const TUNNELS: u32 = 1_000;
const ROUTES: u32 = 10_000;

/// A pass of the reconciler's core with nothing to do.
pub(super) fn no_op_pass(stage: &Stage) -> Result<Vec<Row>> {
    let answer = json(Command::new(stage.program("examples/noop_pass")?).arg(USERS.to_string()))?;
    let how = "gateway role, processor time, mean of 40 passes";
    Ok(vec![
        Row::new(
            "no-op pass over 10,000 users, after a view",
            field(&answer, "view_ms")?,
            "ms",
        )
        .at_most(25.0)
        .note(how),
        Row::new(
            "no-op pass over 10,000 users, after a full observation",
            field(&answer, "observation_ms")?,
            "ms",
        )
        .at_most(25.0)
        .note(how),
    ])
}

/// All actors of a gateway, on the simulated dataplane.
pub(super) fn gateway(stage: &Stage) -> Result<Vec<Row>> {
    let answer =
        json(Command::new(stage.program("examples/gateway")?).args([USERS.to_string(), "60".to_owned()]))?;
    let how = "simulated dataplane, processor time of the process; a tunnel is up when its link is";
    let row = |what: &str, name: &str, unit| {
        Ok::<_, anyhow::Error>(Row::new(what, field(&answer, name)?, unit).note(how))
    };
    Ok(vec![
        row("10,000 tunnels from view to up", "up_s", "s")?.at_most(3.0),
        row("one user joins 10,000, up to its link, p50", "join_ms", "ms")?.at_most(1.0),
        row("one user joins 10,000, what follows", "join_rest_ms", "ms")?,
        row("a quiet minute with 10,000 tunnels", "quiet_percent", "%")?.at_most(1.0),
        row("memory of a tunnel, allocated", "heap_kib", "KiB")?.at_most(8.0),
        row(
            "memory of a tunnel, resident, the model kernel's included",
            "rss_kib",
            "KiB",
        )?,
    ])
}

/// 1,000 kernel tunnels, in the VM where this kernel has no GRE.
pub(super) fn tunnels_netlink(stage: &Stage) -> Result<Vec<Row>> {
    let mut command = Command::new(VM);
    command
        .args(["-t", "400", "-m", "2048"])
        .arg(stage.program("examples/tunnels")?);
    let rows = tunnels(
        &mut command,
        "netlink",
        "kernel GRE in the VM: an emulated processor",
    )?;
    let [up, down, rest @ ..] = &rows[..] else {
        bail!("figures are missing")
    };
    Ok([up.clone().at_most(3_000.0), down.clone().at_most(500.0)]
        .into_iter()
        .chain(rest.iter().cloned())
        .collect())
}

/// 1,000 tunnels of the userspace dataplane.
pub(super) fn tunnels_userspace(stage: &Stage) -> Result<Vec<Row>> {
    tunnels(
        &mut Command::new(stage.program("examples/tunnels")?),
        "userspace",
        "TUN devices and one forwarder, native",
    )
}

/// One TCP stream between two hosts, through the userspace dataplane of both.
pub(super) fn throughput(stage: &Stage) -> Result<Vec<Row>> {
    let answer = json(Command::new(stage.program("examples/userspace_throughput")?).arg("10"))?;
    let how = "10 s of iperf3; both hosts and the wire share this machine's processors";
    Ok(vec![
        Row::new(
            "one TCP stream over userspace GRE",
            field(&answer, "gbit_per_second")?,
            "Gbit/s",
        )
        .at_least(5.0)
        .note(how),
    ])
}

fn tunnels(command: &mut Command, backend: &str, how: &str) -> Result<Vec<Row>> {
    command.args([
        "--backend",
        backend,
        "--count",
        &TUNNELS.to_string(),
        "--routes",
        &ROUTES.to_string(),
    ]);
    let answer = json(command)?;
    let row = |what: &str, name: &str| {
        Ok::<_, anyhow::Error>(Row::new(format!("{what}, {backend}"), field(&answer, name)?, "ms").note(how))
    };
    Ok(vec![
        row("1,000 tunnels up", "up_ms")?,
        row("1,000 tunnels down", "rest_down_ms")?,
        row("observing 1,000 tunnels", "observe_all_ms")?,
        row("10,000 routes put by the dataplane alone", "put_routes_ms")?,
    ])
}

fn field(answer: &Value, name: &str) -> Result<f64> {
    answer[name]
        .as_f64()
        .with_context(|| format!("no {name} in {answer}"))
}

/// The line of JSON that the program prints.
fn json(command: &mut Command) -> Result<Value> {
    let program = Path::new(command.get_program()).display().to_string();
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("{program} ended with {}: {text}", output.status);
    }
    let line = text
        .lines()
        .find_map(|line| serde_json::from_str::<Value>(line).ok().filter(Value::is_object));
    line.with_context(|| format!("{program} printed no figures: {text}"))
}

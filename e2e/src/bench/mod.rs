//! Figures about the daemon as it is shipped: release builds of what is measured, on a devnet where one is needed.

mod activation;
mod caps;
mod changes;
mod connect;
mod edge;
mod latency;
mod liveness;
mod polls;
mod programs;
mod report;
mod routes;
mod samples;
mod stage;
mod start;
mod status;
mod updates;

use std::{
    env,
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use report::{Row, note, print};
use stage::Stage;
use warren_e2e::{isolate::contain, sys::Placement as _};

/// Measures Warren and prints the figures beside their budgets.
#[derive(Parser, Debug)]
#[command(name = "warren-bench", version)]
pub struct Arguments {
    /// What to measure.
    figure: Figure,
    /// Where the release builds are; beside this program's own folder unless told otherwise.
    #[arg(long)]
    release: Option<PathBuf>,
    /// Runs of each figure that is a percentile of runs.
    #[arg(long, default_value_t = 50)]
    runs: u32,
    /// How the figures are printed.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// For a terminal.
    Table,
    /// For a page.
    Markdown,
    /// One object per line.
    Json,
}

/// What there is to measure.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Figure {
    /// Everything, one after the other.
    All,
    /// From a change of the ledger that is pushed to the active tunnel.
    ActivationPushed,
    /// The same where only polling tells of changes.
    ActivationPolled,
    /// `warren connect` and `warren disconnect`, from start to end.
    Connect,
    /// Bytes and requests of one poll of a client host.
    Poll,
    /// A reconcile pass with nothing to do, 10,000 users.
    NoOpPass,
    /// 10,000 users of a gateway through the whole tree of actors.
    Gateway,
    /// 1,000 tunnels up and down over netlink, in the VM.
    TunnelsNetlink,
    /// 1,000 tunnels up and down over the userspace dataplane.
    TunnelsUserspace,
    /// 10,000 routes from BIRD into the kernel.
    Routes,
    /// The same with one prefix per UPDATE, and 100,000, and SIGTERM meanwhile.
    Updates,
    /// From exec to ready, and resident memory when idle.
    Start,
    /// Status requests while resyncs run, 10,000 routes.
    StatusRoutes,
    /// Status requests while resyncs run, 1,000 tunnels.
    StatusTunnels,
    /// One TCP stream over userspace GRE.
    Throughput,
    /// Packets lost in changes of a unicast tunnel.
    Changes,
    /// Packets lost in changes of a multicast tunnel.
    ChangesMulticast,
    /// Packets lost in restarts of the daemon.
    Restarts,
    /// 300 prefixes of edge filtering, up and down.
    Edge,
    /// 2,000 sessions of route liveness.
    Liveness,
    /// 300 devices, near and silent.
    Latency,
    /// How well tunnels are held to rates, and how far caps are overrun.
    Caps,
}

/// Measures and prints.
///
/// # Errors
/// When something cannot be measured. A budget that is missed is no error: the table says so.
pub fn run(arguments: Arguments) -> Result<ExitCode> {
    if arguments.figure != Figure::All
        && let Some(code) = contain()?
    {
        return Ok(code);
    }
    let stage = Stage::new(arguments.release.clone(), arguments.runs)?;
    let (rows, failed) = if arguments.figure == Figure::All {
        all(&arguments)
    } else {
        (
            measure(arguments.figure, &stage).with_context(|| arguments.figure.name())?,
            Vec::new(),
        )
    };
    match arguments.format {
        Format::Table => print(&report::table(&rows)),
        Format::Markdown => print(&report::markdown(&rows)),
        Format::Json => {
            for row in &rows {
                print(&serde_json::to_string(row)?);
            }
        }
    }
    if failed.is_empty() {
        Ok(ExitCode::SUCCESS)
    } else {
        bail!("could not be measured: {}", failed.join(", "))
    }
}

fn measure(figure: Figure, stage: &Stage) -> Result<Vec<Row>> {
    let rows = match figure {
        Figure::All => bail!("one figure at a time"),
        Figure::ActivationPushed => activation::pushed(stage),
        Figure::ActivationPolled => activation::polled(stage),
        Figure::Connect => connect::measure(stage),
        Figure::Poll => polls::measure(stage),
        Figure::NoOpPass => programs::no_op_pass(stage),
        Figure::Gateway => programs::gateway(stage),
        Figure::TunnelsNetlink => programs::tunnels_netlink(stage),
        Figure::TunnelsUserspace => programs::tunnels_userspace(stage),
        Figure::Routes => routes::measure(stage),
        Figure::Updates => updates::measure(stage),
        Figure::Start => start::measure(stage),
        Figure::StatusRoutes => status::with_routes(stage),
        Figure::StatusTunnels => status::with_tunnels(stage),
        Figure::Throughput => programs::throughput(stage),
        Figure::Changes => changes::unicast(stage),
        Figure::ChangesMulticast => changes::multicast(stage),
        Figure::Restarts => changes::restarts(stage),
        Figure::Edge => edge::measure(stage),
        Figure::Liveness => liveness::measure(stage),
        Figure::Latency => latency::measure(stage),
        Figure::Caps => caps::measure(stage),
    }?;
    let command = format!("warren-bench {}", figure.name());
    Ok(rows
        .into_iter()
        .map(|row| Row {
            command: command.clone(),
            ..row
        })
        .collect())
}

/// Each figure in a process of its own: worlds cannot follow each other in one.
fn all(arguments: &Arguments) -> (Vec<Row>, Vec<String>) {
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for &figure in Figure::value_variants()
        .iter()
        .filter(|figure| **figure != Figure::All)
    {
        note(&format!("{} (load {})", figure.name(), report::load()));
        match apart(figure, arguments) {
            Ok(measured) => rows.extend(measured),
            Err(error) => {
                note(&format!("{}: {error:#}", figure.name()));
                failed.push(figure.name());
            }
        }
    }
    (rows, failed)
}

fn apart(figure: Figure, arguments: &Arguments) -> Result<Vec<Row>> {
    let mut command = Command::new(env::current_exe().context("cannot find this program's own file")?);
    command
        .arg(figure.name())
        .args(["--format", "json", "--runs", &arguments.runs.to_string()]);
    if let Some(release) = &arguments.release {
        command.arg("--release").arg(release);
    }
    let output = command
        .dies_with_us()
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run this program again")?;
    if !output.status.success() {
        bail!("it ended with {}", output.status);
    }
    let lines = String::from_utf8_lossy(&output.stdout);
    lines
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| Ok(serde_json::from_str(line)?))
        .collect()
}

impl Figure {
    fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }
}

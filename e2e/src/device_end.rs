//! The device's end of tunnels: a child process in the device's namespace that takes orders as lines of JSON.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
};

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::{prctl::set_pdeathsig, signal::Signal};
use serde::{Deserialize, Serialize};
use warren_dataplane::{
    Dataplane, Removal,
    select::{self, Settings},
    userspace::{UserspaceSettings, run_forwarder},
};
use warren_state::{
    Action, Address, AddressScope, BackendChoice, Incarnation, LinkAction, LinkName, LinkSpec, PlannedStep,
    Pubkey, StepOutcome, TunnelId,
};

use crate::{device::TunnelEnd, netns::Namespace};

/// TTL and MTU of the inner link, as the reference's devices have them where it matters to a host.
const TTL: u8 = 32;
const MTU: u16 = 1476;

/// An order to the child.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Make a tunnel's end.
    Add(TunnelEnd),
    /// Take it away.
    Remove(TunnelEnd),
}

/// The child's answer to an order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Done.
    Done,
    /// Not done, and why.
    Failed(String),
}

/// The parent's side: a handle on the child.
#[derive(Debug)]
pub struct DeviceEnd {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl DeviceEnd {
    /// Starts `warren-devnet device-end` in the device's namespace.
    ///
    /// # Errors
    /// When the program does not start or finds no backend.
    pub fn start(devnet: &Path, namespace: &Namespace, backend: &str, directory: &Path) -> Result<Self> {
        let mut command = namespace.command(devnet);
        command
            .args(["device-end", "--dataplane", backend, "--socket"])
            .arg(directory.join("forwarder.sock"));
        let (child, orders, answers) = piped(&mut command)?;
        let mut end = Self {
            child,
            orders,
            answers,
        };
        end.answer()
            .context("the device's end of the tunnels did not start")?;
        Ok(end)
    }

    /// Sends an order and waits for it to be done.
    ///
    /// # Errors
    /// With the child's reason.
    pub fn order(&mut self, order: &Order) -> Result<()> {
        writeln!(self.orders, "{}", serde_json::to_string(order)?)
            .context("the device's end of the tunnels is gone")?;
        self.answer().with_context(|| format!("{order:?}"))
    }

    fn answer(&mut self) -> Result<()> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("the device's end of the tunnels ended");
        }
        match serde_json::from_str(&line).with_context(|| format!("not an answer: {line:?}"))? {
            Answer::Done => Ok(()),
            Answer::Failed(reason) => Err(anyhow!(reason)),
        }
    }
}

impl Drop for DeviceEnd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn piped(command: &mut Command) -> Result<(Child, ChildStdin, BufReader<ChildStdout>)> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {command:?}"))?;
    let orders = child.stdin.take().context("no pipe to the child")?;
    let answers = child.stdout.take().context("no pipe from the child")?;
    Ok((child, orders, BufReader::new(answers)))
}

/// The child's side: carries out orders until its input ends. Answers once without an order when it is ready.
///
/// # Errors
/// When input or output fail; a failed order is an answer and not an error.
pub async fn serve(dataplane: Result<Arc<dyn Dataplane>>) -> Result<()> {
    let dataplane = match dataplane {
        Ok(dataplane) => dataplane,
        Err(error) => return say(&Answer::Failed(format!("{error:#}"))),
    };
    say(&Answer::Done)?;
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(tokio::io::stdin()));
    while let Some(line) = lines.next_line().await? {
        let answer = match serde_json::from_str(&line) {
            Ok(order) => carry_out(&*dataplane, order)
                .await
                .map_or_else(|error| Answer::Failed(format!("{error:#}")), |()| Answer::Done),
            Err(error) => Answer::Failed(format!("not an order: {error}")),
        };
        say(&answer)?;
    }
    Ok(())
}

async fn carry_out(dataplane: &dyn Dataplane, order: Order) -> Result<()> {
    match order {
        Order::Add(end) => add(dataplane, &end).await,
        Order::Remove(end) => {
            let removal = Removal::Tunnel {
                tunnel: identity(&end),
                rules: BTreeSet::new(),
            };
            let report = dataplane.remove(removal).await;
            report
                .failed
                .first()
                .map_or(Ok(()), |fault| Err(anyhow!(fault.clone())))
        }
    }
}

async fn add(dataplane: &dyn Dataplane, end: &TunnelEnd) -> Result<()> {
    let link = LinkName::new(end.name.clone())?;
    let spec = LinkSpec {
        name: link.clone(),
        local: end.local,
        remote: end.remote,
        ttl: TTL,
        mtu: MTU,
    };
    let address = Address {
        address: end.overlay,
        prefix_len: 31,
        scope: AddressScope::Universe,
    };
    let actions = [
        Action::Link(LinkAction::Create {
            spec,
            incarnation: Incarnation(1),
        }),
        Action::put(address),
    ];
    let steps = actions.map(|action| PlannedStep {
        tunnel: identity(end),
        link: link.clone(),
        action,
    });
    for outcome in dataplane.apply(steps.into()).await {
        match outcome {
            StepOutcome::Done | StepOutcome::AlreadySo => {}
            StepOutcome::Failed(fault) => return Err(anyhow!(fault)),
        }
    }
    Ok(())
}

fn identity(end: &TunnelEnd) -> TunnelId {
    let mut bytes = [0xde; 32];
    for (at, byte) in bytes
        .iter_mut()
        .zip(end.overlay.octets().into_iter().chain(end.name.bytes()))
    {
        *at = byte;
    }
    TunnelId(Pubkey(bytes))
}

fn say(answer: &Answer) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(answer)?)
        .and_then(|()| out.flush())
        .context("cannot answer")
}

/// The backend of this name in the current namespace. Its forwarder, where it has one, is this program too.
///
/// # Errors
/// When there is none of that name, or the system refuses it.
pub fn open(name: &str, socket: &Path) -> Result<Arc<dyn Dataplane>> {
    let choice: BackendChoice = name.parse()?;
    let userspace = UserspaceSettings::own_program(socket).context("cannot find this program's own file")?;
    Ok(select::open(choice, Settings { userspace })?)
}

/// Carries packets for [`open`]'s userspace backend, and ends with the process that started it.
///
/// # Errors
/// When the arguments are wrong, or the system refuses.
pub fn forward(arguments: &[String]) -> Result<()> {
    set_pdeathsig(Signal::SIGKILL).context("cannot bind the forwarder's life to its starter's")?;
    Ok(run_forwarder(arguments.iter().cloned())?)
}

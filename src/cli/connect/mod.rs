//! `warren connect`, `disconnect` and `multicast`: this host's users on the ledger, and their tunnels.
//!
//! Every verb first looks at what stands on the ledger and does only what is missing: run again after a failure or an
//! interruption, it resumes. It ends with 0 only when what was asked for is so.

mod disconnect;
mod feeds;
mod groups;
pub mod host;
mod multicast;
pub mod proof;
mod roles;
mod select;
mod session;
mod steps;
mod unicast;
mod wait;

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    net::Ipv4Addr,
    time::Duration,
};

use serde_json::json;
use tokio::time::{Instant, sleep};
use warren_ledger::accounts::{AccessPass, Device, User, UserStatus};
use warren_state::Pubkey;

use super::{
    OK,
    client::{Client, ClientError},
    command::{Connect, Disconnect, How, LedgerFlags, MulticastCommand, Service},
    failure::Failure,
};
use crate::http::v3;
use select::{Choice, Measured, Room, Wish};
use session::Session;
use steps::Steps;
use wait::Limit;

/// The exit code of an interrupted command, as shells have it: 128 and the signal's number.
const INTERRUPTED: u8 = 130;
/// The daemon's first round of measurements is done within this.
const MEASURED_WITHIN: Duration = Duration::from_secs(60);

/// `warren connect`.
///
/// # Errors
/// Never: what went wrong is told here, and is in the exit code.
pub async fn connect(flags: &LedgerFlags, daemon: &Client, command: Connect, as_json: bool) -> anyhow::Result<u8> {
    let steps = Steps::new(as_json, command.how.wait.verbose);
    let work = async {
        reachable(daemon).await?;
        let session = Session::open(flags, daemon, &steps).await?;
        match command.service {
            Service::Ibrl { tenant, allocate_addr } => unicast::connect(&session, tenant, allocate_addr, &command.how).await,
            Service::Multicast { role, groups, publish, subscribe, subscribe_feed, unsubscribe_feed } => {
                let asked = multicast::Asked::new(role, groups, publish, subscribe, subscribe_feed, unsubscribe_feed);
                multicast::connect(&session, asked, &command.how).await
            }
        }
    };
    guarded(&steps, work).await
}

/// `warren disconnect`.
///
/// # Errors
/// Never: what went wrong is told here, and is in the exit code.
pub async fn disconnect(flags: &LedgerFlags, daemon: &Client, command: Disconnect, as_json: bool) -> anyhow::Result<u8> {
    let steps = Steps::new(as_json, command.wait.verbose);
    guarded(&steps, disconnect::run(flags, daemon, &steps, command)).await
}

/// `warren multicast`.
///
/// # Errors
/// Never: what went wrong is told here, and is in the exit code.
pub async fn multicast(flags: &LedgerFlags, daemon: &Client, command: MulticastCommand, as_json: bool) -> anyhow::Result<u8> {
    let (change, groups) = groups::Change::of(command);
    let steps = Steps::new(as_json, groups.wait.verbose);
    guarded(&steps, groups::run(flags, daemon, &steps, change, groups)).await
}

/// Does the work until it is done or somebody interrupts it, and tells how it ended.
async fn guarded(steps: &Steps, work: impl Future<Output = Result<(), Failure>>) -> anyhow::Result<u8> {
    let failure = tokio::select! {
        done = work => match done {
            Ok(()) => return Ok(OK),
            Err(failure) => failure,
        },
        _ = tokio::signal::ctrl_c() => Failure {
            code: INTERRUPTED,
            what: "interrupted".to_owned(),
            advice: Some("Run the command again to go on from here; `warren disconnect` takes back what there is.".to_owned()),
        },
    };
    steps.fail(&failure);
    Ok(failure.code)
}

/// The daemon answers. Asked first: without it nothing comes of a user.
async fn reachable(daemon: &Client) -> Result<v3::Status, Failure> {
    daemon.read("/v3/status").await.map_err(Failure::from)
}

/// Where this host stands with the network.
struct Place {
    client_ip: Ipv4Addr,
    pass_key: Pubkey,
    pass: AccessPass,
    users: BTreeMap<Pubkey, User>,
}

impl Place {
    /// Looks at the daemon, the pass and the users of this host.
    async fn look(session: &Session<'_>, how: &How) -> Result<Self, Failure> {
        let status = host::daemon(session.daemon, &session.operator).await?;
        let client_ip = host::own_address(&status, how.wait.client_ip)?;
        let text = format!("warrend {} on {}, this host is {client_ip}", status.process.version, status.network);
        session.steps.done("daemon", &text, json!({ "client_ip": client_ip.to_string(), "version": status.process.version }));
        let (pass_key, pass) = session.pass(client_ip).await?;
        session.steps.done(
            "access pass",
            &format!("{pass_key} ({})", host::pass_name(&pass)),
            json!({ "access_pass": pass_key.to_string() }),
        );
        let users = session.users(client_ip).await?;
        Ok(Self { client_ip, pass_key, pass, users })
    }

    /// Where this host's tunnels end.
    fn taken(&self, devices: &BTreeMap<Pubkey, Device>) -> BTreeSet<Ipv4Addr> {
        let end = |user: &User| {
            if user.tunnel_endpoint.is_unspecified() {
                devices.get(&user.device_pk).map(|device| device.public_ip)
            } else {
                Some(user.tunnel_endpoint)
            }
        };
        self.users.values().filter_map(end).collect()
    }
}

/// A user that is there already: whether it is what was asked for.
fn resumable(session: &Session<'_>, key: &Pubkey, user: &User, devices: &BTreeMap<Pubkey, Device>, how: &How) -> Result<(), Failure> {
    if user.owner != session.payer {
        return Err(Failure::new(
            format!("the user {key} of this host belongs to {}, not to the keypair {}", user.owner, session.payer),
            "Use the keypair that it belongs to (--keypair).",
        ));
    }
    if user.status == UserStatus::BANNED {
        return Err(Failure::new(format!("the user {key} of this host is banned"), "Ask the network's operators why."));
    }
    if user.status != UserStatus::ACTIVATED {
        let advice = "Wait a little and run the command again, or `warren disconnect` and begin anew.";
        return Err(Failure::new(format!("the user {key} of this host is {}", user.status.name()), advice));
    }
    if let Some(name) = &how.device {
        let (wanted, device) = select::find(devices, name).ok_or_else(|| no_device(&select::NoDevice::Unknown(name.clone())))?;
        if *wanted != user.device_pk {
            let now = devices.get(&user.device_pk).map_or_else(|| user.device_pk.to_string(), |device| device.code.clone());
            return Err(Failure::new(
                format!("this host is connected to {now} already, not to {}", device.code),
                "`warren disconnect` first, then connect to the other device.",
            ));
        }
    }
    Ok(())
}

/// Chooses a device and an address of it.
async fn device(
    session: &Session<'_>,
    place: &Place,
    devices: &BTreeMap<Pubkey, Device>,
    room: Room,
    how: &How,
) -> Result<Choice, Failure> {
    let measured = match (measurements(session, how.device.is_some()).await, &how.device) {
        (Ok(measured), _) => measured,
        (Err(_), Some(_)) => vec![],
        (Err(failure), None) => return Err(failure),
    };
    let wish = Wish { room, named: how.device.as_deref(), taken: place.taken(devices) };
    let choice = select::choose(devices, &measured, &wish).map_err(|error| no_device(&error))?;
    let code = devices.get(&choice.device).map_or("", |device| &device.code);
    let latency = choice.min_latency_ns.map_or_else(|| "latency not measured".to_owned(), |ns| format!("{:.2} ms away", milliseconds(ns)));
    session.steps.done(
        "device",
        &format!("{code}, {latency}, the tunnel will end at {}", choice.endpoint),
        json!({ "device": choice.device.to_string(), "code": code, "endpoint": choice.endpoint.to_string(), "min_latency_ns": choice.min_latency_ns }),
    );
    Ok(choice)
}

fn no_device(error: &select::NoDevice) -> Failure {
    Failure::new(error.to_string(), error.advice())
}

#[allow(clippy::cast_precision_loss)]
fn milliseconds(ns: i64) -> f64 {
    ns as f64 / 1e6
}

/// The daemon's measurements, once its first round is done; those that there are when nobody needs them.
async fn measurements(session: &Session<'_>, optional: bool) -> Result<Vec<Measured>, Failure> {
    #[derive(serde::Deserialize)]
    struct Reply {
        ready: bool,
        results: Vec<Measured>,
    }
    let deadline = Instant::now() + MEASURED_WITHIN;
    loop {
        let reply = match session.daemon.read::<Reply>("/v2/latency").await {
            Ok(reply) => reply,
            Err(ClientError::Answer { status, .. }) if status == hyper::StatusCode::NOT_FOUND => {
                let advice = "Name a device with --device, or start the daemon with -latency-probing=true.";
                return Err(Failure::new("the daemon does not measure latency (-latency-probing=false)", advice));
            }
            Err(error) => return Err(error.into()),
        };
        if reply.ready || optional {
            return Ok(reply.results);
        }
        if Instant::now() >= deadline {
            let what = format!("the daemon has measured no latency within {}", humantime::format_duration(MEASURED_WITHIN));
            return Err(Failure::not_yet(what, "Name a device with --device; `warren doctor` tells what keeps the daemon."));
        }
        session.steps.waiting("device", "the daemon measures the latency of the devices");
        sleep(Duration::from_millis(200)).await;
    }
}

/// From a user on the ledger to a tunnel that carries traffic.
async fn establish(session: &Session<'_>, key: &Pubkey, slot: u64, how: &How, groups: Option<&roles::ByGroup>) -> Result<(), Failure> {
    enable(session).await?;
    let limit = Limit::of(how.wait.timeout);
    session.steps.stands(format!("the user {key} stands on the ledger, and the daemon goes on with its tunnel by itself"));
    if how.wait.no_wait {
        let text = "Tunnel provisioning in progress (daemon will handle it)";
        session.steps.finish(text, json!({ "user": key.to_string(), "up": false }));
        return Ok(());
    }
    // First the groups: the first one to send to changes the tunnel's address.
    if let Some(groups) = groups {
        wait::for_groups(session.daemon, session.steps, groups, slot, limit).await?;
    }
    let tunnel = wait::for_tunnel(session.daemon, session.steps, key, slot, limit).await?;
    let of = |text: &Option<String>| text.clone().unwrap_or_default();
    let name = of(&tunnel.name);
    session.steps.done("tunnel", &format!("{name} is up, {}", tunnel.session), json!({ "tunnel": name, "session": tunnel.session }));
    let overlay = tunnel.doublezero_ip.as_ref().map_or_else(String::new, |ip| format!(", DoubleZero IP {ip}"));
    let text = format!("Connected: {name} from {} to {}{overlay}, {}", of(&tunnel.local), of(&tunnel.remote), tunnel.session);
    let fields = json!({ "user": key.to_string(), "up": true, "tunnel": serde_json::to_value(&tunnel).unwrap_or_default() });
    session.steps.finish_like("✅  User Provisioned", &text, fields);
    Ok(())
}

/// Turns the daemon on where it is off, or does not know. Before anything is paid: without the permission nothing would come of a user.
async fn enable(session: &Session<'_>) -> Result<(), Failure> {
    let status = host::daemon(session.daemon, &session.operator).await?;
    if status.enabled && status.switch_unknown.is_none() {
        session.steps.detail("daemon", "enabled already");
        return Ok(());
    }
    session.daemon.post("/enable").await.map_err(|error| {
        let advice = "Run this as root or as a member of the group warren, or have one of them run `warren enable`.";
        Failure { advice: Some(advice.to_owned()), ..Failure::from(error) }
    })?;
    session.steps.done("daemon", "enabled", json!({ "enabled": true }));
    Ok(())
}

//! `warren connect`, `disconnect` and `multicast`: this host's users on the ledger, and their tunnels.
//!
//! Every verb first looks at what stands on the ledger and does only what is missing: run again after a failure or an
//! interruption, it resumes. It ends with 0 only when what was asked for is so.

mod bare;
mod catalogue;
mod change;
mod device;
mod disconnect;
mod establish;
mod feeds;
mod groups;
pub mod host;
mod host_state;
mod multicast;
mod nearer;
mod passes;
mod pin;
pub mod proof;
mod relocate;
mod roles;
mod select;
mod session;
mod steps;
mod unicast;
mod wait;

use std::future::Future;

use serde_json::json;
use warren_api::{client::Client, v3};

use super::{
    OK,
    command::{Connect, ConnectOptions, Disconnect, LedgerFlags, Move, MulticastCommand, Service},
    environment,
    failure::Failure,
    progress,
};
use establish::{Outcome, RegisteredUser, establish};
use feeds::Feeds;
use host_state::HostState;
use proof::ProofSource;
use session::LedgerSession;
use steps::Steps;

/// The exit code of an interrupted command, as shells have it: 128 and the signal's number.
const INTERRUPTED: u8 = 130;

/// `warren connect`.
///
/// # Errors
/// Never: what went wrong is told here, and is in the exit code.
pub async fn connect(
    flags: &LedgerFlags,
    daemon: &Client,
    command: Connect,
    as_json: bool,
) -> anyhow::Result<u8> {
    let steps = Steps::new(as_json, command.how.wait.verbose);
    let work = async {
        let asked = Asked::of(command.service, command.tenant, command.allocate_addr)?;
        reachable(daemon).await?;
        let session = LedgerSession::open(flags, daemon, &steps).await?;
        let prover = ProofSource::new(&session, &command.how)?;
        let host_state = HostState::look(&session, &command.how).await?;
        asked.connect(&session, &host_state, &prover, &command.how).await
    };
    guarded(flags, daemon, &steps, work).await
}

/// What is to be connected.
enum Asked {
    Everything(unicast::Asked),
    Unicast(unicast::Asked),
    Multicast(multicast::Asked),
}

impl Asked {
    fn of(service: Option<Service>, tenant: Option<String>, allocate_addr: bool) -> Result<Self, Failure> {
        let Some(service) = service else {
            return Ok(Self::Everything(unicast::Asked {
                tenant,
                allocate_addr,
            }));
        };
        if tenant.is_some() || allocate_addr {
            return Err(Failure {
                code: super::USAGE,
                what: "--tenant/--allocate-addr apply to the bare 'connect'".to_owned(),
                advice: Some(
                    "Pass them to the subcommand instead, e.g. 'connect ibrl <TENANT> --allocate-addr'."
                        .to_owned(),
                ),
            });
        }
        Ok(match service {
            Service::Ibrl {
                tenant,
                allocate_addr,
            } => Self::Unicast(unicast::Asked {
                tenant,
                allocate_addr,
            }),
            Service::Multicast {
                role,
                groups,
                publish,
                subscribe,
                subscribe_feed,
                unsubscribe_feed,
            } => {
                let feeds = Feeds {
                    join: subscribe_feed,
                    leave: unsubscribe_feed,
                };
                Self::Multicast(multicast::Asked::new(role, groups, publish, subscribe, feeds)?)
            }
        })
    }

    async fn connect(
        &self,
        session: &LedgerSession<'_>,
        host_state: &HostState,
        prover: &ProofSource<'_>,
        how: &ConnectOptions,
    ) -> Result<(), Failure> {
        let standing = match self {
            Self::Everything(asked) => return bare::connect(session, host_state, prover, asked, how).await,
            Self::Unicast(asked) => Some(unicast::connect(session, host_state, prover, asked, how).await?),
            Self::Multicast(asked) => multicast::connect(session, host_state, prover, asked, how).await?,
        };
        finish(session, standing.as_ref(), how).await
    }
}

/// Waits for the tunnel, and tells the end.
async fn finish(
    session: &LedgerSession<'_>,
    standing: Option<&RegisteredUser>,
    how: &ConnectOptions,
) -> Result<(), Failure> {
    let Some(standing) = standing else {
        let text = "The access pass allows no groups: there is nothing to connect to";
        session.steps.finish(text, json!({ "user": null, "up": false }));
        return Ok(());
    };
    let Outcome { text, fields, is_up } = establish(session, standing, how).await?;
    if is_up {
        session.steps.finish_like("✅  User Provisioned", &text, fields);
    } else {
        session.steps.finish(&text, fields);
    }
    Ok(())
}

/// `warren disconnect`.
///
/// # Errors
/// Never: what went wrong is told here, and is in the exit code.
pub async fn disconnect(
    flags: &LedgerFlags,
    daemon: &Client,
    command: Disconnect,
    as_json: bool,
) -> anyhow::Result<u8> {
    let steps = Steps::new(as_json, command.wait.verbose);
    guarded(
        flags,
        daemon,
        &steps,
        disconnect::run(flags, daemon, &steps, command),
    )
    .await
}

/// `warren move`.
///
/// # Errors
/// Never: what went wrong is told here, and is in the exit code.
pub async fn relocate(
    flags: &LedgerFlags,
    daemon: &Client,
    asked: Move,
    as_json: bool,
) -> anyhow::Result<u8> {
    let how = asked.how();
    let steps = Steps::new(as_json, how.wait.verbose);
    let work = async {
        reachable(daemon).await?;
        let session = LedgerSession::open(flags, daemon, &steps).await?;
        relocate::run(&session, &asked, &how).await
    };
    guarded(flags, daemon, &steps, work).await
}

/// `warren multicast`.
///
/// # Errors
/// Never: what went wrong is told here, and is in the exit code.
pub async fn multicast(
    flags: &LedgerFlags,
    daemon: &Client,
    command: MulticastCommand,
    as_json: bool,
) -> anyhow::Result<u8> {
    let (change, groups) = groups::Change::of(command);
    let steps = Steps::new(as_json, groups.wait.verbose);
    guarded(
        flags,
        daemon,
        &steps,
        groups::run(flags, daemon, &steps, change, groups),
    )
    .await
}

/// Does the work, where it is one for the daemon's network, until it is done or somebody interrupts it, and tells how it ended.
async fn guarded(
    flags: &LedgerFlags,
    daemon: &Client,
    steps: &Steps,
    work: impl Future<Output = Result<(), Failure>>,
) -> anyhow::Result<u8> {
    let checked = async {
        environment::is_the_daemons(flags, daemon).await?;
        work.await
    };
    let failure = tokio::select! {
        done = progress::telling(|| steps.wait(), checked) => match done {
            Ok(()) => return Ok(OK),
            Err(failure) => failure,
        },
        _ = tokio::signal::ctrl_c() => Failure {
            code: INTERRUPTED,
            what: "interrupted".to_owned(),
            advice: Some("Run the command again to continue from here; `warren disconnect` undoes what was done.".to_owned()),
        },
    };
    steps.fail(&failure);
    Ok(failure.code)
}

/// The daemon answers. Asked first: without it nothing comes of a user.
async fn reachable(daemon: &Client) -> Result<v3::Status, Failure> {
    daemon.status().await.map_err(Failure::from)
}

//! What the daemon's shell may ask of the tree.

use std::{collections::BTreeMap, fmt, net::Ipv4Addr, sync::Arc, time::Duration};

use tokio::{
    sync::{oneshot, watch},
    task::spawn_blocking,
    time::timeout,
};
use warren_dataplane::{Dataplane, Scope};
use warren_ledger::Fetcher;
use warren_metering::cap::{Cap, DeviceId};
use warren_state::{
    Epoch, Exclusion, LearnedRoutes, Plan, Position, Pubkey, Sequence, TunnelId,
    address::{Unusable, is_public, may_pin},
    event::Event,
    journal::JournalEntry,
    table::Since,
};
use warren_store::{Change, journal::Journal};

use crate::{
    caps::{CapError, CapSource, Caps, HolderMessage},
    env::Env,
    recorders,
    settings::{ClientSettings, RoleSettings},
    snapshot::Snapshot,
    status,
    streams::hub::Streams,
    supervision::{
        clock::Clock,
        exit::{EnableError, ExitReason, PlanError, StopMode, SwitchError},
        root::{RootMessage, RootRef},
        service::ServiceFactory,
    },
    tunnel::reconciler,
    usage::Usage,
};

/// How long whoever sets a cap waits for what follows.
const DECIDE: Duration = Duration::from_secs(5);
/// How long a look at the host may take before an address is pinned.
const OBSERVE: Duration = Duration::from_secs(5);

/// The running tree. Cloning it gives another handle to the same tree.
#[derive(Clone)]
pub struct Handle {
    pub(crate) env: Arc<Env>,
    pub(crate) root: RootRef,
}

impl Handle {
    /// The state as it was published last. Never waits.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.env.published.borrow().clone()
    }

    /// Follows the published state; the latest wins.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.env.published.subscribe()
    }

    /// Waits until what is published is what was true at this position, or what came after it. It is told to readers of streams before
    /// the next publication is due; a position of another start, or one that was not reached, is not waited for.
    pub async fn published_up_to(&self, position: Position) {
        let now = self.env.table.position();
        let is_reached =
            (position.node, position.epoch) == (now.node, now.epoch) && position.sequence <= now.sequence;
        if is_reached && self.snapshot().sequence < position.sequence {
            status::flush(self.env.clone()).await;
        }
    }

    /// Sets the enable switch. On return it is on disk and handed to the reconciler. A level: of several calls the last
    /// one that was acknowledged holds, on disk and live alike.
    ///
    /// # Errors
    /// When the store refuses, or the daemon stops.
    pub async fn set_enabled(&self, enabled: bool) -> Result<(), SwitchError> {
        self.set(Change {
            enabled,
            pin: None,
            owner: None,
        })
        .await
    }

    /// Turns the daemon on, and pins the address that this host goes by if one is named: then status shows it on return. It is
    /// kept with the switch, also when the daemon is turned off, until another one takes its place or a start finds that the host
    /// has it no more. `owner`: whose users are this host's from now on.
    ///
    /// # Errors
    /// When the address cannot be this host's, the store refuses or the daemon stops. Then nothing is changed.
    pub async fn enable(&self, pin: Option<Ipv4Addr>, owner: Option<Pubkey>) -> Result<(), EnableError> {
        if let Some(pin) = pin {
            self.check_pin(pin).await?;
        }
        Ok(self
            .set(Change {
                enabled: true,
                pin,
                owner,
            })
            .await?)
    }

    /// What may be used, as it is counted.
    #[must_use]
    pub fn caps(&self) -> Arc<Caps> {
        self.env.caps.clone()
    }

    /// Gives one a cap, or takes it away. On return it is on disk, and decided by.
    ///
    /// # Errors
    /// When caps do not come from this host, there is none to take away, or the disk refuses.
    pub async fn set_cap(&self, device: DeviceId, cap: Option<Cap>) -> Result<(), CapError> {
        match self.env.settings.caps.source {
            CapSource::Local => {}
            source @ (CapSource::None | CapSource::Http | CapSource::Grpc) => {
                return Err(CapError::NotOurs(source.name()));
            }
        }
        let (caps, whose) = (self.env.caps.clone(), device.clone());
        let set = spawn_blocking(move || caps.set(&whose, cap)).await;
        let changed = set
            .map_err(|error| CapError::Disk(error.to_string()))?
            .map_err(|error| CapError::Disk(error.to_string()))?;
        if !changed {
            return Err(CapError::NoCap(device));
        }
        let device = device.to_string();
        let event = match cap {
            Some(cap) => Event::CapSet {
                device,
                cap: cap.to_string(),
            },
            None => Event::CapCleared { device },
        };
        let (reply, decided) = oneshot::channel();
        self.env.mailboxes.send(HolderMessage::Set(event.clone(), reply));
        if let Ok(Err(_nobody_decides)) = timeout(DECIDE, decided).await {
            self.env.record(event);
        }
        Ok(())
    }

    async fn set(&self, change: Change) -> Result<(), SwitchError> {
        let (reply, answer) = oneshot::channel();
        self.env.store_writer.request(change, reply);
        answer.await.unwrap_or(Err(SwitchError::Unanswered))
    }

    async fn check_pin(&self, pin: Ipv4Addr) -> Result<(), EnableError> {
        match &self.env.settings.role {
            RoleSettings::Gateway { .. } => return Err(EnableError::Gateway(pin)),
            RoleSettings::Client(ClientSettings {
                client_ip: Some(flag),
                ..
            }) if *flag != pin => {
                return Err(EnableError::Conflict { pin, flag: *flag });
            }
            RoleSettings::Client(_) => {}
        }
        if !is_public(pin) {
            return Err(Unusable::NotPublic(pin).into());
        }
        let unverified = |reason: String| EnableError::Unverified { pin, reason };
        let observed = timeout(OBSERVE, self.env.dataplane.observe(Scope::All)).await;
        let observed =
            observed.map_err(|_late| unverified(format!("no answer within {} s", OBSERVE.as_secs())))?;
        let up = observed.map_err(|fault| unverified(fault.to_string()))?.host_up();
        Ok(may_pin(pin, &up)?)
    }

    /// What sessions may not teach us from now on, or why that cannot be said: then the list before holds, and status shows
    /// the reason. Routes that are in place follow without a session flap.
    pub fn exclude(&self, list: Result<Exclusion, String>) {
        self.env.exclude(list);
    }

    /// Observes now, and plans towards what is desired with the routes that the sessions taught us. Changes nothing.
    ///
    /// # Errors
    /// When the dataplane cannot be observed, or there is no view or role yet.
    pub async fn plan(&self) -> Result<Plan, PlanError> {
        crate::preview::plan(&self.env).await
    }

    /// What the sessions taught us, by tunnel. One whose provisioner does not answer within two seconds is absent.
    pub async fn learned(&self) -> BTreeMap<TunnelId, LearnedRoutes> {
        crate::preview::learned(&self.env).await
    }

    /// Waits until every input that came before the call is taken into account, and desired and observed agree. Gives
    /// whether that came about within the time.
    pub async fn wait_converged(&self, within: Duration) -> bool {
        let wanted = self.env.tables().inputs.0;
        let mut published = self.subscribe();
        let converged = published.wait_for(|snapshot| snapshot.revision >= wanted && snapshot.converged);
        timeout(within, converged)
            .await
            .is_ok_and(|outcome| outcome.is_ok())
    }

    /// Whether the tree is alive and the reconciler makes progress: only then may the watchdog be fed.
    #[must_use]
    pub fn progress(&self) -> bool {
        self.env.watchdog.makes_progress(
            reconciler::SPEC.name,
            self.env.clock.now(),
            self.env.settings.stuck_after,
        ) && self.env.exit.borrow().is_none()
    }

    /// What tunnels carried.
    #[must_use]
    pub fn usage(&self) -> &Arc<Usage> {
        &self.env.usage
    }

    /// What happened last, as far as it is kept in memory: a recording.
    #[must_use]
    pub fn recording(&self) -> Vec<u8> {
        self.env.recorder.last()
    }

    /// Stops the tree in the reverse order of its start, and returns why it ended.
    pub async fn stop(self, mode: StopMode) -> ExitReason {
        if self.root.cast(RootMessage::Stop(mode)).is_err() && self.env.exit.borrow().is_none() {
            return ExitReason::Escalated {
                actor: "root".to_owned(),
                detail: "it is gone".to_owned(),
            };
        }
        self.ended().await
    }

    /// Waits for the end of the tree and tells why it ended.
    pub async fn ended(&self) -> ExitReason {
        let mut exit = self.env.exit.subscribe();
        match exit.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone(),
            Err(_closed) => None,
        }
        .unwrap_or_else(|| ExitReason::Escalated {
            actor: "root".to_owned(),
            detail: "it is gone".to_owned(),
        })
    }

    /// The dataplane, for reads such as counters and source addresses.
    #[must_use]
    pub fn dataplane(&self) -> &Arc<dyn Dataplane> {
        &self.env.dataplane
    }

    /// The one way to the ledger, for look-ups: what the actors read serves them, and the other way round.
    #[must_use]
    pub fn ledger(&self) -> &Fetcher {
        &self.env.ledger
    }

    /// This start of the daemon.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.env.epoch
    }

    /// The clock that positions and ages in snapshots are on.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.env.clock
    }

    /// What happened, on disk: reading it may take as long as the disk does.
    #[must_use]
    pub fn journal(&self) -> &Arc<Journal> {
        &self.env.journal
    }

    /// What happened to a tunnel last, as far as it is kept: at most this many, the newest first. It holds up no writer.
    #[must_use]
    pub fn recent(&self, tunnel: TunnelId, most: usize) -> Vec<Arc<JournalEntry>> {
        self.env.table.recent(tunnel, most)
    }

    /// Whatever recorders have open by a name they open by it again: for who rotates their files.
    pub fn reopen_recorders(&self) {
        recorders::reopen(&self.env);
    }

    /// What is true, and every step since this position. Where some of them are no longer kept: go on from what is true.
    #[must_use]
    pub fn since(&self, position: Sequence) -> Since {
        self.env.table.since(position)
    }

    /// What readers outside the daemon follow.
    #[must_use]
    pub fn streams(&self) -> &Arc<Streams> {
        &self.env.streams
    }

    /// Supervises a service of the shell, under this name in events: it is started now, restarted with backoff when it
    /// fails, and stopped first when the tree stops.
    pub fn spawn_supervised(&self, name: impl Into<String>, factory: ServiceFactory) {
        let _gone = self.root.cast(RootMessage::Supervise {
            name: name.into(),
            factory: Arc::new(factory),
        });
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("epoch", &self.env.epoch)
            .finish_non_exhaustive()
    }
}

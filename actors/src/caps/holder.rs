//! Holds tunnels to what may be used: reads what they carried, and says which rate each is to have.
//!
//! It writes what it knows to a file of its own, with what it has counted, so that a start goes on where it was: a tunnel that was
//! held stays so, and what was carried meanwhile is counted.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::{
    sync::oneshot,
    task::{JoinHandle, spawn_blocking},
};
use warren_metering::cap::{Authority as Whose, CappedTunnel, DeviceId, Looked, UnixSeconds, remote};
use warren_state::{
    Monotonic, TunnelId,
    caps::CapsStanding,
    event::{Event, news},
    outcome::Feature,
    table::{Change, Step, Tables},
};

use super::{
    link::{Link, LinkSettings},
    settings::{CapSource, DeviceKind},
    shared::Caps,
};
use crate::{
    env::Env,
    errors::chain,
    sampler,
    settings::Settings,
    shared_table::{Following, Wants},
    supervision::{
        clock::Clock,
        due::Due,
        spec::{Order, Spec, Task, linked},
        wakeup::waker,
        watchdog::Watch,
    },
};

pub(crate) const SPEC: Spec = Spec {
    enabled: is_enabled,
    last_words: Some(keep),
    ..Spec::new("cap_holder", Order::Reader, |env, root| {
        linked(CapHolder, env, root)
    })
};

/// What comes within this is looked at together.
const PAUSE: Duration = Duration::from_millis(100);
/// After a start tunnels are taken over within this, or are not there.
const SETTLES: Duration = Duration::from_secs(30);
/// Until then it is looked at so often.
const SOON: Duration = Duration::from_secs(1);
/// The book is on disk this often, and as often as is reported; at once when somebody is held or let go.
const KEEP: Duration = Duration::from_secs(30);

/// Why a cap is not set.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CapError {
    /// Somebody else says what may be used, or nobody does.
    #[error("caps come from {0}: set source = \"local\" in [caps] to keep them on this host")]
    NotOurs(&'static str),
    /// There is none to take away.
    #[error("{0} has no cap")]
    NoCap(DeviceId),
    /// It may not be on disk.
    #[error("the cap is not on disk: {0}")]
    Disk(String),
}

pub(crate) struct CapHolder;

pub(crate) enum HolderMessage {
    /// Something changed.
    Woken,
    /// What changed meanwhile is to be looked at, or something is due.
    Look,
    /// An operator has set or cleared a cap, which is on disk, and waits for what follows.
    Set(Event, oneshot::Sender<()>),
}

pub(crate) struct State {
    env: Arc<Env>,
    caps: Arc<Caps>,
    following: Following,
    /// Tunnels that may use their caps up before the next sample.
    near: BTreeSet<TunnelId>,
    standing: CapsStanding,
    /// How many an authority elsewhere was told of.
    devices: usize,
    due: Due,
    /// When a view was seen in force first.
    view_since: Option<Monotonic>,
    settled: bool,
    keep_at: Monotonic,
    keeping: Option<JoinHandle<()>>,
    watch: Watch,
}

impl Actor for CapHolder {
    type Msg = HolderMessage;
    type State = State;
    type Arguments = Arc<Env>;

    async fn pre_start(
        &self,
        myself: ActorRef<HolderMessage>,
        env: Arc<Env>,
    ) -> Result<State, ActorProcessingErr> {
        let watch = env.watchdog.watch(SPEC.name, myself.get_cell());
        env.mailboxes.set(myself.clone());
        let following = env
            .table
            .follow(Wants::Changes(matters), waker(&myself, || HolderMessage::Woken));
        follow_authority(&env).await?;
        let standing = CapsStanding::clone(&env.tables().caps);
        myself.cast(HolderMessage::Look)?;
        Ok(State {
            caps: env.caps.clone(),
            following,
            near: BTreeSet::new(),
            standing,
            devices: 0,
            due: Due::default(),
            view_since: None,
            settled: false,
            keep_at: env.clock.now() + KEEP,
            keeping: None,
            watch,
            env,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<HolderMessage>,
        message: HolderMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            HolderMessage::Woken => {
                state.wake(&myself, PAUSE);
            }
            HolderMessage::Look => state.decide(&myself, None).await,
            HolderMessage::Set(event, decided) => {
                state.decide(&myself, Some(event)).await;
                let _nobody_waits = decided.send(());
            }
        }
        Ok(())
    }
}

impl State {
    /// `set` is told with what follows from it.
    async fn decide(&mut self, myself: &ActorRef<HolderMessage>, set: Option<Event>) {
        self.watch.progress.busy(Some(self.env.clock.now()));
        self.due.clear();
        self.following.answer();
        self.sample_near().await;
        let ((events, changes), next) = self.look();
        let events = set.into_iter().chain(events).collect();
        self.env.table.append(events, changes);
        self.keep();
        self.wake(myself, next);
        self.watch.progress.busy(None);
    }

    /// What is near its cap is not left to the next sample.
    async fn sample_near(&self) {
        for tunnel in &self.near {
            sampler::look(&self.env, *tunnel).await;
            self.env.usage.settle(*tunnel).await;
        }
    }

    /// Decides, and gives what is to be told of it. Before a view is in force nobody is known: rates stay as they are. So do they while the daemon
    /// stops: a tunnel that it lets go of is held still, and the next start finds it so.
    fn look(&mut self) -> (Step, Duration) {
        let tables = self.env.tables();
        if tables.view.is_none() || tables.stopping {
            return (Step::default(), KEEP);
        }
        let is_settled = self.is_settled(&tables);
        let settings = &self.env.settings.caps;
        let tunnels = tunnels(&self.env, &tables, settings.device_id);
        let authority = match settings.source {
            CapSource::None | CapSource::Local => Whose::Here,
            CapSource::Http | CapSource::Grpc => Whose::Elsewhere,
        };
        let now = UnixSeconds(i64::try_from(Clock::unix_ms() / 1000).unwrap_or(i64::MAX));
        if !is_settled {
            self.caps.take(&tunnels, now);
            return (Step::default(), SOON);
        }
        let Looked {
            rates,
            events,
            standing,
            near,
            next,
        } = self.caps.look(&tunnels, authority, &settings.policy, now);
        self.near = near;
        // What goes to an authority is on disk first, and who is new is asked about at once.
        let devices = self.caps.totals().len();
        if self.caps.link().is_some() && devices != self.devices {
            self.devices = devices;
            self.keep_at = self.env.clock.now();
        }
        if !events.is_empty() {
            self.keep_at = self.env.clock.now();
        }
        let standing = CapsStanding {
            source: settings.source.name().to_owned(),
            problem: cannot_hold(&self.env).or_else(|| self.caps.problem()),
            ..standing
        };
        let (mut events, mut changes) = (events, Vec::new());
        events.extend(news::of_caps(&self.standing, &standing));
        if *tables.rates != rates && cannot_hold(&self.env).is_none() {
            changes.push(Change::Rates(Arc::new(rates)));
        }
        if standing != self.standing {
            self.standing = standing.clone();
            changes.push(Change::Caps(Arc::new(standing)));
        }
        ((events, changes), next)
    }

    /// Whether the tunnels of the run before were taken over: one that was held, and is not there yet, would be let go for a moment.
    fn is_settled(&mut self, tables: &Tables) -> bool {
        let now = self.env.clock.now();
        let since = *self.view_since.get_or_insert(now);
        self.settled |= tables.reconciler.converged || now.since(since) > SETTLES;
        self.settled
    }

    fn keep(&mut self) {
        let busy = self
            .keeping
            .as_ref()
            .is_some_and(|keeping| !keeping.is_finished());
        if busy || self.env.clock.now() < self.keep_at {
            return;
        }
        self.keep_at = self.env.clock.now() + KEEP.min(self.env.settings.caps.batch_interval);
        let caps = self.caps.clone();
        self.keeping = Some(spawn_blocking(move || caps.keep()));
    }

    fn wake(&mut self, myself: &ActorRef<HolderMessage>, after: Duration) {
        let at = self.env.clock.instant(self.env.clock.now() + after);
        self.due.at(at, myself, HolderMessage::Look);
    }
}

/// Reports to an authority elsewhere and hears of it. Whoever does that outlives this actor.
async fn follow_authority(env: &Arc<Env>) -> Result<(), ActorProcessingErr> {
    let settings = &env.settings.caps;
    let Some(authority) = settings.authority.clone().filter(|_| env.caps.link().is_none()) else {
        return Ok(());
    };
    let (caps, shared) = (env.caps.clone(), Arc::downgrade(env));
    let link = Link::start(LinkSettings {
        settings: remote::Settings {
            batch_interval: settings.batch_interval,
            cache_ttl: settings.cache_ttl,
            country: settings.country_code.clone(),
            platform: settings.platform.clone(),
        },
        authority,
        directory: settings.file.with_extension("owed"),
        source: format!("{}.{}", env.node, env.epoch),
        seed: env.settings.seed ^ env.epoch.0,
        say: Arc::new(move |device, snapshot| {
            if let Some(env) = shared.upgrade() {
                env.caps.hear(device, snapshot);
                env.mailboxes.send(HolderMessage::Woken);
            }
        }),
    });
    let link = link.await.map_err(|error| chain(&error))?;
    if let Some(detail) = link.damage().map(str::to_owned) {
        env.record(Event::CapsLost { detail });
    }
    caps.follow(link);
    Ok(())
}

fn is_enabled(settings: &Settings) -> bool {
    settings.caps.source != CapSource::None
}

/// Whether it may make a difference.
fn matters(change: &Change) -> bool {
    matches!(
        change,
        Change::Usage(_)
            | Change::Reconciler(_)
            | Change::View(_)
            | Change::TunnelGone(_)
            | Change::NoTunnels
    )
}

/// Why the dataplane holds nobody to a rate.
fn cannot_hold(env: &Env) -> Option<String> {
    let capabilities = env.dataplane.capabilities();
    if capabilities.features.contains(&Feature::Shaping) {
        return None;
    }
    let missing = capabilities
        .missing
        .iter()
        .find(|missing| missing.feature == Feature::Shaping);
    let reason = missing.map_or("not_built", |missing| &missing.reason);
    Some(format!("the dataplane holds no tunnel to a rate: {reason}"))
}

fn tunnels(env: &Env, tables: &Tables, kind: DeviceKind) -> Vec<CappedTunnel> {
    let view = tables.view.as_ref().map(|in_force| &in_force.accepted.view);
    let tunnel = |(id, usage): (TunnelId, crate::usage::TunnelUsage)| {
        let user = view.and_then(|view| view.users.get(&id.0));
        let name = user.map(|user| match kind {
            DeviceKind::Owner => user.owner.to_string(),
            DeviceKind::User => id.to_string(),
            DeviceKind::ClientIp => user.client_ip.to_string(),
        });
        CappedTunnel {
            id,
            is_there: tables.tunnels.contains_key(&id),
            device: name.and_then(|name| DeviceId::new(name).ok()),
            owner: user.map(|user| user.owner),
            tenant: user.map(|user| user.tenant).filter(|tenant| !tenant.is_zero()),
            carried: usage.carried.rx_bytes.saturating_add(usage.carried.tx_bytes),
            speed: usage.rate.0.saturating_add(usage.rate.1),
        }
    };
    let used = env.usage.of_all();
    let unused = tables.tunnels.keys().filter(|id| !used.contains_key(*id));
    let unused: Vec<_> = unused
        .map(|id| (*id, crate::usage::TunnelUsage::default()))
        .collect();
    used.into_iter().chain(unused).map(tunnel).collect()
}

/// What is known is on disk when the daemon ends.
fn keep(env: Arc<Env>) -> Task<()> {
    Box::pin(async move {
        if is_enabled(&env.settings) {
            let caps = env.caps.clone();
            let _given_up = spawn_blocking(move || caps.keep()).await;
            if let Some(link) = env.caps.link() {
                link.stop().await;
            }
        }
    })
}

//! A daemon that does nothing but show what it is given, for measurements of the API.

#![allow(dead_code, reason = "each measurement needs a part")]

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use warren::http::{Api, Engine, peer};
use warren_actors::caps::CapError;
use warren_actors::usage::{Answer, TunnelUsage};
use warren_actors::{
    EnableError, ManualError, PlanError, RemoveError, Snapshot, SwitchError,
    streams::{StandaloneStreams, Streams},
};
use warren_api::v3::Process;
use warren_config as config;
use warren_ledger::{Fetcher, FetcherSettings, LedgerHealth, LedgerSource, Query, ReadError};
use warren_metering::cap::{Cap, DeviceId};
use warren_metering::usage::{
    UsageBook,
    figures::{Aggregation, Question},
};
use warren_state::{
    Asn, BgpSpec, Fault, ImportPolicy, Incarnation, LearnedRoutes, LinkName, LinkSpec, Monotonic, Observed,
    Phase, Plan, Position, Pubkey, ServiceKind, SessionStatus, TunnelId, TunnelSpec, View,
    desired::ManualRequest, journal::JournalEntry, lifecycle::TunnelReport,
};
use warren_store::StoreError;

/// A daemon whose state is what was published last.
pub struct Published(
    pub Mutex<Arc<Snapshot>>,
    Fetcher,
    pub StandaloneStreams,
    OnceLock<Kept>,
);

/// An empty journal, from the first time that somebody reads it.
struct Kept(
    Arc<warren_store::journal::Journal>,
    warren_store::Store,
    tempfile::TempDir,
);

impl Published {
    /// Needs the runtime: what can be followed goes on in it.
    pub fn new(snapshot: Snapshot) -> Self {
        Self(
            Mutex::new(Arc::new(snapshot)),
            Fetcher::new(Arc::new(Nowhere), FetcherSettings::default()),
            StandaloneStreams::start(Position::default()),
            OnceLock::new(),
        )
    }
}

/// A ledger that nobody can read.
struct Nowhere;

#[async_trait]
impl LedgerSource for Nowhere {
    async fn read(&self, _: &Query, _: tokio::time::Instant) -> Result<View, ReadError> {
        Err(ReadError::Unavailable("there is no ledger".into()))
    }

    fn watch(&self, _: Query) -> tokio::sync::mpsc::Receiver<()> {
        tokio::sync::mpsc::channel(1).1
    }

    fn health(&self) -> LedgerHealth {
        LedgerHealth::default()
    }
}

#[async_trait]
impl Engine for Published {
    fn snapshot(&self) -> Arc<Snapshot> {
        self.0
            .lock()
            .map(|published| published.clone())
            .unwrap_or_default()
    }

    async fn published_up_to(&self, _position: Position) {}

    fn recent(&self, _tunnel: TunnelId, _most: usize) -> Vec<Arc<JournalEntry>> {
        Vec::new()
    }

    fn recording(&self) -> Vec<u8> {
        Vec::new()
    }

    fn progress(&self) -> bool {
        true
    }

    async fn set_enabled(&self, _enabled: bool) -> Result<(), SwitchError> {
        Err(SwitchError::Unanswered)
    }

    async fn enable(&self, _pin: Option<Ipv4Addr>, _owner: Option<Pubkey>) -> Result<(), EnableError> {
        Err(SwitchError::Unanswered.into())
    }

    async fn provision(&self, _request: ManualRequest) -> Result<(), ManualError> {
        Err(ManualError::Unanswered)
    }

    async fn remove(&self, _tunnel: TunnelId) -> Result<(), RemoveError> {
        Err(RemoveError::Unanswered)
    }

    async fn set_cap(&self, _device: DeviceId, _cap: Option<Cap>) -> Result<(), CapError> {
        Err(CapError::NotOurs("none"))
    }

    async fn plan(&self) -> Result<Plan, PlanError> {
        Err(PlanError::Stopping)
    }

    async fn wait_converged(&self, _within: Duration) -> bool {
        false
    }

    async fn observe(&self) -> Result<Observed, Fault> {
        Ok(Observed::default())
    }

    async fn learned(&self) -> BTreeMap<TunnelId, LearnedRoutes> {
        BTreeMap::new()
    }

    async fn resolve_source(&self, _dst: Ipv4Addr) -> Result<Option<Ipv4Addr>, Fault> {
        Ok(None)
    }

    fn journal(&self) -> &Arc<warren_store::journal::Journal> {
        let kept = self.3.get_or_init(|| {
            let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder: {error}"));
            let store = warren_store::Store::open(directory.path());
            let (store, _) = store.unwrap_or_else(|error| panic!("no store: {error}"));
            Kept(store.journal().clone(), store, directory)
        });
        &kept.0
    }

    fn carried(&self, _tunnel: TunnelId) -> Option<TunnelUsage> {
        None
    }

    fn usage(&self, question: Question) -> Result<Answer, StoreError> {
        let book = UsageBook::default();
        Ok(Answer::of(Aggregation::new(question, &book), &book).expect("no hour began"))
    }

    fn streams(&self) -> &Arc<Streams> {
        &self.2.streams
    }

    fn ledger(&self) -> &Fetcher {
        &self.1
    }
}

pub fn api(engine: Arc<dyn Engine>) -> anyhow::Result<Api> {
    let words = [
        "-env=localnet".to_owned(),
        "-ledger-url=http://127.0.0.1:1".to_owned(),
    ];
    let mut layer = config::flags::parse(words)?.layer;
    layer.config = Some(PathBuf::from("/dev/null"));
    Ok(Api {
        engine,
        config: Arc::new(config::load(layer, |_| None)?),
        guard: Arc::new(peer::Guard::new(nix::unistd::geteuid().as_raw())),
        shared: Arc::default(),
        rendered: Arc::default(),
        process: Arc::new(Process::default()),
    })
}

pub fn id(number: u32) -> TunnelId {
    let mut bytes = [1; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    TunnelId(Pubkey(bytes))
}

pub fn report(number: u32) -> TunnelReport {
    let began = Monotonic::from_elapsed(Duration::from_secs(60));
    TunnelReport {
        tunnel: id(number),
        spec: LinkName::new(format!("dzt{number}"))
            .ok()
            .map(|name| Arc::new(spec(number, name))),
        incarnation: Incarnation(1),
        phase: Phase::Active,
        since: began,
        failure: None,
        rate_failure: None,
        session: SessionStatus::Up,
        session_detail: None,
        session_cause: None,
        session_since: Some(began),
        learned_routes: 1,
        blocked_routes: Default::default(),
        withheld_routes: Default::default(),
        excluded_routes: 0,
        capturing_routes: Default::default(),
        postponed: None,
        repairs: 0,
        contest: None,
        attempts: 0,
    }
}

fn spec(number: u32, name: LinkName) -> TunnelSpec {
    let far = Ipv4Addr::from(0x1400_0000 + number);
    TunnelSpec {
        id: id(number),
        kind: ServiceKind::Ibrl,
        link: LinkSpec {
            name,
            local: Ipv4Addr::new(198, 51, 100, 9),
            remote: far,
            ttl: 64,
            mtu: 1476,
        },
        dz_ip: Some(far),
        addresses: BTreeSet::new(),
        routes: BTreeSet::new(),
        rules: BTreeSet::new(),
        bgp: Some(BgpSpec {
            local_address: Ipv4Addr::new(169, 254, 0, 0),
            peer_address: Ipv4Addr::new(169, 254, 0, 1),
            local_asn: Asn(65_001),
            peer_asn: Asn(65_000),
            advertise: BTreeSet::new(),
            install: None,
            policy: ImportPolicy {
                max_prefixes: 100,
                protected: BTreeSet::new(),
            },
        }),
        multicast: None,
        exclude: Default::default(),
        far_ends: Default::default(),
        rate: Default::default(),
    }
}

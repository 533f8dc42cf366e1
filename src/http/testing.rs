//! A stand-in for the daemon, for tests of the API.

pub mod gateway;
mod samples;

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::{sync::mpsc, time::Instant};
use warren_actors::caps::CapError;
use warren_actors::streams::{StandaloneStreams, Streams};
use warren_actors::usage::{Answer, TunnelUsage};
use warren_actors::{EnableError, ManualError, PlanError, RemoveError, Snapshot, SwitchError};
use warren_api::{client::Client, v3::Process};
use warren_config as config;
use warren_ledger::{Fetcher, FetcherSettings, LedgerHealth, LedgerSource, Query, ReadError};
use warren_metering::cap::{Cap, DeviceId};
use warren_metering::usage::{
    UsageBook,
    figures::{Aggregation, Question},
};
use warren_state::{
    Asn, Epoch, Fault, LearnedRoutes, NodeId, Observed, Plan, Position, Pubkey, Sequence, SessionStatus,
    TunnelId, View,
    desired::ManualRequest,
    event::Event,
    journal::JournalEntry,
    reconcile::Role,
    standing::{BgpStanding, BgpState},
};
use warren_store::{Store, StoreError, journal::Journal};

use super::{Api, Engine, peer, router, server, shared, socket};
pub use samples::{connected, observed, route};

pub const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub const DEVICE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 9);

/// What a test decides.
pub struct FakeDaemon {
    pub snapshot: Mutex<Arc<Snapshot>>,
    pub observed: Observed,
    pub learned: BTreeMap<TunnelId, LearnedRoutes>,
    pub limits: server::Limits,
    pub streams_limits: server::Limits,
    pub converges: bool,
    pub switch_fails: bool,
    /// Why an address is not pinned, and whether this version pins any.
    pub pin_fails: Option<fn(Ipv4Addr) -> EnableError>,
    pub pins: bool,
    /// What was asked for with the switch.
    pub enabled: Arc<Mutex<Vec<(Option<Ipv4Addr>, Option<Pubkey>)>>>,
    /// How often the dataplane was observed, for a plan or for itself.
    pub observations: Arc<AtomicU32>,
    /// What was asked for past the ledger, and whether that fails.
    pub manual: Arc<Mutex<Manual>>,
    /// The caps that were set.
    pub caps: Arc<Mutex<Vec<(DeviceId, Option<Cap>)>>>,
    pub ledger: Fetcher,
    /// The positions up to which the state was asked for.
    pub asked_up_to: Arc<Mutex<Vec<Position>>>,
    /// What can be followed, from the first time that somebody does.
    pub alone: Arc<OnceLock<StandaloneStreams>>,
    /// What is on disk, from the first time that somebody reads it.
    pub kept: Arc<OnceLock<Kept>>,
    /// What was carried.
    pub usage: Mutex<UsageBook>,
}

/// A journal; it goes with its directory.
pub struct Kept {
    pub journal: Arc<Journal>,
    _directory: tempfile::TempDir,
    _store: Store,
}

impl Kept {
    pub fn empty() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(directory.path()).unwrap();
        Self {
            journal: store.journal().clone(),
            _directory: directory,
            _store: store,
        }
    }
}

/// A ledger that nobody can read.
struct Nowhere;

#[async_trait]
impl LedgerSource for Nowhere {
    async fn read(&self, _: &Query, _: Instant) -> Result<View, ReadError> {
        Err(ReadError::Unavailable("there is no ledger".into()))
    }

    fn watch(&self, _: Query) -> mpsc::Receiver<()> {
        mpsc::channel(1).1
    }

    fn health(&self) -> LedgerHealth {
        LedgerHealth::default()
    }
}

#[derive(Default, Debug)]
pub struct Manual {
    pub provisioned: Vec<ManualRequest>,
    pub removed: Vec<TunnelId>,
    pub provision_fails: Option<ManualError>,
    pub remove_fails: Option<RemoveError>,
}

impl FakeDaemon {
    pub fn new(snapshot: Snapshot) -> Self {
        Self {
            snapshot: Mutex::new(Arc::new(snapshot)),
            observed: Observed::default(),
            learned: BTreeMap::new(),
            limits: server::Limits::default(),
            streams_limits: server::Limits::of_streams(),
            converges: true,
            switch_fails: false,
            pin_fails: None,
            pins: true,
            enabled: Arc::default(),
            observations: Arc::default(),
            manual: Arc::default(),
            caps: Arc::default(),
            ledger: Fetcher::new(Arc::new(Nowhere), FetcherSettings::default()),
            asked_up_to: Arc::default(),
            alone: Arc::default(),
            kept: Arc::default(),
            usage: Mutex::default(),
        }
    }
}

#[async_trait]
impl Engine for FakeDaemon {
    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.lock().unwrap())
    }

    async fn published_up_to(&self, position: Position) {
        self.asked_up_to.lock().unwrap().push(position);
    }

    fn recent(&self, asked: TunnelId, most: usize) -> Vec<Arc<JournalEntry>> {
        let tunnel = TunnelId(key(1));
        let event = |session| Event::SessionChanged {
            tunnel,
            peer_asn: Asn(1),
            from: SessionStatus::Pending,
            to: session,
            cause: None,
            detail: None,
        };
        let entry = |n, event| JournalEntry {
            epoch: warren_state::Epoch(1),
            sequence: Sequence(n),
            unix_ms: n,
            event,
        };
        let all = [
            entry(1, event(SessionStatus::Initializing)),
            entry(2, Event::Switched { enabled: true }),
            entry(3, event(SessionStatus::Up)),
        ];
        all.into_iter()
            .rev()
            .filter(|entry| entry.event.tunnel() == Some(asked))
            .take(most)
            .map(Arc::new)
            .collect()
    }

    fn recording(&self) -> Vec<u8> {
        b"{}\n".to_vec()
    }

    fn progress(&self) -> bool {
        true
    }

    async fn set_enabled(&self, enabled: bool) -> Result<(), SwitchError> {
        if self.switch_fails {
            return Err(SwitchError::Store("disk \"full\"\nnow".into()));
        }
        let mut snapshot = self.snapshot.lock().unwrap();
        Arc::make_mut(&mut snapshot).switch = enabled.into();
        Ok(())
    }

    async fn enable(&self, pin: Option<Ipv4Addr>, owner: Option<Pubkey>) -> Result<(), EnableError> {
        self.enabled.lock().unwrap().push((pin, owner));
        if let (Some(pin), Some(refuse)) = (pin, &self.pin_fails) {
            return Err(refuse(pin));
        }
        self.set_enabled(true).await?;
        let mut snapshot = self.snapshot.lock().unwrap();
        let snapshot = Arc::make_mut(&mut snapshot);
        if let Some(client_ip) = pin.filter(|_| self.pins) {
            snapshot.role = Some(Role::Client { client_ip });
        }
        Ok(())
    }

    async fn provision(&self, request: ManualRequest) -> Result<(), ManualError> {
        let mut manual = self.manual.lock().unwrap();
        manual.provisioned.push(request);
        manual.provision_fails.clone().map_or(Ok(()), Err)
    }

    async fn remove(&self, tunnel: TunnelId) -> Result<(), RemoveError> {
        let mut manual = self.manual.lock().unwrap();
        manual.removed.push(tunnel);
        manual.remove_fails.clone().map_or(Ok(()), Err)
    }

    async fn set_cap(&self, device: DeviceId, cap: Option<Cap>) -> Result<(), CapError> {
        self.caps.lock().unwrap().push((device, cap));
        Ok(())
    }

    async fn plan(&self) -> Result<Plan, PlanError> {
        self.observations.fetch_add(1, Ordering::SeqCst);
        Ok(Plan::default())
    }

    async fn wait_converged(&self, _within: Duration) -> bool {
        self.converges
    }

    async fn observe(&self) -> Result<Observed, Fault> {
        self.observations.fetch_add(1, Ordering::SeqCst);
        Ok(self.observed.clone())
    }

    async fn learned(&self) -> BTreeMap<TunnelId, LearnedRoutes> {
        self.learned.clone()
    }

    async fn resolve_source(&self, dst: Ipv4Addr) -> Result<Option<Ipv4Addr>, Fault> {
        Ok((dst != Ipv4Addr::new(203, 0, 113, 1)).then_some(CLIENT))
    }

    fn ledger(&self) -> &Fetcher {
        &self.ledger
    }

    fn streams(&self) -> &Arc<Streams> {
        &self
            .alone
            .get_or_init(|| StandaloneStreams::start(start()))
            .streams
    }

    fn journal(&self) -> &Arc<Journal> {
        &self.kept.get_or_init(Kept::empty).journal
    }

    fn carried(&self, tunnel: TunnelId) -> Option<TunnelUsage> {
        TunnelUsage::of(&self.usage.lock().unwrap(), tunnel)
    }

    fn usage(&self, question: Question) -> Result<Answer, StoreError> {
        let book = self.usage.lock().unwrap();
        Ok(Answer::of(Aggregation::new(question, &book), &book).expect("no hour began"))
    }
}

/// The position at which its table begins.
pub fn start() -> Position {
    Position {
        node: NodeId(0xab),
        epoch: Epoch(3),
        sequence: Sequence(0),
    }
}

/// A served API; the socket goes with it.
pub struct Served {
    pub client: Client,
    pub path: PathBuf,
    _directory: tempfile::TempDir,
    _file: socket::SocketFile,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub async fn serve(engine: FakeDaemon) -> Served {
    serve_with(engine, &[]).await
}

/// The same with more flags.
pub async fn serve_with(engine: FakeDaemon, words: &[&str]) -> Served {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w.sock");
    let (listener, file) = socket::bind(&path).unwrap();
    let listener = tokio::net::UnixListener::from_std(listener).unwrap();
    let permits = server::Permits::new(engine.limits, nix::unistd::geteuid().as_raw())
        .with_streams(engine.streams_limits);
    let server = tokio::spawn(server::serve(
        listener,
        router(api_with(Arc::new(engine), words)),
        permits,
    ));
    Served {
        client: Client::new(&path),
        path,
        _directory: directory,
        _file: file,
        server,
    }
}

pub fn api(engine: Arc<dyn Engine>) -> Api {
    api_with(engine, &[])
}

/// The same with more flags.
pub fn api_with(engine: Arc<dyn Engine>, words: &[&str]) -> Api {
    let words = ["-env=localnet", "-ledger-url=https://rpc.example.com/s3cr3t"]
        .iter()
        .chain(words);
    let mut layer = config::flags::parse(words.map(|word| (*word).to_owned()))
        .unwrap()
        .layer;
    layer.config = Some(Path::new("/dev/null").to_owned());
    Api {
        engine,
        config: Arc::new(config::load(layer, |_| None).unwrap()),
        guard: Arc::new(peer::Guard::new(nix::unistd::geteuid().as_raw())),
        rendered: Arc::default(),
        shared: Arc::new(shared::Shared::fresh_for(Duration::from_secs(3600))),
        process: Arc::new(Process::default()),
    }
}

pub fn key(byte: u8) -> Pubkey {
    Pubkey([byte; 32])
}

/// Sends bytes as they are and reads to the end.
pub fn raw(path: &std::path::Path, request: &str) -> String {
    let (path, request) = (path.to_owned(), request.to_owned());
    tokio::task::block_in_place(move || {
        let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
        stream
            .set_read_timeout(Some(std::time::Duration::from_secs(20)))
            .unwrap();
        let _refused_early = std::io::Write::write_all(&mut stream, request.as_bytes());
        let mut answer = Vec::new();
        let _reset = std::io::Read::read_to_end(&mut stream, &mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    })
}

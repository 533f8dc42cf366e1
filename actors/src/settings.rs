//! The settings of the actor tree. Everything but the role has a default.

use std::{net::Ipv4Addr, path::PathBuf, sync::Arc, time::Duration};

use warren_ledger::{Connector, FetcherSettings};
use warren_protocols::{latency::LatencySettings, liveness::LivenessSettings};
use warren_state::{
    Exclusion, LivenessMode, OwnerChoice, Pubkey, guard::GuardSettings, health::HealthSettings,
    journal::WriterSettings,
};

use crate::{
    caps::settings::CapsSettings,
    hooks::settings::HooksSettings,
    recorders::settings::RecordersSettings,
    streams::pseudonym::Pseudonyms,
    supervision::policy::RestartPolicies,
    tunnel::{
        connection::{Dialer, TcpDialer},
        password::Password,
    },
};

/// The list of devices is not read more often than this unless somebody says so.
const LIST_INTERVAL: Duration = Duration::from_secs(30);

/// The settings of the actor tree, fixed at its start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which users are ours.
    pub role: RoleSettings,
    /// From the end of one read of the ledger to the next.
    pub poll_interval: Duration,
    /// How long one read of the ledger may take, retries included.
    pub fetch_timeout: Duration,
    /// The view guard's numbers.
    pub guard: GuardSettings,
    /// From one full observation of the dataplane to the next when all is quiet.
    pub resync_interval: Duration,
    /// Whose accounts count. Where nothing is said: those of whoever connected this host last for an installation that began
    /// so, else everybody's.
    pub owner: Option<OwnerChoice>,
    /// Whether this is an installed service: one whose first start finds nothing to take over begins so.
    pub installed: bool,
    /// The MTU of every tunnel, in bytes; when not set, what the underlay leaves, and 1476 at most.
    pub tunnel_mtu: Option<u16>,
    /// What sessions may not teach us, at first; see [`crate::Handle::exclude`].
    pub exclusion: Exclusion,
    /// Timers and password of every BGP session.
    pub bgp: BgpSettings,
    /// Route liveness; none probes nobody.
    pub liveness: Option<LivenessOptions>,
    /// Latency probing; none probes nobody.
    pub latency: Option<LatencyOptions>,
    /// How often failing actors are restarted before the daemon gives up.
    pub policies: RestartPolicies,
    /// An actor that is overdue by more than this is killed and restarted.
    pub stuck_after: Duration,
    /// What changes within this is published together, that long after the first of it.
    pub publish_interval: Duration,
    /// Events that the journal keeps in memory.
    pub journal_capacity: usize,
    /// When the journal on disk is written.
    pub journal_writer: WriterSettings,
    /// Programs that are given what happens; none by default.
    pub hooks: Option<HooksSettings>,
    /// How health is judged.
    pub health: HealthSettings,
    /// How what tunnels carry is counted.
    pub usage: UsageSettings,
    /// How long an ordered stop may take before what is left is abandoned.
    pub stop_timeout: Duration,
    /// What writes down what may be billed; nothing by default.
    pub recorders: RecordersSettings,
    /// What may be used; anything by default.
    pub caps: CapsSettings,
    /// Where everything that happens is recorded; nowhere by default.
    pub record: Option<RecordSettings>,
    /// What stands in the place of addresses for those who may not see them.
    pub pseudonyms: Pseudonyms,
    /// Seeds the jitter; the daemon takes it from the operating system.
    pub seed: u64,
}

/// A recording in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordSettings {
    /// The newest part. The part before it has the same name with `.1`.
    pub file: PathBuf,
    /// How much both hold, in bytes.
    pub bytes: u64,
}

/// How what tunnels carry is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UsageSettings {
    /// From one look at all counters to the next, about.
    pub interval: Duration,
    /// From one event about what tunnels carried to the next; each tunnel's end is told at once.
    pub told_every: Duration,
    /// How long hours that are over are kept.
    pub keep: Duration,
    /// How much they take on disk at most, in bytes: then the oldest go earlier.
    pub bytes: u64,
}

/// A recording that cannot be begun.
#[derive(Debug, thiserror::Error)]
#[error("cannot record to {}", .file.display())]
pub struct RecordError {
    /// The file that cannot be written.
    pub file: PathBuf,
    /// The error of the system below.
    #[source]
    pub source: std::io::Error,
}

/// Which users are ours.
#[derive(Clone, Debug)]
pub enum RoleSettings {
    /// The host that connects: its users are those that name its address.
    Client(ClientSettings),
    /// The host that others connect to: its users are those on its device.
    Gateway {
        /// The account of the device that this host is.
        device: Pubkey,
    },
}

/// How this host's public address is found: as configured, else the kernel's source address towards a public address,
/// else what a web service says.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// The address, when an operator says it. It is taken as it is.
    pub client_ip: Option<Ipv4Addr>,
    /// Public addresses: the kernel's source towards the first that has a usable one is ours.
    pub probes: Vec<Ipv4Addr>,
    /// `http://` or `https://` service that answers with the caller's address as text.
    pub service_url: Option<String>,
    /// How the service is asked.
    pub connector: Connector,
    /// From one look at the kernel's source address to the next once an address is known.
    pub recheck_interval: Duration,
}

/// What every BGP session is started with.
#[derive(Clone, Debug)]
pub struct BgpSettings {
    /// The peer's TCP port.
    pub peer_port: u16,
    /// Proposed in OPEN; the lower one of both sides holds (RFC 4271 section 4.2).
    pub hold_time: Duration,
    /// The most routes that one session may teach us; more close it.
    pub max_prefixes: u32,
    /// TCP-MD5 (RFC 2385), the same for every peer.
    pub password: Option<Password>,
    /// Opens the connections.
    pub dialer: Arc<dyn Dialer>,
}

/// Whether and how the hosts behind learned routes are probed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LivenessOptions {
    /// Whether routes wait for their hosts.
    pub mode: LivenessMode,
    /// The intervals and bounds of the protocol's machine.
    pub settings: LivenessSettings,
    /// The UDP port of both ends.
    pub port: u16,
}

/// How the devices' latency is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LatencyOptions {
    /// The intervals and bounds of the protocol's machine.
    pub settings: LatencySettings,
    /// From one read of the list of devices to the next. Without it the list is read as often as devices are probed: it is
    /// some 100 kB for 300 devices, more than all other reads of a client together, and what it tells changes by the day.
    pub list_interval: Option<Duration>,
    /// Probe the ends for tunnels that devices have beside their public addresses.
    pub probe_tunnel_endpoints: bool,
    /// Probe devices too that take no users.
    pub probe_all_devices: bool,
}

impl Settings {
    /// The defaults for a role.
    #[must_use]
    pub fn new(role: RoleSettings) -> Self {
        Self {
            role,
            poll_interval: Duration::from_secs(10),
            fetch_timeout: Duration::from_secs(30),
            guard: GuardSettings::default(),
            resync_interval: Duration::from_secs(30),
            owner: None,
            installed: false,
            tunnel_mtu: None,
            exclusion: Exclusion::default(),
            bgp: BgpSettings::default(),
            liveness: None,
            latency: None,
            policies: RestartPolicies::default(),
            stuck_after: Duration::from_secs(30),
            publish_interval: Duration::from_millis(10),
            journal_capacity: 16_384,
            journal_writer: WriterSettings::default(),
            hooks: None,
            health: HealthSettings::default(),
            usage: UsageSettings::default(),
            stop_timeout: Duration::from_secs(30),
            recorders: RecordersSettings::default(),
            caps: CapsSettings::default(),
            record: None,
            pseudonyms: Pseudonyms::default(),
            seed: 0x5741_5252_454e,
        }
    }

    /// How the ledger is read: whoever reads the list of devices at an interval gets another one each time.
    pub(crate) fn fetcher(&self) -> FetcherSettings {
        let usual = FetcherSettings::default();
        let half = self.latency.map(|latency| latency.list_interval() / 2);
        let devices_ttl = half.map_or(usual.devices_ttl, |half| half.min(usual.devices_ttl));
        FetcherSettings {
            devices_ttl,
            read_timeout: self.fetch_timeout,
            ..usual
        }
    }
}

impl Default for UsageSettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            told_every: Duration::from_secs(60),
            keep: Duration::from_secs(35 * 86_400),
            bytes: 512 << 20,
        }
    }
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            client_ip: None,
            probes: vec![Ipv4Addr::new(8, 8, 8, 8), Ipv4Addr::new(1, 1, 1, 1)],
            service_url: None,
            connector: Connector::default(),
            recheck_interval: Duration::from_secs(60),
        }
    }
}

impl Default for BgpSettings {
    fn default() -> Self {
        Self {
            peer_port: 179,
            hold_time: Duration::from_secs(90),
            max_prefixes: 20_000,
            password: None,
            dialer: Arc::new(TcpDialer),
        }
    }
}

impl LatencyOptions {
    /// From one read of the list of devices to the next.
    #[must_use]
    pub fn list_interval(&self) -> Duration {
        self.list_interval
            .unwrap_or(self.settings.period.max(LIST_INTERVAL))
    }
}

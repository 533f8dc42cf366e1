//! Measures the whole tree of actors as a gateway with many users, on the simulated dataplane: from a view to all links up, one
//! user that joins, a quiet while with how often the dataplane is asked in it, and memory. Processor time is that of the whole process, the model kernel's included; reading
//! the ledger costs nothing here.
//!
//! `cargo run --release -p warren-actors --example gateway -- 10000 60 500 50`: so many users, so many quiet seconds, so many
//! milliseconds between two that join, and so many that join. After a pause the processor's caches are others'; what joins cost one
//! after the other is seen with a short one.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, unsafe_code)]

use std::{
    collections::{BTreeMap, VecDeque},
    net::Ipv4Addr,
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use warren_actors::{Handle, RoleSettings, Settings, Snapshot, StopMode, start};
use warren_dataplane::{Dataplane, Scope, simulated::Simulated};
use warren_ledger::{LedgerHealth, LedgerSource, Query, ReadError};
use warren_state::{
    Asn, Phase, Pubkey, ServiceKind, Slot, TunnelId, View,
    view::{Device, GlobalConfig, RawIp, RawNet, User, UserStatus},
};
use warren_store::Store;

const DEVICE: Pubkey = Pubkey([200; 32]);
const JOINS: u32 = 50;
/// What is awaited happens within this time.
const PATIENCE: Duration = Duration::from_secs(300);
/// What follows a change without being waited for is over by then.
const REST: Duration = Duration::from_secs(2);

fn main() {
    warren_actors::runtime().unwrap().block_on(measure());
}

async fn measure() {
    let mut arguments = std::env::args().skip(1).filter_map(|text| text.parse().ok());
    let (users, quiet) = (arguments.next().unwrap_or(10_000), arguments.next().unwrap_or(60));
    let pause = Duration::from_millis(arguments.next().unwrap_or(500).into());
    let joining = arguments.next().unwrap_or(JOINS).max(1);
    let host = Host::start().await;
    let (view, view_bytes) = of_heap(|| view(users));
    let empty = Memory::now();
    let (up, wall) = host.come_up(&view).await;
    sleep(REST).await;
    let kernel_bytes = host.kernel_bytes().await;
    let full = Memory::now();
    let joins = host.join(&view, users..users + joining, pause).await;
    let asked = host.kernel.calls();
    let share = host
        .rest(users + joining, Duration::from_secs(u64::from(quiet)))
        .await;
    let asked = host.kernel.calls() - asked;
    host.handle.stop(StopMode::Detach).await;
    let per_tunnel = |bytes: usize| bytes as f64 / f64::from(users) / 1024.0;
    println!(
        r#"{{"users": {users}, "up_s": {:.3}, "up_wall_s": {:.3}, "join_ms": {:.3}, "join_longest_ms": {:.3}, "join_rest_ms": {:.3}, "quiet_percent": {share:.3}, "quiet_s": {quiet}, "quiet_calls": {asked}, "heap_kib": {:.2}, "rss_kib": {:.2}, "kernel_kib": {:.2}, "view_kib": {:.2}}}"#,
        up.as_secs_f64(),
        wall.as_secs_f64(),
        ms(joins.median),
        ms(joins.longest),
        ms(joins.rest),
        per_tunnel((full.heap - empty.heap).saturating_sub(kernel_bytes)),
        per_tunnel(full.resident.saturating_sub(empty.resident)),
        per_tunnel(kernel_bytes),
        per_tunnel(view_bytes),
    );
}

/// A gateway's tree, its ledger and its kernel.
struct Host {
    handle: Handle,
    ledger: Arc<Prepared>,
    kernel: Arc<Simulated>,
    _directory: tempfile::TempDir,
}

/// What joins took.
struct Joins {
    median: Duration,
    longest: Duration,
    /// What follows one once its link is up, in the mean.
    rest: Duration,
}

impl Host {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Arc::new(Prepared::default());
        ledger.put(&view(0), 2);
        let kernel = Arc::new(Simulated::default());
        let store = Store::open(directory.path()).unwrap().0;
        let settings = Settings::new(RoleSettings::Gateway { device: DEVICE });
        let handle = start(settings, store, ledger.clone(), kernel.clone())
            .await
            .unwrap();
        handle.set_enabled(true).await.unwrap();
        let host = Self {
            handle,
            ledger,
            kernel,
            _directory: directory,
        };
        host.until(|snapshot| snapshot.converged).await;
        sleep(REST).await;
        host
    }

    /// Processor and other time from the view to all links up.
    async fn come_up(&self, view: &View) -> (Duration, Duration) {
        self.ledger.put(view, 2);
        let (began, before) = (Instant::now(), processor_time());
        self.ledger.wake();
        let all = |snapshot: &Snapshot| {
            snapshot.tunnels.len() == view.users.len()
                && snapshot.converged
                && snapshot.tunnels.values().all(|report| is_up(report.phase))
        };
        self.until(all).await;
        (processor_time() - before, began.elapsed())
    }

    async fn join(&self, view: &View, users: Range<u32>, pause: Duration) -> Joins {
        let mut view = view.clone();
        let (mut took, mut rest) = (Vec::new(), Duration::ZERO);
        let joining = users.len();
        for n in users {
            let (key, joining) = user(n);
            // What an answer of the ledger is put together from is the one before: to find out what is the same in both is reading.
            view.users = self.in_force().users.clone();
            view.users.insert(key, joining);
            view.slot = Slot(2 + u64::from(n));
            self.ledger.put(&view, 2);
            let before = processor_time();
            self.ledger.wake();
            self.until(|snapshot| {
                snapshot
                    .tunnels
                    .get(&TunnelId(key))
                    .is_some_and(|report| is_up(report.phase))
            })
            .await;
            let up = processor_time();
            sleep(pause).await;
            took.push(up - before);
            rest += processor_time() - up;
        }
        took.sort();
        Joins {
            median: took[took.len() / 2],
            longest: took[took.len() - 1],
            rest: rest / u32::try_from(joining).unwrap(),
        }
    }

    fn in_force(&self) -> Arc<View> {
        self.handle.snapshot().view.clone().expect("one is in force")
    }

    /// The share of a processor while nothing happens, in percent.
    async fn rest(&self, users: u32, quiet: Duration) -> f64 {
        self.ledger
            .put(&view(users), 1 + usize::try_from(quiet.as_secs() / 10).unwrap());
        sleep(REST).await;
        let before = processor_time();
        sleep(quiet).await;
        (processor_time() - before).as_secs_f64() / quiet.as_secs_f64() * 100.0
    }

    /// What the model kernel takes, which is no memory of the daemon's.
    async fn kernel_bytes(&self) -> usize {
        let before = heap();
        let copy = self.kernel.observe(Scope::All).await.unwrap();
        let bytes = heap().saturating_sub(before);
        drop(copy);
        bytes
    }

    async fn until(&self, condition: impl Fn(&Snapshot) -> bool) {
        let mut published = self.handle.subscribe();
        timeout(PATIENCE, published.wait_for(|snapshot| condition(snapshot)))
            .await
            .expect("it happens")
            .expect("the daemon runs");
    }
}

fn is_up(phase: Phase) -> bool {
    matches!(phase, Phase::Peering | Phase::Active)
}

/// A ledger whose answers were made before.
#[derive(Default)]
struct Prepared {
    answers: Mutex<VecDeque<View>>,
    watchers: Mutex<Vec<mpsc::Sender<()>>>,
}

impl Prepared {
    /// The next answers; the last one is given again and again.
    fn put(&self, view: &View, times: usize) {
        *self.answers.lock().unwrap() = std::iter::repeat_n(view, times).cloned().collect();
    }

    fn wake(&self) {
        for watcher in &*self.watchers.lock().unwrap() {
            let _is_woken_already = watcher.try_send(());
        }
    }
}

#[async_trait]
impl LedgerSource for Prepared {
    async fn read(&self, _query: &Query, _deadline: Instant) -> Result<View, ReadError> {
        let mut answers = self.answers.lock().unwrap();
        Ok(if answers.len() > 1 {
            answers.pop_front().unwrap()
        } else {
            answers[0].clone()
        })
    }

    fn watch(&self, _query: Query) -> mpsc::Receiver<()> {
        let (watcher, wake_ups) = mpsc::channel(1);
        self.watchers.lock().unwrap().push(watcher);
        wake_ups
    }

    fn health(&self) -> LedgerHealth {
        LedgerHealth::default()
    }
}

fn view(users: u32) -> View {
    let device = Device {
        code: "ams1".into(),
        exchange: Pubkey::default(),
        public_ip: Ipv4Addr::new(203, 0, 113, 1),
        status: 1,
        prefixes: vec![],
    };
    View {
        slot: Slot(1 + u64::from(users)),
        users: (0..users).map(user).collect(),
        devices: BTreeMap::from([(DEVICE, device)]),
        config: Some(GlobalConfig {
            local_asn: Asn(0),
            remote_asn: Asn(0),
        }),
        ..View::default()
    }
}

fn user(n: u32) -> (Pubkey, User) {
    let mut key = [1; 32];
    key[..4].copy_from_slice(&n.wrapping_mul(0x9e37_79b9).to_be_bytes());
    let client_ip = Ipv4Addr::from(0x0b00_0000 + n);
    let user = User {
        owner: Pubkey::default(),
        kind: Ok(ServiceKind::Ibrl),
        tenant: Pubkey::default(),
        device: DEVICE,
        client_ip,
        dz_ip: client_ip,
        tunnel_number: u16::try_from(n).unwrap_or(u16::MAX),
        tunnel_net: RawNet {
            address: RawIp(Ipv4Addr::from(0x0a00_0000 + 2 * n)),
            prefix_len: 31,
        },
        status: UserStatus::Activated,
        publishers: vec![],
        subscribers: vec![],
        tunnel_endpoint: Ipv4Addr::UNSPECIFIED,
    };
    (Pubkey(key), user)
}

struct Memory {
    heap: usize,
    resident: usize,
}

impl Memory {
    fn now() -> Self {
        let text = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: usize = text
            .split(' ')
            .nth(1)
            .and_then(|pages| pages.parse().ok())
            .unwrap();
        Self {
            heap: heap(),
            resident: pages * 4096,
        }
    }
}

/// What the result of `make` takes.
fn of_heap<T>(make: impl FnOnce() -> T) -> (T, usize) {
    let before = heap();
    let made = make();
    (made, heap().saturating_sub(before))
}

/// Bytes that are allocated and not freed.
fn heap() -> usize {
    // SAFETY: it reads the allocator's own counters, under the allocator's own locks.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

/// Of all threads of this process so far.
fn processor_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the clock's reading is written into a place of ours.
    let read = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(read, 0, "every Linux has this clock");
    Duration::new(
        u64::try_from(time.tv_sec).unwrap(),
        u32::try_from(time.tv_nsec).unwrap(),
    )
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}

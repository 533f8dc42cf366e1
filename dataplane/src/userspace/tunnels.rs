//! The tunnels that a forwarder holds.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, Read, Write},
    net::Ipv4Addr,
    os::unix::net::UnixStream,
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{
            AtomicBool, AtomicU8, AtomicU16, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Instant,
};

use warren_state::{FaultClass, LinkName, LinkSpec, Rate};

use super::{
    bucket::Bucket,
    drops::{Drops, Traffic},
    gre::Outer,
    group,
    links::tun_remedy,
    protocol::{CounterReport, Rejection, TunnelCounters},
    sys::{self, Epoll},
    waiting::Waiting,
};

/// What [`Tunnels::readable`] reports when rates are others now; no tunnel has this number.
pub const WAKE: u64 = 0;

/// What both directions and the control side share.
pub struct Tunnels {
    table: RwLock<Table>,
    /// Held while a tunnel is added. Making a link may take long, and the table must not be locked meanwhile.
    adding: Mutex<()>,
    /// Reports tunnels with packets to send, by [`Tunnel::number`].
    pub readable: Epoll,
    /// Packets received that belong to no tunnel.
    pub strangers: Drops,
    /// Errors reported by the socket on receive.
    pub socket_errors: AtomicU64,
    /// Packets from peers that wait for their tunnel's turn.
    pub incoming: Waiting,
    /// Packets of the host that do.
    pub outgoing: Waiting,
    /// Ends a wait for packets to send, and says that rates are others now.
    waker: UnixStream,
    woken: UnixStream,
}

/// By every key that is looked up.
#[derive(Default)]
pub struct Table {
    by_name: BTreeMap<LinkName, Arc<Tunnel>>,
    by_number: HashMap<u64, Arc<Tunnel>>,
    /// The outer addresses are as the peer writes them.
    by_peer: HashMap<Outer, Arc<Tunnel>>,
    last_number: u64,
}

/// One tunnel. Dropping it deletes its link.
pub struct Tunnel {
    /// Never used twice by one forwarder.
    pub number: u64,
    /// The link's name when it was made.
    pub name: LinkName,
    /// The outer addresses of packets that we send: source, then destination.
    outer: AtomicU64,
    /// The device.
    pub tun: File,
    /// What was carried.
    pub traffic: Traffic,
    /// How much may go to the peer.
    pub up: Bucket,
    /// How much may come from it.
    pub down: Bucket,
    /// Whether packets that were read may not be sent yet.
    carrying: AtomicBool,
    /// Whether it was held to a rate on the way to the peer at any time.
    was_held: AtomicBool,
    ttl: AtomicU8,
    mtu: AtomicU16,
}

impl Tunnel {
    /// The outer TTL; 64 where none was asked for.
    #[must_use]
    pub fn ttl(&self) -> u8 {
        match self.ttl.load(Relaxed) {
            0 => 64,
            ttl => ttl,
        }
    }

    /// The link's MTU, as the daemon has said.
    #[must_use]
    pub fn mtu(&self) -> u16 {
        self.mtu.load(Relaxed)
    }

    /// Reads packets and sends them, as the body says; only one thread does that.
    pub fn carry<T>(&self, body: impl FnOnce() -> T) -> T {
        self.carrying.store(true, SeqCst);
        let outcome = body();
        self.carrying.store(false, SeqCst);
        outcome
    }

    /// The outer addresses of packets that we send.
    #[must_use]
    pub fn outer(&self) -> Outer {
        let both = self.outer.load(Relaxed);
        Outer {
            source: Ipv4Addr::from((both >> 32) as u32),
            destination: Ipv4Addr::from(both as u32),
        }
    }

    /// One without a device.
    #[cfg(test)]
    pub fn for_tests() -> Self {
        Self {
            number: 1,
            name: LinkName::new("test0").unwrap(),
            outer: AtomicU64::default(),
            tun: File::open("/dev/null").unwrap(),
            traffic: Traffic::default(),
            up: Bucket::default(),
            down: Bucket::default(),
            carrying: AtomicBool::default(),
            was_held: AtomicBool::default(),
            ttl: AtomicU8::default(),
            mtu: AtomicU16::default(),
        }
    }

    fn spec(&self) -> LinkSpec {
        let outer = self.outer();
        LinkSpec {
            name: self.name.clone(),
            local: outer.source,
            remote: outer.destination,
            ttl: self.ttl.load(Relaxed),
            mtu: self.mtu(),
        }
    }

    fn peers_outer(&self) -> Outer {
        let outer = self.outer();
        Outer {
            source: outer.destination,
            destination: outer.source,
        }
    }
}

impl Table {
    /// The tunnel that a received packet belongs to.
    #[must_use]
    pub fn of_peer(&self, outer: Outer) -> Option<&Arc<Tunnel>> {
        self.by_peer.get(&outer)
    }

    fn refuse_taken(&self, spec: &LinkSpec, from_peer: Outer) -> Result<(), Rejection> {
        if self.by_name.contains_key(&spec.name) {
            return Err(Rejection::new(
                FaultClass::Conflict,
                format!("the forwarder has a tunnel {} already", spec.name),
            ));
        }
        if let Some(other) = self.by_peer.get(&from_peer) {
            let detail = format!(
                "{} is between {} and {} already",
                other.name, spec.local, spec.remote
            );
            return Err(Rejection::new(FaultClass::Conflict, detail));
        }
        Ok(())
    }

    fn forget(&mut self, tunnel: &Tunnel) -> bool {
        if self.by_number.remove(&tunnel.number).is_none() {
            return false;
        }
        self.by_name.remove(&tunnel.name);
        self.by_peer.remove(&tunnel.peers_outer());
        true
    }
}

impl Tunnels {
    /// None yet.
    ///
    /// # Errors
    /// When the process may not have more files open.
    pub fn new() -> io::Result<Self> {
        let readable = Epoll::new()?;
        let (waker, woken) = UnixStream::pair()?;
        for end in [&waker, &woken] {
            end.set_nonblocking(true)?;
        }
        readable.add(&woken, WAKE)?;
        Ok(Self {
            table: RwLock::default(),
            adding: Mutex::default(),
            readable,
            strangers: Drops::default(),
            socket_errors: AtomicU64::new(0),
            incoming: Waiting::new(|tunnel| &tunnel.down),
            outgoing: Waiting::new(|tunnel| &tunnel.up),
            waker,
            woken,
        })
    }

    /// Whether the host has sent something over the tunnel that has not left. Of the looks the first is at the device: what is no
    /// longer there was read by a thread that had said before that it carries a packet, and what no longer waits was taken by one.
    pub fn have_packets_under_way(&self, tunnel: &Tunnel) -> bool {
        let carries = || tunnel.carrying.load(SeqCst);
        sys::is_readable(&tunnel.tun) || carries() || self.outgoing.has(tunnel) || carries()
    }

    /// Takes note that rates are others now.
    pub fn wake_up(&self) {
        let mut octets = [0; 64];
        while matches!((&self.woken).read(&mut octets), Ok(1..)) {}
    }

    /// The table, for as short as possible: adding and removing wait meanwhile.
    pub fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.read().by_name.len()
    }

    /// By number.
    pub fn get(&self, number: u64) -> Option<Arc<Tunnel>> {
        self.read().by_number.get(&number).cloned()
    }

    /// Those of these names that there are.
    pub fn named(&self, names: &[LinkName]) -> Vec<Arc<Tunnel>> {
        let table = self.read();
        names
            .iter()
            .filter_map(|name| table.by_name.get(name).cloned())
            .collect()
    }

    /// Makes the link and starts to carry its packets.
    ///
    /// # Errors
    /// `Conflict` when the name or the pair of endpoints is taken; otherwise by the kernel's answer.
    pub fn add(&self, spec: &LinkSpec) -> Result<(), Rejection> {
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let from_peer = Outer {
            source: spec.remote,
            destination: spec.local,
        };
        self.drop_if_detached(|table| table.by_name.get(&spec.name).cloned());
        self.drop_if_detached(|table| table.by_peer.get(&from_peer).cloned());
        self.read().refuse_taken(spec, from_peer)?;
        let tun = sys::open_tun(spec.name.as_str()).map_err(|error| open_refusal(&spec.name, &error))?;
        group::mark_as_ours(&spec.name)
            .map_err(|error| Rejection::new(FaultClass::Transient, format!("link group: {error}")))?;
        self.insert(spec, from_peer, tun)
            .map_err(|error| Rejection::new(FaultClass::Transient, format!("epoll: {error}")))
    }

    fn insert(&self, spec: &LinkSpec, from_peer: Outer, tun: File) -> io::Result<()> {
        let mut table = self.write();
        table.last_number += 1;
        let tunnel = Arc::new(Tunnel {
            number: table.last_number,
            name: spec.name.clone(),
            outer: AtomicU64::new(packed(spec)),
            tun,
            traffic: Traffic::default(),
            up: Bucket::default(),
            down: Bucket::default(),
            carrying: AtomicBool::new(false),
            was_held: AtomicBool::new(false),
            ttl: AtomicU8::new(spec.ttl),
            mtu: AtomicU16::new(spec.mtu),
        });
        self.readable.add(&tunnel.tun, tunnel.number)?;
        table.by_name.insert(tunnel.name.clone(), Arc::clone(&tunnel));
        table.by_peer.insert(from_peer, Arc::clone(&tunnel));
        table.by_number.insert(tunnel.number, tunnel);
        Ok(())
    }

    /// Gives a tunnel the endpoints, the TTL and the MTU of the spec. From then on packets of the old peer are a stranger's.
    ///
    /// # Errors
    /// `Gone` when there is none of that name, `Conflict` when another tunnel has the endpoints.
    pub fn change(&self, spec: &LinkSpec) -> Result<(), Rejection> {
        let from_peer = Outer {
            source: spec.remote,
            destination: spec.local,
        };
        self.drop_if_detached(|table| table.by_peer.get(&from_peer).cloned());
        let mut table = self.write();
        let tunnel = table.by_name.get(&spec.name).cloned();
        let tunnel = tunnel
            .filter(|tunnel| sys::tun_is_attached(&tunnel.tun))
            .ok_or_else(|| {
                Rejection::new(
                    FaultClass::Gone,
                    format!("the forwarder has no tunnel {}", spec.name),
                )
            })?;
        if let Some(other) = table
            .by_peer
            .get(&from_peer)
            .filter(|other| other.number != tunnel.number)
        {
            let detail = format!(
                "{} is between {} and {} already",
                other.name, spec.local, spec.remote
            );
            return Err(Rejection::new(FaultClass::Conflict, detail));
        }
        table.by_peer.remove(&tunnel.peers_outer());
        tunnel.outer.store(packed(spec), Relaxed);
        table.by_peer.insert(from_peer, Arc::clone(&tunnel));
        tunnel.ttl.store(spec.ttl, Relaxed);
        tunnel.mtu.store(spec.mtu, Relaxed);
        Ok(())
    }

    /// Holds a tunnel to a rate, or no longer.
    ///
    /// # Errors
    /// `Gone` when there is none of that name.
    pub fn shape(&self, name: &LinkName, rate: Rate) -> Result<(), Rejection> {
        let Some(tunnel) = self.read().by_name.get(name).cloned() else {
            return Err(Rejection::new(
                FaultClass::Gone,
                format!("the forwarder has no tunnel {name}"),
            ));
        };
        let now = Instant::now();
        tunnel.was_held.fetch_or(rate.up.is_some(), Relaxed);
        tunnel.up.set(rate.up, now);
        tunnel.down.set(rate.down, now);
        self.incoming.wake();
        // One that does not fit is not needed: there are others that nobody took note of yet.
        let _is_full = (&self.waker).write_all(&[1]);
        Ok(())
    }

    /// What the host has sent over tunnels that were held at any time: packets and bytes, as their devices count.
    pub fn sent(&self) -> BTreeMap<LinkName, (u64, u64)> {
        let table = self.read();
        let held = table
            .by_name
            .values()
            .filter(|tunnel| tunnel.was_held.load(Relaxed));
        held.map(|tunnel| (tunnel.name.clone(), tunnel.traffic.admitted.read()))
            .collect()
    }

    /// The tunnels that are held to a rate.
    pub fn rates(&self) -> BTreeMap<LinkName, Rate> {
        let table = self.read();
        let limited = table
            .by_name
            .values()
            .filter(|tunnel| tunnel.up.is_limited() || tunnel.down.is_limited());
        let rate = |tunnel: &Arc<Tunnel>| Rate {
            up: tunnel.up.rate(),
            down: tunnel.down.rate(),
        };
        limited
            .map(|tunnel| (tunnel.name.clone(), rate(tunnel)))
            .collect()
    }

    /// Deletes the tunnel of that name with its link; it may be gone already.
    pub fn remove(&self, name: &LinkName) {
        let tunnel = self.read().by_name.get(name).cloned();
        if let Some(tunnel) = tunnel {
            self.drop_tunnel(&tunnel);
        }
    }

    /// Drops the tunnel of that name if somebody deleted its link.
    pub fn release(&self, name: &LinkName) {
        self.drop_if_detached(|table| table.by_name.get(name).cloned());
    }

    /// Drops a tunnel. Its link goes when nobody carries a packet of it any more.
    pub fn drop_tunnel(&self, tunnel: &Arc<Tunnel>) {
        // A file that another thread still holds would be reported for ever.
        let dropped = self.write().forget(tunnel);
        let _ = self.readable.remove(&tunnel.tun);
        if dropped {
            tracing::debug!(link = %tunnel.name, "tunnel dropped");
        }
    }

    fn drop_if_detached(&self, find: impl FnOnce(&Table) -> Option<Arc<Tunnel>>) {
        let found = find(&self.read());
        if let Some(tunnel) = found.filter(|tunnel| !sys::tun_is_attached(&tunnel.tun)) {
            self.drop_tunnel(&tunnel);
        }
    }

    /// All of them, in the order of names. Links that were deleted behind our back are not among them.
    pub fn list(&self) -> Vec<LinkSpec> {
        // The question may have to wait for the kernel, so the table is left alone meanwhile.
        let tunnels: Vec<_> = self.read().by_name.values().cloned().collect();
        tunnels
            .iter()
            .filter(|tunnel| sys::tun_is_attached(&tunnel.tun))
            .map(|tunnel| tunnel.spec())
            .collect()
    }

    /// What was carried and dropped.
    pub fn counters(&self) -> CounterReport {
        let table = self.read();
        CounterReport {
            tunnels: table
                .by_name
                .values()
                .map(|tunnel| (tunnel.name.to_string(), counters_of(tunnel)))
                .collect(),
            strangers: self.strangers.read(),
            socket_errors: self.socket_errors.load(Relaxed),
        }
    }
}

fn packed(spec: &LinkSpec) -> u64 {
    u64::from(u32::from(spec.local)) << 32 | u64::from(u32::from(spec.remote))
}

fn counters_of(tunnel: &Tunnel) -> TunnelCounters {
    let (rx_packets, rx_bytes) = tunnel.traffic.rx.read();
    let (tx_packets, tx_bytes) = tunnel.traffic.tx.read();
    TunnelCounters {
        local: tunnel.outer().source,
        remote: tunnel.outer().destination,
        rx_packets,
        rx_bytes,
        tx_packets,
        tx_bytes,
        drops: tunnel.traffic.drops.read(),
    }
}

fn open_refusal(name: &LinkName, error: &io::Error) -> Rejection {
    let class = match error.raw_os_error() {
        // The name was free when the daemon looked, so somebody else has it now.
        Some(libc::EBUSY | libc::EEXIST | libc::EINVAL) => FaultClass::Conflict,
        Some(libc::EPERM | libc::EACCES) => FaultClass::Permanent,
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => FaultClass::Unsupported,
        Some(_) | None => FaultClass::Transient,
    };
    Rejection::new(class, format!("TUN device {name}: {error}{}", tun_remedy(error)))
}

//! Packets through tunnels, from both ends: the far end is played by this very host.

use std::{
    fs,
    io::Read,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use socket2::{Domain, Protocol, Socket, Type};
use warren_dataplane::Scope;
use warren_state::Direction;

use crate::world::*;

/// What a packet of a [`Flow`] has, with its headers.
pub const PACKET: u64 = 1_000;
const HEADERS: usize = 28;

/// Packets to one tunnel, one way.
pub struct Flow {
    world: Arc<World>,
    n: u8,
    way: Direction,
    socket: Option<UdpSocket>,
    received: AtomicU64,
}

impl Flow {
    /// The tunnel is [`whole`], and [`reachable`] was called.
    pub fn open(world: &Arc<World>, n: u8, way: Direction) -> Self {
        let socket = world.simulated().is_none().then(|| {
            let socket = UdpSocket::bind((dz_ip(n).address, 0)).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        });
        Self {
            world: Arc::clone(world),
            n,
            way,
            socket,
            received: AtomicU64::new(0),
        }
    }

    /// So many packets want to pass.
    pub fn offer(&self, packets: u64) {
        let Some(socket) = &self.socket else {
            let simulated = self.world.simulated().unwrap();
            simulated.offer(tunnel(self.n), self.way, packets, PACKET);
            return;
        };
        let payload = vec![0; PACKET as usize - HEADERS];
        for _ in 0..packets {
            match self.way {
                // A queue that is full, before the link or on it, is told here or not at all.
                Direction::Out => drop(socket.send_to(&payload, (behind(self.n), 9))),
                Direction::In => {
                    let port = socket.local_addr().unwrap().port().to_be_bytes();
                    let length = ((PACKET - 20) as u16).to_be_bytes();
                    let udp = [&[0, 9], &port[..], &length, &[0, 0], &payload].concat();
                    arrive(self.n, &datagram(17, behind(self.n), dz_ip(self.n).address, &udp));
                }
            }
        }
    }

    /// Octets that have passed.
    pub async fn passed(&self) -> u64 {
        if let (Direction::In, Some(socket)) = (self.way, &self.socket) {
            let mut packet = [0; 2_000];
            while let Ok(length) = socket.recv(&mut packet) {
                self.received
                    .fetch_add((length + HEADERS) as u64, Ordering::Relaxed);
            }
            return self.received.load(Ordering::Relaxed);
        }
        let counted = self.world.dataplane().counters(Scope::of(tunnel(self.n))).await;
        let octets = counted.unwrap().into_iter().map(|reading| match self.way {
            Direction::In => reading.carried.rx_bytes,
            Direction::Out => reading.carried.tx_bytes,
        });
        octets.sum()
    }

    /// Packets of the tunnel that were over its rate; where both ways are counted together, of both.
    pub async fn dropped(&self) -> u64 {
        match self.world.simulated() {
            Some(simulated) => simulated.dropped(tunnel(self.n), self.way),
            None => self.world.throttled(self.n).await,
        }
    }
}

/// Packets of the tunnel's own session, one way.
pub struct OwnSession {
    n: u8,
    way: Direction,
    socket: Socket,
    received: AtomicU64,
}

impl OwnSession {
    /// The tunnel is [`whole`], and [`reachable`] was called.
    pub fn open(n: u8, way: Direction) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::TCP)).unwrap();
        let here = SocketAddr::V4(SocketAddrV4::new(overlay(n).address, 0));
        socket.bind(&here.into()).unwrap();
        socket.set_nonblocking(true).unwrap();
        let received = AtomicU64::new(0);
        Self {
            n,
            way,
            socket,
            received,
        }
    }

    /// So many packets are sent.
    pub fn offer(&self, packets: u64) {
        let mut segment = [0; PACKET as usize - 20];
        // From port 179 to 40000; a header without options, a reset, which nobody answers.
        segment[..4].copy_from_slice(&[0, 179, 0x9c, 0x40]);
        (segment[12], segment[13]) = (0x50, 0x04);
        let ends = (overlay(self.n).address, peer(self.n));
        for _ in 0..packets {
            match self.way {
                Direction::Out => send_raw(&datagram(6, ends.0, ends.1, &segment), ends.1),
                Direction::In => arrive(self.n, &datagram(6, ends.1, ends.0, &segment)),
            }
        }
    }

    /// Octets that have passed; on the way out with what else has.
    pub async fn passed(&self, others: &Flow) -> u64 {
        if self.way == Direction::Out {
            return others.passed().await;
        }
        let mut packet = [0; 2_000];
        while let Ok(length) = (&self.socket).read(&mut packet) {
            if packet[20..22] == [0, 179] {
                self.received.fetch_add(length as u64, Ordering::Relaxed);
            }
        }
        self.received.load(Ordering::Relaxed)
    }
}

/// The host behind the tunnel.
fn behind(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, n, 0, 9)
}

/// There is a way to the peers, which ends at the wire.
pub fn reachable(world: &World) {
    accept_from_anywhere(world);
    if world.simulated().is_none() {
        ip(
            "route add 198.51.100.0/24 via 192.0.2.254 dev u0\nneigh add 192.0.2.254 lladdr 02:00:00:00:00:02 dev u0 nud permanent",
        );
    }
}

/// Peers are played by this very host.
pub fn accept_from_anywhere(world: &World) {
    if world.simulated().is_none() {
        for of in ["all", "lo", "default"] {
            fs::write(format!("/proc/sys/net/ipv4/conf/{of}/rp_filter"), "0").unwrap();
        }
    }
}

/// A packet comes from the tunnel's far end.
pub fn arrive(n: u8, inner: &[u8]) {
    let gre = [&[0, 0, 8, 0][..], inner].concat();
    send_raw(&datagram(47, spec(n).remote, spec(n).local, &gre), spec(n).local);
}

fn send_raw(packet: &[u8], to: Ipv4Addr) {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255))).unwrap();
    socket.set_header_included_v4(true).unwrap();
    let there = SocketAddr::V4(SocketAddrV4::new(to, 0));
    socket.send_to(packet, &there.into()).unwrap();
}

pub fn datagram(protocol: u8, from: Ipv4Addr, to: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    let mut header = [0; 20];
    (header[0], header[8], header[9]) = (0x45, 32, protocol);
    header[2..4].copy_from_slice(&length);
    header[12..16].copy_from_slice(&from.octets());
    header[16..20].copy_from_slice(&to.octets());
    let words = header
        .chunks(2)
        .map(|two| u32::from(two[0]) << 8 | u32::from(two[1]));
    let sum: u32 = words.sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    [&header[..], payload].concat()
}

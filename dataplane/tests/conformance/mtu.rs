//! Packets that the underlay does not take in one piece.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::Read,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sched::{CloneFlags, setns, unshare},
    sys::socket::{getsockopt, sockopt::IpMtu},
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::time::timeout;
use warren_dataplane::Notice;
use warren_state::reconcile::UnderlayPath;

use crate::world::*;

/// Behind the tunnel.
const THERE: &str = "10.1.0.9:9";
const HEADERS: usize = 24;
/// With the headers of UDP, IP (version 4 or 6) and the tunnel 1472 or 1492 bytes.
const LARGE: usize = 1420;

pub async fn the_mtu_of_the_underlay_is_found(world: Arc<World>) {
    let dataplane = world.dataplane();
    let path = |n| (spec(n).local, spec(n).remote);
    let of = async |paths: &[UnderlayPath]| {
        let asked: BTreeSet<UnderlayPath> = paths.iter().copied().collect();
        let found = dataplane.underlay_mtus(asked.clone()).await.unwrap();
        assert!(
            found.keys().eq(&asked),
            "all that was asked for, and no more: {found:?}"
        );
        paths.iter().map(|path| found[path]).collect::<Vec<_>>()
    };
    let found = async || of(&[path(1)]).await[0];
    assert_eq!(of(&[]).await, []);
    if let Some(simulated) = world.simulated() {
        assert_eq!(found().await, Some(1500));
        simulated.set_underlay_mtu(None);
        return assert_eq!(found().await, None);
    }
    assert_eq!(found().await, None, "there is no route");
    ip("route add 198.51.100.0/24 via 192.0.2.254 dev u0");
    assert_eq!(found().await, Some(1500), "of the device");
    ip("link set u0 mtu 1400");
    assert_eq!(found().await, Some(1400));
    ip("route change 198.51.100.0/24 via 192.0.2.254 dev u0 mtu 1300");
    assert_eq!(found().await, Some(1300), "of the route");
    ip("route change 198.51.100.0/24 via 192.0.2.254 dev u0 mtu 9000");
    assert_eq!(found().await, Some(1400), "no more than the device takes");
    let (elsewhere, unreachable) = (
        (Ipv4Addr::new(203, 0, 113, 77), spec(1).remote),
        (spec(1).local, Ipv4Addr::new(198, 18, 0, 1)),
    );
    assert_eq!(
        of(&[path(1), elsewhere, path(2), unreachable, path(3)]).await,
        [Some(1400), None, Some(1400), None, Some(1400)],
        "an address that is not this host's, and one without a route, say nothing about the others"
    );
    ip("route add 198.51.100.2/32 via 192.0.2.254 dev u0 mtu 1250");
    let many: Vec<UnderlayPath> = (0..=255)
        .map(|last| (spec(1).local, Ipv4Addr::new(198, 51, 100, last)))
        .collect();
    let mtus = of(&many).await;
    for (last, mtu) in mtus.iter().enumerate() {
        let expected = if last == 2 { 1250 } else { 1400 };
        assert_eq!(*mtu, Some(expected), "towards the address that ends in {last}");
    }
    world.build(whole(1)).await;
    ip("route add 198.51.100.1/32 dev wrn1");
    assert_eq!(found().await, None, "a tunnel does not carry itself");
}

pub async fn another_mtu_of_the_uplink_is_noticed(world: Arc<World>) {
    world.build(whole(1)).await;
    let mut events = world.dataplane().events().await.unwrap();
    match world.simulated() {
        Some(simulated) => simulated.set_underlay_mtu(Some(1400)),
        None => ip("link set u0 mtu 1400"),
    }
    let told = async { while events.recv().await.unwrap() != Notice::Elsewhere {} };
    timeout(patience(), told).await.expect("the notice came");
}

pub async fn a_packet_that_may_be_cut_crosses_in_pieces_that_fit(world: Arc<World>) {
    let far = Far::behind(1500);
    world.build(whole(1)).await;
    ip("link set u0 mtu 1400\naddr add fd00:9::1/64 dev wrn1 nodad");
    for (there, headers) in [(THERE, 28), ("[fd00:9::2]:9", 48)] {
        let socket = divisible(there);
        socket.send(&payload()).unwrap();
        let pieces = far.pieces_of_one_packet();
        assert!(
            pieces.len() == 2 && pieces.iter().all(|piece| piece.len() <= 1400),
            "{there}: {:?}",
            lengths(&pieces)
        );
        let inner: Vec<u8> = pieces
            .iter()
            .flat_map(|piece| piece[20..].to_vec())
            .skip(HEADERS - 20)
            .collect();
        assert_eq!(inner.len(), headers + LARGE, "{there}");
        assert_eq!(inner[headers..], payload(), "{there}");
    }
}

pub async fn a_packet_that_must_not_be_cut_is_answered_with_what_fits(world: Arc<World>) {
    let far = Far::behind(1500);
    world.build(whole(1)).await;
    ip("link set u0 mtu 1400");
    let socket = indivisible();
    assert_eq!(getsockopt(&socket, IpMtu).unwrap(), 1476);
    send_until(&socket, 1400 - HEADERS);
    // What the sender sends from now on was cut by itself, and crosses whole.
    let _ = far.drain();
    send(&socket, &payload());
    let first = far.next();
    assert!(
        first.len() <= 1400 && flags(&first) & 0x3fff == 0,
        "{} bytes, flags {:04x}",
        first.len(),
        flags(&first)
    );
}

pub async fn what_the_path_teaches_counts(world: Arc<World>) {
    let far = Far::behind(1300);
    world.build(whole(1)).await;
    let socket = indivisible();
    send_until(&socket, 1300 - HEADERS);
    send(&socket, b"small");
    let small = std::iter::repeat_with(|| far.next())
        .find(|packet| packet.ends_with(b"small"))
        .unwrap();
    assert_eq!(
        flags(&small),
        0x4000,
        "what must not be cut is not to be cut on its way either"
    );
    let path = (spec(1).local, spec(1).remote);
    let underlay = world.dataplane().underlay_mtus(BTreeSet::from([path])).await;
    assert_eq!(
        underlay,
        Ok(BTreeMap::from([(path, Some(1500))])),
        "the host's own network has not changed"
    );
    // Of this destination the host's own stack has learned nothing.
    let socket = divisible("10.1.0.10:9");
    socket.send(&payload()).unwrap();
    let pieces = far.pieces_of_one_packet();
    assert!(
        pieces.iter().all(|piece| piece.len() <= 1300),
        "{:?}",
        lengths(&pieces)
    );
}

/// An answer to what was sent before is told in place of sending.
fn send(socket: &UdpSocket, bytes: &[u8]) {
    let sent = std::iter::repeat_with(|| socket.send(bytes))
        .take(100)
        .any(|sent| sent.is_ok());
    assert!(sent, "nothing can be sent any more");
}

/// Sends until the kernel has learned that this many bytes fit.
fn send_until(socket: &UdpSocket, fitting: usize) {
    let deadline = Instant::now() + patience();
    loop {
        // An answer to what was sent before is told here.
        let _ = socket.send(&payload());
        let known = getsockopt(socket, IpMtu).unwrap();
        if usize::try_from(known) == Ok(fitting) {
            return;
        }
        assert_eq!(known, 1476, "either what the link takes or what fits");
        assert!(Instant::now() < deadline, "nothing came back");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Its packets must not be cut, as is usual.
fn indivisible() -> UdpSocket {
    connected(THERE)
}

/// Its packets may be cut.
fn divisible(there: &str) -> UdpSocket {
    const SETTING: &str = "/proc/sys/net/ipv4/ip_no_pmtu_disc";
    fs::write(SETTING, "1").unwrap();
    let socket = connected(there);
    fs::write(SETTING, "0").unwrap();
    socket
}

fn connected(there: &str) -> UdpSocket {
    let there: SocketAddr = there.parse().unwrap();
    let own = if there.is_ipv4() {
        "203.0.113.1:0"
    } else {
        "[fd00:9::1]:0"
    };
    let socket = UdpSocket::bind(own).unwrap();
    socket.connect(there).unwrap();
    socket
}

fn payload() -> Vec<u8> {
    (0..LARGE).map(|at| (at * 7) as u8).collect()
}

fn lengths(pieces: &[Vec<u8>]) -> Vec<usize> {
    pieces.iter().map(Vec::len).collect()
}

fn flags(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[6], packet[7]])
}

/// The far side of the underlay, in a network namespace of its own: a router, and behind it a network with the peers.
struct Far {
    _namespace: File,
    wire: Socket,
}

impl Far {
    /// With peers in a network that takes packets of this many bytes.
    fn behind(mtu: u32) -> Self {
        let namespace = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        let namespace = namespace.join().unwrap();
        ip(&format!(
            "link set u1 netns /proc/{}/fd/{}",
            std::process::id(),
            namespace.as_raw_fd()
        ));
        ip("route add 198.51.100.0/24 via 192.0.2.254 dev u0");
        let wire = within(&namespace, move || {
            ip(
                "link set lo up\naddr add 192.0.2.254/24 dev u1\nlink set u1 up\nlink add r0 type veth peer name r1",
            );
            ip(&format!(
                "link set r0 mtu {mtu}\naddr add 10.99.0.1/24 dev r0\nlink set r0 up\nlink set r1 up"
            ));
            ip(
                "route add 198.51.100.0/24 via 10.99.0.2 dev r0\nneigh add 10.99.0.2 lladdr 02:00:00:00:00:02 dev r0 nud permanent",
            );
            fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
            let protocol = i32::from((nix::libc::ETH_P_IP as u16).to_be());
            let wire = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(protocol))).unwrap();
            wire.set_read_timeout(Some(patience())).unwrap();
            wire
        });
        Self {
            _namespace: namespace,
            wire,
        }
    }

    /// The next GRE packet that has come through the router.
    fn next(&self) -> Vec<u8> {
        let mut packet = vec![0; 2048];
        loop {
            let length = (&self.wire).read(&mut packet).expect("a packet came");
            if let Some(gre) = beyond_the_router(&packet[..length]) {
                return gre;
            }
        }
    }

    /// Those that have come so far.
    fn drain(&self) -> Vec<Vec<u8>> {
        self.wire.set_nonblocking(true).unwrap();
        let mut packet = vec![0; 2048];
        let mut all = Vec::new();
        while let Ok(length) = (&self.wire).read(&mut packet) {
            all.extend(beyond_the_router(&packet[..length]));
        }
        self.wire.set_nonblocking(false).unwrap();
        all
    }

    /// The fragments of the next packet of the size that we sent, in their order.
    fn pieces_of_one_packet(&self) -> Vec<Vec<u8>> {
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        loop {
            let piece = self.next();
            // The link says something of its own, as IPv6 does.
            if flags(&piece) & 0x3fff == 0 {
                continue;
            }
            pieces.push(piece);
            pieces.sort_by_key(|piece| flags(piece) & 0x1fff);
            let mut together = 0;
            for piece in &pieces {
                together +=
                    usize::from(usize::from(flags(piece) & 0x1fff) * 8 == together) * (piece.len() - 20);
            }
            let ends = pieces.last().is_some_and(|last| flags(last) & 0x2000 == 0);
            if ends && together == pieces.iter().map(|piece| piece.len() - 20).sum::<usize>() {
                return pieces;
            }
        }
    }
}

/// The router has counted the time to live down by one.
fn beyond_the_router(packet: &[u8]) -> Option<Vec<u8>> {
    let length = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
    (packet.get(8..10)? == [63, 47]).then(|| packet[..length.min(packet.len())].to_vec())
}

fn within<T: Send>(namespace: &File, body: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
            body()
        });
        inside
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

//! From the underlay to the TUN devices.

use std::{
    convert::Infallible,
    io::{self, IoSlice, Write},
    sync::atomic::Ordering::Relaxed,
    time::Instant,
};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::{
    bucket::Leave,
    coalesce::Coalescer,
    drops::DropReason,
    gre,
    session::is_of_own_session,
    sys::{BATCH, Receiver},
    transmit::is_fatal,
    tunnels::{Table, Tunnel, Tunnels},
    waiting::Packet,
};

/// Room for what arrives while the receiver is not running: some 14,000 packets of 1,500 bytes.
const SOCKET_BUFFER: usize = 32 << 20;

/// The one socket for all tunnels: it gets a copy of every GRE packet to this host, and sends packets with our own header.
///
/// # Errors
/// `EPERM` without CAP_NET_RAW.
pub fn open_socket() -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::IPV4,
        Type::RAW,
        Some(Protocol::from(i32::from(gre::PROTOCOL))),
    )?;
    socket.set_header_included_v4(true)?;
    // Beyond the system's limit where we may, up to it elsewhere.
    if setsockopt(&socket, sockopt::RcvBufForce, &SOCKET_BUFFER).is_err() {
        socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    }
    if setsockopt(&socket, sockopt::SndBufForce, &(SOCKET_BUFFER / 4)).is_err() {
        socket.set_send_buffer_size(SOCKET_BUFFER / 4)?;
    }
    Ok(socket)
}

/// Carries packets until an error that no other packet would escape.
pub fn run(tunnels: &Tunnels, socket: &Socket) -> io::Result<Infallible> {
    let mut receiver = Receiver::new();
    loop {
        match receiver.receive(socket) {
            Ok(count) => deliver(tunnels, &receiver, count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_fatal(&error) => return Err(error),
            // Reported once each: ENOPROTOOPT when nobody takes GRE at the other end, and its like.
            Err(_) => {
                tunnels.socket_errors.fetch_add(1, Relaxed);
            }
        }
    }
}

fn deliver(tunnels: &Tunnels, receiver: &Receiver, count: usize) {
    let table = tunnels.read();
    let mut frames = Coalescer::with_capacity(count.min(BATCH));
    for index in 0..count {
        match accept(&table, receiver.packet(index)) {
            Ok((tunnel, inner)) if tunnel.down.is_limited() && !may_pass(tunnels, tunnel, inner) => {
                tunnels.incoming.push(tunnel, Packet::whole(inner.to_vec()));
            }
            Ok((tunnel, inner)) => frames.push(ByIdentity(tunnel), tunnel.mtu(), inner),
            Err((Some(tunnel), reason)) => tunnel.traffic.drops.add(reason, 1),
            Err((None, reason)) => tunnels.strangers.add(reason, 1),
        }
    }
    frames.emit(|ByIdentity(tunnel), parts, packets, bytes| write(tunnel, parts, packets, bytes));
}

/// Whether a packet of a limited tunnel may go at once: it keeps the tunnel's session, or nothing waits before it and there is room.
fn may_pass(tunnels: &Tunnels, tunnel: &Tunnel, inner: &[u8]) -> bool {
    let (octets, now) = (inner.len() as u64, Instant::now());
    if is_of_own_session(inner) {
        tunnel.down.owe(octets, now);
        return true;
    }
    !tunnels.incoming.has(tunnel) && tunnel.down.take(octets, now) == Leave::Go
}

/// Why a packet is dropped, and whose it is, where that is known.
type Dropped<'t> = (Option<&'t Tunnel>, DropReason);

fn accept<'t, 'p>(table: &'t Table, packet: &'p [u8]) -> Result<(&'t Tunnel, &'p [u8]), Dropped<'t>> {
    let (outer, gre) = gre::outer(packet).map_err(|reason| (None, reason))?;
    let tunnel = table.of_peer(outer).ok_or((None, DropReason::UnknownPeer))?;
    let inner = gre::decapsulate(gre).map_err(|reason| (Some(&**tunnel), reason))?;
    Ok((tunnel, inner))
}

/// Gives what came to the host.
#[allow(clippy::unused_io_amount)]
pub fn write(tunnel: &Tunnel, parts: &[IoSlice<'_>], packets: u64, bytes: u64) {
    match (&tunnel.tun).write_vectored(parts) {
        // A TUN device takes a packet whole or not at all.
        Ok(_whole) => tunnel.traffic.rx.add(packets, bytes),
        Err(error) => {
            let reason = match error.raw_os_error() {
                Some(libc::EIO) => DropReason::LinkDown,
                Some(_) | None => DropReason::LinkRefused,
            };
            tunnel.traffic.drops.add(reason, packets);
        }
    }
}

/// Tunnels are the same when they are the same object.
#[derive(Clone, Copy)]
struct ByIdentity<'t>(&'t Tunnel);

impl PartialEq for ByIdentity<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

//! From the TUN devices to the underlay.

use std::{
    convert::Infallible,
    io::{self, IoSlice, Read, Write},
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use socket2::Socket;

use super::{
    bucket::Leave,
    drops::DropReason,
    due::Due,
    gre::{self, ENCAP_LEN, Inner},
    inet,
    offload::{self, HEADER_LEN, HEADERS_MAX, Instructions, Splitter, TcpLayout},
    oversize,
    paths::Paths,
    session::is_of_own_session,
    sys::{BATCH, Message, Sender},
    tunnels::{Tunnel, Tunnels, WAKE},
    waiting::{Next, Packet},
};

/// The largest thing that one read of a TUN device gives.
const READ_MAX: usize = HEADER_LEN + 65_536;

/// Small packets of several reads share one `sendmmsg`.
const ARENA: usize = 4 * READ_MAX;

/// How many batches of one tunnel are handled before it is another tunnel's turn.
const TURNS: usize = 16;

/// Of what waits, so many packets go before the device is looked at, where packets may be that must not wait.
const OF_WAITING: usize = BATCH / 4;

/// Segments are not cut smaller than this: a way that takes no more than that is told to the sender.
const SEGMENT_MIN: usize = 256;

/// Carries packets until an error that no other packet would escape.
pub fn run(tunnels: &Tunnels, socket: &Socket) -> io::Result<Infallible> {
    let mut transmitter = Transmitter {
        tunnels,
        socket,
        sender: Sender::new(),
        arena: vec![0; ARENA],
        used: 0,
        headers: Vec::new(),
        queue: Vec::with_capacity(BATCH),
        paths: Paths::default(),
        last_id: 0,
        due: Due::default(),
    };
    let mut ready = Vec::new();
    loop {
        let patience = transmitter.due.wait(Instant::now());
        tunnels.readable.wait(&mut ready, patience)?;
        if ready.contains(&WAKE) {
            tunnels.wake_up();
            transmitter.due.hasten(Instant::now());
        }
        transmitter.due.add_ripe(&mut ready, Instant::now());
        for number in ready.iter().filter(|number| **number != WAKE) {
            let Some(tunnel) = tunnels.get(*number) else {
                transmitter.forget(*number);
                continue;
            };
            match tunnel.carry(|| transmitter.drain(&tunnel))? {
                Link::Deleted => {
                    tracing::info!(link = %tunnel.name, "link was deleted");
                    tunnels.drop_tunnel(&tunnel);
                    transmitter.forget(tunnel.number);
                }
                Link::Idle | Link::Busy => {}
            }
        }
    }
}

struct Transmitter<'a> {
    tunnels: &'a Tunnels,
    socket: &'a Socket,
    sender: Sender,
    /// What was read since the last flush.
    arena: Vec<u8>,
    used: usize,
    /// The headers of the queued packets.
    headers: Vec<u8>,
    queue: Vec<Queued>,
    paths: Paths,
    last_id: u16,
    /// The tunnels of which packets wait.
    due: Due,
}

struct Queued {
    header: Range<usize>,
    payload: Range<usize>,
}

#[derive(PartialEq, Eq)]
enum Link {
    Idle,
    Busy,
    Deleted,
}

/// What is to become of a packet that was read.
struct Readied {
    inner: Inner,
    /// It is cut into segments of this length.
    segment: Option<usize>,
}

impl Transmitter<'_> {
    fn drain(&mut self, tunnel: &Arc<Tunnel>) -> io::Result<Link> {
        for _ in 0..TURNS {
            if self.due.has(tunnel.number) {
                self.release(tunnel);
            }
            let link = self.fill(tunnel);
            self.flush(tunnel)?;
            match link {
                Link::Busy => {}
                Link::Idle | Link::Deleted => return Ok(link),
            }
        }
        Ok(Link::Busy)
    }

    fn forget(&mut self, number: u64) {
        self.due.forget(number);
        self.tunnels.outgoing.forget(number);
    }

    /// Queues those of the packets that wait whose time has come.
    fn release(&mut self, tunnel: &Tunnel) {
        let now = Instant::now();
        for _ in 0..OF_WAITING {
            if self.arena.len() - self.used < READ_MAX {
                break;
            }
            match self.tunnels.outgoing.next(tunnel, now) {
                Next::Packet(packet) => self.take_waiting(tunnel, &packet),
                Next::Wait(wait) => return self.due.set(tunnel.number, now + wait),
                Next::Nothing => return self.due.forget(tunnel.number),
            }
        }
        self.due.set(tunnel.number, now);
    }

    fn take_waiting(&mut self, tunnel: &Tunnel, packet: &Packet) {
        let (packets, octets) = packet.counted;
        tunnel.traffic.admitted.add(packets, octets);
        let range = self.used..self.used + packet.inner.len();
        self.arena[range.clone()].copy_from_slice(&packet.inner);
        self.used = range.end.next_multiple_of(64).min(self.arena.len());
        let queued = Inner::of(&packet.inner)
            .ok_or(DropReason::Unreadable)
            .and_then(|inner| self.enqueue_whole(tunnel, inner, range));
        if let Err(reason) = queued {
            tunnel.traffic.drops.add(reason, 1);
        }
    }

    fn fill(&mut self, tunnel: &Tunnel) -> Link {
        for _ in 0..BATCH {
            if self.queue.len() >= BATCH / 2 || self.arena.len() - self.used < READ_MAX {
                break;
            }
            match (&tunnel.tun).read(&mut self.arena[self.used..]) {
                Ok(length) if tunnel.up.is_limited() || self.due.has(tunnel.number) => {
                    self.take_limited(tunnel, length);
                }
                Ok(length) => self.take(tunnel, length),
                Err(error) => match error.raw_os_error() {
                    Some(libc::EAGAIN) => return Link::Idle,
                    Some(libc::EINTR) => {}
                    Some(libc::EBADFD | libc::EIO | libc::ENODEV | libc::ENXIO | libc::EBADF) => {
                        return Link::Deleted;
                    }
                    Some(_) | None => {
                        tunnel.traffic.drops.add(DropReason::Unreadable, 1);
                        return Link::Busy;
                    }
                },
            }
        }
        Link::Busy
    }

    /// Sees to what was just read of a tunnel that is held, or of which something waits: it goes at once, waits or is dropped.
    fn take_limited(&mut self, tunnel: &Tunnel, length: usize) {
        let now = Instant::now();
        let range = self.used + HEADER_LEN..self.used + length;
        let is_own = self.arena.get(range.clone()).is_some_and(is_of_own_session);
        let verdict = match tunnel.up.look(now) {
            _ if is_own => Leave::Go,
            Leave::Go if self.due.has(tunnel.number) => Leave::Wait(Duration::ZERO),
            as_it_is @ (Leave::Go | Leave::Wait(_) | Leave::Drop) => as_it_is,
        };
        match verdict {
            Leave::Go => {
                let queued = self.queue.len();
                self.take(tunnel, length);
                let octets: usize = self.queue[queued..].iter().map(Queued::inner_len).sum();
                tunnel.up.owe(octets as u64, now);
            }
            Leave::Wait(wait) => {
                if let Err(reason) = self.line_up(tunnel, range) {
                    tunnel.traffic.drops.add(reason, 1);
                }
                if !self.due.has(tunnel.number) {
                    self.due.set(tunnel.number, now + wait);
                }
            }
            Leave::Drop => tunnel.traffic.drops.add(DropReason::Throttled, 1),
        }
    }

    /// Has what was just read wait, in the packets that it leaves in.
    fn line_up(&mut self, tunnel: &Tunnel, range: Range<usize>) -> Result<(), DropReason> {
        let segment = self.ready(tunnel, range.clone())?.segment;
        let read = &self.arena[range];
        let Some(segment) = segment else {
            self.tunnels.outgoing.push(tunnel, Packet::whole(read.to_vec()));
            return Ok(());
        };
        for piece in Splitter::new(read, segment).map_err(|_| DropReason::Unreadable)? {
            let headers = &piece.headers[..piece.headers_len.min(HEADERS_MAX)];
            let payload = &read[piece.payload..piece.payload + piece.payload_len];
            let mut packet = Packet::whole([headers, payload].concat());
            if piece.payload > piece.headers_len {
                packet.counted = (0, payload.len() as u64);
            }
            self.tunnels.outgoing.push(tunnel, packet);
        }
        Ok(())
    }

    /// Queues what was just read.
    fn take(&mut self, tunnel: &Tunnel, length: usize) {
        let octets = length.saturating_sub(HEADER_LEN);
        tunnel.traffic.admitted.add(1, octets as u64);
        let queued = self.queue.len();
        let range = self.used + HEADER_LEN..self.used + length;
        match self.enqueue(tunnel, range) {
            Ok(()) => {}
            Err(reason) => {
                self.queue.truncate(queued);
                tunnel.traffic.drops.add(reason, 1);
            }
        }
        self.used = (self.used + length).next_multiple_of(64).min(self.arena.len());
    }

    /// Looks at what was read, and finishes its checksum.
    fn ready(&mut self, tunnel: &Tunnel, range: Range<usize>) -> Result<Readied, DropReason> {
        let before = self.arena[..range.start.min(range.end)]
            .last_chunk()
            .ok_or(DropReason::Unreadable)?;
        let instructions = Instructions::parse(*before).map_err(|_| DropReason::Unreadable)?;
        let packet = self.arena.get_mut(range).ok_or(DropReason::Unreadable)?;
        let inner = Inner::of(packet).ok_or(DropReason::Unreadable)?;
        if is_own_carrier(packet, tunnel) {
            return Err(DropReason::Recursion);
        }
        let segment = match instructions {
            Instructions::Plain => None,
            Instructions::Checksum { start, offset } if inet::complete_checksum(packet, start, offset) => {
                None
            }
            Instructions::Checksum { .. } => return Err(DropReason::Unreadable),
            Instructions::Tcp4 { segment } => {
                let layout = TcpLayout::of(packet).ok_or(DropReason::Unreadable)?;
                Some(self.fitting(tunnel.outer(), layout.headers, segment))
            }
        };
        Ok(Readied { inner, segment })
    }

    fn enqueue(&mut self, tunnel: &Tunnel, range: Range<usize>) -> Result<(), DropReason> {
        let Readied { inner, segment } = self.ready(tunnel, range.clone())?;
        let Some(segment) = segment else {
            return self.enqueue_whole(tunnel, inner, range);
        };
        let indivisible = oversize::is_indivisible(&self.arena[range.clone()]);
        for piece in Splitter::new(&self.arena[range.clone()], segment).map_err(|_| DropReason::Unreadable)? {
            let id = next_id(&mut self.last_id);
            let outer = gre::encapsulate(
                tunnel.outer(),
                tunnel.ttl(),
                id,
                inner,
                indivisible,
                piece.headers_len + piece.payload_len,
            );
            let from = self.headers.len();
            self.headers.extend_from_slice(&outer.ok_or(DropReason::TooBig)?);
            self.headers
                .extend_from_slice(&piece.headers[..piece.headers_len.min(HEADERS_MAX)]);
            let payload = range.start + piece.payload;
            self.queue.push(Queued {
                header: from..self.headers.len(),
                payload: payload..payload + piece.payload_len,
            });
        }
        Ok(())
    }

    /// How much of a stream goes into one packet: it may be cut anywhere, so nobody needs to be told what fits.
    fn fitting(&mut self, outer: gre::Outer, headers: usize, segment: usize) -> usize {
        let around = ENCAP_LEN + headers;
        if self.paths.takes(outer, around + segment) {
            return segment;
        }
        let room = self.paths.limit(outer).saturating_sub(around);
        if room >= SEGMENT_MIN {
            segment.min(room)
        } else {
            segment
        }
    }

    fn enqueue_whole(
        &mut self,
        tunnel: &Tunnel,
        inner: Inner,
        payload: Range<usize>,
    ) -> Result<(), DropReason> {
        let indivisible = oversize::is_indivisible(&self.arena[payload.clone()]);
        let id = next_id(&mut self.last_id);
        let outer = gre::encapsulate(
            tunnel.outer(),
            tunnel.ttl(),
            id,
            inner,
            indivisible,
            payload.len(),
        )
        .ok_or(DropReason::TooBig)?;
        let from = self.headers.len();
        self.headers.extend_from_slice(&outer);
        self.queue.push(Queued {
            header: from..self.headers.len(),
            payload,
        });
        Ok(())
    }

    fn flush(&mut self, tunnel: &Tunnel) -> io::Result<()> {
        let mut done = 0;
        let mut retried = None;
        while done < self.queue.len() {
            let outer = tunnel.outer();
            if !self.paths.takes(outer, self.queue[done].len()) {
                self.send_oversize(tunnel, done)?;
                done += 1;
                continue;
            }
            let limit = self.paths.limit(outer);
            let messages = self.queue[done..]
                .iter()
                .take_while(|queued| queued.len() <= limit)
                .map(|queued| Message {
                    from: outer.source,
                    to: outer.destination,
                    parts: [
                        &self.headers[queued.header.clone()],
                        &self.arena[queued.payload.clone()],
                    ],
                });
            match self.sender.send(self.socket, messages) {
                Ok(sent) => {
                    let bytes: usize = self.queue[done..done + sent].iter().map(Queued::inner_len).sum();
                    tunnel.traffic.tx.add(sent as u64, bytes as u64);
                    done += sent;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_fatal(&error) => return Err(error),
                // An ICMP error about an earlier packet is told to the next sender, whose packet is not sent.
                Err(error)
                    if DropReason::of_send_error(&error) == DropReason::Unreachable
                        && retried != Some(done) =>
                {
                    retried = Some(done);
                }
                // Now it is known what fits.
                Err(error) if is_too_big(&error) && self.paths.ask(outer) < self.queue[done].len() => {}
                Err(error) => {
                    tunnel.traffic.drops.add(DropReason::of_send_error(&error), 1);
                    done += 1;
                }
            }
        }
        self.queue.clear();
        self.headers.clear();
        self.used = 0;
        Ok(())
    }

    /// Sends a packet that does not fit in pieces, or tells its sender what fits.
    fn send_oversize(&mut self, tunnel: &Tunnel, index: usize) -> io::Result<()> {
        let outer = tunnel.outer();
        let limit = self.paths.limit(outer);
        let queued = &self.queue[index];
        let packet = [
            &self.headers[queued.header.clone()],
            &self.arena[queued.payload.clone()],
        ]
        .concat();
        let pieces = if oversize::is_indivisible(&packet) {
            Vec::new()
        } else {
            oversize::fragments(&packet, limit)
        };
        if pieces.is_empty() {
            tunnel.traffic.drops.add(DropReason::TooBig, 1);
            tell_what_fits(tunnel, &packet[ENCAP_LEN..], limit.saturating_sub(ENCAP_LEN));
            return Ok(());
        }
        let mut done = 0;
        while done < pieces.len() {
            let parts = pieces[done..].iter().map(|piece| [piece.as_slice(), &[]]);
            match self.sender.send(
                self.socket,
                parts.map(|parts| Message {
                    from: outer.source,
                    to: outer.destination,
                    parts,
                }),
            ) {
                Ok(sent) => done += sent,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_fatal(&error) => return Err(error),
                Err(error) => {
                    tunnel.traffic.drops.add(DropReason::of_send_error(&error), 1);
                    return Ok(());
                }
            }
        }
        tunnel.traffic.tx.add(1, (packet.len() - ENCAP_LEN) as u64);
        Ok(())
    }
}

/// Puts the answer into the link, from which the packet came. A link that does not take it is as good as one that lost it.
#[allow(clippy::unused_io_amount)]
fn tell_what_fits(tunnel: &Tunnel, inner: &[u8], mtu: usize) {
    if let Some(answer) = oversize::fragmentation_needed(inner, mtu) {
        let _ = (&tunnel.tun).write_vectored(&[IoSlice::new(&offload::PLAIN), IoSlice::new(&answer)]);
    }
}

impl Queued {
    fn len(&self) -> usize {
        self.header.len() + self.payload.len()
    }

    fn inner_len(&self) -> usize {
        self.len() - ENCAP_LEN
    }
}

/// The identification of an outer packet, which matters only if a router cuts it. Never zero: the kernel would then choose
/// one, which costs more than all else that we do for a packet.
fn next_id(last: &mut u16) -> u16 {
    *last = last.wrapping_add(1).max(1);
    *last
}

/// Whether the packet is the tunnel's own outer packet: the route to the peer leads into the tunnel.
fn is_own_carrier(packet: &[u8], tunnel: &Tunnel) -> bool {
    inet::Ipv4::parse(packet).is_some_and(|header| {
        header.protocol == gre::PROTOCOL
            && header.source == tunnel.outer().source
            && header.destination == tunnel.outer().destination
    })
}

fn is_too_big(error: &io::Error) -> bool {
    DropReason::of_send_error(error) == DropReason::TooBig
}

/// Whether the socket itself is unusable.
pub fn is_fatal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EBADF | libc::ENOTSOCK | libc::EFAULT | libc::EOPNOTSUPP)
    )
}

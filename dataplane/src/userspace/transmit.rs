//! From the TUN devices to the underlay.

use std::{
    collections::BTreeSet,
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
    gre::{self, ENCAP_LEN, Inner},
    inet,
    offload::{self, HEADER_LEN, HEADERS_MAX, Instructions, Splitter, TcpLayout},
    oversize,
    paths::Paths,
    sys::{BATCH, Message, Sender},
    tunnels::{Tunnel, Tunnels},
};

/// The largest thing that one read of a TUN device gives.
const READ_MAX: usize = HEADER_LEN + 65_536;

/// Small packets of several reads share one `sendmmsg`.
const ARENA: usize = 4 * READ_MAX;

/// How many batches of one tunnel are handled before it is another tunnel's turn.
const TURNS: usize = 16;

/// Segments are not cut smaller than this: a way that takes no more than that is told to the sender.
const SEGMENT_MIN: usize = 256;

/// Carries packets until an error that no other packet would escape.
pub fn run(tunnels: &Tunnels, socket: &Socket) -> io::Result<Infallible> {
    let mut transmitter = Transmitter {
        socket,
        sender: Sender::new(),
        arena: vec![0; ARENA],
        used: 0,
        headers: Vec::new(),
        queue: Vec::with_capacity(BATCH),
        paths: Paths::default(),
        last_id: 0,
    };
    let mut ready = Vec::new();
    let mut paused = Paused::default();
    loop {
        tunnels.readable.wait(&mut ready, paused.wait(tunnels))?;
        for number in &ready {
            let Some(tunnel) = tunnels.get(*number) else {
                continue;
            };
            match tunnel.carry(|| transmitter.drain(&tunnel))? {
                Link::Deleted => {
                    tracing::info!(link = %tunnel.name, "link was deleted");
                    tunnels.drop_tunnel(&tunnel);
                }
                Link::Held(wait) => paused.pause(tunnels, &tunnel, wait),
                Link::Idle | Link::Busy => {}
            }
        }
    }
}

struct Transmitter<'a> {
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
}

struct Queued {
    header: Range<usize>,
    payload: Range<usize>,
}

/// Tunnels that have sent what they may for now: their packets stay with the kernel, and no other tunnel waits.
#[derive(Default)]
struct Paused(BTreeSet<(Instant, u64)>);

impl Paused {
    fn pause(&mut self, tunnels: &Tunnels, tunnel: &Tunnel, wait: Duration) {
        tunnels.pause(tunnel);
        self.0.insert((Instant::now() + wait, tunnel.number));
    }

    /// Resumes those whose time has come, and says how long it is until the next one's.
    fn wait(&mut self, tunnels: &Tunnels) -> Option<Duration> {
        loop {
            let (at, number) = *self.0.first()?;
            let wait = at.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                return Some(wait);
            }
            self.0.pop_first();
            if let Some(tunnel) = tunnels.get(number) {
                tunnels.resume(&tunnel);
            }
        }
    }
}

#[derive(PartialEq, Eq)]
enum Link {
    Idle,
    Busy,
    /// It may send nothing more for this long.
    Held(Duration),
    Deleted,
}

impl Transmitter<'_> {
    fn drain(&mut self, tunnel: &Arc<Tunnel>) -> io::Result<Link> {
        for _ in 0..TURNS {
            let link = self.fill(tunnel);
            self.flush(tunnel)?;
            match link {
                Link::Busy => {}
                Link::Idle | Link::Held(_) | Link::Deleted => return Ok(link),
            }
        }
        Ok(Link::Busy)
    }

    fn fill(&mut self, tunnel: &Tunnel) -> Link {
        while self.queue.len() < BATCH / 2 && self.arena.len() - self.used >= READ_MAX {
            let verdict = if tunnel.up.is_limited() {
                tunnel.up.look(Instant::now())
            } else {
                Leave::Go
            };
            if let Leave::Wait(wait) = verdict {
                return Link::Held(wait);
            }
            match (&tunnel.tun).read(&mut self.arena[self.used..]) {
                Ok(length) if verdict == Leave::Drop => {
                    tunnel.traffic.drops.add(DropReason::Throttled, 1);
                    let octets = length.saturating_sub(HEADER_LEN);
                    tunnel.traffic.forbidden.add(1, octets as u64);
                }
                Ok(length) => {
                    let octets = length.saturating_sub(HEADER_LEN);
                    tunnel.traffic.admitted.add(1, octets as u64);
                    self.take(tunnel, length);
                }
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

    /// Queues what was just read.
    fn take(&mut self, tunnel: &Tunnel, length: usize) {
        let queued = self.queue.len();
        let range = self.used + HEADER_LEN..self.used + length;
        match self.enqueue(tunnel, range) {
            Ok(()) if tunnel.up.is_limited() => {
                let octets: usize = self.queue[queued..].iter().map(Queued::inner_len).sum();
                tunnel.up.take(octets as u64, Instant::now());
            }
            Ok(()) => {}
            Err(reason) => {
                self.queue.truncate(queued);
                tunnel.traffic.drops.add(reason, 1);
            }
        }
        self.used = (self.used + length).next_multiple_of(64).min(self.arena.len());
    }

    fn enqueue(&mut self, tunnel: &Tunnel, range: Range<usize>) -> Result<(), DropReason> {
        let before = self.arena[..range.start.min(range.end)]
            .last_chunk()
            .ok_or(DropReason::Unreadable)?;
        let instructions = Instructions::parse(*before).map_err(|_| DropReason::Unreadable)?;
        let packet = self.arena.get_mut(range.clone()).ok_or(DropReason::Unreadable)?;
        let inner = Inner::of(packet).ok_or(DropReason::Unreadable)?;
        if is_own_carrier(packet, tunnel) {
            return Err(DropReason::Recursion);
        }
        let segment = match instructions {
            Instructions::Plain => return self.enqueue_whole(tunnel, inner, range),
            Instructions::Checksum { start, offset } if inet::complete_checksum(packet, start, offset) => {
                return self.enqueue_whole(tunnel, inner, range);
            }
            Instructions::Checksum { .. } => return Err(DropReason::Unreadable),
            Instructions::Tcp4 { segment } => segment,
        };
        let layout = TcpLayout::of(packet).ok_or(DropReason::Unreadable)?;
        let indivisible = oversize::is_indivisible(packet);
        let segment = self.fitting(tunnel.outer(), layout.headers, segment);
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

//! ICMP echo, sent from inside a namespace: one probe, or a stream that counts what is lost.

use std::{
    collections::BTreeSet,
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, SockaddrIn, bind, socket};

use crate::{netns::Namespace, wait::scaled};

/// ICMP types (RFC 792).
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;

/// A reply that comes later than this does not come.
const LATEST_REPLY: Duration = Duration::from_secs(5);

/// Each sender has an identifier of its own, so that none takes another's replies.
static NEXT_IDENTIFIER: AtomicU16 = AtomicU16::new(1);

/// What a stream of echo requests saw.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Requests that left the host or should have.
    pub sent: u16,
    /// Sequence numbers without a reply.
    pub lost: BTreeSet<u16>,
}

/// A socket that sends echo requests from one address to another.
struct Echo {
    socket: UdpSocket,
    destination: SocketAddrV4,
    identifier: u16,
}

/// Sends requests until one is answered; the time of the whole.
///
/// # Errors
/// When none is answered within the deadline.
pub fn first_reply(
    namespace: &Namespace,
    from: Ipv4Addr,
    to: Ipv4Addr,
    deadline: Duration,
) -> Result<Duration> {
    let echo = Echo::open(namespace, from, to)?;
    let (begun, deadline) = (Instant::now(), scaled(deadline));
    let mut trouble = "no reply".to_owned();
    for sequence in 0..u16::MAX {
        if let Err(error) = echo.send(sequence) {
            trouble = error.to_string();
            thread::sleep(Duration::from_millis(10));
        } else if echo.receive(Duration::from_millis(50))?.is_some() {
            return Ok(begun.elapsed());
        }
        if begun.elapsed() > deadline {
            break;
        }
    }
    Err(anyhow!(
        "no ping from {from} to {to} within {deadline:?}: {trouble}"
    ))
}

/// Whether no request is answered for this long.
///
/// # Errors
/// When one is answered.
pub fn no_reply(namespace: &Namespace, from: Ipv4Addr, to: Ipv4Addr, time: Duration) -> Result<()> {
    match first_reply(namespace, from, to, time) {
        Err(_) => Ok(()),
        Ok(after) => Err(anyhow!("ping from {from} to {to} was answered after {after:?}")),
    }
}

/// A stream of echo requests that runs until it is stopped.
#[derive(Debug)]
pub struct Stream {
    stop: Arc<AtomicBool>,
    worker: JoinHandle<Result<Report>>,
}

impl Stream {
    /// Sends a request every `period`.
    ///
    /// # Errors
    /// When there is no socket to be had in the namespace.
    pub fn start(namespace: &Namespace, from: Ipv4Addr, to: Ipv4Addr, period: Duration) -> Result<Self> {
        let echo = Echo::open(namespace, from, to)?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let worker = thread::Builder::new()
            .name("ping".into())
            .spawn(move || echo.stream(period, &told))?;
        Ok(Self { stop, worker })
    }

    /// Ends the stream; replies under way are awaited, on a busy host for some seconds.
    ///
    /// # Errors
    /// When the sender failed.
    pub fn finish(self) -> Result<Report> {
        self.stop.store(true, Ordering::Relaxed);
        self.worker
            .join()
            .map_err(|_| anyhow!("the sender of pings panicked"))?
    }
}

impl Echo {
    fn open(namespace: &Namespace, from: Ipv4Addr, to: Ipv4Addr) -> Result<Self> {
        let descriptor: OwnedFd = namespace.enter(|| {
            let icmp = socket(
                AddressFamily::Inet,
                SockType::Raw,
                SockFlag::SOCK_CLOEXEC,
                SockProtocol::Icmp,
            )
            .context("no raw socket")?;
            let [a, b, c, d] = from.octets();
            bind(
                std::os::fd::AsRawFd::as_raw_fd(&icmp),
                &SockaddrIn::new(a, b, c, d, 0),
            )
            .with_context(|| format!("cannot send from {from}"))?;
            Ok(icmp)
        })?;
        let identifier =
            NEXT_IDENTIFIER.fetch_add(1, Ordering::Relaxed) ^ u16::try_from(std::process::id() & 0x7fff)?;
        Ok(Self {
            socket: descriptor.into(),
            destination: SocketAddrV4::new(to, 0),
            identifier,
        })
    }

    fn send(&self, sequence: u16) -> std::io::Result<()> {
        let mut packet = [0_u8; 16];
        packet[0] = ECHO_REQUEST;
        packet[4..6].copy_from_slice(&self.identifier.to_be_bytes());
        packet[6..8].copy_from_slice(&sequence.to_be_bytes());
        let sum = checksum(&packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
        self.socket.send_to(&packet, self.destination).map(drop)
    }

    /// The sequence number of the next reply.
    fn receive(&self, timeout: Duration) -> Result<Option<u16>> {
        let deadline = Instant::now() + timeout;
        let mut buffer = [0_u8; 1500];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.socket.set_read_timeout(Some(left))?;
            match self.socket.recv(&mut buffer) {
                Ok(length) => {
                    if let Some(sequence) = self.reply(buffer.get(..length).unwrap_or_default()) {
                        return Ok(Some(sequence));
                    }
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                // An ICMP error about an earlier request; the next one may get through.
                Err(_) => {}
            }
        }
    }

    /// The sequence number, when the packet (with its IPv4 header) is a reply to this sender.
    fn reply(&self, packet: &[u8]) -> Option<u16> {
        let header = usize::from(packet.first()? & 15) * 4;
        let icmp = packet.get(header..header + 8)?;
        let [kind, _, _, _, id_high, id_low, sequence_high, sequence_low] = *icmp else {
            return None;
        };
        let ours = kind == ECHO_REPLY && u16::from_be_bytes([id_high, id_low]) == self.identifier;
        ours.then(|| u16::from_be_bytes([sequence_high, sequence_low]))
    }

    /// Sends by the clock and receives beside it: the timeout of a receive is coarser than a short period.
    fn stream(&self, period: Duration, stop: &AtomicBool) -> Result<Report> {
        let (done, answered) = (AtomicBool::new(false), Mutex::new(BTreeSet::new()));
        let collect = || -> Result<()> {
            while !done.load(Ordering::Relaxed) {
                if let Some(sequence) = self.receive(Duration::from_millis(20))? {
                    answered
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(sequence);
                }
            }
            Ok(())
        };
        let count = || answered.lock().unwrap_or_else(PoisonError::into_inner).len();
        let (sent, collected) = thread::scope(|scope| {
            let collector = scope.spawn(collect);
            let (mut sequence, mut next) = (0, Instant::now());
            while !stop.load(Ordering::Relaxed) && sequence < u16::MAX {
                // A request that cannot leave counts as lost.
                let _ = self.send(sequence);
                sequence += 1;
                // One that comes late makes up for it, but not for more than a little.
                next = (next + period).max(Instant::now() - period * 5);
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            let last = Instant::now() + LATEST_REPLY;
            while count() < usize::from(sequence) && Instant::now() < last {
                thread::sleep(Duration::from_millis(5));
            }
            done.store(true, Ordering::Relaxed);
            (sequence, collector.join())
        });
        collected.map_err(|_| anyhow!("the receiver of replies panicked"))??;
        let answered = answered.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Report {
            sent,
            lost: (0..sent)
                .filter(|sequence| !answered.contains(sequence))
                .collect(),
        })
    }
}

/// The internet checksum (RFC 1071) of an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let sum = bytes.chunks_exact(2).fold(0_u32, |sum, pair| {
        sum + u32::from(pair[0]) * 256 + u32::from(pair[1])
    });
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_with_its_checksum_sums_to_zero() {
        let mut message = [8, 0, 0, 0, 0x12, 0x34, 0xff, 0xfe];
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(checksum(&message), 0);
    }
}

//! The ICMP socket. It is a raw one where the process may have that (CAP_NET_RAW), and else a "ping socket", which the
//! system allows to the groups in net.ipv4.ping_group_range: there the kernel chooses the identifier and hands us our own
//! replies only.

use std::{
    io::{self, IoSliceMut},
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::AsRawFd,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nix::{
    libc,
    sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt},
};
use socket2::{Domain, Protocol, SockAddr, Type};
use tokio::io::{Interest, unix::AsyncFd};

use crate::{
    probes::{latency_paths::Underlay, send::send_over},
    sys::{receive_echo_replies_only, watched},
};

/// An IP header at its longest, and more than a message of ours. What is longer is cut, and not ours.
const LONGEST: usize = 60 + 96;
/// Room for the replies of a whole pass.
const BUFFER: usize = 1 << 20;
/// A message that seems to have waited for longer met a clock that was set.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

pub(crate) struct Socket {
    socket: AsyncFd<socket2::Socket>,
    is_raw: bool,
    identifier: u16,
}

/// One message from the socket, with the time that it waited.
pub(crate) struct Message {
    pub(crate) source: Ipv4Addr,
    /// How long ago.
    pub(crate) waited: Duration,
    /// The ICMP message without its IP header.
    pub(crate) bytes: Vec<u8>,
}

impl Socket {
    /// Opens the best that is allowed. The identifier is ours to choose on a raw socket only.
    ///
    /// # Errors
    /// Why there is no raw socket, when there is no other either.
    pub(crate) fn open(identifier: u16) -> io::Result<Self> {
        match Self::raw(identifier) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Self::ping().map_err(|_| error),
            outcome @ (Ok(_) | Err(_)) => outcome,
        }
    }

    fn raw(identifier: u16) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
        receive_echo_replies_only(&socket)?;
        Self::prepare(socket, true, identifier)
    }

    fn ping() -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::ICMPV4))?;
        socket.bind(&SockAddr::from(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)))?;
        let identifier = socket
            .local_addr()?
            .as_socket_ipv4()
            .map_or(0, |address| address.port());
        Self::prepare(socket, false, identifier)
    }

    fn prepare(socket: socket2::Socket, is_raw: bool, identifier: u16) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_recv_buffer_size(BUFFER)?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        Ok(Self {
            socket: watched(socket)?,
            is_raw,
            identifier,
        })
    }

    /// What is shown of it.
    pub(crate) fn kind(&self) -> &'static str {
        if self.is_raw { "raw" } else { "ping" }
    }

    /// The identifier of what it sends and takes.
    pub(crate) fn identifier(&self) -> u16 {
        self.identifier
    }

    /// Waits until there is something to read, and clears nothing: reading does.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await.map(|mut guard| guard.retain_ready())
    }

    /// The next message; `None` when there is none.
    pub(crate) fn receive(&self) -> io::Result<Option<Message>> {
        loop {
            let received = self
                .socket
                .try_io(Interest::READABLE, |socket| self.receive_one(socket));
            match received {
                Ok(Some(message)) => return Ok(Some(message)),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                // About what we sent: it will not be answered.
                Err(error) if is_of_the_way(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn receive_one(&self, socket: &socket2::Socket) -> io::Result<Option<Message>> {
        let mut bytes = [0; LONGEST];
        let mut slices = [IoSliceMut::new(&mut bytes)];
        let mut control = nix::cmsg_space!(libc::timespec);
        let message = recvmsg::<SockaddrIn>(
            socket.as_raw_fd(),
            &mut slices,
            Some(&mut control),
            MsgFlags::empty(),
        )?;
        let (length, from) = (message.bytes, message.address);
        let stamp = message.cmsgs()?.find_map(|control| {
            if let ControlMessageOwned::ScmTimestampns(stamp) = control {
                Some(Duration::from(stamp))
            } else {
                None
            }
        });
        let header = if self.is_raw {
            usize::from(bytes[0] & 0x0f) * 4
        } else {
            0
        };
        let (Some(from), Some(icmp)) = (from, bytes.get(header..length)) else {
            return Ok(None);
        };
        Ok(Some(Message {
            source: from.ip(),
            waited: stamp.map_or(Duration::ZERO, since),
            bytes: icmp.to_vec(),
        }))
    }

    /// Sends, over the interface and from the address that are given, or as the host's routes lead.
    pub(crate) fn send(
        &self,
        destination: Ipv4Addr,
        around: Option<Underlay>,
        bytes: &[u8],
    ) -> io::Result<()> {
        let over = around.map(|underlay| (underlay.interface, underlay.source));
        send_over(
            self.socket.get_ref(),
            over,
            SocketAddrV4::new(destination, 0),
            bytes,
        )
    }
}

/// The kernel's stamp is of the wall clock.
fn since(stamp: Duration) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(now.saturating_sub(stamp))
        .filter(|waited| *waited <= LONGEST_WAIT)
        .unwrap_or_default()
}

fn is_of_the_way(error: &io::Error) -> bool {
    let of_the_way = [
        libc::ECONNREFUSED,
        libc::EHOSTUNREACH,
        libc::ENETUNREACH,
        libc::EHOSTDOWN,
        libc::ENOPROTOOPT,
        libc::EMSGSIZE,
    ];
    error
        .raw_os_error()
        .is_some_and(|code| of_the_way.contains(&code))
}

#[cfg(test)]
mod tests {
    use warren_protocols::latency::Echo;

    use super::*;

    /// Sends an echo to loopback; the reply that comes.
    async fn ping(socket: &Socket) -> (Echo, Message) {
        let echo = Echo {
            identifier: socket.identifier(),
            sequence: 7,
            nonce: *b"a test's payload",
        };
        socket
            .send(Ipv4Addr::new(127, 0, 77, 1), None, &echo.request())
            .unwrap();
        for _ in 0..1_000 {
            tokio::time::timeout(Duration::from_secs(10), socket.readable())
                .await
                .unwrap()
                .unwrap();
            while let Some(message) = socket.receive().unwrap() {
                if Echo::from_reply(&message.bytes) == Ok(echo) {
                    return (echo, message);
                }
            }
        }
        panic!("no reply");
    }

    #[tokio::test]
    async fn either_kind_of_socket_gets_the_reply_with_its_source_and_the_time_of_its_arrival() {
        for (socket, kind) in [(Socket::raw(0x4711), "raw"), (Socket::ping(), "ping")] {
            // Neither is allowed everywhere.
            let Ok(socket) = socket else { continue };
            assert_eq!(socket.kind(), kind);
            let (_, message) = ping(&socket).await;
            assert_eq!(message.source, Ipv4Addr::new(127, 0, 77, 1));
            assert!(
                message.waited > Duration::ZERO && message.waited < LONGEST_WAIT,
                "{:?}",
                message.waited
            );
        }
    }

    #[tokio::test]
    async fn a_raw_socket_does_not_see_the_requests_that_it_sends() {
        let Ok(socket) = Socket::raw(0x4712) else { return };
        ping(&socket).await;
        while let Some(message) = socket.receive().unwrap() {
            assert_eq!(message.bytes[0], 0, "another program's reply at most");
        }
    }
}

//! The UDP socket of route liveness. Every datagram tells the link and the address that it came in on, and leaves over the
//! link and from the address that it is to.

use std::{
    collections::BTreeMap,
    io::{self, IoSliceMut},
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::{AsRawFd, RawFd},
    sync::Mutex,
};

use nix::{
    libc,
    net::if_::{if_indextoname, if_nametoindex},
    sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt},
};
use tokio::{io::Interest, net::UdpSocket};
use warren_state::LinkName;

use crate::{lock::lock, probes::send::send_over};

/// Longer datagrams are cut: a packet has 40 bytes.
const LONGEST: usize = 64;
/// Names of links that are remembered.
const NAMES: usize = 4_096;
/// Enough for a burst of some thousand packets.
const BUFFER: usize = 4 << 20;

pub(crate) struct Socket {
    socket: UdpSocket,
    port: u16,
    /// By number; `None` for a link whose name is not valid. A link that is made anew has another number.
    names: Mutex<BTreeMap<u32, Option<LinkName>>>,
    numbers: Mutex<BTreeMap<LinkName, u32>>,
}

/// One datagram, with the link and address that it came in on.
pub(crate) struct Datagram {
    pub(crate) link: LinkName,
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    pub(crate) bytes: Vec<u8>,
}

impl Socket {
    pub(crate) fn open(port: u16) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port))?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        setsockopt(&socket, sockopt::RcvBuf, &BUFFER)?;
        Ok(Self {
            socket: UdpSocket::from_std(socket)?,
            port,
            names: Mutex::default(),
            numbers: Mutex::default(),
        })
    }

    /// Waits until there is something to read, and clears nothing: reading does.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// The next datagram; `None` when there is none. What comes in on a nameless link, or was cut, is passed over.
    pub(crate) fn receive(&self) -> io::Result<Option<Datagram>> {
        loop {
            let received = self
                .socket
                .try_io(Interest::READABLE, || self.receive_one(self.socket.as_raw_fd()));
            match received {
                Ok(Some(datagram)) => return Ok(Some(datagram)),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                // An ICMP error about what we sent: nobody listens there.
                Err(error)
                    if matches!(
                        error.raw_os_error(),
                        Some(libc::ECONNREFUSED | libc::EHOSTUNREACH | libc::ENETUNREACH)
                    ) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn receive_one(&self, fd: RawFd) -> io::Result<Option<Datagram>> {
        let mut bytes = [0; LONGEST];
        let mut slices = [IoSliceMut::new(&mut bytes)];
        let mut control = nix::cmsg_space!(libc::in_pktinfo);
        let message = recvmsg::<SockaddrIn>(fd, &mut slices, Some(&mut control), MsgFlags::empty())?;
        let (length, from) = (message.bytes, message.address);
        let info = message.cmsgs()?.find_map(|control| {
            if let ControlMessageOwned::Ipv4PacketInfo(info) = control {
                Some(info)
            } else {
                None
            }
        });
        let (Some(from), Some(info)) = (from, info) else {
            return Ok(None);
        };
        let number = u32::try_from(info.ipi_ifindex).unwrap_or(0);
        let Some(link) = self.name(number) else {
            return Ok(None);
        };
        let destination = Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr));
        Ok(Some(Datagram {
            link,
            source: from.ip(),
            destination,
            bytes: bytes[..length].to_vec(),
        }))
    }

    /// Sends; when the link was made anew since the last time, over the new one.
    pub(crate) fn send(
        &self,
        link: &LinkName,
        source: Ipv4Addr,
        destination: Ipv4Addr,
        bytes: &[u8],
    ) -> io::Result<()> {
        let outcome = self.send_over(self.number(link)?, source, destination, bytes);
        match outcome.as_ref().err().and_then(io::Error::raw_os_error) {
            Some(libc::ENODEV | libc::ENXIO | libc::EINVAL) => {
                lock(&self.numbers).remove(link);
                self.send_over(self.number(link)?, source, destination, bytes)
            }
            Some(_) | None => outcome,
        }
    }

    fn send_over(
        &self,
        number: u32,
        source: Ipv4Addr,
        destination: Ipv4Addr,
        bytes: &[u8],
    ) -> io::Result<()> {
        let destination = SocketAddrV4::new(destination, self.port);
        send_over(&self.socket, Some((number, source)), destination, bytes)
    }

    fn name(&self, number: u32) -> Option<LinkName> {
        let mut names = lock(&self.names);
        if names.len() >= NAMES {
            names.clear();
        }
        let look_up = || {
            if_indextoname(number)
                .ok()
                .and_then(|name| LinkName::new(name.to_str().ok()?.to_owned()).ok())
        };
        names.entry(number).or_insert_with(look_up).clone()
    }

    fn number(&self, link: &LinkName) -> io::Result<u32> {
        let mut numbers = lock(&self.numbers);
        if let Some(number) = numbers.get(link) {
            return Ok(*number);
        }
        let number = if_nametoindex(link.as_str())?;
        numbers.insert(link.clone(), number);
        Ok(number)
    }
}

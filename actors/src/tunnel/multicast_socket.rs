//! Sockets of one multicast tunnel. They are bound to the tunnel's link, so that what they send leaves over it whatever the
//! routing tables say; when the link was made anew they are opened anew.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use warren_protocols::multicast::{Datagram, DatagramKind, codec::HEARTBEAT_PORT};
use warren_state::LinkName;

/// The IP protocol number of PIM.
const PIM: i32 = 103;

pub(crate) struct Sockets {
    link: LinkName,
    /// PIM and Register messages; with the source that it is bound to.
    raw: Option<(Ipv4Addr, Socket)>,
    heartbeat: Option<(Ipv4Addr, Socket)>,
}

impl Sockets {
    pub(crate) fn new(link: LinkName) -> Self {
        Self {
            link,
            raw: None,
            heartbeat: None,
        }
    }

    /// The services run over this link from now on.
    pub(crate) fn follow(&mut self, link: LinkName) {
        if self.link != link {
            *self = Self::new(link);
        }
    }

    /// Sends one datagram. A socket that fails is opened anew, once: the link may have been made anew, or the address put
    /// again, since.
    ///
    /// # Errors
    /// When the second attempt fails too: there is no link or no address, or the process may not open raw sockets.
    pub(crate) fn send(&mut self, datagram: &Datagram) -> io::Result<()> {
        let had_one = self.slot(datagram.kind).is_some();
        match self.try_send(datagram) {
            Err(_) if had_one => {
                *self.slot(datagram.kind) = None;
                self.try_send(datagram)
            }
            outcome @ (Ok(()) | Err(_)) => outcome,
        }
    }

    fn slot(&mut self, kind: DatagramKind) -> &mut Option<(Ipv4Addr, Socket)> {
        match kind {
            DatagramKind::Pim | DatagramKind::Register => &mut self.raw,
            DatagramKind::Heartbeat => &mut self.heartbeat,
        }
    }

    fn try_send(&mut self, datagram: &Datagram) -> io::Result<()> {
        let link = self.link.clone();
        let slot = self.slot(datagram.kind);
        if slot.as_ref().is_none_or(|(source, _)| *source != datagram.source) {
            *slot = Some((datagram.source, open(&link, datagram)?));
        }
        let Some((_, socket)) = slot else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let (ttl, port) = (u32::from(datagram.ttl), port(datagram.kind));
        if datagram.destination.is_multicast() {
            socket.set_multicast_ttl_v4(ttl)?;
        } else {
            socket.set_ttl_v4(ttl)?;
        }
        let sent = socket.send_to(
            &datagram.payload,
            &SockAddr::from(SocketAddrV4::new(datagram.destination, port)),
        )?;
        if sent == datagram.payload.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }
}

fn open(link: &LinkName, datagram: &Datagram) -> io::Result<Socket> {
    let (kind, protocol) = match datagram.kind {
        DatagramKind::Pim | DatagramKind::Register => (Type::RAW, Protocol::from(PIM)),
        DatagramKind::Heartbeat => (Type::DGRAM, Protocol::UDP),
    };
    let socket = Socket::new(Domain::IPV4, kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    socket.bind_device(Some(link.as_str().as_bytes()))?;
    socket.bind(&SockAddr::from(SocketAddrV4::new(datagram.source, 0)))?;
    socket.set_multicast_loop_v4(false)?;
    // Nothing is received: the least that the kernel allows.
    socket.set_recv_buffer_size(1)?;
    Ok(socket)
}

fn port(kind: DatagramKind) -> u16 {
    match kind {
        DatagramKind::Pim | DatagramKind::Register => 0,
        DatagramKind::Heartbeat => HEARTBEAT_PORT,
    }
}

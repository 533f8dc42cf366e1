//! Sending over a chosen interface and from a chosen address.

use std::{
    io::{self, IoSlice},
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::AsRawFd,
};

use nix::{
    libc,
    sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg},
};

/// Sends without waiting, over the interface of this number and from this address, or as the host's routes lead.
pub(super) fn send_over(
    socket: &impl AsRawFd,
    over: Option<(u32, Ipv4Addr)>,
    destination: SocketAddrV4,
    bytes: &[u8],
) -> io::Result<()> {
    let info = over.map(|(interface, source)| libc::in_pktinfo {
        ipi_ifindex: i32::try_from(interface).unwrap_or(0),
        ipi_spec_dst: libc::in_addr {
            s_addr: u32::from(source).to_be(),
        },
        ipi_addr: libc::in_addr { s_addr: 0 },
    });
    let control: Vec<ControlMessage<'_>> = info.iter().map(ControlMessage::Ipv4PacketInfo).collect();
    sendmsg(
        socket.as_raw_fd(),
        &[IoSlice::new(bytes)],
        &control,
        MsgFlags::MSG_DONTWAIT,
        Some(&SockaddrIn::from(destination)),
    )?;
    Ok(())
}

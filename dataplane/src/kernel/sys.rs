//! The system calls for which no safe wrapper is at hand. Everything exported is safe to call.
#![allow(unsafe_code)]

use std::{
    io, mem,
    os::fd::{AsRawFd, RawFd},
};

use socket2::Socket;

/// Has a packet socket see packets of this protocol (linux/if_ether.h) at this link.
pub fn bind_to_link(socket: &Socket, protocol: libc::c_int, link: u32) -> io::Result<()> {
    // SAFETY: all zeroes is a valid sockaddr_ll.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = libc::AF_PACKET as libc::c_ushort;
    address.sll_protocol = (protocol as u16).to_be();
    address.sll_ifindex = libc::c_int::try_from(link).map_err(|_| io::ErrorKind::InvalidInput)?;
    let length = mem::size_of_val(&address) as libc::socklen_t;
    // SAFETY: `address` is a valid sockaddr_ll of that length that outlives the call, and the descriptor is open.
    check(unsafe { libc::bind(fd(socket), (&raw const address).cast(), length) })
}

/// How many packets a packet socket's filter has let through since this was asked last, those for which there was no room included.
pub fn packets_since(socket: &Socket) -> io::Result<u32> {
    // SAFETY: all zeroes is a valid tpacket_stats.
    let mut counted: libc::tpacket_stats = unsafe { mem::zeroed() };
    let mut length = mem::size_of_val(&counted) as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` octets to `counted`, which outlives the call, and the descriptor is open.
    check(unsafe {
        libc::getsockopt(
            fd(socket),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut counted).cast(),
            &raw mut length,
        )
    })?;
    Ok(counted.tp_packets)
}

fn fd(socket: &Socket) -> RawFd {
    socket.as_raw_fd()
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

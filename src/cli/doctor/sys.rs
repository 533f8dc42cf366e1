//! The one place of the command line with unsafe code: a socket option that no crate here offers.
#![allow(unsafe_code)]

use std::{io, os::fd::AsRawFd};

/// Forbids that packets of this socket are fragmented, here and on the way; one that is too large for the path as this host
/// knows it is refused with `EMSGSIZE`.
///
/// # Errors
/// When the kernel refuses.
pub fn forbid_fragments(socket: &socket2::Socket) -> io::Result<()> {
    let value: libc::c_int = libc::IP_PMTUDISC_DO;
    let length = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or_default();
    // SAFETY: the descriptor is open for as long as `socket` is borrowed; the kernel reads `length` bytes of `value`, which
    // is that long and outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            std::ptr::from_ref(&value).cast(),
            length,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

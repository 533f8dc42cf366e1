//! The one place with unsafe code: socket options that no crate here offers, a socket that the runtime
//! watches, and what a program that we run is not to have.
#![allow(unsafe_code)]

use std::{io, mem, net::Ipv4Addr, os::fd::AsRawFd};

use socket2::Socket;
use tokio::{io::unix::AsyncFd, net::TcpSocket};

/// linux/tcp.h `TCP_MD5SIG`.
const TCP_MD5SIG: libc::c_int = 14;
/// linux/tcp.h `TCP_MD5SIG_MAXKEYLEN`.
const MAX_KEY: usize = 80;

/// linux/icmp.h `ICMP_FILTER`, an option of raw sockets.
const ICMP_FILTER: libc::c_int = 1;
/// linux/icmp.h `ICMP_ECHOREPLY`.
const ICMP_ECHOREPLY: u32 = 0;

/// linux/tcp.h `struct tcp_md5sig`.
#[repr(C)]
struct TcpMd5Sig {
    address: libc::sockaddr_storage,
    flags: u8,
    prefix_len: u8,
    key_len: u16,
    interface: libc::c_int,
    key: [u8; MAX_KEY],
}

/// Signs this socket's segments to and from the peer with the key (RFC 2385).
///
/// # Errors
/// When the key is empty or longer than 80 bytes, or the kernel refuses.
pub(crate) fn set_tcp_md5(socket: &TcpSocket, peer: Ipv4Addr, key: &[u8]) -> io::Result<()> {
    if key.is_empty() || key.len() > MAX_KEY {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a TCP-MD5 key has 1 to 80 bytes",
        ));
    }
    // SAFETY: all-zero bytes are a valid value of both structures: they hold integers and byte arrays only.
    let mut option: TcpMd5Sig = unsafe { mem::zeroed() };
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr {
            s_addr: u32::from(peer).to_be(),
        },
        sin_zero: [0; 8],
    };
    // SAFETY: sockaddr_storage is at least as large as sockaddr_in and as strictly aligned; both are plain data.
    unsafe {
        (&raw mut option.address)
            .cast::<libc::sockaddr_in>()
            .write(address)
    };
    option.key_len = key.len() as u16;
    option.key[..key.len()].copy_from_slice(key);
    // SAFETY: the descriptor is open for the call's duration, and the pointer and length describe `option`.
    let outcome = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            TCP_MD5SIG,
            (&raw const option).cast(),
            mem::size_of::<TcpMd5Sig>() as libc::socklen_t,
        )
    };
    if outcome == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Lets the runtime watch a socket.
///
/// # Errors
/// When the system refuses.
pub(crate) fn watched(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: a socket owns an open descriptor and always gives the same one; the result owns the socket and lends it only.
    Ok(unsafe { AsyncFd::register(socket)? })
}

/// Keeps every ICMP message but echo replies away from a raw ICMP socket.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn receive_echo_replies_only(socket: &impl AsRawFd) -> io::Result<()> {
    // linux/icmp.h `struct icmp_filter`: a bit for each of the first 32 types, set for those that are kept away.
    let kept_away: u32 = !(1 << ICMP_ECHOREPLY);
    // SAFETY: the descriptor is open for the call's duration, and the pointer and length describe `kept_away`.
    let outcome = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_RAW,
            ICMP_FILTER,
            (&raw const kept_away).cast(),
            mem::size_of::<u32>() as libc::socklen_t,
        )
    };
    if outcome == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// What is run by this has none of our capabilities, however we came by them, and none of our files but the three that it is given.
pub(crate) fn without_privileges_and_files(command: &mut tokio::process::Command) {
    let prepare = || {
        // SAFETY: a system call with plain numbers; of all descriptors from the fourth on it marks those that are open.
        // Before Linux 5.11 it is refused, and what we open is marked anyway when it is opened.
        let _refused =
            unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
        // SAFETY: a system call with plain numbers.
        let cleared = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) };
        match cleared {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: between fork and exec only system calls are made, nothing is allocated and no lock is taken.
    unsafe { command.pre_exec(prepare) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_has_the_size_that_the_kernel_expects() {
        assert_eq!(mem::size_of::<TcpMd5Sig>(), 128 + 1 + 1 + 2 + 4 + 80);
    }

    #[test]
    fn keys_that_the_kernel_would_refuse_are_refused_before() {
        let socket = TcpSocket::new_v4();
        let Ok(socket) = socket else { return };
        for key in [&[][..], &[0; 81][..]] {
            assert_eq!(
                set_tcp_md5(&socket, Ipv4Addr::LOCALHOST, key).unwrap_err().kind(),
                io::ErrorKind::InvalidInput
            );
        }
    }
}

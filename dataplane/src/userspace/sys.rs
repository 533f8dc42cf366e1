//! The system calls for which no safe wrapper is at hand. Everything exported is safe to call.
#![allow(unsafe_code)]

use std::{
    fs::{File, OpenOptions},
    io, mem,
    net::{Ipv4Addr, UdpSocket},
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    ptr,
    time::Duration,
};

/// Messages per `sendmmsg` and `recvmmsg`.
pub const BATCH: usize = 128;

/// Bytes set aside for one received packet: the largest IPv4 packet, and an odd number of cache lines more, so that the
/// starts of the buffers do not all fall on the same cache sets.
const STRIDE: usize = 65_536 + 27 * 64;

/// Makes a TUN device under a name that is free; closing it deletes the link. Reads do not wait. Reads and writes are framed
/// by a virtio-net header (include/uapi/linux/virtio_net.h), with TCP segmentation and checksums left to the reader where
/// the kernel can do that.
///
/// # Errors
/// `EBUSY` or `EINVAL` when the name is taken; otherwise whatever opening /dev/net/tun gives.
pub fn open_tun(name: &str) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
    let mut request = interface_request(name)?;
    let flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR | libc::IFF_TUN_EXCL;
    // The flags use bit 15, so the cast keeps the bits rather than the value.
    request.ifr_ifru.ifru_flags = flags as libc::c_short;
    // SAFETY: `request` is a valid ifreq that outlives the call, and the descriptor is open.
    check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) })?;
    let wanted = libc::c_ulong::from(libc::TUN_F_CSUM | libc::TUN_F_TSO4);
    // SAFETY: TUNSETOFFLOAD takes its argument by value.
    if let Err(error) = check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETOFFLOAD, wanted) }) {
        tracing::debug!(link = name, %error, "no offload");
    }
    set_nonblocking(&file)?;
    Ok(file)
}

/// Whether the device behind the file is still there; somebody may have deleted the link.
#[must_use]
pub fn tun_is_attached(file: &File) -> bool {
    let Ok(mut request) = interface_request("") else {
        return false;
    };
    // SAFETY: TUNGETIFF fills the ifreq, which outlives the call.
    unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNGETIFF, &raw mut request) == 0 }
}

/// Whether the device has a packet to read; one that was deleted has none.
#[must_use]
pub fn is_readable(file: &File) -> bool {
    let mut asked = libc::pollfd {
        fd: file.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: `asked` is one pollfd that outlives the call, and the descriptor is open.
    unsafe { libc::poll(&raw mut asked, 1, 0) > 0 && asked.revents & libc::POLLIN != 0 }
}

fn interface_request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: all zeroes is a valid ifreq.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(request)
}

fn set_nonblocking(file: &File) -> io::Result<()> {
    // SAFETY: plain fcntl on an open descriptor.
    let flags = check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) })?;
    // SAFETY: as above.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) })?;
    Ok(())
}

/// The largest packet that the way takes in one piece, in bytes: the device's MTU, the route's, or what ICMP has taught the
/// kernel about the path (RFC 1191). Sends nothing.
///
/// # Errors
/// When there is no way, or this host does not have the address.
pub fn path_mtu(from: Ipv4Addr, to: Ipv4Addr) -> io::Result<usize> {
    const DISCARD: u16 = 9;
    let socket = UdpSocket::bind((from, 0))?;
    socket.connect((to, DISCARD))?;
    let (mut mtu, mut length) = (0 as libc::c_int, mem::size_of::<libc::c_int>() as libc::socklen_t);
    // SAFETY: `mtu` is valid for writes of the length that is given, and both outlive the call.
    check(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_MTU,
            (&raw mut mtu).cast(),
            &raw mut length,
        )
    })?;
    usize::try_from(mtu).map_err(io::Error::other)
}

/// Lets the process have as many files open as the hard limit allows; returns the limit now in force.
pub fn raise_open_files_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is valid for writes.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is valid for reads.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    Ok(limit.rlim_cur)
}

/// An epoll instance for reading.
pub struct Epoll(OwnedFd);

impl Epoll {
    pub fn new() -> io::Result<Self> {
        // SAFETY: plain system call; the result is checked before it is owned.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the descriptor is fresh and nobody else's.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Reports `token` whenever there is something to read; ends when the file is closed.
    pub fn add(&self, fd: &impl AsFd, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: token,
        };
        // SAFETY: `event` outlives the call and both descriptors are open.
        check(unsafe {
            libc::epoll_ctl(
                self.0.as_raw_fd(),
                libc::EPOLL_CTL_ADD,
                fd.as_fd().as_raw_fd(),
                &raw mut event,
            )
        })?;
        Ok(())
    }

    /// Stops reports for the file.
    pub fn remove(&self, fd: &impl AsFd) -> io::Result<()> {
        // SAFETY: EPOLL_CTL_DEL ignores the event.
        check(unsafe {
            libc::epoll_ctl(
                self.0.as_raw_fd(),
                libc::EPOLL_CTL_DEL,
                fd.as_fd().as_raw_fd(),
                ptr::null_mut(),
            )
        })?;
        Ok(())
    }

    /// Waits for at least one token, no longer than `patience` where there is one; a signal may end the wait with none.
    pub fn wait(&self, tokens: &mut Vec<u64>, patience: Option<Duration>) -> io::Result<()> {
        // Rounded up, so that what is waited for has come.
        let millis = patience.map_or(-1, |patience| {
            libc::c_int::try_from(patience.as_micros().div_ceil(1000)).unwrap_or(libc::c_int::MAX)
        });
        tokens.clear();
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 64];
        // SAFETY: the array is valid for as many events as are announced.
        match check(unsafe {
            libc::epoll_wait(
                self.0.as_raw_fd(),
                events.as_mut_ptr(),
                events.len() as libc::c_int,
                millis,
            )
        }) {
            Ok(count) => tokens.extend(events.iter().take(count as usize).map(|event| event.u64)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Buffers for `recvmmsg`.
pub struct Receiver {
    arena: Vec<u8>,
    parts: Vec<libc::iovec>,
    messages: Vec<libc::mmsghdr>,
}

impl Receiver {
    /// Buffers for [`BATCH`] packets. Memory is touched only as packets need it.
    #[must_use]
    pub fn new() -> Self {
        // SAFETY: all zeroes are a valid iovec and a valid mmsghdr.
        let (part, message) = unsafe { (mem::zeroed::<libc::iovec>(), mem::zeroed::<libc::mmsghdr>()) };
        Self {
            arena: vec![0; BATCH * STRIDE],
            parts: vec![part; BATCH],
            messages: vec![message; BATCH],
        }
    }

    /// Waits for a packet, and takes what else is there. Returns how many.
    pub fn receive(&mut self, socket: &impl AsFd) -> io::Result<usize> {
        for ((buffer, part), message) in self
            .arena
            .chunks_exact_mut(STRIDE)
            .zip(&mut self.parts)
            .zip(&mut self.messages)
        {
            *part = libc::iovec {
                iov_base: buffer.as_mut_ptr().cast(),
                iov_len: buffer.len(),
            };
            message.msg_hdr.msg_iov = part;
            message.msg_hdr.msg_iovlen = 1;
        }
        let fd = socket.as_fd().as_raw_fd();
        // SAFETY: every message points to one iovec, and that to a buffer of its length; all outlive the call.
        let count = check(unsafe {
            libc::recvmmsg(
                fd,
                self.messages.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_WAITFORONE,
                ptr::null_mut(),
            )
        })?;
        Ok(count as usize)
    }

    /// The packet at an index below what [`Self::receive`] returned last; any other index gives old bytes.
    #[must_use]
    pub fn packet(&self, index: usize) -> &[u8] {
        let length = self.messages[index].msg_len as usize;
        &self.arena[index * STRIDE..][..length.min(STRIDE)]
    }
}

/// One IPv4 packet to send, with its own header.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// By which source address the route is looked up.
    pub from: Ipv4Addr,
    /// Where to.
    pub to: Ipv4Addr,
    /// The packet, in two parts.
    pub parts: [&'a [u8]; 2],
}

/// A control message that carries an `in_pktinfo`; a `cmsghdr` is as strictly aligned as this struct needs.
#[repr(C)]
#[derive(Clone, Copy)]
struct SourceHint {
    header: libc::cmsghdr,
    info: libc::in_pktinfo,
}

/// Room for `sendmmsg`.
pub struct Sender {
    names: Vec<libc::sockaddr_in>,
    hints: Vec<SourceHint>,
    parts: Vec<[libc::iovec; 2]>,
    messages: Vec<libc::mmsghdr>,
}

impl Sender {
    /// Room for [`BATCH`] messages.
    #[must_use]
    pub fn new() -> Self {
        // SAFETY: all zeroes are valid values of these four plain C structs.
        unsafe {
            Self {
                names: vec![mem::zeroed(); BATCH],
                hints: vec![mem::zeroed(); BATCH],
                parts: vec![mem::zeroed(); BATCH],
                messages: vec![mem::zeroed(); BATCH],
            }
        }
    }

    /// Sends the first [`BATCH`] of the messages at most; returns how many were sent, which is at least one. An error
    /// is about the first message.
    pub fn send<'a>(
        &mut self,
        socket: &impl AsFd,
        messages: impl Iterator<Item = Message<'a>>,
    ) -> io::Result<usize> {
        let mut count = 0;
        for message in messages.take(BATCH) {
            self.prepare(count, &message);
            count += 1;
        }
        let fd = socket.as_fd().as_raw_fd();
        // SAFETY: the first `count` messages were prepared above and point into `self` and into slices that outlive the call.
        let sent =
            check(unsafe { libc::sendmmsg(fd, self.messages.as_mut_ptr(), count as libc::c_uint, 0) })?;
        Ok(sent as usize)
    }

    fn prepare(&mut self, index: usize, message: &Message<'_>) {
        let name = &mut self.names[index];
        name.sin_family = libc::AF_INET as libc::sa_family_t;
        name.sin_addr.s_addr = u32::from(message.to).to_be();
        let hint = &mut self.hints[index];
        hint.header.cmsg_level = libc::IPPROTO_IP;
        hint.header.cmsg_type = libc::IP_PKTINFO;
        hint.header.cmsg_len = mem::size_of::<libc::cmsghdr>() + mem::size_of::<libc::in_pktinfo>();
        hint.info.ipi_spec_dst.s_addr = u32::from(message.from).to_be();
        let parts = &mut self.parts[index];
        *parts = message.parts.map(|part| libc::iovec {
            iov_base: part.as_ptr().cast_mut().cast(),
            iov_len: part.len(),
        });
        let header = &mut self.messages[index].msg_hdr;
        header.msg_name = (&raw mut *name).cast();
        header.msg_namelen = mem::size_of::<libc::sockaddr_in>() as libc::socklen_t;
        header.msg_iov = parts.as_mut_ptr();
        header.msg_iovlen = parts.len();
        header.msg_control = (&raw mut *hint).cast();
        header.msg_controllen = mem::size_of::<SourceHint>();
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

//! A blocking rtnetlink socket. The kernel works on a request inside `send`, holding its big network lock: it belongs on a
//! thread that may block, not on the runtime's.

use std::{fmt, io, os::fd::AsFd};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::sys::{
    socket::{setsockopt, sockopt},
    time::{TimeVal, TimeValLike},
};

use super::{
    numbers::{
        NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_OVERRUN, NLMSGERR_ATTR_MSG,
    },
    wire::{Attributes, MESSAGE_HEADER, Message, Messages, Request, read_text, read_u32},
};

/// The kernel fills dump datagrams up to 32 KiB (net/netlink/af_netlink.c `netlink_dump`).
const READ_BUFFER: usize = 64 * 1024;
const KERNEL: u32 = 0;
/// A dump that was interrupted is taken again this often; after that it stands, for every change that it missed is
/// noticed again.
const DUMP_ATTEMPTS: usize = 4;

/// The kernel's refusal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The errno.
    pub errno: i32,
    /// The kernel's own words, where it has some (`NETLINK_EXT_ACK`).
    pub message: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", nix::errno::Errno::from_raw(self.errno).desc())?;
        match &self.message {
            Some(message) => write!(f, " ({message})"),
            None => Ok(()),
        }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self { errno: error.raw_os_error().unwrap_or(libc::EIO), message: None }
    }
}

/// One conversation with the kernel at a time.
pub struct RouteSocket {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl RouteSocket {
    /// Opens a socket in the calling thread's network namespace.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(KERNEL, 0))?;
        socket.set_cap_ack(true)?;
        socket.set_ext_ack(true)?;
        // Filters of dumps are obeyed from linux 4.20 on; without them the same is filtered here.
        if let Err(error) = socket.set_netlink_get_strict_chk(true) {
            tracing::debug!(%error, "the kernel filters no dumps");
        }
        setsockopt(&socket.as_fd(), sockopt::ReceiveTimeout, &TimeVal::seconds(30))?;
        Ok(Self { socket, sequence: 0, buffer: vec![0; READ_BUFFER] })
    }

    /// Has one change made.
    pub fn change(&mut self, request: Request) -> Result<(), Refusal> {
        self.exchange(request.flags(NLM_F_ACK), |_| ()).map(|_| ())
    }

    /// Reads one object.
    pub fn read<T>(&mut self, request: Request, decode: impl Fn(&Message<'_>) -> Option<T>) -> Result<Option<T>, Refusal> {
        let mut found = None;
        self.exchange(request.flags(NLM_F_ACK), |message| {
            if let Some(object) = decode(message) {
                found = Some(object);
            }
        })?;
        Ok(found)
    }

    /// Reads all objects that the request's filter lets through and `decode` understands.
    pub fn dump<T>(&mut self, request: Request, decode: impl Fn(&Message<'_>) -> Option<T>) -> Result<Vec<T>, Refusal> {
        let mut objects = Vec::new();
        for _ in 0..DUMP_ATTEMPTS {
            objects.clear();
            let whole = self.exchange(request.clone().flags(NLM_F_DUMP), |message| objects.extend(decode(message)))?;
            if whole {
                break;
            }
        }
        Ok(objects)
    }

    /// Sends, and takes the answers to their end; `false` when the kernel says that the objects changed meanwhile.
    fn exchange(&mut self, mut request: Request, mut take: impl FnMut(&Message<'_>)) -> Result<bool, Refusal> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        retry_interrupted(|| self.socket.send(request.finish(sequence), 0))?;
        let mut whole = true;
        loop {
            let socket = &self.socket;
            let buffer = &mut self.buffer;
            let length = retry_interrupted(|| socket.recv(&mut &mut buffer[..], 0))?;
            for message in Messages(&self.buffer[..length.min(READ_BUFFER)]).filter(|message| message.sequence == sequence) {
                whole &= message.flags & NLM_F_DUMP_INTR == 0;
                match message.kind {
                    NLMSG_ERROR => return refusal(&message).map_or(Ok(whole), Err),
                    NLMSG_DONE => return done(&message).map_or(Ok(whole), Err),
                    NLMSG_OVERRUN => return Err(Refusal { errno: libc::ENOBUFS, message: None }),
                    _ => take(&message),
                }
            }
        }
    }
}

/// linux/netlink.h `struct nlmsgerr`: the errno, the header of the request (all of it unless capped), attributes.
fn refusal(message: &Message<'_>) -> Option<Refusal> {
    let errno = read_u32(message.payload, 0).map_or(libc::EIO, |code| code.cast_signed().saturating_neg());
    if errno == 0 {
        return None;
    }
    let request = if message.flags & NLM_F_CAPPED == 0 { read_u32(message.payload, 4).unwrap_or(0) as usize } else { MESSAGE_HEADER };
    let attributes = (message.flags & NLM_F_ACK_TLVS != 0).then(|| message.payload.get(4 + request.next_multiple_of(4)..)).flatten();
    Some(Refusal { errno, message: attributes.and_then(kernels_words) })
}

fn done(message: &Message<'_>) -> Option<Refusal> {
    let errno = read_u32(message.payload, 0).map_or(0, |code| code.cast_signed().saturating_neg());
    (errno > 0).then(|| Refusal { errno, message: message.payload.get(4..).and_then(kernels_words) })
}

fn kernels_words(attributes: &[u8]) -> Option<String> {
    Attributes(attributes).find(|(kind, _)| *kind == NLMSGERR_ATTR_MSG).map(|(_, text)| read_text(text))
}

fn retry_interrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

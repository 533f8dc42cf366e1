//! ICMP echo, by whichever socket this process may open.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::UdpSocket,
    time::{Instant, timeout},
};

use super::sys;

/// Requests of one question: one may be lost.
const TRIES: u32 = 3;
const APART: Duration = Duration::from_millis(300);
const HEADER: usize = 8;
const NONCE: usize = 16;
/// An IPv4 header without options.
const IP_HEADER: usize = 20;

/// What came of a question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Echo {
    /// An answer, after this long.
    Reply(Duration),
    /// None.
    Silence,
    /// The packet is too large for the path, as this host knows it.
    TooLarge,
    /// This host knows no way there.
    NoRoute(String),
    /// This process may not ask: it gets no socket for it.
    NotAllowed(String),
    /// This host does not send it: its own firewall forbids that.
    Forbidden(String),
}

/// Asks up to three times, for a second at most. `length` is that of the whole IP packet; `whole` forbids fragments.
pub async fn echo(target: Ipv4Addr, length: usize, whole: bool) -> Echo {
    let socket = match open(whole) {
        Ok(socket) => socket,
        Err(error) => return without_socket(target, &error).await,
    };
    for sequence in 1..=TRIES {
        let (message, nonce) = request(sequence, length);
        let sent = Instant::now();
        if let Err(error) = socket
            .send_to(&message, SocketAddr::V4(SocketAddrV4::new(target, 0)))
            .await
        {
            return refused(&error);
        }
        if let Ok(answer) = timeout(APART, answer_to(&socket, target, &nonce)).await {
            return answer.map_or_else(|error| refused(&error), |()| Echo::Reply(sent.elapsed()));
        }
    }
    Echo::Silence
}

/// Any user may send a datagram; whether this host lets it out shows at once. It is empty, for the port that discards (RFC 863).
async fn without_socket(target: Ipv4Addr, why: &io::Error) -> Echo {
    const DISCARD: u16 = 9;
    let not_allowed = Echo::NotAllowed(why.to_string());
    let Ok(socket) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await else {
        return not_allowed;
    };
    match socket
        .send_to(&[], (target, DISCARD))
        .await
        .map_err(|error| refused(&error))
    {
        Err(forbidden @ Echo::Forbidden(_)) => forbidden,
        Ok(_) | Err(_) => not_allowed,
    }
}

fn refused(error: &io::Error) -> Echo {
    match error.raw_os_error() {
        Some(libc::EMSGSIZE) => Echo::TooLarge,
        Some(libc::EPERM | libc::EACCES) => Echo::Forbidden(error.to_string()),
        Some(_) | None => Echo::NoRoute(error.to_string()),
    }
}

/// A ping socket where net.ipv4.ping_group_range lets this process have one, else a raw one.
fn open(whole: bool) -> io::Result<UdpSocket> {
    let of = |kind| Socket::new(Domain::IPV4, kind, Some(Protocol::ICMPV4));
    let socket = of(Type::DGRAM).or_else(|_| of(Type::RAW))?;
    if whole {
        sys::forbid_fragments(&socket)?;
    }
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}

async fn answer_to(socket: &UdpSocket, target: Ipv4Addr, nonce: &[u8]) -> io::Result<()> {
    let mut buffer = vec![0; 2048];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await?;
        if from.ip() == target && is_answer(&buffer[..length], nonce) {
            return Ok(());
        }
    }
}

/// A raw socket shows the IP header, and everybody's packets; a ping socket neither.
fn is_answer(packet: &[u8], nonce: &[u8]) -> bool {
    let message = match packet.first() {
        Some(first) if first >> 4 == 4 => packet.get(usize::from(first & 0x0f) * 4..).unwrap_or_default(),
        Some(_) | None => packet,
    };
    // RFC 792: type 0, code 0.
    message.get(..2) == Some(&[0, 0]) && message.get(HEADER..HEADER + nonce.len()) == Some(nonce)
}

fn request(sequence: u32, length: usize) -> (Vec<u8>, Vec<u8>) {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let number = ASKED.fetch_add(1, Ordering::Relaxed);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let mut nonce = u64::from(now.subsec_nanos())
        .rotate_left(20)
        .wrapping_add(now.as_secs())
        .to_be_bytes()
        .to_vec();
    nonce.extend((u64::from(std::process::id()) << 32 | number & 0xffff_ffff).to_be_bytes());
    let mut message = vec![8, 0, 0, 0];
    message.extend(std::process::id().to_be_bytes().into_iter().skip(2));
    message.extend(sequence.to_be_bytes().into_iter().skip(2));
    message.extend(&nonce);
    message.resize(length.saturating_sub(IP_HEADER).max(HEADER + NONCE), 0);
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    (message, nonce)
}

/// RFC 1071.
fn checksum(message: &[u8]) -> u16 {
    let words = message
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_as_long_as_asked_for_and_its_checksum_is_right() {
        let (message, nonce) = request(7, 1500);
        assert_eq!((message.len(), message[0], message[7]), (1480, 8, 7));
        assert_eq!(&message[8..24], nonce);
        assert_eq!(
            checksum(&message),
            0,
            "a message with its checksum sums up to nothing"
        );
    }

    #[test]
    fn only_an_echo_reply_with_our_nonce_is_an_answer_with_or_without_the_ip_header() {
        let (mut message, nonce) = request(1, 64);
        assert!(!is_answer(&message, &nonce), "the request itself");
        message[0] = 0;
        assert!(is_answer(&message, &nonce));
        let mut packet = vec![0x45; 20];
        packet.extend(&message);
        assert!(is_answer(&packet, &nonce));
        assert!(!is_answer(&packet, &request(1, 64).1), "another's");
        assert!(!is_answer(&[], &nonce) && !is_answer(&[0x4f; 10], &nonce));
    }

    #[tokio::test]
    async fn this_host_answers_itself_and_a_way_that_is_not_there_is_no_silence() {
        match echo(Ipv4Addr::LOCALHOST, 1500, true).await {
            Echo::Reply(_) | Echo::NotAllowed(_) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(
            refused(&io::Error::from_raw_os_error(libc::EMSGSIZE)),
            Echo::TooLarge
        );
        assert!(matches!(
            refused(&io::Error::from_raw_os_error(libc::ENETUNREACH)),
            Echo::NoRoute(_)
        ));
        assert!(matches!(
            refused(&io::Error::from_raw_os_error(libc::EPERM)),
            Echo::Forbidden(_)
        ));
    }
}

//! Asking name servers by sockets of ours: what a stub resolver does (RFC 1035), and no more. Used where the system's own
//! resolver would send its questions into a tunnel.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, UdpSocket},
    time::timeout,
};

use super::{Outlet, Routes, socket::bind_to};

/// As the C library has it (resolv.conf(5) `MAXNS`).
const MOST_SERVERS: usize = 3;
const PORT: u16 = 53;
/// For one answer, and how often each server is asked.
const PATIENCE: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 2;
/// RFC 1035 section 4.2.1; a larger answer comes over TCP.
const LARGEST_DATAGRAM: usize = 512;
/// RFC 1035 section 4.1.1: a name of its own, one question, recursion desired.
const HEADER: usize = 12;
const IS_ANSWER: u8 = 0x80;
const IS_TRUNCATED: u8 = 0x02;
const NO_SUCH_NAME: u8 = 3;
/// RFC 1035 section 3.2.2 and RFC 3596 section 2.1.
const KINDS: [u16; 2] = [1, 28];
const INTERNET: u16 = 1;

/// Name servers, and what is put behind short names: resolv.conf(5).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Servers {
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) search: Vec<String>,
    pub(super) dots: usize,
}

/// What a server says about a name.
#[derive(Clone, PartialEq, Eq, Debug)]
enum DnsReply {
    Addresses(Vec<IpAddr>),
    Truncated,
    NoSuchName,
}

impl Servers {
    /// What it does not know is left out.
    pub(super) fn parse(text: &str) -> Self {
        let mut servers = Self {
            dots: 1,
            ..Self::default()
        };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let address: Option<IpAddr> = words.next().and_then(|word| word.parse().ok());
                    servers
                        .addresses
                        .extend(address.map(|address| SocketAddr::new(address, PORT)));
                }
                Some("search" | "domain") => servers.search = words.map(str::to_owned).collect(),
                Some("options") => {
                    servers.dots = words
                        .find_map(|word| word.strip_prefix("ndots:")?.parse().ok())
                        .unwrap_or(servers.dots)
                }
                Some(_) | None => {}
            }
        }
        servers.addresses.truncate(MOST_SERVERS);
        servers
    }

    /// The addresses of a name: those of the first of the names it may stand for that has some.
    pub(super) async fn ask(&self, routes: &Routes, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut failure = io::Error::from(io::ErrorKind::NotFound);
        for full in self.names(name) {
            match self.ask_full(routes, &full).await {
                Ok(addresses) if !addresses.is_empty() => return Ok(addresses),
                Ok(_) => {}
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn names(&self, name: &str) -> Vec<String> {
        if let Some(full) = name.strip_suffix('.') {
            return vec![full.to_owned()];
        }
        let mut names: Vec<String> = self
            .search
            .iter()
            .map(|domain| format!("{name}.{domain}"))
            .collect();
        let is_long = name.matches('.').count() >= self.dots;
        names.insert(if is_long { 0 } else { names.len() }, name.to_owned());
        names
    }

    async fn ask_full(&self, routes: &Routes, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut failure = io::Error::from(io::ErrorKind::NotFound);
        for server in self
            .addresses
            .iter()
            .cycle()
            .take(self.addresses.len() * ATTEMPTS)
        {
            let questions = KINDS.map(|kind| ask_one(routes, *server, name, kind));
            let [four, six] = questions;
            match tokio::join!(four, six) {
                (Ok(four), Ok(six)) => return Ok([four, six].concat()),
                (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => return Ok(found),
                (Err(error), _) | (_, Err(error)) => failure = error,
            }
        }
        Err(failure)
    }
}

async fn ask_one(routes: &Routes, server: SocketAddr, name: &str, kind: u16) -> io::Result<Vec<IpAddr>> {
    let id = u16::try_from(RandomState::new().build_hasher().finish() & 0xffff).unwrap_or_default();
    let question = question(id, name, kind)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a host name"))?;
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the name server does not answer");
    let mut said = timeout(PATIENCE, by_datagram(routes, server, &question))
        .await
        .map_err(late)??;
    if matches!(said, DnsReply::Truncated) {
        said = timeout(PATIENCE, by_stream(routes, server, &question))
            .await
            .map_err(late)??;
    }
    match said {
        DnsReply::Addresses(addresses) => Ok(addresses),
        DnsReply::NoSuchName => Ok(Vec::new()),
        DnsReply::Truncated => Err(io::Error::from(io::ErrorKind::InvalidData)),
    }
}

async fn by_datagram(routes: &Routes, server: SocketAddr, question: &[u8]) -> io::Result<DnsReply> {
    let any = if server.is_ipv4() {
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))
    } else {
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))
    };
    let socket = UdpSocket::bind(any).await?;
    past_tunnels(routes, &socket, server).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut datagram = [0; LARGEST_DATAGRAM];
    loop {
        let length = socket.recv(&mut datagram).await?;
        // Whatever does not answer this question is meant for somebody else.
        if let Some(said) = read(question, &datagram[..length]) {
            return said;
        }
    }
}

async fn by_stream(routes: &Routes, server: SocketAddr, question: &[u8]) -> io::Result<DnsReply> {
    let socket = if server.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    past_tunnels(routes, &socket, server).await?;
    let mut stream = socket.connect(server).await?;
    let length = u16::try_from(question.len()).map_err(io::Error::other)?;
    stream
        .write_all(&[&length.to_be_bytes()[..], question].concat())
        .await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    read(question, &answer).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?
}

async fn past_tunnels(
    routes: &Routes,
    socket: &impl std::os::fd::AsFd,
    server: SocketAddr,
) -> io::Result<()> {
    match routes.outlet(server.ip()).await {
        Outlet::Past { uplink, .. } => bind_to(socket, &uplink),
        Outlet::Usual | Outlet::Only { .. } => Ok(()),
    }
}

/// Nothing where the name cannot be one (RFC 1035 section 2.3.4).
fn question(id: u16, name: &str, kind: u16) -> Option<Vec<u8>> {
    let mut message = [&id.to_be_bytes()[..], &[0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    for label in name.split('.') {
        let length = u8::try_from(label.len())
            .ok()
            .filter(|length| (1..=63).contains(length))?;
        message.push(length);
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend([kind, INTERNET].map(u16::to_be_bytes).as_flattened());
    (name.len() <= 253).then_some(message)
}

/// What a message answers to a question; nothing when it does not answer it.
fn read(question: &[u8], message: &[u8]) -> Option<io::Result<DnsReply>> {
    let is_ours = message.len() >= question.len()
        && message[..2] == question[..2]
        && message[2] & IS_ANSWER != 0
        && message[4..6] == question[4..6]
        && message[HEADER..question.len()].eq_ignore_ascii_case(&question[HEADER..]);
    if !is_ours {
        return None;
    }
    if message[2] & IS_TRUNCATED != 0 {
        return Some(Ok(DnsReply::Truncated));
    }
    Some(match message[3] & 0x0f {
        0 => addresses(question, message)
            .map(DnsReply::Addresses)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData)),
        NO_SUCH_NAME => Ok(DnsReply::NoSuchName),
        code => Err(io::Error::other(format!(
            "the name server answers with code {code}"
        ))),
    })
}

/// The addresses in the answers, whose names are left to the server: it has followed aliases.
fn addresses(question: &[u8], message: &[u8]) -> Option<Vec<IpAddr>> {
    let mut found = Vec::new();
    let mut rest = message.get(question.len()..)?;
    for _ in 0..u16::from_be_bytes([message[6], message[7]]) {
        rest = after_name(rest)?;
        let (fixed, data) = rest.split_at_checked(10)?;
        let (kind, class) = (
            u16::from_be_bytes([fixed[0], fixed[1]]),
            u16::from_be_bytes([fixed[2], fixed[3]]),
        );
        let (data, next) = data.split_at_checked(usize::from(u16::from_be_bytes([fixed[8], fixed[9]])))?;
        if class == INTERNET && KINDS.contains(&kind) {
            let four = <[u8; 4]>::try_from(data).map(IpAddr::from);
            found.push(
                four.or_else(|_| <[u8; 16]>::try_from(data).map(IpAddr::from))
                    .ok()?,
            );
        }
        rest = next;
    }
    Some(found)
}

/// RFC 1035 section 4.1.4: labels up to an empty one or a pointer.
fn after_name(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let (length, after) = rest.split_first()?;
        match length {
            0 => return Some(after),
            0xc0.. => return after.get(1..),
            0x40.. => return None,
            _ => rest = after.get(usize::from(*length)..)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The answer of one A record, with an alias before it.
    fn answer(question: &[u8]) -> Vec<u8> {
        let mut message = question.to_vec();
        (message[2], message[3], message[7]) = (0x81, 0x80, 2);
        message.extend(*b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x04\x01a\xc0\x0c");
        message.extend(*b"\x01a\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x35");
        message
    }

    #[test]
    fn an_answer_is_read_behind_its_aliases_and_anything_else_is_not_ours_or_an_error() {
        let question = question(7, "ledger.example", KINDS[0]).unwrap();
        let right = answer(&question);
        let said =
            |message: &[u8]| read(&question, message).map(|said| said.map_err(|error| error.to_string()));
        assert_eq!(
            said(&right),
            Some(Ok(DnsReply::Addresses(vec![IpAddr::from([192, 0, 2, 53])])))
        );
        let changed = |at: usize, to: u8| {
            let mut message = right.clone();
            message[at] = to;
            message
        };
        assert_eq!(said(&changed(1, 8)), None, "another id");
        assert_eq!(said(&changed(2, 0x01)), None, "a question");
        assert_eq!(said(&changed(13, b'x')), None, "another name");
        assert_eq!(said(&changed(2, 0x83)), Some(Ok(DnsReply::Truncated)));
        assert_eq!(said(&changed(3, 0x83)), Some(Ok(DnsReply::NoSuchName)));
        assert!(said(&changed(3, 0x82)).unwrap().unwrap_err().contains("code 2"));
        for length in question.len()..right.len() {
            assert!(said(&right[..length]).unwrap().is_err(), "cut at {length}");
        }
    }

    #[test]
    fn what_can_be_no_name_is_not_asked_for() {
        for name in ["", ".", "a..b", &"a".repeat(64), &"a.".repeat(130)] {
            assert_eq!(question(1, name, KINDS[0]), None, "{name}");
        }
    }

    #[test]
    fn short_names_are_looked_for_in_the_search_list_first_and_long_ones_last() {
        let servers = Servers::parse(
            "# x\nnameserver 192.0.2.1\nnameserver nonsense\nsearch a.example b.example\noptions edns0 ndots:2 trust-ad\n",
        );
        assert_eq!(servers.addresses, ["192.0.2.1:53".parse().unwrap()]);
        assert_eq!(servers.names("rpc"), ["rpc.a.example", "rpc.b.example", "rpc"]);
        assert_eq!(
            servers.names("x.rpc.example"),
            [
                "x.rpc.example",
                "x.rpc.example.a.example",
                "x.rpc.example.b.example"
            ]
        );
        assert_eq!(servers.names("rpc."), ["rpc"]);
        assert_eq!(
            Servers::parse("nameserver 1.1.1.1\n".repeat(9).as_str())
                .addresses
                .len(),
            MOST_SERVERS
        );
    }

    proptest! {
        #[test]
        fn no_message_is_too_strange(noise in prop::collection::vec(any::<u8>(), 0..200), keep in 0_usize..60) {
            let question = question(7, "ledger.example", KINDS[0]).unwrap();
            let right = answer(&question);
            let message = [&right[..keep.min(right.len())], &noise].concat();
            let _ = read(&question, &message);
            let _ = Servers::parse(&String::from_utf8_lossy(&noise));
        }
    }
}

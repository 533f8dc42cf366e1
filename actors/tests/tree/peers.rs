//! BGP peers: the protocol's own machine plays the device's end, over in-memory streams.

use std::{
    collections::BTreeSet,
    io,
    net::{Ipv4Addr, SocketAddrV4},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use ipnet::Ipv4Net;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::watch,
    time::Instant,
};
use warren_actors::{Clock, Dialer, Password, Stream};
use warren_protocols::bgp::{
    ConnectionNumber, Input, Output, Session, SessionConfig,
    codec::{Notification, update::encode_announcements},
};
use warren_state::{Asn, BgpSpec, Core, ImportPolicy, SessionStatus, random::SplitMix64};

#[derive(Debug)]
pub struct Peers {
    routes: Mutex<BTreeSet<Ipv4Net>>,
    pub down: AtomicBool,
    /// How often all connections were broken, and with which last words.
    kill: watch::Sender<(u64, Option<Notification>)>,
    pub dials: AtomicUsize,
    /// Sessions that ended with a Cease of the other end, as the peer sees it.
    pub ceased: std::sync::Arc<AtomicUsize>,
    /// Connections that are open.
    pub open: std::sync::Arc<AtomicUsize>,
    /// What is sent beside the routes once a session is up: this many routes, one per UPDATE.
    pub flood: std::sync::Arc<AtomicUsize>,
}

impl Peers {
    pub fn new(routes: &[&str]) -> Self {
        Self {
            routes: Mutex::new(routes.iter().map(|route| route.parse().unwrap()).collect()),
            down: AtomicBool::new(false),
            kill: watch::Sender::default(),
            dials: AtomicUsize::new(0),
            ceased: std::sync::Arc::default(),
            open: std::sync::Arc::default(),
            flood: std::sync::Arc::default(),
        }
    }

    /// Breaks all connections.
    pub fn kill(&self) {
        self.kill
            .send_modify(|(kills, words)| (*kills, *words) = (*kills + 1, None));
    }

    /// Ends all sessions, and says why.
    pub fn end(&self, why: Notification) {
        self.kill
            .send_modify(|(kills, words)| (*kills, *words) = (*kills + 1, Some(why)));
    }

    /// Announces this one as well, from the next session on.
    pub fn announce(&self, route: &str) {
        self.routes.lock().unwrap().insert(route.parse().unwrap());
    }
}

#[async_trait]
impl Dialer for Peers {
    async fn dial(
        &self,
        local: SocketAddrV4,
        peer: SocketAddrV4,
        _password: Option<&Password>,
    ) -> io::Result<Box<dyn Stream>> {
        self.dials.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (ours, theirs) = tokio::io::duplex(64 * 1_024);
        let spec = BgpSpec {
            local_address: *peer.ip(),
            peer_address: *local.ip(),
            local_asn: Asn(65_001),
            peer_asn: Asn(65_000),
            advertise: self.routes.lock().unwrap().clone(),
            install: None,
            policy: ImportPolicy {
                max_prefixes: 10,
                protected: BTreeSet::new(),
            },
        };
        let (kill, ceased, open) = (self.kill.subscribe(), self.ceased.clone(), self.open.clone());
        let flood = self.flood.clone();
        tokio::spawn(async move {
            open.fetch_add(1, Ordering::SeqCst);
            let saw_cease = play(theirs, spec, kill, &flood).await;
            open.fetch_sub(1, Ordering::SeqCst);
            if saw_cease {
                ceased.fetch_add(1, Ordering::SeqCst);
            }
        });
        Ok(Box::new(ours))
    }
}

/// Plays until the connection ends; gives whether the other end said goodbye with a Cease.
async fn play(
    mut stream: DuplexStream,
    spec: BgpSpec,
    mut kill: watch::Receiver<(u64, Option<Notification>)>,
    flood: &AtomicUsize,
) -> bool {
    kill.mark_unchanged();
    let (asn, next_hop) = (spec.local_asn, spec.local_address);
    let (clock, mut random) = (Clock::start(), SplitMix64::new(3));
    let mut session = Session::new(SessionConfig::new(spec));
    let mut buffer = vec![0; 16 * 1_024];
    let mut outputs = session.handle(clock.now(), Input::Start, &mut random);
    let mut number = ConnectionNumber::default();
    loop {
        let mut further = Vec::new();
        for output in outputs {
            match output {
                Output::Connect(next) => {
                    number = next;
                    further.extend(session.handle(clock.now(), Input::Connected(number), &mut random));
                }
                Output::Send(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return saw_cease(&session);
                    }
                }
                Output::Disconnect(_) | Output::Stopped => return saw_cease(&session),
                Output::Status(SessionStatus::Up, _) => {
                    for n in 0..flood.load(Ordering::SeqCst) {
                        let update = encode_announcements(&[flooded(n)], asn, next_hop, true).concat();
                        if stream.write_all(&update).await.is_err() {
                            return saw_cease(&session);
                        }
                    }
                }
                Output::Status(SessionStatus::Down, _) => {}
                Output::Status(..)
                | Output::Routes { .. }
                | Output::Synced
                | Output::Closed
                | Output::Standing(_) => {}
            }
        }
        outputs = further;
        if !outputs.is_empty() {
            continue;
        }
        let due = session.poll_timeout().map(|deadline| clock.instant(deadline.at));
        let timer = async {
            match due {
                Some(at) => tokio::time::sleep_until(at.max(Instant::now())).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            read = stream.read(&mut buffer) => match read {
                Ok(0) | Err(_) => return saw_cease(&session),
                Ok(length) => outputs = session.handle(clock.now(), Input::Received(number, buffer[..length].into()), &mut random),
            },
            () = timer => outputs = session.handle(clock.now(), Input::Timeout, &mut random),
            _ = kill.changed() => {
                let words = kill.borrow().1.clone();
                if let Some(words) = words {
                    let _gone = stream.write_all(&words.encode()).await;
                }
                return false;
            }
        }
    }
}

fn flooded(n: usize) -> Ipv4Net {
    Ipv4Net::new(Ipv4Addr::from(0x1400_0000 + u32::try_from(n << 8).unwrap()), 24).unwrap()
}

fn saw_cease(session: &Session) -> bool {
    session
        .standing()
        .last_received
        .is_some_and(|received| received.what.code == 6)
}

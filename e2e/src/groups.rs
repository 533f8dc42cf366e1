//! Applications of multicast: one that sends to a group, one that joins it with a plain socket.

use std::{
    collections::BTreeSet,
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};

use crate::netns::Namespace;

/// Where the applications meet.
const PORT: u16 = 7_000;
/// Enough for the way over a device.
const TTL: u32 = 16;

/// An application that sends numbered messages to a group, and knows nothing of tunnels: the routes decide.
#[derive(Debug)]
pub struct Sender {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU32>,
    worker: Option<JoinHandle<()>>,
}

impl Sender {
    /// Sends a message every `period`.
    ///
    /// # Errors
    /// When there is no socket to be had.
    pub fn start(namespace: &Namespace, group: Ipv4Addr, period: Duration) -> Result<Self> {
        let socket = namespace
            .enter(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context("no socket to send from"))?;
        socket.set_multicast_ttl_v4(TTL)?;
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (told, count) = (Arc::clone(&stop), Arc::clone(&sent));
        let worker = thread::Builder::new()
            .name("group-sender".into())
            .spawn(move || {
                let mut next = Instant::now();
                while !told.load(Ordering::Relaxed) {
                    let number = count.load(Ordering::Relaxed);
                    // A message that does not leave the host is one that is not received; the next one may be.
                    let _ = socket.send_to(&number.to_be_bytes(), SocketAddrV4::new(group, PORT));
                    count.store(number + 1, Ordering::Relaxed);
                    next += period;
                    thread::sleep(next.saturating_duration_since(Instant::now()));
                }
            })?;
        Ok(Self {
            stop,
            sent,
            worker: Some(worker),
        })
    }

    /// How many messages were sent so far: the next one's number.
    #[must_use]
    pub fn sent(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Ends it; how many messages were sent.
    ///
    /// # Errors
    /// When it panicked.
    pub fn finish(mut self) -> Result<u32> {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(worker) = self.worker.take() {
            worker
                .join()
                .map_err(|_| anyhow!("the sender of messages panicked"))?;
        }
        Ok(self.sent())
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// An application that has joined a group.
#[derive(Debug)]
pub struct Receiver {
    stop: Arc<AtomicBool>,
    numbers: Arc<Mutex<BTreeSet<u32>>>,
    sources: Arc<Mutex<BTreeSet<Ipv4Addr>>>,
    worker: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Joins the group on the interface that the routes name, once, and receives until it is dropped.
    ///
    /// # Errors
    /// When there is no route to the group.
    pub fn join(namespace: &Namespace, group: Ipv4Addr) -> Result<Self> {
        let socket = namespace.enter(|| {
            let socket =
                UdpSocket::bind((group, PORT)).with_context(|| format!("cannot receive at {group}"))?;
            socket
                .join_multicast_v4(&group, &Ipv4Addr::UNSPECIFIED)
                .with_context(|| format!("cannot join {group}"))?;
            Ok(socket)
        })?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let mut receiver = Self {
            stop: Arc::default(),
            numbers: Arc::default(),
            sources: Arc::default(),
            worker: None,
        };
        let (stop, numbers, sources) = (
            Arc::clone(&receiver.stop),
            Arc::clone(&receiver.numbers),
            Arc::clone(&receiver.sources),
        );
        receiver.worker = Some(
            thread::Builder::new()
                .name("group-receiver".into())
                .spawn(move || {
                    let mut message = [0; 4];
                    while !stop.load(Ordering::Relaxed) {
                        match socket.recv_from(&mut message) {
                            Ok((4, std::net::SocketAddr::V4(from))) => {
                                numbers
                                    .lock()
                                    .unwrap_or_else(PoisonError::into_inner)
                                    .insert(u32::from_be_bytes(message));
                                sources
                                    .lock()
                                    .unwrap_or_else(PoisonError::into_inner)
                                    .insert(*from.ip());
                            }
                            Ok(_) => {}
                            Err(error)
                                if matches!(
                                    error.kind(),
                                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                                ) => {}
                            Err(_) => return,
                        }
                    }
                })?,
        );
        Ok(receiver)
    }

    /// Which messages arrived.
    #[must_use]
    pub fn received(&self) -> BTreeSet<u32> {
        self.numbers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Who sent them.
    #[must_use]
    pub fn sources(&self) -> BTreeSet<Ipv4Addr> {
        self.sources
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The messages of this range that did not arrive.
    #[must_use]
    pub fn lost(&self, from: u32, to: u32) -> Vec<u32> {
        let received = self.received();
        (from..to).filter(|number| !received.contains(number)).collect()
    }
}

/// The socket is closed, so that another application may take its place.
impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

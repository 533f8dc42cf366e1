//! Octets that cross from one host to another as fast as they can, counted where they arrive.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use nix::sys::{
    socket::{
        AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket,
        sockopt::{SendTimeout, UdpGroSegment, UdpGsoSegment},
    },
    time::TimeVal,
};

use crate::netns::Namespace;

/// How often a side that has nothing to do looks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);
/// How long a connection may take.
const CONNECT: TimeVal = TimeVal::new(60, 0);
/// What a datagram carries; the headers of UDP and IPv4 are the rest of a kilobyte.
const DATAGRAM: usize = 972;
const HEADERS: usize = 28;
/// So many go to the kernel at once, and come from it.
const TOGETHER: usize = 16;

/// An end of a transfer.
#[derive(Clone, Copy, Debug)]
pub struct End<'n> {
    /// The host.
    pub namespace: &'n Namespace,
    /// Its address.
    pub address: Ipv4Addr,
}

/// A running transfer. It ends when it is dropped.
#[derive(Debug)]
pub struct Transfer {
    ended: Arc<AtomicBool>,
    received: Arc<AtomicU64>,
    sides: Vec<JoinHandle<()>>,
}

impl Transfer {
    /// One TCP stream.
    ///
    /// # Errors
    /// When it cannot be connected.
    pub fn tcp(from: End<'_>, to: End<'_>) -> Result<Self> {
        let listener = to
            .namespace
            .enter(|| Ok(TcpListener::bind((to.address, 0))?))
            .with_context(|| format!("no listener at {}", to.address))?;
        let there = listener.local_addr()?;
        let way_out = from
            .namespace
            .enter(|| connected(from.address, there))
            .with_context(|| format!("no connection from {} to {there}", from.address))?;
        let (way_in, _) = listener.accept()?;
        way_out.set_write_timeout(Some(LOOK))?;
        way_in.set_read_timeout(Some(LOOK))?;
        let mut transfer = Self::new();
        transfer.side(move |ended, _| pour(way_out, ended));
        transfer.side(move |ended, received| drain(way_in, ended, received));
        Ok(transfer)
    }

    /// Datagrams of a kilobyte with their headers, this many octets a second.
    ///
    /// # Errors
    /// When there is no socket to be had.
    pub fn udp(from: End<'_>, to: End<'_>, octets_a_second: u32) -> Result<Self> {
        let open = |end: End<'_>| {
            end.namespace
                .enter(|| Ok(UdpSocket::bind((end.address, 0))?))
                .with_context(|| format!("no socket at {}", end.address))
        };
        let (way_out, way_in) = (open(from)?, open(to)?);
        way_out.connect(way_in.local_addr()?)?;
        setsockopt(&way_out, UdpGsoSegment, &i32::try_from(DATAGRAM)?)?;
        setsockopt(&way_in, UdpGroSegment, &true)?;
        way_in.set_read_timeout(Some(LOOK))?;
        let mut transfer = Self::new();
        transfer.side(move |ended, _| rain(&way_out, octets_a_second, ended));
        transfer.side(move |ended, received| gather(&way_in, ended, received));
        Ok(transfer)
    }

    /// Octets that arrived: those of a stream, and whole packets.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// What arrives in this time, in octets a second.
    #[must_use]
    pub fn speed(&self, time: Duration) -> f64 {
        let (begun, before) = (Instant::now(), self.received());
        thread::sleep(time);
        #[allow(clippy::cast_precision_loss, reason = "a figure")]
        let more = (self.received() - before) as f64;
        more / begun.elapsed().as_secs_f64()
    }

    fn new() -> Self {
        Self {
            ended: Arc::default(),
            received: Arc::default(),
            sides: Vec::new(),
        }
    }

    fn side(&mut self, work: impl FnOnce(&AtomicBool, &AtomicU64) + Send + 'static) {
        let (ended, received) = (Arc::clone(&self.ended), Arc::clone(&self.received));
        self.sides.push(thread::spawn(move || work(&ended, &received)));
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        for side in self.sides.drain(..) {
            let _panicked = side.join();
        }
    }
}

/// From this address, so that packets back come to it.
fn connected(from: Ipv4Addr, to: SocketAddr) -> Result<TcpStream> {
    let SocketAddr::V4(to) = to else {
        anyhow::bail!("{to} is not IPv4");
    };
    let socket = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    setsockopt(&socket, SendTimeout, &CONNECT)?;
    bind(
        std::os::fd::AsRawFd::as_raw_fd(&socket),
        &SockaddrIn::from(SocketAddrV4::new(from, 0)),
    )?;
    connect(std::os::fd::AsRawFd::as_raw_fd(&socket), &SockaddrIn::from(to))?;
    Ok(TcpStream::from(socket))
}

fn is_late(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

fn pour(mut way: TcpStream, ended: &AtomicBool) {
    let octets = [0; 65_536];
    while !ended.load(Ordering::Relaxed) {
        match way.write(&octets) {
            Ok(_) => {}
            Err(error) if is_late(&error) => {}
            Err(_gone) => return,
        }
    }
}

fn drain(mut way: TcpStream, ended: &AtomicBool, received: &AtomicU64) {
    let mut octets = [0; 65_536];
    while !ended.load(Ordering::Relaxed) {
        match way.read(&mut octets) {
            Ok(0) => return,
            Ok(count) => drop(received.fetch_add(count as u64, Ordering::Relaxed)),
            Err(error) if is_late(&error) => {}
            Err(_gone) => return,
        }
    }
}

/// What is due is sent each millisecond; what the host has no room for is dropped, as it would be on the way.
fn rain(way: &UdpSocket, octets_a_second: u32, ended: &AtomicBool) {
    let (begun, mut sent) = (Instant::now(), 0u64);
    let datagrams = [0; TOGETHER * DATAGRAM];
    while !ended.load(Ordering::Relaxed) {
        let due = begun.elapsed().as_secs_f64() * f64::from(octets_a_second);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let due = due as u64 / (DATAGRAM + HEADERS) as u64;
        while sent < due {
            let together = (due - sent).min(TOGETHER as u64);
            #[allow(clippy::cast_possible_truncation, reason = "a few")]
            let _dropped = way.send(&datagrams[..together as usize * DATAGRAM]);
            sent += together;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn gather(way: &UdpSocket, ended: &AtomicBool, received: &AtomicU64) {
    let mut datagrams = vec![0; 1 << 16];
    while !ended.load(Ordering::Relaxed) {
        if let Ok(count) = way.recv(&mut datagrams) {
            let headers = count.div_ceil(DATAGRAM) * HEADERS;
            received.fetch_add((count + headers) as u64, Ordering::Relaxed);
        }
    }
}

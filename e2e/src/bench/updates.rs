//! Many routes from one peer into the kernel, one prefix per UPDATE: as a device passes on what it learns.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use warren_e2e::{
    daemon::Daemon, netns::Namespace, network::DEVICE_ASN, observe::await_session_up, site::Site,
};
use warren_ledger::accounts::UserType;

use super::{
    edge::processor_time,
    report::Row,
    routes::prefixes,
    samples::Samples,
    stage::{SOON, Stage, process, watch},
};

const MANY: u32 = 10_000;
const VERY_MANY: u32 = 100_000;
/// How often the peer announces [`MANY`].
const ROUNDS: usize = 5;
/// In milliseconds.
const MANY_BUDGET: f64 = 1_000.0;
const VERY_MANY_BUDGET: f64 = 12_000.0;
/// From SIGTERM in the middle of it to the daemon's end, in milliseconds.
const STOP_BUDGET: f64 = 2_000.0;
const WITHOUT_LIVENESS: [&str; 2] = [
    "--route-liveness-enable-passive=false",
    "--route-liveness-enable-active=false",
];

/// From the first byte of the first UPDATE until the kernel has the last route, or none any more.
pub(super) fn measure(stage: &Stage) -> Result<Vec<Row>> {
    let world = stage.world()?;
    let mut site = world.site()?;
    let connection = site.connect(1, UserType::IBRL)?;
    site.device().speaker.kill();
    let peer = Peer::start(&site.device().namespace, connection.end.overlay)?;
    let mut rows = Vec::new();
    for (liveness, more) in [("on", &[][..]), ("off", &WITHOUT_LIVENESS[..])] {
        let mut daemon = start(stage, &site, more)?;
        let what = format!("10,000 UPDATEs of one prefix each, liveness {liveness}");
        rows.extend(rounds(&daemon, &peer, &what, (MANY, ROUNDS, MANY_BUDGET))?);
        daemon.terminate()?;
    }
    let mut daemon = start(stage, &site, &["--bgp-max-prefixes=200000"])?;
    rows.extend(rounds(
        &daemon,
        &peer,
        "100,000 UPDATEs of one prefix each, liveness on",
        (VERY_MANY, 1, VERY_MANY_BUDGET),
    )?);
    rows.push(stop_in_the_middle(&mut daemon, &peer)?);
    Ok(rows)
}

fn start(stage: &Stage, site: &Site<'_>, more: &[&str]) -> Result<Daemon> {
    let daemon = stage.daemon(site, |config| {
        config.poll_interval = Duration::from_secs(600);
        config
            .more
            .extend(more.iter().map(|argument| (*argument).to_owned()));
    })?;
    await_session_up(&daemon, SOON)?;
    Ok(daemon)
}

fn rounds(
    daemon: &Daemon,
    peer: &Peer,
    what: &str,
    (count, rounds, budget): (u32, usize, f64),
) -> Result<[Row; 2]> {
    let host = process(daemon.pid()?)?;
    let few = prefixes(&host)?;
    let busy = processor_time(&host)?;
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let begun = peer.announce(count)?;
        up.push(watch("the routes come into the kernel", begun, || {
            Ok(prefixes(&host)? >= few + count as usize)
        })?);
        let begun = peer.withdraw(count)?;
        down.push(watch("the routes leave the kernel", begun, || {
            Ok(prefixes(&host)? <= few)
        })?);
    }
    let busy = (processor_time(&host)? - busy) / f64::from(u32::try_from(rounds)?);
    let log = daemon.log_lines_at(&["WARN", "ERROR"]);
    ensure!(log.is_empty(), "the daemon complains: {log:?}");
    let row = |what: String, spans: Vec<Duration>| {
        let samples = Samples::new(spans);
        let how = format!(
            "median of {}, longest {:.0} ms; {busy:.2} s of processor time for coming and going together",
            samples.count(),
            samples.max()
        );
        Row::new(what, samples.percentile(50), "ms")
            .at_most(budget)
            .note(how)
    };
    Ok([row(what.to_owned(), up), row(format!("{what}: withdrawn"), down)])
}

fn stop_in_the_middle(daemon: &mut Daemon, peer: &Peer) -> Result<Row> {
    let host = process(daemon.pid()?)?;
    let few = prefixes(&host)?;
    let begun = peer.announce(VERY_MANY)?;
    watch("the first routes come", begun, || Ok(prefixes(&host)? > few))?;
    let begun = Instant::now();
    daemon.terminate()?;
    let took = begun.elapsed().as_secs_f64() * 1_000.0;
    Ok(Row::new("SIGTERM in the middle of 100,000 UPDATEs", took, "ms")
        .at_most(STOP_BUDGET)
        .note("until the daemon has ended"))
}

/// The device's end of the session, without a table: it sends what it is told to.
struct Peer {
    address: Ipv4Addr,
    connection: Arc<Mutex<Option<TcpStream>>>,
    stop: Arc<AtomicBool>,
}

impl Peer {
    fn start(namespace: &Namespace, address: Ipv4Addr) -> Result<Self> {
        let listener = namespace
            .enter(|| TcpListener::bind((address, 179)).context("cannot listen as the device's BGP"))?;
        listener.set_nonblocking(true)?;
        let peer = Self {
            address,
            connection: Arc::default(),
            stop: Arc::default(),
        };
        let (connection, stop) = (Arc::clone(&peer.connection), Arc::clone(&peer.stop));
        thread::Builder::new().name("peer".into()).spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => drop(greet(stream, address, &connection)),
                    Err(_) => thread::sleep(Duration::from_millis(10)),
                }
            }
        })?;
        Ok(peer)
    }

    fn announce(&self, count: u32) -> Result<Instant> {
        self.send((0..count).map(|n| announcement(n, self.address)))
    }

    fn withdraw(&self, count: u32) -> Result<Instant> {
        self.send((0..count).map(withdrawal))
    }

    /// Writes in the background; gives the time before the first byte.
    fn send(&self, messages: impl Iterator<Item = Vec<u8>>) -> Result<Instant> {
        let bytes: Vec<u8> = messages.flatten().collect();
        let held = self
            .connection
            .lock()
            .map_err(|_| anyhow::anyhow!("the peer's thread panicked"))?;
        let mut stream = held.as_ref().context("no session")?.try_clone()?;
        let begun = Instant::now();
        thread::Builder::new()
            .name("updates".into())
            .spawn(move || stream.write_all(&bytes))?;
        Ok(begun)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Says who we are, and that is all that has to be said: what the other end says is read and forgotten.
fn greet(mut stream: TcpStream, address: Ipv4Addr, connection: &Mutex<Option<TcpStream>>) -> Result<()> {
    stream.set_nonblocking(false)?;
    stream.write_all(&[open(address), message(KEEPALIVE, &[]), message(UPDATE, &[0; 4])].concat())?;
    let mut reader = stream.try_clone()?;
    if let Ok(mut held) = connection.lock()
        && let Some(before) = held.replace(stream)
    {
        let _gone = before.shutdown(Shutdown::Both);
    }
    let mut forgotten = [0; 4_096];
    thread::Builder::new()
        .name("reader".into())
        .spawn(move || while reader.read(&mut forgotten).is_ok_and(|length| length > 0) {})?;
    Ok(())
}

const OPEN: u8 = 1;
const UPDATE: u8 = 2;
const KEEPALIVE: u8 = 4;

/// RFC 4271 section 4.1.
#[allow(clippy::cast_possible_truncation)]
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (19 + body.len()) as u16;
    [&[0xff; 16][..], &length.to_be_bytes(), &[kind], body].concat()
}

/// RFC 4271 section 4.2, with IPv4 unicast and four octets for an AS; without a hold time, so that nobody has to speak.
fn open(address: Ipv4Addr) -> Vec<u8> {
    let [_, _, high, low] = DEVICE_ASN.to_be_bytes();
    let capabilities = [&[1, 4, 0, 1, 0, 1, 65, 4][..], &DEVICE_ASN.to_be_bytes()].concat();
    let head = [&[4, high, low, 0, 0][..], &address.octets(), &[14, 2, 12]].concat();
    message(OPEN, &[head, capabilities].concat())
}

fn prefix(n: u32) -> [u8; 4] {
    let [a, b, c, _] = (u32::from(Ipv4Addr::new(20, 0, 0, 0)) + (n << 8)).to_be_bytes();
    [24, a, b, c]
}

fn withdrawal(n: u32) -> Vec<u8> {
    message(UPDATE, &[&[0, 4][..], &prefix(n), &[0, 0]].concat())
}

/// ORIGIN, AS_PATH and NEXT_HOP, and one prefix.
fn announcement(n: u32, next_hop: Ipv4Addr) -> Vec<u8> {
    let path = [
        &[0x40, 1, 1, 0, 0x40, 2, 6, 2, 1][..],
        &DEVICE_ASN.to_be_bytes(),
        &[0x40, 3, 4],
        &next_hop.octets(),
    ]
    .concat();
    message(UPDATE, &[&[0, 0, 0, 20][..], &path, &prefix(n)].concat())
}

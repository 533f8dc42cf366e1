//! Measures `/v3/events` with many readers through a real socket. The readers are another process, so that what the daemon's side takes can be
//! told apart.
//!
//! `cargo run --release --example streams_at_scale -- 200 2000 20 1`: this many readers, this many events a second, for this many seconds, and this many
//! readers beside them that never read. `… -- append 2000000`: how quickly this many events are appended.

#![allow(clippy::print_stdout)]

mod published;

use std::{
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, ensure};
use memchr::memmem;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::mpsc,
};
use warren::http::{self, server, socket};
use warren_actors::{
    Snapshot,
    streams::{Asked, StandaloneStreams, StreamKind},
};
use warren_state::{Phase, Position, event::Event, lifecycle::TunnelReport, stream::Filter, table::Change};

use published::{Published, api, report};

/// Events are appended in lots of this length: what happens in a daemon does not come evenly either.
const LOT: Duration = Duration::from_millis(5);
const TUNNELS: u64 = 200;

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, otherwise: u64| {
        words
            .get(place)
            .and_then(|word| word.parse().ok())
            .unwrap_or(otherwise)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match words.first().map(String::as_str) {
        Some("read") => {
            let path = words.get(1).context("no socket")?;
            runtime.block_on(read_all(path, number(2, 1), number(3, 1)))
        }
        Some("append") => runtime.block_on(append(number(1, 2_000_000))),
        _ => runtime.block_on(serve(
            number(0, 200),
            number(1, 2_000),
            number(2, 20),
            number(3, 0),
        )),
    }
}

/// Appends as quickly as it goes, first with nobody who reads and then with one.
async fn append(events: u64) -> anyhow::Result<()> {
    let alone = StandaloneStreams::start(Position::default());
    for readers in [0, 1] {
        let mut stream = (readers > 0).then(|| {
            let asked = Asked {
                sort: StreamKind::Events,
                filter: Filter::default(),
                since: None,
                ends: false,
                uid: None,
            };
            alone.streams.open(asked, Box::new(|| ()))
        });
        let reading = tokio::spawn(async move {
            while let Some(stream) = &mut stream {
                if stream.next().await.is_none() {
                    break;
                }
            }
        });
        let begun = Instant::now();
        for _ in 0..events {
            alone.append(vec![Event::StoreMended], vec![]);
        }
        let took = begun.elapsed();
        println!(
            "{events} events appended with {readers} readers: {:.0} a second",
            events as f64 / took.as_secs_f64()
        );
        reading.abort();
    }
    Ok(())
}

async fn serve(readers: u64, rate: u64, seconds: u64, stalled: u64) -> anyhow::Result<()> {
    let engine = Arc::new(Published::new(Snapshot::default()));
    for number in 0..TUNNELS {
        engine.2.append(vec![], vec![changed(number)]);
    }
    let path = std::env::temp_dir().join(format!("warren-streams-{}.sock", std::process::id()));
    let (listener, _file) = socket::bind(&path)?;
    let many = server::Limits {
        connections: 4_096,
        unprivileged: 4_096,
        per_user: 4_096,
        ..server::Limits::default()
    };
    let slots = server::Permits::new(many, nix::unistd::geteuid().as_raw()).with_streams(many);
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let served = tokio::spawn(server::serve(listener, http::router(api(engine.clone())?), slots));
    let events = rate * seconds;
    let reading = Command::new(std::env::current_exe()?)
        .args([
            "read".into(),
            path.clone().into_os_string(),
            readers.to_string().into(),
            events.to_string().into(),
        ])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut asleep = Vec::new();
    for _ in 0..stalled {
        asleep.push(request(&path.to_string_lossy()).await?);
    }
    let there = usize::try_from(readers + stalled)?;
    while engine.2.streams.standing().readers.len() < there {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (before, begun) = (used()?, Instant::now());
    tell(&engine.2, rate, seconds).await;
    let output = tokio::task::spawn_blocking(move || reading.wait_with_output()).await??;
    let (after, took) = (used()?, begun.elapsed().as_secs_f64());
    print!("{}", String::from_utf8_lossy(&output.stdout));
    let cores = std::thread::available_parallelism()?.get();
    let part = |ticks: u64| 100.0 * ticks as f64 / 100.0 / took;
    println!(
        "the daemon's side: {:.1} % of a core of its own, {:.1} % in the kernel, on {cores} cores, in {took:.1} s",
        part(after.0 - before.0),
        part(after.1 - before.1)
    );
    let totals = engine.2.streams.standing().totals;
    println!("{totals:?}");
    drop(asleep);
    served.abort();
    Ok(())
}

/// This many a second, each with the time at which it was appended, and with a change of a tunnel.
async fn tell(alone: &StandaloneStreams, rate: u64, seconds: u64) {
    let begun = Instant::now();
    let mut told = 0;
    while told < rate * seconds {
        let due =
            (begun.elapsed().as_micros() * u128::from(rate) / 1_000_000).min(u128::from(rate * seconds));
        while u128::from(told) < due {
            alone.append(vec![Event::ViewStale { age_seconds: now() }], vec![changed(told)]);
            told += 1;
        }
        tokio::time::sleep(LOT.min(Duration::from_secs(1) / u32::try_from(rate).unwrap_or(1).max(1))).await;
    }
}

fn changed(number: u64) -> Change {
    let tunnel = u32::try_from(number % TUNNELS).unwrap_or(0);
    let phase = if number / TUNNELS % 2 == 0 {
        Phase::Active
    } else {
        Phase::Peering
    };
    Change::Tunnel(Arc::new(TunnelReport {
        phase,
        repairs: number,
        ..report(tunnel)
    }))
}

/// Microseconds since 1970: the same clock in both processes.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as u64)
}

/// Clock ticks, of 10 ms, of this process: its own and the kernel's for it.
fn used() -> anyhow::Result<(u64, u64)> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let field = |place: usize| {
        fields
            .get(place)
            .and_then(|text| text.parse().ok())
            .context("no such field")
    };
    Ok((field(11)?, field(12)?))
}

async fn request(path: &str) -> anyhow::Result<UnixStream> {
    let mut stream = UnixStream::connect(path).await?;
    stream
        .write_all(b"GET /v3/events HTTP/1.0\r\nHost: d\r\n\r\n")
        .await?;
    Ok(stream)
}

/// What one reader saw.
struct Saw {
    events: u64,
    gaps: u64,
    out_of_order: u64,
    /// From append to here, in microseconds.
    late: Vec<u32>,
}

async fn read_all(path: &str, readers: u64, events: u64) -> anyhow::Result<()> {
    let (tell, mut told) = mpsc::unbounded_channel();
    for _ in 0..readers {
        let (stream, tell) = (request(path).await?, tell.clone());
        tokio::spawn(async move {
            let _nobody = tell.send(read(stream, events).await);
        });
    }
    drop(tell);
    let (mut late, mut lost, mut gaps, mut out_of_order) = (Vec::new(), 0, 0, 0);
    while let Some(saw) = told.recv().await {
        let saw = saw?;
        lost += events.saturating_sub(saw.events);
        (gaps, out_of_order) = (gaps + saw.gaps, out_of_order + saw.out_of_order);
        late.extend(saw.late);
    }
    ensure!(!late.is_empty(), "nothing came");
    late.sort_unstable();
    let at = |per_mille: usize| f64::from(late[(late.len() - 1) * per_mille / 1000]) / 1000.0;
    println!(
        "{readers} readers, {} frames: from append to reader p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, most {:.2} ms; lost {lost}, gaps {gaps}, out of order {out_of_order}",
        late.len(),
        at(500),
        at(990),
        at(999),
        at(1000)
    );
    Ok(())
}

async fn read(mut stream: UnixStream, events: u64) -> anyhow::Result<Saw> {
    let mut saw = Saw {
        events: 0,
        gaps: 0,
        out_of_order: 0,
        late: Vec::new(),
    };
    let (mut kept, mut octets, mut last) = (Vec::new(), vec![0; 64 * 1024], None);
    while saw.events < events {
        let read = stream.read(&mut octets).await?;
        ensure!(read > 0, "the stream ended after {} events", saw.events);
        let came = now();
        kept.extend_from_slice(&octets[..read]);
        let mut from = 0;
        while let Some(length) = memmem::find(&kept[from..], b"\n\n") {
            saw.take(&kept[from..from + length], came, &mut last);
            from += length + 2;
        }
        kept.drain(..from);
    }
    Ok(saw)
}

impl Saw {
    fn take(&mut self, frame: &[u8], came: u64, last: &mut Option<u64>) {
        if frame.starts_with(b"event: gap") {
            self.gaps += 1;
        }
        let Some(id) = number_after(frame, b"\nid: ", b'.') else {
            return;
        };
        if last.is_some_and(|last| id != last + 1) {
            self.out_of_order += 1;
        }
        *last = Some(id);
        if let Some(told) = number_after(frame, b"\"age_seconds\":", b':') {
            self.events += 1;
            self.late
                .push(u32::try_from(came.saturating_sub(told)).unwrap_or(u32::MAX));
        }
    }
}

/// The number at the end of what follows a word, behind the last of these octets.
fn number_after(frame: &[u8], word: &[u8], behind: u8) -> Option<u64> {
    let rest = &frame[memmem::find(frame, word)? + word.len() - 1..];
    let end = rest[1..]
        .iter()
        .position(|octet| !matches!(octet, b'0'..=b'9' | b'a'..=b'f' | b'.'))?
        + 1;
    let digits = rest[..end]
        .iter()
        .rposition(|octet| *octet == behind || !octet.is_ascii_hexdigit())?
        + 1;
    std::str::from_utf8(&rest[digits..end]).ok()?.parse().ok()
}

//! Measures what a sample of many tunnels costs on the simulated dataplane: reading the counters, counting, and the batch on disk; and the memory of
//! all accounts.
//!
//! `cargo run --release --example usage_at_scale -- 10000 50`: this many tunnels, this many samples.

#![allow(clippy::print_stdout)]

use std::{fs, net::Ipv4Addr, time::Duration};

use anyhow::{Context, ensure};
use warren_dataplane::{
    Dataplane, Scope,
    simulated::{FaultScript, Simulated},
};
use warren_metering::usage::{CounterReading, Payer, UsageBook};
use warren_state::{
    Action, Epoch, Incarnation, LinkAction, LinkName, LinkSpec, Monotonic, PlannedStep, Pubkey, StepOutcome,
    Traffic, TunnelId,
};
use warren_store::Store;

const EVERY: Duration = Duration::from_secs(5);
const BEGIN_MS: u64 = 1_760_000_000_000;
const MORE: Traffic = Traffic {
    rx_bytes: 1400,
    rx_packets: 1,
    tx_bytes: 60,
    tx_packets: 1,
};

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args()
        .skip(1)
        .filter_map(|word| word.parse::<u32>().ok());
    let (tunnels, samples) = (words.next().unwrap_or(10_000), words.next().unwrap_or(50));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(tunnels, samples))
}

async fn measure(tunnels: u32, samples: u32) -> anyhow::Result<()> {
    let simulated = Simulated::new(FaultScript::default());
    for number in 0..tunnels {
        make(&simulated, number)?;
    }
    let directory = std::env::temp_dir().join(format!("warren-usage-{}", std::process::id()));
    let (store, _opened) = Store::open(&directory)?;
    let before = resident()?;
    let mut book = UsageBook::default();
    book.begin(Epoch(1), BEGIN_MS);
    let mut spent = Vec::new();
    for sample in 0..samples {
        for number in 0..tunnels {
            simulated.carry(id(number), MORE);
        }
        let begun = processor()?;
        let readings = simulated.counters(Scope::All).await?;
        let at = Monotonic::from_elapsed(EVERY * (sample + 1));
        let look = CounterReading {
            begun: at,
            begun_ms: BEGIN_MS + u64::from(sample) * 5_000,
            ended: at,
            of: None,
            readings: &readings,
        };
        let gaps = book.take(&look, |tunnel| Payer {
            owner: Some(tunnel.0),
            device: Some(Pubkey([7; 32])),
        });
        ensure!(gaps.is_empty(), "{gaps:?}");
        write(&mut book, &store)?;
        let told = book.samples().len();
        ensure!(told == tunnels as usize, "{told} of {tunnels} are told");
        spent.push(processor()? - begun);
    }
    let after = resident()?;
    fs::remove_dir_all(&directory).with_context(|| directory.display().to_string())?;
    let (first, rest) = spent.split_first().context("no sample")?;
    let mut rest = rest.to_vec();
    rest.sort_unstable();
    println!(
        "{tunnels} tunnels: the first sample {first:.1?} of processor, then {:.1?} (median), {:.1?} (longest); accounts {:.1} MiB",
        rest.get(rest.len() / 2).copied().unwrap_or_default(),
        rest.last().copied().unwrap_or_default(),
        (after.saturating_sub(before)) as f64 / f64::from(1 << 20),
    );
    Ok(())
}

/// As the daemon does it.
fn write(book: &mut UsageBook, store: &Store) -> anyhow::Result<()> {
    let files = store.usage();
    let batch = if files.wants_everything() {
        let batch = book.everything(false);
        files.begin(&batch.lines)?;
        batch
    } else {
        let batch = book.changes(false);
        batch.lines.iter().try_for_each(|line| files.append(line))?;
        batch
    };
    book.written(batch.sequence);
    Ok(())
}

fn make(simulated: &Simulated, number: u32) -> anyhow::Result<()> {
    let spec = LinkSpec {
        name: LinkName::new(format!("t{number}"))?,
        local: Ipv4Addr::new(192, 0, 2, 1),
        remote: Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 0)) + number),
        ttl: 64,
        mtu: 1476,
    };
    let step = PlannedStep {
        tunnel: id(number),
        link: spec.name.clone(),
        action: Action::Link(LinkAction::Create {
            spec,
            incarnation: Incarnation(1),
        }),
    };
    let outcome = simulated.meddle(None, |model| model.apply(&step));
    ensure!(matches!(outcome, StepOutcome::Done), "{outcome:?}");
    Ok(())
}

fn id(number: u32) -> TunnelId {
    let mut bytes = [1; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    TunnelId(Pubkey(bytes))
}

/// Of this thread, which does all of it.
fn processor() -> anyhow::Result<Duration> {
    let text = fs::read_to_string("/proc/self/schedstat")?;
    let spent = text.split_whitespace().next().context("no first number")?;
    Ok(Duration::from_nanos(spent.parse()?))
}

fn resident() -> anyhow::Result<u64> {
    let pages: u64 = fs::read_to_string("/proc/self/statm")?
        .split_whitespace()
        .nth(1)
        .context("no second number")?
        .parse()?;
    Ok(pages * 4096)
}

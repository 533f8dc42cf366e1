//! How many entries a second a recorder makes of a journal, encodes, and brings onto the disk: `recorder [DIRECTORY] [ENTRIES]`.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a tool of ours"
)]

use std::{path::PathBuf, time::Instant};

use warren_actors::recorders::{Batch, FileSettings, Output, Sync};
use warren_metering::recorder::{Projection, Rotation};
use warren_state::{
    Epoch, Incarnation, NodeId, Pubkey, Sequence, TunnelId,
    event::{Event, UsageSample},
    journal::JournalEntry,
};

/// Samples in an entry of the journal, and entries of the journal in a batch: about what a page of it has.
const SAMPLES: u64 = 64;
const PAGE: u64 = 16;

fn main() {
    let mut words = std::env::args().skip(1);
    let directory: PathBuf = words.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let wanted: u64 = words
        .next()
        .map_or(1_000_000, |word| word.parse().expect("a number"));
    let path = directory.join(format!("recorder-{}.jsonl", std::process::id()));
    let settings = FileSettings {
        path: path.clone(),
        makes_directory: false,
        rotation: Some(Rotation {
            max_bytes: 64 << 20,
            keep: 1,
        }),
        sync: Sync::Always,
    };
    let mut output = Output::File(settings).open("file").unwrap();
    let (mut projection, mut recorded, mut sequence) = (Projection::new(NodeId(7)), 0, 0);
    let began = Instant::now();
    while recorded < wanted {
        let page: Vec<JournalEntry> = (0..PAGE).map(|n| entry(sequence + n + 1)).collect();
        sequence += PAGE;
        let next = page.last().unwrap().place().of(NodeId(7));
        let batch = Batch::new(
            page.iter().flat_map(|entry| projection.take(entry)).collect(),
            next,
            0,
        );
        output.record(&batch).unwrap();
        recorded += SAMPLES * PAGE;
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{recorded} entries in {seconds:.2} s: {:.0} a second",
        recorded as f64 / seconds
    );
    for suffix in ["", ".1"] {
        let _none = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
}

/// The n-th: another 64 of some thousand tunnels.
fn entry(number: u64) -> JournalEntry {
    let sample = |n: u64| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&((number * SAMPLES + n) % 10_000).to_be_bytes());
        UsageSample {
            tunnel: TunnelId(Pubkey(key)),
            owner: Some(Pubkey([9; 32])),
            incarnation: Incarnation(4_294_967_298),
            rx_bytes: number * 1_001,
            tx_bytes: number * 17,
            rx_packets: number * 3,
            tx_packets: number,
            gap_seconds: 0,
            last: false,
        }
    };
    JournalEntry {
        epoch: Epoch(1),
        sequence: Sequence(number),
        unix_ms: 1_760_464_000_000 + number,
        event: Event::UsageSampled {
            samples: (0..SAMPLES).map(sample).collect(),
        },
    }
}

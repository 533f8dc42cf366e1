//! A journal with the lives of a few tunnels, and what is to be recorded of it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use warren_actors::recorders::{FileSettings, Output, Pipeline, RunReport, Sync};
use warren_metering::recorder::{Entry, Projection, Report, Rotation, Verifier};
use warren_state::{
    Epoch, Incarnation, LinkName, Monotonic, NodeId, Phase, Pubkey, Sequence, TunnelId,
    event::{Event, UsageSample},
    journal::{JournalEntry, LocalPosition},
    lifecycle::{PhaseReason, RetireReason},
};
use warren_store::journal::{Journal, Limits, ReadLimit};

pub const NODE: NodeId = NodeId(7);

pub struct Source {
    pub directory: PathBuf,
    pub journal: Arc<Journal>,
    now: Monotonic,
}

impl Source {
    pub fn open(directory: &Path) -> Self {
        let (journal, _) = Journal::open(directory, NODE, Limits::default());
        Self {
            directory: directory.to_owned(),
            journal: Arc::new(journal),
            now: Monotonic::ZERO,
        }
    }

    /// Appends the next entries, some of which are recorded.
    pub fn append(&self, count: u64) {
        let first = self.journal.last().sequence.0 + 1;
        let entries: Vec<_> = (first..first + count)
            .map(|number| (None, entry(number)))
            .collect();
        self.journal.append(&entries, first).unwrap();
    }

    pub fn pipeline(&self, name: &str, output: Output) -> Pipeline {
        let directory = self.directory.join("metering");
        Pipeline::new(name, output, &directory, self.journal.clone(), NODE, 1)
    }

    /// Has the recorder come to the end of the journal; what it cannot write is tried again, this many times.
    pub fn run(&mut self, pipeline: &mut Pipeline, tries: usize) -> Vec<RunReport> {
        let mut turns = Vec::new();
        for _ in 0..tries {
            let turn = pipeline.turn(self.now, 1_760_464_781_000);
            let is_done = turn.retry.is_none() && !turn.more;
            if let Some(at) = turn.retry {
                self.now = at.max(self.now + Duration::from_millis(1));
            }
            turns.push(turn);
            if is_done {
                return turns;
            }
        }
        panic!("it does not come to the end: {:?}", turns.last());
    }

    pub fn ledger(&self) -> PathBuf {
        self.directory.join("metering").join("ledger.jsonl")
    }

    pub fn file(&self, rotation: Option<Rotation>) -> Output {
        Output::File(FileSettings {
            path: self.ledger(),
            makes_directory: true,
            rotation,
            sync: Sync::Always,
        })
    }

    /// What is to be recorded of all of the journal.
    pub fn expected(&self) -> Vec<Entry> {
        let (mut projection, mut made, mut position) = (
            Projection::new(NODE),
            Vec::new(),
            LocalPosition::default().of(NODE),
        );
        loop {
            let page = self.journal.read(position, ReadLimit::default()).unwrap();
            made.extend(page.entries.iter().flat_map(|entry| projection.take(entry)));
            if !page.more {
                return made;
            }
            position = page.next;
        }
    }

    /// Everything that is to be recorded is in the ledger, and nothing is wrong there.
    pub fn check(&self) -> Result<Report, String> {
        let report = verify(&self.ledger());
        let expected = self.expected();
        if !report.is_proven() {
            return Err(format!("{:?}", report.problems));
        }
        if report.after.is_some() || report.entries != expected.len() as u64 {
            return Err(format!("{} entries of {}", report.entries, expected.len()));
        }
        let whole = proven(&expected);
        if report.subjects != whole.subjects || report.pairs != whole.pairs || report.open != whole.open {
            return Err(format!("{report:?} where {whole:?} is expected"));
        }
        Ok(report)
    }
}

/// The file and those put aside, the oldest first.
pub fn verify(ledger: &Path) -> Report {
    let mut verifier = Verifier::default();
    let numbered = |number: u32| PathBuf::from(format!("{}.{number}", ledger.display()));
    let aside: Vec<PathBuf> = (1..1_500).map(numbered).filter(|path| path.exists()).collect();
    for path in aside.iter().rev().chain([&ledger.to_owned()]) {
        let text = fs::read(path).unwrap_or_default();
        text.split_inclusive(|byte| *byte == b'\n')
            .for_each(|line| verifier.line(line));
    }
    verifier.finish()
}

fn proven(entries: &[Entry]) -> Report {
    let (mut verifier, mut text) = (Verifier::default(), Vec::new());
    entries
        .iter()
        .for_each(|entry| warren_metering::recorder::encode(entry, &mut text));
    text.split_inclusive(|byte| *byte == b'\n')
        .for_each(|line| verifier.line(line));
    verifier.finish()
}

pub fn tunnel(number: u64) -> TunnelId {
    TunnelId(Pubkey([u8::try_from(number % 5).unwrap() + 1; 32]))
}

/// The n-th entry: tunnels that start, are sampled and stop.
fn entry(number: u64) -> Arc<JournalEntry> {
    let life = number / 10;
    let phase = |to, reason| Event::PhaseChanged {
        tunnel: tunnel(life),
        link: LinkName::new("doublezero1").unwrap(),
        incarnation: Incarnation(life + 1),
        from: Phase::Pending,
        to,
        reason,
    };
    let event = match number % 10 {
        0 => phase(Phase::Active, None),
        8 => Event::Switched { enabled: true },
        9 => phase(
            Phase::Draining,
            Some(PhaseReason::Retired(RetireReason::Disabled)),
        ),
        _ => Event::UsageSampled {
            samples: [life, life + 1].map(|of| sample(of, number)).to_vec(),
        },
    };
    Arc::new(JournalEntry {
        epoch: Epoch(1),
        sequence: Sequence(number),
        unix_ms: 1_760_464_000_000 + number * 1_000,
        event,
    })
}

fn sample(of: u64, number: u64) -> UsageSample {
    UsageSample {
        tunnel: tunnel(of),
        owner: (of % 2 == 0).then_some(Pubkey([9; 32])),
        incarnation: Incarnation(of + 1),
        rx_bytes: number * 1_001,
        tx_bytes: number * 17,
        rx_packets: number * 3,
        tx_packets: number,
        gap_seconds: 0,
        last: number % 10 == 7,
    }
}

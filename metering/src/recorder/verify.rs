//! What a ledger of entries proves: that each is there once, that nothing is missing between them, that starts and stops are
//! pairs, and what was used.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use warren_state::{NodeId, Pubkey, TunnelId};

use super::{
    cloud_events::subject,
    entry::{Entry, EntryContent, EntryId, Usage, decode},
};

mod intervals;

/// Entries that come this late still come in their order: where somebody cuts a file that is written, what may be missing in the copy
/// is written again behind what was written since.
const WINDOW: usize = 1 << 14;
/// Of each sort of problem this many are named; all are counted.
const NAMED: usize = 20;

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Report {
    /// Lines that were read.
    pub lines: u64,
    /// Entries, each counted once.
    pub entries: u64,
    /// How many there are of each kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Entries that are there again, as they were: at least once is the promise.
    pub duplicates: u64,
    /// Lines that are no entry.
    pub damaged: u64,
    /// How many of these are told to be by the line behind them.
    pub repaired: u64,
    /// The entry before the first one here; none where that is the first of all.
    pub after: Option<EntryId>,
    /// Where entries are missing.
    pub gaps: Vec<Gap>,
    /// Intervals with both ends here.
    pub pairs: u64,
    /// Stops of what began before the first entry.
    pub begun_before: u64,
    /// Tunnels that were started and not stopped.
    pub open: BTreeSet<TunnelId>,
    /// What is wrong, in words; the first of each sort.
    pub problems: Vec<String>,
    /// How much is wrong.
    pub problem_count: u64,
    /// What went through each tunnel in the time that the entries are of.
    pub tunnels: BTreeMap<TunnelId, Totals>,
    /// The same by who pays for it; under the tunnel where nobody is known to.
    pub subjects: BTreeMap<String, Usage>,
}

/// Entries that are missing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Gap {
    /// The last entry before.
    pub after: Option<EntryId>,
    /// The first one behind.
    pub before: EntryId,
    /// Whether the recorder said that they are lost.
    pub declared: bool,
}

/// What went through a tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Totals {
    /// The key that pays.
    pub owner: Option<Pubkey>,
    /// The sum of what went through between samples.
    pub used: Usage,
    /// What the last sample says went through ever.
    pub total: Usage,
    /// For how long nobody counted.
    pub gap_seconds: u64,
}

/// What another end says was used, and what the ledger does.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Difference {
    /// Of whom.
    pub subject: String,
    /// What is in the ledger.
    pub here: u64,
    /// What the other end has.
    pub there: u64,
}

/// Reads a ledger, line by line, the oldest file first.
#[derive(Debug, Default)]
pub struct Verifier {
    report: Report,
    /// What was seen of each installation.
    chains: BTreeMap<NodeId, Chain>,
    /// A checksum of each entry.
    seen: BTreeMap<EntryId, u32>,
    /// Entries that earlier ones may still come after.
    waiting: BTreeMap<EntryId, Entry>,
    /// Times that somebody cut the file: its copy may end within a line.
    cuts: u64,
    open: BTreeMap<TunnelId, EntryId>,
    held: BTreeMap<TunnelId, EntryId>,
    sampled: BTreeMap<TunnelId, (EntryId, Usage)>,
    was_damaged: bool,
    counts: BTreeMap<&'static str, usize>,
}

#[derive(Debug)]
struct Chain {
    first: EntryId,
    last: EntryId,
}

impl Verifier {
    /// Takes the next line, with or without its end.
    pub fn line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        self.report.lines += 1;
        let Ok(entry) = decode(line) else {
            self.report.damaged += 1;
            self.was_damaged = true;
            return;
        };
        let was_damaged = std::mem::take(&mut self.was_damaged);
        match (entry.id, &entry.what) {
            (Some(id), _) => self.arrived(id, entry, checksum(line)),
            (None, EntryContent::Repair { torn_bytes }) => {
                self.count(&entry);
                self.cuts += u64::from(*torn_bytes == 0);
                self.report.repaired += u64::from(was_damaged && *torn_bytes > 0);
            }
            (None, _) => self.problem("without id", format!("{} without an id", entry.what.kind())),
        }
    }

    /// What the ledger proves.
    #[must_use]
    pub fn finish(mut self) -> Report {
        while let Some((id, entry)) = self.waiting.pop_first() {
            self.entry(id, &entry);
        }
        for gap in self.report.gaps.clone() {
            let after = gap
                .after
                .map_or_else(|| "the beginning".to_owned(), |id| id.to_string());
            let why = if gap.declared {
                "the journal lost them"
            } else {
                "nothing says why"
            };
            self.problem(
                "gap",
                format!("entries between {after} and {} are missing: {why}", gap.before),
            );
        }
        let untold = self.report.damaged - self.report.repaired;
        self.report.repaired += untold.min(self.cuts);
        if untold > self.cuts {
            let damaged = untold - self.cuts;
            self.problem(
                "damage",
                format!("{damaged} lines are not entries, and nothing says why"),
            );
        }
        self.report.open = self.open.into_keys().collect();
        self.report
    }

    /// What is there again must be as it was; what is new waits for what may come before it.
    fn arrived(&mut self, id: EntryId, entry: Entry, sum: u32) {
        if let Some(before) = self.seen.insert(id, sum) {
            self.report.duplicates += 1;
            if before != sum {
                self.problem("changed", format!("{id} occurs twice, with different content"));
            }
            return;
        }
        self.waiting.insert(id, entry);
        if self.waiting.len() > WINDOW
            && let Some((id, entry)) = self.waiting.pop_first()
        {
            self.entry(id, &entry);
        }
    }

    fn entry(&mut self, id: EntryId, entry: &Entry) {
        let Some(chain) = self.chains.get_mut(&id.node) else {
            self.report.after = self.report.after.or(entry.previous);
            self.chains.insert(id.node, Chain { first: id, last: id });
            return self.take(id, entry, None);
        };
        let last = chain.last;
        if id < last {
            return self.problem("order", format!("{id} comes after {last}"));
        }
        chain.last = id;
        self.take(id, entry, Some(last));
    }

    /// Takes an entry that is there for the first time.
    fn take(&mut self, id: EntryId, entry: &Entry, last: Option<EntryId>) {
        self.count(entry);
        self.report.entries += 1;
        let declared = matches!(entry.what, EntryContent::Gap { .. });
        if declared || last.is_some_and(|last| entry.previous != Some(last)) {
            self.report.gaps.push(Gap {
                after: last,
                before: id,
                declared,
            });
        }
        self.interval(id, &entry.what);
        self.sample(id, &entry.what);
    }

    fn sample(&mut self, id: EntryId, what: &EntryContent) {
        let EntryContent::UsageSample {
            tunnel,
            owner,
            delta,
            total,
            from,
            gap_seconds,
            ..
        } = what
        else {
            return;
        };
        if let Some((before, sum)) = self.sampled.insert(*tunnel, (id, *total)) {
            let expected = if total.is_at_least(&sum) {
                *total - sum
            } else {
                *total
            };
            if *from == Some(before) && *delta != Some(expected) {
                self.problem("sum", format!("{id} is not {before} plus its difference"));
            }
        }
        let used = delta.unwrap_or_default();
        let totals = self.report.tunnels.entry(*tunnel).or_default();
        totals.owner = owner.or(totals.owner);
        totals.used = totals.used.plus(used);
        totals.total = *total;
        totals.gap_seconds = totals.gap_seconds.saturating_add(*gap_seconds);
        if let Some(subject) = subject(what) {
            let sum = self.report.subjects.entry(subject).or_default();
            *sum = sum.plus(used);
        }
    }

    fn count(&mut self, entry: &Entry) {
        *self.report.kinds.entry(entry.what.kind()).or_default() += 1;
    }

    fn problem(&mut self, sort: &'static str, text: String) {
        self.report.problem_count += 1;
        let named = self.counts.entry(sort).or_default();
        *named += 1;
        if *named <= NAMED {
            self.report.problems.push(text);
        }
    }
}

impl Report {
    /// Whether nothing is wrong: what is there twice is not.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.problem_count == 0
    }
}

/// Where what another end says of each subject differs from the ledger, by one figure of it.
#[must_use]
pub fn compare(report: &Report, figure: fn(&Usage) -> u64, there: &BTreeMap<String, u64>) -> Vec<Difference> {
    let subjects: BTreeSet<&String> = report.subjects.keys().chain(there.keys()).collect();
    let difference = |subject: &String| Difference {
        subject: subject.clone(),
        here: report.subjects.get(subject).map_or(0, figure),
        there: there.get(subject).copied().unwrap_or(0),
    };
    let differences = subjects.into_iter().map(difference);
    differences.filter(|both| both.here != both.there).collect()
}

/// FNV-1a, folded: it tells accidents, not attacks.
fn checksum(line: &[u8]) -> u32 {
    line.iter().fold(0x811c_9dc5, |sum: u32, byte| {
        (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests;

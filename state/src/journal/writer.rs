//! When entries are written: group commit, and what becomes of them while the disk refuses.

use std::{collections::VecDeque, mem, sync::Arc, time::Duration};

use super::{JournalEntry, LocalPosition};
use crate::{Deadline, Epoch, Monotonic, event::Event};

/// The writer's numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WriterSettings {
    /// From an entry to the write that takes it and all that came meanwhile.
    pub window: Duration,
    /// From a failure to the next try; twice as long after each further one.
    pub retry: Duration,
    /// And never longer than this.
    pub longest_retry: Duration,
    /// From one mark of being alive to the next.
    pub mark: Duration,
    /// What waits for the disk takes this much memory at most, about. The oldest goes then, and the journal says so.
    pub bytes: usize,
}

impl Default for WriterSettings {
    fn default() -> Self {
        Self {
            window: Duration::from_millis(20),
            retry: Duration::from_millis(250),
            longest_retry: Duration::from_secs(10),
            mark: Duration::from_secs(10),
            bytes: 8 << 20,
        }
    }
}

/// Entries that were to be in the journal and are not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Lost {
    /// The last one before them that is.
    pub after: LocalPosition,
    /// The last one of them.
    pub to: LocalPosition,
    /// How many; 0 where nobody knows.
    pub entries: u64,
}

/// What the shell is to do; only `Tell` is done at once. The outcome of each other one is told by [`JournalWriter::done`], and
/// there is one at a time.
#[derive(Clone, PartialEq, Debug)]
pub enum WriterEffect {
    /// Bring these onto the disk, all of them: before each what is missing there.
    Write(Vec<(Option<Lost>, Arc<JournalEntry>)>),
    /// Leave a mark on the disk that the daemon is alive.
    Mark,
    /// Append this to the table. It comes back as an entry.
    Tell(Event),
}

/// Decides when what is written.
#[derive(Debug)]
pub struct JournalWriter {
    settings: WriterSettings,
    waiting: VecDeque<(Option<Lost>, Arc<JournalEntry>)>,
    bytes: usize,
    /// What the disk has been given, and has not said anything of yet.
    flight: Vec<(Option<Lost>, Arc<JournalEntry>)>,
    is_writing: bool,
    /// Whether anything of this start is on disk. Before that the mark of the one before must stay.
    has_begun: bool,
    /// The last entry that is on disk.
    on_disk: LocalPosition,
    write_at: Option<Monotonic>,
    mark_at: Option<Monotonic>,
    failures: u32,
    problem: Option<String>,
    /// Given up since the disk began to refuse.
    given_up: u64,
}

impl JournalWriter {
    /// `epoch`: this start. `on_disk`: the last entry that is. `problem`: why nothing can be written, as far as that was told
    /// already.
    #[must_use]
    pub fn new(
        settings: WriterSettings,
        epoch: Epoch,
        on_disk: LocalPosition,
        problem: Option<String>,
    ) -> Self {
        Self {
            has_begun: on_disk.epoch == epoch,
            settings,
            waiting: VecDeque::new(),
            bytes: 0,
            flight: Vec::new(),
            is_writing: false,
            on_disk,
            write_at: None,
            mark_at: None,
            failures: 0,
            problem,
            given_up: 0,
        }
    }

    /// An entry that is to be kept, in the order of their positions. `lost`: what is missing before it.
    pub fn take(&mut self, now: Monotonic, lost: Option<Lost>, entry: Arc<JournalEntry>) {
        self.bytes += entry.weight();
        self.waiting.push_back((lost, entry));
        self.write_at.get_or_insert(now + self.settings.window);
        self.give_up();
    }

    /// What waits is not to wait any longer.
    pub fn hurry(&mut self, now: Monotonic) {
        if !self.waiting.is_empty() {
            self.write_at = Some(now);
        }
    }

    /// Whether nothing waits for the disk.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.is_writing
    }

    /// Why the disk refuses.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// When to [`go on`](Self::go_on) at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let deadline = |at: Option<Monotonic>, name| at.map(|at| Deadline { at, name });
        let deadlines = [deadline(self.write_at, "write"), deadline(self.mark_at, "mark")];
        let next = deadlines.into_iter().flatten().min_by_key(|deadline| deadline.at);
        next.filter(|_| !self.is_writing)
    }

    /// What is due now.
    pub fn go_on(&mut self, now: Monotonic) -> Option<WriterEffect> {
        let is_due = |at: Option<Monotonic>| at.is_some_and(|at| at <= now);
        if self.is_writing {
            return None;
        }
        if is_due(self.write_at) && !self.waiting.is_empty() {
            (self.write_at, self.is_writing) = (None, true);
            self.flight = self.waiting.drain(..).collect();
            return Some(WriterEffect::Write(self.flight.clone()));
        }
        if is_due(self.mark_at) {
            (self.mark_at, self.is_writing) = (None, true);
            return Some(WriterEffect::Mark);
        }
        None
    }

    /// What came of the last effect.
    pub fn done(&mut self, now: Monotonic, outcome: Result<(), String>) -> Option<WriterEffect> {
        self.is_writing = false;
        let flight = mem::take(&mut self.flight);
        let told = match outcome {
            Ok(()) => {
                self.bytes -= flight.iter().map(|(_, entry)| entry.weight()).sum::<usize>();
                self.on_disk = flight.last().map_or(self.on_disk, |(_, entry)| entry.place());
                (self.failures, self.has_begun) = (0, true);
                self.mark_at = Some(now + self.settings.mark);
                let lost = mem::take(&mut self.given_up);
                self.problem.take().map(|_| Event::JournalMended { lost })
            }
            Err(detail) => {
                // It is still in front of what came meanwhile.
                flight
                    .into_iter()
                    .rev()
                    .for_each(|one| self.waiting.push_front(one));
                self.mark_at = self.has_begun.then_some(now + self.settings.mark);
                self.failures += 1;
                let is_news = self.problem.as_ref() != Some(&detail);
                self.problem = Some(detail.clone());
                is_news.then_some(Event::JournalImpaired { detail })
            }
        };
        let wait = if self.failures == 0 {
            Duration::ZERO
        } else {
            self.pause()
        };
        self.write_at = (!self.waiting.is_empty()).then_some(now + wait);
        self.give_up();
        told.map(WriterEffect::Tell)
    }

    fn pause(&self) -> Duration {
        let doubled = self
            .settings
            .retry
            .saturating_mul(1 << (self.failures - 1).min(16));
        doubled.min(self.settings.longest_retry)
    }

    /// Lets go of the oldest that waits while there is too much of it.
    fn give_up(&mut self) {
        let before = self
            .flight
            .last()
            .map_or(self.on_disk, |(_, entry)| entry.place());
        while self.bytes > self.settings.bytes && self.waiting.len() > 1 {
            let Some((lost, entry)) = self.waiting.pop_front() else {
                return;
            };
            self.bytes -= entry.weight();
            self.given_up += 1;
            let sum = Lost {
                after: lost.map_or(before, |lost| lost.after),
                to: entry.place(),
                entries: lost.map_or(0, |lost| lost.entries) + 1,
            };
            if let Some((next, _)) = self.waiting.front_mut() {
                *next = Some(next.map_or(sum, |lost| Lost {
                    after: sum.after,
                    to: lost.to,
                    entries: lost.entries + sum.entries,
                }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sequence;

    fn entry(sequence: u64) -> Arc<JournalEntry> {
        Arc::new(JournalEntry {
            epoch: Epoch(1),
            sequence: Sequence(sequence),
            unix_ms: sequence,
            event: Event::StoreMended,
        })
    }

    fn at(milliseconds: u64) -> Monotonic {
        Monotonic::ZERO + Duration::from_millis(milliseconds)
    }

    fn writer() -> JournalWriter {
        JournalWriter::new(
            WriterSettings::default(),
            Epoch(1),
            LocalPosition::default(),
            None,
        )
    }

    fn written(effect: Option<WriterEffect>) -> Vec<u64> {
        match effect {
            Some(WriterEffect::Write(entries)) => entries.iter().map(|(_, entry)| entry.sequence.0).collect(),
            Some(WriterEffect::Mark | WriterEffect::Tell(_)) | None => vec![],
        }
    }

    #[test]
    fn what_comes_within_the_window_is_one_write_and_what_comes_meanwhile_the_next() {
        let mut writer = writer();
        writer.take(at(0), None, entry(1));
        writer.take(at(10), None, entry(2));
        assert_eq!(writer.go_on(at(19)), None);
        assert_eq!(writer.poll_timeout().map(|due| due.at), Some(at(20)));
        assert_eq!(written(writer.go_on(at(20))), [1, 2]);
        writer.take(at(25), None, entry(3));
        assert_eq!(
            (writer.poll_timeout(), writer.go_on(at(90))),
            (None, None),
            "one at a time"
        );
        assert_eq!(writer.done(at(90), Ok(())), None);
        assert_eq!(written(writer.go_on(at(90))), [3], "it has waited long enough");
        assert_eq!(writer.done(at(95), Ok(())), None);
        assert!(writer.is_idle());
        assert_eq!(writer.go_on(at(10_095)), Some(WriterEffect::Mark));
    }

    #[test]
    fn no_mark_is_left_before_the_first_entries_are_on_disk() {
        let mut writer = writer();
        assert_eq!(writer.go_on(at(60_000)), None);
        writer.take(at(60_000), None, entry(1));
        writer.hurry(at(60_000));
        assert_eq!(written(writer.go_on(at(60_000))), [1]);
        assert!(writer.done(at(60_010), Err("full".to_owned())).is_some());
        assert_eq!(writer.poll_timeout().map(|due| due.name), Some("write"));
        assert_eq!(written(writer.go_on(at(70_000))), [1]);
        assert!(writer.done(at(70_000), Ok(())).is_some());
        assert_eq!(writer.poll_timeout().map(|due| due.name), Some("mark"));
    }

    #[test]
    fn a_disk_that_refuses_costs_nothing_within_the_bound_and_is_told_once_each_way() {
        let mut writer = writer();
        writer.take(at(0), None, entry(1));
        assert_eq!(written(writer.go_on(at(20))), [1]);
        writer.take(at(21), None, entry(2));
        let full = || Err("no space left on device".to_owned());
        let detail = "no space left on device".to_owned();
        assert_eq!(
            writer.done(at(30), full()),
            Some(WriterEffect::Tell(Event::JournalImpaired { detail }))
        );
        assert_eq!(writer.go_on(at(279)), None, "not at once");
        assert_eq!(written(writer.go_on(at(280))), [1, 2]);
        assert_eq!(writer.done(at(290), full()), None, "told once");
        assert_eq!(
            writer.poll_timeout().map(|due| due.at),
            Some(at(790)),
            "after a longer while"
        );
        assert_eq!(written(writer.go_on(at(790))), [1, 2]);
        let mended = WriterEffect::Tell(Event::JournalMended { lost: 0 });
        assert_eq!(writer.done(at(800), Ok(())), Some(mended));
        assert_eq!((writer.problem(), writer.is_idle()), (None, true));
    }

    #[test]
    fn past_the_bound_the_oldest_go_and_their_place_says_so() {
        let weight = entry(1).weight();
        let settings = WriterSettings {
            bytes: 3 * weight,
            ..WriterSettings::default()
        };
        let mut writer = JournalWriter::new(settings, Epoch(1), LocalPosition::default(), None);
        writer.take(at(0), None, entry(1));
        writer.take(at(0), None, entry(2));
        assert_eq!(written(writer.go_on(at(20))), [1, 2]);
        (3..=5).for_each(|number| writer.take(at(21), None, entry(number)));
        assert!(writer.done(at(30), Err("full".to_owned())).is_some());
        writer.take(at(40), None, entry(6));
        let Some(WriterEffect::Write(all)) = writer.go_on(at(1_000)) else {
            panic!("nothing is written")
        };
        let place = |sequence| entry(sequence).place();
        let lost = |after, to, entries| Some(Lost { after, to, entries });
        assert_eq!(all.len(), 3);
        assert_eq!(
            (all[0].1.place(), all[0].0),
            (place(2), lost(LocalPosition::default(), place(1), 1))
        );
        assert_eq!(
            (all[1].1.place(), all[1].0),
            (place(5), lost(place(2), place(4), 2))
        );
        assert_eq!((all[2].1.place(), all[2].0), (place(6), None));
        let mended = WriterEffect::Tell(Event::JournalMended { lost: 3 });
        assert_eq!(writer.done(at(1_010), Ok(())), Some(mended));
    }
}

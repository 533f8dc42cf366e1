//! Where one reader is, and what it is given next.
//!
//! ```text
//! Begin ──no position──► State ──given──► Live ──frames are gone──► State (with a gap)
//!   ├──in the ring──► Live (resumed)        └──the feed ended──► Over (shutdown)
//!   └──older──► History ──all of it──► State       (or had all that there was: end)
//!                  └──not known, or too much──► State (with a reset)
//! ```

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    Filter, Frame, Ring, Start, Text,
    frame::{end, event_frame, gap_frame, reset, resumed, shutdown},
};
use crate::{Monotonic, Position, Sequence, TunnelId, journal::JournalEntry};

/// A reader that was given nothing for this long is given a heartbeat.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// What a reader is given at once, and so what waits for one reader alone, at most; a single frame may be larger.
const BATCH: usize = 64 * 1024;
/// What is replayed for one reader at most: beyond that the state says more in less.
const REPLAY: usize = 4 << 20;

/// One reader of one ring.
#[derive(Clone, Debug)]
pub struct Reader {
    filter: Filter,
    /// Of one tunnel only the newest frame counts, and frames that are gone are made good by the state.
    latest_wins: bool,
    /// It wants no more than there is.
    ends: bool,
    stage: Stage,
    /// What is said before the state, where it is not asked for in the first place.
    why: Option<Why>,
    given_at: Monotonic,
    /// Everything up to here was given, or is not wanted.
    at: Sequence,
    /// What came of it so far.
    pub kept: Kept,
}

/// What became of a reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Kept {
    /// Frames given.
    pub frames: u64,
    /// What they took.
    pub bytes: u64,
    /// Times it was too slow.
    pub gaps: u64,
    /// Frames that were left out then.
    pub dropped: u64,
    /// Times that what came after its position was not known.
    pub resets: u64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Stage {
    Begin(Option<Position>),
    History {
        after: Position,
        bytes: usize,
        is_resumed: bool,
    },
    State,
    Live(u64),
    Over,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Why {
    Gap { from: Position, number: u64 },
    Reset { asked: Position, reason: String },
}

/// Entries of the history, each with its position, and whether they are all up to the state at hand.
pub type Page = (Vec<(Position, Arc<JournalEntry>)>, bool);

/// What a reader is given next.
#[derive(Clone, PartialEq, Debug)]
pub enum Next {
    /// This, as it is.
    Text(Text),
    /// These frames.
    Frames(Vec<Arc<Frame>>),
    /// The state, at any position whose later frames are all in the ring: then [`Reader::given`].
    State,
    /// What happened after this position, up to that of a state that is at hand: page by page with [`Reader::replay`].
    History(Position),
    /// A heartbeat, after the frame at this position.
    Heartbeat(Sequence),
    /// Nothing before this point in time, unless the ring has more.
    Wait(Monotonic),
    /// Nothing any more.
    Over,
}

impl Reader {
    /// One that was at this position before, or is new.
    #[must_use]
    pub fn new(filter: Filter, since: Option<Position>, now: Monotonic) -> Self {
        Self {
            filter,
            latest_wins: false,
            ends: false,
            stage: Stage::Begin(since),
            why: None,
            given_at: now,
            at: Sequence(0),
            kept: Kept::default(),
        }
    }

    /// One to whom of each tunnel only the newest frame counts.
    #[must_use]
    pub fn of_the_latest(now: Monotonic) -> Self {
        Self {
            latest_wins: true,
            ..Self::new(Filter::default(), None, now)
        }
    }

    /// The same, over once it has all that there is.
    #[must_use]
    pub fn up_to_now(self) -> Self {
        Self { ends: true, ..self }
    }

    /// One that asked for what comes after something that is no position of a whole step.
    #[must_use]
    pub fn after_a_part(filter: Filter, asked: Position, now: Monotonic) -> Self {
        let mut reader = Self::new(filter, None, now);
        reader.reset(asked, "it is in the middle of a step");
        reader
    }

    /// What it wants.
    #[must_use]
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The last position up to which everything was given.
    #[must_use]
    pub fn at(&self) -> Sequence {
        self.at
    }

    /// How many frames lie before it.
    #[must_use]
    pub fn behind(&self, ring: &Ring) -> u64 {
        match self.stage {
            Stage::Live(number) => ring.next().saturating_sub(number),
            Stage::Begin(_) | Stage::History { .. } | Stage::State | Stage::Over => 0,
        }
    }

    /// What it is given next. `at` is where the feed is; `over`: why it ended, once it did.
    pub fn next(
        &mut self,
        ring: &Ring,
        start: Start,
        at: Sequence,
        now: Monotonic,
        over: Option<&str>,
    ) -> Next {
        match self.stage.clone() {
            Stage::Begin(None) | Stage::State => {
                self.stage = Stage::State;
                Next::State
            }
            Stage::Begin(Some(since)) => self.begin(since, ring, start, at, now),
            Stage::History { after, .. } => Next::History(after),
            Stage::Live(number) if ring.has_forgotten(number) => {
                self.fell_behind(start, number);
                Next::State
            }
            Stage::Live(number) if number < ring.next() => self.frames(ring, number, now),
            Stage::Live(_) => {
                self.at = self.at.max(at);
                match over {
                    Some(reason) => {
                        self.stage = Stage::Over;
                        Next::Text(shutdown(start.position(self.at), reason))
                    }
                    None if self.ends => {
                        self.stage = Stage::Over;
                        Next::Text(end(start.position(self.at)))
                    }
                    None if now.since(self.given_at) >= HEARTBEAT => {
                        self.given_at = now;
                        Next::Heartbeat(ring.last())
                    }
                    None => Next::Wait(self.given_at + HEARTBEAT),
                }
            }
            Stage::Over => Next::Over,
        }
    }

    /// The state at this position is on its way to the reader; gives what is said before it.
    pub fn given(&mut self, state: Sequence, ring: &Ring, start: Start, now: Monotonic) -> Option<Text> {
        let number = ring.number_after(state);
        let why = self.why.take().map(|why| match why {
            Why::Gap { from, number: lost } => {
                let dropped = number.unwrap_or(ring.next()).saturating_sub(lost).max(1);
                self.kept.dropped += dropped;
                gap_frame(from, start.position(state), dropped)
            }
            Why::Reset { asked, reason } => reset(asked, &reason),
        });
        self.at = state;
        self.given_at = now;
        // Where the ring has gone on meanwhile, the next frame that it gave up is missed at once.
        self.stage = Stage::Live(number.unwrap_or(0));
        why
    }

    /// What happened next after the position that was asked for, in order, each with its position; `is_all`: nothing more up to
    /// the state at hand. An error says why that is not known.
    pub fn replay(&mut self, page: Result<Page, String>) -> Vec<Text> {
        let Stage::History {
            after,
            bytes,
            is_resumed,
        } = self.stage.clone()
        else {
            return Vec::new();
        };
        let (entries, is_all) = match page {
            Ok(page) => page,
            Err(reason) => {
                self.reset(after, &reason);
                return Vec::new();
            }
        };
        let mut texts: Vec<Text> = (!is_resumed)
            .then(|| resumed(after, "journal"))
            .into_iter()
            .collect();
        let (mut last, mut sum) = (after, bytes);
        for (position, entry) in entries {
            last = position;
            if self.filter.wants_event(&entry.event) {
                let text = event_frame(position, None, &entry, None);
                sum += text.len();
                texts.push(text);
            }
        }
        self.kept.frames += texts.len() as u64;
        self.kept.bytes += (sum - bytes) as u64;
        self.stage = Stage::History {
            after: last,
            bytes: sum,
            is_resumed: true,
        };
        if is_all {
            self.stage = Stage::State;
        } else if sum > REPLAY {
            self.reset(last, "too much happened since then");
        }
        texts
    }

    fn begin(&mut self, since: Position, ring: &Ring, start: Start, at: Sequence, now: Monotonic) -> Next {
        let is_of_this_start = since == start.position(since.sequence) && since.sequence <= at;
        match ring.number_after(since.sequence).filter(|_| is_of_this_start) {
            Some(number) => {
                (self.stage, self.at, self.given_at) = (Stage::Live(number), since.sequence, now);
                Next::Text(resumed(since, "memory"))
            }
            None => {
                self.stage = Stage::History {
                    after: since,
                    bytes: 0,
                    is_resumed: false,
                };
                Next::History(since)
            }
        }
    }

    fn reset(&mut self, asked: Position, reason: &str) {
        self.kept.resets += 1;
        self.why = Some(Why::Reset {
            asked,
            reason: reason.to_owned(),
        });
        self.stage = Stage::State;
    }

    fn fell_behind(&mut self, start: Start, number: u64) {
        self.stage = Stage::State;
        if !self.latest_wins {
            self.kept.gaps += 1;
            self.why = Some(Why::Gap {
                from: start.position(self.at),
                number,
            });
        }
    }

    /// As many as may be given at once; those that are not wanted are passed over.
    fn frames(&mut self, ring: &Ring, from: u64, now: Monotonic) -> Next {
        let (mut number, mut bytes, mut frames) = (from, 0, Vec::new());
        while let Some(frame) = ring.get(number) {
            let is_wanted = self.filter.wants(frame);
            if is_wanted && bytes > 0 && bytes + frame.text.len() > BATCH {
                break;
            }
            number += 1;
            self.at = frame.at;
            if is_wanted {
                bytes += frame.text.len();
                frames.push(frame.clone());
            }
        }
        self.stage = Stage::Live(number);
        if self.latest_wins {
            newest_of_each(&mut frames);
        }
        if !frames.is_empty() {
            self.given_at = now;
            self.kept.frames += frames.len() as u64;
            self.kept.bytes += frames.iter().map(|frame| frame.text.len() as u64).sum::<u64>();
        }
        Next::Frames(frames)
    }
}

/// Leaves of each tunnel the newest, in the order of the frames.
fn newest_of_each(frames: &mut Vec<Arc<Frame>>) {
    let mut seen = BTreeSet::<TunnelId>::new();
    frames.reverse();
    frames.retain(|frame| frame.tunnels.first().is_none_or(|tunnel| seen.insert(*tunnel)));
    frames.reverse();
}

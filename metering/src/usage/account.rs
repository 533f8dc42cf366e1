//! What one tunnel has carried on behalf of one payer.

use serde::{Deserialize, Serialize};
use warren_state::{CounterRun, Monotonic, Pubkey, Reading, Traffic, TunnelId};

/// Runs that an account remembers; of those that are over the oldest go.
const RUNS: usize = 4;

/// An account's number. It is never used again.
pub type Number = u32;

/// Who pays, and where.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Payer {
    /// The key that pays; none when no ledger account asks for the tunnel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Pubkey>,
    /// The device that the tunnel leads to or ends at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Pubkey>,
}

/// What one tunnel has carried on behalf of one payer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Account {
    /// Which part of the tunnel's use it is.
    pub number: Number,
    /// Whose traffic it is.
    pub tunnel: TunnelId,
    /// For whom.
    #[serde(flatten)]
    pub payer: Payer,
    /// All of it, ever.
    pub total: Traffic,
    /// What it was when the present hour began.
    pub hour: Traffic,
    /// For how long what was carried may be missing, in milliseconds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub gap_ms: u64,
    /// What the tunnel had carried before, for others.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) base: Traffic,
    /// What was told of it, surely.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) settled: Told,
    /// What was told of it last.
    #[serde(skip)]
    pub(super) sampled: Told,
    /// When it was read last beside the looks at all tunnels, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "is_default")]
    pub read_ms: u64,
    /// How far each run was counted, the newest last.
    pub(super) runs: Vec<Counted>,
    /// Of the total what survives a power cut.
    #[serde(skip)]
    pub(super) told: Traffic,
    /// Bytes per second, received and sent.
    #[serde(skip)]
    pub(super) rate: (u64, u64),
    /// What `told` was when the rate was found.
    #[serde(skip)]
    pub(super) read_at: Option<Monotonic>,
    /// A part of it is being made, or was and was not looked for yet.
    #[serde(skip)]
    pub(super) awaited: Option<Awaited>,
    /// The batch that its last change is in, or will be.
    #[serde(skip)]
    pub(super) changed: u64,
    /// The same, of the last change that was more than its newest run going on.
    #[serde(skip)]
    pub(super) rebuilt: u64,
    /// The day in whose file its names stand.
    #[serde(skip)]
    pub(super) named: Option<u64>,
}

/// What was told of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) carried: Traffic,
    pub(super) gap_ms: u64,
}

/// How far a run was counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Counted {
    #[serde(flatten)]
    pub(super) run: CounterRun,
    pub(super) last: Traffic,
    /// It was not there any more. It counts on from here if it was only overlooked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) gone: bool,
}

/// Parts that are being made, since the first that was not seen yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Awaited {
    pub(super) since: Monotonic,
    /// When the last was over, whatever came of it.
    pub(super) until: Option<Monotonic>,
    /// How many, and how many runs were seen since then that were not there before.
    pub(super) parts: u32,
    pub(super) seen: u32,
}

/// What a look at its counters did to an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Counting {
    pub(super) gained: Traffic,
    /// More than its newest run went on.
    pub(super) rebuilt: bool,
    /// A run ended unseen.
    pub(super) lost: bool,
    /// Runs that were never seen before.
    pub(super) fresh: u32,
}

impl Account {
    pub(super) fn new(number: Number, tunnel: TunnelId, payer: Payer, base: Traffic) -> Self {
        Self {
            number,
            tunnel,
            payer,
            total: Traffic::default(),
            hour: Traffic::default(),
            gap_ms: 0,
            base,
            settled: Told::default(),
            sampled: Told::default(),
            read_ms: 0,
            runs: Vec::new(),
            told: Traffic::default(),
            rate: (0, 0),
            read_at: None,
            awaited: None,
            changed: 0,
            rebuilt: 0,
            named: None,
        }
    }

    /// Counts these readings: all that there is of the tunnel, one for each run.
    pub(super) fn count(&mut self, readings: &[Reading]) -> Counting {
        let mut counting = Counting::default();
        for counted in &mut self.runs {
            let is_read = readings.iter().any(|reading| reading.run == counted.run);
            if !is_read && !counted.gone {
                counted.gone = true;
                (counting.lost, counting.rebuilt) = (true, true);
            }
        }
        let newest = self.runs.last().map(|counted| counted.run);
        for reading in readings {
            let known = self.runs.iter_mut().find(|counted| counted.run == reading.run);
            let gained = match known {
                Some(counted) => {
                    counting.rebuilt |= std::mem::take(&mut counted.gone);
                    let last = std::mem::replace(&mut counted.last, reading.carried);
                    reading.carried.since(last).unwrap_or_else(|| {
                        // It was set to zero, and what it had carried until then is not known.
                        (counting.lost, counting.rebuilt) = (true, true);
                        reading.carried
                    })
                }
                None => {
                    // Most tunnels have one, ever.
                    self.runs.reserve_exact(1);
                    self.runs.push(Counted {
                        run: reading.run,
                        last: reading.carried,
                        gone: false,
                    });
                    counting.rebuilt = true;
                    counting.fresh += 1;
                    reading.carried
                }
            };
            counting.rebuilt |= !gained.is_zero() && newest != Some(reading.run);
            counting.gained = counting.gained.plus(gained);
        }
        self.forget();
        self.total = self.total.plus(counting.gained);
        counting
    }

    /// Its newest run has carried this much.
    pub(super) fn advance(&mut self, carried: Traffic) {
        if let Some(newest) = self.runs.last_mut() {
            let gained = carried.since(newest.last).unwrap_or(carried);
            newest.last = carried;
            self.total = self.total.plus(gained);
        }
    }

    /// Since when a part may have been there that this look, which began then, does not show.
    pub(super) fn overlooked(&mut self, begun: Monotonic, fresh: u32) -> Option<Monotonic> {
        let awaited = self.awaited.as_mut()?;
        awaited.seen += fresh;
        let is_over = awaited.until.is_some_and(|until| until <= begun);
        let over = self.awaited.take_if(|_| is_over)?;
        (over.seen < over.parts).then_some(over.since)
    }

    /// Whether there is something of it, as far as was seen.
    pub(super) fn is_there(&self) -> bool {
        self.runs.iter().any(|counted| !counted.gone)
    }

    /// How far its newest run was counted.
    pub(super) fn newest(&self) -> Traffic {
        self.runs.last().map(|counted| counted.last).unwrap_or_default()
    }

    /// What was carried in the present hour, of what is on disk.
    #[must_use]
    pub fn this_hour(&self) -> Traffic {
        self.told.since(self.hour).unwrap_or_default()
    }

    /// Of the total what survives a power cut.
    #[must_use]
    pub fn on_disk(&self) -> Traffic {
        self.told
    }

    /// Bytes per second, received and sent, between the last two looks at all tunnels.
    #[must_use]
    pub fn rate(&self) -> (u64, u64) {
        self.rate
    }

    fn forget(&mut self) {
        while self.runs.len() > RUNS {
            let Some(oldest) = self.runs.iter().position(|counted| counted.gone) else {
                return;
            };
            self.runs.remove(oldest);
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

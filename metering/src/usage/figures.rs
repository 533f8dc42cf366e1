//! Questions to the book and to the hours that are over.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use warren_state::{Pubkey, Traffic, TunnelId};

use super::{
    account::{Number, Payer},
    book::{BegunHour, HOUR_MS, UsageBook},
    hours::HourLine,
};

/// What is added up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupBy {
    /// What one tunnel carried for one payer.
    #[default]
    Tunnel,
    /// What one key pays for.
    Owner,
    /// What went over one device.
    Device,
}

/// Spans of time that figures are of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interval {
    /// One sum for each hour.
    Hour,
    /// Days of universal time.
    Day,
}

/// Which figures are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Question {
    /// Only of this owner, tunnel or device.
    pub of: Option<Pubkey>,
    /// Only of this owner.
    pub owner: Option<Pubkey>,
    /// Only of this tunnel.
    pub tunnel: Option<TunnelId>,
    /// Only of this device.
    pub device: Option<Pubkey>,
    /// Only what was carried since the hour that this is in, in milliseconds since 1970.
    pub since_ms: Option<u64>,
    /// In spans of time.
    pub by: Option<Interval>,
    /// What is added up.
    pub per: GroupBy,
    /// This many figures at most: there are more where there are this many.
    pub most: usize,
}

/// Whose a figure is; what was added up over is left out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct UsageKey {
    /// None where tunnels are added up.
    pub tunnel: Option<TunnelId>,
    /// Who pays.
    pub owner: Option<Pubkey>,
    /// None where devices are added up, or for a tunnel of no device.
    pub device: Option<Pubkey>,
}

/// Octets and packets, both ways.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figure {
    /// What was carried.
    pub carried: Traffic,
    /// For how long what was carried may be missing, in milliseconds. Of spans of time it is not known.
    pub gap_ms: u64,
    /// Bytes per second at this time, received and sent.
    pub rate: (u64, u64),
}

/// The answer: by where the span begins, in milliseconds since 1970 (0 where there is none), and by whose it is.
pub type UsageFigures = BTreeMap<(u64, UsageKey), Figure>;

/// Adds up what is asked for.
#[derive(Debug)]
pub struct Aggregation {
    question: Question,
    /// The book's own, whose line may be on disk already.
    present: BegunHour,
    names: BTreeMap<Number, UsageKey>,
    /// The last line, which the next one may replace.
    last: Option<HourLine>,
    figures: UsageFigures,
}

impl Default for Question {
    fn default() -> Self {
        Self {
            of: None,
            owner: None,
            tunnel: None,
            device: None,
            since_ms: None,
            by: None,
            per: GroupBy::default(),
            most: usize::MAX,
        }
    }
}

impl Question {
    /// Whether hours that are over are part of the answer, and from when on, in milliseconds since 1970.
    #[must_use]
    pub fn hours_since(&self) -> Option<u64> {
        match (self.since_ms, self.by) {
            (Some(since), _) => Some(since - since % HOUR_MS),
            (None, Some(_)) => Some(0),
            (None, None) => None,
        }
    }

    fn is_about(&self, whose: &UsageKey) -> bool {
        let is = |asked: Option<Pubkey>, has: Option<Pubkey>| asked.is_none() || asked == has;
        let tunnel = whose.tunnel.map(|tunnel| tunnel.0);
        is(self.owner, whose.owner)
            && is(self.device, whose.device)
            && is(self.tunnel.map(|tunnel| tunnel.0), tunnel)
            && (self.of.is_none() || [whose.owner, whose.device, tunnel].contains(&self.of))
    }
}

impl Aggregation {
    /// Begins. To be called before the lines are read that it is given.
    #[must_use]
    pub fn new(question: Question, book: &UsageBook) -> Self {
        Self {
            question,
            present: book.hour,
            names: BTreeMap::new(),
            last: None,
            figures: BTreeMap::new(),
        }
    }

    /// Another day's file begins: it has names of its own.
    pub fn begin_day(&mut self) {
        self.take_last();
        self.names.clear();
    }

    /// Takes a line of a day's file. One that cannot be read is left out.
    pub fn hour(&mut self, line: &[u8]) {
        let Ok(line) = HourLine::read_back(line) else {
            return;
        };
        if self
            .last
            .as_ref()
            .is_some_and(|last| last.begun() != line.begun())
        {
            self.take_last();
        }
        for name in &line.names {
            self.names
                .insert(name.number, whose(Some(name.tunnel), name.payer));
        }
        self.last = Some(line);
    }

    /// Takes what the book knows, and ends. None when an hour has begun meanwhile: the lines may have the one before, or not.
    #[must_use]
    pub fn book(mut self, book: &UsageBook) -> Option<UsageFigures> {
        self.take_last();
        let spans = self.question.hours_since();
        if spans.is_some() && self.present != book.hour {
            return None;
        }
        for account in book.accounts() {
            let whose = whose(Some(account.tunnel), account.payer);
            let figure = Figure {
                carried: match spans {
                    Some(since) if since > book.hour_ms() => continue,
                    Some(_) => account.this_hour(),
                    None => account.on_disk(),
                },
                gap_ms: account.gap_ms,
                rate: account.rate(),
            };
            if spans.is_none() || !figure.carried.is_zero() {
                self.add(book.hour_ms(), whose, figure);
            }
        }
        if spans.is_none() {
            for (payer, (carried, gap_ms)) in &book.closed {
                let figure = Figure {
                    carried: *carried,
                    gap_ms: *gap_ms,
                    rate: (0, 0),
                };
                self.add(0, whose(None, *payer), figure);
            }
        }
        Some(self.figures)
    }

    fn take_last(&mut self) {
        let is_over = |line: &HourLine| line.begun() != self.present;
        let Some(line) = self.last.take().filter(is_over) else {
            return;
        };
        let from_ms = line.hour * HOUR_MS;
        if self.question.hours_since().is_some_and(|since| since > from_ms) {
            return;
        }
        for (number, rx_bytes, rx_packets, tx_bytes, tx_packets) in line.rows {
            let carried = Traffic {
                rx_bytes,
                rx_packets,
                tx_bytes,
                tx_packets,
            };
            let whose = self.names.get(&number).copied().unwrap_or_default();
            let figure = Figure {
                carried,
                ..Figure::default()
            };
            self.add(from_ms, whose, figure);
        }
    }

    fn add(&mut self, hour_ms: u64, whose: UsageKey, figure: Figure) {
        if !self.question.is_about(&whose) {
            return;
        }
        let from_ms = match self.question.by {
            Some(Interval::Hour) => hour_ms,
            Some(Interval::Day) => hour_ms - hour_ms % (24 * HOUR_MS),
            None => 0,
        };
        let nobody = UsageKey::default();
        let whose = match self.question.per {
            GroupBy::Tunnel => whose,
            GroupBy::Owner => UsageKey {
                owner: whose.owner,
                ..nobody
            },
            GroupBy::Device => UsageKey {
                device: whose.device,
                ..nobody
            },
        };
        let is_full = self.figures.len() >= self.question.most;
        if is_full && !self.figures.contains_key(&(from_ms, whose)) {
            return;
        }
        let sum = self.figures.entry((from_ms, whose)).or_default();
        sum.carried = sum.carried.plus(figure.carried);
        sum.gap_ms += figure.gap_ms;
        sum.rate = (
            sum.rate.0.saturating_add(figure.rate.0),
            sum.rate.1.saturating_add(figure.rate.1),
        );
    }
}

fn whose(tunnel: Option<TunnelId>, payer: Payer) -> UsageKey {
    UsageKey {
        tunnel,
        owner: payer.owner,
        device: payer.device,
    }
}

//! What is known of one account. Pure.

use serde::{Deserialize, Serialize};
use warren_metering::cap::{Calendar, Cap, Span, UnixSeconds, Window};

/// What a counter said is remembered for this long after its last report: one that is sent again by then is not counted twice.
const REMEMBERED: i64 = 100 * 86_400;
/// Windows that ended this long ago are forgotten.
const KEPT: i64 = 400 * 86_400;

/// What is known of one account: what was used in which window, and by which reports that is known.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct AccountRecord {
    /// What was said on the command line; a file's word holds where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cap: Option<Cap>,
    #[serde(default)]
    pub(crate) country: String,
    #[serde(default)]
    pub(crate) platform: String,
    /// By when they began.
    windows: Vec<Used>,
    counters: Vec<Counter>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Used {
    from: UnixSeconds,
    octets: u64,
}

/// What a counter of a host said last.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Counter {
    pub(crate) source: String,
    /// As the reports said.
    pub(crate) window: UnixSeconds,
    pub(crate) sequence: u64,
    pub(crate) total: u64,
    at: UnixSeconds,
}

/// What a report says.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Report {
    /// This much more: of one who only adds.
    More(i64),
    /// What a counter says.
    Counter {
        source: String,
        window: UnixSeconds,
        sequence: u64,
        total: u64,
    },
}

/// Where an account stands.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct AccountStatus {
    pub(crate) used: u64,
    /// 0 for no limit.
    pub(crate) limit: i64,
    pub(crate) from: UnixSeconds,
    /// 0 for never.
    pub(crate) until: UnixSeconds,
}

impl AccountRecord {
    /// Takes a report. One that was taken before, or is older than one that was, changes nothing.
    pub(crate) fn take(
        &mut self,
        report: &Report,
        cap: Option<Cap>,
        calendar: &Calendar,
        now: UnixSeconds,
    ) -> Result<u64, &'static str> {
        let present = window(cap).span(calendar, now).from.unwrap_or_default();
        let (gained, from) = match report {
            Report::More(more) => (
                u64::try_from(*more).map_err(|_| "bytesUsed is negative")?,
                present,
            ),
            Report::Counter {
                source,
                window: began,
                sequence,
                total,
            } => {
                let gained = self.merge(source, *began, *sequence, *total, now);
                // What was used before the window's end counts before it, whenever it is told.
                let from = match *began {
                    UnixSeconds(0) => present,
                    began if began >= present => present,
                    began => window(cap).span(calendar, began).from.unwrap_or_default(),
                };
                (gained, from)
            }
        };
        self.add(from, gained);
        self.forget(now);
        Ok(gained)
    }

    /// Another cap holds now. One without an end counts from when it is given; another limit of it keeps what was used.
    pub(crate) fn change(&mut self, before: Option<Cap>, after: Option<Cap>) {
        let is_endless = |cap: Option<Cap>| cap.is_some_and(|cap| cap.window == Window::Endless);
        if is_endless(after) && !is_endless(before) {
            self.windows.retain(|used| used.from != UnixSeconds(0));
        }
    }

    pub(crate) fn standing(&self, cap: Option<Cap>, calendar: &Calendar, now: UnixSeconds) -> AccountStatus {
        let Span { from, until } = window(cap).span(calendar, now);
        let from = from.unwrap_or_default();
        let used = self.windows.iter().find(|used| used.from == from);
        AccountStatus {
            used: used.map_or(0, |used| used.octets),
            limit: cap.map_or(0, |cap| cap.limit.max(0)),
            from,
            until: until.unwrap_or_default(),
        }
    }

    /// What is known of these sources' counters.
    pub(crate) fn known<'a>(&'a self, sources: &'a [String]) -> impl Iterator<Item = &'a Counter> {
        self.counters
            .iter()
            .filter(|counter| sources.contains(&counter.source))
    }

    /// Gives what is new of it.
    fn merge(
        &mut self,
        source: &str,
        window: UnixSeconds,
        sequence: u64,
        total: u64,
        now: UnixSeconds,
    ) -> u64 {
        let known = self
            .counters
            .iter_mut()
            .find(|counter| counter.source == source && counter.window == window);
        let Some(counter) = known else {
            self.counters.push(Counter {
                source: source.to_owned(),
                window,
                sequence,
                total,
                at: now,
            });
            return total;
        };
        let gained = total.saturating_sub(counter.total);
        counter.total = counter.total.max(total);
        counter.sequence = counter.sequence.max(sequence);
        counter.at = now;
        gained
    }

    fn add(&mut self, from: UnixSeconds, octets: u64) {
        match self.windows.iter_mut().find(|used| used.from == from) {
            Some(used) => used.octets = used.octets.saturating_add(octets),
            None => self.windows.push(Used { from, octets }),
        }
    }

    fn forget(&mut self, now: UnixSeconds) {
        self.counters
            .retain(|counter| counter.at.0 > now.0.saturating_sub(REMEMBERED));
        self.windows
            .retain(|used| used.from == UnixSeconds(0) || used.from.0 > now.0.saturating_sub(KEPT));
    }
}

impl AccountStatus {
    pub(crate) fn is_over(&self) -> bool {
        self.limit > 0 && self.used >= u64::try_from(self.limit).unwrap_or(0)
    }
}

/// What is used without a cap is counted by the month, so that a cap that comes later finds it.
fn window(cap: Option<Cap>) -> Window {
    cap.map_or(Window::Month, |cap| cap.window)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2025-11-27T00:00:00Z.
    const NOW: UnixSeconds = UnixSeconds(1_764_201_600);
    /// 2025-11-01, 2025-12-01.
    const MONTH: (i64, i64) = (1_761_955_200, 1_764_547_200);

    fn counter(window: i64, sequence: u64, total: u64) -> Report {
        Report::Counter {
            source: "node:1".to_owned(),
            window: UnixSeconds(window),
            sequence,
            total,
        }
    }

    fn cap() -> Option<Cap> {
        "1000B/month".parse().ok()
    }

    #[test]
    fn a_report_that_comes_again_is_counted_once_and_an_old_one_not_at_all() {
        let (mut record, calendar) = (AccountRecord::default(), Calendar::default());
        let mut take = |sequence, total| {
            record
                .take(&counter(MONTH.0, sequence, total), cap(), &calendar, NOW)
                .unwrap()
        };
        assert_eq!(
            [take(1, 400), take(1, 400), take(3, 900), take(2, 700)],
            [400, 0, 500, 0]
        );
        let standing = record.standing(cap(), &calendar, NOW);
        assert_eq!((standing.used, standing.is_over()), (900, false));
        assert_eq!((standing.from.0, standing.until.0), MONTH);
        let sources = ["node:1".to_owned()];
        let known: Vec<_> = record.known(&sources).collect();
        assert_eq!((known[0].sequence, known[0].total), (3, 900));
    }

    #[test]
    fn who_only_adds_is_added_and_a_negative_sum_is_refused() {
        let (mut record, calendar) = (AccountRecord::default(), Calendar::default());
        record.take(&Report::More(600), cap(), &calendar, NOW).unwrap();
        record.take(&Report::More(600), cap(), &calendar, NOW).unwrap();
        assert!(record.take(&Report::More(-1), cap(), &calendar, NOW).is_err());
        let standing = record.standing(cap(), &calendar, NOW);
        assert_eq!((standing.used, standing.is_over()), (1200, true));
        record
            .take(&Report::More(i64::MAX), cap(), &calendar, NOW)
            .unwrap();
        record
            .take(&Report::More(i64::MAX), cap(), &calendar, NOW)
            .unwrap();
        record
            .take(&Report::More(i64::MAX), cap(), &calendar, NOW)
            .unwrap();
        assert_eq!(record.standing(cap(), &calendar, NOW).used, u64::MAX);
    }

    #[test]
    fn what_was_used_before_a_windows_end_is_never_of_the_next_one() {
        let (mut record, calendar) = (AccountRecord::default(), Calendar::default());
        let later = UnixSeconds(MONTH.1 + 10);
        record
            .take(&counter(MONTH.0, 1, 400), cap(), &calendar, NOW)
            .unwrap();
        record
            .take(&counter(MONTH.0, 2, 700), cap(), &calendar, later)
            .unwrap();
        assert_eq!(record.standing(cap(), &calendar, later).used, 0);
        record
            .take(&counter(MONTH.1, 1, 50), cap(), &calendar, later)
            .unwrap();
        assert_eq!(record.standing(cap(), &calendar, later).used, 50);
        assert_eq!(record.standing(cap(), &calendar, NOW).used, 700);
    }

    #[test]
    fn a_cap_that_comes_later_finds_what_was_used_this_month() {
        let (mut record, calendar) = (AccountRecord::default(), Calendar::default());
        record.take(&counter(0, 1, 400), None, &calendar, NOW).unwrap();
        assert_eq!(record.standing(None, &calendar, NOW).limit, 0);
        assert_eq!(record.standing(cap(), &calendar, NOW).used, 400);
    }

    #[test]
    fn a_cap_without_an_end_counts_from_when_it_is_given_and_keeps_what_was_used_when_it_is_raised() {
        let (mut record, calendar) = (AccountRecord::default(), Calendar::default());
        let endless = |text: &str| text.parse::<Cap>().ok();
        record.take(&counter(0, 1, 400), None, &calendar, NOW).unwrap();
        record.change(None, endless("1000B"));
        assert_eq!(record.standing(endless("1000B"), &calendar, NOW).used, 0);
        record
            .take(&counter(0, 2, 700), endless("1000B"), &calendar, NOW)
            .unwrap();
        record.change(endless("1000B"), endless("2KB"));
        assert_eq!(record.standing(endless("2KB"), &calendar, NOW).used, 300);
        record.change(endless("2KB"), cap());
        record.change(cap(), endless("1000B"));
        assert_eq!(record.standing(endless("1000B"), &calendar, NOW).used, 0);
        assert_eq!(
            record.standing(cap(), &calendar, NOW).used,
            400,
            "the month's use is the month's"
        );
    }

    proptest! {
        /// Reports of several counters, lost, repeated and in any order: what is known is never more than was used, and with the last
        /// of each it is all of it.
        #[test]
        fn whatever_the_order_the_sum_is_that_of_the_highest_totals(
            reports in proptest::collection::vec((0usize..3, 0u64..1000), 1..60),
        ) {
            let (mut record, calendar) = (AccountRecord::default(), Calendar::default());
            let mut highest = [0; 3];
            for (of, total) in &reports {
                highest[*of] = total.max(&highest[*of]).to_owned();
                let report = Report::Counter {
                    source: format!("node:{of}"),
                    window: UnixSeconds(MONTH.0),
                    sequence: *total,
                    total: *total,
                };
                record.take(&report, cap(), &calendar, NOW).unwrap();
                let text = serde_json::to_vec(&record).unwrap();
                record = serde_json::from_slice(&text).unwrap();
            }
            prop_assert_eq!(record.standing(cap(), &calendar, NOW).used, highest.iter().sum::<u64>());
        }
    }
}

//! What is told of events that happen again and again: the first, the second, the fourth, the eighth …, and a sum of the
//! others once a minute. Whatever repeats, the lines about it grow with the logarithm of it.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    time::Duration,
};

use crate::{
    Monotonic, TunnelId,
    event::{Event, Kind, Level},
    journal::JournalEntry,
};

/// What was passed over is summed up after this time; what has not happened for as long is new when it happens again.
const WINDOW: Duration = Duration::from_secs(60);
/// Different events that are remembered. Beyond that those that were seen longest ago are forgotten …
const REMEMBERED: usize = 1_024;
/// … so many at once, that not every new event has to look for the oldest.
const FORGOTTEN: usize = 64;
/// Two events that agree in this many bytes of their words are the same.
const COMPARED: usize = 160;

/// Decides which events are told. Bounded: it remembers 1,024 different ones.
#[derive(Debug, Default)]
pub struct Repeats {
    seen: BTreeMap<Key, Seen>,
    /// Repetitions that were not told yet: their sums are due.
    sums: Vec<Suppressed>,
}

/// What is to be told of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RepeatDecision {
    /// It, as it is.
    Plainly,
    /// The event, and how many times in a row it has happened by now.
    Times(u64),
    /// Nothing; it will be part of a sum.
    Later,
}

/// Events that were passed over.
#[derive(Clone, PartialEq, Debug)]
pub struct Suppressed {
    /// The last of them.
    pub last: JournalEntry,
    /// How many there were.
    pub times: u64,
    /// Within which time.
    pub within: Duration,
}

/// Events with the same key are the same but for numbers in their words: a retry in 250 ms is one in 480 ms.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key {
    kind: Kind,
    tunnel: Option<TunnelId>,
    words: String,
}

#[derive(Debug)]
struct Seen {
    /// In a row.
    times: u64,
    last_at: Monotonic,
    told_at: Monotonic,
    /// Not told yet.
    passed_over: Option<(u64, JournalEntry)>,
}

impl Repeats {
    /// An event happened. What an operator did is told each time, and so is what only those see who asked for
    /// everything.
    pub fn take(&mut self, now: Monotonic, entry: &JournalEntry) -> RepeatDecision {
        let event = &entry.event;
        if event.is_an_operators() || event.level() == Level::Debug {
            return RepeatDecision::Plainly;
        }
        let key = Key::of(event);
        match self.seen.get_mut(&key) {
            Some(seen) => seen.again(now, entry),
            None => {
                self.make_room();
                self.seen.insert(
                    key,
                    Seen {
                        times: 1,
                        last_at: now,
                        told_at: now,
                        passed_over: None,
                    },
                );
                RepeatDecision::Plainly
            }
        }
    }

    /// The sums that are due, in the order of their last events. Call it about once a second.
    pub fn due(&mut self, now: Monotonic) -> Vec<Suppressed> {
        self.sum_up(now, |seen| now.since(seen.told_at) >= WINDOW)
    }

    /// The sums of everything that was passed over: nothing more will be asked for.
    pub fn rest(&mut self, now: Monotonic) -> Vec<Suppressed> {
        self.sum_up(now, |_| true)
    }

    fn sum_up(&mut self, now: Monotonic, is_due: impl Fn(&Seen) -> bool) -> Vec<Suppressed> {
        let mut sums = std::mem::take(&mut self.sums);
        for seen in self.seen.values_mut().filter(|seen| is_due(seen)) {
            sums.extend(seen.sum(now));
        }
        self.seen
            .retain(|_, seen| seen.passed_over.is_some() || now.since(seen.last_at) < WINDOW);
        sums.sort_by_key(|sum| sum.last.sequence);
        sums
    }

    fn make_room(&mut self) {
        if self.seen.len() < REMEMBERED {
            return;
        }
        let mut by_age: Vec<(Monotonic, &Key)> =
            self.seen.iter().map(|(key, seen)| (seen.last_at, key)).collect();
        by_age.select_nth_unstable(FORGOTTEN);
        let oldest: Vec<Key> = by_age[..FORGOTTEN]
            .iter()
            .map(|(_, key)| (*key).clone())
            .collect();
        for key in oldest {
            if let Some(mut seen) = self.seen.remove(&key) {
                self.sums.extend(seen.sum(seen.last_at));
            }
        }
    }
}

impl Seen {
    fn again(&mut self, now: Monotonic, entry: &JournalEntry) -> RepeatDecision {
        if self.passed_over.is_none() && now.since(self.last_at) >= WINDOW {
            self.times = 0;
        }
        self.times += 1;
        self.last_at = now;
        if self.times.is_power_of_two() {
            self.told_at = now;
            self.passed_over = None;
            return if self.times == 1 {
                RepeatDecision::Plainly
            } else {
                RepeatDecision::Times(self.times)
            };
        }
        let times = self.passed_over.as_ref().map_or(1, |(times, _)| times + 1);
        self.passed_over = Some((times, entry.clone()));
        RepeatDecision::Later
    }

    fn sum(&mut self, now: Monotonic) -> Option<Suppressed> {
        let (times, last) = self.passed_over.take()?;
        let within = now.since(self.told_at);
        self.told_at = now;
        Some(Suppressed { last, times, within })
    }
}

impl Key {
    fn of(event: &Event) -> Self {
        let mut words = NumberlessText(String::new());
        let _long_enough = write!(words, "{event}");
        Self {
            kind: event.kind(),
            tunnel: event.tunnel(),
            words: words.0,
        }
    }
}

/// The beginning of a text, with every number the same.
struct NumberlessText(String);

impl fmt::Write for NumberlessText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            match letter {
                '0'..='9' if self.0.ends_with('0') => {}
                '0'..='9' => self.0.push('0'),
                other => self.0.push(other),
            }
            if self.0.len() >= COMPARED {
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Epoch, Fault, FaultClass, Phase, Pubkey, Sequence};

    fn mended(tunnel: u8, step: &str) -> Event {
        let tunnel = Some(TunnelId(Pubkey([tunnel; 32])));
        Event::ActorRestarted {
            actor: step.to_owned(),
            tunnel,
            detail: "it was mended".to_owned(),
            count: 1,
        }
    }

    fn at(milliseconds: u64) -> Monotonic {
        Monotonic::ZERO + Duration::from_millis(milliseconds)
    }

    /// A log: its lines, and the clock.
    #[derive(Default)]
    struct Log {
        repeats: Repeats,
        lines: Vec<String>,
        sequence: u64,
    }

    impl Log {
        fn happens(&mut self, milliseconds: u64, event: Event) {
            self.sequence += 1;
            let entry = JournalEntry {
                epoch: Epoch(1),
                sequence: Sequence(self.sequence),
                unix_ms: 0,
                event,
            };
            match self.repeats.take(at(milliseconds), &entry) {
                RepeatDecision::Plainly => self.lines.push("1".to_owned()),
                RepeatDecision::Times(times) => self.lines.push(times.to_string()),
                RepeatDecision::Later => {}
            }
        }

        fn second(&mut self, milliseconds: u64) {
            let sums = self.repeats.due(at(milliseconds));
            self.lines.extend(
                sums.iter()
                    .map(|sum| format!("{} in {:?}", sum.times, sum.within)),
            );
        }
    }

    #[test]
    fn a_fight_of_six_events_a_second_gives_a_line_at_each_power_of_two_and_a_sum_each_minute() {
        let mut log = Log::default();
        for number in 0..6 * 600_u64 {
            let now = number * 1_000 / 6;
            log.happens(now, mended(1, "add address 169.254.0.1/31"));
            if number % 6 == 5 {
                log.second(now);
            }
        }
        assert_eq!(
            &log.lines[..10],
            ["1", "2", "4", "8", "16", "32", "64", "128", "256", "512"],
            "{:?}",
            log.lines
        );
        assert!(
            log.lines[10].starts_with("36") && log.lines[10].contains(" in 60."),
            "{:?}",
            log.lines
        );
        assert!(
            log.lines.len() <= 24,
            "{} lines in ten minutes: {:?}",
            log.lines.len(),
            log.lines
        );
    }

    #[test]
    fn what_happens_seldom_is_told_each_time() {
        let mut log = Log::default();
        for minute in 0..10 {
            log.happens(minute * 61_000, mended(1, "set link up"));
            log.second(minute * 61_000 + 30_000);
        }
        assert_eq!(log.lines, ["1"; 10]);
    }

    #[test]
    fn the_end_of_a_storm_is_told_with_its_last_event() {
        let mut log = Log::default();
        for number in 0..3 {
            log.happens(number, mended(1, &format!("add address {number}")));
        }
        let sums = log.repeats.rest(at(10));
        assert_eq!(
            (sums.len(), sums[0].times, sums[0].last.sequence),
            (1, 1, Sequence(3)),
            "the third, with its own words"
        );
        assert_eq!(sums[0].last.event, mended(1, "add address 2"));
        assert_eq!(log.repeats.rest(at(20)), [], "once");
    }

    #[test]
    fn tunnels_and_different_words_are_told_apart_and_numbers_are_not() {
        let mut log = Log::default();
        let failed = |retry_in_ms| Event::StepFailed {
            tunnel: TunnelId(Pubkey([1; 32])),
            phase: Phase::Linking,
            fault: Fault {
                class: FaultClass::Transient,
                operation: "wait".into(),
                detail: "busy".into(),
            },
            retry_in_ms,
        };
        for event in [
            mended(1, "put route"),
            mended(2, "put route"),
            mended(1, "set link up"),
            failed(250),
            failed(480),
            failed(970),
        ] {
            log.happens(0, event);
        }
        assert_eq!(log.lines, ["1", "1", "1", "1", "2"]);
    }

    #[test]
    fn what_an_operator_did_is_told_each_time() {
        let mut log = Log::default();
        for number in 0..7 {
            log.happens(
                number,
                Event::Switched {
                    enabled: number % 2 == 0,
                },
            );
        }
        assert_eq!(log.lines, ["1"; 7]);
    }

    #[test]
    fn memory_is_bounded_whatever_happens_and_nothing_is_lost_of_the_count() {
        let mut log = Log::default();
        let word = |number: u64| char::from(b'a' + u8::try_from(number % 26).unwrap()).to_string();
        let mut told = 0;
        for number in 0..20_000_u64 {
            let step = [
                word(number / 676 / 26),
                word(number / 676),
                word(number / 26),
                word(number),
            ]
            .concat();
            for _ in 0..3 {
                log.happens(number, mended(1, &step));
            }
            told += log
                .repeats
                .due(at(number))
                .iter()
                .map(|sum| sum.times)
                .sum::<u64>();
        }
        assert!(log.repeats.seen.len() <= REMEMBERED, "{}", log.repeats.seen.len());
        told += log
            .repeats
            .rest(at(20_000))
            .iter()
            .map(|sum| sum.times)
            .sum::<u64>();
        assert_eq!(told, 20_000, "the third of each");
        let long = Key::of(&mended(1, &"x".repeat(1 << 20)));
        assert!(long.words.len() <= COMPARED + 4, "{}", long.words.len());
    }
}

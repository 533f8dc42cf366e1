//! When to read the ledger: a machine without I/O.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Core, Deadline, Monotonic,
    backoff::{Backoff, Jitter, Waits},
    guard::Verdict,
    random::Random,
};

/// The intervals between reads of the ledger.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct PollSettings {
    /// From the end of a good read to the next.
    pub interval: Duration,
    /// How soon after a read that must be confirmed the next one starts, with jitter; doubles, up to the interval,
    /// while reads stay unconfirmed.
    pub confirm_after: Duration,
}

/// After the first failed read in a row; doubles with each further one, but no wait is longer than the interval. A time
/// that an endpoint itself asks for is honoured by the source, which sends it nothing before.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// Wake-ups do not start reads in closer succession than this.
const LEAST_GAP: Duration = Duration::from_millis(100);

/// Everything that can happen to the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Input {
    /// There is something to read, from now on: read at once.
    Start,
    /// The ledger says that something may have changed.
    WakeUp,
    /// The read gave a view, in force or held for good.
    Good,
    /// The read must be confirmed by another.
    Unconfirmed,
    /// The read failed.
    Failed,
    /// The deadline has passed.
    Timeout,
}

impl Input {
    /// What the guard's verdict on a read means for the next one; `failed`: there was nothing to judge.
    #[must_use]
    pub fn after(verdict: &Verdict, failed: bool) -> Self {
        match verdict {
            Verdict::Hold(_) if failed => Self::Failed,
            Verdict::Accept(_) | Verdict::Rebase(..) | Verdict::Hold(_) => Self::Good,
            Verdict::Confirm(_) => Self::Unconfirmed,
        }
    }
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum Effect {
    /// Read now.
    Read,
}

/// At most one read is under way; wake-ups during it lead to one more.
#[derive(Debug, Serialize, Deserialize)]
pub struct Polling {
    settings: PollSettings,
    state: State,
    failures: Backoff,
    /// Reads since the last good one that must be confirmed.
    unconfirmed: Backoff,
    ended_at: Option<Monotonic>,
}

#[derive(Debug, Serialize, Deserialize)]
enum State {
    Idle,
    Waiting { until: Monotonic, why: Why },
    Reading { again: bool },
}

/// What is waited for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Why {
    Poll,
    Retry,
    Confirm,
    WakeUp,
}

impl Polling {
    /// Reads nothing until [`Input::Start`].
    #[must_use]
    pub fn new(settings: PollSettings) -> Self {
        // Two thirds of the interval plus jitter are at most the whole interval.
        let most = settings.interval * 2 / 3;
        let waits = |first: Duration, longest: Duration| Waits {
            first,
            longest: longest.min(most),
            jitter: Jitter::HALF_AROUND,
        };
        Self {
            settings,
            state: State::Idle,
            failures: Backoff::until_success(waits(FIRST_RETRY, LONGEST_RETRY)),
            unconfirmed: Backoff::until_success(waits(settings.confirm_after, most)),
            ended_at: None,
        }
    }
}

impl Core for Polling {
    const NAME: &'static str = "polling";
    type Input<'a> = Input;
    type Effect = Effect;
    const TIMEOUT: fn() -> Input = || Input::Timeout;

    fn handle(&mut self, now: Monotonic, input: Input, random: &mut dyn Random) -> Vec<Effect> {
        match (input, &self.state) {
            (Input::Start, State::Idle | State::Waiting { .. } | State::Reading { .. }) => {
                self.unconfirmed.forget();
                self.read()
            }
            (Input::WakeUp, State::Idle) => Vec::new(),
            // The ledger fails: the next try sees what the wake-up is about.
            (Input::WakeUp, State::Waiting { .. }) if self.failures.failures() > 0 => Vec::new(),
            (Input::WakeUp, State::Waiting { until, .. }) => {
                let earliest = self.ended_at.map_or(now, |ended| ended + LEAST_GAP);
                if earliest <= now {
                    return self.read();
                }
                self.state = State::Waiting {
                    until: earliest.min(*until),
                    why: Why::WakeUp,
                };
                Vec::new()
            }
            (Input::WakeUp, State::Reading { .. }) => {
                self.state = State::Reading { again: true };
                Vec::new()
            }
            (Input::Good | Input::Unconfirmed | Input::Failed, State::Reading { again }) => {
                let again = *again;
                self.ended(now, input, again, random);
                Vec::new()
            }
            (Input::Timeout, State::Waiting { until, .. }) if *until <= now => self.read(),
            // An answer to a read that was given up, or a timer that was too early.
            (
                Input::Good | Input::Unconfirmed | Input::Failed | Input::Timeout,
                State::Idle | State::Waiting { .. },
            )
            | (Input::Timeout, State::Reading { .. }) => Vec::new(),
        }
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        match self.state {
            State::Waiting { until, why } => Some(Deadline {
                at: until,
                name: why.name(),
            }),
            State::Idle | State::Reading { .. } => None,
        }
    }
}

impl Polling {
    fn read(&mut self) -> Vec<Effect> {
        self.state = State::Reading { again: false };
        vec![Effect::Read]
    }

    fn ended(&mut self, now: Monotonic, input: Input, again: bool, random: &mut dyn Random) {
        self.ended_at = Some(now);
        if input != Input::Failed {
            self.failures.forget();
        }
        let (wait, why) = match input {
            Input::Failed => (self.failures.fail(random), Why::Retry),
            Input::Unconfirmed => (self.unconfirmed.fail(random), Why::Confirm),
            Input::Start | Input::WakeUp | Input::Good | Input::Timeout => {
                self.unconfirmed.forget();
                (self.settings.interval, Why::Poll)
            }
        };
        let (wait, why) = if again && input != Input::Failed {
            (wait.min(LEAST_GAP), Why::WakeUp)
        } else {
            (wait, why)
        };
        self.state = State::Waiting {
            until: now + wait,
            why,
        };
    }
}

impl Why {
    fn name(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Retry => "retry",
            Self::Confirm => "confirm",
            Self::WakeUp => "wake-up",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;

    const SETTINGS: PollSettings = PollSettings {
        interval: Duration::from_secs(10),
        confirm_after: Duration::from_millis(250),
    };

    fn at(milliseconds: u64) -> Monotonic {
        Monotonic::from_elapsed(Duration::from_millis(milliseconds))
    }

    fn feed(polling: &mut Polling, now: u64, input: Input) -> Vec<Effect> {
        polling.handle(at(now), input, &mut SplitMix64::new(1))
    }

    fn due(polling: &Polling) -> u64 {
        u64::try_from(polling.poll_timeout().unwrap().at.elapsed().as_millis()).unwrap()
    }

    #[test]
    fn a_wake_up_reads_at_once_and_one_during_a_read_leads_to_one_more() {
        let mut polling = Polling::new(SETTINGS);
        assert_eq!(feed(&mut polling, 0, Input::Start), [Effect::Read]);
        assert_eq!(feed(&mut polling, 1, Input::WakeUp), []);
        assert_eq!(feed(&mut polling, 2, Input::WakeUp), []);
        assert_eq!(feed(&mut polling, 10, Input::Good), []);
        assert_eq!(due(&polling), 110);
        assert_eq!(feed(&mut polling, 110, Input::Timeout), [Effect::Read]);
        assert_eq!(feed(&mut polling, 120, Input::Good), []);
        assert_eq!(due(&polling), 10_120);
        assert_eq!(feed(&mut polling, 5_000, Input::WakeUp), [Effect::Read]);
    }

    #[test]
    fn a_storm_of_wake_ups_reads_no_more_than_ten_times_a_second() {
        let mut polling = Polling::new(SETTINGS);
        feed(&mut polling, 0, Input::Start);
        feed(&mut polling, 0, Input::Good);
        let mut reads = 0;
        for now in 1..=1_000 {
            let mut effects = feed(&mut polling, now, Input::WakeUp);
            effects.extend(feed(&mut polling, now, Input::Timeout));
            if !effects.is_empty() {
                reads += 1;
                feed(&mut polling, now, Input::Good);
            }
        }
        assert_eq!(reads, 10);
    }

    #[test]
    fn failures_back_off_with_jitter_up_to_the_poll_interval_and_a_good_read_ends_that() {
        let mut polling = Polling::new(SETTINGS);
        feed(&mut polling, 0, Input::Start);
        for (failure, longest) in [
            (1, 1_500),
            (2, 3_000),
            (3, 6_000),
            (4, 10_000),
            (5, 10_000),
            (20, 10_000),
        ] {
            feed(&mut polling, 0, Input::Failed);
            let wait = due(&polling);
            assert!(
                wait <= longest && wait >= longest / 3,
                "after failure {failure}: {wait} ms"
            );
            assert_eq!(feed(&mut polling, 0, Input::WakeUp), [], "it reads no sooner");
            assert_eq!(due(&polling), wait, "a wake-up does not cut the backoff short");
            assert_eq!(feed(&mut polling, wait + 1, Input::Timeout), [Effect::Read]);
            feed(&mut polling, 0, Input::WakeUp);
        }
        feed(&mut polling, 0, Input::Good);
        feed(&mut polling, 100, Input::Timeout);
        feed(&mut polling, 100, Input::Good);
        assert_eq!(due(&polling), 10_100);
    }

    #[test]
    fn what_must_be_confirmed_is_read_again_soon() {
        let mut polling = Polling::new(SETTINGS);
        feed(&mut polling, 0, Input::Start);
        feed(&mut polling, 0, Input::Unconfirmed);
        assert!((125..=375).contains(&due(&polling)));
    }

    #[test]
    fn a_ledger_that_goes_on_confirming_nothing_is_asked_ever_more_seldom_until_a_good_read() {
        let mut polling = Polling::new(SETTINGS);
        feed(&mut polling, 0, Input::Start);
        let mut now = 0;
        for (least, most) in [
            (125, 375),
            (250, 750),
            (500, 1_500),
            (1_000, 3_000),
            (2_000, 6_000),
            (3_333, 10_000),
            (3_333, 10_000),
        ] {
            feed(&mut polling, now, Input::Unconfirmed);
            let wait = due(&polling) - now;
            assert!((least..=most).contains(&wait), "{wait} of {least} to {most}");
            now = due(&polling) + 1;
            assert_eq!(feed(&mut polling, now, Input::Timeout), [Effect::Read]);
        }
        feed(&mut polling, now, Input::Good);
        now += 10_000;
        feed(&mut polling, now, Input::Timeout);
        feed(&mut polling, now, Input::Unconfirmed);
        assert!(due(&polling) <= now + 375, "as soon as the first time");
        assert_eq!(
            feed(&mut polling, now + 1, Input::Start),
            [Effect::Read],
            "a wake-up, or another role, waits for no confirmation"
        );
        feed(&mut polling, now + 1, Input::Unconfirmed);
        assert!(due(&polling) <= now + 376);
    }
}

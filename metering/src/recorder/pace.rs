//! When a recorder that could not write tries again, and what is told of that.

use std::time::Duration;

use warren_state::{
    Deadline, Monotonic,
    backoff::{Backoff, Jitter, Waits},
    event::Event,
    random::Random,
};

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(10);
/// However long another end asks for: what waits is in the journal, which has a bound.
const LONGEST_ASKED_FOR: Duration = Duration::from_secs(3_600);

/// A write that did not come about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// What the system or the other end says.
    pub detail: String,
    /// How long the other end asks to be left alone.
    pub wait: Option<Duration>,
    /// Whether it says nothing of the configuration: a full disk, a fault of it, a receiver that is away.
    pub passes: bool,
}

/// The state of one recorder's output.
#[derive(Clone, PartialEq, Debug)]
pub struct Pace {
    recorder: String,
    backoff: Backoff,
    problem: Option<String>,
    retry: Option<Monotonic>,
}

impl Pace {
    /// Nothing was tried yet.
    #[must_use]
    pub fn new(recorder: &str) -> Self {
        Self {
            recorder: recorder.to_owned(),
            backoff: Backoff::until_success(Waits {
                first: FIRST,
                longest: LONGEST,
                jitter: Jitter::UP_TO_HALF_OFF,
            }),
            problem: None,
            retry: None,
        }
    }

    /// Whether it may be tried now.
    #[must_use]
    pub fn may_try(&self, now: Monotonic) -> bool {
        self.retry.is_none_or(|at| now >= at)
    }

    /// Why it does not write.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// It wrote. Gives what is to be told.
    pub fn worked(&mut self) -> Option<Event> {
        self.backoff.forget();
        self.retry = None;
        self.problem.take().map(|_| Event::RecorderMended {
            recorder: self.recorder.clone(),
        })
    }

    /// It did not. Gives what is to be told: once, until it works again.
    pub fn failed(&mut self, now: Monotonic, failure: Failure, random: &mut dyn Random) -> Option<Event> {
        let usual = self.backoff.fail(random);
        let wait = failure
            .wait
            .map_or(usual, |asked| asked.min(LONGEST_ASKED_FOR).max(usual));
        self.retry = Some(now + wait);
        let is_new = self.problem.is_none();
        self.problem = Some(failure.detail.clone());
        is_new.then(|| Event::RecorderImpaired {
            recorder: self.recorder.clone(),
            detail: failure.detail,
        })
    }

    /// When it is tried again.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Deadline> {
        self.retry.map(|at| Deadline {
            at,
            name: "retry of a recorder",
        })
    }
}

#[cfg(test)]
mod tests {
    use warren_state::random::SplitMix64;

    use super::*;

    fn failure(wait: Option<Duration>) -> Failure {
        Failure {
            detail: "no space left on device".to_owned(),
            wait,
            passes: true,
        }
    }

    #[test]
    fn it_is_told_once_and_tried_again_after_longer_and_longer_waits() {
        let (mut pace, mut random) = (Pace::new("file"), SplitMix64::new(1));
        let (mut now, mut waits) = (Monotonic::ZERO, Vec::new());
        for number in 0..9 {
            let told = pace.failed(now, failure(None), &mut random);
            assert_eq!(told.is_some(), number == 0);
            assert!(!pace.may_try(now));
            let at = pace.poll_timeout().unwrap().at;
            waits.push(at.since(now));
            now = at;
            assert!(pace.may_try(now));
        }
        assert!(
            waits[0] <= FIRST && waits[8] > LONGEST / 2 && waits[8] <= LONGEST,
            "{waits:?}"
        );
        assert!(matches!(pace.worked(), Some(Event::RecorderMended { .. })));
        assert_eq!(
            (pace.worked(), pace.problem(), pace.poll_timeout()),
            (None, None, None)
        );
    }

    #[test]
    fn another_end_that_asks_for_time_gets_it_within_a_bound() {
        let (mut pace, mut random) = (Pace::new("http"), SplitMix64::new(1));
        for (asked, given) in [(60, 60), (86_400, 3_600)] {
            pace.failed(
                Monotonic::ZERO,
                failure(Some(Duration::from_secs(asked))),
                &mut random,
            );
            assert_eq!(
                pace.poll_timeout().unwrap().at.elapsed(),
                Duration::from_secs(given)
            );
        }
    }
}

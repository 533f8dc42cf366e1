//! The progress watchdog's view of an actor: what is due, and since when it is busy.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ractor::ActorCell;
use warren_state::Monotonic;

use crate::lock::lock;

const NEVER: u64 = u64::MAX;

/// What one actor tells about its progress.
#[derive(Debug)]
pub(crate) struct Pulse {
    /// When the core's next deadline is due, in nanoseconds.
    due: AtomicU64,
    /// Since when a message is being handled.
    busy: AtomicU64,
    /// When one was handled last.
    handled: AtomicU64,
}

/// Everyone who is watched.
#[derive(Default)]
pub(crate) struct Pulses {
    watched: Mutex<Watched>,
}

#[derive(Default)]
struct Watched {
    next: u64,
    entries: BTreeMap<u64, Entry>,
}

struct Entry {
    actor: &'static str,
    pulse: Arc<Pulse>,
    cell: ActorCell,
}

/// Ends the watch when the actor's state goes.
pub(crate) struct Watch {
    pulses: Arc<Pulses>,
    number: u64,
    pub(crate) pulse: Arc<Pulse>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            due: AtomicU64::new(NEVER),
            busy: AtomicU64::new(NEVER),
            handled: AtomicU64::new(0),
        }
    }
}

impl Pulse {
    pub(crate) fn due(&self, at: Option<Monotonic>) {
        self.due.store(at.map_or(NEVER, nanoseconds), Ordering::Relaxed);
    }

    pub(crate) fn busy(&self, since: Option<Monotonic>) {
        self.busy
            .store(since.map_or(NEVER, nanoseconds), Ordering::Relaxed);
    }

    /// A message was handled.
    pub(crate) fn handled(&self, at: Monotonic) {
        self.handled.store(nanoseconds(at), Ordering::Relaxed);
        self.busy(None);
    }

    /// Whether it makes no progress: one message takes longer than `allowed`, or a deadline passed so long ago and nothing at
    /// all was handled for as long. Whoever has much to do comes to its deadline late, and is not stuck.
    pub(crate) fn stuck(&self, now: Monotonic, allowed: Duration) -> Option<&'static str> {
        let overdue = |mark: &AtomicU64| {
            let since = mark.load(Ordering::Relaxed);
            since != NEVER
                && nanoseconds(now).saturating_sub(since) > u64::try_from(allowed.as_nanos()).unwrap_or(NEVER)
        };
        if overdue(&self.busy) {
            Some("it handles one message all the time")
        } else if overdue(&self.due) && overdue(&self.handled) {
            Some("its deadline has passed, and it handles nothing")
        } else {
            None
        }
    }
}

impl Pulses {
    /// Watches an actor until the result is dropped.
    pub(crate) fn watch(self: &Arc<Self>, actor: &'static str, cell: ActorCell) -> Watch {
        let pulse = Arc::new(Pulse::default());
        let mut watched = lock(&self.watched);
        watched.next += 1;
        let number = watched.next;
        watched.entries.insert(
            number,
            Entry {
                actor,
                pulse: pulse.clone(),
                cell,
            },
        );
        Watch {
            pulses: self.clone(),
            number,
            pulse,
        }
    }

    /// Kills whoever is stuck; the supervisors do the rest.
    pub(crate) fn kill_stuck(&self, now: Monotonic, allowed: Duration) -> Vec<(&'static str, &'static str)> {
        let watched = lock(&self.watched);
        let stuck = watched
            .entries
            .values()
            .filter_map(|entry| entry.pulse.stuck(now, allowed).map(|why| (entry, why)));
        stuck
            .map(|(entry, why)| {
                entry.cell.kill();
                (entry.actor, why)
            })
            .collect()
    }

    /// Whether there is such an actor, and none of them is stuck.
    pub(crate) fn makes_progress(&self, actor: &str, now: Monotonic, allowed: Duration) -> bool {
        let watched = lock(&self.watched);
        let mut entries = watched
            .entries
            .values()
            .filter(|entry| entry.actor == actor)
            .peekable();
        entries.peek().is_some() && entries.all(|entry| entry.pulse.stuck(now, allowed).is_none())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        lock(&self.pulses.watched).entries.remove(&self.number);
    }
}

fn nanoseconds(at: Monotonic) -> u64 {
    u64::try_from(at.elapsed().as_nanos()).unwrap_or(NEVER - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_elapsed(Duration::from_secs(seconds))
    }

    #[test]
    fn a_deadline_that_passed_long_ago_is_stuck_and_one_that_is_met_is_not() {
        let pulse = Pulse::default();
        let allowed = Duration::from_secs(30);
        assert_eq!(pulse.stuck(at(1_000), allowed), None);
        pulse.due(Some(at(10)));
        assert_eq!(pulse.stuck(at(40), allowed), None);
        assert!(pulse.stuck(at(41), allowed).is_some());
        pulse.due(Some(at(45)));
        assert_eq!(pulse.stuck(at(41), allowed), None);
    }

    #[test]
    fn a_message_that_is_handled_for_ever_is_stuck() {
        let pulse = Pulse::default();
        pulse.busy(Some(at(0)));
        assert!(pulse.stuck(at(31), Duration::from_secs(30)).is_some());
        pulse.handled(at(31));
        assert_eq!(pulse.stuck(at(31), Duration::from_secs(30)), None);
    }

    #[test]
    fn one_that_goes_through_a_full_mailbox_is_not_stuck_however_late_its_deadline() {
        let (pulse, allowed) = (Pulse::default(), Duration::from_secs(30));
        pulse.due(Some(at(10)));
        for second in 11..1_000 {
            pulse.busy(Some(at(second)));
            pulse.handled(at(second));
            assert_eq!(pulse.stuck(at(second + 1), allowed), None, "at {second} s");
        }
        assert!(
            pulse.stuck(at(1_030), allowed).is_some(),
            "the mailbox is empty, and the deadline was forgotten"
        );
    }

    /// Handles its first message for ever.
    struct Stuck;

    impl ractor::Actor for Stuck {
        type Msg = ();
        type State = Watch;
        type Arguments = Arc<Pulses>;

        async fn pre_start(
            &self,
            myself: ractor::ActorRef<()>,
            pulses: Arc<Pulses>,
        ) -> Result<Watch, ractor::ActorProcessingErr> {
            Ok(pulses.watch("stuck", myself.get_cell()))
        }

        async fn handle(
            &self,
            _: ractor::ActorRef<()>,
            (): (),
            watch: &mut Watch,
        ) -> Result<(), ractor::ActorProcessingErr> {
            watch.pulse.busy(Some(at(0)));
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn whoever_is_stuck_is_killed_and_no_longer_watched_and_no_progress_is_reported_meanwhile() {
        let (pulses, allowed) = (Arc::<Pulses>::default(), Duration::from_secs(30));
        assert!(!pulses.makes_progress("stuck", at(0), allowed), "there is none");
        let (actor, ended) = ractor::Actor::spawn(None, Stuck, pulses.clone()).await.unwrap();
        assert!(pulses.makes_progress("stuck", at(100), allowed));
        assert!(pulses.kill_stuck(at(100), allowed).is_empty());
        actor.cast(()).unwrap();
        while pulses.makes_progress("stuck", at(100), allowed) {
            tokio::task::yield_now().await;
        }
        assert_eq!(pulses.kill_stuck(at(100), allowed).len(), 1);
        ended.await.unwrap();
        assert!(
            pulses.kill_stuck(at(100), allowed).is_empty(),
            "it is not watched any more"
        );
    }
}

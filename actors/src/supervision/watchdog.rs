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
pub(crate) struct Progress {
    /// When the core's next deadline is due, in nanoseconds.
    due: AtomicU64,
    /// Since when a message is being handled.
    busy: AtomicU64,
    /// When one was handled last.
    handled: AtomicU64,
}

/// Everyone who is watched.
#[derive(Default)]
pub(crate) struct Watchdog {
    registry: Mutex<Registry>,
}

#[derive(Default)]
struct Registry {
    next: u64,
    entries: BTreeMap<u64, Entry>,
}

struct Entry {
    actor: &'static str,
    progress: Arc<Progress>,
    cell: ActorCell,
}

/// Ends the watch when the actor's state goes.
pub(crate) struct Watch {
    watchdog: Arc<Watchdog>,
    number: u64,
    pub(crate) progress: Arc<Progress>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            due: AtomicU64::new(NEVER),
            busy: AtomicU64::new(NEVER),
            handled: AtomicU64::new(0),
        }
    }
}

impl Progress {
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

    /// Whether it makes no progress: one message takes longer than `allowed`, or a deadline passed this long ago and nothing at
    /// all was handled for as long. Whoever has much to do comes to its deadline late, and is not stuck.
    pub(crate) fn stuck(&self, now: Monotonic, allowed: Duration) -> Option<&'static str> {
        let overdue = |mark: &AtomicU64| {
            let since = mark.load(Ordering::Relaxed);
            since != NEVER
                && nanoseconds(now).saturating_sub(since) > u64::try_from(allowed.as_nanos()).unwrap_or(NEVER)
        };
        if overdue(&self.busy) {
            Some("it is stuck on one message")
        } else if overdue(&self.due) && overdue(&self.handled) {
            Some("its deadline has passed, and it does nothing")
        } else {
            None
        }
    }
}

impl Watchdog {
    /// Watches an actor until the result is dropped.
    pub(crate) fn watch(self: &Arc<Self>, actor: &'static str, cell: ActorCell) -> Watch {
        let progress = Arc::new(Progress::default());
        let mut registry = lock(&self.registry);
        registry.next += 1;
        let number = registry.next;
        registry.entries.insert(
            number,
            Entry {
                actor,
                progress: progress.clone(),
                cell,
            },
        );
        Watch {
            watchdog: self.clone(),
            number,
            progress,
        }
    }

    /// Kills whoever is stuck; the supervisors do the rest.
    pub(crate) fn kill_stuck(&self, now: Monotonic, allowed: Duration) -> Vec<(&'static str, &'static str)> {
        let registry = lock(&self.registry);
        let stuck = registry
            .entries
            .values()
            .filter_map(|entry| entry.progress.stuck(now, allowed).map(|why| (entry, why)));
        stuck
            .map(|(entry, why)| {
                entry.cell.kill();
                (entry.actor, why)
            })
            .collect()
    }

    /// Whether there is such an actor, and none of them is stuck.
    pub(crate) fn makes_progress(&self, actor: &str, now: Monotonic, allowed: Duration) -> bool {
        let registry = lock(&self.registry);
        let mut entries = registry
            .entries
            .values()
            .filter(|entry| entry.actor == actor)
            .peekable();
        entries.peek().is_some() && entries.all(|entry| entry.progress.stuck(now, allowed).is_none())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        lock(&self.watchdog.registry).entries.remove(&self.number);
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
        let progress = Progress::default();
        let allowed = Duration::from_secs(30);
        assert_eq!(progress.stuck(at(1_000), allowed), None);
        progress.due(Some(at(10)));
        assert_eq!(progress.stuck(at(40), allowed), None);
        assert!(progress.stuck(at(41), allowed).is_some());
        progress.due(Some(at(45)));
        assert_eq!(progress.stuck(at(41), allowed), None);
    }

    #[test]
    fn a_message_that_is_handled_for_ever_is_stuck() {
        let progress = Progress::default();
        progress.busy(Some(at(0)));
        assert!(progress.stuck(at(31), Duration::from_secs(30)).is_some());
        progress.handled(at(31));
        assert_eq!(progress.stuck(at(31), Duration::from_secs(30)), None);
    }

    #[test]
    fn one_that_goes_through_a_full_mailbox_is_not_stuck_however_late_its_deadline() {
        let (progress, allowed) = (Progress::default(), Duration::from_secs(30));
        progress.due(Some(at(10)));
        for second in 11..1_000 {
            progress.busy(Some(at(second)));
            progress.handled(at(second));
            assert_eq!(progress.stuck(at(second + 1), allowed), None, "at {second} s");
        }
        assert!(
            progress.stuck(at(1_030), allowed).is_some(),
            "the mailbox is empty, and the deadline was forgotten"
        );
    }

    /// Handles its first message for ever.
    struct Stuck;

    impl ractor::Actor for Stuck {
        type Msg = ();
        type State = Watch;
        type Arguments = Arc<Watchdog>;

        async fn pre_start(
            &self,
            myself: ractor::ActorRef<()>,
            watchdog: Arc<Watchdog>,
        ) -> Result<Watch, ractor::ActorProcessingErr> {
            Ok(watchdog.watch("stuck", myself.get_cell()))
        }

        async fn handle(
            &self,
            _: ractor::ActorRef<()>,
            (): (),
            watch: &mut Watch,
        ) -> Result<(), ractor::ActorProcessingErr> {
            watch.progress.busy(Some(at(0)));
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn whoever_is_stuck_is_killed_and_no_longer_watched_and_no_progress_is_reported_meanwhile() {
        let (watchdog, allowed) = (Arc::<Watchdog>::default(), Duration::from_secs(30));
        assert!(!watchdog.makes_progress("stuck", at(0), allowed), "there is none");
        let (actor, ended) = ractor::Actor::spawn(None, Stuck, watchdog.clone()).await.unwrap();
        assert!(watchdog.makes_progress("stuck", at(100), allowed));
        assert!(watchdog.kill_stuck(at(100), allowed).is_empty());
        actor.cast(()).unwrap();
        while watchdog.makes_progress("stuck", at(100), allowed) {
            tokio::task::yield_now().await;
        }
        assert_eq!(watchdog.kill_stuck(at(100), allowed).len(), 1);
        ended.await.unwrap();
        assert!(
            watchdog.kill_stuck(at(100), allowed).is_empty(),
            "it is not watched any more"
        );
    }
}

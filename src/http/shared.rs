//! What costs a dump of the kernel, made once for all who ask at about the same time: the socket is open to every local user.

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};
use warren_actors::{PlanError, Snapshot};
use warren_state::{Fault, LearnedRoutes, Observed, Plan, Switch, TunnelId};

use super::Engine;

/// How long an answer serves others, unless the state was published anew meanwhile.
const FRESH: Duration = Duration::from_secs(1);

/// Past this an answer is given up, and the next who asks begins anew.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was known before the dataplane was looked at: nothing of an answer is newer than the look that it stands beside.
pub type Planned = (Arc<Snapshot>, Plan);

/// The same, and what the sessions taught us, asked for before what the dataplane has: a route that is being installed meanwhile does
/// not count as absent.
pub type Routes = (Arc<Snapshot>, BTreeMap<TunnelId, LearnedRoutes>, Observed);

/// The answers that are shared. There is at most one dump for each of them at a time.
pub struct Shared {
    plan: Latest<Result<Planned, PlanError>>,
    routes: Latest<Result<Routes, Fault>>,
}

/// Which state an answer belongs to: the revision, and the switch.
type State = (u64, Switch);

/// The latest answer to one question.
struct Latest<T> {
    fresh: Duration,
    kept: Arc<Mutex<Option<Kept<T>>>>,
}

struct Kept<T> {
    made: Instant,
    state: State,
    answer: Arc<T>,
}

impl Default for Shared {
    fn default() -> Self {
        Self::fresh_for(FRESH)
    }
}

impl Shared {
    /// Answers serve others for this long.
    #[must_use]
    pub fn fresh_for(span: Duration) -> Self {
        Self {
            plan: Latest::fresh_for(span),
            routes: Latest::fresh_for(span),
        }
    }

    /// What would be done now, at most a second old. Nothing when the dataplane does not answer.
    pub async fn plan(&self, engine: &Arc<dyn Engine>) -> Option<Arc<Result<Planned, PlanError>>> {
        let asked = Arc::clone(engine);
        let make = async move {
            let snapshot = asked.snapshot();
            Ok((snapshot, asked.plan().await?))
        };
        self.plan.get(|| state(&**engine), make).await
    }

    /// What is taught and what is there, at most a second old. Nothing when the dataplane does not answer.
    pub async fn routes(&self, engine: &Arc<dyn Engine>) -> Option<Arc<Result<Routes, Fault>>> {
        let asked = Arc::clone(engine);
        let make = async move {
            let (snapshot, learned) = (asked.snapshot(), asked.learned().await);
            Ok((snapshot, learned, asked.observe().await?))
        };
        self.routes.get(|| state(&**engine), make).await
    }
}

fn state(engine: &dyn Engine) -> State {
    let snapshot = engine.snapshot();
    (snapshot.revision, snapshot.switch)
}

impl<T: Send + Sync + 'static> Latest<T> {
    fn fresh_for(fresh: Duration) -> Self {
        Self {
            fresh,
            kept: Arc::default(),
        }
    }

    /// The answer that is kept, if it is fresh and of this state, else a new one. Who asks meanwhile waits for it. It is
    /// completed even if the one who asked goes away: asking and hanging up does not make for more of them.
    async fn get(
        &self,
        state: impl Fn() -> State,
        make: impl Future<Output = T> + Send + 'static,
    ) -> Option<Arc<T>> {
        let mut kept = Arc::clone(&self.kept).lock_owned().await;
        let state = state();
        if let Some(kept) = kept
            .as_ref()
            .filter(|kept| kept.state == state && kept.made.elapsed() < self.fresh)
        {
            return Some(Arc::clone(&kept.answer));
        }
        let making = tokio::spawn(async move {
            let answer = Arc::new(timeout(PATIENCE, make).await.ok()?);
            *kept = Some(Kept {
                made: Instant::now(),
                state,
                answer: Arc::clone(&answer),
            });
            Some(answer)
        });
        making.await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    /// Makes an answer when it is let, and counts.
    #[derive(Clone)]
    struct Maker {
        made: Arc<AtomicU32>,
        may: Arc<Semaphore>,
    }

    impl Maker {
        fn new() -> Self {
            Self {
                made: Arc::default(),
                may: Arc::new(Semaphore::new(0)),
            }
        }

        async fn make(self) -> u32 {
            let number = self.made.fetch_add(1, Ordering::SeqCst);
            self.may.acquire().await.unwrap().forget();
            number
        }

        fn made(&self) -> u32 {
            self.made.load(Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn all_who_ask_at_the_same_time_share_one_answer_and_so_does_who_asks_soon_after() {
        let (latest, maker) = (Latest::fresh_for(LONG), Maker::new());
        let ask = || latest.get(|| (1, Switch::On), maker.clone().make());
        let let_it = async { maker.may.add_permits(100) };
        let (first, second, third, ()) = tokio::join!(ask(), ask(), ask(), let_it);
        assert_eq!(
            [first, second, third, ask().await]
                .map(Option::unwrap)
                .map(|answer| *answer),
            [0; 4]
        );
        assert_eq!(maker.made(), 1);
    }

    #[tokio::test]
    async fn an_answer_that_is_old_or_of_another_state_is_made_anew() {
        let maker = Maker::new();
        maker.may.add_permits(100);
        let latest = Latest::fresh_for(LONG);
        for (state, expected) in [
            ((1, Switch::On), 0),
            ((1, Switch::On), 0),
            ((2, Switch::On), 1),
            ((2, Switch::Off), 2),
            ((2, Switch::Off), 2),
        ] {
            assert_eq!(
                *latest.get(|| state, maker.clone().make()).await.unwrap(),
                expected
            );
        }
        let old_at_once = Latest::fresh_for(Duration::ZERO);
        for expected in [3, 4] {
            assert_eq!(
                *old_at_once
                    .get(|| (1, Switch::On), maker.clone().make())
                    .await
                    .unwrap(),
                expected
            );
        }
    }

    #[tokio::test]
    async fn who_asks_and_hangs_up_does_not_make_for_a_second_one() {
        let (latest, maker) = (Latest::fresh_for(LONG), Maker::new());
        for _ in 0..10 {
            let asked = latest.get(|| (1, Switch::On), maker.clone().make());
            assert!(
                timeout(Duration::from_millis(5), asked).await.is_err(),
                "it may not be made yet"
            );
        }
        maker.may.add_permits(100);
        assert_eq!(
            *latest
                .get(|| (1, Switch::On), maker.clone().make())
                .await
                .unwrap(),
            0
        );
        assert_eq!(maker.made(), 1);
    }

    #[tokio::test]
    async fn one_that_fails_badly_does_not_stand_in_the_way_of_the_next() {
        let latest = Latest::fresh_for(LONG);
        assert!(
            latest
                .get(|| (1, Switch::On), async { panic!("in a test") })
                .await
                .is_none()
        );
        assert_eq!(*latest.get(|| (1, Switch::On), async { 7 }).await.unwrap(), 7);
    }
}

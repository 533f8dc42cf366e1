//! On a clock of the tests' own.

use std::{collections::BTreeSet, sync::Arc};

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    ttl: Duration::from_secs(5),
    failure_ttl: Duration::from_secs(1),
    keep: Duration::from_secs(60),
    most: 3,
};

/// A book and its time. An answer is the number of the read that gave it, and its key.
struct World {
    cache: Cache<u8, (u64, u8)>,
    now: Instant,
    /// Reads under way.
    running: Vec<(u8, u64, Instant)>,
}

impl World {
    fn new() -> Self {
        Self {
            cache: Cache::new(LIMITS),
            now: Instant::now(),
            running: vec![],
        }
    }

    fn after(&mut self, milliseconds: u64) -> &mut Self {
        self.now += Duration::from_millis(milliseconds);
        self
    }

    fn sweep(&mut self) {
        self.cache.sweep(self.now);
    }

    /// What is to be done for a question; a read that is to be begun is.
    fn next(&mut self, asked: &mut Asked<u8>) -> Next<(u64, u8)> {
        let next = self.cache.next(asked, self.now);
        if let Next::Begin(number) = next {
            assert!(
                !self.running.iter().any(|(key, ..)| *key == asked.key),
                "two reads of {} at once",
                asked.key
            );
            self.running.push((asked.key, number, self.now));
        }
        next
    }

    fn get(&mut self, key: u8) -> (Asked<u8>, Next<(u64, u8)>) {
        let mut asked = self.cache.get(key, self.now);
        let next = self.next(&mut asked);
        (asked, next)
    }

    fn fresh(&mut self, key: u8) -> (Asked<u8>, Next<(u64, u8)>) {
        let mut asked = self.cache.fresh(key);
        let next = self.next(&mut asked);
        (asked, next)
    }

    /// The read of this key ends.
    fn end(&mut self, key: u8, is_good: bool) {
        let Some(index) = self.running.iter().position(|(of, ..)| *of == key) else {
            return;
        };
        let (key, number, asked_at) = self.running.remove(index);
        let good = Fetched {
            value: Arc::new((number, key)),
            asked_at,
            read_at: self.now,
        };
        let result = if is_good {
            Ok(good)
        } else {
            Err(ReadError::Unavailable(number.to_string()))
        };
        self.cache.ended(key, number, self.now, result);
    }

    /// A read of this key from beginning to end.
    fn read(&mut self, key: u8, is_good: bool) {
        assert!(matches!(self.fresh(key).1, Next::Begin(_)));
        self.end(key, is_good);
    }
}

/// The number of the read that an answer is of.
fn number(next: &Next<(u64, u8)>) -> Option<u64> {
    match next {
        Next::Take(Ok(fetched)) => Some(fetched.value.0),
        Next::Take(Err(_)) | Next::Wait | Next::Begin(_) => None,
    }
}

#[test]
fn an_answer_is_good_for_its_ttl_and_read_again_after_it() {
    let mut world = World::new();
    world.read(1, true);
    assert_eq!(number(&world.after(4_999).get(1).1), Some(1));
    assert!(matches!(world.after(1).get(1).1, Next::Begin(2)));
    assert!(
        matches!(world.get(1).1, Next::Wait),
        "the read that is under way is everybody's"
    );
    assert_eq!(
        world.cache.counts(),
        Counts {
            hits: 1,
            reads: 2,
            failures: 0
        }
    );
}

#[test]
fn a_failure_is_the_answer_for_a_moment_and_the_last_good_answer_is_still_known() {
    let mut world = World::new();
    world.read(1, true);
    world.after(1_000).read(1, false);
    assert!(
        matches!(
            world.after(999).get(1).1,
            Next::Take(Err(ReadError::Unavailable(_)))
        ),
        "although a good one is younger than its TTL"
    );
    assert_eq!(*world.cache.latest(1).unwrap().value, (1, 1));
    let known: Vec<_> = world.cache.known().collect();
    let read = world.now - Duration::from_millis(1_999);
    assert_eq!(
        known,
        [Known {
            key: 1,
            read: Some((read, read)),
            error: Some(ReadError::Unavailable("2".into()))
        }]
    );
    assert!(matches!(world.after(1).get(1).1, Next::Begin(3)));
    assert_eq!(
        world.cache.counts(),
        Counts {
            hits: 1,
            reads: 3,
            failures: 1
        }
    );
}

#[test]
fn a_fresh_answer_is_of_a_read_that_began_after_the_question_and_shared_by_all_who_wait_for_it() {
    let mut world = World::new();
    let (mut first, _) = world.get(1);
    let mut later: Vec<_> = (0..3).map(|_| world.after(1).fresh(1).0).collect();
    world.after(1).end(1, true);
    assert_eq!(number(&world.next(&mut first)), Some(1));
    assert!(
        matches!(world.next(&mut later[0]), Next::Begin(2))
            && matches!(world.next(&mut later[1]), Next::Wait)
    );
    world.end(1, true);
    assert!(
        later
            .iter_mut()
            .all(|asked| number(&world.next(asked)) == Some(2))
    );
    assert_eq!(
        world.cache.counts(),
        Counts {
            hits: 2,
            reads: 2,
            failures: 0
        }
    );
}

#[test]
fn questions_know_nothing_of_each_other() {
    let mut world = World::new();
    assert!(matches!(world.get(1).1, Next::Begin(1)) && matches!(world.get(2).1, Next::Begin(2)));
    world.end(2, true);
    assert!(matches!(world.get(1).1, Next::Wait) && number(&world.get(2).1) == Some(2));
    world.end(1, false);
    assert!(matches!(world.get(1).1, Next::Take(Err(_))) && number(&world.get(2).1) == Some(2));
    assert!(matches!(world.get(3).1, Next::Begin(3)));
}

#[test]
fn a_key_that_nobody_asks_for_goes_and_one_whose_read_is_under_way_stays() {
    let mut world = World::new();
    world.read(1, true);
    world.fresh(2);
    world.after(60_000).sweep();
    assert_eq!(world.cache.known().count(), 2);
    world.after(1).sweep();
    assert_eq!(
        world.cache.known().map(|known| known.key).collect::<Vec<_>>(),
        [2]
    );
    world.end(2, true);
    assert_eq!(number(&world.get(2).1), Some(2));
}

#[test]
fn past_the_bound_the_key_that_was_asked_for_longest_ago_makes_room_and_reads_under_way_do_not() {
    let mut world = World::new();
    for key in 1..=3 {
        world.after(1).read(key, true);
    }
    world.after(1).get(1);
    assert!(matches!(world.fresh(4).1, Next::Begin(_)));
    assert_eq!(
        world.cache.known().map(|known| known.key).collect::<Vec<_>>(),
        [1, 3, 4]
    );
    assert!(matches!(world.fresh(1).1, Next::Begin(_)) && matches!(world.fresh(3).1, Next::Begin(_)));
    let refused = world.get(5).1;
    assert!(
        matches!(&refused, Next::Take(Err(ReadError::Unavailable(reason))) if reason.contains("too many")),
        "{refused:?}"
    );
    world.end(3, true);
    assert!(matches!(world.get(5).1, Next::Begin(_)));
}

/// What happens in a history.
#[derive(Clone, Copy, Debug)]
enum Step {
    Get(u8),
    Fresh(u8),
    End(u8, bool),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..5_u8).prop_map(Step::Get),
        2 => (0..5_u8).prop_map(Step::Fresh),
        4 => (0..5_u8, prop::bool::weighted(0.7)).prop_map(|(key, is_good)| Step::End(key, is_good)),
        2 => prop_oneof![0..1_500_u64, 0..7_000_u64, 0..90_000_u64].prop_map(Step::Wait),
    ]
}

/// Somebody who waits.
struct Waiting {
    asked: Asked<u8>,
    at: Instant,
    fresh: bool,
}

impl World {
    fn check(&self, waiting: &Waiting, answer: &Result<Fetched<(u64, u8)>, ReadError>) {
        let Ok(fetched) = answer else { return };
        assert_eq!(
            fetched.value.1, waiting.asked.key,
            "an answer to another question"
        );
        if waiting.fresh {
            assert!(
                fetched.asked_at >= waiting.at,
                "a fresh answer of a read that began before"
            );
        } else {
            assert!(fetched.read_at + LIMITS.ttl > waiting.at, "older than the TTL");
        }
    }

    /// Asks for all who wait; those who get their answer go.
    fn serve(&mut self, waiting: &mut Vec<Waiting>) {
        waiting.retain_mut(|waits| match self.next(&mut waits.asked) {
            Next::Take(answer) => {
                self.check(waits, &answer);
                false
            }
            Next::Wait | Next::Begin(_) => true,
        });
    }
}

proptest! {
    #[test]
    fn whatever_happens_reads_are_single_answers_are_right_and_nobody_waits_for_nothing(steps in prop::collection::vec(step(), 1..120)) {
        let (mut world, mut waiting) = (World::new(), Vec::new());
        for step in steps {
            match step {
                Step::Get(key) => waiting.push(Waiting { asked: world.cache.get(key, world.now), at: world.now, fresh: false }),
                Step::Fresh(key) => waiting.push(Waiting { asked: world.cache.fresh(key), at: world.now, fresh: true }),
                Step::End(key, is_good) => world.end(key, is_good),
                Step::Wait(milliseconds) => world.after(milliseconds).sweep(),
            }
            world.serve(&mut waiting);
            let read: BTreeSet<u8> = world.running.iter().map(|(key, ..)| *key).collect();
            prop_assert!(waiting.iter().all(|waits| read.contains(&waits.asked.key)), "somebody waits, and nobody reads");
            prop_assert!(world.cache.entries.len() <= LIMITS.most);
        }
        // Two rounds of reads answer everybody.
        for _ in 0..2 {
            (0..5).for_each(|key| world.end(key, true));
            world.serve(&mut waiting);
        }
        prop_assert!(waiting.is_empty());
    }
}

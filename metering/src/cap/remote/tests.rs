mod stops;

use std::time::Duration;

use warren_state::{Monotonic, random::SplitMix64};

use super::*;
use crate::cap::{DeviceId, UnixSeconds, Window};

const SECOND: Duration = Duration::from_secs(1);

/// A machine, its clock, and what it asked for that was not answered yet.
struct Host {
    remote: Remote,
    now: Monotonic,
    random: SplitMix64,
    kept: Vec<UsageCounters>,
    batches: Vec<Batch>,
    asked: Vec<(DeviceId, Vec<String>)>,
    said: Vec<(DeviceId, crate::cap::CapSnapshot)>,
    stopped: usize,
}

impl Host {
    fn new(kept: Option<Vec<UsageCounters>>) -> Self {
        let settings = Settings {
            country: "DE".to_owned(),
            platform: "linux".to_owned(),
            ..Settings::default()
        };
        Self {
            remote: Remote::new(settings, "node:1".to_owned(), kept, Monotonic::ZERO),
            now: Monotonic::ZERO,
            random: SplitMix64::new(1),
            kept: Vec::new(),
            batches: Vec::new(),
            asked: Vec::new(),
            said: Vec::new(),
            stopped: 0,
        }
    }

    /// One that was started before.
    fn again() -> Self {
        Self::new(Some(Vec::new()))
    }

    fn give(&mut self, input: Input) {
        for effect in self.remote.handle(self.now, input, &mut self.random) {
            match effect {
                Effect::Keep(counters) => self.kept.extend(counters),
                Effect::Report(batch) => self.batches.push(batch),
                Effect::Sync(device, sources) => self.asked.push((device, sources)),
                Effect::Say(device, snapshot) => self.said.push((device, snapshot)),
                Effect::Stopped => self.stopped += 1,
            }
        }
    }

    fn used(&mut self, name: &str, total: u64) {
        let at = UnixSeconds(1000 + i64::try_from(self.now.elapsed().as_secs()).unwrap());
        let device = id(name);
        self.give(Input::Usage(at, vec![Used { device, total }]));
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.give(Input::Timeout);
    }

    fn round(&mut self) {
        self.wait(30 * SECOND);
    }

    fn record(&self) -> Record {
        let batch = self.batches.last().unwrap();
        assert_eq!(batch.records.len(), 1);
        batch.records[0].clone()
    }

    fn answer(&mut self, results: Vec<Taken>) {
        let number = self.batches.last().unwrap().number;
        self.give(Input::Reported(number, Reported::Answered(results)));
    }

    fn fail(&mut self) {
        let number = self.batches.last().unwrap().number;
        self.give(Input::Reported(number, Reported::Failed(failure())));
    }

    fn synced(&mut self, name: &str, state: State) {
        self.give(Input::Synced(id(name), Synced::Answered(state)));
    }
}

#[test]
fn what_is_used_adds_up_and_is_reported_once_in_a_while() {
    let mut host = Host::again();
    host.used("a", 1000);
    host.synced("a", State::default());
    host.used("a", 2500);
    host.wait(29 * SECOND);
    assert!(host.batches.is_empty());
    host.wait(SECOND);
    let record = host.record();
    assert_eq!((record.total, record.delta, record.sequence), (2500, 2500, 1));
    assert_eq!(
        (record.country.as_str(), record.platform.as_str()),
        ("DE", "linux")
    );
    assert_eq!(
        host.kept.last().unwrap().counters[0].sent,
        Some(2500),
        "on disk before it is sent"
    );
    host.answer(vec![]);
    assert_eq!(
        host.remote.status().owed,
        0,
        "an empty list says that all was taken"
    );
    host.used("a", 2600);
    host.round();
    assert_eq!(
        (host.record().total, host.record().delta, host.record().sequence),
        (2600, 100, 2)
    );
}

#[test]
fn a_record_whose_answer_is_lost_comes_again_as_it_was_and_what_was_used_meanwhile_after_it() {
    let mut host = Host::again();
    host.used("a", 1000);
    host.synced("a", State::default());
    host.round();
    let record = host.record();
    host.used("a", 1500);
    host.fail();
    for _ in 0..3 {
        let before = host.batches.len();
        while host.batches.len() == before {
            host.wait(SECOND);
        }
        assert_eq!(host.record(), record);
        host.fail();
    }
    assert_eq!(host.remote.status().owed, 1500);
    host.wait(Duration::from_secs(60));
    host.answer(vec![]);
    host.round();
    let next = host.record();
    assert_eq!(
        (next.total, next.delta, next.sequence),
        (1500, 500, record.sequence + 1)
    );
}

#[test]
fn of_a_list_what_it_lacks_or_refuses_is_not_taken_and_what_it_has_twice_is_taken_once() {
    let mut host = Host::again();
    for name in ["a", "b", "c"] {
        host.used(name, 100);
        host.synced(name, State::default());
    }
    host.round();
    let refused = || Taken {
        refused: Some("no".to_owned()),
        ..taken("b")
    };
    host.answer(vec![taken("a"), taken("a"), refused(), refused()]);
    assert_eq!(host.remote.status().owed, 200);
    assert_eq!(host.remote.status().problem.as_deref(), Some("b: no"));
    host.round();
    let records = &host.batches.last().unwrap().records;
    let again: Vec<_> = records
        .iter()
        .map(|record| (record.device.as_str(), record.delta))
        .collect();
    assert_eq!(again, [("b", 100), ("c", 100)]);
    let late = Taken {
        of: Some(("node:1".to_owned(), 99)),
        ..taken("b")
    };
    host.answer(vec![late, taken("c")]);
    assert_eq!(
        host.remote.status().owed,
        100,
        "an answer to another record says nothing of this one"
    );
}

#[test]
fn what_is_refused_again_and_again_is_sent_ever_later_and_never_given_up() {
    let mut host = Host::again();
    host.used("a", 100);
    host.synced("a", State::default());
    let mut rounds_until = vec![];
    for _ in 0..4 {
        let before = host.batches.len();
        let mut rounds = 0;
        while host.batches.len() == before {
            host.round();
            rounds += 1;
            assert!(rounds < 100, "it is never sent again");
        }
        rounds_until.push(rounds);
        host.answer(vec![Taken {
            refused: Some("no".to_owned()),
            ..taken("a")
        }]);
    }
    assert_eq!(rounds_until, [1, 1, 2, 4]);
    assert_eq!(host.remote.status().owed, 100);
    host.give(Input::Stop);
    assert_eq!(host.batches.len(), 5, "the last chance is taken");
}

#[test]
fn no_batch_is_larger_than_the_bound_and_the_next_one_waits_for_the_answer() {
    let mut host = Host::again();
    let all = (0..1200).map(|number| Used {
        device: id(&format!("device-{number:04}")),
        total: 1,
    });
    host.give(Input::Usage(UnixSeconds(1000), all.collect()));
    for name in (0..1200).map(|number| format!("device-{number:04}")) {
        host.synced(&name, State::default());
    }
    host.round();
    let mut sizes = vec![];
    for batch in 1.. {
        if host.batches.len() < batch {
            break;
        }
        sizes.push(host.batches[batch - 1].records.len());
        assert_eq!(host.batches.len(), batch, "one at a time");
        host.answer(vec![]);
    }
    assert_eq!(sizes, [500, 500, 200]);
    assert_eq!(host.remote.status().owed, 0);

    let mut host = Host::again();
    let long = "x".repeat(1000);
    let all = (0..400).map(|number| Used {
        device: id(&format!("{number}-{long}")),
        total: 1,
    });
    host.give(Input::Usage(UnixSeconds(1000), all.collect()));
    host.give(Input::Stop);
    assert!(
        (200..300).contains(&host.batches[0].records.len()),
        "{}",
        host.batches[0].records.len()
    );
}

#[test]
fn used_is_what_the_authority_says_and_what_it_cannot_have_seen() {
    let mut host = Host::again();
    host.used("a", 1000);
    let (_, sources) = host.asked[0].clone();
    assert_eq!(sources, ["node:1"]);
    let state = |used, seen| State {
        used: Spent::Octets(used),
        limit: 1 << 40,
        until: UnixSeconds(99_999),
        seen,
        ..State::default()
    };
    host.synced("a", state(50_000, None));
    let (_, snapshot) = host.said[0];
    assert_eq!(
        (snapshot.used + 1000 - snapshot.seen, snapshot.cap.window),
        (51_000, Window::Until(UnixSeconds(99_999)))
    );

    // What is on its way may have been seen or not; an authority that says which is believed, another is not asked just then.
    host.round();
    host.used("a", 1300);
    host.fail();
    host.wait(400 * SECOND);
    host.used("a", 1300);
    host.answer(vec![]);
    assert_eq!(host.asked.len(), 2, "asked once nothing of it is on its way");
    let knows = |total| {
        Some(vec![Seen {
            source: "node:1".to_owned(),
            window: UnixSeconds(0),
            total,
        }])
    };
    host.synced("a", state(51_000, knows(1000)));
    let (_, snapshot) = host.said[1];
    assert_eq!(snapshot.used + 1300 - snapshot.seen, 51_300);
    let mut other = Host::again();
    other.used("a", 1000);
    other.synced("a", state(50_000, knows(400)));
    let (_, snapshot) = other.said[0];
    assert_eq!(
        snapshot.used + 1000 - snapshot.seen,
        50_600,
        "of what it knows nothing is added"
    );
}

#[test]
fn one_is_asked_about_once_at_a_time_and_a_failure_is_remembered() {
    let mut host = Host::again();
    for _ in 0..100 {
        host.used("a", 0);
    }
    assert_eq!(host.asked.len(), 1, "whoever wants to know, one question");
    let fail = |host: &mut Host| host.give(Input::Synced(id("a"), Synced::Failed(failure())));
    fail(&mut host);
    for _ in 0..100 {
        host.used("a", 0);
    }
    assert_eq!(host.asked.len(), 1, "not at once again");
    let mut asked = vec![];
    for second in 0..600 {
        host.wait(SECOND);
        host.used("a", 0);
        if host.asked.len() > asked.len() + 1 {
            asked.push(second);
            fail(&mut host);
        }
    }
    assert!((8..40).contains(&asked.len()), "{asked:?}");
    assert_eq!(host.remote.status().unsynced, 1);
    for _ in 0..120 {
        host.wait(SECOND);
    }
    host.synced("a", State::default());
    let before = host.asked.len();
    host.wait(200 * SECOND);
    host.used("a", 0);
    assert_eq!(host.asked.len(), before, "known for five minutes, about");
    host.wait(101 * SECOND);
    assert_eq!(host.asked.len(), before + 1);
}

#[test]
fn while_the_authority_does_not_answer_one_question_at_a_time_is_enough() {
    let mut host = Host::again();
    for number in 0..100 {
        host.used(&format!("{number}"), 0);
    }
    assert_eq!(host.asked.len(), 16);
    for (device, _) in host.asked.clone() {
        host.give(Input::Synced(device, Synced::Failed(failure())));
    }
    let before = host.asked.len();
    for _ in 0..300 {
        host.wait(SECOND);
    }
    assert_eq!(host.asked.len(), before + 1);
}

#[test]
fn who_is_idle_is_forgotten_unless_something_is_owed_and_nothing_is_counted_again() {
    let mut host = Host::again();
    host.used("owes", 500);
    host.used("idle", 700);
    host.synced("owes", State::default());
    host.synced("idle", State::default());
    host.round();
    host.answer(vec![taken("idle")]);
    for _ in 0..200 {
        let before = host.batches.len();
        host.wait(30 * SECOND);
        if host.batches.len() > before {
            host.fail();
        }
        for (device, _) in std::mem::take(&mut host.asked) {
            host.synced(device.as_str(), State::default());
        }
    }
    assert_eq!(
        (host.remote.status().devices, host.remote.status().owed),
        (1, 500)
    );
    host.used("idle", 750);
    assert_eq!(host.remote.status().owed, 550);
}

#[test]
fn what_was_used_in_a_window_is_reported_as_of_that_window_after_its_end() {
    let mut host = Host::again();
    host.used("a", 0);
    let state = |from, until| State {
        limit: 1000,
        from: UnixSeconds(from),
        until: UnixSeconds(until),
        seen: Some(vec![]),
        ..State::default()
    };
    host.synced("a", state(500, 1010));
    host.used("a", 300);
    host.wait(20 * SECOND);
    host.used("a", 350);
    assert_eq!(host.asked.len(), 2, "its end is reason to ask");
    host.synced("a", state(1010, 2010));
    host.wait(20 * SECOND);
    let first = host.record();
    assert_eq!((first.window, first.total), (UnixSeconds(500), 300));
    host.answer(vec![]);
    host.round();
    let second = host.record();
    assert_eq!((second.window, second.total), (UnixSeconds(1010), 50));
    let (_, snapshot) = host.said[1];
    assert_eq!(
        snapshot.used + 350 - snapshot.seen,
        50,
        "the rest of the old window counts in it"
    );
}

#[test]
fn what_an_authority_has_lost_is_reported_again() {
    let mut host = Host::again();
    host.used("a", 1000);
    host.synced("a", State::default());
    host.round();
    host.answer(vec![]);
    assert_eq!(host.remote.status().owed, 0);
    host.wait(400 * SECOND);
    host.used("a", 1000);
    host.wait(SECOND);
    host.synced(
        "a",
        State {
            seen: Some(vec![]),
            ..State::default()
        },
    );
    assert_eq!(host.remote.status().owed, 1000);
}

#[test]
fn a_sidecars_word_holds_as_it_is() {
    let mut host = Host::again();
    host.used("a", 5);
    for (too_much, used) in [(true, 700), (false, 0)] {
        host.said.clear();
        host.wait(600 * SECOND);
        host.used("a", 5);
        let state = State {
            used: Spent::TooMuch(too_much),
            limit: 700,
            ..State::default()
        };
        if host.batches.is_empty() {
            host.synced("a", state);
        } else {
            let answer = Taken {
                state: Some(state),
                ..taken("a")
            };
            host.answer(vec![answer]);
        }
        assert_eq!((host.said[0].1.used, host.said[0].1.seen), (used, 5));
    }
}

fn id(name: &str) -> DeviceId {
    DeviceId::new(name).unwrap()
}

fn taken(name: &str) -> Taken {
    Taken {
        device: name.to_owned(),
        ..Taken::default()
    }
}

fn failure() -> Failure {
    Failure {
        detail: "Timeout expired".to_owned(),
        wait: None,
    }
}

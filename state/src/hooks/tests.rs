use proptest::prelude::*;

use super::*;
use crate::Epoch;

fn at(seconds: u64) -> Monotonic {
    Monotonic::from_elapsed(Duration::from_secs(seconds))
}

fn entry(sequence: u64, event: Event) -> Arc<JournalEntry> {
    Arc::new(JournalEntry {
        epoch: Epoch(1),
        sequence: Sequence(sequence),
        unix_ms: 7,
        event,
    })
}

fn switched(sequence: u64) -> Arc<JournalEntry> {
    entry(sequence, Event::Switched { enabled: true })
}

/// With this one hook.
fn hooks(settings: HookSettings) -> Hooks {
    let mut hooks = Hooks::new(settings);
    assert_eq!(hooks.found(Ok(["a".to_owned()].into())), []);
    hooks
}

fn run(effects: &[HookEffect]) -> Vec<(u64, u64)> {
    let of = |effect: &HookEffect| match effect {
        HookEffect::Run { entry, lost, .. } => Some((entry.sequence.0, *lost)),
        HookEffect::Kill { .. } | HookEffect::Tell(_) => None,
    };
    effects.iter().filter_map(of).collect()
}

fn told(effects: &[HookEffect]) -> Vec<&Event> {
    fn of(effect: &HookEffect) -> Option<&Event> {
        match effect {
            HookEffect::Tell(event) => Some(event),
            HookEffect::Run { .. } | HookEffect::Kill { .. } => None,
        }
    }
    effects.iter().filter_map(of).collect()
}

fn well() -> Ended {
    Ended {
        failure: None,
        detail: None,
    }
}

fn failed(failure: HookFailure) -> Ended {
    Ended {
        failure: Some(failure),
        detail: None,
    }
}

#[test]
fn one_event_at_a_time_goes_to_a_hook_in_order_and_hooks_do_not_wait_for_each_other() {
    let mut hooks = Hooks::new(HookSettings::default());
    hooks.found(Ok(["a".to_owned(), "b".to_owned()].into()));
    (1..=2).for_each(|sequence| hooks.take(&switched(sequence)));
    assert_eq!(run(&hooks.go_on(at(0))), [(1, 0), (1, 0)]);
    assert_eq!(hooks.go_on(at(1)), [], "both run");
    hooks.ended(at(1), "b", well());
    assert_eq!(run(&hooks.go_on(at(1))), [(2, 0)], "only b is free");
    hooks.ended(at(2), "b", well());
    hooks.ended(at(2), "a", well());
    assert_eq!(run(&hooks.go_on(at(2))), [(2, 0)]);
    assert!(!hooks.is_done());
    hooks.ended(at(2), "a", well());
    assert!(hooks.is_done());
}

#[test]
fn what_is_too_much_goes_from_the_oldest_and_the_hook_and_the_operator_are_told_how_many() {
    let mut hooks = hooks(HookSettings {
        waiting: 3,
        ..HookSettings::default()
    });
    hooks.take(&switched(1));
    hooks.go_on(at(0));
    (2..=10).for_each(|sequence| hooks.take(&switched(sequence)));
    assert_eq!(hooks.standing().hooks["a"].waiting, 3);
    assert_eq!(hooks.standing().hooks["a"].dropped, 6);
    hooks.ended(at(1), "a", well());
    let effects = hooks.go_on(at(1));
    assert_eq!(run(&effects), [(8, 6)]);
    let dropped = Event::HookDropped {
        hook: "a".to_owned(),
        dropped: 6,
    };
    assert_eq!(told(&effects), [&dropped]);
    hooks.ended(at(2), "a", well());
    let effects = hooks.go_on(at(2));
    assert_eq!(
        (run(&effects), told(&effects).len()),
        (vec![(9, 0)], 0),
        "it is told once"
    );
}

#[test]
fn one_that_takes_too_long_is_killed_once_and_that_is_a_deadline_and_no_signal() {
    let mut hooks = hooks(HookSettings::default());
    hooks.take(&switched(1));
    hooks.go_on(at(0));
    assert_eq!(hooks.poll_timeout().map(|due| due.at), Some(at(10)));
    assert_eq!(hooks.go_on(at(9)), []);
    assert_eq!(hooks.go_on(at(10)), [HookEffect::Kill { hook: "a".to_owned() }]);
    assert_eq!((hooks.go_on(at(11)), hooks.poll_timeout()), (vec![], None));
    let effects = hooks.ended(at(11), "a", failed(HookFailure::Signal { signal: 9 }));
    let deadline = HookFailure::Deadline { seconds: 10 };
    assert!(matches!(told(&effects)[..], [Event::HookFailed { failure, .. }] if *failure == deadline));
}

#[test]
fn after_failures_it_rests_longer_and_longer_and_the_event_is_not_given_again() {
    let mut hooks = hooks(HookSettings::default());
    (1..=20).for_each(|sequence| hooks.take(&switched(sequence)));
    let (mut now, mut rests) = (at(0), Vec::new());
    for sequence in 1..=9 {
        assert_eq!(run(&hooks.go_on(now)), [(sequence, 0)]);
        hooks.ended(now, "a", failed(HookFailure::Exit { status: 1 }));
        let due = hooks.poll_timeout().unwrap().at;
        rests.push(due.since(now).as_secs());
        assert_eq!(hooks.go_on(now), [], "it rests");
        now = due;
    }
    assert_eq!(rests, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    hooks.go_on(now);
    hooks.ended(now, "a", well());
    assert_eq!(
        run(&hooks.go_on(now)),
        [(11, 0)],
        "well again, it rests no longer"
    );
}

#[test]
fn failures_that_are_alike_are_told_once_and_so_is_their_end_and_no_hook_is_given_that() {
    let mut hooks = hooks(HookSettings {
        filter: Filter::default(),
        ..HookSettings::default()
    });
    (1..=4).for_each(|sequence| hooks.take(&switched(sequence)));
    let mut all = Vec::new();
    let outcomes = [Some(1), Some(1), Some(2), None];
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let now = at(100 * number as u64);
        assert_eq!(hooks.go_on(now).len(), 1);
        let ended = outcome.map_or(well(), |status| failed(HookFailure::Exit { status }));
        all.extend(hooks.ended(now, "a", ended));
    }
    let names: Vec<&str> = told(&all).iter().map(|event| event.name()).collect();
    assert_eq!(names, ["hook_failed", "hook_failed", "hook_mended"]);
    for event in told(&all) {
        hooks.take(&entry(9, event.clone()));
    }
    assert!(hooks.is_done(), "nothing waits: there is no loop");
    let standing = &hooks.standing().hooks["a"];
    assert_eq!(
        (standing.runs, standing.failures, standing.failing.as_ref()),
        (4, 3, None)
    );
}

#[test]
fn one_that_is_gone_is_given_nothing_any_more_and_a_directory_that_is_not_safe_runs_none() {
    let mut hooks = hooks(HookSettings::default());
    (1..=2).for_each(|sequence| hooks.take(&switched(sequence)));
    hooks.go_on(at(0));
    assert_eq!(hooks.found(Ok(BTreeSet::new())), []);
    assert_eq!(hooks.standing().hooks.len(), 1, "it comes to its end");
    hooks.ended(at(1), "a", well());
    assert_eq!((hooks.standing().hooks.len(), hooks.go_on(at(1))), (0, vec![]));
    let refused = || Err("anybody may write there".to_owned());
    assert_eq!(told(&hooks.found(refused())).len(), 1);
    assert_eq!(hooks.found(refused()), [], "told once");
    hooks.take(&switched(3));
    assert_eq!(hooks.go_on(at(2)), []);
    hooks.found(Ok(["a".to_owned()].into()));
    assert_eq!(hooks.standing().problem, None);
}

#[test]
fn only_what_is_asked_for_is_given_and_nothing_after_the_end() {
    let mut hooks = hooks(HookSettings {
        filter: Filter::parse(Some("store,stopping"), None).unwrap(),
        ..HookSettings::default()
    });
    hooks.take(&switched(1));
    hooks.take(&entry(2, Event::StoreMended));
    hooks.take(&entry(3, Event::Stopping { remove: false }));
    assert_eq!(run(&hooks.go_on(at(0))), [(2, 0)]);
    hooks.hurry();
    hooks.take(&entry(4, Event::StoreMended));
    hooks.ended(at(0), "a", failed(HookFailure::Exit { status: 1 }));
    hooks.hurry();
    assert_eq!(run(&hooks.go_on(at(0))), [(3, 0)], "it does not rest any more");
    hooks.ended(at(0), "a", well());
    assert!(hooks.is_done());
}

#[test]
fn a_hook_reads_one_line_with_the_event_its_words_and_what_it_missed() {
    let text = input(NodeId(0xab), &switched(5), 3);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        value,
        serde_json::json!({
            "position": "000000000000000000000000000000ab.1.5", "v": 1, "epoch": 1, "sequence": 5, "unix_ms": 7, "kind": "switched",
            "enabled": true, "level": "info", "text": "enabled", "dropped": 3,
        })
    );
    assert_eq!(text.matches('\n').count(), 1);
    let event: Event = serde_json::from_str(&text).unwrap();
    assert_eq!(event, Event::Switched { enabled: true });
    assert!(!input(NodeId(0), &switched(5), 0).contains("dropped"));
}

proptest! {
    /// Whatever happens, each hook is given events in order, and every event was given, dropped and told, or waits.
    #[test]
    fn nothing_is_lost_in_silence_and_the_order_holds(steps in proptest::collection::vec(0..6_u8, 1..200)) {
        let mut hooks = hooks(HookSettings { waiting: 4, ..HookSettings::default() });
        let (mut now, mut next, mut last, mut given, mut announced, mut runs) = (at(0), 0, 0, 0_u64, 0, false);
        for step in steps {
            match step {
                0 | 1 => { next += 1; hooks.take(&switched(next)); }
                2 => now = now + Duration::from_secs(3),
                3 if runs => { hooks.ended(now, "a", well()); runs = false; }
                4 if runs => { hooks.ended(now, "a", failed(HookFailure::Signal { signal: 9 })); runs = false; }
                _ => {}
            }
            for (sequence, lost) in run(&hooks.go_on(now)) {
                prop_assert!(!runs && sequence == last + lost + 1);
                (last, given, announced, runs) = (sequence, given + 1, announced + lost, true);
            }
            let standing = &hooks.standing().hooks["a"];
            prop_assert!(standing.waiting <= 4);
            prop_assert_eq!(given + standing.dropped + standing.waiting as u64, next);
            prop_assert!(announced <= standing.dropped);
        }
    }
}

#[test]
fn those_that_there_is_no_room_for_are_told_shown_and_run_once_there_is() {
    let mut hooks = Hooks::new(HookSettings {
        most: 2,
        ..HookSettings::default()
    });
    let names = |names: &[&str]| Ok(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(hooks.found(names(&["b", "c"])), []);
    let effects = hooks.found(names(&["a", "b", "c", "d"]));
    let failure = HookFailure::TooMany { most: 2 };
    let expected = Event::HookFailed {
        hook: "a".to_owned(),
        failure: failure.clone(),
        detail: Some("nor are 1 others".to_owned()),
    };
    assert_eq!(told(&effects), [&expected]);
    assert_eq!(hooks.found(names(&["a", "b", "c", "d"])), [], "it is told once");
    hooks.take(&switched(1));
    assert_eq!(
        run(&hooks.go_on(at(0))),
        [(1, 0), (1, 0)],
        "those that were there first"
    );
    let standing = hooks.standing();
    let not_run: Vec<&String> = standing
        .hooks
        .iter()
        .filter(|(_, hook)| hook.failing.as_ref() == Some(&failure))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(not_run, ["a", "d"]);
    for name in ["b", "c"] {
        hooks.ended(at(1), name, well());
    }
    assert_eq!(
        hooks.found(names(&["a", "c", "d"])).len(),
        0,
        "one less is no news"
    );
    hooks.take(&switched(2));
    assert_eq!(run(&hooks.go_on(at(2))), [(2, 0), (2, 0)]);
    assert_eq!(hooks.standing().hooks["a"].failing, None);
}

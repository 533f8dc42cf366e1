use proptest::prelude::*;

use super::*;

const SETTINGS: HealthSettings = HealthSettings {
    unwell_after: Duration::from_secs(5),
    well_after: Duration::from_secs(30),
    settle: Duration::from_secs(30),
    view_age: Duration::from_secs(300),
    routes: 1,
};

fn at(seconds: u64) -> Monotonic {
    Monotonic::from_elapsed(Duration::from_secs(seconds))
}

fn wrong(codes: &[HealthCode]) -> BTreeSet<HealthReason> {
    codes
        .iter()
        .map(|code| HealthReason {
            code: *code,
            tunnel: None,
        })
        .collect()
}

/// One that was well once.
fn well() -> Health {
    let mut health = Health::new(SETTINGS, at(0));
    assert_eq!(health.look(at(0), &wrong(&[])).len(), 2, "both purposes are told");
    health
}

fn verdict(health: &Health, purpose: Purpose) -> HealthVerdict {
    health.standing()[&purpose].verdict
}

#[test]
fn what_is_wrong_counts_once_it_lasts_and_what_is_well_counts_once_that_lasts() {
    let (mut health, down, none) = (well(), wrong(&[HealthCode::SessionDown]), wrong(&[]));
    assert_eq!(health.look(at(100), &down), []);
    assert_eq!(health.poll_timeout().map(|due| due.at), Some(at(105)));
    assert_eq!(
        health.standing()[&Purpose::General].coming.len(),
        1,
        "it is shown meanwhile"
    );
    assert_eq!(health.look(at(104), &down), []);
    let told = health.look(at(105), &down);
    assert!(
        matches!(&told[..], [Event::HealthChanged { healthy: false, .. }, _]),
        "{told:?}"
    );
    assert_eq!(
        health.standing()[&Purpose::Failover].reasons.values().next(),
        Some(&at(100))
    );
    assert_eq!(health.look(at(110), &none), []);
    assert_eq!(health.poll_timeout().map(|due| due.at), Some(at(140)));
    assert_eq!(verdict(&health, Purpose::Failover), HealthVerdict::Unhealthy);
    assert_eq!(health.look(at(139), &none), []);
    assert_eq!(health.look(at(140), &none).len(), 2);
    assert_eq!(
        (verdict(&health, Purpose::Failover), health.poll_timeout()),
        (HealthVerdict::Healthy, None)
    );
}

#[test]
fn what_changes_within_a_moment_is_looked_at_once_and_again_when_what_was_seen_is_due() {
    let mut health = well();
    let random = &mut crate::random::SplitMix64::new(1);
    let due = |health: &Health| health.poll_timeout().map(|due| due.at);
    for _ in 0..3 {
        assert_eq!(health.handle(at(1), Input::Changed, random), []);
    }
    assert_eq!(due(&health), Some(at(1) + PAUSE));
    assert_eq!(health.handle(at(1), Input::Timeout, random), [], "too early");
    assert_eq!(health.handle(at(2), Input::Timeout, random), [Effect::Look]);
    let seen = Seen {
        wrong: wrong(&[HealthCode::Disabled]),
        due: Some(at(9)),
    };
    let told = health.handle(at(2), Input::Seen(seen), random);
    assert!(
        matches!(
            &told[..],
            [Effect::Tell(Event::HealthChanged {
                purpose: Purpose::Failover,
                ..
            })]
        ),
        "{told:?}"
    );
    assert_eq!(due(&health), Some(at(9)));
    assert_eq!(health.handle(at(9), Input::Timeout, random), [Effect::Look]);
}

#[test]
fn a_session_that_comes_and_goes_makes_one_outage_and_none_where_it_is_short() {
    let (mut health, down, none) = (well(), wrong(&[HealthCode::SessionDown]), wrong(&[]));
    for second in 0..20 {
        assert_eq!(health.look(at(100 + 6 * second), &down), []);
        assert_eq!(health.look(at(102 + 6 * second), &none), [], "2 s are not 5");
    }
    health.look(at(300), &down);
    let mut told = health.look(at(306), &down).len();
    for round in 0..20 {
        told += health.look(at(310 + 20 * round), &none).len();
        told += health.look(at(320 + 20 * round), &down).len();
    }
    assert_eq!(
        told, 2,
        "one change for each purpose, however often it goes to and fro"
    );
}

#[test]
fn after_a_start_nothing_is_said_for_a_while_unless_all_is_well() {
    let down = wrong(&[HealthCode::ViewMissing]);
    let mut health = Health::new(SETTINGS, at(0));
    assert_eq!(health.look(at(29), &down), []);
    assert_eq!(verdict(&health, Purpose::General), HealthVerdict::Unknown);
    assert_eq!(
        health.poll_timeout().map(|due| due.at),
        Some(at(34)),
        "it is seen since then only"
    );
    assert_eq!(health.look(at(34), &down).len(), 2);
    assert_eq!(verdict(&health, Purpose::General), HealthVerdict::Unhealthy);
    let mut health = Health::new(SETTINGS, at(0));
    health.look(at(1), &down);
    assert_eq!(health.look(at(3), &wrong(&[])).len(), 2, "well at once");
}

#[test]
fn what_somebody_meant_and_an_age_count_at_once_and_only_for_whom_they_concern() {
    let mut health = well();
    let told = health.look(at(100), &wrong(&[HealthCode::Disabled]));
    let expected = Event::HealthChanged {
        purpose: Purpose::Failover,
        healthy: false,
        reasons: wrong(&[HealthCode::Disabled]).into_iter().collect(),
    };
    assert_eq!(told, [expected]);
    assert_eq!(verdict(&health, Purpose::General), HealthVerdict::Healthy);
    assert_eq!(health.look(at(101), &wrong(&[HealthCode::ViewStale])).len(), 1);
    assert_eq!(verdict(&health, Purpose::General), HealthVerdict::Unhealthy);
}

#[test]
fn who_goes_on_after_another_knows_what_it_knew() {
    let mut health = well();
    let down = wrong(&[HealthCode::SessionDown]);
    health.look(at(100), &down);
    health.look(at(105), &down);
    let mut next = Health::after(SETTINGS, at(200), &health.standing());
    assert_eq!(next.look(at(200), &down), [], "nothing is told again");
    assert_eq!(next.standing(), health.standing());
}

#[test]
fn names_are_those_in_json() {
    for code in HealthCode::ALL {
        assert_eq!(serde_json::to_value(code).unwrap(), code.name());
    }
    for verdict in HealthVerdict::ALL {
        assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.name());
    }
    for purpose in Purpose::ALL {
        assert_eq!(serde_json::to_value(purpose).unwrap(), purpose.name());
        assert_eq!(purpose.name().parse(), Ok(purpose));
    }
}

proptest! {
    /// From one change of the verdict to the next there is no less than the least of both times, whatever goes on.
    #[test]
    fn the_verdict_never_flaps(steps in proptest::collection::vec((0..4_u64, proptest::bool::ANY), 1..300)) {
        let mut health = well();
        let (mut now, mut last, mut healthy) = (at(0), None, true);
        for (seconds, is_wrong) in steps {
            now = now + Duration::from_secs(seconds);
            let codes: &[HealthCode] = if is_wrong { &[HealthCode::SessionDown] } else { &[] };
            for event in health.look(now, &wrong(codes)) {
                let Event::HealthChanged { purpose: Purpose::General, healthy: is, .. } = event else { continue };
                prop_assert_ne!(is, healthy);
                if let Some(last) = last {
                    let least = if is { SETTINGS.well_after } else { SETTINGS.unwell_after };
                    prop_assert!(now.since(last) >= least);
                }
                (last, healthy) = (Some(now), is);
            }
        }
    }
}

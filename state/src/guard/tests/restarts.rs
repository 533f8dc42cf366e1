//! A ledger that was restarted from an earlier slot.

use super::*;

/// Reads of the restarted ledger, ten seconds apart, until one is not held.
fn restarted(guard: &mut ViewGuard, from: u64, read: impl Fn(u64) -> View) -> (u64, Verdict) {
    for step in 0..100 {
        let now = from + step * 10;
        match guard.offer(at(now), Ok(read(step))) {
            Verdict::Hold(HoldReason::Restarting { .. }) => {}
            verdict => return (step * 10, verdict),
        }
    }
    panic!("it was held for ever");
}

#[test]
fn a_lower_slot_that_advances_at_a_later_time_for_three_minutes_is_a_restart() {
    let mut guard = guard_with(read_at(400_000, 400_000, 1_000, [1]));
    let (after, verdict) = restarted(&mut guard, 10, |step| {
        read_at(500 + step, 500 + step, 1_010, [1, 2])
    });
    let Verdict::Rebase(accepted, told) = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(
        (after, accepted.view.users.len(), told.from, told.to),
        (180, 2, Slot(400_000), Slot(518))
    );
    assert_eq!(guard.restarted(), Some(told));
    assert!(
        matches!(
            guard.offer(at(999), Ok(read_at(519, 519, 1_020, [1, 2]))),
            Verdict::Accept(_)
        ),
        "from there on it goes on as ever"
    );
}

#[test]
fn what_a_restart_takes_away_must_be_confirmed_by_a_second_read_at_a_newer_slot() {
    let mut guard = guard_with(read_at(400_000, 400_000, 1_000, [1, 2, 3]));
    let (_, verdict) = restarted(&mut guard, 10, |step| {
        read_at(500 + step, 500 + step, 1_010, [1, 2])
    });
    assert!(
        matches!(
            verdict,
            Verdict::Confirm(HoldReason::RestartTakesAway { gone: 1 })
        ),
        "{verdict:?}"
    );
    let verdict = guard.offer(at(200), Ok(read_at(518, 518, 1_010, [1, 2])));
    assert!(
        matches!(verdict, Verdict::Confirm(_)),
        "the same slot proves nothing: {verdict:?}"
    );
    let verdict = guard.offer(at(201), Ok(read_at(519, 519, 1_010, [1])));
    assert!(
        matches!(
            verdict,
            Verdict::Confirm(HoldReason::RestartTakesAway { gone: 2 })
        ),
        "another one is gone: {verdict:?}"
    );
    assert!(matches!(
        guard.offer(at(202), Ok(read_at(520, 520, 1_011, [1, 2]))),
        Verdict::Rebase(..)
    ));
    assert_eq!(users_in_force(&guard), 2);
}

#[test]
fn a_node_that_lags_or_catches_up_is_no_restart_however_long_it_goes_on() {
    let mut guard = guard_with(read_at(400_000, 400_000, 1_000, [1]));
    for step in 0..1_000 {
        let clock = 500 + i64::try_from(step / 2).unwrap();
        let verdict = guard.offer(
            at(10 + step * 10),
            Ok(read_at(100_000 + step * 30, 100_000 + step * 30, clock, [])),
        );
        assert!(
            matches!(verdict, Verdict::Hold(HoldReason::SlotWentBack { .. })),
            "{verdict:?}"
        );
    }
    assert_eq!(users_in_force(&guard), 1);
}

#[test]
fn a_lower_slot_that_does_not_advance_or_lacks_a_device_or_the_time_is_no_restart() {
    let stuck = |_| read_at(500, 500, 1_010, []);
    let without_device = |step| View {
        devices: Default::default(),
        ..read_at(500 + step, 500 + step, 1_010, [1])
    };
    let without_config = |step| View {
        config: None,
        ..read_at(500 + step, 500 + step, 1_010, [1])
    };
    let without_time = |step| {
        let view = read_at(500 + step, 500 + step, 0, [1]);
        View {
            provenance: view.provenance.map(|provenance| Provenance {
                clock: None,
                ..provenance
            }),
            ..view
        }
    };
    let half = |step| read_at(500 + step, 400_001 + step, 1_010, [1]);
    let falling = |step| read_at(5_000 - step, 5_000 - step, 1_010, [1]);
    let reads: [&dyn Fn(u64) -> View; 6] = [
        &stuck,
        &without_device,
        &without_config,
        &without_time,
        &half,
        &falling,
    ];
    for (n, read) in reads.iter().enumerate() {
        let mut guard = guard_with(read_at(400_000, 400_000, 1_000, [1]));
        for step in 0..200 {
            let verdict = guard.offer(at(10 + step * 10), Ok(read(step)));
            assert!(matches!(verdict, Verdict::Hold(_)), "{n}: {verdict:?}");
        }
    }
}

#[test]
fn a_restart_is_one_only_when_every_endpoint_that_answers_shows_it() {
    let restarted_at = |step| read_at(500 + step, 500 + step, 1_010, [1]);
    let mut guard = guard_with(read_at(400_000, 400_000, 1_000, [1]));
    for step in 0..100 {
        let view = if step % 2 == 0 {
            restarted_at(step)
        } else {
            by_endpoint(1, read_at(400_000, 400_000, 1_000, [1]))
        };
        let verdict = guard.offer(at(10 + step * 10), Ok(view));
        assert!(
            !matches!(verdict, Verdict::Rebase(..)),
            "the other endpoint stands where it stood"
        );
    }
    for step in 100..117 {
        let verdict = guard.offer(
            at(10 + step * 10),
            Ok(by_endpoint((step % 2) as usize, restarted_at(step))),
        );
        assert!(
            matches!(verdict, Verdict::Hold(HoldReason::Restarting { .. })),
            "not for three minutes on both yet: {verdict:?}"
        );
    }
    let (after, verdict) = restarted(&mut guard, 1_180, |step| {
        by_endpoint((step % 2) as usize, restarted_at(117 + step))
    });
    assert!(
        matches!(verdict, Verdict::Rebase(..)) && after <= 30,
        "after {after} s more: {verdict:?}"
    );
}

#[test]
fn an_endpoint_that_answers_no_more_is_no_witness() {
    let restarted_at = |step| read_at(500 + step, 500 + step, 1_010, [1]);
    let mut guard = guard_with(read_at(400_000, 400_000, 1_000, [1]));
    guard.offer(at(5), Ok(by_endpoint(1, restarted_at(0))));
    let (after, verdict) = restarted(&mut guard, 10, restarted_at);
    assert!(
        matches!(verdict, Verdict::Rebase(..)) && after <= 200,
        "after {after} s: {verdict:?}"
    );
}

#[test]
fn once_a_restart_is_in_force_a_node_that_was_left_on_the_old_chain_changes_nothing() {
    let mut guard = guard_with(read_at(400_000, 400_000, 1_000, [1]));
    let (_, verdict) = restarted(&mut guard, 10, |step| {
        read_at(500 + step, 500 + step, 1_010, [1, 2])
    });
    assert!(matches!(verdict, Verdict::Rebase(..)));
    for step in 0..100 {
        let verdict = guard.offer(at(200 + step * 10), Ok(read_at(400_010, 400_010, 1_004, [1])));
        assert!(
            matches!(verdict, Verdict::Hold(HoldReason::Restarting { .. })),
            "{verdict:?}"
        );
    }
    assert_eq!(users_in_force(&guard), 2);
}

#[test]
fn reads_of_a_node_on_the_old_chain_in_between_put_a_restart_off_and_do_not_prevent_it() {
    let mut guard = guard_with(read_at(400_000, 400_000, 1_000, [1]));
    for step in 0..30 {
        let old = read_at(400_100, 400_100, 999, [1]);
        let view = if step % 3 == 0 {
            old
        } else {
            read_at(500 + step, 500 + step, 1_010, [1])
        };
        assert!(matches!(
            guard.offer(at(10 + step * 10), Ok(view)),
            Verdict::Hold(_)
        ));
    }
    let (after, verdict) = restarted(&mut guard, 310, |step| {
        read_at(530 + step, 530 + step, 1_020, [1])
    });
    assert!(
        matches!(verdict, Verdict::Rebase(..)) && after <= 190,
        "after {after} s: {verdict:?}"
    );
}

//! Something else on the host fights over the tunnel.

use super::*;
use crate::testing::address;

/// It takes the address away, and the kernel tells of it.
fn take(bench: &mut Bench) {
    bench.model.delete_address(&name("t0"), &address(1));
    bench.give(Input::Recheck);
    bench.run();
}

fn is_whole(bench: &Bench) -> bool {
    bench.model.links()[&name("t0")].addresses.contains(&address(1))
}

/// For a minute it takes it away as soon as it is back.
fn fight(bench: &mut Bench, span: Duration) -> Vec<Duration> {
    let begun = bench.now;
    let mut gaps = Vec::new();
    while bench.now.since(begun) < span {
        take(bench);
        let taken = bench.now;
        while !is_whole(bench) {
            bench.pass("repair");
        }
        gaps.push(bench.now.since(taken));
        bench.now = bench.now + Duration::from_millis(200);
    }
    gaps
}

#[test]
fn what_is_taken_again_and_again_is_put_back_at_once_at_first_and_then_after_longer_waits_up_to_a_bound() {
    let mut bench = Bench::active();
    let gaps = fight(&mut bench, Duration::from_secs(120));
    assert!(
        gaps[..9].iter().all(Duration::is_zero),
        "the first are put back at once: {gaps:?}"
    );
    assert!(
        gaps[9..]
            .iter()
            .all(|gap| !gap.is_zero() && *gap <= Duration::from_secs(8)),
        "{gaps:?}"
    );
    assert!(
        gaps[14..].iter().all(|gap| *gap >= Duration::from_secs(6)),
        "{gaps:?}"
    );
    assert!(gaps.len() < 40, "{} repairs in two minutes", gaps.len());
    let told = bench
        .events()
        .iter()
        .filter(|event| matches!(event, Event::Contested { .. }))
        .count();
    assert_eq!(told, 1);
    let contest = bench.machine.report().contest.unwrap();
    assert_eq!((contest.repairs as usize, contest.more), (gaps.len(), 0));
    assert_eq!(
        contest.steps.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["+ address 169.254.1.1/31 dev t0"]
    );
    assert_eq!(
        bench.machine.report().repairs as usize,
        gaps.len(),
        "each is counted"
    );
}

#[test]
fn a_tunnel_that_is_left_alone_for_a_minute_is_put_back_at_once_again() {
    let mut bench = Bench::active();
    fight(&mut bench, Duration::from_secs(30));
    assert!(bench.machine.report().contest.is_some());
    bench.pass("contest");
    assert_eq!(bench.machine.report().contest, None);
    take(&mut bench);
    assert!(is_whole(&bench));
}

#[test]
fn a_repair_now_and_then_is_no_fight() {
    let mut bench = Bench::active();
    for _ in 0..50 {
        bench.now = bench.now + Duration::from_secs(61);
        take(&mut bench);
        assert!(is_whole(&bench));
    }
    assert_eq!(bench.machine.report().contest, None);
}

#[test]
fn who_asks_for_another_tunnel_does_not_wait_for_the_fight_and_a_retired_one_goes_at_once() {
    let mut bench = Bench::active();
    fight(&mut bench, Duration::from_secs(60));
    bench.model.delete_address(&name("t0"), &address(1));
    bench.give(Input::Recheck);
    bench.run();
    assert!(!is_whole(&bench));
    bench.assign(spec(1, "t0"));
    bench.run();
    assert!(is_whole(&bench));
    bench.retire();
    bench.run();
    assert_eq!(bench.phase(), Phase::Removed);
}

#[test]
fn an_event_tells_of_the_first_steps_and_how_many_more_there_were() {
    let mut bench = Bench::active();
    let prefixes: Vec<String> = (0..100).map(|number| format!("198.19.{number}.0/24")).collect();
    bench.routes(&prefixes.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    bench.run();
    bench.model.set_up(&name("t0"), false);
    bench.give(Input::Recheck);
    bench.run();
    let events = bench.events();
    let repaired = events
        .iter()
        .find(|event| matches!(event, Event::Repaired { .. }))
        .unwrap();
    let Event::Repaired { steps, more, .. } = repaired else {
        unreachable!()
    };
    assert_eq!((steps.len(), *more), (16, 87), "{steps:?}");
    assert!(
        repaired.to_string().ends_with("; and 87 more steps"),
        "{repaired}"
    );
}

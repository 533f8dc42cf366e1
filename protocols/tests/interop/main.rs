//! The BGP session against the real BIRD and FRR, each in network namespaces of its own.
//!
//! Needs root, `ip` and the daemon; what is missing is skipped by name.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(clippy::disallowed_methods, reason = "real daemons take real time")]

mod daemon;
mod shell;
mod world;

use std::{collections::BTreeSet, time::Duration};

use ipnet::Ipv4Net;
use libtest_mimic::{Arguments, Failed, Trial};
use nix::sys::signal::Signal;
use warren_protocols::bgp::Input;
use warren_state::{SessionStatus as Status, standing::RouteRefusal};

use daemon::Kind;
use shell::Shell;
use world::World;

/// A check of one daemon's behaviour.
type Check = fn(&mut World) -> Result<(), Failed>;

const CHECKS: [(&str, Check); 5] = [
    (
        "routes_are_exchanged_and_withdrawn_both_ways",
        routes_are_exchanged_and_withdrawn_both_ways,
    ),
    (
        "a_peer_that_is_killed_is_found_again_when_it_is_back",
        a_peer_that_is_killed_is_found_again_when_it_is_back,
    ),
    (
        "a_peer_that_hangs_is_given_up_when_its_hold_time_is_over_and_found_again",
        a_peer_that_hangs_is_given_up_and_found_again,
    ),
    (
        "a_wrong_as_is_shown_with_the_reason_at_both_ends",
        a_wrong_as_is_shown_with_the_reason,
    ),
    (
        "ten_thousand_routes_arrive_in_full",
        ten_thousand_routes_arrive_in_full,
    ),
];

fn main() {
    let arguments = Arguments::from_args();
    world::sweep_leftovers();
    let trials = Kind::ALL.into_iter().flat_map(|kind| {
        let missing = world::missing(kind);
        CHECKS.into_iter().map(move |(name, check)| {
            let trial = Trial::test(format!("{}::{name}", kind.name()), move || in_thread(kind, check));
            match &missing {
                Some(reason) => trial
                    .with_kind(format!("skipped: {reason}"))
                    .with_ignored_flag(true),
                None => trial,
            }
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

/// Entering a namespace concerns the thread alone.
fn in_thread(kind: Kind, check: Check) -> Result<(), Failed> {
    let thread = std::thread::spawn(move || {
        let mut world = World::new(kind)?;
        let result = check(&mut world);
        result.map_err(|failed| match failed.message() {
            Some(message) => Failed::from(format!("{message}\n{}", world.daemon.log())),
            None => failed,
        })
    });
    thread.join().unwrap_or_else(|_| Err(Failed::from("panicked")))
}

fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

fn established(world: &mut World) -> Result<Shell, Failed> {
    world.daemon.start()?;
    let mut shell = Shell::new(world::spec());
    shell.input(Input::Start);
    shell.run_until("the session is up", |shell| shell.status() == Status::Up)?;
    Ok(shell)
}

fn routes_are_exchanged_and_withdrawn_both_ways(world: &mut World) -> Result<(), Failed> {
    let mut shell = established(world)?;
    let (a, b) = (net("203.0.113.0/24"), net("203.0.114.0/24"));
    shell.run_until("both routes of the peer are here", |shell| {
        shell.table == BTreeSet::from([a, b])
    })?;
    shell.run_until("the peer's table is known to be complete", |shell| {
        shell.synced == 1
    })?;
    let daemon = &world.daemon;
    shell.run_until("the peer has our address", |_| daemon.knows("10.1.2.3/32"))?;
    shell.input(Input::Advertise([net("10.1.2.4/32")].into()));
    shell.run_until("the peer has our other address instead", |_| {
        daemon.knows("10.1.2.4/32") && !daemon.knows("10.1.2.3/32")
    })?;
    daemon.withdraw("203.0.114.0/24")?;
    shell.run_until("the route that the peer withdrew is gone", |shell| {
        shell.table == BTreeSet::from([a])
    })?;
    let standing = shell.standing();
    assert_eq!(standing.hold_time, Some(Duration::from_secs(3)));
    assert_eq!(standing.peer_router_id, Some([10, 0, 0, 2].into()));
    // FRR tells us our own routes as well; BIRD does not.
    assert!(
        standing.refused.keys().all(|reason| *reason == RouteRefusal::Own),
        "{standing:?}"
    );
    shell.input(Input::Stop { cease: true });
    shell.run_until("the peer has forgotten our address", |_| {
        !daemon.knows("10.1.2.4/32")
    })?;
    shell.run_until("the peer shows why", |_| daemon.shows("administrative shutdown"))
}

fn a_peer_that_is_killed_is_found_again_when_it_is_back(world: &mut World) -> Result<(), Failed> {
    let mut shell = established(world)?;
    shell.run_until("routes are here", |shell| shell.table.len() == 2)?;
    world.daemon.kill();
    shell.run_until("the session is down and its routes are gone", |shell| {
        shell.status() == Status::Down && shell.table.is_empty()
    })?;
    world.daemon.start()?;
    shell.run_until("the session is up again with its routes", |shell| {
        shell.status() == Status::Up && shell.table.len() == 2
    })?;
    let seen: Vec<Status> = shell.statuses.iter().map(|(status, _)| *status).collect();
    assert!(!seen[1..].contains(&Status::Pending), "{seen:?}");
    Ok(())
}

fn a_peer_that_hangs_is_given_up_and_found_again(world: &mut World) -> Result<(), Failed> {
    let mut shell = established(world)?;
    world.daemon.signal(Signal::SIGSTOP)?;
    shell.run_until("the hold time is over", |shell| shell.status() == Status::Down)?;
    assert_eq!(
        shell.standing().last_sent.map(|sent| sent.to_string()).as_deref(),
        Some("Hold Timer Expired")
    );
    world.daemon.signal(Signal::SIGCONT)?;
    shell.run_until("the session is up again with its routes", |shell| {
        shell.status() == Status::Up && shell.table.len() == 2
    })?;
    Ok(())
}

fn a_wrong_as_is_shown_with_the_reason(world: &mut World) -> Result<(), Failed> {
    world.daemon.start()?;
    let mut spec = world::spec();
    spec.local_asn = warren_state::Asn(64_999);
    let mut shell = Shell::new(spec);
    shell.input(Input::Start);
    shell.run_until("the peer's NOTIFICATION is shown", |shell| {
        shell.detail() == Some("received NOTIFICATION: OPEN Message Error / Bad Peer AS")
    })?;
    let mut spec = world::spec();
    spec.peer_asn = warren_state::Asn(64_999);
    let mut shell = Shell::new(spec);
    shell.input(Input::Start);
    shell.run_until("our NOTIFICATION is shown", |shell| {
        shell.detail() == Some("sent NOTIFICATION: OPEN Message Error / Bad Peer AS")
    })?;
    let daemon = &world.daemon;
    shell.run_until("the peer shows it too", |_| daemon.shows("bad peer as"))
}

fn ten_thousand_routes_arrive_in_full(world: &mut World) -> Result<(), Failed> {
    world.daemon.announce_many(10_000);
    let mut shell = established(world)?;
    shell.run_until("all routes are here", |shell| shell.table.len() == 10_002)?;
    shell.run_until("the peer's table is known to be complete", |shell| {
        shell.synced == 1
    })?;
    assert_eq!(shell.standing().prefixes, 10_002);
    Ok(())
}

//! What the machine keeps up with each change is what it would find by looking at everything.

use super::*;
use crate::random::Random as _;

const USERS: u64 = 12;

fn below(random: &mut SplitMix64, bound: u64) -> u64 {
    random.next_u64() % bound
}

fn one_of<T: Copy, const N: usize>(random: &mut SplitMix64, all: [T; N]) -> T {
    all[usize::try_from(below(random, N as u64)).unwrap()]
}

/// As [`Reconciler::converged`] promises it.
fn converged(machine: &Reconciler) -> bool {
    let settled = |entry: &TunnelEntry| match (&entry.stage, &entry.report) {
        (Stage::Assigned(spec), Some(report)) => {
            report.phase == Phase::Active && report.spec.as_ref() == Some(spec)
        }
        (Stage::Assigned(_), None) | (Stage::Retiring { .. } | Stage::Detaching, _) => false,
    };
    let decided = machine.may_act() && machine.looking.done && machine.waiting.is_empty();
    let known = machine.built.needs_source.is_empty() && machine.underlay.withheld.is_empty();
    let complete = known
        && machine
            .desired
            .tunnels
            .keys()
            .all(|id| machine.entries.contains_key(id));
    let no_strays = machine
        .marks
        .keys()
        .all(|id| machine.entries.contains_key(id) || machine.built.keep.contains(&id.0));
    decided && complete && no_strays && !machine.looking.unverified && machine.entries.values().all(settled)
}

fn check(machine: &Reconciler) {
    assert!(machine.entries.add_up() && machine.underlay.is_asked_for());
    assert_eq!(machine.converged(), converged(machine));
    let due = machine
        .entries
        .values()
        .filter_map(|entry| entry.recheck.due)
        .min();
    let looking = &machine.looking;
    let others = [
        looking.resync_at,
        looking.retry_at,
        looking.notice_due,
        looking.sources_due,
    ];
    assert_eq!(
        machine.poll_timeout().map(|deadline| deadline.at),
        others.into_iter().flatten().chain(due).min()
    );
}

/// Users that come, go and change, and some that cannot all have a tunnel.
fn random_view(random: &mut SplitMix64, before: &View) -> View {
    let mut next = before.clone();
    next.slot.0 += 1;
    for _ in 0..=below(random, 2) {
        let n = u8::try_from(1 + below(random, USERS)).unwrap();
        let key = id(n).0;
        match below(random, 8) {
            0 | 1 => drop(next.users.remove(&key)),
            2 => drop(next.users.insert(
                key,
                User {
                    status: UserStatus::Banned,
                    ..user(n)
                },
            )),
            3 => drop(next.users.insert(
                key,
                User {
                    client_ip: user(1 + n % 3).client_ip,
                    ..user(n)
                },
            )),
            4 => drop(next.users.insert(
                key,
                User {
                    tunnel_number: user(1 + n % 4).tunnel_number,
                    ..user(n)
                },
            )),
            5 => drop(next.users.insert(
                key,
                User {
                    tunnel_net: RawNet {
                        address: RawIp(Ipv4Addr::LOCALHOST),
                        prefix_len: 9,
                    },
                    ..user(n)
                },
            )),
            _ => drop(next.users.insert(key, user(n))),
        }
    }
    next
}

fn random_step(bench: &mut Bench, random: &mut SplitMix64, view: &mut View) {
    let n = u8::try_from(1 + below(random, USERS)).unwrap();
    match below(random, 20) {
        0..=5 => {
            *view = random_view(random, view);
            bench.view(view.clone());
        }
        6 => drop(bench.give(Input::Switch(one_of(
            random,
            [Switch::On, Switch::On, Switch::On, Switch::Off, Switch::Unknown],
        )))),
        7 | 8 => bench.build_all(),
        9 | 10 => drop(bench.observe()),
        11 | 12 => drop(bench.give(Input::ProvisionerEnded {
            tunnel: id(n),
            finished: below(random, 3) > 0,
        })),
        13 => drop(bench.give(Input::Notice(one_of(
            random,
            [Notice::Tunnel(id(n)), Notice::Elsewhere],
        )))),
        14 => drop(
            bench
                .model
                .delete_link(&name(&format!("dzt{}", 500 + u16::from(n)))),
        ),
        15 => bench.underlay = one_of(random, [Some(1500), Some(1400), None]),
        16 => drop(bench.give(Input::Notice(Notice::Something))),
        17 => {
            let spec = bench
                .machine
                .desired
                .tunnels
                .get(&id(n))
                .map(|want| want.spec.clone());
            let phase = one_of(random, [Phase::Linking, Phase::Active, Phase::Failed]);
            spec.map(|spec| bench.report(&spec, phase, None));
        }
        _ => {
            bench.now = bench.now + Duration::from_millis(below(random, 40_000));
            bench.give(Input::Timeout);
        }
    }
}

/// Every tunnel that is wanted is asked for, waits or is on its way out and asked for then; every one that is asked for is
/// wanted, or stays as it is.
fn check_asked(machine: &Reconciler) {
    if !machine.may_act() || !machine.looking.done {
        return;
    }
    for (id, want) in &machine.desired.tunnels {
        let asked = match machine.entries.get(id).map(|entry| &entry.stage) {
            Some(Stage::Assigned(spec)) => *spec == want.spec,
            Some(Stage::Retiring { .. } | Stage::Detaching) => true,
            None => false,
        };
        assert!(
            asked || machine.waiting.contains(id),
            "{id} is neither asked for nor does it wait"
        );
    }
    for (id, _) in machine.entries.iter().filter(|(_, entry)| entry.spec().is_some()) {
        assert!(
            machine.desired.tunnels.contains_key(id) || machine.built.keep.contains(&id.0),
            "{id} is asked for, and nobody wants it"
        );
    }
}

/// How many tunnels are looked at because of each input, among this many users: a join, its report, a notice of its link, its
/// end, and the time that passes.
fn work_among(users: u8) -> Vec<usize> {
    let mut bench = Bench::gateway().running((1..=users).map(|n| (n, user(n))));
    assert!(bench.machine.converged());
    let mut work = Vec::new();
    let mut note = |bench: &Bench| work.push(bench.machine.entries.take_looked_at());
    note(&bench);
    let joining = users + 1;
    assert_eq!(
        bench.view(view((1..=joining).map(|n| (n, user(n))))),
        [format!("assign {joining} dzt{}", 500 + u16::from(joining))]
    );
    note(&bench);
    let spec = bench.machine.desired.tunnels[&id(joining)].spec.clone();
    bench.report(&spec, Phase::Active, None);
    note(&bench);
    assert!(bench.machine.converged() && bench.machine.poll_timeout().is_some());
    for _ in 0..2 {
        bench.give(Input::Notice(Notice::Tunnel(id(joining))));
    }
    note(&bench);
    assert_eq!(bench.pass("recheck").1, [format!("recheck {joining}")]);
    note(&bench);
    bench.ended(joining);
    note(&bench);
    bench.view(view((1..=users).map(|n| (n, user(n)))));
    note(&bench);
    work.split_off(1)
}

#[test]
fn the_work_of_an_input_does_not_grow_with_the_number_of_tunnels() {
    let few = work_among(10);
    assert_eq!(few, work_among(200));
    assert!(few.iter().all(|looked_at| (1..20).contains(looked_at)), "{few:?}");
}

#[test]
fn what_is_kept_up_is_what_looking_at_everything_would_find() {
    let mut contested = false;
    for seed in 0..300 {
        let mut random = SplitMix64::new(seed);
        let mut bench = Bench::gateway();
        let mut now = view([]);
        bench.give(Input::Switch(Switch::On));
        for _ in 0..80 {
            random_step(&mut bench, &mut random, &mut now);
            check(&bench.machine);
            check_asked(&bench.machine);
            contested |= bench.machine.built.claims.are_contested();
        }
    }
    assert!(contested);
}

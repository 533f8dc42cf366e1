//! The simulated world as a test: many seeds, the same trace twice, and a kill at every effect.

use warren_sim::{campaign, run, run_seeds, shrink};

const STEPS: usize = 200;
const THREADS: usize = 2;

#[test]
fn a_thousand_seeds_keep_every_invariant_and_converge() {
    let (stats, failures) = run_seeds(0, 1_000, STEPS, THREADS);
    if let Some(failure) = failures.first() {
        let shrunk = shrink(failure, STEPS);
        panic!("{shrunk}\n{}", shrunk.trace);
    }
    assert_eq!(stats.runs, 1_000);
    assert!(stats.transitions > 500_000, "the worlds are too quiet: {stats:?}");
    assert!(
        stats.copies > 100_000 && stats.gaps > 1_000,
        "the table's readers have too easy a life: {stats:?}"
    );
    assert!(
        stats.drained > 100,
        "too few tunnels end under somebody's eyes: {stats:?}"
    );
}

#[test]
fn the_same_seed_gives_the_same_trace_byte_for_byte() {
    for seed in 0..20 {
        let trace = run::trace_of(seed, STEPS);
        assert!(trace.lines().count() > STEPS, "seed {seed} has a trace");
        assert!(
            trace == run::trace_of(seed, STEPS),
            "seed {seed} gives two traces"
        );
    }
    assert_ne!(run::trace_of(1, STEPS), run::trace_of(2, STEPS));
}

#[test]
fn a_kill_at_every_effect_of_connect_change_and_disconnect_leaves_nothing_wrong() {
    let (effects, stats, broken) = campaign::kill_at_every_effect(THREADS);
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(effects > 200, "{effects} effects are too few for a whole life");
    assert_eq!(stats.runs, effects);
}

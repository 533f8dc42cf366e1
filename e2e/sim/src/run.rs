//! Runs seeds, and shrinks what fails.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use crate::{
    script::Script,
    world::{Breach, World},
};

/// What a run counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Runs that ended well.
    pub runs: u64,
    /// Inputs that machines, kernel and peers took.
    pub transitions: u64,
    /// Virtual time that passed, in seconds.
    pub seconds: u64,
    /// Copies of readers of the table that were held against it.
    pub copies: u64,
    /// Those that had to begin anew, because what they missed was not kept.
    pub gaps: u64,
    /// Tunnels whose end was summed up for those who go by the frames of the streams.
    pub drained: u64,
}

/// A run that broke something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// The invariant, or what else went wrong.
    pub what: String,
    /// What was seen, in words for people.
    pub detail: String,
    /// The steps that led there.
    pub steps: Vec<String>,
    /// Everything that happened.
    pub trace: String,
}

/// What came of a run.
pub type Outcome = Result<Stats, Box<Failure>>;

/// After the faults the world must be as it should be within this; routes of an earlier run alone may stay for 120 s.
const CONVERGENCE: Duration = Duration::from_secs(300);
/// What is right by chance before the daemon knows the truth does not count: a slow read and a poll take this long.
const STEADY: Duration = Duration::from_secs(20);
/// And then nothing may change for this long.
const CALM: Duration = Duration::from_secs(15);
/// No script takes longer.
const LONGEST: Duration = Duration::from_secs(100_000);
const MOST_SHRINKS: u32 = 600;

/// Runs one seed.
///
/// # Errors
/// What broke, with the trace.
pub fn run_seed(seed: u64, steps: usize) -> Outcome {
    let script = Script::of(seed, steps);
    run_script(&script, false).map_err(|_unshrunk| Box::new(failure(&script)))
}

/// Everything that happens in a run, for comparison.
#[must_use]
pub fn trace_of(seed: u64, steps: usize) -> String {
    traced(&Script::of(seed, steps)).1
}

/// Runs many seeds on this many threads; stops early after a few failures.
#[must_use]
pub fn run_seeds(from: u64, count: u64, steps: usize, threads: usize) -> (Stats, Vec<Failure>) {
    let next = AtomicU64::new(from);
    let failed = AtomicU64::new(0);
    let work = || {
        let (mut stats, mut failures) = (Stats::default(), Vec::new());
        while failed.load(Ordering::Relaxed) < 5 {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from.saturating_add(count) {
                break;
            }
            match run_seed(seed, steps) {
                Ok(run) => stats.add(run),
                Err(failure) => {
                    failed.fetch_add(1, Ordering::Relaxed);
                    failures.push(*failure);
                }
            }
        }
        (stats, failures)
    };
    let results: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .filter_map(|worker| worker.join().ok())
            .collect()
    });
    let (mut stats, mut failures) = (Stats::default(), Vec::new());
    for (one, failed) in results {
        stats.add(one);
        failures.extend(failed);
    }
    failures.sort_by_key(|failure| failure.seed);
    (stats, failures)
}

/// The same failure with as few steps as possible.
#[must_use]
pub fn shrink(failed: &Failure, steps: usize) -> Failure {
    let mut script = Script::of(failed.seed, steps);
    let fails = |script: &Script| {
        run_script(script, false)
            .err()
            .is_some_and(|breach| breach.what == failed.what)
    };
    let mut tries = 0;
    let mut size = script.steps.len().div_ceil(2);
    while size > 0 && tries < MOST_SHRINKS {
        let mut at = 0;
        while at < script.steps.len() && tries < MOST_SHRINKS {
            let mut fewer = script.clone();
            fewer.steps.drain(at..(at + size).min(fewer.steps.len()));
            tries += 1;
            if fails(&fewer) {
                script = fewer;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    failure(&script)
}

impl Stats {
    pub(crate) fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.transitions += other.transitions;
        self.seconds += other.seconds;
        self.copies += other.copies;
        self.gaps += other.gaps;
        self.drained += other.drained;
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}: {}", self.seed, self.what, self.detail)?;
        for step in &self.steps {
            writeln!(f, "  {step}")?;
        }
        Ok(())
    }
}

fn failure(script: &Script) -> Failure {
    let (breach, trace) = traced(script);
    let breach = breach.unwrap_or(Breach {
        what: "not the same twice".to_owned(),
        detail: "the second run ended well".to_owned(),
    });
    let steps = script
        .steps
        .iter()
        .map(|(pause, action)| format!("+{pause:?} {action:?}"))
        .collect();
    Failure {
        seed: script.seed,
        what: breach.what,
        detail: breach.detail,
        steps,
        trace,
    }
}

fn run_script(script: &Script, with_trace: bool) -> Result<Stats, Breach> {
    let mut world = World::new(script.clone(), with_trace);
    guarded(&mut world)
}

fn traced(script: &Script) -> (Option<Breach>, String) {
    let mut world = World::new(script.clone(), true);
    let breach = guarded(&mut world).err();
    (breach, world.trace.unwrap_or_default())
}

/// A panic is a failure like another.
fn guarded(world: &mut World) -> Result<Stats, Breach> {
    match catch_unwind(AssertUnwindSafe(|| live(world))) {
        Ok(result) => result,
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(Breach {
                what: "a panic".to_owned(),
                detail: text.unwrap_or_default(),
            })
        }
    }
}

fn live(world: &mut World) -> Result<Stats, Breach> {
    let begin = world.now;
    world.run_until(begin + LONGEST, World::script_is_over);
    world.end_faults();
    settle(world)?;
    Ok(world.stats(begin))
}

/// The world becomes as it should be, and stays so without anything being done to the kernel.
pub(crate) fn settle(world: &mut World) -> Result<(), Breach> {
    let end = world.now + CONVERGENCE;
    let mut right_since = None;
    while world.breach.is_none() && world.now < end {
        right_since = world
            .difference()
            .is_none()
            .then(|| right_since.unwrap_or(world.now));
        if right_since.is_some_and(|since| world.now.since(since) >= STEADY) {
            break;
        }
        let next = world.now + Duration::from_millis(500);
        world.run_until(next, |_| false);
    }
    if world.breach.is_none()
        && let Some(difference) = world.difference()
    {
        world.fail("no convergence", difference);
    }
    let (kernel, calm) = (world.kernel.clone(), world.now + CALM);
    world.run_until(calm, |_| false);
    // Without a peer it is not known which of the routes that a service retains are missing.
    if world.breach.is_none() && !world.script.ends_without_peers && world.kernel != kernel {
        world.fail("no calm", "the kernel was changed after all was well".to_owned());
    }
    world.check_usage();
    match world.breach.take() {
        Some(breach) => Err(breach),
        None => Ok(()),
    }
}

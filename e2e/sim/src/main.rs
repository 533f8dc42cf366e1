//! `sim`: runs the simulated world.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use clap::{Parser, Subcommand};
use warren_sim::{Stats, campaign, run_seeds, shrink};

/// What could be done again came out the same, but not all could.
const NOT_ALL: u8 = 2;

/// The decision core of Warren in a simulated world.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run seeds; a failure is shrunk and its trace printed.
    Sim {
        /// How many seeds.
        #[arg(long, default_value_t = 1_000)]
        seeds: u64,
        /// The first seed.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Steps in each.
        #[arg(long, default_value_t = 200)]
        steps: usize,
        /// Threads.
        #[arg(long, default_value_t = 2)]
        threads: usize,
    },
    /// Print everything that happens in one seed.
    Trace {
        /// The seed.
        seed: u64,
        /// Steps.
        #[arg(long, default_value_t = 200)]
        steps: usize,
    },
    /// Do again what a daemon recorded, and compare everything that came out, byte for byte.
    Replay {
        /// The recording; when it was cut into files, in their order (FILE.1 FILE).
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Kill the daemon at every effect of a full connect, change and disconnect.
    Campaign {
        /// Threads.
        #[arg(long, default_value_t = 2)]
        threads: usize,
    },
}

#[expect(clippy::print_stdout, reason = "this is a program's output")]
fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|_| {}));
    let begin = Instant::now();
    match Cli::parse().command {
        Command::Sim {
            seeds,
            from,
            steps,
            threads,
        } => {
            let (stats, failures) = run_seeds(from, seeds, steps, threads);
            report("seeds", stats, begin);
            for failure in &failures {
                let shrunk = shrink(failure, steps);
                println!(
                    "\n{}first as {} steps: {}\n{}",
                    shrunk,
                    failure.steps.len(),
                    failure.detail,
                    shrunk.trace
                );
            }
            if failures.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Command::Trace { seed, steps } => {
            print!("{}", warren_sim::run::trace_of(seed, steps));
            ExitCode::SUCCESS
        }
        Command::Replay { files } => replayed(warren_sim::replay::files(&files)),
        Command::Campaign { threads } => {
            let (effects, stats, broken) = campaign::kill_at_every_effect(threads);
            report(&format!("kills at {effects} effects"), stats, begin);
            for (effect, what) in &broken {
                println!("killed at effect {effect}: {what}");
            }
            if broken.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is a program's output")]
fn replayed(outcome: anyhow::Result<warren_sim::replay::Replayed>) -> ExitCode {
    match outcome {
        Ok(replayed) => {
            println!("{replayed}");
            if replayed.is_whole() {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(NOT_ALL)
            }
        }
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is a program's output")]
fn report(what: &str, stats: Stats, begin: Instant) {
    let seconds = begin.elapsed().as_secs_f64();
    let rate = stats.transitions as f64 / seconds;
    println!(
        "{what}: {} runs well, {} transitions, {:.0} transitions/s, {} s of virtual time in {seconds:.1} s, {} copies of the table, {} gaps",
        stats.runs, stats.transitions, rate, stats.seconds, stats.copies, stats.gaps
    );
}

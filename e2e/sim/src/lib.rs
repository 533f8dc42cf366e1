//! The simulated world: the whole decision core (view guard, desired-state builder, reconciler, planner, lifecycle, BGP)
//! against a simulated ledger, kernel and BGP peer, on a virtual clock.
//!
//! A seed decides the schedule and the faults. The named invariants of [`warren_state::invariant`] are checked at every
//! transition; after the faults stop, what is observed must become what is desired within a bound. The same seed gives
//! the same trace, byte for byte. A failure is shrunk to the fewest steps that still show it.

mod actions;
pub mod campaign;
mod chance;
mod check;
mod daemon;
mod kernel;
mod ledger;
mod network;
mod peer;
mod provisioners;
mod queue;
mod readers;
pub mod replay;
pub mod run;
mod script;
mod services;
mod sessions;
mod trace;
mod usage;
mod watcher;
mod world;

pub use run::{Failure, Outcome, Stats, run_seed, run_seeds, shrink};

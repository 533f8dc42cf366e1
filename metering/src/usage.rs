//! What went through the tunnels, to the byte: from the dataplane's counters to totals that only grow.
//!
//! A counter starts from zero with each link, a link comes and goes, its number is used again, the daemon is killed. What holds the
//! totals together is the [run](warren_state::CounterRun): an [`Account`] knows how far it has counted each run, so a run that goes on
//! over a restart loses nothing and counts nothing twice. Where a run ended unseen, what it carried since it was read last is missing:
//! that time is declared as a [`Gap`].
//!
//! * [`UsageBook`] has the accounts, and takes [looks](Look) at the counters.
//! * [`lines`] writes what changed, cumulative, and reads it back.
//! * [`hours`] has what was carried in each hour that is over.
//! * [`figures`] answers questions.
//! * [`samples`] is what is told of it as it happens.

pub mod account;
pub mod book;
pub mod figures;
pub mod hours;
pub mod lines;
pub mod samples;

pub use account::{Account, Number, Payer};
pub use book::{CounterReading, Gap, UsageBook};

#[cfg(test)]
mod tests;

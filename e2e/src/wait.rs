//! Waiting for a condition, with a deadline.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// How often a condition is looked at; less often where looking takes long.
const PERIOD: Duration = Duration::from_millis(10);
const PERIOD_EMULATED: Duration = Duration::from_millis(500);

/// Deadlines in a machine that emulates its processor are this many times longer.
const EMULATED: u32 = 10;

/// A time as it is meant for this machine: longer where the processor is emulated.
#[must_use]
pub fn scaled(time: Duration) -> Duration {
    if is_emulated() { time * EMULATED } else { time }
}

fn period() -> Duration {
    if is_emulated() { PERIOD_EMULATED } else { PERIOD }
}

/// Whether the processor is emulated: `E2E_IN_VM` in the environment says so.
#[must_use]
pub fn is_emulated() -> bool {
    std::env::var_os("E2E_IN_VM").is_some()
}

/// Looks until the condition gives a value, and says how long that took.
///
/// # Errors
/// When the deadline passes (with what the condition said last), or when the condition fails for good.
pub fn until<T>(
    what: &str,
    deadline: Duration,
    mut condition: impl FnMut() -> Result<Ask<T>>,
) -> Result<(T, Duration)> {
    let begun = Instant::now();
    let deadline = scaled(deadline);
    loop {
        match condition().with_context(|| what.to_owned())? {
            Ask::Yes(value) => return Ok((value, begun.elapsed())),
            Ask::NotYet(state) if begun.elapsed() > deadline => {
                bail!("{what}: not within {deadline:?}; last seen: {state}")
            }
            Ask::NotYet(_) => thread::sleep(period()),
        }
    }
}

/// Looks for the whole time and fails at once when the condition no longer holds.
///
/// # Errors
/// With what the condition said.
pub fn stays(what: &str, time: Duration, mut condition: impl FnMut() -> Result<()>) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < time {
        condition().with_context(|| format!("{what}: no longer so after {:?}", begun.elapsed()))?;
        thread::sleep(period());
    }
    Ok(())
}

/// A duration as people write it: `50ms`, `2s`.
///
/// # Errors
/// When it is not one.
pub fn parse_duration(text: &str) -> Result<Duration, humantime::DurationError> {
    humantime::parse_duration(text)
}

/// What a condition says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ask<T> {
    /// It holds.
    Yes(T),
    /// It does not hold yet; what is seen instead, for people.
    NotYet(String),
}

impl Ask<()> {
    /// Holds when `true`.
    #[must_use]
    pub fn holds(condition: bool, otherwise: impl FnOnce() -> String) -> Self {
        if condition {
            Self::Yes(())
        } else {
            Self::NotYet(otherwise())
        }
    }
}

//! What goes wrong on purpose, in tests.

use std::{
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

/// Which reports go wrong: each so-manieth; 0 for none. `lose=10,slow=200ms`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// Taken, and then the connection ends without an answer.
    lose: u64,
    /// Taken, and the answer names only the first half.
    partial: u64,
    /// Not taken, and said so: unavailable.
    refuse: u64,
    /// Each answer takes this long.
    slow: Option<Duration>,
    reports: Arc<AtomicU64>,
}

/// What goes wrong with one report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    None,
    Lose,
    Partial,
    Refuse,
}

/// The connection that a request came over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection(pub(crate) Arc<Notify>);

impl Faults {
    /// Of the next report.
    pub(crate) async fn next(&self) -> Fault {
        if let Some(slow) = self.slow {
            tokio::time::sleep(slow).await;
        }
        let number = self.reports.fetch_add(1, Ordering::Relaxed) + 1;
        let hits = |each: u64| each > 0 && number.is_multiple_of(each);
        if hits(self.refuse) {
            Fault::Refuse
        } else if hits(self.lose) {
            Fault::Lose
        } else if hits(self.partial) {
            Fault::Partial
        } else {
            Fault::None
        }
    }
}

impl Connection {
    /// Ends it. Nobody is answered any more.
    pub(crate) async fn cut<T>(&self) -> T {
        self.0.notify_one();
        std::future::pending().await
    }
}

impl FromStr for Faults {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut faults = Self::default();
        for part in text.split(',') {
            let (name, value) = part
                .split_once('=')
                .ok_or_else(|| format!("{part:?} has no value"))?;
            let number = || value.parse::<u64>().map_err(|error| error.to_string());
            match name {
                "lose" => faults.lose = number()?,
                "partial" => faults.partial = number()?,
                "refuse" => faults.refuse = number()?,
                "slow" => {
                    let slow = humantime::parse_duration(value).map_err(|error| error.to_string())?;
                    faults.slow = Some(slow);
                }
                _ => return Err(format!("there is no fault {name:?}")),
            }
        }
        Ok(faults)
    }
}

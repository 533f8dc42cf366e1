//! Whoever waits for longer than a moment is told so, on standard error: on a terminal by a line that is written over and goes, else by a
//! line at once and then now and then.

use std::{
    future::Future,
    io::{self, IsTerminal as _, Write as _},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::name;

/// A wait that is shorter is not told.
const MOMENT: Duration = Duration::from_secs(1);
/// From one line to the next where nothing is written over.
const SELDOM: Duration = Duration::from_secs(10);

/// Whether a line is there that goes before anything else is printed.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// How often somebody looks what is waited for now.
const LOOK: Duration = Duration::from_millis(200);

/// What is waited for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wait {
    /// After "waiting".
    pub what: String,
    /// Since when.
    pub since: Instant,
}

/// Does something, and tells meanwhile what is waited for.
pub async fn while_waiting<T>(what: Option<&str>, work: impl Future<Output = T>) -> T {
    let Some(what) = what else { return work.await };
    let since = Instant::now();
    let wait = || {
        Some(Wait {
            what: what.to_owned(),
            since,
        })
    };
    telling(wait, work).await
}

/// The same, where what is waited for changes. Under the reference's name nothing is told but to a terminal.
pub async fn telling<T>(wait: impl Fn() -> Option<Wait>, work: impl Future<Output = T>) -> T {
    let terminal = io::stderr().is_terminal();
    if !terminal && name::is_reference() {
        return work.await;
    }
    let mut teller = Teller::new(if terminal { MOMENT } else { SELDOM });
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => {
                clear();
                return done;
            }
            () = sleep(LOOK) => {
                if let Some((what, waited)) = teller.look(wait(), Instant::now()) {
                    tell(&what, waited, terminal);
                }
            }
        }
    }
}

/// When something is told.
struct Teller {
    every: Duration,
    told: Option<(Wait, Instant)>,
}

impl Teller {
    fn new(every: Duration) -> Self {
        Self { every, told: None }
    }

    /// What is to be told now, and how long it has been waited for.
    fn look(&mut self, wait: Option<Wait>, now: Instant) -> Option<(String, Duration)> {
        let wait = wait.filter(|wait| now - wait.since >= MOMENT)?;
        let is_news = self
            .told
            .as_ref()
            .is_none_or(|(told, at)| *told != wait || now - *at >= self.every);
        if !is_news {
            return None;
        }
        self.told = Some((wait.clone(), now));
        Some((wait.what, now - wait.since))
    }
}

/// Takes the line away, before something else is printed.
pub fn clear() {
    if SHOWN.swap(false, Ordering::Relaxed) {
        let _unwritable = write!(io::stderr().lock(), "\r\x1b[K");
    }
}

fn tell(what: &str, waited: Duration, terminal: bool) {
    let mut out = io::stderr().lock();
    let text = format!("waiting {what} ({} s)", waited.as_secs());
    let _unwritable = if terminal {
        SHOWN.store(true, Ordering::Relaxed);
        write!(out, "\r\x1b[K{text}")
    } else {
        writeln!(out, "{text}")
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_after_a_moment_then_seldom_and_what_is_waited_for_next_after_a_moment_too() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let wait = |what: &str, since| {
            Some(Wait {
                what: what.to_owned(),
                since: at(since),
            })
        };
        let mut teller = Teller::new(SELDOM);
        let mut told = |wait: Option<Wait>, now| {
            let told = teller.look(wait, at(now));
            told.map(|(what, waited)| (what, waited.as_secs()))
        };
        assert_eq!(told(wait("for the ledger", 0), 999), None);
        assert_eq!(
            told(wait("for the ledger", 0), 1_000),
            Some(("for the ledger".to_owned(), 1))
        );
        assert_eq!(told(wait("for the ledger", 0), 10_999), None);
        assert_eq!(
            told(wait("for the ledger", 0), 11_000),
            Some(("for the ledger".to_owned(), 11))
        );
        assert_eq!(told(wait("for the tunnel", 11_500), 12_400), None);
        assert_eq!(told(None, 13_000), None);
        assert_eq!(
            told(wait("for the tunnel", 11_500), 14_000),
            Some(("for the tunnel".to_owned(), 2))
        );
    }
}

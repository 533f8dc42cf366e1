//! Whoever waits for longer than a moment is told so, on standard error: on a terminal by a line that is written over and goes, else by a
//! line now and then.

use std::{
    future::Future,
    io::{self, IsTerminal as _, Write as _},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// A wait that is shorter is not told.
const MOMENT: Duration = Duration::from_secs(1);
/// From one line to the next where nothing is written over.
const SELDOM: Duration = Duration::from_secs(10);

/// Whether a line is there that goes before anything else is printed.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// Does something, and tells meanwhile what is waited for.
pub async fn while_waiting<T>(what: Option<&str>, work: impl Future<Output = T>) -> T {
    let Some(what) = what else { return work.await };
    tokio::pin!(work);
    let (start, terminal) = (Instant::now(), io::stderr().is_terminal());
    let pause = if terminal { MOMENT } else { SELDOM };
    let mut next = start + pause;
    loop {
        tokio::select! {
            biased;
            done = &mut work => {
                clear();
                return done;
            }
            () = sleep_until(next) => {
                tell(what, start.elapsed(), terminal);
                next += pause;
            }
        }
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

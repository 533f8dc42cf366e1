//! Signals that ask for a stop, and the one that does not.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT ask for a stop as configured, SIGUSR1 for one that takes the tunnels down (rfcs/0007). SIGHUP asks for
/// none: whoever rotates files sends it.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    for_good: Signal,
    hangup: Signal,
}

impl Signals {
    /// From now on these signals are ours.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen() -> io::Result<Self> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let for_good = signal(SignalKind::user_defined1())?;
        Ok(Self {
            terminate,
            interrupt,
            for_good,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one that asks for a stop: its name, and whether the tunnels go whatever is configured. At each SIGHUP
    /// `hangup` is called.
    pub async fn next(&mut self, hangup: impl Fn()) -> (&'static str, bool) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return ("SIGTERM", false),
                _ = self.interrupt.recv() => return ("SIGINT", false),
                _ = self.for_good.recv() => return ("SIGUSR1", true),
                _ = self.hangup.recv() => {
                    tracing::info!(signal = "SIGHUP", "recorders' files are reopened; nothing is reloaded: restart to apply a changed configuration");
                    hangup();
                }
            }
        }
    }
}

//! Who shows something until it is ended from outside leaves the terminal as it was.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals by which a program is told to end, from now on.
pub struct Ended([Signal; 3]);

impl Ended {
    /// # Errors
    /// When the system has none.
    pub fn watch() -> io::Result<Self> {
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    /// Returns when one has come.
    pub async fn told(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

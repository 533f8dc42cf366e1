//! The backends that need no more than a few lines.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use warren_metering::recorder::{Entry, Failure};

use super::output::{Batch, Recorder, failure};
use crate::lock::lock;

/// Nothing.
pub(super) struct Nop;

/// Standard error.
pub(super) struct Stderr;

/// Keeps what is recorded in memory, for tests, and fails when it is told to.
#[derive(Clone, Debug, Default)]
pub struct Captured {
    entries: Arc<Mutex<Vec<Entry>>>,
    problem: Arc<Mutex<Option<String>>>,
}

impl Recorder for Nop {
    fn record(&mut self, _: &Batch) -> Result<(), Failure> {
        Ok(())
    }
}

impl Recorder for Stderr {
    fn record(&mut self, batch: &Batch) -> Result<(), Failure> {
        let mut stderr = std::io::stderr().lock();
        stderr.write_all(&batch.lines).map_err(failure)
    }
}

impl Recorder for Captured {
    fn record(&mut self, batch: &Batch) -> Result<(), Failure> {
        if let Some(problem) = &*lock(&self.problem) {
            return Err(failure(problem));
        }
        lock(&self.entries).extend_from_slice(&batch.entries);
        Ok(())
    }
}

impl Captured {
    /// What was recorded so far.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        lock(&self.entries).clone()
    }

    /// From now on recording fails with this, or does not.
    pub fn fail(&self, problem: Option<&str>) {
        *lock(&self.problem) = problem.map(str::to_owned);
    }
}

//! The last minutes, in memory: two parts, of which the older one goes when the newer one is full.

use warren_state::Epoch;

use super::parts::{Parts, beginning};

/// Both parts together are not larger than this, but for one input.
pub(super) const BYTES: usize = 1 << 20;

pub(super) struct Ring {
    epoch: Epoch,
    part: u64,
    older: Vec<u8>,
    newer: Vec<u8>,
}

impl Ring {
    pub(super) fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            part: 0,
            older: Vec::new(),
            newer: Vec::new(),
        }
    }

    /// Both parts.
    pub(super) fn read(&self) -> Vec<u8> {
        [&*self.older, &*self.newer].concat()
    }

    /// Drops everything and skips a number, so that what follows is not read as a continuation.
    pub(super) fn clear(&mut self) {
        self.part += 2;
        (self.older, self.newer) = (Vec::new(), Vec::new());
    }
}

impl Parts for Ring {
    fn make_room(&mut self, bytes: usize) {
        if self.newer.len() + bytes > BYTES / 2 && !self.newer.is_empty() {
            self.part += 1;
            self.older = std::mem::take(&mut self.newer);
        }
    }

    fn part(&self) -> u64 {
        self.part
    }

    fn longest(&self) -> usize {
        BYTES / 8
    }

    fn write(&mut self, line: Vec<u8>) {
        if self.newer.is_empty() {
            self.newer = beginning(self.epoch, self.part);
        }
        self.newer.extend_from_slice(&line);
    }
}

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
    /// Each part begins with this, too: what is left out.
    head: Option<Vec<u8>>,
}

impl Ring {
    pub(super) fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            part: 0,
            older: Vec::new(),
            newer: Vec::new(),
            head: None,
        }
    }

    /// Both parts.
    pub(super) fn read(&self) -> Vec<u8> {
        [&*self.older, &*self.newer].concat()
    }

    /// Another thing is left out from here on: what follows is no continuation of what was before, and its number says so.
    pub(super) fn leave_out(&mut self, head: Option<Vec<u8>>) {
        if self.head == head {
            return;
        }
        self.head = head;
        self.begin_anew();
    }

    /// A step of the table is left out. Only from the first part on is the table made again, so what follows must not go on from there.
    pub(super) fn lose_a_step(&mut self) {
        if self.part == 0 {
            self.begin_anew();
        }
    }

    /// With a part that is no continuation of the one before.
    fn begin_anew(&mut self) {
        self.part += 2;
        if !self.newer.is_empty() {
            self.older = std::mem::take(&mut self.newer);
        }
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
            self.newer.extend(self.head.iter().flatten());
        }
        self.newer.extend_from_slice(&line);
    }
}

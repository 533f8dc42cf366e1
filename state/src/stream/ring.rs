//! The newest frames, each encoded once for whoever reads it.

use std::{collections::VecDeque, sync::Arc};

use super::Text;
use crate::{Sequence, TunnelId, event::Kind};

/// A frame, as it is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// The step that it is made of.
    pub at: Sequence,
    /// What happened, where something did.
    pub kind: Option<Kind>,
    /// Whether it changes the state that is shown.
    pub has_patch: bool,
    /// The tunnels that it is about.
    pub tunnels: Vec<TunnelId>,
    /// What readers are sent of it.
    pub text: Text,
}

/// The newest frames, bounded in bytes. They are numbered from 0 for as long as the ring lives.
#[derive(Clone, Debug)]
pub struct Ring {
    frames: VecDeque<Arc<Frame>>,
    /// The number of the first of them.
    first: u64,
    /// Every frame after this position is here.
    after: Sequence,
    bytes: usize,
    bound: usize,
}

impl Ring {
    /// An empty one, of what comes after this position; it keeps this many bytes, and the newest frame in any case.
    #[must_use]
    pub fn new(after: Sequence, bound: usize) -> Self {
        Self {
            frames: VecDeque::new(),
            first: 0,
            after,
            bytes: 0,
            bound,
        }
    }

    /// Appends one.
    pub fn push(&mut self, frame: Frame) {
        self.bytes += frame.weight();
        self.frames.push_back(Arc::new(frame));
        while self.frames.len() > 1 && self.bytes > self.bound {
            let Some(oldest) = self.frames.pop_front() else {
                return;
            };
            self.bytes -= oldest.weight();
            self.after = oldest.at;
            self.first += 1;
        }
    }

    /// Nothing that came before this position is here any more, and what came up to there is not known.
    pub fn restart(&mut self, after: Sequence) {
        // A number is left out: whoever waits for the next one is behind.
        self.first = self.next() + 1;
        self.frames.clear();
        (self.bytes, self.after) = (0, after);
    }

    /// The position of the newest frame; where there is none, that after which there will be.
    #[must_use]
    pub fn last(&self) -> Sequence {
        self.frames.back().map_or(self.after, |newest| newest.at)
    }

    /// The number of the frame that comes next.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    /// The frame of this number; none when it is no longer, or not yet, here.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<&Arc<Frame>> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.frames.get(place)
    }

    /// Whether the frame of this number, or one before it, is no longer here.
    #[must_use]
    pub fn has_forgotten(&self, number: u64) -> bool {
        number < self.first
    }

    /// The number of the first frame after a position; none when some of those are no longer here.
    #[must_use]
    pub fn number_after(&self, position: Sequence) -> Option<u64> {
        let known = position >= self.after;
        known.then(|| self.first + self.frames.partition_point(|frame| frame.at <= position) as u64)
    }

    /// What the frames from this number on take.
    #[must_use]
    pub fn bytes_from(&self, number: u64) -> usize {
        let skipped = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.frames.iter().skip(skipped).map(|frame| frame.weight()).sum()
    }
}

impl Frame {
    fn weight(&self) -> usize {
        size_of::<Self>() + self.text.len() + size_of_val(&self.tunnels[..])
    }
}

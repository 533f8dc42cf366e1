//! What passes over links that are held to a rate, by the virtual clock: the token bucket is the forwarder's own.

use std::{collections::BTreeMap, time::Instant};

use warren_state::{Direction, Monotonic, Rate};

use crate::userspace::bucket::{Bucket, Leave};

/// The buckets of all links, by their numbers.
#[derive(Debug)]
pub(super) struct Shapers {
    /// When the virtual clock began.
    begun: Instant,
    of: BTreeMap<(u32, Direction), Shaper>,
}

#[derive(Debug, Default)]
struct Shaper {
    bucket: Bucket,
    dropped: u64,
}

impl Shapers {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            of: BTreeMap::new(),
        }
    }

    /// A link has this rate now.
    pub(super) fn set(&mut self, link: u32, rate: Rate, now: Monotonic) {
        let at = self.begun + now.elapsed();
        for (way, rate) in [(Direction::Out, rate.up), (Direction::In, rate.down)] {
            let shaper = self.of.entry((link, way)).or_default();
            if shaper.bucket.rate() != rate {
                shaper.bucket.set(rate, at);
            }
        }
    }

    /// How many of these packets pass. There is no queue: the others are dropped.
    pub(super) fn pass(
        &mut self,
        link: u32,
        way: Direction,
        packets: u64,
        octets: u64,
        now: Monotonic,
    ) -> u64 {
        let at = self.begun + now.elapsed();
        let shaper = self.of.entry((link, way)).or_default();
        let goes = |_: &u64| shaper.bucket.take(octets, at) == Leave::Go;
        let passed = (0..packets).filter(goes).count() as u64;
        shaper.dropped += packets - passed;
        passed
    }

    pub(super) fn dropped(&self, link: u32, way: Direction) -> u64 {
        self.of.get(&(link, way)).map_or(0, |shaper| shaper.dropped)
    }
}

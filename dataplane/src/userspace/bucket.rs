//! How much may go through a tunnel one way: a token bucket that is asked and never waits.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// A burst is this part of a second's worth, and this many octets at least.
const BURSTS_A_SECOND: u64 = 50;
const SMALLEST_BURST: u64 = 4 << 10;

/// What a bucket says to a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leave {
    /// It may go, and was counted.
    Go,
    /// Not before this long has passed.
    Wait(Duration),
    /// Never.
    Drop,
}

/// One way of one tunnel. The lock is held for a few additions, never while anybody waits.
#[derive(Debug, Default)]
pub struct Bucket {
    limited: AtomicBool,
    level: Mutex<Option<Level>>,
}

#[derive(Debug)]
struct Level {
    /// Octets a second; 0 is none ever.
    rate: u64,
    /// What may go now; below zero after a packet that was larger than what was left.
    octets: i64,
    at: Instant,
}

impl Bucket {
    /// Sets the rate: none is any number, and 0 blocks. A new rate does not fill the bucket, a lower one lets its content shrink.
    pub fn set(&self, rate: Option<u64>, now: Instant) {
        let mut level = self.level();
        *level = rate.map(|rate| {
            let octets = level.as_mut().map_or(0, |before| {
                before.refill(now);
                before.octets
            });
            Level {
                rate,
                octets: octets.min(burst(rate)),
                at: now,
            }
        });
        self.limited.store(level.is_some(), Relaxed);
    }

    /// Octets a second that it lets through; none is any number.
    pub fn rate(&self) -> Option<u64> {
        self.level().as_ref().map(|level| level.rate)
    }

    /// Whether it has to be asked.
    pub fn is_limited(&self) -> bool {
        self.limited.load(Relaxed)
    }

    /// Whether this many octets may go now. What is larger than the bucket goes when there is anything in it, and is paid for
    /// afterwards.
    pub fn take(&self, octets: u64, now: Instant) -> Leave {
        match self.level().as_mut() {
            None => Leave::Go,
            Some(level) => level.take(octets, now),
        }
    }

    /// Takes what went whatever it says: what has to ask pays for it afterwards. Where nothing may go, nothing is owed.
    pub fn owe(&self, octets: u64, now: Instant) {
        if let Some(level) = self.level().as_mut().filter(|level| level.rate > 0) {
            level.refill(now);
            level.octets = level
                .octets
                .saturating_sub(i64::try_from(octets).unwrap_or(i64::MAX));
        }
    }

    /// Whether anything may go now; nothing is taken.
    pub fn look(&self, now: Instant) -> Leave {
        self.take(0, now)
    }

    fn level(&self) -> MutexGuard<'_, Option<Level>> {
        self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Level {
    fn take(&mut self, octets: u64, now: Instant) -> Leave {
        if self.rate == 0 {
            return Leave::Drop;
        }
        self.refill(now);
        if self.octets > 0 {
            self.octets -= i64::try_from(octets).unwrap_or(i64::MAX);
            return Leave::Go;
        }
        let missing = u128::from(self.octets.unsigned_abs()) + 1;
        let nanos = (missing * 1_000_000_000).div_ceil(u128::from(self.rate));
        Leave::Wait(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// What is too little for an octet stays owed: the clock is moved by no more than what was given.
    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at);
        let earned = passed.as_nanos() * u128::from(self.rate) / 1_000_000_000;
        let most = burst(self.rate);
        let earned = i64::try_from(earned).unwrap_or(i64::MAX);
        if self.rate == 0 || self.octets.saturating_add(earned) >= most {
            (self.octets, self.at) = (self.octets.saturating_add(earned).min(most), now);
            return;
        }
        self.octets += earned;
        let spent = u128::from(earned.unsigned_abs()) * 1_000_000_000 / u128::from(self.rate);
        self.at += Duration::from_nanos(u64::try_from(spent).unwrap_or(u64::MAX));
    }
}

fn burst(rate: u64) -> i64 {
    i64::try_from((rate / BURSTS_A_SECOND).max(SMALLEST_BURST)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    /// How much went within this time, in packets of this size.
    fn carried(bucket: &Bucket, from: Instant, time: Duration, packet: u64) -> u64 {
        let (mut now, mut octets) = (from, 0);
        while now < from + time {
            match bucket.take(packet, now) {
                Leave::Go => octets += packet,
                Leave::Wait(wait) => now += wait,
                Leave::Drop => return octets,
            }
        }
        octets
    }

    #[test]
    fn what_goes_is_the_rate_whatever_the_packets() {
        let start = Instant::now();
        for (rate, packet) in [
            (125_000, 1476),
            (125_000, 64_000),
            (6_250_000, 1476),
            (16_384, 40),
        ] {
            let bucket = Bucket::default();
            bucket.set(Some(rate), start);
            let octets = carried(&bucket, start, Duration::from_secs(60), packet);
            let most = rate * 60 + packet + SMALLEST_BURST + rate / BURSTS_A_SECOND;
            assert!(
                octets <= most && octets + packet >= rate * 60,
                "{rate} {packet}: {octets}"
            );
        }
    }

    #[test]
    fn a_new_rate_fills_nothing_and_a_lower_one_clamps() {
        let start = Instant::now();
        let bucket = Bucket::default();
        bucket.set(Some(1_000_000), start);
        assert!(matches!(bucket.take(1, start), Leave::Wait(_)), "it begins empty");
        let later = start + Duration::from_secs(10);
        for _ in 0..1_000 {
            bucket.set(Some(1_000_000), later);
        }
        assert_eq!(bucket.take(20_000, later), Leave::Go);
        bucket.set(Some(1_000_000), later);
        assert!(
            matches!(bucket.take(1, later), Leave::Wait(_)),
            "the same rate again gives nothing"
        );
        let full = later + Duration::from_secs(10);
        bucket.set(Some(10_000), full);
        assert_eq!(bucket.take(SMALLEST_BURST, full), Leave::Go);
        assert!(
            matches!(bucket.take(1, full), Leave::Wait(_)),
            "20,000 became {SMALLEST_BURST}"
        );
    }

    #[test]
    fn nothing_goes_at_zero_and_everything_without_a_rate() {
        let now = Instant::now();
        let bucket = Bucket::default();
        assert_eq!(bucket.take(u64::MAX, now), Leave::Go);
        bucket.set(Some(0), now);
        assert!(bucket.is_limited());
        assert_eq!(bucket.take(1, now + Duration::from_secs(3600)), Leave::Drop);
        bucket.set(None, now);
        assert!(!bucket.is_limited());
        assert_eq!(bucket.take(u64::MAX, now), Leave::Go);
    }

    #[test]
    fn what_goes_unasked_is_paid_for_by_what_asks() {
        let start = Instant::now();
        let bucket = Bucket::default();
        bucket.owe(1_000, start);
        bucket.set(Some(1_000), start);
        bucket.owe(1_499, start);
        bucket.owe(1_500, start);
        assert_eq!(bucket.look(start), Leave::Wait(MILLI * 3_000));
        assert_eq!(bucket.take(1, start + MILLI * 3_000), Leave::Go);
        bucket.set(Some(0), start);
        bucket.owe(u64::MAX, start);
        assert_eq!(bucket.look(start), Leave::Drop);
        bucket.set(Some(1_000), start);
        let soon = start + MILLI * 2;
        assert_eq!(bucket.look(soon), Leave::Go);
    }

    #[test]
    fn many_short_looks_earn_what_one_long_one_does() {
        let start = Instant::now();
        let bucket = Bucket::default();
        bucket.set(Some(100), start);
        for look in 1..=10_000u32 {
            let _ = bucket.look(start + MILLI * look);
        }
        let end = start + MILLI * 10_000;
        assert_eq!(bucket.take(1_000, end), Leave::Go);
        assert_eq!(
            bucket.take(1, end),
            Leave::Wait(MILLI * 10),
            "1,000 octets in ten seconds, and none more"
        );
    }
}

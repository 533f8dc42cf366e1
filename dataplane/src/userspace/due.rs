//! When tunnels whose packets wait are to be looked at again.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// By number of the tunnel; each has one time at most.
#[derive(Debug, Default)]
pub struct Due {
    times: BTreeMap<u64, Instant>,
    order: BTreeSet<(Instant, u64)>,
}

impl Due {
    /// The tunnel is to be looked at then, and not before.
    pub fn set(&mut self, number: u64, at: Instant) {
        self.forget(number);
        self.times.insert(number, at);
        self.order.insert((at, number));
    }

    /// It need not be looked at.
    pub fn forget(&mut self, number: u64) {
        if let Some(at) = self.times.remove(&number) {
            self.order.remove(&(at, number));
        }
    }

    /// Whether it is to be looked at some time.
    #[must_use]
    pub fn has(&self, number: u64) -> bool {
        self.times.contains_key(&number)
    }

    /// All of them are to be looked at now.
    pub fn hasten(&mut self, now: Instant) {
        for at in self.times.values_mut() {
            *at = now;
        }
        self.order = self.times.iter().map(|(number, at)| (*at, *number)).collect();
    }

    /// How long it is until the first one's time.
    #[must_use]
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        let (at, _) = self.order.first()?;
        Some(at.saturating_duration_since(now))
    }

    /// Adds those whose time has come and that are not there; they stay due until they are set or forgotten.
    pub fn add_ripe(&self, ready: &mut Vec<u64>, now: Instant) {
        let reported = ready.len();
        for (_, number) in self.order.iter().take_while(|(at, _)| *at <= now) {
            if !ready[..reported].contains(number) {
                ready.push(*number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_ripe_at_its_last_time_and_once() {
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        let ripe = |due: &Due, seconds, already: &[u64]| {
            let mut ready = already.to_vec();
            due.add_ripe(&mut ready, after(seconds));
            ready
        };
        let mut due = Due::default();
        assert_eq!(due.wait(now), None);
        due.set(1, after(9));
        due.set(1, after(3));
        due.set(2, after(5));
        assert!(due.has(1) && !due.has(3));
        assert_eq!(due.wait(after(1)), Some(Duration::from_secs(2)));
        assert_eq!(ripe(&due, 2, &[7]), [7]);
        assert_eq!(ripe(&due, 4, &[7]), [7, 1]);
        assert_eq!(ripe(&due, 5, &[1]), [1, 2]);
        due.forget(1);
        assert_eq!(ripe(&due, 9, &[]), [2]);
        due.set(3, after(60));
        due.hasten(now);
        assert_eq!(ripe(&due, 0, &[]), [2, 3]);
        assert_eq!(due.wait(after(1)), Some(Duration::ZERO));
    }
}

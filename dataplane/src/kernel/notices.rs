//! What waits to be told to a subscriber. Pure: repeated changes of one tunnel coalesce, the wait is bounded, and overruns
//! are told at most once in a while, because each makes the subscriber read everything.

use std::{collections::BTreeSet, time::Duration};

use warren_state::Monotonic;

use crate::contract::Notice;

/// At most one overrun in this time.
pub const OVERRUN_SPACING: Duration = Duration::from_secs(10);

/// What waits to be told to one subscriber.
#[derive(Debug)]
pub struct Notices {
    changed: BTreeSet<Notice>,
    capacity: usize,
    overrun: bool,
    last_overrun: Option<Monotonic>,
}

impl Notices {
    /// Remembers at most `capacity` tunnels.
    pub fn new(capacity: usize) -> Self {
        Self {
            changed: BTreeSet::new(),
            capacity,
            overrun: false,
            last_overrun: None,
        }
    }

    /// Something changed.
    pub fn add(&mut self, notice: Notice) {
        let fits = self.changed.len() < self.capacity || self.changed.contains(&notice);
        if notice == Notice::Overrun || !fits {
            self.overrun();
        } else {
            self.changed.insert(notice);
        }
    }

    /// Notes that changes were lost: the subscriber must read everything.
    pub fn overrun(&mut self) {
        self.changed.clear();
        self.overrun = true;
    }

    /// When there is something to tell; `None` while there is nothing.
    pub fn poll_timeout(&self) -> Option<Monotonic> {
        if !self.changed.is_empty() {
            return Some(Monotonic::ZERO);
        }
        self.overrun.then(|| self.overrun_due())
    }

    /// The next notice that may be told at `now`.
    pub fn take(&mut self, now: Monotonic) -> Option<Notice> {
        if self.overrun && self.overrun_due() <= now {
            self.overrun = false;
            self.last_overrun = Some(now);
            self.changed.clear();
            return Some(Notice::Overrun);
        }
        self.changed.pop_first()
    }

    fn overrun_due(&self) -> Monotonic {
        self.last_overrun
            .map_or(Monotonic::ZERO, |last| last + OVERRUN_SPACING)
    }
}

#[cfg(test)]
mod tests {
    use warren_state::{Pubkey, TunnelId};

    use super::*;

    fn tunnel(n: u8) -> Notice {
        Notice::Tunnel(TunnelId(Pubkey([n; 32])))
    }

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_elapsed(Duration::from_secs(seconds))
    }

    #[test]
    fn repeated_changes_of_one_tunnel_are_told_once() {
        let mut notices = Notices::new(8);
        for _ in 0..100 {
            notices.add(tunnel(1));
            notices.add(Notice::Something);
        }
        assert_eq!(notices.take(at(0)), Some(tunnel(1)));
        assert_eq!(notices.take(at(0)), Some(Notice::Something));
        assert_eq!((notices.take(at(0)), notices.poll_timeout()), (None, None));
    }

    #[test]
    fn a_full_queue_becomes_one_overrun() {
        let mut notices = Notices::new(8);
        for n in 0..9 {
            notices.add(tunnel(n));
        }
        assert_eq!(notices.take(at(0)), Some(Notice::Overrun));
        assert_eq!(notices.take(at(0)), None);
    }

    #[test]
    fn a_second_overrun_waits_for_its_time_and_changes_go_on_meanwhile() {
        let mut notices = Notices::new(8);
        notices.overrun();
        assert_eq!(notices.take(at(100)), Some(Notice::Overrun));
        notices.overrun();
        notices.add(tunnel(1));
        assert_eq!(notices.take(at(101)), Some(tunnel(1)));
        assert_eq!(
            (notices.take(at(109)), notices.poll_timeout()),
            (None, Some(at(110)))
        );
        assert_eq!(notices.take(at(110)), Some(Notice::Overrun));
        assert_eq!(notices.poll_timeout(), None);
    }
}

//! How a tunnel's BGP session and its multicast services stand: what they counted, what they refused, and what was said last.

mod bgp;
mod multicast;
mod notification;

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::Monotonic;

pub use bgp::{BgpCounters, BgpStanding, BgpState, RefusedRoutes, RouteRefusal};
pub use multicast::{Groups, MulticastCounters, MulticastStanding};
pub use notification::{NotificationCode, Notified};

/// Something that is told whenever it changed.
pub trait Standing: PartialEq {
    /// Whether it differs from what was told before in more than what is counted.
    fn is_news(&self, told: &Self) -> bool;
}

/// Tells how something stands when that changed: what is news at once, what is merely counted once in a while. What does not
/// change costs nothing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Paced<S> {
    every: Duration,
    told: Option<(Monotonic, Arc<S>)>,
    due: Option<Monotonic>,
}

impl<S: Standing> Paced<S> {
    /// Counters are told at most once in this span.
    #[must_use]
    pub fn new(every: Duration) -> Self {
        Self {
            every,
            told: None,
            due: None,
        }
    }

    /// What is to be told now, if anything is.
    pub fn look(&mut self, now: Monotonic, is: S) -> Option<Arc<S>> {
        self.due = None;
        if let Some((at, told)) = &self.told {
            if **told == is {
                return None;
            }
            let due = *at + self.every;
            if now < due && !is.is_news(told) {
                self.due = Some(due);
                return None;
            }
        }
        let is = Arc::new(is);
        self.told = Some((now, is.clone()));
        Some(is)
    }

    /// When to look again, although nothing happens until then.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Monotonic> {
        self.due
    }
}

#[cfg(test)]
mod tests;

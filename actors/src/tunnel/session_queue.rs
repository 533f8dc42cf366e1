//! What a session told and its provisioner has not taken yet: in order, with what was said of a route twice said once. At
//! most one message in the provisioner's mailbox speaks of it, so that whatever else happens to the tunnel is soon its turn,
//! however much the peer sends.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::Mutex,
};

use ipnet::Ipv4Net;
use warren_state::lifecycle::SessionUpdate;

use crate::lock::lock;

/// The most routes that are taken at once.
pub(crate) const ROUTES_AT_ONCE: usize = 1_024;
/// The session reads on only while fewer routes than this wait.
const MOST_WAITING: usize = 16_384;

/// From one session to its provisioner.
#[derive(Default)]
pub(crate) struct SessionQueue(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    queue: VecDeque<Piece>,
    /// Routes in the queue.
    waiting: usize,
    /// A message in the provisioner's mailbox speaks of the queue.
    announced: bool,
    /// The session does not read on.
    held_up: bool,
}

enum Piece {
    /// Each route, and whether it is announced.
    Routes(BTreeMap<Ipv4Net, bool>),
    Other(SessionUpdate),
}

/// What the provisioner takes.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Taken {
    pub(crate) update: SessionUpdate,
    /// There is more: the provisioner has to put another message into its own mailbox.
    pub(crate) more: bool,
    /// The session was held up and may read on.
    pub(crate) reads_on: bool,
}

impl SessionQueue {
    /// Adds to it, and says whether the provisioner is to be sent a message.
    #[must_use]
    pub(crate) fn add(&self, update: SessionUpdate) -> bool {
        let mut inner = lock(&self.0);
        match update {
            SessionUpdate::Routes { announced, withdrawn } => {
                let gone = withdrawn.into_iter().map(|dst| (dst, false));
                inner.add_routes(gone.chain(announced.into_iter().map(|dst| (dst, true))));
            }
            other @ (SessionUpdate::Status(..) | SessionUpdate::Synced | SessionUpdate::Closed) => {
                inner.queue.push_back(Piece::Other(other));
            }
        }
        !mem::replace(&mut inner.announced, true)
    }

    /// The next piece, of a bounded size.
    pub(crate) fn take(&self) -> Option<Taken> {
        let mut inner = lock(&self.0);
        let update = match inner.queue.pop_front() {
            Some(Piece::Routes(routes)) => inner.take_routes(routes),
            Some(Piece::Other(update)) => update,
            None => {
                inner.announced = false;
                return None;
            }
        };
        let more = !inner.queue.is_empty();
        inner.announced = more;
        let reads_on = inner.waiting < MOST_WAITING && mem::take(&mut inner.held_up);
        Some(Taken {
            update,
            more,
            reads_on,
        })
    }

    /// Whether so much waits that the session is not to read on until it is told to.
    pub(crate) fn holds_up(&self) -> bool {
        let mut inner = lock(&self.0);
        inner.held_up = inner.waiting >= MOST_WAITING;
        inner.held_up
    }
}

impl Inner {
    fn add_routes(&mut self, routes: impl Iterator<Item = (Ipv4Net, bool)>) {
        if !matches!(self.queue.back(), Some(Piece::Routes(_))) {
            self.queue.push_back(Piece::Routes(BTreeMap::new()));
        }
        let Some(Piece::Routes(waiting)) = self.queue.back_mut() else {
            return;
        };
        let before = waiting.len();
        waiting.extend(routes);
        self.waiting += waiting.len() - before;
    }

    fn take_routes(&mut self, mut routes: BTreeMap<Ipv4Net, bool>) -> SessionUpdate {
        let (mut announced, mut withdrawn) = (Vec::new(), Vec::new());
        for (dst, is_there) in std::iter::from_fn(|| routes.pop_first()).take(ROUTES_AT_ONCE) {
            if is_there {
                announced.push(dst)
            } else {
                withdrawn.push(dst)
            }
        }
        self.waiting -= announced.len() + withdrawn.len();
        if !routes.is_empty() {
            self.queue.push_front(Piece::Routes(routes));
        }
        SessionUpdate::Routes { announced, withdrawn }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use warren_state::SessionStatus;

    use super::*;

    fn prefix(n: usize) -> Ipv4Net {
        Ipv4Net::from(Ipv4Addr::from(0x0a00_0000 + u32::try_from(n).unwrap()))
    }

    fn routes(announced: &[usize], withdrawn: &[usize]) -> SessionUpdate {
        let prefixes = |numbers: &[usize]| numbers.iter().copied().map(prefix).collect();
        SessionUpdate::Routes {
            announced: prefixes(announced),
            withdrawn: prefixes(withdrawn),
        }
    }

    #[test]
    fn a_flood_is_one_message_at_a_time_and_pieces_of_bounded_size() {
        let queue = SessionQueue::default();
        let messages = (0..10_000).filter(|n| queue.add(routes(&[*n], &[]))).count();
        assert_eq!(messages, 1, "however many there are");
        let (mut taken, mut pieces) = (0, 0);
        loop {
            let Taken {
                update: SessionUpdate::Routes { announced, .. },
                more,
                ..
            } = queue.take().unwrap()
            else {
                panic!("routes")
            };
            assert!(announced.len() <= ROUTES_AT_ONCE, "{}", announced.len());
            (taken, pieces) = (taken + announced.len(), pieces + 1);
            assert!(more || taken == 10_000);
            if !more {
                break;
            }
            assert!(
                !queue.add(routes(&[9_999], &[])),
                "a message is under way already"
            );
        }
        assert_eq!((taken, pieces), (10_000, 10));
        assert_eq!(queue.take(), None);
        assert!(queue.add(routes(&[1], &[])), "the next one is told of again");
    }

    #[test]
    fn the_last_word_on_a_route_counts_and_nothing_passes_what_was_said_before() {
        let queue = SessionQueue::default();
        let up = || SessionUpdate::Status(SessionStatus::Up, None);
        assert!(queue.add(up()));
        for update in [
            routes(&[1, 2], &[]),
            routes(&[], &[1]),
            routes(&[3], &[2]),
            routes(&[2], &[9]),
        ] {
            assert!(!queue.add(update));
        }
        for update in [
            SessionUpdate::Synced,
            routes(&[4], &[]),
            SessionUpdate::Closed,
            up(),
            routes(&[5], &[]),
        ] {
            assert!(!queue.add(update));
        }
        let taken: Vec<SessionUpdate> = std::iter::from_fn(|| queue.take())
            .map(|taken| taken.update)
            .collect();
        let expected = [
            up(),
            routes(&[2, 3], &[1, 9]),
            SessionUpdate::Synced,
            routes(&[4], &[]),
            SessionUpdate::Closed,
            up(),
            routes(&[5], &[]),
        ];
        assert_eq!(taken, expected);
    }

    #[test]
    fn a_session_whose_routes_are_not_taken_reads_on_once_they_are() {
        let queue = SessionQueue::default();
        assert!(!queue.holds_up());
        let all: Vec<usize> = (0..MOST_WAITING).collect();
        let _first = queue.add(routes(&all, &[]));
        assert!(queue.holds_up());
        assert!(queue.take().unwrap().reads_on);
        assert!(!queue.take().unwrap().reads_on, "it was told already");
        assert!(!queue.holds_up());
    }
}

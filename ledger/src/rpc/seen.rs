//! What good reads saw, query by query: the answer to one says nothing about another.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tokio::sync::watch;
use warren_state::{Pubkey, View};

use super::read::{Hints, ReadOut};
use crate::{Query, subscription};

/// Queries that are remembered, but for those that somebody reads or watches just now.
const MOST: usize = 4;

/// What was seen of each query.
#[derive(Default)]
pub(super) struct Memory(Mutex<BTreeMap<Query, Arc<Seen>>>);

/// What the last good read saw: the subscription compares with it.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) accounts: Mutex<SeenAccounts>,
    /// Accounts that are worth a subscription of their own.
    pub(crate) named: watch::Sender<BTreeSet<Pubkey>>,
    hints: Mutex<Hints>,
    /// The view's slot.
    slot: AtomicU64,
}

/// Digests of what matters in each account, and which good read found them.
#[derive(Default)]
pub(crate) struct SeenAccounts {
    pub(crate) digests: BTreeMap<Pubkey, u64>,
    pub(crate) read: u64,
}

impl Memory {
    /// What was seen of this query. Others that nobody needs make room for it.
    pub(super) fn of(&self, query: Query) -> Arc<Seen> {
        let mut all = lock(&self.0);
        if all.len() >= MOST && !all.contains_key(&query) {
            all.retain(|_, seen| Arc::strong_count(seen) > 1);
        }
        Arc::clone(all.entry(query).or_default())
    }
}

impl Seen {
    /// What helps the next read.
    pub(super) fn hints(&self) -> Hints {
        lock(&self.hints).clone()
    }

    /// The slot of the last good read.
    pub(super) fn slot(&self) -> u64 {
        self.slot.load(Relaxed)
    }

    /// Takes a good read in.
    pub(super) fn learn(&self, program: Pubkey, query: &Query, out: ReadOut) -> View {
        let ReadOut { view, digests } = out;
        {
            let mut accounts = lock(&self.accounts);
            *accounts = SeenAccounts {
                digests,
                read: accounts.read + 1,
            };
        }
        lock(&self.hints).learn(&view);
        self.slot.store(view.slot.0, Relaxed);
        let named = subscription::worth_watching(program, query, &view);
        self.named.send_if_modified(|old| {
            let changed = *old != named;
            *old = named;
            changed
        });
        view
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn each_query_has_its_own_memory_and_those_that_nobody_needs_make_room() {
        let (memory, query) = (Memory::default(), |n| Query::Client(Ipv4Addr::new(192, 0, 2, n)));
        let watched = memory.of(query(0));
        for n in 1..=20 {
            memory.of(query(n)).slot.store(u64::from(n), Relaxed);
        }
        assert_eq!((watched.slot(), memory.of(query(20)).slot()), (0, 20));
        assert!(Arc::ptr_eq(&watched, &memory.of(query(0))), "it is in use");
        assert!(lock(&memory.0).len() <= MOST);
        assert_eq!(memory.of(query(1)).slot(), 0, "forgotten");
    }
}

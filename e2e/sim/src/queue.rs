//! What is still to happen, in order of time, and among equals in the order in which it was decided.

use std::collections::BTreeMap;

use warren_state::Monotonic;

pub(crate) struct Queue<T> {
    entries: BTreeMap<(Monotonic, u64), T>,
    next: u64,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            next: 0,
        }
    }

    pub(crate) fn push(&mut self, at: Monotonic, entry: T) {
        self.entries.insert((at, self.next), entry);
        self.next += 1;
    }

    pub(crate) fn next_at(&self) -> Option<Monotonic> {
        self.entries.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        self.entries.pop_first().map(|(_, entry)| entry)
    }
}

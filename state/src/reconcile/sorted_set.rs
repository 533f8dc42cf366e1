//! A set that mostly has one element: it takes the room of what it has, where a tree's smallest node has room for eleven.

use serde::{Deserialize, Serialize};

/// In order, each once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct SortedSet<T>(Vec<T>);

impl<T> Default for SortedSet<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Ord> SortedSet<T> {
    pub(super) fn insert(&mut self, value: T) {
        if let Err(place) = self.0.binary_search(&value) {
            self.0.reserve_exact(1);
            self.0.insert(place, value);
        }
    }

    pub(super) fn first(&self) -> Option<&T> {
        self.0.first()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }

    pub(super) fn clear(&mut self) {
        self.0 = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_twice_is_there_once_and_in_order() {
        let mut sorted_set = SortedSet::default();
        for value in [3, 1, 3, 2, 1] {
            sorted_set.insert(value);
        }
        assert_eq!(
            (sorted_set.iter().copied().collect::<Vec<_>>(), sorted_set.first()),
            (vec![1, 2, 3], Some(&1))
        );
        sorted_set.clear();
        assert_eq!(sorted_set, SortedSet::default());
    }
}

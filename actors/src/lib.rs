//! Supervised actors: thin shells around the pure machines.

pub mod snapshot;

pub use snapshot::Snapshot;

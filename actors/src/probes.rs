//! Whatever reads or measures the world outside: the ledger, the kernel's notices, this host's address, how far devices are,
//! and whether routes carry.

pub(crate) mod client_ip;
pub mod latency;
pub(crate) mod latency_paths;
pub(crate) mod latency_socket;
pub(crate) mod latency_targets;
pub mod liveness;
pub(crate) mod liveness_socket;
pub(crate) mod monitor;
mod send;
pub(crate) mod watcher;

//! Warren: `warrend` keeps a host's tunnels equal to what a ledger says, and `warren` is its command line.

pub mod cli;
pub mod config;
pub mod daemon;
pub mod http;
#[cfg(test)]
mod surface;
pub mod version;

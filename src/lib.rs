//! Warren: `warrend` keeps a host's tunnels equal to what a ledger says, told through its HTTP API.

pub mod daemon;
pub mod http;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod surface;

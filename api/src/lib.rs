//! The daemon's local HTTP API, as both of its ends know it: what is said on the wire, its description, and a client.

pub mod client;
pub mod compat;
pub mod follow;
pub mod notes;
pub mod open_enum;
pub mod openapi;
pub mod phrases;
pub mod picture;
pub mod replica;
pub mod sse;
pub mod standing;
pub mod v3;
pub mod version;

/// Where the daemon listens unless it is told otherwise.
pub const DEFAULT_SOCKET: &str = "/var/run/doublezerod/doublezerod.sock";
/// Members of these groups may change things.
pub const GROUPS: [&str; 2] = ["warren", "doublezero"];

//! What hosts share. So far: `warren-capd`, an authority over what may be used.
//!
//! ```text
//!  hosts ── gRPC, mTLS ──▶ ┐                  ┌─ caps: a file, `warren-capd cap set …`
//!  hosts ── sidecar HTTP ─▶ ├─▶ [Authority] ──┤
//!  people ─ Unix socket ──▶ ┘                 └─ [Book] of each account, on one shelf
//! ```
//!
//! What was used of an account and by which reports that is known stand in one value, which is on disk before anything is
//! answered: a report that comes again can be told from one that never came.

mod account;
mod authority;
mod command;
mod config;
mod faults;
mod grpc;
mod http;
mod serve;

pub use command::{Cli, main};

#[cfg(test)]
mod generated;

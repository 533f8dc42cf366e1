//! The whole tree with the real machines, on a kernel in memory, a scripted ledger and BGP peers over in-memory streams.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by it")]

mod address;
mod authority;
mod caps;
mod connect;
mod crash;
mod fetcher;
mod flood;
mod health;
mod held;
mod hooks;
mod journal;
mod kernel;
mod latency;
mod ledger;
mod log;
mod manual;
mod owner;
mod peers;
mod recorders;
mod recording;
mod restart;
mod scale;
mod standing;
mod stop;
mod streams;
mod switch;
mod table;
mod totals;
mod usage;
mod world;

//! GRE without the kernel's GRE: TUN devices and a raw socket for IP protocol 47.
//!
//! Packets are carried by a process of its own, the [forwarder](run_forwarder), that outlives the daemon: a restart, an
//! upgrade or a crash of the daemon loses no packet. The daemon makes links through [`UserspaceLinks`]; marks, addresses,
//! routes and rules are the same rtnetlink as with the kernel's own tunnels.
//!
//! The wire sees what a kernel tunnel would send: whole IPv4 packets with their checksums, a GRE header without options,
//! don't-fragment as in the inner packet. What the underlay does not take in one piece is cut where the inner packet allows
//! it, and answered with "fragmentation needed" where it does not. Only IPv4 underlays; one tunnel per pair of outer addresses.

pub(crate) mod bucket;
mod client;
mod coalesce;
mod control;
mod drops;
mod due;
mod forwarder;
mod gre;
mod group;
mod inet;
mod links;
mod offload;
mod oversize;
mod paths;
mod protocol;
mod receive;
pub(crate) mod session;
mod sys;
mod transmit;
mod tunnels;
mod waiting;

pub use client::UserspaceSettings;
pub use drops::DropReason;
pub use forwarder::{ForwarderArgs, ForwarderError, run_forwarder};
pub use links::{UserspaceLinks, open};
pub use protocol::{CounterReport, Request, Response, TunnelCounters, VERSION as PROTOCOL_VERSION};

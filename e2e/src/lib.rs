//! The devnet: a real ledger, hosts in network namespaces, real BGP daemons, and `warrend` between them.

pub mod bgp;
pub mod capture;
pub mod cli;
pub mod controller;
pub mod daemon;
pub mod demo;
pub mod device;
pub mod device_end;
pub mod devnets;
pub mod groups;
pub mod http;
pub mod isolate;
pub mod ledger;
pub mod netns;
pub mod network;
pub mod observe;
pub mod pim;
pub mod ping;
pub mod preflight;
pub mod program;
pub mod proxy;
pub mod rpc;
pub mod site;
pub mod sys;
pub mod underlay;
pub mod wait;

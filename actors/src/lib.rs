//! Supervised actors: thin shells around the pure machines.
//!
//! [`start`] builds the tree and gives a [`Handle`] to it.
//!
//! ```text
//! root ─┬─ keeper            the enable switch on disk
//!       ├─ status            the published snapshot and the log
//!       ├─ kernel_monitor    notices of the dataplane
//!       ├─ tunnels ── provisioner × N ── bgp_session, multicast
//!       ├─ reconciler        which tunnels there should be
//!       ├─ client_ip         this host's public address
//!       ├─ ledger_watcher    reads the ledger
//!       ├─ latency           measures how far devices are
//!       └─ service × N       listeners of the shell
//! ```
//!
//! State travels on a board that outlives every actor; a mailbox holds at most one trigger for it. Restarts follow
//! [`policy::RestartPolicies`].

mod board;
mod client_ip;
mod clock;
mod connection;
mod directory;
mod driver;
mod exit;
pub mod figures;
mod handle;
mod keeper;
pub mod latency;
mod latency_paths;
mod latency_socket;
mod latency_targets;
pub mod liveness;
mod liveness_socket;
mod manual;
mod monitor;
mod multicast;
mod multicast_socket;
mod news;
mod operations;
mod poke;
pub mod policy;
mod polling;
mod preview;
mod provisioner;
mod pulse;
mod reconciler;
mod root;
mod service;
mod session;
pub mod settings;
pub mod snapshot;
mod status;
mod sys;
mod told;
mod tree;
mod tunnels;
mod watched;
mod watcher;

pub use clock::Clock;
pub use connection::{Dialer, Stream, TcpDialer};
pub use exit::{EnableError, ExitReason, PlanError, StartError, StopMode, SwitchError};
pub use figures::Figures;
pub use handle::{Handle, ServiceFactory};
pub use manual::{ManualError, RemoveError};
pub use settings::{BgpSettings, ClientSettings, Password, RoleSettings, Settings};
pub use snapshot::{ExclusionStatus, Snapshot};
pub use tree::start;

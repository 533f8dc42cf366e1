//! Supervised actors: thin shells around the pure machines.
//!
//! [`start`] builds the tree and gives a [`Handle`] to it.
//!
//! ```text
//! root ─┬─ store_writer      the enable switch on disk
//!       ├─ status            the published snapshot
//!       ├─ log               what happened, in words
//!       ├─ recorders         what may be billed, written down
//!       ├─ journal           what happened, on disk
//!       ├─ sampler           what tunnels carry, counted and on disk
//!       ├─ cap_holder        what may be used, and which rate follows
//!       ├─ groups            whether multicast flows
//!       ├─ streamer          what readers outside follow
//!       ├─ hooks             what happened, to programs of the operator
//!       ├─ health            whether the tunnels can be relied on
//!       ├─ kernel_monitor    notices of the dataplane
//!       ├─ liveness          whether the routes that hosts watch carry
//!       ├─ tunnels ── provisioner × N ── bgp_session, multicast
//!       ├─ reconciler        which tunnels there should be
//!       ├─ client_ip         this host's public address
//!       ├─ ledger_watcher    reads the ledger
//!       ├─ latency           measures how far devices are
//!       └─ service × N       listeners of the shell
//! ```
//!
//! State travels in the table, which outlives every actor; a mailbox holds at most one trigger for it. Restarts follow
//! [`policy::RestartPolicies`].

pub mod caps;
mod env;
mod errors;
mod groups;
mod handle;
mod health;
mod hooks;
mod journal;
mod ledger_cache;
mod lock;
mod log;
mod manual;
mod preview;
mod probes;
pub mod recorders;
mod sampler;
pub mod settings;
mod shared_table;
pub mod snapshot;
mod status;
pub mod streams;
mod supervision;
mod sys;
mod tree;
mod tunnel;
pub mod usage;

pub use handle::Handle;
pub use hooks::settings::HooksSettings;
pub use ledger_cache::{KnownAnswer, LedgerCache};
pub use manual::{ManualError, RemoveError};
pub use probes::{latency, liveness};
pub use settings::{
    BgpSettings, ClientSettings, RecordError, RecordSettings, RoleSettings, Settings, UsageSettings,
};
pub use snapshot::Snapshot;
pub use supervision::{
    clock::Clock,
    exit::{EnableError, ExitReason, PlanError, StartError, StopMode, SwitchError},
    policy,
    service::ServiceFactory,
};
pub use tree::{runtime, start};
pub use tunnel::{
    connection::{Dialer, Stream, TcpDialer},
    password::Password,
};
pub use warren_state::{
    table::ExclusionStatus,
    totals::{self, Totals},
};

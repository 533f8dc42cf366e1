//! The heart of Warren: domain types, the planner, the tunnel lifecycle machine, the view guard, the reconciler's
//! core and the journal.
//!
//! Everything here is pure: time and randomness are arguments, there is no I/O and no async runtime, and collections have
//! an order. What is on disk is a crate of its own within, `warren-store`. The shell around it (actors, dataplane backends)
//! carries out the effects that the machines return. The simulated world drives the very same machines on a virtual clock.

#[macro_use]
mod named;

pub mod address;
pub mod backend;
pub mod backoff;
pub mod caps;
pub mod core;
pub mod desired;
pub mod event;
pub mod exclusion;
pub mod groups;
pub mod guard;
pub mod health;
pub mod hooks;
pub mod ids;
pub mod invariant;
pub mod journal;
pub mod latency;
pub mod ledger;
pub mod lifecycle;
pub mod liveness;
pub mod model;
pub mod observed;
pub mod outcome;
pub mod owners;
pub mod plan;
pub mod polling;
pub mod position;
pub mod random;
pub mod rate;
pub mod reconcile;
pub mod recording;
pub mod repeats;
pub mod restart;
pub mod rib;
pub mod role;
pub mod serial;
pub mod service;
pub mod session;
pub mod spec;
pub mod standing;
pub mod step;
pub mod stop;
pub mod stream;
pub mod supervisor;
pub mod switch;
pub mod table;
#[cfg(test)]
mod testing;
pub mod time;
pub mod totals;
pub mod traffic;
pub mod view;

pub use crate::core::Core;
pub use backend::{Backend, BackendChoice, UnknownBackend};
pub use exclusion::{Exclusion, ExclusionError};
pub use ids::{Asn, Epoch, Generation, Incarnation, LinkName, Pubkey, Sequence, Slot, TunnelId};
pub use ledger::ReadProblem;
pub use observed::{ForeignLink, Notice, Observed, ObservedLink, ObservedTunnel, Stray};
pub use outcome::{
    ApplyReport, Capabilities, Fault, FaultClass, Feature, LastApplied, MissingFeature, RemovalReport,
    StepOutcome,
};
pub use owners::{OwnerChoice, Owners};
pub use position::{NodeId, Position};
pub use rate::{Rate, RateWant, Rates};
pub use role::{RoleKind, UnknownRole};
pub use service::{ServiceClass, ServiceKind};
pub use session::{SessionCause, SessionDetail, SessionStatus};
pub use spec::{
    Address, AddressScope, BgpSpec, Desired, ImportPolicy, InstallSpec, KeptOut, LearnedRoutes, LinkSpec,
    LivenessMode, MulticastSpec, Route, RouteProtocol, Rule, RuleSelector, TableId, TunnelSpec, TunnelWant,
};
pub use step::{Action, Edit, LinkAction, Part, Phase, Plan, PlannedStep};
pub use stop::StopMode;
pub use switch::Switch;
pub use time::{Deadline, Monotonic};
pub use traffic::{CounterRun, Direction, GroupFlow, Reading, Traffic};
pub use view::View;

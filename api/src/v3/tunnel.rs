//! One tunnel.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warren_state::{FaultClass, Phase, ServiceKind, SessionCause, SessionStatus};

use super::{
    LastApplied,
    caps::{HeldTo, TunnelCap},
    standing::{Bgp, Multicast},
    usage::Carried,
    words,
};
use crate::open_enum::OpenEnum;

/// A tunnel, in whatever phase of its life.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct Tunnel {
    /// The account that asks for it; a manual tunnel has a name of ours here.
    pub id: String,
    /// Who asks for it: `ledger`, or `manual` when it was provisioned through the API.
    #[serde(default)]
    #[schema(value_type = TunnelSource)]
    pub source: OpenEnum<TunnelSource>,
    /// Who made its user on the ledger.
    #[serde(default)]
    pub made_by: Option<String>,
    /// Whether that is neither who connected this host last nor the network itself.
    #[serde(default)]
    pub made_by_another: bool,
    /// The name of the tunnel's interface, once it has one.
    pub name: Option<String>,
    /// The service that the user's account asks for.
    #[schema(value_type = Option<words::ServiceKind>)]
    pub user_type: Option<OpenEnum<ServiceKind>>,
    /// Where it is in its life.
    #[schema(value_type = words::Phase)]
    pub phase: OpenEnum<Phase>,
    /// Since when: Unix time in milliseconds.
    pub since_unix_ms: u64,
    /// For how many seconds it has been in this phase.
    pub since_seconds: f64,
    /// Which (re)creation of the tunnel this is, from 1.
    pub incarnation: u64,
    /// The outer source address.
    pub local: Option<String>,
    /// Another outer source address that would be chosen today; `local` stays while it is on the host.
    #[serde(default)]
    pub other_local: Option<String>,
    /// The outer destination address.
    pub remote: Option<String>,
    /// The address in the overlay.
    pub doublezero_ip: Option<String>,
    /// The status of the BGP session, in the reference's words.
    #[schema(value_type = words::SessionStatus)]
    pub session: OpenEnum<SessionStatus>,
    /// Why it has that status.
    pub session_detail: Option<String>,
    /// The same for machines, where it is known: `forbidden_here`, `no_way`, `refused`, `silence`, `broken_off`,
    /// `notification_received`, `our_asn_refused`, `notification_sent` or `other_asn`.
    #[serde(default)]
    #[schema(value_type = Option<words::SessionCause>)]
    pub session_cause: Option<OpenEnum<SessionCause>>,
    /// When it changed last: Unix time in milliseconds.
    pub session_since_unix_ms: Option<u64>,
    /// What the session counted, refused and was told; none before the first one.
    #[serde(default)]
    pub bgp: Option<Bgp>,
    /// How the multicast services stand, where there are any.
    #[serde(default)]
    pub multicast: Option<Multicast>,
    /// What came of the steps that were taken last.
    #[serde(default)]
    pub last_applied: Option<LastApplied>,
    /// Routes learned from the session.
    pub learned_routes: usize,
    /// Learned routes whose places are taken by routes that are not ours: the first 16, each with what is in the way.
    #[serde(default)]
    pub blocked_routes: Vec<String>,
    /// How many learned routes are blocked so.
    #[serde(default)]
    pub blocked_routes_total: usize,
    /// Learned routes that wait for the hosts behind them: the first 16, each with the reason.
    #[serde(default)]
    pub withheld_routes: Vec<String>,
    /// How many learned routes wait so.
    #[serde(default)]
    pub withheld_routes_total: usize,
    /// How many routes the session taught us beside those, that an operator excludes.
    #[serde(default)]
    pub excluded_routes_total: usize,
    /// Routes that stay out beside those, because they lead to the far end of a tunnel: the first 16, each with that end.
    #[serde(default)]
    pub capturing_routes: Vec<String>,
    /// How many stay out so.
    #[serde(default)]
    pub capturing_routes_total: usize,
    /// Set while the tunnel is where it was, because where it should be nobody answers.
    #[serde(default)]
    pub postponed: Option<Postponed>,
    /// What it carries; none before that was looked at.
    #[serde(default)]
    pub carried: Option<Carried>,
    /// What it is held to, because a cap is used up or not known; none where it is not held.
    #[serde(default)]
    pub held_to: Option<HeldTo>,
    /// The cap that it has a share in; none where there is none.
    #[serde(default)]
    pub cap: Option<TunnelCap>,
    /// Why it is not held to its rate, while it cannot be: it goes on without, and the rate is tried again.
    #[serde(default)]
    pub rate_failure: Option<Failure>,
    /// How often it was repaired.
    pub repairs: u64,
    /// Set while something else on this host changes it again and again.
    #[serde(default)]
    pub contest: Option<Contest>,
    /// Failed attempts in a row.
    pub attempts: u32,
    /// Why it failed, when it did.
    pub failure: Option<Failure>,
}

impl Tunnel {
    /// Whether it was provisioned through the API.
    #[must_use]
    pub fn is_manual(&self) -> bool {
        self.source == TunnelSource::Manual
    }
}

/// Who asks for a tunnel.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum TunnelSource {
    /// A user's account.
    Ledger,
    /// An operator, through the API.
    Manual,
}

impl TunnelSource {
    /// Every variant, in the order of declaration.
    pub const ALL: [Self; 2] = [Self::Ledger, Self::Manual];
}

/// A fight with something else on this host.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct Contest {
    /// How often the tunnel was repaired, with less than a minute between two times.
    pub repairs: u32,
    /// What was put back the last time: the first 16 steps.
    pub steps: Vec<String>,
    /// How many seconds ago.
    pub last_seconds: f64,
    /// In how many seconds what is taken away now is put back; 0 for at once.
    pub next_in_seconds: f64,
}

/// A move to other ends that is tried again later.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct Postponed {
    /// The outer source address that it should have.
    pub local: String,
    /// The outer destination address that it should have.
    pub remote: String,
    /// Why it has not.
    pub reason: String,
    /// In how many seconds it is tried again; 0 when that is due.
    pub retry_in_seconds: f64,
}

/// Why a tunnel failed.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct Failure {
    /// The phase in which it failed.
    #[schema(value_type = words::Phase)]
    pub phase: OpenEnum<Phase>,
    /// `transient`, `conflict`, `permanent`, `gone` or `unsupported`.
    #[schema(value_type = words::FaultClass)]
    pub class: OpenEnum<FaultClass>,
    /// What was being attempted when it failed.
    pub operation: String,
    /// What went wrong, in words for people.
    pub detail: String,
    /// In how many seconds it is tried again; 0 when that is due.
    pub retry_in_seconds: f64,
}

/// One tunnel with what happened to it last.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct TunnelReply {
    /// The version of this document's form.
    pub schema: u32,
    /// As in status.
    pub tunnel: Tunnel,
    /// What it should be.
    #[schema(value_type = Object)]
    pub spec: serde_json::Value,
    /// Its newest events, oldest first, at most 32: each with `v` (1), its position (`epoch`, `sequence`), `unix_ms`, `kind` and the
    /// fields of that kind, and what follows from them: `level` and `text`, the words for people.
    #[schema(value_type = Vec<Object>)]
    pub events: Vec<serde_json::Value>,
}

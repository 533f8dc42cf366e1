//! `/v3/picture`: what is wrong first, and how far each tunnel's way goes, as people look at it.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Tunnel, TunnelCap};

/// Whose picture is asked for.
#[derive(Deserialize, IntoParams, Default)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PictureQuery {
    /// Only the way of this tunnel: an account, or an interface's name. Without it 100 of them: those that are not as they should be first.
    pub tunnel: Option<String>,
}

/// What is wrong, and the way of each tunnel.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct Picture {
    /// Of this document.
    pub schema: u32,
    /// The position that it shows: node, epoch and sequence, with dots between them.
    pub position: String,
    /// When it was made: Unix time in milliseconds.
    pub unix_ms: u64,
    /// What is wrong, the most general first; empty when all is well.
    pub problems: Vec<Problem>,
    /// Tunnels, and users without one, each with its way from the ledger to its traffic.
    pub paths: Vec<Path>,
}

/// Something that is wrong.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct Problem {
    /// The account that it is about; none where it is about the daemon as a whole.
    pub tunnel: Option<String>,
    /// What is wrong, why, and since when, in words for people.
    pub text: String,
    /// What an operator can do about it; none where waiting is all there is to do.
    pub fix: Option<String>,
}

/// How far the way of a tunnel goes.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct Path {
    /// The account that asks for it.
    pub tunnel: String,
    /// The tunnel's interface, where it has one.
    pub link: Option<String>,
    /// From the ledger to the traffic, in this order.
    pub steps: Vec<PathStep>,
    /// What may be used; none where there is no cap.
    #[serde(default)]
    pub cap: Option<PathCap>,
    /// Its multicast groups.
    #[serde(default)]
    pub groups: Vec<Group>,
}

/// How the cap of a tunnel stands.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct PathCap {
    /// How it stands: `attention` while the tunnel is to be held.
    pub state: StepState,
    /// What is used of what, and until when, in words for people.
    pub text: String,
    /// What the tunnel is to be held to, while it is.
    pub reason: Option<String>,
    /// The same for machines.
    pub of: TunnelCap,
}

/// A multicast group of a tunnel.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// Its address.
    pub group: String,
    /// Whether this host sends to it.
    pub sends: bool,
    /// Whether this host receives it.
    pub receives: bool,
    /// Packets that came over the tunnel, where they are counted.
    pub packets_in: Option<u64>,
    /// Packets that left over the tunnel, where they are counted.
    pub packets_out: Option<u64>,
    /// When packets came last, or left where this host only sends: Unix time in milliseconds.
    pub last_seen_unix_ms: Option<u64>,
    /// How fresh that is.
    pub freshness: Freshness,
}

/// How fresh what is known of a group is.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// There were packets in the last 10 s.
    Ok,
    /// There were packets in the last minute.
    Stale,
    /// There were none for a minute.
    Dead,
    /// Packets are not counted, or not for a minute yet.
    Unknown,
}

/// A step of the way.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct PathStep {
    /// Which.
    pub step: StepKind,
    /// How it stands.
    pub state: StepState,
    /// Since when: Unix time in milliseconds, where that is known.
    pub since_unix_ms: Option<u64>,
    /// What is there, in words for people.
    pub text: String,
    /// Why it is not as it should be.
    pub reason: Option<String>,
}

/// A step of a tunnel's way.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// The ledger is read.
    Ledger,
    /// The view in force asks for the tunnel.
    View,
    /// Interface, addresses and rules are there.
    Tunnel,
    /// The BGP session with the device.
    Session,
    /// What it taught us is in place.
    Routes,
    /// Packets flow.
    Traffic,
}

/// How a step stands.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// As it should be.
    Ok,
    /// It is being made.
    Working,
    /// It works, and something is to be looked at.
    Attention,
    /// It does not work.
    Wrong,
    /// It waits for a step before it.
    Waiting,
    /// Nothing tells.
    Unknown,
}

impl Problem {
    /// With what can be done about it.
    #[must_use]
    pub fn of(text: String, fix: &str) -> Self {
        Self {
            tunnel: None,
            text,
            fix: Some(fix.to_owned()),
        }
    }

    /// The same, about a tunnel.
    #[must_use]
    pub fn about(self, tunnel: &Tunnel) -> Self {
        Self {
            tunnel: Some(tunnel.id.clone()),
            ..self
        }
    }
}

//! Why something happens to a tunnel: data, and the words that follow from it.

use std::{fmt, net::Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::{Fault, PlannedStep, desired::Refusal};

/// Why a tunnel entered a phase.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseReason {
    /// A step failed.
    Fault(Fault),
    /// It is to go.
    Retired(RetireReason),
}

/// Why a tunnel is taken down.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "code")]
pub enum RetireReason {
    /// The switch is off.
    Disabled,
    /// The daemon stops and is not to leave anything.
    DaemonStops,
    /// What an operator asked for past the ledger holds no longer.
    ManualOver,
    /// An operator asked for that.
    RemovedByOperator,
    /// This host has another address than the tunnel's user names.
    AddressChanged {
        /// The address that this host has now.
        now: Ipv4Addr,
        /// The address in force before this one.
        before: Ipv4Addr,
    },
    /// The ledger does not ask for it.
    NotAskedFor {
        /// Why not, where the ledger has the user still.
        refusal: Option<Refusal>,
    },
    /// An earlier run left it, and the ledger does not ask for it.
    LeftBehind {
        /// The address that this host goes by.
        client_ip: Option<Ipv4Addr>,
    },
    /// It is to be built under another link name.
    Renamed,
    /// It is to be built under another link name or between other ends.
    Replaced,
    /// Its removal began before.
    Interrupted,
}

/// Why a tunnel is not where it should be, and where it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MoveReason {
    /// What is wrong with the new place.
    pub why: MoveFault,
    /// The device's end where it is meanwhile.
    pub back_at: Ipv4Addr,
}

/// What is wrong with the place that a tunnel should move to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveFault {
    /// Nobody answers at the new end.
    Silence,
    /// The way there failed.
    Fault(Fault),
}

/// Steps in words, one after the other.
#[must_use]
pub fn steps_in_words(steps: &[PlannedStep], more: usize) -> Vec<String> {
    let rest = (more > 0).then(|| format!("and {more} more steps"));
    steps.iter().map(ToString::to_string).chain(rest).collect()
}

impl fmt::Display for PhaseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => fault.fmt(f),
            Self::Retired(reason) => reason.fmt(f),
        }
    }
}

impl fmt::Display for RetireReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled => f.write_str("disabled"),
            Self::DaemonStops => f.write_str("the daemon stops for good"),
            Self::ManualOver => f.write_str("what was requested through the API has ended"),
            Self::RemovedByOperator => f.write_str("it was removed through the API"),
            Self::AddressChanged { now, before } => {
                write!(f, "this host's address is {now} now, no longer {before}")
            }
            Self::NotAskedFor {
                refusal: Some(refusal),
            } => write!(f, "the ledger no longer asks for it: {refusal}"),
            Self::NotAskedFor { refusal: None } => f.write_str("the ledger no longer asks for it"),
            Self::LeftBehind {
                client_ip: Some(client_ip),
            } => {
                write!(
                    f,
                    "an earlier run left it behind, and the ledger asks for no such tunnel of {client_ip}"
                )
            }
            Self::LeftBehind { client_ip: None } => {
                f.write_str("an earlier run left it behind, and the ledger asks for no such tunnel")
            }
            Self::Renamed => f.write_str("the tunnel has another link name now"),
            Self::Replaced => f.write_str("its link is to have another name or other ends"),
            Self::Interrupted => f.write_str("its removal was interrupted"),
        }
    }
}

impl fmt::Display for MoveReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { why, back_at } = self;
        write!(f, "{why}; back at {back_at} until the next try")
    }
}

impl fmt::Display for MoveFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence => f.write_str("the new endpoint does not answer"),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

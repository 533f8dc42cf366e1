//! Links that carry a mark of ours.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{LinkName, ObservedTunnel, TunnelId, TunnelSpec};

/// A link that carries a tunnel's mark.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Mark {
    link: LinkName,
    endpoints: Option<(Ipv4Addr, Ipv4Addr)>,
}

impl Mark {
    pub(super) fn seen(have: &ObservedTunnel) -> Self {
        Self {
            link: have.link.name.clone(),
            endpoints: have.link.local.zip(have.link.remote),
        }
    }

    pub(super) fn of(spec: &TunnelSpec) -> Self {
        Self {
            link: spec.link.name.clone(),
            endpoints: Some((spec.link.local, spec.link.remote)),
        }
    }
}

/// A stray: a link of ours that belongs to no desired tunnel.
#[derive(Debug)]
pub(super) struct Stray {
    pub(super) tunnel: TunnelId,
    pub(super) link: LinkName,
    pub(super) endpoints: Option<(Ipv4Addr, Ipv4Addr)>,
}

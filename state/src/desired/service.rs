//! What each service consists of, as `doublezerod` builds it: which addresses, routes and rules, and what the session
//! announces and installs.

use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::Ipv4Net;

use super::{DEFAULT_LOCAL_ASN, DEFAULT_REMOTE_ASN, Refusal, Request, refusal};
use crate::{
    Address, AddressScope, Asn, BgpSpec, ImportPolicy, InstallSpec, LinkName, LinkSpec, ServiceClass, ServiceKind, TableId, TunnelId,
    TunnelSpec, reconcile::Role, view::User,
};

/// 1500 bytes less the outer IPv4 header (20) and the GRE header (4).
const MTU: u16 = 1476;
const TTL: u8 = 64;

/// Both ends of a tunnel, as this host sees them.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    pub(super) local: Ipv4Addr,
    pub(super) remote: Ipv4Addr,
    pub(super) local_overlay: Ipv4Addr,
    pub(super) remote_overlay: Ipv4Addr,
}

pub(super) fn spec(request: &Request<'_>, id: TunnelId, kind: ServiceKind, user: &User, ends: Ends) -> Result<TunnelSpec, Refusal> {
    let name = link_name(request.role, kind, user)?;
    Ok(TunnelSpec {
        id,
        kind,
        link: LinkSpec { name, local: ends.local, remote: ends.remote, ttl: TTL, mtu: MTU },
        dz_ip: Some(user.dz_ip),
        addresses: addresses(request.role, kind, user, ends)?,
        routes: BTreeSet::new(),
        rules: BTreeSet::new(),
        bgp: session(request, kind, user, ends)?,
        multicast: None,
    })
}

fn link_name(role: Role, kind: ServiceKind, user: &User) -> Result<LinkName, Refusal> {
    let name = match role {
        Role::Client { .. } => match kind.class() {
            ServiceClass::Unicast => "doublezero0".to_owned(),
            ServiceClass::Multicast => "doublezero1".to_owned(),
        },
        Role::Gateway { .. } => format!("dzt{}", user.tunnel_number),
    };
    LinkName::new(name).map_err(|error| refusal("bad_link_name", error.to_string()))
}

fn addresses(role: Role, kind: ServiceKind, user: &User, ends: Ends) -> Result<BTreeSet<Address>, Refusal> {
    let overlay = Address { address: ends.local_overlay, prefix_len: 31, scope: AddressScope::Link };
    let own = Address { address: user.dz_ip, prefix_len: 32, scope: AddressScope::Universe };
    match (role, kind) {
        (Role::Client { .. }, ServiceKind::Ibrl) | (Role::Gateway { .. }, ServiceKind::Ibrl | ServiceKind::IbrlWithAllocatedIp) => {
            Ok(BTreeSet::from([overlay]))
        }
        (Role::Client { .. }, ServiceKind::IbrlWithAllocatedIp) => Ok(BTreeSet::from([overlay, own])),
        (_, ServiceKind::EdgeFiltering | ServiceKind::Multicast) => Err(unsupported(kind)),
    }
}

/// The session of the user's end. The device's end has none yet.
fn session(request: &Request<'_>, kind: ServiceKind, user: &User, ends: Ends) -> Result<Option<BgpSpec>, Refusal> {
    match request.role {
        Role::Gateway { .. } => return Ok(None),
        Role::Client { .. } => {}
    }
    let retain = match kind {
        ServiceKind::Ibrl => false,
        ServiceKind::IbrlWithAllocatedIp => true,
        ServiceKind::EdgeFiltering | ServiceKind::Multicast => return Err(unsupported(kind)),
    };
    let config =
        request.view.config.as_ref().ok_or_else(|| refusal("no_config", "there is no account with the network's configuration"))?;
    Ok(Some(BgpSpec {
        local_address: ends.local_overlay,
        peer_address: ends.remote_overlay,
        local_asn: or_default(config.local_asn, DEFAULT_LOCAL_ASN),
        peer_asn: or_default(config.remote_asn, DEFAULT_REMOTE_ASN),
        advertise: BTreeSet::from([Ipv4Net::from(user.dz_ip)]),
        install: Some(InstallSpec { table: TableId::MAIN, source: user.dz_ip, retain, liveness: None }),
        policy: ImportPolicy {
            max_prefixes: request.max_prefixes,
            protected: BTreeSet::from([ends.local, ends.remote, ends.local_overlay, ends.remote_overlay]),
        },
    }))
}

fn or_default(asn: Asn, default: Asn) -> Asn {
    if asn.0 == 0 { default } else { asn }
}

fn unsupported(kind: ServiceKind) -> Refusal {
    refusal("not_supported_yet", format!("this version does not build {kind} tunnels"))
}

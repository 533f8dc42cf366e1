//! From a view of the ledger to the tunnels that it asks for.
//!
//! Every account is held against what a tunnel needs before anything is touched. A user that asks for something
//! impossible is refused with a reason; where the view does not say what the tunnel should be (an account is missing,
//! does not decode or makes no sense), a tunnel that is in place stays as it is.

mod choose;
mod manual;
mod refusal;
mod service;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    Asn, Exclusion, LivenessMode, Owners, Pubkey, ServiceKind, TunnelId, TunnelSpec, View,
    role::Role,
    view::{Device, User, UserStatus},
};
use choose::Claims;
pub use manual::{ManualRequest, manual_id, manual_spec};
pub use refusal::{EndpointFault, GroupFault, NetFault, Refusal};
use service::Ends;

/// The users' AS where the ledger's configuration says 0, as in `doublezerod`.
pub const DEFAULT_LOCAL_ASN: Asn = Asn(65000);
/// The devices' AS where the ledger's configuration says 0, as in `doublezerod`.
pub const DEFAULT_REMOTE_ASN: Asn = Asn(65001);

/// What [`build`] works from.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The view in force.
    pub view: &'a View,
    /// Which users are ours.
    pub role: Role,
    /// The host's source address towards each endpoint that was asked for; `None` where there is no route.
    pub sources: &'a BTreeMap<Ipv4Addr, Option<Ipv4Addr>>,
    /// Whether a tunnel is in place: among duplicates it wins.
    pub provisioned: &'a dyn Fn(&TunnelId) -> bool,
    /// The most routes that a session may teach us.
    pub max_prefixes: u32,
    /// Whether the hosts behind learned routes are probed.
    pub liveness: Option<LivenessMode>,
    /// Whose accounts are ours, whatever address others name.
    pub owners: Owners,
    /// What sessions may not teach us.
    pub exclude: &'a Exclusion,
}

/// What the view asks for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Built {
    /// The tunnels that there should be, by identity.
    pub tunnels: BTreeMap<TunnelId, Arc<TunnelSpec>>,
    /// Users whose tunnel is not built, and why; and groups that a user names in vain.
    pub refused: BTreeMap<Pubkey, Refusal>,
    /// Endpoints whose source address must be known first.
    pub needs_source: BTreeSet<Ipv4Addr>,
    /// Endpoints whose source address was used, for asking again from time to time.
    pub uses_source: BTreeSet<Ipv4Addr>,
    /// Users whose tunnel, if there is one, stays as it is: the view does not say what it should be.
    pub keep: BTreeSet<Pubkey>,
    /// Who has what only one can have.
    pub(crate) claims: Claims,
}

/// Works out the tunnels that the view asks for. The same request gives the same answer.
#[must_use]
pub fn build(request: &Request<'_>) -> Built {
    let mut built = Built::default();
    for (key, quarantine) in &request.view.quarantined {
        built.keep.insert(*key);
        built.refused.insert(
            *key,
            Refusal::Quarantined {
                detail: quarantine.reason.clone(),
            },
        );
    }
    let mut candidates = BTreeMap::new();
    for (key, user) in &request.view.users {
        if !request.view.quarantined.contains_key(key) {
            candidates.extend(built.note(request, *key, user).map(|spec| (*key, spec)));
        }
    }
    choose::choose(request, candidates, &mut built);
    built
}

/// As [`build`], for users of a gateway that came, changed or went since `built` was made, and for whoever competes
/// with them: what `built` has of these is made anew. Returns who they are, and what they had before.
pub(crate) fn build_again(
    request: &Request<'_>,
    users: BTreeSet<Pubkey>,
    built: &mut Built,
) -> BTreeMap<Pubkey, Before> {
    let scope = choose::scope(request, users, &built.claims);
    let before = scope.iter().map(|key| (*key, built.forget(key))).collect();
    let mut candidates = BTreeMap::new();
    for (key, user) in scope
        .iter()
        .filter_map(|key| request.view.users.get_key_value(key))
    {
        candidates.extend(built.note(request, *key, user).map(|spec| (*key, spec)));
    }
    choose::choose(request, candidates, built);
    before
}

/// What was built of a user before.
#[derive(Debug)]
pub(crate) struct Before {
    pub(crate) spec: Option<Arc<TunnelSpec>>,
    pub(crate) refused: Option<Refusal>,
}

impl Built {
    /// Takes in what the view says of a user. Gives the tunnel that it asks for, if it can have one.
    fn note(&mut self, request: &Request<'_>, key: Pubkey, user: &User) -> Option<Arc<TunnelSpec>> {
        self.uses_source.extend(source_towards(request, user));
        match consider(request, key, user) {
            BuildDecision::Build(spec) => {
                self.refused.extend(service::idle_groups(request.view, key, user));
                return Some(spec);
            }
            BuildDecision::Refuse(refusal) => {
                self.refused.insert(key, refusal);
            }
            BuildDecision::Keep(refusal) => {
                self.keep.insert(key);
                self.refused.insert(key, refusal);
            }
            BuildDecision::NeedsSource(endpoint) => {
                self.keep.insert(key);
                self.needs_source.insert(endpoint);
            }
        }
        None
    }

    /// Takes out what was built of a user.
    fn forget(&mut self, key: &Pubkey) -> Before {
        self.keep.remove(key);
        let refused = self.refused.remove(key);
        self.claims.release(key);
        Before {
            spec: self.tunnels.remove(&TunnelId(*key)),
            refused,
        }
    }
}

enum BuildDecision {
    Build(Arc<TunnelSpec>),
    /// The view says that there should be no such tunnel.
    Refuse(Refusal),
    /// The view does not say what the tunnel should be.
    Keep(Refusal),
    NeedsSource(Ipv4Addr),
}

fn consider(request: &Request<'_>, key: Pubkey, user: &User) -> BuildDecision {
    if let Err(refusal) = is_ours(request.role, user).and_then(|()| is_activated(user.status)) {
        return BuildDecision::Refuse(refusal);
    }
    match request.owners.accept(user, request.view.authorities.as_ref()) {
        Ok(()) => {}
        Err(why) if why.is_certain() => return BuildDecision::Refuse(Refusal::OtherOwner { why }),
        Err(why) => return BuildDecision::Keep(Refusal::OtherOwner { why }),
    }
    let kind = match supported(request.role, user.kind) {
        Ok(kind) => kind,
        Err(refusal) => return BuildDecision::Refuse(refusal),
    };
    let endpoint = match endpoint(request.view, user) {
        Ok(endpoint) => endpoint,
        Err(refusal) => return BuildDecision::Keep(refusal),
    };
    let source = match source(request, kind, endpoint, user) {
        Some(source) => source,
        None => return BuildDecision::NeedsSource(endpoint),
    };
    let ends = match ends(request, user, endpoint, source) {
        Ok(ends) => ends,
        Err(refusal) => return BuildDecision::Keep(refusal),
    };
    match service::spec(request, TunnelId(key), kind, user, ends) {
        Ok(spec) => BuildDecision::Build(Arc::new(spec)),
        Err(refusal) => BuildDecision::Keep(refusal),
    }
}

fn is_ours(role: Role, user: &User) -> Result<(), Refusal> {
    let ours = match role {
        Role::Client { client_ip } => user.client_ip == client_ip,
        Role::Gateway { device } => user.device == device,
    };
    if ours { Ok(()) } else { Err(Refusal::NotOurs) }
}

fn is_activated(status: UserStatus) -> Result<(), Refusal> {
    match status {
        UserStatus::Activated => Ok(()),
        UserStatus::Deleting | UserStatus::Banned | UserStatus::OutOfCredits | UserStatus::Deprecated(_) => {
            Err(Refusal::NotActivated { status })
        }
        UserStatus::Unknown(number) => Err(Refusal::UnknownStatus { number }),
    }
}

fn supported(role: Role, kind: Result<ServiceKind, u8>) -> Result<ServiceKind, Refusal> {
    match (role, kind) {
        (
            _,
            Ok(kind @ (ServiceKind::Ibrl | ServiceKind::IbrlWithAllocatedIp | ServiceKind::EdgeFiltering)),
        ) => Ok(kind),
        (Role::Client { .. }, Ok(kind @ ServiceKind::Multicast)) => Ok(kind),
        (Role::Gateway { .. }, Ok(kind @ ServiceKind::Multicast)) => Err(Refusal::NotSupportedYet { kind }),
        (_, Err(number)) => Err(Refusal::UnknownKind { number }),
    }
}

/// The device's end of the tunnel.
fn endpoint(view: &View, user: &User) -> Result<Ipv4Addr, Refusal> {
    let endpoint = if user.tunnel_endpoint.is_unspecified() {
        device(view, user)?.public_ip
    } else {
        user.tunnel_endpoint
    };
    if is_host(endpoint) {
        Ok(endpoint)
    } else {
        Err(Refusal::BadEndpoint {
            endpoint,
            why: EndpointFault::NoHost,
        })
    }
}

fn device<'a>(view: &'a View, user: &User) -> Result<&'a Device, Refusal> {
    let detail = || {
        view.quarantined
            .get(&user.device)
            .map(|quarantine| quarantine.reason.clone())
    };
    view.devices.get(&user.device).ok_or_else(|| Refusal::NoDevice {
        device: user.device,
        detail: detail(),
    })
}

/// The outer address of our end; `None` when it must be asked for first.
fn source(request: &Request<'_>, kind: ServiceKind, endpoint: Ipv4Addr, user: &User) -> Option<Ipv4Addr> {
    match request.role {
        Role::Gateway { .. } => Some(endpoint),
        Role::Client { client_ip } if takes_route_source(kind) => request
            .sources
            .get(&endpoint)
            .map(|source| source.unwrap_or(client_ip)),
        Role::Client { .. } => Some(user.client_ip),
    }
}

/// Facts 3.1: these two send from the address of the route to the endpoint, the others from the client IP.
pub(crate) fn takes_route_source(kind: ServiceKind) -> bool {
    match kind {
        ServiceKind::IbrlWithAllocatedIp | ServiceKind::Multicast => true,
        ServiceKind::Ibrl | ServiceKind::EdgeFiltering => false,
    }
}

/// The endpoint towards which this user's tunnel takes the host's source address.
fn source_towards(request: &Request<'_>, user: &User) -> Option<Ipv4Addr> {
    let kind = supported(request.role, user.kind).ok()?;
    match request.role {
        Role::Client { .. } if takes_route_source(kind) => {}
        Role::Client { .. } | Role::Gateway { .. } => return None,
    }
    is_ours(request.role, user)
        .and_then(|()| is_activated(user.status))
        .and_then(|()| endpoint(request.view, user))
        .ok()
        .filter(|_| {
            request
                .owners
                .accept(user, request.view.authorities.as_ref())
                .is_ok()
        })
}

/// Both ends, as this side sees them.
fn ends(request: &Request<'_>, user: &User, endpoint: Ipv4Addr, source: Ipv4Addr) -> Result<Ends, Refusal> {
    let net = user.tunnel_net;
    let bad_net = |why| Refusal::BadTunnelNet { net, why };
    let overlay = net.network().ok_or(bad_net(NetFault::NoNetwork))?;
    if overlay.prefix_len() != 31 || !is_host(overlay.network()) {
        return Err(bad_net(NetFault::Unusable));
    }
    let (device_overlay, user_overlay) = (overlay.network(), overlay.broadcast());
    let ends = match request.role {
        Role::Client { .. } => Ends {
            local: source,
            remote: endpoint,
            local_overlay: user_overlay,
            remote_overlay: device_overlay,
        },
        Role::Gateway { .. } => Ends {
            local: endpoint,
            remote: user.client_ip,
            local_overlay: device_overlay,
            remote_overlay: user_overlay,
        },
    };
    if !is_host(user.client_ip) {
        return Err(Refusal::BadClientIp {
            client_ip: user.client_ip,
        });
    }
    if ends.local == ends.remote {
        return Err(Refusal::BadEndpoint {
            endpoint: ends.local,
            why: EndpointFault::BothEnds,
        });
    }
    if overlay.contains(&ends.local) || overlay.contains(&ends.remote) {
        return Err(bad_net(NetFault::ContainsAnEnd));
    }
    if has_dz_ip(user) && (!is_host(user.dz_ip) || overlay.contains(&user.dz_ip)) {
        return Err(Refusal::BadDzIp { dz_ip: user.dz_ip });
    }
    Ok(ends)
}

/// Hosts that only subscribe to groups have no address in the overlay.
fn has_dz_ip(user: &User) -> bool {
    user.kind != Ok(ServiceKind::Multicast) || !user.publishers.is_empty()
}

/// Whether the address can be a host's own. Loopback, group and broadcast addresses cannot.
fn is_host(address: Ipv4Addr) -> bool {
    let in_range = (1..224).contains(&address.octets()[0]);
    in_range && !address.is_loopback()
}

//! Tunnels that an operator asks for, past the ledger: built and checked as those of users are.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::{BuildDecision, GroupFault, Refusal, Request, consider};
use crate::{
    Asn, Exclusion, LivenessMode, Owners, Pubkey, ServiceClass, ServiceKind, TunnelId, TunnelSpec, View,
    role::Role,
    view::{GlobalConfig, MulticastGroup, RawNet, User, UserStatus},
};

/// What an operator says of a tunnel; the rest follows as for a user of this service.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ManualRequest {
    /// The service that is asked for.
    pub kind: ServiceKind,
    /// The outer address of our end; the route's when not given.
    pub source: Ipv4Addr,
    /// The device's outer address.
    pub destination: Ipv4Addr,
    /// The overlay network of the tunnel: a /31 when valid.
    pub tunnel_net: RawNet,
    /// Our address in the overlay.
    pub dz_ip: Option<Ipv4Addr>,
    /// Edge filtering: the network's prefixes.
    pub prefixes: BTreeSet<Ipv4Net>,
    /// Multicast: groups to publish to.
    pub publish: BTreeSet<Ipv4Addr>,
    /// Multicast: groups to subscribe to.
    pub subscribe: BTreeSet<Ipv4Addr>,
    /// Multicast: the root of the shared trees; 10.0.0.0 when nothing is said.
    pub rendezvous_point: Option<Ipv4Addr>,
    /// Our AS; 0 means the default, 65000.
    pub local_asn: Asn,
    /// The device's AS; 0 means the default, 65001.
    pub peer_asn: Asn,
}

/// Names the manual tunnel of a class. No account has this key: it is plain text, for which nobody has a private key.
#[must_use]
pub fn manual_id(class: ServiceClass) -> TunnelId {
    let text = match class {
        ServiceClass::Unicast => b"warren: manual unicast tunnel   ",
        ServiceClass::Multicast => b"warren: manual multicast tunnel ",
    };
    TunnelId(Pubkey(*text))
}

impl TunnelId {
    /// Whether an operator asks for it, rather than an account of the ledger.
    #[must_use]
    pub fn is_manual(self) -> bool {
        [ServiceClass::Unicast, ServiceClass::Multicast]
            .map(manual_id)
            .contains(&self)
    }
}

/// The tunnel that is asked for. The same request gives the same tunnel.
///
/// # Errors
/// When there can be no such tunnel.
pub fn manual_spec(
    request: &ManualRequest,
    max_prefixes: u32,
    liveness: Option<LivenessMode>,
    exclude: &Exclusion,
) -> Result<TunnelSpec, Refusal> {
    let id = manual_id(request.kind.class());
    if request.kind == ServiceKind::Multicast && request.publish.is_empty() && request.subscribe.is_empty() {
        return Err(Refusal::NoGroup {
            why: GroupFault::NoneNamed,
        });
    }
    let (view, user) = as_ledger(request);
    let sources = BTreeMap::from([(request.destination, Some(request.source))]);
    let as_user = Request {
        view: &view,
        role: Role::Client {
            client_ip: request.source,
        },
        sources: &sources,
        provisioned: &|_| false,
        max_prefixes,
        liveness,
        owners: Owners::Any,
        exclude,
    };
    let mut spec = match consider(&as_user, id.0, &user) {
        BuildDecision::Build(spec) => Arc::unwrap_or_clone(spec),
        BuildDecision::Refuse(refusal) | BuildDecision::Keep(refusal) => return Err(refusal),
        BuildDecision::NeedsSource(endpoint) => return Err(Refusal::NoSource { endpoint }),
    };
    if let (Some(multicast), Some(rendezvous_point)) = (&mut spec.multicast, request.rendezvous_point) {
        multicast.rendezvous_point = rendezvous_point;
    }
    Ok(spec)
}

/// As if the ledger said so: a user with groups of its own.
fn as_ledger(request: &ManualRequest) -> (View, User) {
    let all: BTreeSet<Ipv4Addr> = request.publish.union(&request.subscribe).copied().collect();
    let group = |multicast_ip| MulticastGroup {
        code: String::new(),
        multicast_ip,
        max_bandwidth: 0,
        status: 1,
    };
    let keys = |groups: &BTreeSet<Ipv4Addr>| groups.iter().copied().map(group_key).collect();
    let view = View {
        groups: all
            .into_iter()
            .map(|address| (group_key(address), group(address)))
            .collect(),
        config: Some(GlobalConfig {
            local_asn: request.local_asn,
            remote_asn: request.peer_asn,
        }),
        device_prefixes: Some(request.prefixes.clone()),
        ..View::default()
    };
    let user = User {
        owner: Pubkey::default(),
        kind: Ok(request.kind),
        tenant: Pubkey::default(),
        device: Pubkey::default(),
        client_ip: request.source,
        dz_ip: request.dz_ip.unwrap_or(Ipv4Addr::UNSPECIFIED),
        tunnel_number: 0,
        tunnel_net: request.tunnel_net,
        status: UserStatus::Activated,
        publishers: keys(&request.publish),
        subscribers: keys(&request.subscribe),
        tunnel_endpoint: request.destination,
    };
    (view, user)
}

fn group_key(address: Ipv4Addr) -> Pubkey {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&address.octets());
    Pubkey(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Route, RouteProtocol, TableId, testing::net, view::RawIp};

    fn request(kind: ServiceKind) -> ManualRequest {
        ManualRequest {
            kind,
            source: Ipv4Addr::new(192, 0, 2, 1),
            destination: Ipv4Addr::new(203, 0, 113, 1),
            tunnel_net: RawNet {
                address: RawIp(Ipv4Addr::new(169, 254, 0, 0)),
                prefix_len: 31,
            },
            dz_ip: Some(Ipv4Addr::new(100, 64, 0, 9)),
            prefixes: BTreeSet::new(),
            publish: BTreeSet::new(),
            subscribe: BTreeSet::new(),
            rendezvous_point: None,
            local_asn: Asn(0),
            peer_asn: Asn(0),
        }
    }

    fn spec(request: &ManualRequest) -> Result<TunnelSpec, Refusal> {
        manual_spec(request, 100, None, &Exclusion::default())
    }

    #[test]
    fn a_manual_tunnel_is_what_a_user_of_this_service_would_get() {
        let unicast = spec(&request(ServiceKind::IbrlWithAllocatedIp)).unwrap();
        assert_eq!(
            (unicast.link.name.as_str(), unicast.link.local),
            ("doublezero0", Ipv4Addr::new(192, 0, 2, 1))
        );
        let bgp = unicast.bgp.unwrap();
        assert_eq!(
            (bgp.local_asn, bgp.peer_asn),
            (Asn(65000), Asn(65001)),
            "the reference's defaults"
        );
        assert_eq!(bgp.advertise, [net("100.64.0.9/32")].into());
        assert!(unicast.id.is_manual() && !TunnelId(Pubkey([7; 32])).is_manual());

        let prefixes = BTreeSet::from([net("45.33.0.0/16"), net("0.0.0.0/0")]);
        let edge = spec(&ManualRequest {
            prefixes,
            ..request(ServiceKind::EdgeFiltering)
        })
        .unwrap();
        assert_eq!(edge.rules.len(), 2, "{:?}", edge.rules);

        let group = Ipv4Addr::new(233, 84, 178, 1);
        let publisher = ManualRequest {
            publish: [group].into(),
            local_asn: Asn(7),
            ..request(ServiceKind::Multicast)
        };
        let multicast = spec(&publisher).unwrap();
        assert_eq!(
            (multicast.link.name.as_str(), multicast.id),
            ("doublezero1", manual_id(ServiceClass::Multicast))
        );
        assert_eq!(multicast.bgp.as_ref().unwrap().local_asn, Asn(7));
        let (via, source) = (Ipv4Addr::new(169, 254, 0, 0), Some(Ipv4Addr::new(100, 64, 0, 9)));
        let route = Route {
            table: TableId::MAIN,
            dst: net("233.84.178.1/32"),
            via,
            source,
            protocol: RouteProtocol::Static,
        };
        assert_eq!(multicast.routes, [route].into());
        let root = |point| {
            let asked = ManualRequest {
                rendezvous_point: point,
                ..publisher.clone()
            };
            spec(&asked).unwrap().multicast.unwrap().rendezvous_point
        };
        assert_eq!(root(None), Ipv4Addr::new(10, 0, 0, 0));
        assert_eq!(root(Some(Ipv4Addr::new(10, 9, 9, 9))), Ipv4Addr::new(10, 9, 9, 9));
    }

    #[test]
    fn what_makes_no_tunnel_is_refused_with_a_reason() {
        let wide = RawNet {
            prefix_len: 30,
            ..request(ServiceKind::Ibrl).tunnel_net
        };
        for (asked, code) in [
            (
                ManualRequest {
                    tunnel_net: wide,
                    ..request(ServiceKind::Ibrl)
                },
                "bad_tunnel_net",
            ),
            (
                ManualRequest {
                    destination: Ipv4Addr::new(192, 0, 2, 1),
                    ..request(ServiceKind::Ibrl)
                },
                "bad_endpoint",
            ),
            (
                ManualRequest {
                    destination: Ipv4Addr::LOCALHOST,
                    ..request(ServiceKind::Ibrl)
                },
                "bad_endpoint",
            ),
            (
                ManualRequest {
                    dz_ip: None,
                    ..request(ServiceKind::Ibrl)
                },
                "bad_dz_ip",
            ),
            (request(ServiceKind::Multicast), "no_group"),
        ] {
            assert_eq!(spec(&asked).unwrap_err().code(), code, "{asked:?}");
        }
    }
}

//! Every refusal, with every reason once.

use super::*;

pub(in super::super) fn refusals() -> Vec<Refusal> {
    let detail = || "it is cut short".to_owned();
    let net = RawNet {
        address: RawIp(Ipv4Addr::new(169, 254, 0, 0)),
        prefix_len: 30,
    };
    let foreign = [
        Foreign::Only {
            owner: key(6),
            only: key(7),
        },
        Foreign::Last {
            owner: key(6),
            last: key(7),
        },
        Foreign::LastUnread {
            owner: key(6),
            last: key(7),
        },
        Foreign::Nobody { owner: key(6) },
    ];
    let groups = [
        GroupFault::Quarantined {
            group: key(9),
            detail: detail(),
        },
        GroupFault::NoAccount { user: key(1) },
        GroupFault::NoAddress {
            user: key(1),
            address: HERE,
        },
        GroupFault::NoneNamed,
    ];
    let statuses = [
        UserStatus::Deleting,
        UserStatus::Banned,
        UserStatus::OutOfCredits,
        UserStatus::Deprecated(5),
    ];
    let mut all = vec![
        Refusal::Quarantined { detail: detail() },
        Refusal::NotOurs,
        Refusal::UnknownStatus { number: 77 },
        Refusal::NotSupportedYet {
            kind: ServiceKind::Multicast,
        },
        Refusal::UnknownKind { number: 42 },
        Refusal::BadEndpoint {
            endpoint: HERE,
            why: EndpointFault::NoHost,
        },
        Refusal::BadEndpoint {
            endpoint: HERE,
            why: EndpointFault::BothEnds,
        },
        Refusal::NoDevice {
            device: key(8),
            detail: Some(detail()),
        },
        Refusal::NoDevice {
            device: key(8),
            detail: None,
        },
        Refusal::BadTunnelNet {
            net,
            why: NetFault::NoNetwork,
        },
        Refusal::BadTunnelNet {
            net,
            why: NetFault::Unusable,
        },
        Refusal::BadTunnelNet {
            net,
            why: NetFault::ContainsAnEnd,
        },
        Refusal::BadClientIp { client_ip: HERE },
        Refusal::BadDzIp { dz_ip: HERE },
        Refusal::BadLinkName { detail: detail() },
        Refusal::NoConfig,
        Refusal::NoPrefixes,
        Refusal::NoSource { endpoint: THERE },
        Refusal::Duplicate {
            winner: key(2),
            class: ServiceClass::Unicast,
            client_ip: HERE,
        },
        Refusal::LinkNameInUse { link: link() },
        Refusal::EndpointsInUse {
            holder: key(2),
            local: HERE,
            remote: THERE,
        },
    ];
    all.extend(foreign.map(|why| Refusal::OtherOwner { why }));
    all.extend(groups.map(|why| Refusal::NoGroup { why }));
    all.extend(statuses.map(|status| Refusal::NotActivated { status }));
    all
}

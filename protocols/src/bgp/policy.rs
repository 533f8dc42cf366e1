//! Import policy: which of the received prefixes may become routes.

use ipnet::Ipv4Net;
use warren_state::{BgpSpec, standing::RouteRefusal as Refusal};

use super::codec::Announced;

/// RFC 6890: "this network", loopback, and multicast with everything above.
const MARTIANS: [Ipv4Net; 3] = [
    Ipv4Net::new_assert(std::net::Ipv4Addr::new(0, 0, 0, 0), 8),
    Ipv4Net::new_assert(std::net::Ipv4Addr::new(127, 0, 0, 0), 8),
    Ipv4Net::new_assert(std::net::Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// The link's own network is at least this specific; a shorter prefix never takes its place.
const LINK_PREFIX_LEN: u8 = 31;

/// Whether this prefix may become a route.
///
/// Its path is not looked at: all users share one AS, so every route to another user has our own AS in it. No loop can
/// come of it, because nothing that is learned is announced again; our own routes that a peer sends back are refused.
///
/// # Errors
/// The first reason why not.
pub(super) fn accept(spec: &BgpSpec, announced: &Announced) -> Result<(), Refusal> {
    let prefix = announced.prefix;
    if prefix.prefix_len() == 0 {
        return Err(Refusal::DefaultRoute);
    }
    if MARTIANS
        .iter()
        .any(|martian| martian.contains(&prefix) || prefix.contains(martian))
    {
        return Err(Refusal::Martian);
    }
    let shadows_link = prefix.prefix_len() >= LINK_PREFIX_LEN
        && (prefix.contains(&spec.local_address) || prefix.contains(&spec.peer_address));
    if shadows_link
        || spec
            .policy
            .protected
            .iter()
            .any(|address| prefix.contains(address))
    {
        return Err(Refusal::Protected);
    }
    if announced.next_hop != spec.peer_address {
        return Err(Refusal::NextHop);
    }
    if spec.advertise.contains(&prefix) {
        return Err(Refusal::Own);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bgp::testing::spec;

    #[test]
    fn policy_says_which_prefixes_may_become_routes_and_why_the_others_may_not() {
        let spec = spec();
        let peer = "169.254.0.0".parse().unwrap();
        for (prefix, next_hop, verdict) in [
            ("203.0.113.0/24", peer, Ok(())),
            ("10.0.0.0/8", peer, Ok(())),
            ("169.254.0.0/16", peer, Ok(())),
            ("0.0.0.0/0", peer, Err(Refusal::DefaultRoute)),
            ("0.0.0.0/1", peer, Err(Refusal::Martian)),
            ("128.0.0.0/1", peer, Err(Refusal::Martian)),
            ("0.1.0.0/16", peer, Err(Refusal::Martian)),
            ("126.0.0.0/7", peer, Err(Refusal::Martian)),
            ("127.0.0.1/32", peer, Err(Refusal::Martian)),
            ("224.0.0.0/4", peer, Err(Refusal::Martian)),
            ("255.255.255.255/32", peer, Err(Refusal::Martian)),
            ("198.51.100.7/32", peer, Err(Refusal::Protected)),
            ("198.0.0.0/7", peer, Err(Refusal::Protected)),
            ("169.254.0.0/31", peer, Err(Refusal::Protected)),
            ("169.254.0.1/32", peer, Err(Refusal::Protected)),
            (
                "203.0.113.0/24",
                "169.254.0.1".parse().unwrap(),
                Err(Refusal::NextHop),
            ),
            ("10.1.2.3/32", peer, Err(Refusal::Own)),
        ] {
            let announced = Announced {
                prefix: prefix.parse().unwrap(),
                next_hop,
            };
            assert_eq!(accept(&spec, &announced), verdict, "{prefix} via {next_hop}");
        }
    }
}

//! Ways to devices that do not lead through a tunnel of ours.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use nix::{ifaddrs::getifaddrs, net::if_::if_nametoindex};
use warren_state::Observed;

/// Where the tunnels' own packets leave: an address, and the number of the interface that has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Underlay {
    pub(crate) source: Ipv4Addr,
    pub(crate) interface: u32,
}

/// What our tunnels would take, and how to get around them. A destination that no tunnel takes goes where the host's own
/// routes lead.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Paths {
    /// Networks that lead into our tunnels, by their prefix lengths.
    taken: BTreeMap<u8, BTreeSet<Ipv4Addr>>,
    underlay: Option<Underlay>,
}

impl Paths {
    /// As the dataplane has it now. The underlay is where the first tunnel has its outer source.
    pub(crate) fn of(observed: &Observed) -> Self {
        let mut paths = Self::default();
        for (_, tunnel) in observed.ours() {
            for route in &tunnel.routes {
                paths
                    .taken
                    .entry(route.dst.prefix_len())
                    .or_default()
                    .insert(route.dst.network());
            }
        }
        let ours: BTreeSet<&str> = observed
            .ours()
            .map(|(_, tunnel)| tunnel.link.name.as_str())
            .collect();
        paths.underlay = observed
            .ours()
            .filter_map(|(_, tunnel)| tunnel.link.local)
            .find_map(|source| underlay(source, &ours));
        paths
    }

    /// How to reach this destination past the tunnel that would take it; none where no tunnel would.
    pub(crate) fn around_tunnels(&self, destination: Ipv4Addr) -> Option<Underlay> {
        let in_network = |(length, networks): (&u8, &BTreeSet<Ipv4Addr>)| {
            let mask = u32::MAX.checked_shl(32 - u32::from(*length)).unwrap_or(0);
            networks.contains(&Ipv4Addr::from(u32::from(destination) & mask))
        };
        self.underlay.filter(|_| self.taken.iter().any(in_network))
    }
}

fn underlay(source: Ipv4Addr, ours: &BTreeSet<&str>) -> Option<Underlay> {
    let mut addresses = getifaddrs().ok()?;
    let has_it = addresses.find(|entry| {
        let address = entry
            .address
            .as_ref()
            .and_then(|address| address.as_sockaddr_in())
            .map(|address| address.ip());
        address == Some(source) && !ours.contains(entry.interface_name.as_str())
    })?;
    Some(Underlay {
        source,
        interface: if_nametoindex(has_it.interface_name.as_str()).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use warren_state::{
        ForeignLink, Incarnation, LinkName, ObservedLink, ObservedTunnel, Pubkey, Route, RouteProtocol,
        TableId, TunnelId,
    };

    use super::*;

    fn observed(dst: &[&str]) -> Observed {
        let name = LinkName::new("doublezero0").unwrap();
        let route = |dst: &&str| Route {
            table: TableId::MAIN,
            dst: dst.parse().unwrap(),
            via: Ipv4Addr::new(169, 254, 0, 0),
            source: None,
            protocol: RouteProtocol::Bgp,
        };
        let link = ObservedLink {
            name,
            usable: true,
            local: Some(Ipv4Addr::LOCALHOST),
            remote: None,
            ttl: None,
            mtu: 1476,
            up: true,
        };
        let tunnel = ObservedTunnel {
            incarnation: Incarnation(1),
            link,
            addresses: BTreeSet::new(),
            routes: dst.iter().map(route).collect(),
            rate: Default::default(),
        };
        Observed {
            tunnels: [(TunnelId(Pubkey([1; 32])), tunnel)].into(),
            ..Observed::default()
        }
    }

    #[test]
    fn only_what_a_tunnel_of_ours_would_take_is_led_around_it() {
        let paths = Paths::of(&observed(&["9.1.2.0/24", "9.9.9.9/32"]));
        let around = |octets: [u8; 4]| {
            paths
                .around_tunnels(octets.into())
                .map(|underlay| underlay.source)
        };
        assert_eq!(
            around([9, 1, 2, 200]),
            Some(Ipv4Addr::LOCALHOST),
            "the tests' host has a loopback interface"
        );
        assert_eq!(around([9, 9, 9, 9]), Some(Ipv4Addr::LOCALHOST));
        assert_eq!((around([9, 1, 3, 1]), around([9, 9, 9, 8])), (None, None));
        let everything = Paths::of(&observed(&["0.0.0.0/0"]));
        assert!(everything.around_tunnels(Ipv4Addr::new(1, 1, 1, 1)).is_some());
        let foreign = Paths::of(&Observed {
            foreign: [(LinkName::new("doublezero0").unwrap(), ForeignLink::default())].into(),
            ..Observed::default()
        });
        assert_eq!(foreign.around_tunnels(Ipv4Addr::new(9, 1, 2, 1)), None);
    }
}

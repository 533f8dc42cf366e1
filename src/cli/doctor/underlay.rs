//! What in the host's network keeps tunnels from working: NAT, reverse-path filters, and tunnels of others.

use std::{collections::BTreeSet, net::Ipv4Addr};

use super::{check::Check, net::Link, root::Root};

const NAT: &str = "nat";
const FILTER: &str = "rp_filter";
const FOREIGN: &str = "foreign tunnels";
/// The reference's names for its links, and ours.
const NAMES: [&str; 2] = ["doublezero0", "doublezero1"];

/// Whether the public address is the host's own.
pub fn nat(public: Option<Ipv4Addr>, needs_own: bool, links: &[Link]) -> Check {
    let Some(public) = public else {
        return Check::skip(NAT, "this host's public address is not known");
    };
    if public.is_private()
        || public.is_link_local()
        || public.is_loopback()
        || (public.octets()[0] == 100 && public.octets()[1] & 0xc0 == 64)
    {
        let detail = format!("{public} is not a public address: no device can reach it");
        return Check::fail(NAT, detail, "name this host's public address: -client-ip ADDRESS");
    }
    let holder = links.iter().find(|link| link.addresses.contains(&public));
    if let Some(link) = holder {
        return Check::pass(NAT, format!("{public} is on {}", link.name));
    }
    let detail = format!("{public} is on no interface of this host: it is behind address translation");
    let fix = "use an address of the device's (`warren connect ibrl --allocate-addr`), and see that the translator is one-to-one and lets GRE (IP protocol 47) pass";
    // The kernel takes no route whose preferred source is not its own (net/ipv4/fib_semantics.c `fib_valid_prefsrc`).
    if needs_own {
        Check::fail(
            NAT,
            format!("{detail}, and routes cannot have it as their source"),
            fix,
        )
    } else {
        Check::warn(NAT, detail, fix)
    }
}

/// What reverse-path filtering does to an interface: the stricter of its own setting and the one for all
/// (Documentation/networking/ip-sysctl.rst).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Filter {
    /// 0.
    Off,
    /// 1: a packet must come in where an answer would go out.
    Strict,
    /// 2: there must be a way for an answer at all. It wins over 1.
    Loose,
}

/// Reads it; none where it cannot be.
pub fn filter_of(root: &Root, link: &str) -> Option<Filter> {
    let value = |of: &str| {
        root.text(&format!("/proc/sys/net/ipv4/conf/{of}/rp_filter"))?
            .trim()
            .parse::<u8>()
            .ok()
    };
    Some(match value("all")?.max(value(link)?) {
        0 => Filter::Off,
        1 => Filter::Strict,
        _ => Filter::Loose,
    })
}

/// Judges: `tunnels` and `uplinks` (by which tunnels leave), each with its filter, and how many interfaces lead out.
pub fn filters(
    tunnels: &[(String, Option<Filter>)],
    uplinks: &[(String, Option<Filter>)],
    ways_out: usize,
) -> Check {
    let strict = |links: &[(String, Option<Filter>)]| {
        let names = links
            .iter()
            .filter(|(_, filter)| *filter == Some(Filter::Strict))
            .map(|(name, _)| name.clone());
        names.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    let fix = |names: &[String]| {
        let settings = names
            .iter()
            .map(|name| format!("net.ipv4.conf.{name}.rp_filter=2"));
        format!(
            "sysctl -w {}, and the same in a file of /etc/sysctl.d",
            settings.collect::<Vec<_>>().join(" ")
        )
    };
    let (inner, outer) = (strict(tunnels), strict(uplinks));
    if !inner.is_empty() {
        let detail = format!(
            "strict on {}: packets whose sender is not routed back into the tunnel are dropped, multicast among them",
            inner.join(", ")
        );
        return Check::warn(FILTER, detail, fix(&inner));
    }
    if !outer.is_empty() && ways_out > 1 {
        let detail = format!(
            "strict on {}, on a host with {ways_out} ways out: tunnel packets that come back another way are dropped",
            outer.join(", ")
        );
        return Check::warn(FILTER, detail, fix(&outer));
    }
    if tunnels.iter().chain(uplinks).all(|(_, filter)| filter.is_none()) {
        return Check::skip(FILTER, "there is no tunnel and no path to a device to check");
    }
    Check::pass(
        FILTER,
        if outer.is_empty() {
            "nowhere strict"
        } else {
            "strict, but there is only one way out"
        },
    )
}

/// The interfaces that lead out of this host, beside tunnels.
pub fn ways_out(links: &[Link]) -> usize {
    links
        .iter()
        .filter(|link| {
            link.is_up
                && !link.is_loopback
                && !link.is_ours
                && link.ends.is_none()
                && !link.addresses.is_empty()
        })
        .count()
}

/// Judges: GRE links of others to the same devices take our packets or our place; others under our names, too.
pub fn foreign(remotes: &BTreeSet<Ipv4Addr>, links: &[Link]) -> Check {
    let others = || links.iter().filter(|link| !link.is_ours);
    let rival = others().find_map(|link| {
        link.ends
            .filter(|(_, remote)| remotes.contains(remote))
            .map(|ends| (link, ends))
    });
    if let Some((link, (local, remote))) = rival {
        return Check::fail(
            FOREIGN,
            format!(
                "{} ({}, {local} to {remote}) is not warrend's and ends at the same device",
                link.name, link.kind
            ),
            format!("ip link delete {}, if it is not needed", link.name),
        );
    }
    if let Some(link) = others().find(|link| NAMES.contains(&link.name.as_str())) {
        return Check::warn(
            FOREIGN,
            format!(
                "{} is there and does not carry warrend's mark: it may be in the way",
                link.name
            ),
            format!("ip link delete {}, if doublezerod left it behind", link.name),
        );
    }
    Check::pass(FOREIGN, "none is in the way")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{check::Outcome, root};

    const PUBLIC: Ipv4Addr = Ipv4Addr::new(9, 128, 0, 10);
    const DEVICE: Ipv4Addr = Ipv4Addr::new(9, 128, 0, 2);

    fn eth0(address: Ipv4Addr) -> Link {
        Link {
            index: 2,
            name: "eth0".into(),
            mtu: 1500,
            is_up: true,
            addresses: vec![address],
            ..Link::default()
        }
    }

    fn gre(name: &str, remote: Ipv4Addr, is_ours: bool) -> Link {
        Link {
            name: name.into(),
            kind: "gre".into(),
            ends: Some((PUBLIC, remote)),
            is_ours,
            ..Link::default()
        }
    }

    #[test]
    fn an_address_of_the_host_passes_and_translation_is_told_of() {
        assert_eq!(nat(None, true, &[]).outcome, Outcome::Skip);
        assert_eq!(nat(Some(PUBLIC), true, &[eth0(PUBLIC)]).outcome, Outcome::Pass);
        let inside = [eth0(Ipv4Addr::new(10, 0, 0, 4))];
        assert_eq!(nat(Some(PUBLIC), false, &inside).outcome, Outcome::Warn);
        assert_eq!(
            nat(Some(PUBLIC), true, &inside).outcome,
            Outcome::Fail,
            "an own address is needed"
        );
        assert_eq!(
            nat(Some(Ipv4Addr::new(10, 0, 0, 4)), false, &inside).outcome,
            Outcome::Fail
        );
        assert_eq!(
            nat(Some(Ipv4Addr::new(100, 64, 0, 4)), false, &inside).outcome,
            Outcome::Fail
        );
    }

    #[test]
    fn the_filter_in_force_is_the_greater_of_two() {
        let read = |all, own| {
            let (_directory, root) = root::with(&[
                ("/proc/sys/net/ipv4/conf/all/rp_filter", all),
                ("/proc/sys/net/ipv4/conf/d0/rp_filter", own),
            ]);
            filter_of(&root, "d0")
        };
        assert_eq!(read("0\n", "0\n"), Some(Filter::Off));
        assert_eq!(read("1\n", "0\n"), Some(Filter::Strict));
        assert_eq!(read("1\n", "2\n"), Some(Filter::Loose));
        assert_eq!(read("x", "2"), None);
    }

    #[test]
    fn strict_filters_matter_on_tunnels_and_where_there_is_more_than_one_way_out() {
        let with = |name: &str, filter| vec![(name.to_owned(), Some(filter))];
        let (off, strict, loose) = (
            with("eth0", Filter::Off),
            with("eth0", Filter::Strict),
            with("eth0", Filter::Loose),
        );
        assert_eq!(
            filters(&with("doublezero0", Filter::Off), &off, 1).outcome,
            Outcome::Pass
        );
        assert_eq!(
            filters(&with("doublezero0", Filter::Loose), &loose, 2).outcome,
            Outcome::Pass
        );
        let inner = filters(&with("doublezero0", Filter::Strict), &off, 1);
        assert_eq!(inner.outcome, Outcome::Warn);
        assert!(
            inner
                .fix
                .unwrap()
                .starts_with("sysctl -w net.ipv4.conf.doublezero0.rp_filter=2")
        );
        assert_eq!(filters(&[], &strict, 2).outcome, Outcome::Warn);
        assert_eq!(filters(&[], &strict, 1).outcome, Outcome::Pass);
        assert_eq!(filters(&[], &[], 1).outcome, Outcome::Skip);
    }

    #[test]
    fn a_foreign_link_to_the_same_device_fails_and_one_under_our_name_warns() {
        let remotes = BTreeSet::from([DEVICE]);
        let ours = gre("doublezero0", DEVICE, true);
        assert_eq!(
            foreign(&remotes, &[ours.clone(), eth0(PUBLIC)]).outcome,
            Outcome::Pass
        );
        assert_eq!(
            foreign(&remotes, &[ours, gre("mine", DEVICE, false)]).outcome,
            Outcome::Fail
        );
        assert_eq!(
            foreign(&remotes, &[gre("mine", Ipv4Addr::new(9, 9, 9, 9), false)]).outcome,
            Outcome::Pass
        );
        assert_eq!(
            foreign(&BTreeSet::new(), &[gre("doublezero1", DEVICE, false)]).outcome,
            Outcome::Warn
        );
        // The kernel makes one of this kind by itself.
        assert_eq!(
            foreign(&remotes, &[gre("gre0", Ipv4Addr::UNSPECIFIED, false)]).outcome,
            Outcome::Pass
        );
    }

    #[test]
    fn tunnels_and_the_loopback_are_no_ways_out() {
        let down = Link {
            is_up: false,
            ..eth0(PUBLIC)
        };
        let bare = Link {
            addresses: vec![],
            ..eth0(PUBLIC)
        };
        let loopback = Link {
            is_loopback: true,
            ..eth0(Ipv4Addr::LOCALHOST)
        };
        assert_eq!(
            ways_out(&[
                eth0(PUBLIC),
                down,
                bare,
                loopback,
                gre("doublezero0", DEVICE, true)
            ]),
            1
        );
    }
}

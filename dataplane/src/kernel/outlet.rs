//! The way of this host's own packets past its tunnels.
//!
//! The kernel itself is asked, with the host's own rules and tables: once for the way that it would take, and, when that
//! is a tunnel of ours, once for each other link, as if a socket were bound to it.

use std::{cmp::Reverse, net::Ipv4Addr};

use netlink_packet_route::route::RouteType;
use warren_state::{Fault, LinkName};

use super::{
    connection::{KernelError, Netlink},
    fault::refused,
    objects::{Link, RouteEntry},
    requests,
};
use crate::contract::Outlet;

/// The way of a packet to `dst`.
pub async fn outlet(netlink: &mut Netlink, dst: Ipv4Addr) -> Result<Outlet, Fault> {
    find(netlink, dst)
        .await
        .map_err(|refusal| refused(format!("find the route to {dst}"), &refusal))
}

async fn find(netlink: &mut Netlink, dst: Ipv4Addr) -> Result<Outlet, KernelError> {
    let route = or_none(netlink.read(requests::route_to(dst), RouteEntry::decode).await)?;
    let Some(index) = route.and_then(|route| route.oif) else {
        return Ok(Outlet::Usual);
    };
    let link = or_none(netlink.read(requests::link_by_index(index), Link::decode).await)?;
    let Some((link, mark)) = link.and_then(|link| Some((link.name.clone(), link.mark()?))) else {
        return Ok(Outlet::Usual);
    };
    let tunnel = mark.tunnel;
    Ok(match uplink(netlink, dst).await? {
        Some(uplink) => Outlet::Past { tunnel, link, uplink },
        None => Outlet::Only { tunnel, link },
    })
}

/// The link whose route is the most particular one, then of the lowest metric: as the kernel would choose without our tunnels.
async fn uplink(netlink: &mut Netlink, dst: Ipv4Addr) -> Result<Option<LinkName>, KernelError> {
    let mut best = None;
    for link in netlink.dump(requests::links(), Link::decode).await? {
        if is_ours(&link) || !link.up {
            continue;
        }
        let route = or_none(
            netlink
                .read(requests::route_over(dst, link.index), RouteEntry::decode)
                .await,
        )?;
        let Some(route) = route.filter(|route| route.kind == RouteType::Unicast) else {
            continue;
        };
        let rank = (route.dst.prefix_len(), Reverse(route.metric));
        if best.as_ref().is_none_or(|(best, _)| rank > *best) {
            best = Some((rank, link.name));
        }
    }
    Ok(best.map(|(_, name)| name))
}

fn is_ours(link: &Link) -> bool {
    link.mark().is_some()
}

/// Nothing where there is no route, no link, or a route that says no.
fn or_none<T>(answer: Result<Option<T>, KernelError>) -> Result<Option<T>, KernelError> {
    match answer {
        Err(refusal)
            if matches!(
                refusal.errno,
                libc::ENETUNREACH
                    | libc::EHOSTUNREACH
                    | libc::EACCES
                    | libc::EINVAL
                    | libc::ENODEV
                    | libc::ESRCH
            ) =>
        {
            Ok(None)
        }
        other => other,
    }
}

//! The ways of the host's own packets, of many at once: a gateway asks for those of all its tunnels.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use warren_state::{Fault, reconcile::UnderlayPath};

use super::{
    connection::{KernelError, Netlink},
    fault::refused,
    objects::{Link, RouteEntry},
    observe::absent_is_none,
    requests::{self, Request},
};

/// The source address that a packet to each of these would carry.
pub async fn resolve_sources(
    netlink: &mut Netlink,
    destinations: &BTreeSet<Ipv4Addr>,
) -> Result<BTreeMap<Ipv4Addr, Option<Ipv4Addr>>, Fault> {
    let questions: Vec<Request> = destinations
        .iter()
        .map(|destination| requests::route_to(*destination))
        .collect();
    let answers = netlink.read_all(&questions, RouteEntry::decode).await;
    let found = destinations.iter().zip(answers).map(|(destination, answer)| {
        let way = no_way_is_none(answer)
            .map_err(|refusal| refused(format!("resolve the source towards {destination}"), &refusal))?;
        Ok((*destination, way.and_then(|way| way.source)))
    });
    found.collect()
}

/// The MTU of each of these paths. One into a tunnel of ours has none: each answer would be smaller than the one before.
pub async fn underlay_mtus(
    netlink: &mut Netlink,
    paths: BTreeSet<UnderlayPath>,
) -> Result<BTreeMap<UnderlayPath, Option<u32>>, Fault> {
    let ways = ways_on(netlink, &paths, requests::route_between).await?;
    let indices = ways.values().filter_map(|way| way.oif).collect();
    let links = links_at(netlink, &indices)
        .await
        .map_err(|refusal| refused("read the links that tunnels leave by", &refusal))?;
    // What was learned of the path stands where the route's own MTU would, until it expires.
    let learned = ways
        .iter()
        .filter(|(_, way)| way.mtu_expires)
        .map(|(path, _)| *path)
        .collect();
    let entries = ways_on(netlink, &learned, requests::route_entry_between).await?;
    let mtu = |path: &UnderlayPath| {
        let way = ways.get(path)?;
        let link = links.get(&way.oif?).filter(|link| link.mark().is_none())?;
        let of_route = match way.mtu_expires {
            true => entries.get(path).and_then(|entry| entry.mtu),
            false => way.mtu,
        };
        let of_route = of_route.filter(|mtu| *mtu > 0);
        Some(of_route.map_or(link.mtu, |mtu| mtu.min(link.mtu)))
    };
    Ok(paths.iter().map(|path| (*path, mtu(path))).collect())
}

/// Where there is a way.
async fn ways_on(
    netlink: &mut Netlink,
    paths: &BTreeSet<UnderlayPath>,
    question: fn(Ipv4Addr, Ipv4Addr) -> Request,
) -> Result<BTreeMap<UnderlayPath, RouteEntry>, Fault> {
    let questions: Vec<Request> = paths
        .iter()
        .map(|(local, remote)| question(*local, *remote))
        .collect();
    let answers = netlink.read_all(&questions, RouteEntry::decode).await;
    let mut ways = BTreeMap::new();
    for (path, answer) in paths.iter().zip(answers) {
        let (local, remote) = path;
        let way = no_way_is_none(answer)
            .map_err(|refusal| refused(format!("read the MTU from {local} towards {remote}"), &refusal))?;
        ways.extend(way.map(|way| (*path, way)));
    }
    Ok(ways)
}

/// Those that are there: few, however many ways there are.
async fn links_at(
    netlink: &mut Netlink,
    indices: &BTreeSet<u32>,
) -> Result<BTreeMap<u32, Link>, KernelError> {
    let questions: Vec<Request> = indices
        .iter()
        .map(|index| requests::link_by_index(*index))
        .collect();
    let answers = netlink.read_all(&questions, Link::decode).await;
    let mut links = BTreeMap::new();
    for (index, answer) in indices.iter().zip(answers) {
        links.extend(absent_is_none(answer)?.map(|link| (*index, link)));
    }
    Ok(links)
}

/// A host without a route, or with one that says no (net/ipv4/fib_semantics.c `fib_props`).
fn no_way_is_none(
    answer: Result<Option<RouteEntry>, KernelError>,
) -> Result<Option<RouteEntry>, KernelError> {
    match answer {
        Err(KernelError {
            errno: libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EACCES | libc::EINVAL,
            ..
        }) => Ok(None),
        other => other,
    }
}

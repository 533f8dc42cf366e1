//! What a step does to the parts of one link.

use ipnet::Ipv4Net;

use super::{Attempt, Interface};
use crate::{Address, FaultClass, LinkSpec, Rate, Route};

pub(super) fn change(tunnel: &mut Interface, spec: &LinkSpec) -> bool {
    let before = tunnel.link.clone();
    (tunnel.link.local, tunnel.link.remote) = (Some(spec.local), Some(spec.remote));
    tunnel.link.ttl = Some(spec.ttl);
    tunnel.link.mtu = u32::from(spec.mtu);
    tunnel.link.up = true;
    tunnel.link != before
}

pub(super) fn put_address(tunnel: &mut Interface, address: Address) -> Attempt {
    let same = |have: &&Address| (have.address, have.prefix_len) == (address.address, address.prefix_len);
    match tunnel.addresses.iter().find(same) {
        Some(have) if *have == address => Ok(false),
        Some(_) => Err((FaultClass::Conflict, "the address is there with another scope")),
        None => Ok(tunnel.addresses.insert(address)),
    }
}

pub(super) fn put_rate(tunnel: &mut Interface, rate: Rate) -> Attempt {
    if tunnel.shaped_by_other {
        return Err((FaultClass::Conflict, "somebody else holds the link to a rate"));
    }
    Ok(std::mem::replace(&mut tunnel.rate, rate) != rate)
}

pub(super) fn take_address(tunnel: &mut Interface, address: &Address) -> bool {
    let there = tunnel.addresses.remove(address);
    if there
        && !tunnel
            .addresses
            .iter()
            .any(|other| other.address == address.address)
    {
        tunnel
            .routes
            .retain(|route| route.source != Some(address.address));
    }
    there
}

pub(super) fn put_route(tunnel: &mut Interface, route: Route, taken: bool) -> Attempt {
    if !tunnel.link.up {
        return Err((FaultClass::Transient, "the link is down"));
    }
    let reaches = |address: &Address| {
        address.address != route.via
            && Ipv4Net::new(address.address, address.prefix_len).is_ok_and(|net| net.contains(&route.via))
    };
    if !tunnel.addresses.iter().any(reaches) {
        return Err((FaultClass::Gone, "no address of the link reaches the gateway"));
    }
    if tunnel.routes.contains(&route) {
        return Ok(false);
    }
    if taken {
        return Err((FaultClass::Conflict, "a route that is not ours is in the way"));
    }
    tunnel
        .routes
        .retain(|other| (other.table, other.dst) != (route.table, route.dst));
    Ok(tunnel.routes.insert(route))
}

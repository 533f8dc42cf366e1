//! What others do to the kernel: operators, other daemons, accidents. No mark is asked for.

use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::Ipv4Net;

use super::{Interface, LinkKind, Model, Owner, ends, put_address, put_route, take_address};
use crate::{Address, LinkName, ObservedLink, Rate, Route, Rule, TableId};

impl Model {
    /// Makes a link that is not ours and is up. False when the name or the GRE endpoints are taken.
    pub fn add_foreign(
        &mut self,
        name: &LinkName,
        kind: LinkKind,
        ends: Option<(Ipv4Addr, Ipv4Addr)>,
    ) -> bool {
        let clash =
            kind == LinkKind::Gre && ends.is_some_and(|(local, remote)| self.ends_are_taken(local, remote));
        if clash || self.links.contains_key(name) {
            return false;
        }
        let (local, remote) = ends.unzip();
        let link = ObservedLink {
            name: name.clone(),
            usable: false,
            local,
            remote,
            ttl: None,
            mtu: 1500,
            up: true,
        };
        self.insert(kind, Owner::Foreign, link);
        true
    }

    /// Puts an address on a link that is not ours. False when the host has it already.
    pub fn add_host_address(&mut self, address: Ipv4Addr) -> bool {
        self.host.insert(address)
    }

    /// Sets whether such an address is only on links that are down.
    pub fn set_idle(&mut self, address: Ipv4Addr, idle: bool) {
        if idle {
            self.idle.insert(address)
        } else {
            self.idle.remove(&address)
        };
    }

    /// Takes such an address away. False when there is none.
    pub fn delete_host_address(&mut self, address: Ipv4Addr) -> bool {
        self.host.remove(&address)
    }

    /// Puts a route that is not ours into this place, over a link that is not ours. False when it is taken so already.
    pub fn take_route(&mut self, table: TableId, dst: Ipv4Net) -> bool {
        self.taken.insert((table, dst.trunc()))
    }

    /// Deletes what [`Self::take_route`] put. False when there is no such route.
    pub fn free_route(&mut self, table: TableId, dst: Ipv4Net) -> bool {
        self.taken.remove(&(table, dst.trunc()))
    }

    /// Deletes a link, ours or not. False when there is none.
    pub fn delete_link(&mut self, link: &LinkName) -> bool {
        self.pull(link).is_some()
    }

    /// Makes a link one of another kind. False when there is no such link.
    pub fn set_kind(&mut self, link: &LinkName, kind: LinkKind) -> bool {
        self.edit(link, |have| {
            have.kind = kind;
            true
        })
    }

    /// Renames a link. False when there is no such link or the new name is taken.
    pub fn rename(&mut self, link: &LinkName, to: &LinkName) -> bool {
        if self.links.contains_key(to) {
            return false;
        }
        let Some(mut interface) = self.pull(link) else {
            return false;
        };
        interface.link.name = to.clone();
        self.plug_in(interface);
        true
    }

    /// Sets a link up or down; down takes the routes along. False when there is no such link.
    pub fn set_up(&mut self, link: &LinkName, up: bool) -> bool {
        self.edit(link, |tunnel| {
            tunnel.link.up = up;
            if !up {
                tunnel.routes = BTreeSet::new();
            }
            true
        })
    }

    /// Sets a link's MTU. False when there is no such link.
    pub fn set_mtu(&mut self, link: &LinkName, mtu: u32) -> bool {
        self.edit(link, |tunnel| {
            tunnel.link.mtu = mtu;
            true
        })
    }

    /// Sets a link's endpoints. False when there is no such link or a GRE link has them.
    pub fn set_ends(&mut self, link: &LinkName, local: Ipv4Addr, remote: Ipv4Addr) -> bool {
        if self.ends_are_taken(local, remote) {
            return false;
        }
        self.edit(link, |tunnel| {
            tunnel.link.local = Some(local);
            tunnel.link.remote = Some(remote);
            true
        })
    }

    /// Puts an address on a link. False when there is no such link or the address is there.
    pub fn add_address(&mut self, link: &LinkName, address: Address) -> bool {
        self.edit(link, |tunnel| put_address(tunnel, address).unwrap_or(false))
    }

    /// Deletes an address from a link. False when it is not there.
    pub fn delete_address(&mut self, link: &LinkName, address: &Address) -> bool {
        self.edit(link, |tunnel| take_address(tunnel, address))
    }

    /// Puts a route with one of our protocol numbers over a link. False when the kernel would refuse it or it is there.
    pub fn add_route(&mut self, link: &LinkName, route: Route) -> bool {
        self.edit(link, |tunnel| put_route(tunnel, route, false).unwrap_or(false))
    }

    /// Deletes a route over a link. False when it is not there.
    pub fn delete_route(&mut self, link: &LinkName, route: &Route) -> bool {
        self.edit(link, |tunnel| tunnel.routes.remove(route))
    }

    /// Sets the rate of a link, as somebody does who changes what is ours. False when there is no such link.
    pub fn set_rate(&mut self, link: &LinkName, rate: Rate) -> bool {
        self.edit(link, |tunnel| {
            tunnel.rate = rate;
            true
        })
    }

    /// Holds a link to a rate that is not ours, or no longer. False when there is no such link.
    pub fn shape(&mut self, link: &LinkName, shaped: bool) -> bool {
        self.edit(link, |tunnel| {
            tunnel.shaped_by_other = shaped;
            true
        })
    }

    /// Puts a rule with our mark. False when it is there.
    pub fn add_rule(&mut self, rule: Rule) -> bool {
        self.rules.insert(rule)
    }

    /// Deletes a rule. False when it is not there.
    pub fn delete_rule(&mut self, rule: &Rule) -> bool {
        self.rules.remove(rule)
    }

    pub(super) fn edit(&mut self, link: &LinkName, edit: impl FnOnce(&mut Interface) -> bool) -> bool {
        let Some(tunnel) = self.links.get_mut(link) else {
            return false;
        };
        let before = ends(tunnel);
        let edited = edit(tunnel);
        let now = ends(tunnel);
        self.count(before, false);
        self.count(now, true);
        edited
    }
}

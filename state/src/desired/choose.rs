//! Among users that cannot all have a tunnel, the same ones win each time.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use super::{Built, Refusal, Request};
use crate::{LinkName, Pubkey, ServiceClass, TunnelId, TunnelSpec};

/// First who is in place already, then the lowest kind number, then the lowest key.
pub(super) fn choose(request: &Request<'_>, candidates: BTreeMap<Pubkey, (Ipv4Addr, TunnelSpec)>, built: &mut Built) {
    let mut ranked: Vec<_> = candidates.into_iter().collect();
    ranked.sort_by_key(|(key, (_, spec))| (!request.provisioned.contains(&TunnelId(*key)), spec.kind, *key));
    let mut taken = Taken::default();
    for (key, (client_ip, spec)) in ranked {
        match taken.claim(key, client_ip, &spec) {
            Ok(()) => {
                built.tunnels.insert(spec.id, spec);
            }
            Err(refusal) => {
                built.refused.insert(key, refusal);
            }
        }
    }
}

#[derive(Default)]
struct Taken {
    hosts: BTreeMap<(Ipv4Addr, ServiceClass), Pubkey>,
    names: BTreeSet<LinkName>,
    endpoints: BTreeMap<(Ipv4Addr, Ipv4Addr), Pubkey>,
}

impl Taken {
    fn claim(&mut self, key: Pubkey, client_ip: Ipv4Addr, spec: &TunnelSpec) -> Result<(), Refusal> {
        let class = spec.kind.class();
        let link = &spec.link;
        if let Some(winner) = self.hosts.get(&(client_ip, class)) {
            return Err(Refusal::Duplicate { winner: *winner, class, client_ip });
        }
        if self.names.contains(&link.name) {
            return Err(Refusal::LinkNameInUse { link: link.name.clone() });
        }
        if let Some(holder) = self.endpoints.get(&(link.local, link.remote)) {
            return Err(Refusal::EndpointsInUse { holder: *holder, local: link.local, remote: link.remote });
        }
        self.hosts.insert((client_ip, class), key);
        self.names.insert(link.name.clone());
        self.endpoints.insert((link.local, link.remote), key);
        Ok(())
    }
}

//! Among users that cannot all have a tunnel, the same ones win each time.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{Built, Refusal, Request, consider};
use crate::{LinkName, Pubkey, ServiceClass, TunnelId, TunnelSpec, desired::BuildDecision, role::Role};

/// First who is in place already, then the lowest kind number, then the lowest key.
pub(super) fn choose(
    request: &Request<'_>,
    candidates: BTreeMap<Pubkey, Arc<TunnelSpec>>,
    built: &mut Built,
) {
    let mut ranked: Vec<_> = candidates.into_iter().collect();
    ranked.sort_by_cached_key(|(key, spec)| (!(request.provisioned)(&TunnelId(*key)), spec.kind, *key));
    for (key, spec) in ranked {
        match built.claims.claim(key, Claim::of(request.role, &spec)) {
            Ok(()) => {
                built.tunnels.insert(spec.id, spec);
            }
            Err(refusal) => {
                built.refused.insert(key, refusal);
            }
        }
    }
}

/// These users, and everybody whom their outcome affects: those who go without, and those who have what one of them
/// asks for.
pub(super) fn scope(request: &Request<'_>, users: BTreeSet<Pubkey>, claims: &Claims) -> BTreeSet<Pubkey> {
    let mut scope = BTreeSet::new();
    let mut next: Vec<Pubkey> = users.into_iter().chain(claims.losers.iter().copied()).collect();
    while let Some(key) = next.pop() {
        if request.view.quarantined.contains_key(&key) || !scope.insert(key) {
            continue;
        }
        let Some(user) = request.view.users.get(&key) else {
            continue;
        };
        if let BuildDecision::Build(spec) = consider(request, key, user) {
            next.extend(claims.holders(&Claim::of(request.role, &spec)));
        }
    }
    scope
}

/// Who has what only one can have: a tunnel of a class to a host, a link name, a pair of endpoints.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Claims {
    of: BTreeMap<Pubkey, Claim>,
    #[serde(with = "crate::serial::pairs")]
    hosts: BTreeMap<(Ipv4Addr, ServiceClass), Pubkey>,
    names: BTreeMap<LinkName, Pubkey>,
    #[serde(with = "crate::serial::pairs")]
    endpoints: BTreeMap<(Ipv4Addr, Ipv4Addr), Pubkey>,
    /// Who asked for what another has.
    losers: BTreeSet<Pubkey>,
}

/// What one tunnel takes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Claim {
    host: (Ipv4Addr, ServiceClass),
    name: LinkName,
    endpoints: (Ipv4Addr, Ipv4Addr),
}

impl Claim {
    fn of(role: Role, spec: &TunnelSpec) -> Self {
        let host = match role {
            Role::Client { client_ip } => client_ip,
            Role::Gateway { .. } => spec.link.remote,
        };
        Self {
            host: (host, spec.kind.class()),
            name: spec.link.name.clone(),
            endpoints: (spec.link.local, spec.link.remote),
        }
    }
}

impl Claims {
    /// Whose tunnel is between these.
    pub(crate) fn between(&self, endpoints: &(Ipv4Addr, Ipv4Addr)) -> Option<Pubkey> {
        self.endpoints.get(endpoints).copied()
    }

    /// Whether anybody goes without.
    #[cfg(test)]
    pub(crate) fn are_contested(&self) -> bool {
        !self.losers.is_empty()
    }

    fn claim(&mut self, key: Pubkey, claim: Claim) -> Result<(), Refusal> {
        if let Some(refusal) = self.why_not(&claim) {
            self.losers.insert(key);
            return Err(refusal);
        }
        self.hosts.insert(claim.host, key);
        self.names.insert(claim.name.clone(), key);
        self.endpoints.insert(claim.endpoints, key);
        self.of.insert(key, claim);
        Ok(())
    }

    fn why_not(&self, claim: &Claim) -> Option<Refusal> {
        let Claim {
            host: (client_ip, class),
            name,
            endpoints: (local, remote),
        } = claim;
        if let Some(winner) = self.hosts.get(&claim.host) {
            return Some(Refusal::Duplicate {
                winner: *winner,
                class: *class,
                client_ip: *client_ip,
            });
        }
        if self.names.contains_key(name) {
            return Some(Refusal::LinkNameInUse { link: name.clone() });
        }
        let holder = self.endpoints.get(&claim.endpoints)?;
        Some(Refusal::EndpointsInUse {
            holder: *holder,
            local: *local,
            remote: *remote,
        })
    }

    pub(super) fn release(&mut self, key: &Pubkey) {
        self.losers.remove(key);
        if let Some(Claim {
            host,
            name,
            endpoints,
        }) = self.of.remove(key)
        {
            self.hosts.remove(&host);
            self.names.remove(&name);
            self.endpoints.remove(&endpoints);
        }
    }

    fn holders(&self, claim: &Claim) -> impl Iterator<Item = Pubkey> {
        let holders = [
            self.hosts.get(&claim.host),
            self.names.get(&claim.name),
            self.endpoints.get(&claim.endpoints),
        ];
        holders.into_iter().flatten().copied()
    }
}

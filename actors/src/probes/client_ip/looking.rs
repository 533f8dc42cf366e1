//! What a look sees: this host's addresses and tunnels, and what the kernel or a web service takes for its public address.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use tokio::time::timeout;
use warren_dataplane::Scope;
use warren_ledger::{Connector, connector::HttpSettings};
use warren_state::{
    Fault, Observed, SessionStatus,
    address::{AddressObservation as Seeing, Chosen, InPlace, Seen, is_public},
    table::Tables,
};

use super::{SERVICE_EVERY, State};
use crate::{env::names_users, errors::late};

const DATAPLANE_TIMEOUT: Duration = Duration::from_secs(10);
const SERVICE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer answers are no addresses.
const LONGEST_ANSWER: usize = 256;

impl State {
    pub(super) async fn see(&mut self) -> Result<Seeing, String> {
        let observed = in_time(self.env.dataplane.observe(Scope::All))
            .await
            .map_err(|fault| fault.to_string())?;
        let guess = match self.ask_kernel(&observed).await {
            Ok(address) => Ok(Chosen {
                address,
                seen: Seen::Host,
            }),
            Err(reason) => self.ask_service_in_turn(&observed, reason).await,
        };
        let tables = self.env.tables();
        let tunnels = in_place(&tables, &observed);
        let users = self
            .addresses
            .in_force()
            .and_then(|chosen| names_users(&tables, chosen.address));
        Ok(Seeing {
            guess,
            up: observed.host_up(),
            host: observed.host,
            tunnels,
            users,
        })
    }

    async fn ask_kernel(&self, observed: &Observed) -> Result<Ipv4Addr, String> {
        let ours = overlay_addresses(observed);
        let mut reasons = Vec::new();
        for probe in &self.settings.probes {
            match in_time(self.env.dataplane.resolve_source(*probe)).await {
                Ok(Some(source)) if !is_public(source) => reasons.push(format!(
                    "the source towards {probe} is {source}, which is not public"
                )),
                Ok(Some(source)) if ours.contains(&source) => reasons.push(format!(
                    "the source towards {probe} is {source}, which is on one of warren's own tunnels"
                )),
                Ok(Some(source)) => return Ok(source),
                Ok(None) => reasons.push(format!("there is no route to {probe}")),
                Err(fault) => reasons.push(fault.to_string()),
            }
        }
        Err(reasons.join("; "))
    }

    /// The service is others', so it is asked less often than the kernel: while there is no address, after a change of the
    /// host's network, and in a while. It has nothing to say of an address that the host itself has.
    async fn ask_service_in_turn(&mut self, observed: &Observed, reason: String) -> Result<Chosen, String> {
        let in_force = self.addresses.in_force();
        let is_known = in_force.is_some() || self.addresses.pinned().is_some();
        self.unasked += 1;
        if in_force.is_some_and(|chosen| observed.host.contains(&chosen.address))
            || (is_known && self.unasked < SERVICE_EVERY)
        {
            return Err(reason);
        }
        self.unasked = 0;
        match self.ask_service().await {
            Ok(address) => Ok(Chosen {
                address,
                seen: Seen::Outside,
            }),
            Err(service) => Err(format!("{reason}; {service}")),
        }
    }

    async fn ask_service(&self) -> Result<Ipv4Addr, String> {
        let Some(url) = &self.settings.service_url else {
            return Err("no address service is configured".to_owned());
        };
        let answer = ask(&self.settings.connector, url)
            .await
            .map_err(|error| format!("the address service does not answer: {error}"))?;
        let address: Ipv4Addr = answer
            .trim()
            .parse()
            .map_err(|_| "the address service does not answer with an IPv4 address".to_owned())?;
        if is_public(address) {
            Ok(address)
        } else {
            Err(format!("the address service says {address}, which is not public"))
        }
    }
}

/// A route of the overlay may capture the probe: an address on a tunnel of ours is not the host's own.
fn overlay_addresses(observed: &Observed) -> BTreeSet<Ipv4Addr> {
    observed
        .ours()
        .flat_map(|(_, tunnel)| tunnel.addresses.iter().map(|address| address.address))
        .collect()
}

fn in_place(tables: &Tables, observed: &Observed) -> Vec<InPlace> {
    let up = |id| {
        tables
            .tunnels
            .get(&id)
            .is_some_and(|report| report.session == SessionStatus::Up)
    };
    let by_ledger = observed.ours().filter(|(id, _)| !id.is_manual());
    by_ledger
        .map(|(id, tunnel)| InPlace {
            local: tunnel.link.local,
            works: up(id),
        })
        .collect()
}

async fn in_time<T>(question: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    timeout(DATAPLANE_TIMEOUT, question)
        .await
        .unwrap_or_else(|_late| Err(late("ask the dataplane".to_owned())))
}

async fn ask(connector: &Connector, url: &str) -> Result<String, String> {
    let url: reqwest::Url = url.parse().map_err(|_| "its URL is not valid".to_owned())?;
    let said = |error: reqwest::Error| error.without_url().to_string();
    let http = connector
        .http(HttpSettings {
            timeout: SERVICE_TIMEOUT,
            redirects: 10,
            proxies: true,
            keeps_connections: true,
        })
        .map_err(said)?;
    let sent = http
        .send(&url, |client| client.get(url.clone()))
        .await
        .map_err(said)?;
    let mut response = sent.error_for_status().map_err(said)?;
    let mut answer = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(said)? {
        answer.extend_from_slice(&chunk);
        if answer.len() > LONGEST_ANSWER {
            return Ok(String::new());
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

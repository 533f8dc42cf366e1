//! Finds this host's public address, and goes on trying: as configured, else the kernel's source towards a public
//! address, else what a web service says.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::time::timeout;
use warren_dataplane::Scope;
use warren_state::{Fault, random::SplitMix64};

use crate::{
    ClientSettings,
    board::{Board, ClientIp},
    polling::jittered,
    provisioner::late,
};

const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// From a change of the host's network to the look, and from one look to the one that confirms it.
const SETTLE: Duration = Duration::from_secs(1);
/// Looks from one question to the address service to the next.
const SERVICE_EVERY: u32 = 5;
const DATAPLANE_TIMEOUT: Duration = Duration::from_secs(10);
const SERVICE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer answers are no addresses.
const LONGEST_ANSWER: usize = 256;

pub(crate) struct Finder;

/// When to look.
pub(crate) enum Look {
    /// It is time again.
    Due,
    /// The host's own network changed: once it is quiet.
    Changed,
    /// It is quiet, or another address is to be confirmed.
    Settled,
}

pub(crate) struct Arguments {
    pub(crate) board: Arc<Board>,
    pub(crate) settings: ClientSettings,
}

pub(crate) struct State {
    board: Arc<Board>,
    settings: ClientSettings,
    retry: Duration,
    random: SplitMix64,
    /// Another address than the one in force was seen once.
    candidate: Option<Ipv4Addr>,
    /// The address in force is what the service said, and looks since it was asked.
    by_service: Option<u32>,
}

impl Actor for Finder {
    type Msg = Look;
    type State = State;
    type Arguments = Arguments;

    async fn pre_start(&self, myself: ActorRef<Look>, arguments: Arguments) -> Result<State, ActorProcessingErr> {
        let Arguments { board, settings } = arguments;
        myself.cast(Look::Due)?;
        let bell = myself.clone();
        board.pokes.finder.attach(move || {
            let _gone = bell.cast(Look::Changed);
        });
        let random = SplitMix64::new(board.settings.seed.rotate_left(29));
        Ok(State { board, settings, retry: FIRST_RETRY, random, candidate: None, by_service: None })
    }

    async fn handle(&self, myself: ActorRef<Look>, look: Look, state: &mut State) -> Result<(), ActorProcessingErr> {
        match look {
            Look::Due => {
                if let Some(next) = state.look().await {
                    myself.send_after(next, || Look::Due);
                }
            }
            Look::Changed => {
                myself.send_after(SETTLE, || Look::Settled);
            }
            Look::Settled => {
                state.board.pokes.finder.answer();
                // A first address is looked for with its own, growing waits.
                if state.board.client_ip.load().address.is_some() {
                    state.by_service = state.by_service.map(|_| SERVICE_EVERY);
                    state.look().await;
                }
                if state.candidate.is_some() {
                    myself.send_after(SETTLE, || Look::Settled);
                }
            }
        }
        Ok(())
    }
}

impl State {
    /// Looks once, and says when to look again.
    async fn look(&mut self) -> Option<Duration> {
        if let Some(configured) = self.settings.client_ip {
            self.found(configured);
            return None;
        }
        let in_force = self.board.client_ip.load().address;
        let kernel = self.ask_kernel().await;
        if kernel.is_ok() {
            self.by_service = None;
        }
        match (kernel, in_force) {
            (Ok(address), None) => self.found(address),
            (Ok(address), Some(in_force)) if address == in_force => self.candidate = None,
            (Ok(address), Some(_)) => self.confirm(address),
            (Err(_), Some(in_force)) => self.ask_service_again(in_force).await,
            (Err(reason), None) => match self.ask_service().await {
                Ok(address) => {
                    self.by_service = Some(0);
                    self.found(address);
                }
                Err(service) => return Some(self.not_found(format!("{reason}; {service}"))),
            },
        }
        Some(self.settings.recheck_interval)
    }

    /// The service is others', so it is asked less often than the kernel: after a change of the host's network, and in a while.
    /// No answer changes nothing.
    async fn ask_service_again(&mut self, in_force: Ipv4Addr) {
        let Some(looks) = self.by_service.map(|looks| looks + 1) else { return };
        self.by_service = Some(looks);
        if looks < SERVICE_EVERY && self.candidate.is_none() {
            return;
        }
        self.by_service = Some(0);
        match self.ask_service().await {
            Ok(address) if address == in_force => self.candidate = None,
            Ok(address) => self.confirm(address),
            Err(reason) => tracing::debug!(%reason, "the address service does not confirm this host's address"),
        }
    }

    /// Another address must be seen twice in a row before it replaces the one in force.
    fn confirm(&mut self, address: Ipv4Addr) {
        if self.candidate.replace(address) == Some(address) {
            self.candidate = None;
            self.found(address);
        }
    }

    fn found(&mut self, address: Ipv4Addr) {
        self.retry = FIRST_RETRY;
        let earlier = self.board.client_ip.swap(Arc::new(ClientIp { address: Some(address), error: None }));
        if earlier.address != Some(address) {
            tracing::info!(%address, "this host's public address");
            self.board.changed();
            self.board.pokes.watcher.ring();
        }
    }

    fn not_found(&mut self, reason: String) -> Duration {
        let known = self.board.client_ip.load().error.as_deref() == Some(reason.as_str());
        if !known {
            tracing::warn!(%reason, "this host's public address is not known yet");
        }
        self.board.client_ip.store(Arc::new(ClientIp { address: None, error: Some(reason) }));
        self.board.pokes.status.ring();
        let wait = jittered(self.retry, &mut self.random);
        self.retry = (self.retry * 2).min(LONGEST_RETRY);
        wait
    }

    async fn ask_kernel(&self) -> Result<Ipv4Addr, String> {
        let ours = self.overlay_addresses().await?;
        let mut reasons = Vec::new();
        for probe in &self.settings.probes {
            match in_time(self.board.dataplane.resolve_source(*probe)).await {
                Ok(Some(source)) if is_martian(source) => {
                    reasons.push(format!("the source towards {probe} is {source}, which is not public"))
                }
                Ok(Some(source)) if ours.contains(&source) => {
                    reasons.push(format!("the source towards {probe} is {source}, which is on a tunnel of ours"))
                }
                Ok(Some(source)) => return Ok(source),
                Ok(None) => reasons.push(format!("there is no route to {probe}")),
                Err(fault) => reasons.push(fault.to_string()),
            }
        }
        Err(reasons.join("; "))
    }

    /// A route of the overlay may capture the probe: an address on a tunnel of ours is not the host's own.
    async fn overlay_addresses(&self) -> Result<Vec<Ipv4Addr>, String> {
        let observed = in_time(self.board.dataplane.observe(Scope::All)).await.map_err(|fault| fault.to_string())?;
        let addresses = observed.ours().flat_map(|(_, _, tunnel)| tunnel.addresses.iter().map(|address| address.address));
        Ok(addresses.collect())
    }

    async fn ask_service(&self) -> Result<Ipv4Addr, String> {
        let Some(url) = &self.settings.service_url else { return Err("no service to ask is configured".to_owned()) };
        let answer = ask(url).await.map_err(|error| format!("the address service does not answer: {}", error.without_url()))?;
        let address: Ipv4Addr = answer.trim().parse().map_err(|_| "the address service does not answer with an IPv4 address".to_owned())?;
        if is_martian(address) { Err(format!("the address service says {address}, which is not public")) } else { Ok(address) }
    }
}

async fn in_time<T>(question: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    timeout(DATAPLANE_TIMEOUT, question).await.unwrap_or_else(|_late| Err(late("ask the dataplane".to_owned())))
}

async fn ask(url: &str) -> Result<String, reqwest::Error> {
    let client = reqwest::Client::builder().timeout(SERVICE_TIMEOUT).build()?;
    let mut response = client.get(url).send().await?.error_for_status()?;
    let mut answer = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        answer.extend_from_slice(&chunk);
        if answer.len() > LONGEST_ANSWER {
            return Ok(String::new());
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Addresses that no host has on the public Internet (IANA special-purpose registry, RFC 6890).
fn is_martian(address: Ipv4Addr) -> bool {
    const MARTIANS: [(Ipv4Addr, u32); 13] = [
        (Ipv4Addr::new(0, 0, 0, 0), 8),
        (Ipv4Addr::new(10, 0, 0, 0), 8),
        (Ipv4Addr::new(100, 64, 0, 0), 10),
        (Ipv4Addr::new(127, 0, 0, 0), 8),
        (Ipv4Addr::new(169, 254, 0, 0), 16),
        (Ipv4Addr::new(172, 16, 0, 0), 12),
        (Ipv4Addr::new(192, 0, 0, 0), 24),
        (Ipv4Addr::new(192, 0, 2, 0), 24),
        (Ipv4Addr::new(192, 168, 0, 0), 16),
        (Ipv4Addr::new(198, 51, 100, 0), 24),
        (Ipv4Addr::new(203, 0, 113, 0), 24),
        (Ipv4Addr::new(224, 0, 0, 0), 4),
        (Ipv4Addr::new(240, 0, 0, 0), 4),
    ];
    MARTIANS.iter().any(|(network, length)| u32::from(address) >> (32 - length) == u32::from(*network) >> (32 - length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_and_reserved_addresses_are_martian_and_public_ones_are_not() {
        for martian in
            ["10.1.2.3", "100.64.0.1", "100.127.255.255", "169.254.1.1", "172.31.0.1", "192.168.1.1", "224.0.0.1", "255.255.255.255"]
        {
            assert!(is_martian(martian.parse().unwrap()), "{martian}");
        }
        for public in ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.32.0.1", "192.0.1.1", "223.255.255.255"] {
            assert!(!is_martian(public.parse().unwrap()), "{public}");
        }
    }
}

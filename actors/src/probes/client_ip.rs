//! Finds this host's public address, and goes on trying: as configured, else the kernel's source towards a public
//! address, else what a web service says. Which of them is in force is [`Addresses`]' to decide.

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::{task::spawn_blocking, time::timeout};
use warren_dataplane::Scope;
use warren_ledger::{Way, way::HttpSettings};
use warren_state::{
    Fault, Observed, SessionStatus, TunnelId,
    address::{Addresses, Chosen, InPlace, Look as Seeing, Outcome, Seen, Source, Unusable, is_public},
    event::Event,
    random::{SplitMix64, jittered},
};

use crate::{
    ClientSettings,
    board::{Board, ClientIp},
    keeper::chain,
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
    addresses: Addresses,
    /// Looks since the address service was asked.
    unasked: u32,
    /// Why the address that was pinned is not in force.
    pin_problem: Option<String>,
}

/// What a look led to.
struct Looked {
    next: Duration,
    /// Another address is to be confirmed.
    again: bool,
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
        let store = board.store();
        let remembered = spawn_blocking(move || store.and_then(|store| store.client_ip())).await?;
        let addresses = Addresses::new(board.client_ip.load().in_force, remembered);
        Ok(State { board, settings, retry: FIRST_RETRY, random, addresses, unasked: SERVICE_EVERY, pin_problem: None })
    }

    async fn handle(&self, myself: ActorRef<Look>, look: Look, state: &mut State) -> Result<(), ActorProcessingErr> {
        if let Some(configured) = state.settings.client_ip {
            return state.configured(configured).await;
        }
        state.read_pin();
        match look {
            Look::Due => {
                let looked = state.look().await?;
                myself.send_after(looked.next, || Look::Due);
                state.look_again(&myself, looked.again);
            }
            Look::Changed => {
                myself.send_after(SETTLE, || Look::Settled);
            }
            Look::Settled => {
                state.board.pokes.finder.answer();
                // A first address is looked for with its own, growing waits.
                if state.addresses.in_force().is_some() {
                    state.unasked = SERVICE_EVERY;
                    let looked = state.look().await?;
                    state.look_again(&myself, looked.again);
                }
            }
        }
        Ok(())
    }
}

impl State {
    /// The operator's word holds as it is, for the whole run.
    async fn configured(&mut self, address: Ipv4Addr) -> Result<(), ActorProcessingErr> {
        let before = self.addresses.in_force();
        self.addresses = Addresses::named(address);
        let Some(chosen) = self.addresses.in_force().filter(|chosen| before != Some(*chosen)) else { return Ok(()) };
        self.board.put_client_ip(self.board.pin(), self.to_publish());
        self.tell(address, None, "an operator names it");
        self.remember(chosen).await
    }

    /// Learns what is pinned: at the start from the store, and later from the operator, for whom it is in force already.
    fn read_pin(&mut self) {
        let Some(pin) = self.board.pin().filter(|pin| self.addresses.pinned() != Some(*pin)) else { return };
        let client_ip = self.board.client_ip.load();
        let in_force = client_ip.source == Source::Pin && client_ip.in_force.is_some_and(|chosen| chosen.address == pin);
        self.addresses.pin(pin, in_force);
        self.pin_problem = None;
    }

    fn look_again(&self, myself: &ActorRef<Look>, again: bool) {
        if again {
            myself.send_after(SETTLE, || Look::Settled);
        }
    }

    async fn look(&mut self) -> Result<Looked, ActorProcessingErr> {
        let before = self.addresses.in_force();
        let seen = self.see().await;
        if self.board.pin().is_some_and(|pin| self.addresses.pinned() != Some(pin)) {
            // It was pinned meanwhile; what was in force before is none of this look's business.
            self.read_pin();
            return Ok(Looked { next: self.settings.recheck_interval, again: true });
        }
        let outcome = match seen {
            Ok(seeing) => self.addresses.look(&seeing),
            Err(_) if self.addresses.trust_pin() => Ok(Outcome { changed: Some("it is pinned"), again: true, ..Outcome::default() }),
            // What cannot be seen changes nothing.
            Err(_) if before.is_some() => Ok(Outcome::default()),
            Err(reason) => Err(reason),
        };
        self.drop_pin().await?;
        match outcome {
            Ok(outcome) => {
                self.carry_out(&outcome, before).await?;
                Ok(Looked { next: self.settings.recheck_interval, again: outcome.again })
            }
            Err(reason) => Ok(Looked { next: self.not_found(reason), again: false }),
        }
    }

    /// What was pinned and is none of this host's is so no longer, in the store either.
    async fn drop_pin(&mut self) -> Result<(), ActorProcessingErr> {
        let Some(unusable) = self.addresses.take_dropped() else { return Ok(()) };
        let (Unusable::NotPublic(address) | Unusable::NotHere(address)) = unusable;
        self.pin_problem = Some(format!("{address} was pinned, and is no longer: {unusable}"));
        self.board.record(Event::PinDropped { address, reason: unusable.to_string() });
        let Some(store) = self.board.store() else { return Ok(()) };
        if let Err(error) = spawn_blocking(move || store.drop_pin(address)).await? {
            tracing::warn!(error = chain(&error), "that an address is pinned no longer cannot be written: the next start tries again");
        }
        Ok(())
    }

    async fn carry_out(&mut self, outcome: &Outcome, before: Option<Chosen>) -> Result<(), ActorProcessingErr> {
        let Some(chosen) = self.addresses.in_force() else { return Ok(()) };
        let (now, is) = (self.to_publish(), self.board.client_ip.load_full());
        let source = now.source;
        if *is != now && !self.board.put_client_ip(self.addresses.pinned(), now) {
            return Ok(());
        }
        if let Some(reason) = outcome.changed {
            self.retry = FIRST_RETRY;
            self.tell(chosen.address, before, reason);
            if source != Source::Pin {
                self.remember(chosen).await?;
            }
        }
        self.board.pokes.status.ring();
        if let (Some(reason), Some(other)) = (outcome.held, self.addresses.other()) {
            self.board.record(Event::ClientIpHeld { address: chosen.address, other, reason: reason.to_owned() });
        }
        Ok(())
    }

    fn to_publish(&self) -> ClientIp {
        let (in_force, source, other) = (self.addresses.in_force(), self.addresses.source(), self.addresses.other());
        let away =
            self.addresses.pin_away().map(|pin| format!("{pin} is pinned, and on no interface that is up on this host: a start drops it"));
        ClientIp { in_force, source, other, error: None, pin_problem: away.or_else(|| self.pin_problem.clone()) }
    }

    fn tell(&self, address: Ipv4Addr, before: Option<Chosen>, reason: &str) {
        let before = before.map(|before| before.address);
        self.board.record(Event::ClientIpFound { address, before, reason: reason.to_owned() });
        self.board.changed();
        self.board.pokes.watcher.ring();
    }

    /// The next start goes on with it.
    async fn remember(&self, chosen: Chosen) -> Result<(), ActorProcessingErr> {
        let Some(store) = self.board.store() else { return Ok(()) };
        let written = spawn_blocking(move || if store.client_ip() == Some(chosen) { Ok(()) } else { store.set_client_ip(chosen) }).await?;
        if let Err(error) = written {
            tracing::warn!(error = chain(&error), "this host's public address cannot be remembered for the next start");
        }
        Ok(())
    }

    fn not_found(&mut self, reason: String) -> Duration {
        let known = self.board.client_ip.load().error.as_deref() == Some(reason.as_str());
        if !known {
            tracing::warn!(%reason, "this host's public address is not known yet");
        }
        self.board.put_client_ip(self.addresses.pinned(), ClientIp { error: Some(reason), ..self.to_publish() });
        self.board.pokes.status.ring();
        let wait = jittered(self.retry, &mut self.random);
        self.retry = (self.retry * 2).min(LONGEST_RETRY);
        wait
    }

    async fn see(&mut self) -> Result<Seeing, String> {
        let observed = in_time(self.board.dataplane.observe(Scope::All)).await.map_err(|fault| fault.to_string())?;
        let guess = match self.ask_kernel(&observed).await {
            Ok(address) => Ok(Chosen { address, seen: Seen::Host }),
            Err(reason) => self.ask_service_in_turn(&observed, reason).await,
        };
        let tunnels = in_place(&self.board, &observed);
        let users = self.addresses.in_force().and_then(|chosen| self.board.names_users(chosen.address));
        Ok(Seeing { guess, up: observed.host_up(), host: observed.host, tunnels, users })
    }

    async fn ask_kernel(&self, observed: &Observed) -> Result<Ipv4Addr, String> {
        let ours = overlay_addresses(observed);
        let mut reasons = Vec::new();
        for probe in &self.settings.probes {
            match in_time(self.board.dataplane.resolve_source(*probe)).await {
                Ok(Some(source)) if !is_public(source) => {
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

    /// The service is others', so it is asked less often than the kernel: while there is no address, after a change of the
    /// host's network, and in a while. It has nothing to say of an address that the host itself has.
    async fn ask_service_in_turn(&mut self, observed: &Observed, reason: String) -> Result<Chosen, String> {
        let in_force = self.addresses.in_force();
        let is_known = in_force.is_some() || self.addresses.pinned().is_some();
        self.unasked += 1;
        if in_force.is_some_and(|chosen| observed.host.contains(&chosen.address)) || (is_known && self.unasked < SERVICE_EVERY) {
            return Err(reason);
        }
        self.unasked = 0;
        match self.ask_service().await {
            Ok(address) => Ok(Chosen { address, seen: Seen::Outside }),
            Err(service) => Err(format!("{reason}; {service}")),
        }
    }

    async fn ask_service(&self) -> Result<Ipv4Addr, String> {
        let Some(url) = &self.settings.service_url else { return Err("no service to ask is configured".to_owned()) };
        let answer = ask(&self.settings.way, url).await.map_err(|error| format!("the address service does not answer: {error}"))?;
        let address: Ipv4Addr = answer.trim().parse().map_err(|_| "the address service does not answer with an IPv4 address".to_owned())?;
        if is_public(address) { Ok(address) } else { Err(format!("the address service says {address}, which is not public")) }
    }
}

/// A route of the overlay may capture the probe: an address on a tunnel of ours is not the host's own.
fn overlay_addresses(observed: &Observed) -> BTreeSet<Ipv4Addr> {
    observed.ours().flat_map(|(_, _, tunnel)| tunnel.addresses.iter().map(|address| address.address)).collect()
}

fn in_place(board: &Board, observed: &Observed) -> Vec<InPlace> {
    let up = |report: &Arc<warren_state::lifecycle::TunnelReport>| (report.session == SessionStatus::Up).then_some(report.tunnel);
    let up: BTreeSet<TunnelId> = board.reports().iter().filter_map(up).collect();
    let by_ledger = observed.ours().filter(|(id, _, _)| !id.is_manual());
    by_ledger.map(|(id, _, tunnel)| InPlace { local: tunnel.link.local, works: up.contains(&id) }).collect()
}

async fn in_time<T>(question: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    timeout(DATAPLANE_TIMEOUT, question).await.unwrap_or_else(|_late| Err(late("ask the dataplane".to_owned())))
}

async fn ask(way: &Way, url: &str) -> Result<String, String> {
    let url: reqwest::Url = url.parse().map_err(|_| "its URL is none".to_owned())?;
    let said = |error: reqwest::Error| error.without_url().to_string();
    let http = way.http(HttpSettings { timeout: SERVICE_TIMEOUT, redirects: 10, proxies: true, keeps_connections: true }).map_err(said)?;
    let sent = http.send(&url, |client| client.get(url.clone())).await.map_err(said)?;
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

//! Finds this host's public address, and goes on trying: as configured, else the kernel's source towards a public
//! address, else what a web service says. Which of them is in force is [`Addresses`]' to decide.

mod looking;

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::task::spawn_blocking;
use warren_state::{
    Notice, Sequence,
    address::{Addresses, Chosen, FoundBecause, Outcome, PinChange, Source, Unusable},
    backoff::{Backoff, Jitter, Waits},
    event::Event,
    random::SplitMix64,
    table::{Change, HostAddress, InForce},
};

use crate::{
    env::Env,
    errors::chain,
    settings::{ClientSettings, RoleSettings},
    shared_table::{Following, Wants},
    supervision::{
        spec::{Order, Spec, linked},
        wakeup::waker,
    },
};

pub(crate) const SPEC: Spec = Spec {
    enabled: |settings| matches!(settings.role, RoleSettings::Client(_)),
    ..Spec::new("client_ip", Order::Source, |env, root| {
        linked(ClientIp, env, root)
    })
};

const RETRIES: Waits = Waits {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(30),
    jitter: Jitter::HALF_AROUND,
};
/// From a change of the host's network to the look, and from one look to the one that confirms it.
const SETTLE: Duration = Duration::from_secs(1);
/// Looks from one question to the address service to the next.
const SERVICE_EVERY: u32 = 5;

pub(crate) struct ClientIp;

/// When to look.
pub(crate) enum LookTrigger {
    /// It is time again.
    Due,
    /// The host's own network changed: once it is quiet.
    Changed,
    /// It is quiet, or another address is to be confirmed.
    Settled,
}

pub(crate) struct State {
    env: Arc<Env>,
    following: Following,
    /// How far the table was read.
    read: Sequence,
    /// As it was read last.
    view: Option<InForce>,
    /// The same.
    pin: Option<Ipv4Addr>,
    /// Something changed, and is waited out.
    settling: bool,
    settings: ClientSettings,
    retries: Backoff,
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

impl Actor for ClientIp {
    type Msg = LookTrigger;
    type State = State;
    type Arguments = Arc<Env>;

    async fn pre_start(
        &self,
        myself: ActorRef<LookTrigger>,
        env: Arc<Env>,
    ) -> Result<State, ActorProcessingErr> {
        let RoleSettings::Client(settings) = &env.settings.role else {
            return Err("a gateway has no client IP to find".into());
        };
        let settings = settings.clone();
        myself.cast(LookTrigger::Due)?;
        let following = env
            .table
            .follow(Wants::Changes(is_read), waker(&myself, || LookTrigger::Changed));
        let random = SplitMix64::new(env.settings.seed.rotate_left(29));
        let store = env.store();
        let remembered = spawn_blocking(move || store.and_then(|store| store.client_ip())).await?;
        let (read, tables) = env.table.snapshot();
        let addresses = Addresses::new(tables.address.in_force, remembered);
        let (unasked, pin_problem) = (SERVICE_EVERY, None);
        Ok(State {
            env,
            following,
            read,
            view: tables.view,
            pin: tables.disk.pin,
            settling: false,
            settings,
            retries: Backoff::until_success(RETRIES),
            random,
            addresses,
            unasked,
            pin_problem,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<LookTrigger>,
        look: LookTrigger,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        if let Some(configured) = state.settings.client_ip {
            return state.configured(configured).await;
        }
        state.read_pin();
        match look {
            LookTrigger::Due => {
                let looked = state.look().await?;
                myself.send_after(looked.next, || LookTrigger::Due);
                state.look_again(&myself, looked.again);
            }
            LookTrigger::Changed => {
                if state.is_told() && !std::mem::replace(&mut state.settling, true) {
                    myself.send_after(SETTLE, || LookTrigger::Settled);
                }
            }
            LookTrigger::Settled => {
                state.settling = false;
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
    /// Whether something is new that may lead to another address: the host's own network, what an operator pinned, or, where
    /// another address would be chosen, whether anybody uses the one in force.
    fn is_told(&mut self) -> bool {
        self.following.answer();
        let since = self.env.table.since(self.read);
        let host = since
            .changes()
            .is_none_or(|mut changes| changes.any(is_of_the_host));
        self.read = since.position;
        let now = since.tables;
        let view = !matches!((&now.view, &self.view), (Some(now), Some(before)) if now.is(before));
        self.view = now.view;
        let pin = std::mem::replace(&mut self.pin, now.disk.pin) != now.disk.pin;
        host || pin || (view && now.address.other.is_some())
    }

    /// The operator's word holds as it is, for the whole run.
    async fn configured(&mut self, address: Ipv4Addr) -> Result<(), ActorProcessingErr> {
        let before = self.addresses.in_force();
        self.addresses = Addresses::named(address);
        let Some(chosen) = self.addresses.in_force().filter(|chosen| before != Some(*chosen)) else {
            return Ok(());
        };
        let found = found(address, None, FoundBecause::Named);
        self.env
            .table
            .append(vec![found], vec![Change::Address(Arc::new(self.to_publish()))]);
        self.remember(chosen).await
    }

    /// Learns what is pinned: at the start from the store, and later from the operator, for whom it is in force already.
    fn read_pin(&mut self) {
        let tables = self.env.tables();
        let Some(pin) = tables
            .disk
            .pin
            .filter(|pin| self.addresses.pinned() != Some(*pin))
        else {
            return;
        };
        let is = &tables.address;
        let in_force = is.source == Source::Pin && is.in_force.is_some_and(|chosen| chosen.address == pin);
        self.addresses.pin(pin, in_force);
        self.pin_problem = None;
    }

    fn look_again(&self, myself: &ActorRef<LookTrigger>, again: bool) {
        if again {
            myself.send_after(SETTLE, || LookTrigger::Settled);
        }
    }

    async fn look(&mut self) -> Result<Looked, ActorProcessingErr> {
        let before = self.addresses.in_force();
        let seen = self.see().await;
        if self
            .env
            .tables()
            .disk
            .pin
            .is_some_and(|pin| self.addresses.pinned() != Some(pin))
        {
            // It was pinned meanwhile; what was in force before is none of this look's business.
            self.read_pin();
            return Ok(Looked {
                next: self.settings.recheck_interval,
                again: true,
            });
        }
        let outcome = match seen {
            Ok(seeing) => self.addresses.look(&seeing),
            Err(_) if self.addresses.trust_pin() => Ok(Outcome {
                changed: Some(FoundBecause::Pinned),
                again: true,
                ..Outcome::default()
            }),
            // What cannot be seen changes nothing.
            Err(_) if before.is_some() => Ok(Outcome::default()),
            Err(reason) => Err(reason),
        };
        self.drop_pin().await?;
        match outcome {
            Ok(outcome) => {
                self.carry_out(&outcome, before).await?;
                Ok(Looked {
                    next: self.settings.recheck_interval,
                    again: outcome.again,
                })
            }
            Err(reason) => Ok(Looked {
                next: self.not_found(reason),
                again: false,
            }),
        }
    }

    /// A pin that is not an address of this host is dropped, in the store too.
    async fn drop_pin(&mut self) -> Result<(), ActorProcessingErr> {
        let Some(unusable) = self.addresses.take_dropped() else {
            return Ok(());
        };
        let (Unusable::NotPublic(address) | Unusable::NotHere(address)) = unusable;
        self.pin_problem = Some(format!("{address} is no longer pinned: {unusable}"));
        let dropped = Event::PinDropped {
            address,
            reason: unusable,
        };
        let Some(store) = self.env.store() else {
            self.env.record(dropped);
            return Ok(());
        };
        let writing = store.clone();
        let written = spawn_blocking(move || writing.drop_pin(address)).await?;
        self.env.table.update(|tables| {
            let (mut events, changes) = self.env.store_news(&store, tables);
            events.insert(0, dropped);
            (events, changes)
        });
        if let Err(error) = written {
            tracing::debug!(
                error = chain(&error),
                "cannot record that the address is no longer pinned: the next start tries again"
            );
        }
        Ok(())
    }

    async fn carry_out(
        &mut self,
        outcome: &Outcome,
        before: Option<Chosen>,
    ) -> Result<(), ActorProcessingErr> {
        let Some(chosen) = self.addresses.in_force() else {
            return Ok(());
        };
        let (now, source) = (self.to_publish(), self.addresses.source());
        let mut events: Vec<Event> = outcome
            .changed
            .map(|reason| found(chosen.address, before, reason))
            .into_iter()
            .collect();
        if let (Some(reason), Some(other)) = (outcome.held, self.addresses.other()) {
            events.push(Event::ClientIpHeld {
                address: chosen.address,
                other,
                reason,
            });
        }
        events.extend(outcome.hold_over.then_some(Event::ClientIpHoldOver {
            address: chosen.address,
        }));
        events.extend(outcome.pin.map(|news| match news {
            PinChange::Away => Event::PinAway {
                address: chosen.address,
            },
            PinChange::Back => Event::PinBack {
                address: chosen.address,
            },
        }));
        if !self.put(events, now) {
            return Ok(());
        }
        if outcome.changed.is_some() {
            self.retries.forget();
            if source != Source::Pin {
                self.remember(chosen).await?;
            }
        }
        Ok(())
    }

    /// Puts it in force, unless an operator pinned another address than is known here. Gives whether it did.
    fn put(&self, events: Vec<Event>, now: HostAddress) -> bool {
        let mut up_to_date = false;
        self.env.table.update(|tables| {
            up_to_date = tables.disk.pin == self.addresses.pinned();
            match (up_to_date, *tables.address == now) {
                (false, _) => (vec![], vec![]),
                (true, true) => (events, vec![]),
                (true, false) => (events, vec![Change::Address(Arc::new(now))]),
            }
        });
        up_to_date
    }

    fn to_publish(&self) -> HostAddress {
        let (in_force, source, other) = (
            self.addresses.in_force(),
            self.addresses.source(),
            self.addresses.other(),
        );
        let away = self.addresses.pin_away().map(|pin| {
            format!("{pin} is pinned but on no interface of this host that is up: the next start drops it")
        });
        HostAddress {
            in_force,
            source,
            other,
            error: None,
            pin_problem: away.or_else(|| self.pin_problem.clone()),
        }
    }

    /// The next start goes on with it.
    async fn remember(&self, chosen: Chosen) -> Result<(), ActorProcessingErr> {
        let Some(store) = self.env.store() else {
            return Ok(());
        };
        let writing = store.clone();
        let write = move || {
            if writing.client_ip() == Some(chosen) {
                Ok(())
            } else {
                writing.set_client_ip(chosen)
            }
        };
        let written = spawn_blocking(write).await?;
        self.env.tell_store(&store);
        if let Err(error) = written {
            tracing::debug!(
                error = chain(&error),
                "cannot save this host's public address for the next start"
            );
        }
        Ok(())
    }

    fn not_found(&mut self, reason: String) -> Duration {
        let known = self.env.tables().address.error.as_deref() == Some(reason.as_str());
        let unknown = (!known).then(|| Event::ClientIpUnknown {
            detail: reason.clone(),
        });
        self.put(
            unknown.into_iter().collect(),
            HostAddress {
                error: Some(reason),
                ..self.to_publish()
            },
        );
        self.retries.fail(&mut self.random)
    }
}

fn found(address: Ipv4Addr, before: Option<Chosen>, reason: FoundBecause) -> Event {
    Event::ClientIpFound {
        address,
        before: before.map(|before| before.address),
        reason,
    }
}

fn is_of_the_host(change: &Change) -> bool {
    matches!(change, Change::Noticed(notice) if !matches!(notice, Notice::Tunnel(_)))
}

fn is_read(change: &Change) -> bool {
    matches!(change, Change::Noticed(_) | Change::Disk(_) | Change::View(_))
}

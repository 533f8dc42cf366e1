//! Writes what operators say to the durable store.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::{task::spawn_blocking, time::timeout};
use warren_state::{
    Switch,
    address::{Chosen, FoundBecause, Seen, Source},
    event::Event,
    table::{self, HostAddress, Tables},
};
use warren_store::{Change, Store};

use crate::{
    env::Env,
    errors::chain,
    settings::RoleSettings,
    snapshot::Snapshot,
    supervision::{
        exit::SwitchError,
        spec::{Order, Spec, linked},
        wakeup::waker,
        watchdog::Watch,
    },
};

pub(crate) const SPEC: Spec = Spec::new("store_writer", Order::Store, |env, root| {
    linked(StoreWriter, env, root)
});

/// From the switch to the snapshot that says so: not worth a long wait.
const SWITCHED: Duration = Duration::from_millis(100);
/// From a pin to that: the caller goes on with the address that it reads then.
const PINNED: Duration = Duration::from_secs(5);

/// Puts the enable switch and what is said with it on disk, then makes it the one in force, then acknowledges: one request after the other, so
/// that the last one acknowledged holds, on disk and live.
pub(crate) struct StoreWriter;

/// There are requests.
pub(crate) struct Woken;

pub(crate) struct State {
    env: Arc<Env>,
    store: Arc<Store>,
    watch: Watch,
}

impl Actor for StoreWriter {
    type Msg = Woken;
    type State = State;
    type Arguments = Arc<Env>;

    async fn pre_start(&self, myself: ActorRef<Woken>, env: Arc<Env>) -> Result<State, ActorProcessingErr> {
        let store = env.store().ok_or("the store is closed")?;
        let watch = env.watchdog.watch(SPEC.name, myself.get_cell());
        let switch = store.switch();
        // An earlier writer may have ended between the disk and the switch in force.
        env.table.update(|tables| {
            let (mut events, mut changes) = env.store_news(&store, tables);
            changes.extend((tables.switch != switch).then_some(table::Change::Switch(switch)));
            events.extend(store.unknown().map(|detail| Event::SwitchUnknown { detail }));
            (events, changes)
        });
        env.store_writer.wakeup.attach(waker(&myself, || Woken));
        Ok(State { env, store, watch })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Woken>,
        _woken: Woken,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.env.store_writer.wakeup.answer();
        while let Some((change, reply)) = state.env.store_writer.next() {
            let _nobody_waits = reply.send(state.set(change).await);
        }
        Ok(())
    }

    async fn post_stop(&self, _myself: ActorRef<Woken>, state: &mut State) -> Result<(), ActorProcessingErr> {
        state.env.store_writer.close();
        Ok(())
    }
}

impl State {
    async fn set(&self, change: Change) -> Result<(), SwitchError> {
        self.watch.progress.busy(Some(self.env.clock.now()));
        let store = self.store.clone();
        let written = spawn_blocking(move || store.set(change)).await;
        self.watch.progress.busy(None);
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(SwitchError::Store(chain(&error))),
            Err(error) => return Err(SwitchError::Store(error.to_string())),
        }
        self.env.table.update(|tables| self.follow(&change, tables));
        self.published(Switch::from(change.enabled), change.pin).await;
        Ok(())
    }

    /// What is on disk now comes into force, all of it at once.
    fn follow(&self, change: &Change, tables: &Tables) -> (Vec<Event>, Vec<table::Change>) {
        let (mut events, mut changes) = self.env.store_news(&self.store, tables);
        let switch = Switch::from(change.enabled);
        if tables.switch != switch {
            events.push(Event::Switched {
                enabled: change.enabled,
            });
            changes.push(table::Change::Switch(switch));
        }
        if let Some(address) = change.pin.filter(|_| self.may_pin()) {
            let before = tables.address.in_force.map(|chosen| chosen.address);
            let now = HostAddress {
                in_force: Some(Chosen {
                    address,
                    seen: Seen::Host,
                }),
                source: Source::Pin,
                ..HostAddress::default()
            };
            changes.push(table::Change::Address(Arc::new(now)));
            if tables.address.other.is_some() {
                events.push(Event::ClientIpHoldOver { address });
            }
            if before != Some(address) {
                events.push(Event::ClientIpFound {
                    address,
                    before,
                    reason: FoundBecause::PinnedNow,
                });
            }
        }
        (events, changes)
    }

    /// Whether an address that is pinned comes into force: not where the daemon was told one when it started.
    fn may_pin(&self) -> bool {
        match &self.env.settings.role {
            RoleSettings::Client(settings) => settings.client_ip.is_none(),
            RoleSettings::Gateway { .. } => false,
        }
    }

    /// A client that reads status after the acknowledgement sees what it set.
    async fn published(&self, switch: Switch, pin: Option<Ipv4Addr>) {
        let mut published = self.env.published.subscribe();
        let pinned =
            |snapshot: &Snapshot| pin.is_none() || (snapshot.client_ip() == pin && snapshot.pin == pin);
        let seen = published.wait_for(|snapshot| snapshot.switch == switch && pinned(snapshot));
        let _late = timeout(if pin.is_some() { PINNED } else { SWITCHED }, seen).await;
    }
}

//! The children of a tunnel's provisioner: its BGP session and its multicast services, which are started, told, ended, and started again when they fail.

use std::sync::Arc;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;
use warren_state::{
    BgpSpec, TunnelId,
    event::Event,
    lifecycle::{Input, MulticastRun, SessionNumber, SessionUpdate},
    restart::{Decision, History},
};

use super::{ChildSession, ProvisionerMessage, Services, State, wait_for};
use crate::tunnel::{
    multicast::{self, Multicast, MulticastMessage},
    session::{self, BgpSession, SessionMessage},
    session_queue::SessionQueue,
};

impl State {
    pub(super) async fn start_session(
        &mut self,
        myself: &ActorRef<ProvisionerMessage>,
        number: SessionNumber,
        spec: BgpSpec,
    ) -> Result<(), ActorProcessingErr> {
        if let Some(earlier) = self.session.take() {
            self.end(*earlier, false);
        }
        // The next session has the addresses of the one that is ending.
        self.last_words().await;
        let queue = Arc::<SessionQueue>::default();
        let actor = self.spawn_session(myself, number, &spec, queue.clone()).await?;
        let awaited_since = Some(self.env.clock.now());
        self.peer = Some(spec.peer_address);
        self.session = Some(Box::new(ChildSession {
            number,
            spec,
            actor: Some(actor),
            queue,
            history: History::default(),
            awaited_since,
        }));
        Ok(())
    }

    async fn spawn_session(
        &self,
        myself: &ActorRef<ProvisionerMessage>,
        number: SessionNumber,
        spec: &BgpSpec,
        queue: Arc<SessionQueue>,
    ) -> Result<ActorRef<SessionMessage>, ActorProcessingErr> {
        let (env, spec, provisioner) = (self.env.clone(), spec.clone(), myself.clone());
        let wake_provisioner = Box::new(move || {
            let _gone = provisioner.cast(ProvisionerMessage::Queued(number));
        });
        let arguments = session::Arguments {
            env,
            tunnel: self.tunnel,
            number,
            spec,
            queue,
            wake_provisioner,
        };
        let (actor, _task) = Actor::spawn_linked(None, BgpSession, arguments, myself.get_cell()).await?;
        Ok(actor)
    }

    pub(super) fn advertise(&mut self, number: SessionNumber, prefixes: Vec<ipnet::Ipv4Net>) {
        if let Some(session) = self.session.as_mut().filter(|session| session.number == number) {
            session.spec.advertise = prefixes.iter().copied().collect();
            if let Some(actor) = &session.actor {
                let _gone = actor.cast(SessionMessage::Advertise(prefixes));
            }
        }
    }

    pub(super) fn stop_session(&mut self, number: SessionNumber, cease: bool) {
        if let Some(session) = self.session.take_if(|session| session.number == number) {
            self.end(*session, cease);
        }
    }

    fn end(&mut self, session: ChildSession, cease: bool) {
        let (done, ending) = oneshot::channel();
        if session
            .actor
            .is_some_and(|actor| actor.cast(SessionMessage::Stop { cease, done }).is_ok())
        {
            self.ending = Some(ending);
        }
    }

    pub(super) async fn last_words(&mut self) {
        wait_for(self.ending.take()).await;
    }

    pub(super) async fn run_multicast(
        &mut self,
        myself: &ActorRef<ProvisionerMessage>,
        run: MulticastRun,
    ) -> Result<(), ActorProcessingErr> {
        match &mut self.multicast {
            Some(services) => {
                services.run = run.clone();
                if let Some(actor) = &services.actor {
                    let _its_end_is_being_told = actor.cast(MulticastMessage::Run(Box::new(run)));
                }
                Ok(())
            }
            None => {
                self.multicast = Some(Box::new(Services {
                    run,
                    actor: None,
                    history: History::default(),
                }));
                self.start_multicast(myself).await
            }
        }
    }

    pub(super) async fn start_multicast(
        &mut self,
        myself: &ActorRef<ProvisionerMessage>,
    ) -> Result<(), ActorProcessingErr> {
        let Some(services) = self
            .multicast
            .as_mut()
            .filter(|services| services.actor.is_none())
        else {
            return Ok(());
        };
        let arguments = multicast::Arguments {
            env: self.env.clone(),
            tunnel: self.tunnel,
            run: services.run.clone(),
        };
        let (actor, _task) = Actor::spawn_linked(None, Multicast, arguments, myself.get_cell()).await?;
        services.actor = Some(actor);
        Ok(())
    }

    pub(super) fn stop_multicast(&mut self) {
        let (done, pruning) = oneshot::channel();
        let actor = self.multicast.take().and_then(|services| services.actor);
        if actor.is_some_and(|actor| actor.cast(MulticastMessage::Stop(done)).is_ok()) {
            self.pruning = Some(pruning);
        }
    }

    pub(super) async fn child_failed(
        &mut self,
        myself: ActorRef<ProvisionerMessage>,
        cell: ActorCell,
        reason: String,
    ) -> Result<(), ActorProcessingErr> {
        let is_it = |services: &Services| {
            services
                .actor
                .as_ref()
                .is_some_and(|actor| actor.get_id() == cell.get_id())
        };
        let Some(services) = self.multicast.as_mut().filter(|services| is_it(services)) else {
            return self.session_failed(&myself, &cell, &reason).await;
        };
        services.actor = None;
        match services.history.failed(
            self.env.clock.now(),
            &(multicast::SPEC.policy)(&self.env.settings.policies),
        ) {
            Decision::Escalate { .. } => {
                self.env.count_restart(multicast::SPEC.name, None);
                Err(format!("its multicast services failed too often: {reason}").into())
            }
            Decision::Restart { after, count } => {
                self.env.count_restart(
                    multicast::SPEC.name,
                    Some(restarted(multicast::SPEC.name, self.tunnel, &reason, count)),
                );
                myself.send_after(after, || ProvisionerMessage::RestartMulticast);
                Ok(())
            }
        }
    }

    async fn session_failed(
        &mut self,
        myself: &ActorRef<ProvisionerMessage>,
        cell: &ActorCell,
        reason: &str,
    ) -> Result<(), ActorProcessingErr> {
        let is_it = |session: &ChildSession| {
            session
                .actor
                .as_ref()
                .is_some_and(|actor| actor.get_id() == cell.get_id())
        };
        let Some(session) = self.session.as_mut().filter(|session| is_it(session)) else {
            return Ok(());
        };
        session.actor = None;
        // What it said last is void with it, as after any other close.
        session.queue = Arc::default();
        let number = session.number;
        match session.history.failed(
            self.env.clock.now(),
            &(session::SPEC.policy)(&self.env.settings.policies),
        ) {
            Decision::Escalate { .. } => {
                self.env.count_restart(session::SPEC.name, None);
                return Err(format!("its BGP session failed too often: {reason}").into());
            }
            Decision::Restart { after, count } => {
                self.env.count_restart(
                    session::SPEC.name,
                    Some(restarted(session::SPEC.name, self.tunnel, reason, count)),
                );
                myself.send_after(after, move || ProvisionerMessage::RestartSession(number));
            }
        }
        for update in SessionUpdate::of_failure(reason) {
            let effects = self.driver.handle(Input::Session(number, update));
            self.carry_out(myself, effects).await?;
        }
        Ok(())
    }

    pub(super) async fn restart_session(
        &mut self,
        myself: &ActorRef<ProvisionerMessage>,
        number: SessionNumber,
    ) -> Result<(), ActorProcessingErr> {
        let Some(session) = self.session.as_ref().filter(|session| session.number == number) else {
            return Ok(());
        };
        let (spec, queue) = (session.spec.clone(), session.queue.clone());
        let actor = self.spawn_session(myself, number, &spec, queue).await?;
        if let Some(session) = &mut self.session {
            session.actor = Some(actor);
        }
        Ok(())
    }
}

/// The event of an actor of a tunnel that is started again.
fn restarted(actor: &str, tunnel: TunnelId, reason: &str, count: u32) -> Event {
    Event::ActorRestarted {
        actor: actor.to_owned(),
        tunnel: Some(tunnel),
        detail: reason.to_owned(),
        count,
    }
}

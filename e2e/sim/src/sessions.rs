//! The sessions, as their actors run them: over connections that may be slow, cut or gone.

use warren_protocols::bgp::{self, Output, Session, SessionConfig};
use warren_state::{
    BgpSpec, Core, Monotonic, TunnelId,
    lifecycle::{Input, SessionNumber, SessionUpdate},
    table::Change,
};

use crate::{
    trace::short,
    world::{Happening, World},
};

pub(crate) struct RunningSession {
    pub(crate) number: SessionNumber,
    pub(crate) spec: BgpSpec,
    /// `None` while it is down after a failure.
    pub(crate) machine: Option<Session>,
    pub(crate) flow: Option<u64>,
    /// When its last news arrives.
    news_at: Monotonic,
}

impl World {
    pub(crate) fn start_session(&mut self, tunnel: TunnelId, number: SessionNumber, spec: BgpSpec) {
        self.drop_session(tunnel);
        self.check_session_start(tunnel);
        let machine = Session::new(SessionConfig::new(spec.clone()));
        let session = RunningSession {
            number,
            spec,
            machine: Some(machine),
            flow: None,
            news_at: self.now,
        };
        if let Some(provisioner) = self.provisioner_mut(tunnel) {
            provisioner.session = Some(session);
        }
        self.tell_session(tunnel, bgp::Input::Start);
    }

    pub(crate) fn stop_session(&mut self, tunnel: TunnelId, number: SessionNumber, cease: bool) {
        if self
            .provisioner(tunnel)
            .and_then(|one| one.session.as_ref())
            .is_some_and(|session| session.number == number)
        {
            self.tell_session(tunnel, bgp::Input::Stop { cease });
            self.drop_session(tunnel);
        }
    }

    pub(crate) fn drop_session(&mut self, tunnel: TunnelId) {
        let session = self
            .provisioner_mut(tunnel)
            .and_then(|provisioner| provisioner.session.take());
        if let Some(flow) = session.and_then(|session| session.flow) {
            self.host_closes(flow);
        }
    }

    /// A session's actor fails and is started again, with the same number.
    pub(crate) fn fail_session(&mut self, tunnel: TunnelId) {
        let Some(session) = self.provisioner_mut(tunnel).and_then(|one| one.session.as_mut()) else {
            return;
        };
        session.machine = None;
        let (number, flow) = (session.number, session.flow.take());
        if let Some(flow) = flow {
            self.host_closes(flow);
        }
        self.note(|| format!("failure: the session of {}", short(tunnel)));
        for update in SessionUpdate::of_failure("it failed") {
            self.tell_provisioner(tunnel, Input::Session(number, update));
        }
        let wait = self.chance.millis(1, 500);
        let ids = self
            .provisioner(tunnel)
            .map(|provisioner| provisioner.id)
            .zip(self.daemon.as_ref().map(|daemon| daemon.run));
        if let Some((id, run)) = ids {
            self.after(wait, Happening::SessionRestarts(run, tunnel, id));
        }
    }

    pub(crate) fn restart_session(&mut self, tunnel: TunnelId) {
        let Some(session) = self.provisioner_mut(tunnel).and_then(|one| one.session.as_mut()) else {
            return;
        };
        if session.machine.is_none() {
            session.machine = Some(Session::new(SessionConfig::new(session.spec.clone())));
            self.tell_session(tunnel, bgp::Input::Start);
        }
    }

    pub(crate) fn tell_session(&mut self, tunnel: TunnelId, input: bgp::Input<'_>) {
        let now = self.now;
        let Some(session) = self
            .daemon
            .as_mut()
            .and_then(|daemon| daemon.provisioners.get_mut(&tunnel)?.session.as_mut())
        else {
            return;
        };
        let Some(machine) = &mut session.machine else {
            return;
        };
        let outputs = machine.handle(now, input, self.machine_chance.source());
        for output in outputs {
            if self.breach.is_some() || !self.carry_out_output(tunnel, output) {
                return;
            }
        }
    }

    fn carry_out_output(&mut self, tunnel: TunnelId, output: Output) -> bool {
        match output {
            Output::Connect(number) => self.connect(tunnel, number),
            Output::Send(bytes) => self.host_sends(tunnel, bytes),
            Output::Disconnect(_) => {
                let flow = self
                    .provisioner_mut(tunnel)
                    .and_then(|one| one.session.as_mut()?.flow.take());
                if let Some(flow) = flow {
                    self.host_closes(flow);
                }
            }
            Output::Status(status, detail) => {
                self.session_news(tunnel, SessionUpdate::Status(status, detail))
            }
            Output::Routes { announced, withdrawn } => {
                self.check_announced(tunnel, &announced);
                self.session_news(tunnel, SessionUpdate::Routes { announced, withdrawn });
            }
            Output::Synced => self.session_news(tunnel, SessionUpdate::Synced),
            Output::Closed => self.session_news(tunnel, SessionUpdate::Closed),
            Output::Standing(standing) => self.append(vec![], vec![Change::Session(tunnel, standing)]),
            Output::Stopped => {}
        }
        self.count_effect()
    }

    fn session_news(&mut self, tunnel: TunnelId, update: SessionUpdate) {
        let (now, wait) = (self.now, self.chance.millis(0, 5));
        let Some(run) = self.daemon.as_ref().map(|daemon| daemon.run) else {
            return;
        };
        let Some(provisioner) = self.provisioner_mut(tunnel) else {
            return;
        };
        let id = provisioner.id;
        let Some(session) = &mut provisioner.session else {
            return;
        };
        session.news_at = session.news_at.max(now + wait);
        let (at, number) = (session.news_at, session.number);
        self.queue.push(
            at,
            Happening::Provisioner(run, tunnel, id, Box::new(Input::Session(number, update))),
        );
    }
}

//! The reconciler with scripted inputs on a virtual clock.

mod books;
mod ends;
mod held;
mod manual;
mod mtu;
mod rates;
mod reader;
mod shutdown;
mod sources;
mod views;
mod watching;

use std::time::Duration;

use super::{entries::*, machine::*, *};
use crate::{
    Asn, Core, FaultClass, Monotonic, Phase, Pubkey, ServiceKind, SessionStatus, Slot, StopMode, TunnelWant,
    View,
    model::Model,
    plan::plan_tunnel,
    random::SplitMix64,
    testing::name,
    view::{Device, GlobalConfig, RawIp, RawNet, User, UserStatus},
};

const CLIENT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const DEVICE: Pubkey = Pubkey([200; 32]);

fn id(n: u8) -> TunnelId {
    TunnelId(Pubkey([n; 32]))
}

/// A user of the gateway: each has a tunnel of its own.
fn user(n: u8) -> User {
    User {
        owner: Pubkey([9; 32]),
        kind: Ok(ServiceKind::Ibrl),
        tenant: Pubkey::default(),
        device: DEVICE,
        client_ip: Ipv4Addr::new(198, 51, 100, n),
        dz_ip: Ipv4Addr::new(198, 51, 100, n),
        tunnel_number: 500 + u16::from(n),
        tunnel_net: RawNet {
            address: RawIp(Ipv4Addr::new(169, 254, n, 0)),
            prefix_len: 31,
        },
        status: UserStatus::Activated,
        publishers: vec![],
        subscribers: vec![],
        tunnel_endpoint: Ipv4Addr::UNSPECIFIED,
    }
}

/// A user of this host: at most one of them has a tunnel.
fn own_user(n: u8) -> User {
    User {
        client_ip: CLIENT,
        dz_ip: CLIENT,
        ..user(n)
    }
}

fn view(users: impl IntoIterator<Item = (u8, User)>) -> View {
    let public_ip = Ipv4Addr::new(203, 0, 113, 1);
    let device = Device {
        code: "ams1".into(),
        exchange: Pubkey::default(),
        public_ip,
        status: 1,
        prefixes: vec![],
    };
    View {
        slot: Slot(1),
        users: users.into_iter().map(|(n, user)| (id(n).0, user)).collect(),
        devices: BTreeMap::from([(DEVICE, device)]),
        config: Some(GlobalConfig {
            local_asn: Asn(0),
            remote_asn: Asn(0),
        }),
        ..View::default()
    }
}

struct Bench {
    machine: Reconciler,
    model: Model,
    now: Monotonic,
    random: SplitMix64,
    /// The MTU of every way.
    underlay: Option<u32>,
}

impl Bench {
    fn new(role: Option<Role>) -> Self {
        Self::with(role, ReconcilerSettings::default())
    }

    fn with(role: Option<Role>, settings: ReconcilerSettings) -> Self {
        let machine = Reconciler::new(role, settings, Incarnation(1 << 32));
        let now = Monotonic::ZERO + Duration::from_secs(1000);
        Self {
            machine,
            model: Model::new(),
            now,
            random: SplitMix64::new(1),
            underlay: Some(1500),
        }
    }

    fn gateway() -> Self {
        Self::new(Some(Role::Gateway { device: DEVICE }))
    }

    fn client() -> Self {
        Self::new(Some(Role::Client { client_ip: CLIENT }))
    }

    /// On, with these users in force, and all tunnels active.
    fn running(mut self, users: impl IntoIterator<Item = (u8, User)>) -> Self {
        self.give(Input::Switch(Switch::On));
        self.view(view(users));
        for _ in 0..3 {
            self.observe();
        }
        self.build_all();
        self.observe();
        self
    }

    fn give(&mut self, input: Input) -> Vec<String> {
        let mut effects = self.machine.handle(self.now, input, &mut self.random);
        // The kernel knows the way to everybody, and says so at once.
        while let Some(at) = effects
            .iter()
            .position(|effect| matches!(effect, Effect::MeasureUnderlay(_)))
        {
            let Effect::MeasureUnderlay(paths) = effects.remove(at) else {
                unreachable!()
            };
            let mtus = paths.into_iter().map(|path| (path, self.underlay)).collect();
            let answered = self
                .machine
                .handle(self.now, Input::Underlay(mtus), &mut self.random);
            effects.splice(at..at, answered);
        }
        effects.iter().map(text).filter(|line| !line.is_empty()).collect()
    }

    fn view(&mut self, view: View) -> Vec<String> {
        self.give(Input::View(AcceptedView::new(Arc::new(view), self.now)))
    }

    /// Answers the observation that is under way.
    fn observe(&mut self) -> Vec<String> {
        let observed = Arc::new(self.model.observed().clone());
        self.give(Input::Observed(Ok(observed)))
    }

    /// Does the provisioners' work: every assigned tunnel is in the kernel and active.
    fn build_all(&mut self) {
        let wants: Vec<TunnelWant> = self.machine.desired.tunnels.values().cloned().collect();
        for want in wants {
            self.model
                .apply_all(&plan_tunnel(&want, &self.model.observed()).steps);
            self.report(&want.spec, Phase::Active, None);
        }
    }

    fn report(
        &mut self,
        spec: &TunnelSpec,
        phase: Phase,
        failure: Option<crate::lifecycle::FailureReport>,
    ) -> Vec<String> {
        let report = TunnelReport {
            tunnel: spec.id,
            spec: Some(spec.clone().into()),
            incarnation: Incarnation(0),
            phase,
            since: self.now,
            failure: failure.map(Box::new),
            rate_failure: None,
            session: SessionStatus::Up,
            session_detail: None,
            session_cause: None,
            session_since: None,
            learned_routes: 0,
            blocked_routes: Default::default(),
            withheld_routes: Default::default(),
            excluded_routes: 0,
            capturing_routes: Default::default(),
            postponed: None,
            repairs: 0,
            contest: None,
            attempts: 0,
        };
        self.give(Input::Tunnel(Arc::new(report)))
    }

    fn ended(&mut self, n: u8) -> Vec<String> {
        self.give(Input::ProvisionerEnded {
            tunnel: id(n),
            finished: true,
        })
    }

    /// The next full look at the host.
    fn pass_and_observe(&mut self) -> Vec<String> {
        let (_, mut effects) = self.pass("resync");
        effects.extend(self.observe());
        effects
    }

    fn pass(&mut self, expected: &str) -> (Duration, Vec<String>) {
        let deadline = self.machine.poll_timeout().expect("no deadline");
        assert_eq!(deadline.name, expected);
        let waited = deadline.at.since(self.now);
        self.now = self.now.max(deadline.at);
        let effects = self.give(Input::Timeout);
        assert!(
            self.machine.poll_timeout().is_none_or(|next| next.at > self.now),
            "a deadline that passed stays due"
        );
        (waited, effects)
    }
}

fn text(effect: &Effect) -> String {
    let number = |tunnel: &TunnelId| tunnel.0.0[0];
    match effect {
        Effect::Observe => "observe".into(),
        Effect::ResolveSources(endpoints) => format!("resolve {endpoints:?}"),
        Effect::MeasureUnderlay(paths) => format!("measure {paths:?}"),
        Effect::Assign { spec, .. } => format!("assign {} {}", number(&spec.id), spec.link.name),
        Effect::RemoveRules(rules) => format!("remove {} rules", rules.len()),
        Effect::Retire { tunnel, link, .. } => format!("retire {} {link}", number(tunnel)),
        Effect::Recheck(tunnel) => format!("recheck {}", number(tunnel)),
        Effect::Sighted(tunnel, _) => format!("show {}", number(tunnel)),
        Effect::Detach(tunnel) => format!("detach {}", number(tunnel)),
        Effect::Record(_) => String::new(),
        Effect::Finished => "finished".into(),
    }
}

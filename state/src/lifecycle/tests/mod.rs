//! The machine against the model kernel on a virtual clock.

mod blocked;
mod building;
mod contest;
mod excluding;
mod failing;
mod moving;
mod rates;
mod removing;
mod services;
mod sessions;
mod table;
mod told;

use std::{collections::VecDeque, time::Duration};

use ipnet::Ipv4Net;

use super::*;
use crate::{
    Core, Deadline, Epoch, FaultClass, NodeId, StepOutcome,
    invariant::Invariant,
    model::Model,
    random::SplitMix64,
    table::{Bounds, Table},
    testing::{name, net, spec, tunnel},
};

/// The deadline by which it is told how many routes there are.
const ROUTES: &str = "routes";

/// One provisioner: the machine, the kernel, the clock and a script of faults.
struct Bench {
    machine: Lifecycle,
    model: Model,
    now: Monotonic,
    random: SplitMix64,
    /// All effects so far.
    log: Vec<Effect>,
    /// Effects that were not carried out yet.
    pending: VecDeque<Effect>,
    /// The n-th step applied from now on fails like this.
    step_faults: VecDeque<Option<FaultClass>>,
    removal_faults: VecDeque<FaultClass>,
    observe_faults: VecDeque<FaultClass>,
}

impl Bench {
    fn new() -> Self {
        Self::on(Model::new())
    }

    fn on(model: Model) -> Self {
        Self {
            machine: Lifecycle::new(tunnel(1), LifecycleSettings::default()),
            model,
            now: Monotonic::ZERO + Duration::from_secs(1000),
            random: SplitMix64::new(1),
            log: Vec::new(),
            pending: VecDeque::new(),
            step_faults: VecDeque::new(),
            removal_faults: VecDeque::new(),
            observe_faults: VecDeque::new(),
        }
    }

    /// A tunnel that is built, with its session up and its table received.
    fn active() -> Self {
        let mut bench = Self::new();
        bench.assign(spec(1, "t0"));
        bench.run();
        bench.session(SessionUpdate::Status(SessionStatus::Up, None));
        bench.routes(&["198.18.0.0/24", "198.18.1.0/24"], &[]);
        bench.session(SessionUpdate::Synced);
        bench.run();
        assert_eq!(bench.machine.phase(), Phase::Active);
        bench.log.clear();
        bench
    }

    /// Gives an input and leaves its effects pending.
    fn give(&mut self, input: Input) -> Vec<Effect> {
        let effects = self.machine.handle(self.now, input, &mut self.random);
        self.check_told(&effects);
        self.log.extend(effects.iter().cloned());
        self.pending.extend(effects.iter().cloned());
        effects
    }

    /// Whoever reads what happened finds it in the table that the step leaves.
    fn check_told(&self, effects: &[Effect]) {
        let Told { events, changes, .. } = Telling::default().part(&self.machine, effects.to_vec());
        let mut table = Table::new(NodeId::default(), Epoch(1), Bounds::of_events(1));
        table.append(0, vec![], changes);
        assert_eq!(table.tables().belied(&events), None);
    }

    fn assign(&mut self, spec: impl Into<std::sync::Arc<TunnelSpec>>) -> Vec<Effect> {
        self.give(Input::Assign(Assignment {
            spec: spec.into(),
            incarnation: Incarnation(10),
            generation: Generation(1),
        }))
    }

    fn retire(&mut self) -> Vec<Effect> {
        self.give(Input::Retire {
            link: name("t0"),
            reason: RetireReason::NotAskedFor { refusal: None },
        })
    }

    fn session(&mut self, update: SessionUpdate) -> Vec<Effect> {
        let number = SessionNumber(self.machine.sessions_started);
        self.give(Input::Session(number, update))
    }

    /// What was found out for the incarnation that is there.
    fn verdicts(&mut self, verdicts: Vec<(Ipv4Net, Usability)>) -> Vec<Effect> {
        self.give(Input::Liveness(self.machine.report().incarnation, verdicts))
    }

    fn routes(&mut self, announced: &[&str], withdrawn: &[&str]) -> Vec<Effect> {
        let nets = |texts: &[&str]| texts.iter().map(|text| net(text)).collect::<Vec<Ipv4Net>>();
        self.session(SessionUpdate::Routes {
            announced: nets(announced),
            withdrawn: nets(withdrawn),
        })
    }

    /// Carries out what is pending, and what comes of it, until nothing is under way.
    fn run(&mut self) {
        for _ in 0..100 {
            let Some(effect) = self.pending.pop_front() else {
                return;
            };
            if let Some(answer) = self.carry_out(effect) {
                let removed = matches!(answer, Input::Removed(_));
                let effects = self.give(answer);
                self.check_left(removed && effects.contains(&Effect::Finished));
            }
        }
        panic!("the machine does not come to rest");
    }

    fn check_left(&self, is_gone: bool) {
        let left = self.model.observed();
        let holds = !is_gone || left.rules.is_empty() && left.ours().next().is_none();
        assert_eq!(
            Invariant::NothingIsLeftBehind.check(holds, || format!("{left:?}")),
            None
        );
    }

    /// What is to be done first.
    fn operation(&mut self) -> Effect {
        let is_told = |effect: &Effect| matches!(effect, Effect::Record(_));
        self.pending.retain(|effect| !is_told(effect));
        self.pending.pop_front().unwrap()
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Observe { link } => Some(Input::Observed(match self.observe_faults.pop_front() {
                Some(class) => Err(fault(class)),
                None => Ok(self.model.observe_tunnel(tunnel(1), Some(&link))),
            })),
            Effect::Apply { steps, generation } => {
                let mut outcomes = Vec::new();
                for step in steps {
                    let outcome = match self.step_faults.pop_front().flatten() {
                        Some(class) => StepOutcome::Failed(fault(class)),
                        None => self.model.apply(&step),
                    };
                    let failed = outcome.stops(&step);
                    outcomes.push((step, outcome));
                    if failed {
                        break;
                    }
                }
                Some(Input::Applied(ApplyReport {
                    generation,
                    steps: outcomes,
                    managed: Default::default(),
                    capabilities: Default::default(),
                }))
            }
            Effect::Remove { rules } => Some(Input::Removed(match self.removal_faults.pop_front() {
                Some(class) => RemovalReport {
                    failed: vec![fault(class)],
                    ..RemovalReport::default()
                },
                None => self.model.remove(tunnel(1), &rules),
            })),
            Effect::StartSession { .. }
            | Effect::Advertise { .. }
            | Effect::StopSession { .. }
            | Effect::Multicast(_)
            | Effect::WatchRoutes { .. }
            | Effect::Record(_)
            | Effect::Finished => None,
        }
    }

    /// Lets the next deadline pass, which must have this name, and carries out what follows.
    fn pass(&mut self, expected: &str) -> Duration {
        let began = self.now;
        let deadline = if expected == ROUTES {
            self.machine.poll_timeout()
        } else {
            self.next_deadline()
        }
        .expect("no deadline");
        assert_eq!(deadline.name, expected);
        let waited = deadline.at.since(began);
        self.now = self.now.max(deadline.at);
        self.give(Input::Timeout);
        assert!(
            self.machine.poll_timeout().is_none_or(|next| next.at > self.now),
            "a deadline that passed stays due"
        );
        self.run();
        waited
    }

    /// The next deadline, once it was told how many routes there are, which changes nothing.
    fn next_deadline(&mut self) -> Option<Deadline> {
        loop {
            let deadline = self.machine.poll_timeout()?;
            if deadline.name != ROUTES {
                return Some(deadline);
            }
            self.now = self.now.max(deadline.at);
            self.give(Input::Timeout);
            self.run();
        }
    }

    fn phase(&self) -> Phase {
        self.machine.phase()
    }

    fn events(&self) -> Vec<&Event> {
        self.log
            .iter()
            .filter_map(|effect| {
                if let Effect::Record(event) = effect {
                    Some(event)
                } else {
                    None
                }
            })
            .collect()
    }

    fn phases(&self) -> Vec<Phase> {
        let to = |event: &&Event| {
            if let Event::PhaseChanged { to, .. } = event {
                Some(*to)
            } else {
                None
            }
        };
        self.events().iter().filter_map(to).collect()
    }

    fn applied(&self) -> Vec<String> {
        let steps = |effect: &Effect| {
            if let Effect::Apply { steps, .. } = effect {
                steps.clone()
            } else {
                vec![]
            }
        };
        self.log
            .iter()
            .flat_map(steps)
            .map(|step| step.to_string())
            .collect()
    }

    fn routes_in_kernel(&self) -> Vec<String> {
        let tunnel = &self.model.links()[&name("t0")];
        tunnel.routes.iter().map(|route| route.dst.to_string()).collect()
    }

    fn mark(&self) -> u64 {
        self.model.observed().tunnels[&tunnel(1)].incarnation.0
    }
}

fn fault(class: FaultClass) -> Fault {
    Fault {
        class,
        operation: "try".into(),
        detail: "scripted".into(),
    }
}

fn kinds(effects: &[Effect]) -> Vec<&'static str> {
    let kind = |effect: &Effect| match effect {
        Effect::Observe { .. } => "observe",
        Effect::Apply { .. } => "apply",
        Effect::Remove { .. } => "remove",
        Effect::StartSession { .. } => "start",
        Effect::Advertise { .. } => "advertise",
        Effect::StopSession { cease: true, .. } => "stop",
        Effect::StopSession { cease: false, .. } => "close",
        Effect::Multicast(Some(_)) => "multicast",
        Effect::Multicast(None) => "prune",
        Effect::WatchRoutes { .. } => "watch",
        Effect::Finished => "finished",
        Effect::Record(_) => "",
    };
    effects.iter().map(kind).filter(|kind| !kind.is_empty()).collect()
}

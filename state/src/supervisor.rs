//! The supervisor of the provisioners, as a machine: who is started, what is passed on, who is started again and when. The
//! provisioners themselves are the shell's.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    Core, Deadline, Monotonic, TunnelId,
    event::Event,
    lifecycle,
    random::Random,
    restart::{Decision, History, RestartPolicy},
    table::Change,
};

/// The name of its children in events and metrics.
pub const PROVISIONER: &str = "provisioner";

/// Everything that can happen to the machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Input {
    /// From the reconciler, to the provisioner of a tunnel.
    Deliver(TunnelId, Box<lifecycle::Input>),
    /// The provisioner had nothing left to do, and ended.
    Finished(TunnelId),
    /// The provisioner failed, and why.
    Failed(TunnelId, String),
    /// The deadline has passed.
    Timeout,
}

/// What is to be done, in order.
#[derive(Clone, Debug, Serialize)]
pub enum Effect {
    /// Start a provisioner for this tunnel, and give it this.
    Start(TunnelId, Box<lifecycle::Input>),
    /// Give this to the tunnel's provisioner.
    Pass(TunnelId, Box<lifecycle::Input>),
    /// Append this to the table, in one step.
    Tell(End),
    /// Provisioners fail so often that this supervisor must not go on, and how often.
    Escalate(String),
}

/// The end of a provisioner.
#[derive(Clone, Debug, Serialize)]
pub struct End {
    /// The tunnel that it belongs to.
    pub tunnel: TunnelId,
    /// Whether it had nothing left to do.
    pub finished: bool,
    /// What tells of it.
    pub event: Option<Event>,
}

/// Holds one child for each tunnel that has a provisioner, or had one that failed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Supervisor {
    policy: RestartPolicy,
    children: BTreeMap<TunnelId, Child>,
    due: BTreeSet<(Monotonic, TunnelId)>,
    /// The failures of all provisioners together.
    storm: History,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Child {
    history: History,
    state: State,
}

#[derive(Debug, Default, Serialize, Deserialize)]
enum State {
    #[default]
    Running,
    /// The provisioner is down until then, or for good; the last thing that it was to do.
    Down {
        until: Option<Monotonic>,
        pending: Option<Box<lifecycle::Input>>,
    },
}

impl Supervisor {
    /// No provisioners yet. Delays count for each tunnel, restarts for all of them together.
    #[must_use]
    pub fn new(policy: RestartPolicy) -> Self {
        Self {
            policy,
            children: BTreeMap::new(),
            due: BTreeSet::new(),
            storm: History::default(),
        }
    }
}

impl End {
    /// What it changes.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        if self.finished {
            return vec![Change::TunnelGone(self.tunnel)];
        }
        vec![Change::TunnelDown(self.tunnel), Change::Restarted(PROVISIONER)]
    }
}

impl Core for Supervisor {
    const NAME: &'static str = "tunnels";
    type Input<'a> = Input;
    type Effect = Effect;
    const TIMEOUT: fn() -> Input = || Input::Timeout;

    const HAS_MANY: bool = true;

    fn is_of_many(input: &Input) -> bool {
        match input {
            Input::Deliver(..) | Input::Finished(_) => true,
            Input::Failed(..) | Input::Timeout => false,
        }
    }

    fn handle(&mut self, now: Monotonic, input: Input, _: &mut dyn Random) -> Vec<Effect> {
        match input {
            Input::Deliver(tunnel, input) => self.deliver(tunnel, input),
            Input::Finished(tunnel) => self.forget(tunnel),
            Input::Failed(tunnel, reason) => self.failed(now, tunnel, &reason),
            Input::Timeout => self.restart(now),
        }
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.due.first().map(|(at, _)| Deadline {
            at: *at,
            name: "restart",
        })
    }

    fn told(effect: &Effect) -> Option<&Event> {
        match effect {
            Effect::Tell(end) => end.event.as_ref(),
            Effect::Start(..) | Effect::Pass(..) | Effect::Escalate(_) => None,
        }
    }
}

impl Supervisor {
    fn deliver(&mut self, tunnel: TunnelId, input: Box<lifecycle::Input>) -> Vec<Effect> {
        match self.children.get_mut(&tunnel) {
            Some(Child {
                state: State::Running,
                ..
            }) => vec![Effect::Pass(tunnel, input)],
            Some(Child {
                state: State::Down { pending, .. },
                ..
            }) if starts(&input) => {
                *pending = Some(input);
                Vec::new()
            }
            None if starts(&input) => {
                self.children.insert(tunnel, Child::default());
                vec![Effect::Start(tunnel, input)]
            }
            Some(_) | None if matches!(*input, lifecycle::Input::Detach) => self.forget(tunnel),
            Some(_) | None => Vec::new(),
        }
    }

    fn forget(&mut self, tunnel: TunnelId) -> Vec<Effect> {
        self.children.remove(&tunnel);
        vec![Effect::Tell(End {
            tunnel,
            finished: true,
            event: None,
        })]
    }

    fn failed(&mut self, now: Monotonic, tunnel: TunnelId, reason: &str) -> Vec<Effect> {
        let Some(child) = self.children.get_mut(&tunnel) else {
            return Vec::new();
        };
        let (mut event, mut until) = (None, None);
        if let Decision::Restart { after, count } = child.history.failed(now, &self.policy) {
            until = Some(now + after);
            self.due.insert((now + after, tunnel));
            event = Some(Event::ActorRestarted {
                actor: PROVISIONER.to_owned(),
                tunnel: Some(tunnel),
                detail: reason.to_owned(),
                count,
            });
        }
        child.state = State::Down { until, pending: None };
        let mut effects = vec![Effect::Tell(End {
            tunnel,
            finished: false,
            event,
        })];
        if let Decision::Escalate { count } = self.storm.failed(now, &self.policy) {
            let window = self.policy.window.as_secs();
            effects.push(Effect::Escalate(format!(
                "{count} failures within {window} s, the last one: {reason}"
            )));
        }
        effects
    }

    /// Those whose backoff is over. One that has nothing to do starts afresh, should the reconciler have something later.
    fn restart(&mut self, now: Monotonic) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some((_, tunnel)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.pop_first();
            let Some(child) = self.children.get_mut(&tunnel).filter(|child| child.is_due(now)) else {
                continue;
            };
            if let State::Down {
                pending: Some(input), ..
            } = std::mem::take(&mut child.state)
            {
                effects.push(Effect::Start(tunnel, input));
            } else {
                self.children.remove(&tunnel);
            }
        }
        effects
    }
}

impl Child {
    fn is_due(&self, now: Monotonic) -> bool {
        matches!(self.state, State::Down { until: Some(until), .. } if until <= now)
    }
}

/// Whether a provisioner is started for this.
fn starts(input: &lifecycle::Input) -> bool {
    use lifecycle::Input;
    match input {
        Input::Assign(_) | Input::Retire { .. } => true,
        Input::Observed(_)
        | Input::Applied(_)
        | Input::Removed(_)
        | Input::Session(..)
        | Input::Liveness(..)
        | Input::Recheck
        | Input::Sighted(_)
        | Input::Detach
        | Input::Timeout => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::lifecycle::RetireReason;
    use crate::{LinkName, Pubkey, random::SplitMix64};

    const POLICY: RestartPolicy = RestartPolicy {
        restarts: 3,
        window: Duration::from_secs(60),
        first_delay: Duration::from_millis(100),
        longest_delay: Duration::from_secs(1),
    };

    fn id(n: u8) -> TunnelId {
        TunnelId(Pubkey([n; 32]))
    }

    fn at(milliseconds: u64) -> Monotonic {
        Monotonic::from_elapsed(Duration::from_millis(milliseconds))
    }

    fn retire(link: &str) -> Box<lifecycle::Input> {
        let (link, reason) = (LinkName::new(link).unwrap(), RetireReason::Disabled);
        Box::new(lifecycle::Input::Retire { link, reason })
    }

    fn feed(supervisor: &mut Supervisor, now: u64, input: Input) -> Vec<String> {
        let effects = supervisor.handle(at(now), input, &mut SplitMix64::new(1));
        effects.iter().map(brief).collect()
    }

    fn brief(effect: &Effect) -> String {
        let what = |input: &lifecycle::Input| match input {
            lifecycle::Input::Retire { link, .. } => link.to_string(),
            other => format!("{other:?}"),
        };
        match effect {
            Effect::Start(_, input) => format!("start {}", what(input)),
            Effect::Pass(_, input) => format!("pass {}", what(input)),
            Effect::Tell(End {
                finished: true,
                event: None,
                ..
            }) => "finished".to_owned(),
            Effect::Tell(end) => format!(
                "failed, {}",
                if end.event.is_some() { "told" } else { "not told" }
            ),
            Effect::Escalate(why) => format!("escalate: {why}"),
        }
    }

    #[test]
    fn what_starts_a_provisioner_starts_one_and_the_rest_is_passed_on_or_dropped() {
        let mut supervisor = Supervisor::new(POLICY);
        let deliver = |input| Input::Deliver(id(1), input);
        assert!(feed(&mut supervisor, 0, deliver(Box::new(lifecycle::Input::Recheck))).is_empty());
        assert_eq!(feed(&mut supervisor, 0, deliver(retire("a"))), ["start a"]);
        assert_eq!(feed(&mut supervisor, 0, deliver(retire("b"))), ["pass b"]);
        assert_eq!(
            feed(&mut supervisor, 0, deliver(Box::new(lifecycle::Input::Recheck))),
            ["pass Recheck"]
        );
        assert_eq!(feed(&mut supervisor, 0, Input::Finished(id(1))), ["finished"]);
        assert_eq!(
            feed(&mut supervisor, 0, deliver(Box::new(lifecycle::Input::Detach))),
            ["finished"]
        );
    }

    #[test]
    fn one_that_failed_is_started_again_with_the_last_thing_it_was_to_do() {
        let mut supervisor = Supervisor::new(POLICY);
        feed(&mut supervisor, 0, Input::Deliver(id(1), retire("a")));
        assert_eq!(
            feed(&mut supervisor, 0, Input::Failed(id(1), "it broke".to_owned())),
            ["failed, told"]
        );
        assert!(feed(&mut supervisor, 10, Input::Deliver(id(1), retire("b"))).is_empty());
        assert!(feed(&mut supervisor, 20, Input::Deliver(id(1), retire("c"))).is_empty());
        assert!(feed(&mut supervisor, 99, Input::Timeout).is_empty());
        assert_eq!(supervisor.poll_timeout().unwrap().at, at(100));
        assert_eq!(feed(&mut supervisor, 100, Input::Timeout), ["start c"]);
        assert_eq!(supervisor.poll_timeout(), None);
    }

    #[test]
    fn one_that_is_down_with_nothing_to_do_is_forgotten_and_one_that_is_let_go_is_told_as_gone() {
        let mut supervisor = Supervisor::new(POLICY);
        for n in 1..=2 {
            feed(&mut supervisor, 0, Input::Deliver(id(n), retire("a")));
            feed(&mut supervisor, 0, Input::Failed(id(n), "it broke".to_owned()));
        }
        let detach = Input::Deliver(id(2), Box::new(lifecycle::Input::Detach));
        assert_eq!(feed(&mut supervisor, 10, detach), ["finished"]);
        assert!(feed(&mut supervisor, 100, Input::Timeout).is_empty());
        assert_eq!(
            feed(&mut supervisor, 200, Input::Deliver(id(1), retire("b"))),
            ["start b"]
        );
    }

    #[test]
    fn delays_count_for_each_tunnel_and_a_storm_over_all_of_them() {
        let mut supervisor = Supervisor::new(POLICY);
        for n in 1..=4 {
            feed(&mut supervisor, 0, Input::Deliver(id(n), retire("a")));
        }
        for n in 1..=3 {
            assert_eq!(
                feed(&mut supervisor, 0, Input::Failed(id(n), "it broke".to_owned())).len(),
                1
            );
            assert_eq!(supervisor.poll_timeout().unwrap().at, at(100));
        }
        let effects = feed(&mut supervisor, 0, Input::Failed(id(4), "the last".to_owned()));
        assert_eq!(
            effects,
            [
                "failed, told",
                "escalate: 4 failures within 60 s, the last one: the last"
            ]
        );
    }
}

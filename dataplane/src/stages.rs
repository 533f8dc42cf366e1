//! A plan's way into the dataplane, in three stages held by types: [`Prepared`] may be dropped and has changed nothing;
//! [`Prepared::commit`] runs to its end in a task of its own, and in that very task what came of it is published: a caller
//! that goes away can skip neither.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use warren_state::{
    Action, ApplyReport, Capabilities, Edit, Fault, FaultClass, Generation, LinkAction, LinkSpec, Part,
    PlannedStep, StepOutcome, TunnelId, outcome::Feature,
};

use crate::contract::Dataplane;

/// How often publishing is tried.
pub const TRIES: u32 = 6;
/// The wait after the first failure; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(20);

/// Where what came of a plan is told.
#[async_trait]
pub trait Publisher: Send + Sync + 'static {
    /// Tells it. Called again with the same report when it fails.
    ///
    /// # Errors
    /// Says why it is not told yet.
    async fn publish(&self, report: &ApplyReport) -> Result<(), Fault>;
}

/// A valid plan that this dataplane can carry out.
#[must_use = "a prepared plan changes nothing until it is committed"]
pub struct Prepared {
    dataplane: Arc<dyn Dataplane>,
    steps: Vec<PlannedStep>,
    generation: Generation,
    capabilities: Capabilities,
}

impl Prepared {
    /// Checks every step against the dataplane's capabilities and against what no dataplane takes.
    ///
    /// # Errors
    /// `Unsupported` or `Permanent`, for the first step that cannot be.
    pub fn new(
        dataplane: Arc<dyn Dataplane>,
        steps: Vec<PlannedStep>,
        generation: Generation,
    ) -> Result<Self, Fault> {
        let capabilities = dataplane.capabilities();
        for step in &steps {
            check(step, &capabilities)?;
        }
        Ok(Self {
            dataplane,
            steps,
            generation,
            capabilities,
        })
    }

    /// Takes the steps, and publishes what came of them. Neither can be cancelled: a caller that goes away only misses the
    /// report.
    pub async fn commit(self, publisher: Arc<dyn Publisher>) -> ApplyReport {
        let (generation, capabilities) = (self.generation, self.capabilities.clone());
        let first = self.steps.first().cloned();
        let work = tokio::spawn(async move { self.take().await.publish(&*publisher).await });
        work.await.unwrap_or_else(|error| ApplyReport {
            generation,
            steps: first.map(|step| cut_short(step, &error)).into_iter().collect(),
            managed: BTreeSet::new(),
            capabilities,
        })
    }

    async fn take(self) -> Committed {
        let outcomes = self.dataplane.apply(self.steps.clone()).await;
        Committed {
            report: report(self.generation, self.capabilities, self.steps, outcomes),
        }
    }
}

/// What came of a plan, not yet told to anybody.
#[must_use = "a committed plan must be published"]
struct Committed {
    report: ApplyReport,
}

impl Committed {
    /// Publishes the report, again after a failure, and returns it. That it stays unpublished is an error, and the report is
    /// no less true.
    async fn publish(self, publisher: &dyn Publisher) -> ApplyReport {
        let mut wait = FIRST_WAIT;
        for attempt in 1..=TRIES {
            let Err(fault) = publisher.publish(&self.report).await else {
                return self.report;
            };
            let generation = self.report.generation;
            if attempt == TRIES {
                tracing::error!(%generation, %fault, "the outcome of a plan is not published");
            } else {
                tracing::warn!(%generation, attempt, %fault, "the outcome of a plan is not published yet");
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
        }
        self.report
    }
}

fn cut_short(step: PlannedStep, error: &tokio::task::JoinError) -> (PlannedStep, StepOutcome) {
    let fault = Fault {
        class: FaultClass::Transient,
        operation: step.to_string(),
        detail: format!("the work was cut short: {error}"),
    };
    (step, StepOutcome::Failed(fault))
}

/// Puts each outcome beside its step: after a failure that stops a tunnel no later step of it was tried.
fn report(
    generation: Generation,
    capabilities: Capabilities,
    steps: Vec<PlannedStep>,
    outcomes: Vec<StepOutcome>,
) -> ApplyReport {
    let mut failed = BTreeSet::new();
    let mut outcomes = outcomes.into_iter();
    let mut tried = Vec::with_capacity(outcomes.len());
    for step in steps {
        if failed.contains(&step.tunnel) {
            continue;
        }
        let Some(outcome) = outcomes.next() else { break };
        if outcome.stops(&step) {
            failed.insert(step.tunnel);
        }
        tried.push((step, outcome));
    }
    let managed = tried.iter().filter_map(managed).collect();
    ApplyReport {
        generation,
        steps: tried,
        managed,
        capabilities,
    }
}

/// The tunnel of which there is something after this step.
fn managed((step, outcome): &(PlannedStep, StepOutcome)) -> Option<TunnelId> {
    let is_there = match (outcome, &step.action) {
        (StepOutcome::Failed(_), _)
        | (_, Action::Link(LinkAction::Delete) | Action::Part(Edit::Delete, _)) => false,
        (StepOutcome::Done | StepOutcome::AlreadySo, Action::Link(_) | Action::Part(Edit::Put, _)) => true,
    };
    is_there.then_some(step.tunnel)
}

fn check(step: &PlannedStep, capabilities: &Capabilities) -> Result<(), Fault> {
    let refuse = |class, detail: String| {
        Err(Fault {
            class,
            operation: step.to_string(),
            detail,
        })
    };
    match &step.action {
        Action::Link(LinkAction::Create { spec, .. } | LinkAction::Change { spec }) => {
            check_link(step, spec).or_else(|detail| refuse(FaultClass::Permanent, detail))
        }
        Action::Part(_, Part::Address(address)) if address.prefix_len > 32 => refuse(
            FaultClass::Permanent,
            format!("the prefix length {} is more than 32", address.prefix_len),
        ),
        Action::Part(_, Part::Rule(_)) if lacks(capabilities, Feature::Rules).is_some() => refuse(
            FaultClass::Unsupported,
            lacks(capabilities, Feature::Rules).unwrap_or_default(),
        ),
        Action::Part(Edit::Put, Part::Rate(_)) if lacks(capabilities, Feature::Shaping).is_some() => refuse(
            FaultClass::Unsupported,
            lacks(capabilities, Feature::Shaping).unwrap_or_default(),
        ),
        Action::Part(Edit::Put, Part::Route(route)) if route.table.0 == 0 => {
            refuse(FaultClass::Permanent, "there is no table 0".to_owned())
        }
        Action::Link(LinkAction::Delete)
        | Action::Part(
            Edit::Put | Edit::Delete,
            Part::Address(_) | Part::Route(_) | Part::Rule(_) | Part::Rate(_),
        ) => Ok(()),
    }
}

/// Why it cannot do this, if it cannot.
fn lacks(capabilities: &Capabilities, feature: Feature) -> Option<String> {
    if capabilities.features.contains(&feature) {
        return None;
    }
    let missing = capabilities
        .missing
        .iter()
        .find(|missing| missing.feature == feature);
    Some(missing.map_or_else(|| "not_built".to_owned(), |missing| missing.reason.clone()))
}

fn check_link(step: &PlannedStep, spec: &LinkSpec) -> Result<(), String> {
    if step.link != spec.name {
        return Err(format!(
            "the step is about {} and its link is {}",
            step.link, spec.name
        ));
    }
    if [spec.local, spec.remote]
        .iter()
        .any(|end| end.is_unspecified() || end.is_multicast() || end.is_broadcast())
    {
        return Err("an endpoint is not the address of a host".to_owned());
    }
    if spec.local == spec.remote {
        return Err("both endpoints are the same".to_owned());
    }
    // RFC 791: every host takes 68 bytes.
    if spec.mtu < 68 || spec.ttl == 0 {
        return Err(format!("no link can have MTU {} and TTL {}", spec.mtu, spec.ttl));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        net::Ipv4Addr,
        sync::{Mutex, PoisonError},
    };

    use warren_state::{Incarnation, LinkName, Pubkey};

    use super::*;
    use crate::{
        contract::Scope,
        simulated::{FaultScript, InjectedFault, Simulated},
    };

    fn create(n: u8, remote: Ipv4Addr) -> PlannedStep {
        let name = LinkName::new(format!("doublezero{n}")).expect("a valid name");
        let spec = LinkSpec {
            name: name.clone(),
            local: Ipv4Addr::new(192, 0, 2, 1),
            remote,
            ttl: 64,
            mtu: 1476,
        };
        let action = Action::Link(LinkAction::Create {
            spec,
            incarnation: Incarnation(1),
        });
        PlannedStep {
            tunnel: TunnelId(Pubkey([n + 1; 32])),
            link: name,
            action,
        }
    }

    fn good(n: u8) -> PlannedStep {
        create(n, Ipv4Addr::new(198, 51, 100, n))
    }

    #[tokio::test]
    async fn a_plan_with_one_impossible_step_is_refused_as_a_whole() {
        let dataplane = Arc::new(Simulated::default());
        let refused = Prepared::new(
            dataplane.clone(),
            vec![good(0), create(1, Ipv4Addr::UNSPECIFIED)],
            Generation(1),
        )
        .err();
        assert_eq!(refused.map(|fault| fault.class), Some(FaultClass::Permanent));
        assert_eq!(dataplane.operations(), 0);
    }

    #[tokio::test]
    async fn a_prepared_plan_that_is_dropped_changes_nothing() {
        let dataplane = Arc::new(Simulated::default());
        drop(Prepared::new(dataplane.clone(), vec![good(0)], Generation(1)));
        assert!(
            dataplane
                .observe(Scope::All)
                .await
                .expect("alive")
                .tunnels
                .is_empty()
        );
    }

    #[tokio::test]
    async fn the_report_puts_each_outcome_beside_its_step() {
        let busy = Fault {
            class: FaultClass::Transient,
            operation: "x".to_owned(),
            detail: "busy".to_owned(),
        };
        let dataplane = Arc::new(Simulated::new(
            FaultScript::default().at(1, InjectedFault::Fail(busy.clone())),
        ));
        let delete = PlannedStep {
            action: Action::Link(LinkAction::Delete),
            ..good(0)
        };
        let steps = vec![good(0), delete, good(1)];
        let told = Arc::new(Told::failing(2));
        let report = Prepared::new(dataplane, steps, Generation(7))
            .expect("a valid plan")
            .commit(told.clone())
            .await;
        assert_eq!(
            told.reports(),
            [report.clone()],
            "it is told once, after two failures"
        );
        assert_eq!(told.calls(), 3);
        assert_eq!(report.capabilities.backend, warren_state::Backend::Simulated);
        assert_eq!(report.generation, Generation(7));
        assert_eq!(
            report.steps,
            vec![(good(0), StepOutcome::Failed(busy)), (good(1), StepOutcome::Done)]
        );
        assert_eq!(report.managed, [good(1).tunnel].into());
    }

    #[tokio::test]
    async fn publishing_that_never_succeeds_ends_and_the_report_is_given_all_the_same() {
        let told = Arc::new(Told::failing(usize::MAX));
        let report = Prepared::new(Arc::new(Simulated::default()), vec![good(0)], Generation(1))
            .expect("a valid plan")
            .commit(told.clone())
            .await;
        assert_eq!(report.steps, vec![(good(0), StepOutcome::Done)]);
        assert_eq!((told.calls(), told.reports().len()), (TRIES as usize, 0));
    }

    /// Notes what is published, after this many failures.
    struct Told(Mutex<(usize, usize, Vec<ApplyReport>)>);

    impl Told {
        fn failing(times: usize) -> Self {
            Self(Mutex::new((times, 0, Vec::new())))
        }

        fn calls(&self) -> usize {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).1
        }

        fn reports(&self) -> Vec<ApplyReport> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).2.clone()
        }
    }

    #[async_trait]
    impl Publisher for Told {
        async fn publish(&self, report: &ApplyReport) -> Result<(), Fault> {
            let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            told.1 += 1;
            if told.0 > 0 {
                told.0 -= 1;
                return Err(Fault {
                    class: FaultClass::Transient,
                    operation: "publish".to_owned(),
                    detail: "nobody hears it".to_owned(),
                });
            }
            told.2.push(report.clone());
            Ok(())
        }
    }
}

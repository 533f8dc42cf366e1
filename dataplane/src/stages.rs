//! A plan's way into the dataplane, in three stages held by types: [`Prepared`] may be dropped and has changed nothing;
//! [`Prepared::commit`] runs to its end; the [`Committed`] result must be published.

use std::collections::BTreeSet;

use warren_state::{
    Action, ApplyReport, Capabilities, Edit, Fault, FaultClass, Generation, LinkAction, LinkName, LinkSpec,
    Part, PlannedStep, StepOutcome, outcome::Feature,
};

use crate::contract::Dataplane;

/// A valid plan that this dataplane can carry out.
#[must_use = "a prepared plan changes nothing until it is committed"]
pub struct Prepared<'a> {
    dataplane: &'a dyn Dataplane,
    steps: Vec<PlannedStep>,
    generation: Generation,
}

impl<'a> Prepared<'a> {
    /// Checks every step against the dataplane's capabilities and against what no dataplane takes.
    ///
    /// # Errors
    /// `Unsupported` or `Permanent`, for the first step that cannot be.
    pub fn new(
        dataplane: &'a dyn Dataplane,
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
        })
    }

    /// Takes the steps. It cannot be cancelled: a caller that goes away while it runs only misses the result.
    pub async fn commit(self) -> Committed {
        let outcomes = self.dataplane.apply(self.steps.clone()).await;
        Committed {
            report: report(self.generation, self.steps, outcomes),
        }
    }
}

/// What came of a plan, not yet told to anybody.
#[must_use = "a committed plan must be published"]
pub struct Committed {
    report: ApplyReport,
}

impl Committed {
    /// Publishes the report, and returns it for the caller's own use.
    pub fn publish(self, tell: impl FnOnce(&ApplyReport)) -> ApplyReport {
        tell(&self.report);
        self.report
    }
}

/// Puts each outcome beside its step: after a failure that stops a tunnel no later step of it was tried.
fn report(generation: Generation, steps: Vec<PlannedStep>, outcomes: Vec<StepOutcome>) -> ApplyReport {
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
    let managed = tried.iter().filter_map(managed_link).collect();
    ApplyReport {
        generation,
        steps: tried,
        managed,
    }
}

fn managed_link((step, outcome): &(PlannedStep, StepOutcome)) -> Option<LinkName> {
    match (outcome, &step.action) {
        (StepOutcome::Done, Action::Link(LinkAction::Create { .. } | LinkAction::Change { .. })) => {
            Some(step.link.clone())
        }
        (StepOutcome::Done | StepOutcome::AlreadySo | StepOutcome::Failed(_), _) => None,
    }
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
        Action::Part(_, Part::Rule(_)) if !capabilities.features.contains(&Feature::Rules) => {
            let missing = capabilities
                .missing
                .iter()
                .find(|missing| missing.feature == Feature::Rules);
            refuse(
                FaultClass::Unsupported,
                missing.map_or_else(|| "not_built".to_owned(), |missing| missing.reason.clone()),
            )
        }
        Action::Part(Edit::Put, Part::Route(route)) if route.table.0 == 0 => {
            refuse(FaultClass::Permanent, "there is no table 0".to_owned())
        }
        Action::Link(LinkAction::Delete)
        | Action::Part(Edit::Put | Edit::Delete, Part::Address(_) | Part::Route(_) | Part::Rule(_)) => Ok(()),
    }
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
    use std::net::Ipv4Addr;

    use warren_state::{Incarnation, Pubkey, TunnelId};

    use super::*;
    use crate::{
        contract::Scope,
        simulated::{Script, Simulated, Trouble},
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
        let dataplane = Simulated::default();
        let refused = Prepared::new(
            &dataplane,
            vec![good(0), create(1, Ipv4Addr::UNSPECIFIED)],
            Generation(1),
        )
        .err();
        assert_eq!(refused.map(|fault| fault.class), Some(FaultClass::Permanent));
        assert_eq!(dataplane.operations(), 0);
    }

    #[tokio::test]
    async fn a_prepared_plan_that_is_dropped_changes_nothing() {
        let dataplane = Simulated::default();
        drop(Prepared::new(&dataplane, vec![good(0)], Generation(1)));
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
        let dataplane = Simulated::new(Script::default().at(1, Trouble::Fail(busy.clone())));
        let delete = PlannedStep {
            action: Action::Link(LinkAction::Delete),
            ..good(0)
        };
        let steps = vec![good(0), delete, good(1)];
        let committed = Prepared::new(&dataplane, steps, Generation(7))
            .expect("a valid plan")
            .commit()
            .await;
        let mut told = None;
        let report = committed.publish(|report| told = Some(report.clone()));
        assert_eq!(told.as_ref(), Some(&report));
        assert_eq!(report.generation, Generation(7));
        assert_eq!(
            report.steps,
            vec![(good(0), StepOutcome::Failed(busy)), (good(1), StepOutcome::Done)]
        );
        assert_eq!(report.managed, [good(1).link].into());
    }
}

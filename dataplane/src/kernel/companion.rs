//! Addresses, routes and rules: changes to what is on a link of ours.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;
use warren_state::{Action, Address, Fault, FaultClass, LinkName, PlannedStep, Route, Rule, RuleSelector, StepOutcome, TunnelId};

use super::{
    fault::{fault, is_absent, refused},
    objects::{RULE_PRIORITIES, RouteEntry},
    observe, requests,
    socket::{Refusal, RouteSocket},
    wire::Request,
};

type Outcome = Result<StepOutcome, Fault>;

/// Takes steps that are about companions, in order; those of a tunnel in `failed` are passed over, and a tunnel whose
/// step fails joins it.
pub fn take(socket: &mut RouteSocket, steps: &[PlannedStep], failed: &mut BTreeSet<TunnelId>) -> Vec<StepOutcome> {
    let mut batch = Batch { socket, links: BTreeMap::new(), over: BTreeMap::new(), tables: BTreeMap::new() };
    let mut outcomes = Vec::with_capacity(steps.len());
    for step in steps {
        if failed.contains(&step.tunnel) {
            continue;
        }
        outcomes.push(batch.step(step).unwrap_or_else(|fault| {
            failed.insert(step.tunnel);
            StepOutcome::Failed(fault)
        }));
    }
    outcomes
}

/// What was learned while taking one run of steps.
struct Batch<'a> {
    socket: &'a mut RouteSocket,
    links: BTreeMap<(TunnelId, LinkName), u32>,
    /// Routes over a link as they were at the first collision.
    over: BTreeMap<u32, BTreeMap<(u32, Ipv4Net), RouteEntry>>,
    /// Routes of a table as they were at the first collision with one that is not over the link.
    tables: BTreeMap<u32, Vec<RouteEntry>>,
}

impl Batch<'_> {
    fn step(&mut self, step: &PlannedStep) -> Outcome {
        match &step.action {
            Action::AddAddress { address } => self.add_address(step, address),
            Action::DeleteAddress { address } => self.delete(step, |index| requests::delete_address(index, address)),
            Action::PutRoute { route } => self.put_route(step, route),
            Action::DeleteRoute { route } => self.delete(step, |index| requests::delete_route(index, route)),
            Action::AddRule { rule } => add_rule(self.socket, rule),
            Action::DeleteRule { rule } => delete_rule(self.socket, rule),
            Action::DeleteLink | Action::ChangeLink { .. } | Action::CreateLink { .. } => {
                Err(fault(FaultClass::Permanent, step, "not a step about a companion"))
            }
        }
    }

    /// The number of the step's link, verified to be the tunnel's; `None` when there is no such link.
    fn link(&mut self, step: &PlannedStep) -> Result<Option<u32>, Fault> {
        let key = (step.tunnel, step.link.clone());
        if let Some(index) = self.links.get(&key) {
            return Ok(Some(*index));
        }
        let Some(link) = observe::find(self.socket, &step.link).map_err(|refusal| refused(step, &refusal))? else { return Ok(None) };
        match link.mark() {
            Some(mark) if mark.tunnel == step.tunnel => {
                self.links.insert(key, link.index);
                Ok(Some(link.index))
            }
            Some(mark) => Err(fault(FaultClass::Transient, step, format!("{link} belongs to the tunnel {}", mark.tunnel))),
            None => Err(fault(FaultClass::Conflict, step, format!("{link} is not ours"))),
        }
    }

    fn needed_link(&mut self, step: &PlannedStep) -> Result<u32, Fault> {
        self.link(step)?.ok_or_else(|| fault(FaultClass::Gone, step, format!("there is no link {}", step.link)))
    }

    fn delete(&mut self, step: &PlannedStep, request: impl Fn(u32) -> Request) -> Outcome {
        let Some(index) = self.link(step)? else { return Ok(StepOutcome::AlreadySo) };
        match self.socket.change(request(index)) {
            Ok(()) => {
                self.over.clear();
                self.tables.clear();
                Ok(StepOutcome::Done)
            }
            Err(refusal) if is_absent(refusal.errno) => Ok(StepOutcome::AlreadySo),
            Err(refusal) => Err(refused(step, &refusal)),
        }
    }

    fn add_address(&mut self, step: &PlannedStep, address: &Address) -> Outcome {
        let index = self.needed_link(step)?;
        match self.socket.change(requests::add_address(index, address)) {
            Ok(()) => Ok(StepOutcome::Done),
            Err(refusal) if refusal.errno == libc::EEXIST => {
                let there = observe::addresses_on(self.socket, index).map_err(|refusal| refused(step, &refusal))?;
                if there.contains(address) {
                    return Ok(StepOutcome::AlreadySo);
                }
                Err(fault(FaultClass::Transient, step, "the address is there with another scope, and must go first"))
            }
            Err(refusal) => Err(refused(step, &refusal)),
        }
    }

    fn put_route(&mut self, step: &PlannedStep, route: &Route) -> Outcome {
        let index = self.needed_link(step)?;
        match self.socket.change(requests::add_route(index, route)) {
            Ok(()) => Ok(StepOutcome::Done),
            Err(refusal) if refusal.errno == libc::EEXIST => self.put_over(step, index, route),
            Err(refusal) => Err(refused(step, &refusal)),
        }
    }

    /// The table has a route to the destination: only one of ours over this very link may give way.
    fn put_over(&mut self, step: &PlannedStep, index: u32, route: &Route) -> Outcome {
        let to_fault = |refusal: Refusal| refused(step, &refusal);
        let wanted = Route { dst: route.dst.trunc(), ..*route };
        let over = match self.over.entry(index) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(unknown) => {
                let entries = observe::routes_over(self.socket, index).map_err(to_fault)?;
                let plain = entries.into_iter().filter(|entry| entry.metric == 0 && entry.tos == 0);
                unknown.insert(plain.map(|entry| ((entry.table, entry.dst), entry)).collect())
            }
        };
        let key = (wanted.table.0, wanted.dst);
        let ours = over.get(&key).and_then(RouteEntry::as_ours);
        if ours == Some(wanted) {
            return Ok(StepOutcome::AlreadySo);
        }
        if let Some(stranger) = self.stranger(index, &wanted).map_err(to_fault)? {
            return Err(fault(FaultClass::Conflict, step, format!("the route {stranger} is in the way and is not ours")));
        }
        if ours.is_none() {
            // It went away since the refusal.
            return self.socket.change(requests::add_route(index, route)).map(|()| StepOutcome::Done).map_err(to_fault);
        }
        self.socket.change(requests::replace_route(index, route)).map_err(to_fault)?;
        if let Some(entry) = self.over.get_mut(&index).and_then(|over| over.get_mut(&key)) {
            (entry.via, entry.source, entry.protocol) = (Some(wanted.via), wanted.source, wanted.protocol.number());
        }
        Ok(StepOutcome::Done)
    }

    /// A route in the place of `wanted` that is not ours over this link. The kernel keeps several with the same key when
    /// they were appended, and would replace the first.
    fn stranger(&mut self, index: u32, wanted: &Route) -> Result<Option<RouteEntry>, Refusal> {
        let entries = match self.tables.entry(wanted.table.0) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(unknown) => unknown.insert(observe::routes_in(self.socket, wanted.table.0)?),
        };
        let strange = |entry: &&RouteEntry| entry.is_in_place_of(wanted) && (entry.oif != Some(index) || entry.as_ours().is_none());
        Ok(entries.iter().find(strange).cloned())
    }
}

/// Puts a rule with our marks.
fn add_rule(socket: &mut RouteSocket, rule: &Rule) -> Outcome {
    let operation = format!("add rule {rule}");
    if !RULE_PRIORITIES.contains(&rule.priority) {
        let (first, last) = (RULE_PRIORITIES.start(), RULE_PRIORITIES.end());
        return Err(fault(FaultClass::Permanent, operation, format!("our rules have the priorities {first} to {last}")));
    }
    if net_of(rule).prefix_len() == 0 {
        return Err(fault(FaultClass::Permanent, operation, "a rule of ours never takes all traffic"));
    }
    match socket.change(requests::add_rule(rule)) {
        Ok(()) => Ok(StepOutcome::Done),
        Err(refusal) if refusal.errno == libc::EEXIST => {
            let there = observe::rules(socket).map_err(|refusal| refused(&operation, &refusal))?;
            let same = there.iter().filter(|entry| entry.rule == normal(rule));
            if same.clone().any(|entry| entry.as_ours().is_some()) {
                return Ok(StepOutcome::AlreadySo);
            }
            let protocol = same.map(|entry| entry.protocol).next().unwrap_or_default();
            Err(fault(FaultClass::Conflict, operation, format!("the same rule with protocol {protocol} is in the way and is not ours")))
        }
        Err(refusal) => Err(refused(operation, &refusal)),
    }
}

/// Removes a rule that carries our marks: the kernel matches the protocol too.
pub fn delete_rule(socket: &mut RouteSocket, rule: &Rule) -> Outcome {
    if !RULE_PRIORITIES.contains(&rule.priority) || net_of(rule).prefix_len() == 0 {
        // None of ours is like this.
        return Ok(StepOutcome::AlreadySo);
    }
    match socket.change(requests::delete_rule(rule)) {
        Ok(()) => Ok(StepOutcome::Done),
        Err(refusal) if is_absent(refusal.errno) => Ok(StepOutcome::AlreadySo),
        Err(refusal) => Err(refused(format!("delete rule {rule}"), &refusal)),
    }
}

fn net_of(rule: &Rule) -> Ipv4Net {
    match rule.selector {
        RuleSelector::To(net) | RuleSelector::From(net) => net,
    }
}

/// As the kernel reports it.
fn normal(rule: &Rule) -> Rule {
    let selector = match rule.selector {
        RuleSelector::To(net) => RuleSelector::To(net.trunc()),
        RuleSelector::From(net) => RuleSelector::From(net.trunc()),
    };
    Rule { selector, ..*rule }
}

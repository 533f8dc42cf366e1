//! Addresses, routes and rules: changes to what is on a link of ours.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use ipnet::Ipv4Net;
use warren_state::{
    Address, Edit, Fault, FaultClass, LinkName, Part, PlannedStep, Route, Rule, RuleSelector, StepOutcome,
    TunnelId,
};

use super::{
    connection::{KernelError, Netlink, TOGETHER},
    fault::{fault, is_absent, refused},
    objects::{RouteEntry, protocol_number, rule_priority},
    observe,
    requests::{self, Request},
};

/// A step that is about a part of what is on a link.
pub struct PartStep {
    pub step: PlannedStep,
    edit: Edit,
    part: Part,
}

impl PartStep {
    pub fn new(step: &PlannedStep, edit: Edit, part: Part) -> Self {
        Self {
            step: step.clone(),
            edit,
            part,
        }
    }
}

type Outcome = Result<StepOutcome, Fault>;

/// Takes steps in order; those of a tunnel in `failed` are passed over, and a tunnel that a
/// failure stops joins it.
pub async fn take(
    netlink: &mut Netlink,
    parts: &[PartStep],
    failed: &mut BTreeSet<TunnelId>,
) -> Vec<StepOutcome> {
    let mut batch = Batch {
        netlink,
        links: BTreeMap::new(),
        over: BTreeMap::new(),
        tables: BTreeMap::new(),
    };
    let mut outcomes = Vec::with_capacity(parts.len());
    let mut rest = parts;
    while let [part, others @ ..] = rest {
        if failed.contains(&part.step.tunnel) {
            rest = others;
            continue;
        }
        let puts = puts_together(rest);
        let taken = match puts.as_slice() {
            [] | [_] => vec![batch.take(part).await.unwrap_or_else(StepOutcome::Failed)],
            [_, _, ..] => batch.put_routes(&puts).await,
        };
        if rest
            .iter()
            .zip(&taken)
            .any(|(part, outcome)| outcome.stops(&part.step))
        {
            failed.insert(part.step.tunnel);
        }
        outcomes.extend(taken);
        rest = &rest[puts.len().max(1)..];
    }
    outcomes
}

/// The first steps, as far as they put routes to different destinations over one link: none depends on another.
fn puts_together(parts: &[PartStep]) -> Vec<(&PlannedStep, &Route)> {
    let mut destinations = BTreeSet::new();
    let puts = parts.iter().map_while(|PartStep { step, edit, part }| {
        let (Edit::Put, Part::Route(route)) = (edit, part) else {
            return None;
        };
        let first = &parts[0].step;
        let alike = step.tunnel == first.tunnel && step.link == first.link;
        (alike && destinations.insert((route.table, route.dst.trunc()))).then_some((step, route))
    });
    puts.take(TOGETHER).collect()
}

/// What was learned while taking one run of steps.
struct Batch<'a> {
    netlink: &'a mut Netlink,
    links: BTreeMap<(TunnelId, LinkName), u32>,
    /// Routes over a link as they were at the first collision.
    over: BTreeMap<u32, BTreeMap<(u32, Ipv4Net), RouteEntry>>,
    /// Routes of a table as they were at the first collision with one that is not over the link.
    tables: BTreeMap<u32, Vec<RouteEntry>>,
}

impl Batch<'_> {
    async fn take(&mut self, PartStep { step, edit, part }: &PartStep) -> Outcome {
        match (edit, part) {
            (Edit::Put, Part::Address(address)) => self.add_address(step, address).await,
            (Edit::Put, Part::Route(route)) => self.put_route(step, route).await,
            (Edit::Put, Part::Rule(rule)) => add_rule(self.netlink, rule).await,
            (Edit::Delete, Part::Address(address)) => {
                self.delete(step, |index| requests::delete_address(index, address))
                    .await
            }
            (Edit::Delete, Part::Route(route)) => {
                self.delete(step, |index| requests::delete_route(index, route))
                    .await
            }
            (Edit::Delete, Part::Rule(rule)) => delete_rule(self.netlink, rule).await,
            // Taken by itself: who holds it to a rate is the backend's.
            (Edit::Put | Edit::Delete, Part::Rate(_)) => Ok(StepOutcome::AlreadySo),
        }
    }

    /// The number of the step's link, verified to be the tunnel's; `None` when there is no such link.
    async fn link(&mut self, step: &PlannedStep) -> Result<Option<u32>, Fault> {
        let key = (step.tunnel, step.link.clone());
        if let Some(index) = self.links.get(&key) {
            return Ok(Some(*index));
        }
        let Some(link) = observe::find(self.netlink, &step.link)
            .await
            .map_err(|refusal| refused(step, &refusal))?
        else {
            return Ok(None);
        };
        match link.mark() {
            Some(mark) if mark.tunnel == step.tunnel => {
                self.links.insert(key, link.index);
                Ok(Some(link.index))
            }
            Some(mark) => Err(fault(
                FaultClass::Transient,
                step,
                format!("{link} belongs to the tunnel {}", mark.tunnel),
            )),
            None => Err(fault(FaultClass::Conflict, step, format!("{link} is not ours"))),
        }
    }

    async fn needed_link(&mut self, step: &PlannedStep) -> Result<u32, Fault> {
        self.link(step)
            .await?
            .ok_or_else(|| fault(FaultClass::Gone, step, format!("there is no link {}", step.link)))
    }

    async fn delete(&mut self, step: &PlannedStep, request: impl Fn(u32) -> Request) -> Outcome {
        let Some(index) = self.link(step).await? else {
            return Ok(StepOutcome::AlreadySo);
        };
        match self.netlink.change(request(index)).await {
            Ok(()) => {
                self.forget_routes();
                Ok(StepOutcome::Done)
            }
            Err(refusal) if is_absent(refusal.errno) => Ok(StepOutcome::AlreadySo),
            Err(refusal) => Err(refused(step, &refusal)),
        }
    }

    fn forget_routes(&mut self) {
        self.over.clear();
        self.tables.clear();
    }

    async fn add_address(&mut self, step: &PlannedStep, address: &Address) -> Outcome {
        let index = self.needed_link(step).await?;
        match self.netlink.change(requests::add_address(index, address)).await {
            Ok(()) => Ok(StepOutcome::Done),
            Err(refusal) if refusal.errno == libc::EEXIST => {
                let there = observe::addresses_on(self.netlink, index)
                    .await
                    .map_err(|refusal| refused(step, &refusal))?;
                if there.contains(address) {
                    return Ok(StepOutcome::AlreadySo);
                }
                Err(fault(
                    FaultClass::Transient,
                    step,
                    "the address is there with another scope, and must go first",
                ))
            }
            Err(refusal) => Err(refused(step, &refusal)),
        }
    }

    async fn put_route(&mut self, step: &PlannedStep, route: &Route) -> Outcome {
        let index = self.needed_link(step).await?;
        let answer = self.netlink.change(requests::add_route(index, route)).await;
        self.put_answered(step, index, route, answer).await
    }

    /// Puts the routes of steps over one link in one request. Ends with the first failure that stops the tunnel: what was
    /// put after it is taken back.
    async fn put_routes(&mut self, puts: &[(&PlannedStep, &Route)]) -> Vec<StepOutcome> {
        let index = match self.needed_link(puts[0].0).await {
            Ok(index) => index,
            Err(fault) => return vec![StepOutcome::Failed(fault)],
        };
        let requests: Vec<_> = puts
            .iter()
            .map(|(_, route)| requests::add_route(index, route))
            .collect();
        let answers = self.netlink.change_all(&requests).await;
        let mut outcomes = Vec::with_capacity(puts.len());
        let mut answered = puts.iter().zip(answers);
        for ((step, route), answer) in answered.by_ref() {
            let outcome = self
                .put_answered(step, index, route, answer)
                .await
                .unwrap_or_else(StepOutcome::Failed);
            let stops = outcome.stops(step);
            outcomes.push(outcome);
            if stops {
                break;
            }
        }
        for ((step, route), answer) in answered {
            if answer.is_ok() {
                self.take_back(step, index, route).await;
            }
        }
        outcomes
    }

    /// Deletes a route that was not there until now.
    async fn take_back(&mut self, step: &PlannedStep, index: u32, route: &Route) {
        self.forget_routes();
        match self.netlink.change(requests::delete_route(index, route)).await {
            Err(refusal) if !is_absent(refusal.errno) => {
                tracing::warn!(%step, %refusal, "a route that came too early stays")
            }
            Ok(()) | Err(_) => {}
        }
    }

    async fn put_answered(
        &mut self,
        step: &PlannedStep,
        index: u32,
        route: &Route,
        answer: Result<(), KernelError>,
    ) -> Outcome {
        match answer {
            Ok(()) => Ok(StepOutcome::Done),
            Err(refusal) if refusal.errno == libc::EEXIST => self.put_over(step, index, route).await,
            Err(refusal) => Err(refused(step, &refusal)),
        }
    }

    /// The table has a route to the destination: only one of ours over this very link may give way.
    async fn put_over(&mut self, step: &PlannedStep, index: u32, route: &Route) -> Outcome {
        let to_fault = |refusal: KernelError| refused(step, &refusal);
        let wanted = Route {
            dst: route.dst.trunc(),
            ..*route
        };
        let over = match self.over.entry(index) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(unknown) => {
                let entries = observe::routes_over(self.netlink, index)
                    .await
                    .map_err(to_fault)?;
                let plain = entries
                    .into_iter()
                    .filter(|entry| entry.metric == 0 && entry.tos == 0);
                unknown.insert(plain.map(|entry| ((entry.table, entry.dst), entry)).collect())
            }
        };
        let key = (wanted.table.0, wanted.dst);
        let ours = over.get(&key).and_then(RouteEntry::as_ours);
        if ours == Some(wanted) {
            return Ok(StepOutcome::AlreadySo);
        }
        if ours.is_none() {
            return self.put_beside_none(step, index, &wanted).await;
        }
        if let Some(stranger) = self.stranger(index, &wanted).await.map_err(to_fault)? {
            return Err(in_the_way(step, &stranger));
        }
        self.netlink
            .change(requests::replace_route(index, route))
            .await
            .map_err(to_fault)?;
        if let Some(entry) = self.over.get_mut(&index).and_then(|over| over.get_mut(&key)) {
            (entry.via, entry.source, entry.protocol) =
                (Some(wanted.via), wanted.source, protocol_number(wanted.protocol));
        }
        Ok(StepOutcome::Done)
    }

    /// There is no route of ours to the destination over the link: a stranger has the place, unless it went away since the
    /// refusal. The whole table is not asked for it: it may be large, and every route of a session may be blocked.
    async fn put_beside_none(&mut self, step: &PlannedStep, index: u32, wanted: &Route) -> Outcome {
        match self.netlink.change(requests::add_route(index, wanted)).await {
            Ok(()) => Ok(StepOutcome::Done),
            Err(refusal) if refusal.errno == libc::EEXIST => {
                Err(match observe::in_place_of(self.netlink, wanted).await {
                    Some(stranger) => in_the_way(step, &stranger),
                    None => in_the_way(step, format!("to {} in table {}", wanted.dst, wanted.table.0)),
                })
            }
            Err(refusal) => Err(refused(step, &refusal)),
        }
    }

    /// A route in the place of `wanted` that is not ours over this link. The kernel keeps several with the same key when
    /// they were appended, and would replace the first.
    async fn stranger(&mut self, index: u32, wanted: &Route) -> Result<Option<RouteEntry>, KernelError> {
        let entries = match self.tables.entry(wanted.table.0) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(unknown) => {
                unknown.insert(observe::routes_in(self.netlink, wanted.table.0).await?)
            }
        };
        let strange = |entry: &&RouteEntry| {
            entry.is_in_place_of(wanted) && (entry.oif != Some(index) || entry.as_ours().is_none())
        };
        Ok(entries.iter().find(strange).cloned())
    }
}

fn in_the_way(step: &PlannedStep, stranger: impl fmt::Display) -> Fault {
    fault(
        FaultClass::Conflict,
        step,
        format!("the route {stranger} is in the way and is not ours"),
    )
}

/// Puts a rule with our marks.
async fn add_rule(netlink: &mut Netlink, rule: &Rule) -> Outcome {
    let operation = format!("add rule {rule}");
    if net_of(rule).prefix_len() == 0 {
        return Err(fault(
            FaultClass::Permanent,
            operation,
            "a rule of ours never takes all traffic",
        ));
    }
    match netlink.change(requests::add_rule(rule)).await {
        Ok(()) => Ok(StepOutcome::Done),
        Err(refusal) if refusal.errno == libc::EEXIST => {
            let there = observe::rules(netlink)
                .await
                .map_err(|refusal| refused(&operation, &refusal))?;
            let priority = rule_priority(&rule.selector);
            let same = there
                .iter()
                .filter(|entry| (entry.rule, entry.priority) == (normal(rule), priority));
            if same.clone().any(|entry| entry.as_ours().is_some()) {
                return Ok(StepOutcome::AlreadySo);
            }
            let protocol = same.map(|entry| entry.protocol).next().unwrap_or_default();
            Err(fault(
                FaultClass::Conflict,
                operation,
                format!("the same rule with protocol {protocol} is in the way and is not ours"),
            ))
        }
        Err(refusal) => Err(refused(operation, &refusal)),
    }
}

/// Removes a rule that carries our marks: the kernel matches the protocol too.
pub async fn delete_rule(netlink: &mut Netlink, rule: &Rule) -> Outcome {
    if net_of(rule).prefix_len() == 0 {
        // None of ours is like this.
        return Ok(StepOutcome::AlreadySo);
    }
    match netlink.change(requests::delete_rule(rule)).await {
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

//! Looking at the host: full observations, notices and what they lead to.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    Effect,
    ends::installs,
    entries::{Recheck, Stage},
    machine::{Context, Reconciler, Shutdown, Touched},
    marks::{Mark, Stray},
};
use crate::{
    LinkName, Notice, Observed, ObservedTunnel, Phase, Plan, RemovalReport, RouteProtocol, TunnelId,
    backoff::{Jitter, Waits},
    event::Event,
    plan::plan_keeping,
    random::{Random as _, SplitMix64},
};

/// How much each learned route adds to the gap between two looks at its tunnel: about ten times what the look costs.
const GAP_PER_ROUTE: Duration = Duration::from_micros(20);
/// About how many tunnels are compared, and how many paths are asked for, at one resync.
const LOOKS_AT_ONCE: usize = 256;

impl Reconciler {
    /// Asks for a full observation; one that is under way is followed by another.
    pub(super) fn observe(&mut self, cx: &mut Context<'_>) {
        if self.looking.under_way {
            self.looking.again = true;
            return;
        }
        self.looking.under_way = true;
        self.looking.again = false;
        self.looking.retry_at = None;
        self.looking.notice_due = None;
        self.ended.clear();
        cx.effects.push(Effect::Observe);
    }

    pub(super) fn take_observed(&mut self, observed: &Observed, cx: &mut Context<'_>) {
        self.looking.under_way = false;
        self.looking.failures = 0;
        self.looking.resync_at = Some(cx.now + self.settings.resync);
        self.looking.unverified &= self.looking.again || self.looking.notice_due.is_some();
        self.note_seen(observed);
        let first = !std::mem::replace(&mut self.looking.done, true);
        let marks = observed
            .ours()
            .map(|(id, have)| (id, Mark::seen(have)))
            .filter(|(id, _)| !self.ended.contains(id))
            .collect();
        let another = self.marks != marks;
        if another {
            self.touched = Touched::All;
            self.marks = marks;
        }
        let highest = observed
            .ours()
            .map(|(_, have)| have.incarnation.next())
            .max()
            .unwrap_or_default();
        self.next_incarnation = self.next_incarnation.max(highest);
        if first {
            self.adopt_sources(observed);
        }
        let moved = self.leave_gone_sources(&observed.host);
        let may_act = match self.shutdown {
            None => self.may_act(),
            Some(Shutdown::Remove { .. }) => true,
            // The tunnels stay.
            Some(Shutdown::Detach | Shutdown::Finished) => false,
        };
        if may_act {
            if first || moved || (self.is_held() && another) {
                self.pass(cx);
            }
            self.follow_far_ends(cx);
            let plan = plan_keeping(&self.desired, &self.kept(), observed);
            self.retire_strays(observed, &plan, cx);
            self.recheck_drifted(observed, &plan, cx);
        }
        if std::mem::take(&mut self.looking.shows) {
            self.show_learned(observed, cx);
        }
        if let Some(Shutdown::Remove { looked: false }) = self.shutdown
            && !self.looking.again
        {
            self.shutdown = Some(Shutdown::Remove { looked: true });
        }
        self.finish_shutdown(cx);
        if self.looking.again {
            self.observe(cx);
        }
    }

    pub(super) fn observe_later(&mut self, cx: &mut Context<'_>) {
        self.looking.under_way = false;
        if let Some(Shutdown::Remove { looked }) = &mut self.shutdown {
            // What cannot be looked for is not waited for.
            *looked = true;
            self.finish_shutdown(cx);
        }
        self.look_later(cx);
    }

    /// Looks again after a wait that doubles with each failure.
    fn look_later(&mut self, cx: &mut Context<'_>) {
        self.looking.failures += 1;
        let waits = Waits {
            first: self.settings.observe_retry_min,
            longest: self.settings.observe_retry_max,
            jitter: Jitter::around(20),
        };
        let wait = waits.after(self.looking.failures, cx.random);
        self.looking.retry_at = Some(cx.now + wait);
        self.looking.resync_at = None;
    }

    /// A change of one of our tunnels is for that tunnel. One elsewhere may end a conflict, and may mean another source
    /// address. Where it is not known what changed all must be looked at.
    pub(super) fn notice(&mut self, notice: Notice, cx: &mut Context<'_>) {
        match notice {
            Notice::Tunnel(tunnel) if self.entries.contains_key(&tunnel) => self.recheck(tunnel, cx),
            Notice::Tunnel(_) | Notice::Elsewhere => {
                // The end of a tunnel changes no path of the others, but it may have been in the way of a source.
                if notice == Notice::Elsewhere || self.uses_sources() {
                    self.ask_sources_soon(cx);
                }
                for tunnel in self.conflicts.clone() {
                    self.recheck(tunnel, cx);
                }
            }
            Notice::Something | Notice::Overrun => {
                self.ask_sources_soon(cx);
                self.observe_with_gap(cx);
            }
        }
    }

    /// Observes now, or once the gap since the last such observation has passed.
    fn observe_with_gap(&mut self, cx: &mut Context<'_>) {
        let last = self.looking.noticed_at;
        let free_at = last.map(|at| at + self.settings.notice_gap);
        match free_at.filter(|at| *at > cx.now) {
            Some(at) => self.looking.notice_due = Some(at),
            None => {
                self.looking.noticed_at = Some(cx.now);
                self.observe(cx);
            }
        }
    }

    pub(super) fn pass_time(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        let is_due = |at: Option<crate::Monotonic>| at.is_some_and(|at| now >= at);
        let (resync, retry, noticed) = (
            is_due(self.looking.resync_at),
            is_due(self.looking.retry_at),
            is_due(self.looking.notice_due),
        );
        if resync {
            self.looking.resync_at = None;
            self.looking.resyncs += 1;
            self.looking.shows = true;
            self.ask_sources_in_turn(cx);
        }
        if is_due(self.looking.sources_due) {
            self.looking.sources_due = None;
            self.ask_sources_soon(cx);
        }
        if noticed {
            self.looking.noticed_at = Some(cx.now);
            self.looking.notice_due = None;
        }
        if retry {
            self.looking.retry_at = None;
        }
        if resync || retry || noticed {
            self.observe(cx);
        }
        while let Some(tunnel) = self.entries.due(now) {
            self.entries.edit(&tunnel, |entry| entry.recheck.due = None);
            self.recheck(tunnel, cx);
        }
    }

    /// Tells a tunnel to look again: at once, and then at most once in each gap.
    fn recheck(&mut self, tunnel: TunnelId, cx: &mut Context<'_>) {
        let Some(entry) = self.entries.get(&tunnel) else {
            return;
        };
        match entry.stage {
            Stage::Assigned(_) => {}
            Stage::Retiring { .. } | Stage::Detaching => return,
        }
        // A look reads all routes over the link, and routes that a session teaches us are changes too.
        let routes = entry.report.as_ref().map_or(0, |report| report.learned_routes);
        let gap = self
            .settings
            .recheck_gap
            .max(GAP_PER_ROUTE.saturating_mul(u32::try_from(routes).unwrap_or(u32::MAX)));
        let due = entry.recheck.last.map(|at| at + gap).filter(|at| *at > cx.now);
        let last = if due.is_some() {
            entry.recheck.last
        } else {
            Some(cx.now)
        };
        self.entries
            .edit(&tunnel, |entry| entry.recheck = Recheck { last, due });
        if due.is_none() {
            cx.effects.push(Effect::Recheck(tunnel));
        }
    }

    /// Links of ours that belong to no desired tunnel and that no provisioner is at work on.
    fn retire_strays(&mut self, observed: &Observed, plan: &Plan, cx: &mut Context<'_>) {
        if self.is_held() && self.shutdown.is_none() {
            return;
        }
        let before = cx.effects.len();
        let strays: Vec<Stray> = observed
            .ours()
            .filter_map(|(tunnel, seen)| {
                let stray = self.is_stray(tunnel, &seen.link.name);
                let endpoints = seen.link.local.zip(seen.link.remote);
                stray.then(|| Stray {
                    tunnel,
                    link: seen.link.name.clone(),
                    endpoints,
                })
            })
            .collect();
        let reason = self.why_stray();
        self.remove_stray_rules(observed, plan, cx);
        for stray in strays {
            self.retire(stray, reason.clone(), cx);
        }
        self.commit(before, cx);
    }

    fn is_stray(&self, tunnel: TunnelId, link: &LinkName) -> bool {
        if self.ended.contains(&tunnel) {
            return false;
        }
        match self.entries.get(&tunnel).map(|entry| &entry.stage) {
            Some(Stage::Assigned(spec)) => spec.link.name != *link,
            Some(Stage::Retiring { .. } | Stage::Detaching) => false,
            None => {
                let kept = self.built.keep.contains(&tunnel.0) && self.shutdown.is_none();
                let wanted = self
                    .desired
                    .tunnels
                    .get(&tunnel)
                    .is_some_and(|want| want.spec.link.name == *link);
                !kept && !wanted
            }
        }
    }

    fn remove_stray_rules(&mut self, observed: &Observed, plan: &Plan, cx: &mut Context<'_>) {
        // Tunnels that are on their way out take their rules along.
        let others_go = self.entries.any_retires() && self.shutdown.is_none();
        if observed.rules.is_empty() || self.removing_rules || others_go {
            return;
        }
        if !plan.stray_rules.is_empty() {
            self.removing_rules = true;
            cx.effects.push(Effect::RemoveRules(plan.stray_rules.clone()));
        }
    }

    /// What could not be removed is found again by the next look, which a failure brings about.
    pub(super) fn rules_removed(&mut self, report: &RemovalReport, cx: &mut Context<'_>) {
        self.removing_rules = false;
        cx.effects.push(Effect::Record(Event::RulesRemoved {
            removed: report.removed,
            fault: report.failed.first().cloned(),
        }));
        if !report.is_complete() {
            if let Some(Shutdown::Remove { looked }) = &mut self.shutdown {
                *looked = false;
            }
            self.look_later(cx);
        }
        self.finish_shutdown(cx);
    }

    /// Of routes that a session taught, only their number is known here: see [`Self::show_learned`].
    fn recheck_drifted(&mut self, observed: &Observed, plan: &Plan, cx: &mut Context<'_>) {
        let of_session = observed
            .ours()
            .filter(|(id, have)| self.lacks_routes(id, have))
            .map(|(id, _)| id);
        let drifted: BTreeSet<TunnelId> = plan
            .steps
            .iter()
            .map(|step| step.tunnel)
            .chain(of_session)
            .collect();
        for tunnel in drifted
            .into_iter()
            .filter(|tunnel| self.is_settled(tunnel))
            .collect::<Vec<_>>()
        {
            self.recheck(tunnel, cx);
        }
    }

    /// Whether there are fewer routes of its session than its provisioner says, or more where none stays.
    fn lacks_routes(&self, tunnel: &TunnelId, have: &ObservedTunnel) -> bool {
        let Some(report) = self.entries.get(tunnel).and_then(|entry| entry.report.as_ref()) else {
            return false;
        };
        let Some(install) = report.spec.as_ref().and_then(|spec| spec.bgp.as_ref()?.install) else {
            return false;
        };
        let there = have
            .routes
            .iter()
            .filter(|route| route.protocol == RouteProtocol::Bgp)
            .count();
        let told = report.learned_routes.saturating_sub(report.blocked_routes.count);
        there < told || (there > told && !install.retain)
    }

    /// A tunnel that is still being built, or that failed, looks by itself.
    fn is_settled(&self, tunnel: &TunnelId) -> bool {
        let phase = self
            .entries
            .get(tunnel)
            .and_then(|entry| entry.report.as_ref())
            .map(|report| report.phase);
        matches!(phase, Some(Phase::Active | Phase::Peering))
    }

    /// Tunnels with routes from a session see for themselves whether those are all there: all tunnels where they are few, else
    /// those whose turn it is. The kernel is not asked for this.
    fn show_learned(&self, observed: &Observed, cx: &mut Context<'_>) {
        let learning: Vec<(&TunnelId, &LinkName)> = self
            .entries
            .iter()
            .filter_map(|(id, entry)| Some((id, entry.spec().filter(|spec| installs(spec))?)))
            .map(|(id, spec)| (id, &spec.link.name))
            .collect();
        let turn = self.turn(learning.len());
        for (tunnel, name) in learning
            .into_iter()
            .filter(|(tunnel, _)| turn.is_of(&tunnel.0.0) && self.is_settled(tunnel))
        {
            if let Some(have) = observed.under(*tunnel, name) {
                cx.effects.push(Effect::Sighted(*tunnel, Arc::new(have.clone())));
            }
        }
    }

    /// Whose turn it is at this resync, of this many.
    pub(super) fn turn(&self, of: usize) -> Turn {
        let turns = of.div_ceil(LOOKS_AT_ONCE).max(1) as u64;
        Turn {
            now: self.looking.resyncs % turns,
            turns,
        }
    }
}

/// One of several turns. Each key has one of them, always the same, and keys are spread evenly.
#[derive(Clone, Copy)]
pub(super) struct Turn {
    now: u64,
    turns: u64,
}

impl Turn {
    pub(super) fn is_of(self, key: &[u8]) -> bool {
        let mixed = key.chunks(8).fold(0, |mixed, chunk| {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            SplitMix64::new(mixed ^ u64::from_be_bytes(bytes)).next_u64()
        });
        mixed % self.turns == self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pubkey;

    #[test]
    fn each_tunnel_has_one_turn_and_no_turn_has_many_more_than_its_share() {
        let tunnels: Vec<TunnelId> = (0..10_000u32)
            .map(|n| {
                let mut key = [7; 32];
                key[..4].copy_from_slice(&n.to_be_bytes());
                TunnelId(Pubkey(key))
            })
            .collect();
        let turns = tunnels.len().div_ceil(LOOKS_AT_ONCE) as u64;
        let shares: Vec<usize> = (0..turns)
            .map(|now| {
                let turn = Turn { now, turns };
                tunnels.iter().filter(|tunnel| turn.is_of(&tunnel.0.0)).count()
            })
            .collect();
        assert_eq!(shares.iter().sum::<usize>(), tunnels.len());
        assert!(
            shares.iter().all(|share| *share < LOOKS_AT_ONCE * 3 / 2),
            "{shares:?}"
        );
        assert!(
            tunnels
                .iter()
                .all(|tunnel| Turn { now: 0, turns: 1 }.is_of(&tunnel.0.0)),
            "few tunnels all look at every resync"
        );
    }
}

//! A pass for some users: the work is that of what changed, however many tunnels there are.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    mem,
};

use super::{
    Role, UnderlayPath,
    machine::{Context, Reconciler, Touched},
    underlay::path,
};
use crate::{
    Desired, Pubkey, Switch, TunnelId,
    desired::{Built, build_again},
    view::Difference,
};

impl Reconciler {
    /// Passes for what differs from the view before.
    pub(super) fn pass_for(&mut self, difference: &Difference, cx: &mut Context<'_>) {
        match difference {
            Difference::Users(users) if self.may_pass_for_some() => self.pass_for_some(users.clone(), cx),
            Difference::Nothing | Difference::Users(_) | Difference::Everything => self.pass(cx),
        }
    }

    /// Whether what is wanted is what the view in force, but for the users in question, asks for and nothing else. A client has
    /// a tunnel or two, and each depends on the other.
    pub(super) fn may_pass_for_some(&self) -> bool {
        self.follows_view && self.shutdown.is_none() && self.may_act() && self.looking.done
    }

    /// Whether what was just built is what the view asks for and nothing else.
    pub(super) fn is_of_view_alone(&self) -> bool {
        matches!(self.role, Some(Role::Gateway { .. }))
            && self.switch == Some(Switch::On)
            && self.view.is_some()
            && self.manual == super::Manual::default()
    }

    pub(super) fn pass_for_some(&mut self, users: BTreeSet<Pubkey>, cx: &mut Context<'_>) {
        let tunnels = self.rebuild_some(users, cx);
        self.ask_underlay(cx);
        let before = cx.effects.len();
        for stray in self.undesired_of(&tunnels) {
            let reason = self.why_undesired(stray.tunnel);
            self.retire(stray, reason, cx);
        }
        let mut changed = mem::take(&mut self.waiting);
        changed.extend(&tunnels);
        self.assign_changed(changed, cx);
        self.commit(before, cx);
    }

    /// Builds what is wanted of these users, and of those who compete with them. Gives whose tunnels were looked at.
    fn rebuild_some(&mut self, users: BTreeSet<Pubkey>, cx: &mut Context<'_>) -> BTreeSet<TunnelId> {
        let mut built = mem::take(&mut self.built);
        let provisioned = |id: &TunnelId| self.is_provisioned(id);
        let before = self
            .request(&provisioned)
            .map(|request| build_again(&request, users, &mut built))
            .unwrap_or_default();
        self.entries.look_at(before.len());
        let tunnels: BTreeSet<TunnelId> = before.keys().copied().map(TunnelId).collect();
        let withheld = tunnels
            .iter()
            .filter_map(|id| self.underlay.withheld.remove(id))
            .collect::<Vec<_>>();
        let left = before
            .values()
            .filter_map(|before| before.spec.as_ref())
            .chain(&withheld)
            .map(|spec| path(&spec.link));
        let taken: BTreeSet<UnderlayPath> = tunnels
            .iter()
            .filter_map(|id| built.tunnels.get(id))
            .map(|spec| path(&spec.link))
            .collect();
        left.filter(|path| !taken.contains(path))
            .for_each(|path| self.underlay.leave(path));
        self.fit_some_to_underlay(&mut built, &tunnels);
        let refusals = before
            .iter()
            .map(|(user, before)| (user, before.refused.as_ref(), built.refused.get(user)));
        Self::tell_refusals(refusals, cx);
        self.built = built;
        #[cfg(test)]
        self.check_built();
        self.want_some(&tunnels);
        tunnels
    }

    fn want_some(&mut self, tunnels: &BTreeSet<TunnelId>) {
        for id in tunnels {
            match self.built.tunnels.get(id).map(|spec| self.want(spec)) {
                Some(want) => drop(self.desired.tunnels.insert(*id, want)),
                None => drop(self.desired.tunnels.remove(id)),
            }
        }
        match &mut self.touched {
            Touched::All => {}
            Touched::These(touched) => touched.extend(tunnels),
        }
    }

    /// What was built again is what would be built of everything.
    #[cfg(test)]
    fn check_built(&self) {
        let anew = self.build_from_view();
        let mut built = self.built.clone();
        for (id, spec) in &self.underlay.withheld {
            built.keep.remove(&id.0);
            built.tunnels.insert(*id, spec.clone());
        }
        let paths: BTreeSet<_> = built.tunnels.values().map(|spec| path(&spec.link)).collect();
        assert!(self.settings.mtu.is_some() || self.underlay.uses(&paths));
        for spec in built.tunnels.values_mut() {
            std::sync::Arc::make_mut(spec).link.mtu = super::USUAL_MTU;
        }
        assert_eq!(built, anew);
    }
}

impl Reconciler {
    /// Builds all that is wanted anew.
    pub(super) fn rebuild(&mut self, cx: &mut Context<'_>) {
        let mut built = self.build();
        self.put_far_ends(&mut built);
        self.ask_underlay(cx);
        Self::tell_refusals(merged(&self.built.refused, &built.refused), cx);
        self.entries.look_at(built.tunnels.len());
        let wants = built.tunnels.iter().map(|(id, spec)| (*id, self.want(spec)));
        self.desired = Desired {
            tunnels: wants.collect(),
        };
        self.follows_view = self.is_of_view_alone();
        self.built = built;
        self.touched = Touched::All;
    }

    fn build(&mut self) -> Built {
        let mut built = self.build_from_view();
        if self.is_held() {
            self.hold_as_it_is(&mut built);
        }
        self.put_manual(&mut built);
        self.fit_to_underlay(&mut built);
        built
    }
}

/// Two maps side by side, in the order of their keys: what each of them has.
fn merged<'a, K: Ord, V>(
    one: &'a BTreeMap<K, V>,
    other: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (&'a K, Option<&'a V>, Option<&'a V>)> {
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    std::iter::from_fn(move || {
        let order = match (one.peek(), other.peek()) {
            (Some((a, _)), Some((b, _))) => a.cmp(b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return None,
        };
        let here = if order.is_le() { one.next() } else { None };
        let there = if order.is_ge() { other.next() } else { None };
        let key = here.or(there)?.0;
        Some((key, here.map(|(_, value)| value), there.map(|(_, value)| value)))
    })
}

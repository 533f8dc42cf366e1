//! How large the tunnels' packets may be: as configured, else as large as the underlay takes in one piece.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    Effect,
    machine::{Context, Reconciler},
};
use crate::{
    LinkSpec, TunnelId, TunnelSpec,
    desired::Built,
    spec::{SMALLEST_MTU, USUAL_MTU},
};

/// A tunnel's path through the underlay: its outer source and destination.
pub type UnderlayPath = (Ipv4Addr, Ipv4Addr);

/// What a tunnel puts before a packet: an IPv4 header (20 bytes, RFC 791) and a GRE header without options (4, RFC 2784).
const OVERHEAD: u32 = 24;

/// What is known of the paths that tunnels take.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Underlay {
    /// the MTU of each path that was asked for; `None` where nobody could say. Only paths that are in use.
    #[serde(with = "crate::serial::pairs")]
    known: BTreeMap<UnderlayPath, Option<u32>>,
    /// Those that the tunnels of the last build take.
    used: BTreeSet<UnderlayPath>,
    /// Tunnels that are not built before the MTU of their path is known.
    pub(super) withheld: BTreeMap<TunnelId, Arc<TunnelSpec>>,
    asked: BTreeSet<UnderlayPath>,
    /// Paths that tunnels take, of which nothing is known and that were not asked for when that was found.
    new: BTreeSet<UnderlayPath>,
}

impl Reconciler {
    /// Gives every tunnel its MTU. One whose path is not known yet stays as it is; it is known in a moment.
    pub(super) fn fit_to_underlay(&mut self, built: &mut Built) {
        self.underlay.withheld.clear();
        self.underlay.used.clear();
        let all = built.tunnels.keys().copied().collect();
        self.fit_some_to_underlay(built, &all);
        let Underlay {
            known, used, asked, ..
        } = &mut self.underlay;
        known.retain(|path, _| used.contains(path));
        asked.retain(|path| used.contains(path));
    }

    /// The same for some of those that are built.
    pub(super) fn fit_some_to_underlay(&mut self, built: &mut Built, tunnels: &BTreeSet<TunnelId>) {
        let Underlay {
            known,
            used,
            withheld,
            asked,
            new,
        } = &mut self.underlay;
        for id in tunnels {
            let Some(spec) = built.tunnels.get_mut(id) else {
                continue;
            };
            let path = path(&spec.link);
            let mtu = match self.settings.mtu {
                Some(mtu) => Some(mtu),
                None => {
                    used.insert(path);
                    known
                        .get(&path)
                        .map(|underlay| underlay.map_or(USUAL_MTU, fitting))
                }
            };
            match mtu {
                Some(mtu) if spec.link.mtu == mtu => {}
                Some(mtu) => Arc::make_mut(spec).link.mtu = mtu,
                None => {
                    if !asked.contains(&path) {
                        new.insert(path);
                    }
                    withheld.insert(*id, spec.clone());
                    built.tunnels.remove(id);
                    built.keep.insert(id.0);
                }
            }
        }
    }

    /// Asks for paths of which nothing is known and that were not asked for.
    pub(super) fn ask_underlay(&mut self, cx: &mut Context<'_>) {
        let Underlay {
            known,
            used,
            asked,
            new,
            ..
        } = &mut self.underlay;
        let mut new = std::mem::take(new);
        self.entries.look_at(new.len());
        new.retain(|path| used.contains(path) && !known.contains_key(path) && asked.insert(*path));
        if !new.is_empty() {
            cx.effects.push(Effect::MeasureUnderlay(new));
        }
    }

    /// The host's own network has changed.
    pub(super) fn ask_underlay_again(&mut self, cx: &mut Context<'_>) {
        self.measure(self.underlay.used.clone(), cx);
    }

    /// The host's own network may have changed without a notice: the paths whose turn it is are asked for.
    pub(super) fn ask_underlay_in_turn(&mut self, cx: &mut Context<'_>) {
        let used = &self.underlay.used;
        let turn = self.turn(used.len());
        let is_due =
            |(local, remote): &&UnderlayPath| turn.is_of([local.octets(), remote.octets()].as_flattened());
        self.measure(used.iter().filter(is_due).copied().collect(), cx);
    }

    fn measure(&mut self, paths: BTreeSet<UnderlayPath>, cx: &mut Context<'_>) {
        if !paths.is_empty() {
            self.underlay.asked.extend(paths.iter());
            cx.effects.push(Effect::MeasureUnderlay(paths));
        }
    }

    pub(super) fn uses_underlay(&self) -> bool {
        !self.underlay.used.is_empty()
    }

    /// Several questions may be under way: an answer is about what its own question asked.
    pub(super) fn take_underlay(
        &mut self,
        answers: &BTreeMap<UnderlayPath, Option<u32>>,
        cx: &mut Context<'_>,
    ) {
        let Underlay {
            known, used, asked, ..
        } = &mut self.underlay;
        let mut changed = BTreeSet::new();
        for (path, answer) in answers.iter().filter(|(path, _)| used.contains(path)) {
            asked.remove(path);
            // A route that is missing for a moment says nothing about its MTU.
            let now = answer.or(known.get(path).copied().flatten());
            if known.insert(*path, now) != Some(now) {
                changed.insert(*path);
            }
        }
        if changed.is_empty() || self.shutdown.is_some() {
            return;
        }
        if self.may_pass_for_some() {
            let users = changed
                .iter()
                .filter_map(|path| self.built.claims.between(path))
                .collect();
            self.pass_for_some(users, cx);
        } else {
            self.pass(cx);
            self.assign_manual(cx);
        }
    }

    /// Manual tunnels are built without a view, too, when a pass may do nothing.
    fn assign_manual(&mut self, cx: &mut Context<'_>) {
        if self.may_act() || self.manual.tunnels.is_empty() {
            return;
        }
        let before = cx.effects.len();
        self.rebuild(cx);
        let waiting = self
            .waiting
            .iter()
            .chain(self.manual.tunnels.keys())
            .copied()
            .collect();
        self.assign_changed(waiting, cx);
        self.commit(before, cx);
    }
}

impl Underlay {
    /// No tunnel takes this path any more.
    pub(super) fn leave(&mut self, path: UnderlayPath) {
        self.used.remove(&path);
        self.known.remove(&path);
        self.asked.remove(&path);
    }

    /// Whether of every path that a tunnel takes something is known, or will be.
    #[cfg(test)]
    pub(super) fn is_asked_for(&self) -> bool {
        self.used
            .iter()
            .all(|path| self.known.contains_key(path) || self.asked.contains(path))
    }

    #[cfg(test)]
    pub(super) fn uses(&self, paths: &BTreeSet<UnderlayPath>) -> bool {
        self.used == *paths
    }
}

pub(super) fn path(link: &LinkSpec) -> UnderlayPath {
    (link.local, link.remote)
}

fn fitting(underlay: u32) -> u16 {
    let room = underlay
        .saturating_sub(OVERHEAD)
        .clamp(u32::from(SMALLEST_MTU), u32::from(USUAL_MTU));
    u16::try_from(room).unwrap_or(USUAL_MTU)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnel_takes_what_the_underlay_leaves_within_bounds() {
        for (underlay, mtu) in [
            (1500, 1476),
            (1400, 1376),
            (1280, 1256),
            (9000, 1476),
            (65_536, 1476),
            (600, 576),
            (68, 576),
            (0, 576),
        ] {
            assert_eq!(fitting(underlay), mtu, "{underlay}");
        }
    }
}

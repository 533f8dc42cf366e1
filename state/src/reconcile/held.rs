//! What is done while the switch cannot be read.

use super::{entries::Stage, machine::Reconciler, marks::Mark};
use crate::{Switch, TunnelId, TunnelSpec, desired::Built};

impl Reconciler {
    /// Whether tunnels are only held, because nobody knows what the operator wants.
    pub(super) fn is_held(&self) -> bool {
        self.switch == Some(Switch::Unknown)
    }

    /// Of what the ledger asks for, only what is there, over the link that is there: a session goes on being served, and what
    /// others change is mended. All else of ours stays as it is, with nobody at work on it.
    pub(super) fn hold_as_it_is(&self, built: &mut Built) {
        built.tunnels.retain(|id, spec| self.is_there(*id, spec));
        let assigned = self
            .entries
            .iter()
            .filter(|(_, entry)| matches!(entry.stage, Stage::Assigned(_)))
            .map(|(id, _)| id);
        let there = self
            .marks
            .keys()
            .chain(assigned)
            .filter(|id| !built.tunnels.contains_key(id));
        built.keep.extend(there.map(|id| id.0));
    }

    fn is_there(&self, id: TunnelId, wanted: &TunnelSpec) -> bool {
        let wanted = Mark::of(wanted);
        match self.entries.get(&id).map(|entry| &entry.stage) {
            Some(Stage::Assigned(have)) => Mark::of(have) == wanted,
            Some(Stage::Retiring { .. } | Stage::Detaching) => false,
            None => self.marks.get(&id) == Some(&wanted),
        }
    }
}

//! What a provisioner tells of its tunnel.

use std::sync::Arc;

use super::{Effect, Input, Lifecycle, TunnelReport};
use crate::{event::Event, table::Change};

/// Separates what is told from what is done: what happened and how it is now are one step, which is appended before
/// anything is carried out, so that whoever reads an event finds the state that it tells of.
#[derive(Debug, Default)]
pub struct Telling {
    told: Option<Arc<TunnelReport>>,
}

/// What came of one input.
#[derive(Debug, Default)]
pub struct Told {
    /// The events of this step, in order.
    pub events: Vec<Event>,
    /// How the tunnel is now, where that was not told yet, and which of its routes are to be watched.
    pub changes: Vec<Change>,
    /// What is to be carried out then, in order.
    pub effects: Vec<Effect>,
}

impl Telling {
    /// The machine is about to take this: a reconciler that was started again hears of the tunnel in any case.
    pub fn hear(&mut self, input: &Input) {
        if matches!(input, Input::Assign(_)) {
            self.told = None;
        }
    }

    /// The machine gave these effects.
    pub fn part(&mut self, machine: &Lifecycle, effects: Vec<Effect>) -> Told {
        let report = machine.report();
        let tunnel = report.tunnel;
        let is_new = self.told.as_deref() != Some(&report);
        let mut told = Told::default();
        if is_new {
            let report = Arc::new(report);
            self.told = Some(report.clone());
            told.changes.push(Change::Tunnel(report));
        }
        for effect in effects {
            if let Effect::Record(event) = effect {
                told.events.push(event);
            } else if let Effect::WatchRoutes { added, removed } = effect {
                told.changes.push(Change::Watch {
                    tunnel,
                    added,
                    removed,
                });
            } else {
                told.effects.push(effect);
            }
        }
        told
    }

    /// What was told last.
    #[must_use]
    pub fn last(&self) -> Option<&Arc<TunnelReport>> {
        self.told.as_ref()
    }
}

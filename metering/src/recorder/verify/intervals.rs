//! Starts and stops are pairs.

use warren_state::TunnelId;

use super::Verifier;
use crate::recorder::entry::{EntryContent, EntryId};

impl Verifier {
    pub(super) fn interval(&mut self, id: EntryId, what: &EntryContent) {
        match what {
            EntryContent::TunnelStart { tunnel, .. } => {
                let open = self.open.insert(*tunnel, id);
                self.starts(id, "starts", *tunnel, open);
            }
            EntryContent::TunnelStop { tunnel, start, .. } => {
                let open = self.open.remove(tunnel);
                self.stops(id, "stops", *tunnel, open, *start);
            }
            EntryContent::ThrottleStart { tunnel, .. } => {
                let open = self.held.insert(*tunnel, id);
                self.starts(id, "holds", *tunnel, open);
            }
            EntryContent::ThrottleStop { tunnel, start, .. } => {
                let open = self.held.remove(tunnel);
                self.stops(id, "lets go", *tunnel, open, *start);
            }
            EntryContent::UsageSample { .. } | EntryContent::Gap { .. } | EntryContent::Repair { .. } => {}
        }
    }

    fn starts(&mut self, id: EntryId, does: &str, tunnel: TunnelId, open: Option<EntryId>) {
        if let Some(open) = open {
            self.problem("start", format!("{id} {does} {tunnel}, as {open} did before"));
        }
    }

    fn stops(
        &mut self,
        id: EntryId,
        does: &str,
        tunnel: TunnelId,
        open: Option<EntryId>,
        start: Option<EntryId>,
    ) {
        let first = self.chains.get(&id.node).map(|chain| chain.first);
        match (open, start) {
            (Some(open), Some(start)) if open == start => self.report.pairs += 1,
            (None, None) => self.report.begun_before += 1,
            (None, Some(start)) if first.is_some_and(|first| start < first) => {
                self.report.begun_before += 1;
            }
            (open, start) => {
                let name = |id: Option<EntryId>| id.map_or_else(|| "nothing".to_owned(), |id| id.to_string());
                let text = format!(
                    "{id} {does} {tunnel} as started by {}, but it was started by {}",
                    name(start),
                    name(open)
                );
                self.problem("stop", text);
            }
        }
    }
}

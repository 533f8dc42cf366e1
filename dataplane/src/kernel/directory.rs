//! Where to look for a tunnel first: which interfaces were seen to carry its mark.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use warren_state::{LinkName, TunnelId};

use super::objects::Link;

/// Whoever uses an entry reads the interface's mark again: it may be gone, or be another's by now.
#[derive(Default)]
pub struct Directory(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// All links of the host were read once: since then only we make links with our marks.
    complete: bool,
    /// By the link's number.
    links: BTreeMap<TunnelId, BTreeMap<u32, LinkName>>,
}

impl Directory {
    /// Takes in what a dump of all links shows.
    pub fn learn<'a>(&self, all: impl IntoIterator<Item = &'a Link>) {
        let mut known = self.known();
        known.complete = true;
        for link in all {
            known.note(link);
        }
    }

    /// Takes in one link.
    pub fn note(&self, link: &Link) {
        self.known().note(link);
    }

    /// The tunnel is gone, with everything of it.
    pub fn forget(&self, tunnel: TunnelId) {
        self.known().links.remove(&tunnel);
    }

    /// What was seen of the tunnel.
    pub fn of(&self, tunnel: TunnelId) -> BTreeMap<u32, LinkName> {
        self.known().links.get(&tunnel).cloned().unwrap_or_default()
    }

    /// Whether what was not seen is not there.
    pub fn is_complete(&self) -> bool {
        self.known().complete
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn note(&mut self, link: &Link) {
        if let Some(mark) = link.mark() {
            let links = self.links.entry(mark.tunnel).or_default();
            links.insert(link.index, link.name.clone());
        }
    }
}

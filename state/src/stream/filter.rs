//! Which frames a reader wants.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Frame;
use crate::{
    TunnelId,
    event::{Event, Kind, Topic, UnknownTopic},
};

/// Which frames a reader wants; by default all.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Filter {
    /// These topics; all where there are none.
    pub topics: BTreeSet<Topic>,
    /// Beside those, these kinds.
    pub kinds: BTreeSet<Kind>,
    /// Only what is about this tunnel.
    pub tunnel: Option<TunnelId>,
}

impl Filter {
    /// What a request names: topics and kinds, with commas between them; nothing stands for all.
    ///
    /// # Errors
    /// The first name that is none.
    pub fn parse(topics: Option<&str>, tunnel: Option<TunnelId>) -> Result<Self, UnknownTopic> {
        let mut filter = Self {
            tunnel,
            ..Self::default()
        };
        for name in topics.into_iter().flat_map(|list| list.split(',')).map(str::trim) {
            match Kind::ALL.iter().find(|kind| kind.name() == name) {
                Some(kind) => drop(filter.kinds.insert(*kind)),
                None => drop(filter.topics.insert(name.parse()?)),
            }
        }
        Ok(filter)
    }

    /// Whether this kind of event is wanted for what it tells.
    #[must_use]
    pub fn wants_kind(&self, kind: Kind) -> bool {
        self.has_all_topics() || self.topics.contains(&kind.topic()) || self.kinds.contains(&kind)
    }

    /// Whether an event is wanted for what it tells.
    #[must_use]
    pub fn wants_event(&self, event: &Event) -> bool {
        self.wants_kind(event.kind()) && self.tunnel.is_none_or(|tunnel| event.tunnel() == Some(tunnel))
    }

    /// Whether the frame is for this reader.
    #[must_use]
    pub fn wants(&self, frame: &Frame) -> bool {
        let wanted = self.has_all_topics()
            || frame.kind.is_some_and(|kind| self.wants_kind(kind))
            || (frame.has_patch && self.topics.contains(&Topic::State));
        wanted && self.tunnel.is_none_or(|tunnel| frame.tunnels.contains(&tunnel))
    }

    fn has_all_topics(&self) -> bool {
        self.topics.is_empty() && self.kinds.is_empty()
    }
}

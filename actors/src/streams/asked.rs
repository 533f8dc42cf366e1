//! What a reader asks for.

use warren_state::{
    Position,
    stream::{Feed, Filter, Ring},
};

/// What can be followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamKind {
    /// What is true and what happened.
    Events,
    /// Who is connected.
    Connections,
    /// The same, with pseudonyms in the place of addresses.
    Pseudonyms,
    /// The lives of tunnels; of each the latest.
    Status,
}

/// What a reader asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// What.
    pub sort: StreamKind,
    /// Which of it.
    pub filter: Filter,
    /// What it had last, if it is not new.
    pub since: Option<Since>,
    /// Only what there is by now.
    pub ends: bool,
    /// Whose it is.
    pub uid: Option<u32>,
}

/// What a reader had last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Since {
    /// Everything up to here.
    Position(Position),
    /// A part of the step at this position.
    Part(Position),
}

impl StreamKind {
    /// The name in metrics and status.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Connections | Self::Pseudonyms => "connections",
            Self::Status => "status",
        }
    }

    /// Whether what happened can be told again.
    pub(super) fn has_history(self) -> bool {
        self == Self::Events
    }

    pub(super) fn ring(self, feed: &Feed) -> &Ring {
        match self {
            Self::Events => &feed.events,
            Self::Connections => &feed.connections,
            Self::Pseudonyms => &feed.masked,
            Self::Status => &feed.statuses,
        }
    }
}

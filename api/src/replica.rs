//! A copy of the daemon's state, made of the frames of `/v3/events`: pure, frames in, state out.
//!
//! Whatever is lost on the way, comes twice or too late: the copy is the state at its position, or it says why it may not be.
//!
//! ```text
//!           snapshot                     a frame that follows
//! Empty ───────────────► right ◄──────────────────────────────┐
//!                          ├── gap, reset, told from the journal ──► in doubt: the state is on its way
//!                          └── a frame that follows another ───────► lost: connect again with the position
//! ```

use std::fmt;

use serde::Deserialize;
use serde_json::Value;
use warren_state::{Position, Sequence, stream::merge};

use crate::sse::Frame;

/// A copy of the state.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Replica {
    of_a_part: bool,
    state: Option<(Position, Value)>,
    doubt: Option<ResyncReason>,
}

/// Why a copy may not be right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ResyncReason {
    /// The reader was too slow: this many frames are left out. The state comes.
    Gap(u64),
    /// What came after the position that was asked for is not known, for this reason. The state comes.
    Reset(String),
    /// What happened meanwhile is told from the journal. The state comes behind it.
    Told,
    /// Something is missing that does not come by itself.
    Lost,
    /// This frame could not be read.
    Unreadable(String),
}

/// What became of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applied {
    /// The copy is further than it was.
    New,
    /// It had that already.
    Known,
    /// It tells what happened before the state that comes, or nothing of the state.
    Aside,
    /// The copy may not be right: [`Replica::doubt`].
    Doubted,
}

/// What is read of the frames.
#[derive(Deserialize)]
struct Data {
    position: Option<Position>,
    after: Option<Sequence>,
    state: Option<Value>,
    patch: Option<Value>,
    from: Option<Value>,
    #[serde(default)]
    dropped: u64,
    #[serde(default)]
    reason: Value,
}

impl Replica {
    /// Of what is about one tunnel, or of some topics: what is lost between two frames does not show then.
    #[must_use]
    pub fn of_a_part() -> Self {
        Self {
            of_a_part: true,
            ..Self::default()
        }
    }

    /// The position of the state: everything up to there is applied. It is what to connect again with.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.state.as_ref().map(|(position, _)| *position)
    }

    /// What was true at the position.
    #[must_use]
    pub fn state(&self) -> Option<&Value> {
        self.state.as_ref().map(|(_, state)| state)
    }

    /// Whether there is a state, and nothing of what came is missing in it.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.state.is_some() && self.doubt.is_none()
    }

    /// Why the copy may not be right, once it was.
    #[must_use]
    pub fn doubt(&self) -> Option<&ResyncReason> {
        self.doubt.as_ref()
    }

    /// Whether nothing that comes on this connection will make it right.
    #[must_use]
    pub fn must_connect_again(&self) -> bool {
        matches!(self.doubt, Some(ResyncReason::Lost | ResyncReason::Unreadable(_)))
    }

    /// Takes the next frame.
    pub fn apply(&mut self, frame: &Frame) -> Applied {
        let data: Data = match serde_json::from_str(&frame.data) {
            Ok(data) => data,
            Err(error) => return self.doubted(ResyncReason::Unreadable(format!("{}: {error}", frame.name))),
        };
        match frame.name.as_str() {
            "snapshot" => self.begin(data),
            "resumed" => self.resume(&data),
            "gap" => self.doubted(ResyncReason::Gap(data.dropped)),
            "reset" => self.doubted(ResyncReason::Reset(
                data.reason.as_str().unwrap_or_default().to_owned(),
            )),
            // Everything was sent.
            "heartbeat" => match data.position {
                Some(position) if data.after.is_some() => self.go_on(position, data),
                Some(_) | None => Applied::Aside,
            },
            // A frame of another name may move on as well: by its id.
            _ => match frame.id.as_deref().map(str::parse) {
                Some(Ok(position)) => self.go_on(position, data),
                Some(Err(_)) => self.doubted(ResyncReason::Unreadable(frame.name.clone())),
                None => Applied::Aside,
            },
        }
    }

    fn begin(&mut self, data: Data) -> Applied {
        let (Some(position), Some(state)) = (data.position, data.state) else {
            return self.doubted(ResyncReason::Unreadable("snapshot".to_owned()));
        };
        let is_older = self.position().is_some_and(|at| is_before(position, at));
        if is_older && !matches!(self.doubt, Some(ResyncReason::Reset(_))) {
            return Applied::Known;
        }
        (self.state, self.doubt) = (Some((position, state)), None);
        Applied::New
    }

    fn resume(&mut self, data: &Data) -> Applied {
        let is_from_memory = data.from.as_ref().is_some_and(|from| from == "memory");
        if !is_from_memory {
            return self.doubted(ResyncReason::Told);
        }
        if self.position().is_none() || self.position() != data.position {
            return self.doubted(ResyncReason::Lost);
        }
        self.doubt = None;
        Applied::Aside
    }

    fn go_on(&mut self, position: Position, data: Data) -> Applied {
        let is_known = self
            .position()
            .is_some_and(|at| at == position || is_before(position, at));
        let Some(after) = data.after else {
            // It is of the past, and the state comes behind it.
            return match (&self.doubt, is_known) {
                (Some(_), _) => Applied::Aside,
                (None, true) => Applied::Known,
                (None, false) => self.doubted(ResyncReason::Told),
            };
        };
        match &mut self.state {
            Some(_) if self.doubt.is_none() && is_known => Applied::Known,
            Some((at, state)) if self.doubt.is_none() && follows(position, after, *at, self.of_a_part) => {
                if let Some(patch) = &data.patch {
                    merge(state, patch);
                }
                *at = position;
                Applied::New
            }
            // It is of now, and what comes before it is missing.
            Some(_) | None => self.doubted(ResyncReason::Lost),
        }
    }

    fn doubted(&mut self, doubt: ResyncReason) -> Applied {
        self.doubt = Some(doubt);
        Applied::Doubted
    }
}

impl fmt::Display for ResyncReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gap(frames) => write!(
                f,
                "{frames} frames were dropped because they were not read in time"
            ),
            Self::Reset(reason) => write!(f, "what happened meanwhile is not known: {reason}"),
            Self::Told => f.write_str("what happened meanwhile follows"),
            Self::Lost => f.write_str("something was lost on the way"),
            Self::Unreadable(what) => write!(f, "a frame cannot be read: {what}"),
        }
    }
}

/// Whether nothing lies between a position and the frame of another that comes after a third.
fn follows(position: Position, after: Sequence, at: Position, of_a_part: bool) -> bool {
    (position.node, position.epoch) == (at.node, at.epoch) && (of_a_part || after <= at.sequence)
}

fn is_before(one: Position, other: Position) -> bool {
    (one.node, one.epoch) == (other.node, other.epoch) && one.sequence < other.sequence
}

#[cfg(test)]
mod tests;

//! What readers outside the daemon follow: pure.
//!
//! A [`Feed`] takes the table's steps and makes frames of them, each once for all readers, which a [`Ring`] keeps for a while. A
//! [`Reader`] is where one of them is in it: it is given the state first, then every frame after that, and where it is too slow it
//! is told so and given the state again. So what is made of the frames is right, or its maker knows that it is not.

mod connections;
mod feed;
mod filter;
mod frame;
mod lifecycle;
mod reader;
mod ring;
mod state;
#[cfg(test)]
mod tests;

pub use crate::event::{Topic, UnknownTopic};
pub use connections::{Connection, ConnectionKind, Connections, Mask};
pub use feed::{Feed, Start, state_frame};
pub use filter::Filter;
pub use frame::{Text, event_frame, gap_frame, heartbeat, reset, resumed, shutdown};
pub use lifecycle::{Reason, TunnelStatus, status_snapshot};
pub use reader::{Kept, Next, Reader};
pub use ring::{Frame, Ring};
pub use state::{merge, patch, snapshot};

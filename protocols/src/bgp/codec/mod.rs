//! The messages of BGP-4 as this speaker needs them: bounded, without panics, and with what RFC 7606 asks to know.
//!
//! Why this is not a crate: rfcs/0003-bgp-codec.md.

pub mod attributes;
pub mod frame;
pub mod notification;
pub mod open;
mod prefix;
mod reader;
pub mod update;

pub use frame::{Frame, Framer, MessageKind, keepalive};
pub use notification::Notification;
pub use open::Open;
pub use update::{Announced, Update};

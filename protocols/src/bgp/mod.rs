//! A BGP-4 speaker for one session: active, IPv4 unicast, one peer.
//!
//! [`Session`] is the machine. Its shell owns a socket and a timer and does three things: it carries out each
//! [`Output`] in order, it tells the machine what came of it with an [`Input`], and it calls with [`Input::Timeout`]
//! when the deadline of [`Session::poll_timeout`] has passed.
//!
//! RFC 4271 (BGP-4), 4486 (Cease subcodes), 4724 (the restarting side), 4760 (multiprotocol), 5492 (capabilities),
//! 6286 (router id), 6608 (FSM error subcodes), 6793 (four-octet AS), 7606 (error handling), 9003 (shutdown text),
//! 9072 (extended optional parameters).

mod backoff;
pub mod codec;
mod health;
mod interface;
mod policy;
mod session;
mod state;
mod table;
#[cfg(test)]
mod testing;

pub use interface::{ConnectionNumber, Input, Output, SessionConfig, Timers};
pub use session::Session;

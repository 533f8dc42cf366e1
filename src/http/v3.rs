//! From the daemon's state to our own JSON.

mod answers;
mod applied;
pub mod page;
pub mod picture;
mod standing;

pub(super) use answers::named;
pub use answers::{not_ready, plan, status, told, tunnel};

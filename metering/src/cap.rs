//! What may be used: a cap, how much of it is used, and what follows.
//!
//! ```text
//!  totals of the sampler ─┐
//!                         ├─▶ [Account] ── usage ──▶ [decide] ──▶ Unlimited | Rate | Block
//!  an authority's words ──┘
//! ```
//!
//! An [`Account`] holds what an authority said of one [`DeviceId`] and what was counted here since: what the authority cannot have
//! seen is added to what it says, nothing twice. The end of a window needs nobody's word.

mod account;
mod book;
mod decide;
mod device;
mod limit;
pub mod remote;
#[cfg(test)]
mod tests;
mod window;

pub use account::{Account, CapSnapshot};
pub use book::{Authority, CapBook, CappedTunnel, Looked, SHORTEST_LOOK};
pub use decide::{Decision, Exempt, Known, Over, Policy, THROTTLED, Unsynced, Usage, decide};
pub use device::{DeviceId, EmptyId};
pub use limit::{Cap, InvalidCap};
pub use window::{Calendar, InvalidZone, Span, UnixSeconds, Window, Zone};

//! The dataplane: what makes links, addresses, routes and rules real.
//!
//! [`contract::Dataplane`] is backend-neutral and speaks domain types only.

pub mod contract;
pub mod kernel;

pub use contract::{Dataplane, Notice, Removal, Scope};

//! The dataplane: what makes links, addresses, routes and rules real.
//!
//! [`contract::Dataplane`] is backend-neutral and speaks domain types only. Three backends keep it: [`netlink`] (kernel
//! GRE), userspace (TUN devices and raw sockets) and [`simulated`]; [`select::open`] chooses. [`stages`] is how a plan
//! goes into one.

pub mod contract;
pub mod kernel;
pub mod netlink;
pub mod select;
pub mod simulated;
pub mod stages;
pub mod userspace;

pub use contract::{Dataplane, Notice, Outlet, Removal, Scope};
pub use stages::{Prepared, Publisher};

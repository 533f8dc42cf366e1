//! Caps that somebody elsewhere keeps: the ways to an authority, and who reports to it and asks it.

mod authority;
mod grpc;
mod http;
mod kept;
mod link;
mod settings;

pub use authority::Authority;
pub use link::{Link, LinkSettings};
pub use settings::{AuthoritySettings, InvalidAuthority, Protocol};

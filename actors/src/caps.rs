//! Caps that somebody elsewhere keeps: the ways to an authority, and who reports to it and asks it.

mod authority;
mod grpc;
mod http;
mod kept;
mod link;

pub use authority::{Authority, AuthoritySettings, InvalidAuthority, Protocol};
pub use link::{Link, LinkSettings};

//! What may be used: who holds tunnels to it, and the ways to an authority elsewhere, who reports to it and asks it.

mod authority;
mod authority_settings;
mod grpc;
mod holder;
mod http;
mod kept;
mod link;
pub(crate) mod settings;
pub(crate) mod shared;

pub use authority::Authority;
pub use authority_settings::{AuthoritySettings, InvalidAuthority, Protocol};
pub use holder::CapError;
pub(crate) use holder::{HolderMessage, SPEC};
pub use link::{Link, LinkSettings};
pub use settings::{CapSource, CapsSettings, DeviceKind};
pub use shared::Caps;

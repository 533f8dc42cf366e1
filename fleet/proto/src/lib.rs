//! `lantern_cloud.api.DataCapService`: its messages, its client and its server, without a transport.
//!
//! The code is made from `datacap.proto` and committed; a test holds the one to the other.

#[allow(
    missing_docs,
    clippy::all,
    clippy::wildcard_enum_match_arm,
    reason = "it is generated; the .proto has the words"
)]
mod generated {
    include!("generated.rs");
}

pub use generated::*;

//! `/v3/caps`: what may be used.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::phrases::octets;

/// Caps, what is used of them, and who is held.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct CapsReply {
    /// Of this document.
    pub schema: u32,
    /// Where caps come from: `local`, `http` or `grpc`; empty where there are none.
    pub source: String,
    /// Why they cannot be asked for, kept, or be held to.
    pub problem: Option<String>,
    /// Each of them.
    pub caps: Vec<CapReply>,
}

/// A cap, and whose it is.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug, Default)]
pub struct CapReply {
    /// How it stands.
    #[serde(flatten)]
    pub standing: TunnelCap,
    /// The key that pays, where it is known.
    pub owner: Option<String>,
    /// Its tunnels.
    pub tunnels: Vec<String>,
}

/// How a cap stands: each of its tunnels has a share in it.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug, Default)]
pub struct TunnelCap {
    /// Whom it is for: the key of an owner, an account or an address, as `device_id` in `[caps]` has it.
    pub device: String,
    /// The cap, as people write it (`500GB/month`); none where nothing is known yet.
    pub cap: Option<String>,
    /// Octets that may be used, both ways together; none is any number.
    pub limit: Option<u64>,
    /// Octets that are used in the window, by all of its tunnels.
    pub used: u64,
    /// When the window ends, in seconds since 1970.
    pub until_unix: Option<i64>,
    /// Whether it is named as one without a cap.
    pub exempt: bool,
    /// What its tunnels are to be held to; none where they are not.
    pub held_to: Option<HeldTo>,
}

/// What a tunnel is held to, in octets a second: none is any number, and 0 blocks.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HeldTo {
    /// That leave this host.
    pub up: Option<u64>,
    /// That come to it.
    pub down: Option<u64>,
}

impl fmt::Display for HeldTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |limit: Option<u64>| match limit {
            None => "any".to_owned(),
            Some(0) => "nothing".to_owned(),
            Some(octets_a_second) => format!("{}/s", octets(octets_a_second)),
        };
        if self.up == Some(0) && self.down == Some(0) {
            return f.write_str("nothing");
        }
        write!(f, "{} up, {} down", one(self.up), one(self.down))
    }
}

/// What a cap is set with.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug, Default)]
#[serde(default)]
pub struct CapRequest {
    /// Whom it is for.
    #[schema(value_type = String, required = true)]
    pub device: Option<String>,
    /// The cap: an amount and a time, as `500GB/month`, `20GiB/day`, `1TB/30d` (any 30 days) or `5MB`. Without one the cap is lifted.
    pub cap: Option<String>,
}

//! `/v3/devices`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The answer of `/v3/devices`.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct V3Devices {
    /// Of this document.
    pub schema: u32,
    /// How long ago the ledger told of them.
    pub age_seconds: f64,
    /// Why it tells nothing newer just now, when that is so.
    pub error: Option<String>,
    /// All devices on the ledger, in the order of their accounts.
    pub devices: Vec<DeviceRecord>,
}

/// A device, as the ledger has it now.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct DeviceRecord {
    /// Its account.
    pub pubkey: String,
    /// Its short name, such as `ams-dz01`.
    pub code: String,
    /// The account of its exchange.
    pub exchange: String,
    /// Its public address.
    pub public_ip: String,
    /// `activated`, `drained` and others.
    pub status: String,
    /// Users that it has.
    pub users: u16,
    /// Users that it takes.
    pub max_users: u16,
}

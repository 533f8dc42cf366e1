//! Enable and disable.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// How a change is waited for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wait {
    /// Also wait until desired and observed agree, at most this long: `30s`. Without it the call returns when the
    /// switch is on disk.
    pub wait: Option<String>,
}

/// The switch is on disk, but the tunnels do not agree with it yet.
#[derive(Serialize, ToSchema)]
pub struct NotConverged {
    /// `error`.
    pub status: &'static str,
    /// The same in words for people.
    pub description: String,
    /// Always `false`.
    pub converged: bool,
}

/// What `/enable` may be told. Empty texts count as nothing said, other members are ignored.
#[derive(Deserialize, ToSchema, Debug, Default)]
#[serde(default)]
pub struct EnableRequest {
    /// The address that this host goes by from now on. It is kept with the switch, and survives a disable.
    #[schema(format = "ipv4")]
    pub client_ip: Option<String>,
    /// Who connects this host: with `-owner auto` the users of this key are its own.
    #[schema(value_type = Option<String>)]
    pub owner: Option<String>,
}

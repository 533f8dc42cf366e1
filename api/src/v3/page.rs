//! `/v3/tunnels`: tunnels in pages.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Tunnel;

/// Tunnels of a page where nothing else is asked, and of the one in status.
pub const DEFAULT_LIMIT: usize = 100;

/// Tunnels of a page at most.
pub const HIGHEST_LIMIT: usize = 500;

/// Which tunnels are asked for.
#[derive(Deserialize, IntoParams, Default)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TunnelQuery {
    /// How many at most: 1 to 500, by default 100.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    pub limit: Option<String>,
    /// Those that come after this account: `next` of the page before.
    pub after: Option<String>,
    /// Only those in this phase.
    pub phase: Option<String>,
}

/// A page of tunnels, in the order of their accounts' bytes.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct TunnelPage {
    /// Of this document.
    pub schema: u32,
    /// This start of the daemon.
    pub epoch: u64,
    /// The last journal entry that is folded in.
    pub sequence: u64,
    /// When this state was published: Unix time in milliseconds.
    pub unix_ms: u64,
    /// How many tunnels there are in all, in whatever phase.
    pub total: usize,
    /// Those of this page.
    pub tunnels: Vec<Tunnel>,
    /// What to ask for as `after` to get the next page; none when this is the last one.
    pub next: Option<String>,
}

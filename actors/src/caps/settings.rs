//! How caps are configured.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use warren_metering::cap::Policy;

use super::authority::Authority;

/// Caps.
#[derive(Clone)]
pub struct CapsSettings {
    /// Where they come from.
    pub source: CapSource,
    /// What holds for everybody.
    pub policy: Policy,
    /// Whom one is for.
    pub device_id: DeviceKind,
    /// Where what is known is kept.
    pub file: PathBuf,
    /// The way to the sidecar, or to the service.
    pub authority: Option<Arc<dyn Authority>>,
    /// How often what was used is reported.
    pub batch_interval: Duration,
    /// How long what was said of a cap counts.
    pub cache_ttl: Duration,
    /// As they are reported.
    pub country_code: String,
    /// The same.
    pub platform: String,
}

/// Where caps come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CapSource {
    /// There are none.
    #[default]
    None,
    /// An operator of this host sets them.
    Local,
    /// A sidecar.
    Http,
    /// A service.
    Grpc,
}

/// Whom a cap is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DeviceKind {
    /// The key that pays.
    #[default]
    Owner,
    /// The account that asks for the tunnel.
    User,
    /// The address of the user's host.
    ClientIp,
}

impl CapSource {
    /// The name in status.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Local => "local",
            Self::Http => "http",
            Self::Grpc => "grpc",
        }
    }
}

impl fmt::Debug for CapsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapsSettings")
            .field("source", &self.source)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl Default for CapsSettings {
    fn default() -> Self {
        Self {
            source: CapSource::None,
            policy: Policy::default(),
            device_id: DeviceKind::Owner,
            file: PathBuf::new(),
            authority: None,
            batch_interval: Duration::from_secs(30),
            cache_ttl: Duration::from_secs(300),
            country_code: String::new(),
            platform: "linux".to_owned(),
        }
    }
}

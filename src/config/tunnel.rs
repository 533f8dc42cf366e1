//! What is configured about the tunnels' links.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use warren_state::reconcile::SMALLEST_MTU;

use super::ConfigError;

/// Up to a jumbo frame (9000 bytes) less the tunnel's own headers (24).
const MTU: RangeInclusive<u32> = SMALLEST_MTU as u32..=8_976;

/// What one source sets about the tunnels' links.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TunnelLayer {
    /// The largest packet inside a tunnel.
    pub mtu: Option<u32>,
}

/// What every tunnel's link has in common.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct TunnelConfig {
    /// The largest packet inside a tunnel, in bytes; when not set, what the underlay leaves, and 1476 at most.
    pub mtu: Option<u16>,
}

impl TunnelLayer {
    /// `upper` wins wherever it says something.
    #[must_use]
    pub fn over(lower: Self, upper: Self) -> Self {
        Self {
            mtu: upper.mtu.or(lower.mtu),
        }
    }

    /// Checks it.
    ///
    /// # Errors
    /// When no tunnel can have this MTU.
    pub fn resolve(self) -> Result<TunnelConfig, ConfigError> {
        let mtu = self.mtu.map(|mtu| match u16::try_from(mtu) {
            Ok(fits) if MTU.contains(&mtu) => Ok(fits),
            Ok(_) | Err(_) => {
                let (least, most) = (MTU.start(), MTU.end());
                Err(ConfigError::Invalid(format!(
                    "tunnel-mtu is {mtu}: it must be from {least}, which every host takes, to {most}"
                )))
            }
        });
        Ok(TunnelConfig {
            mtu: mtu.transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<TunnelConfig, ConfigError> {
        super::super::layer::parse_file(std::path::Path::new("w.toml"), text)?
            .tunnel
            .resolve()
    }

    #[test]
    fn the_mtu_is_what_is_said_within_bounds() {
        assert_eq!(read("").unwrap().mtu, None);
        for mtu in [576, 1376, 8976] {
            assert_eq!(read(&format!("[tunnel]\nmtu = {mtu}")).unwrap().mtu, Some(mtu));
        }
        for (mtu, named) in [
            ("575", "tunnel-mtu"),
            ("8977", "tunnel-mtu"),
            ("70000", "tunnel-mtu"),
            ("0", "tunnel-mtu"),
            ("-1", "line 2"),
        ] {
            let error = read(&format!("[tunnel]\nmtu = {mtu}"))
                .expect_err(mtu)
                .to_string();
            assert!(error.contains(named), "{mtu}: {error}");
        }
    }

    #[test]
    fn the_upper_layer_wins_where_it_says_something() {
        let says = |mtu| TunnelLayer { mtu };
        assert_eq!(TunnelLayer::over(says(Some(1300)), says(None)), says(Some(1300)));
        assert_eq!(
            TunnelLayer::over(says(Some(1300)), says(Some(1400))),
            says(Some(1400))
        );
    }
}

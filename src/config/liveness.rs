//! What is configured about route liveness.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use warren_protocols::liveness::LivenessSettings;
use warren_state::LivenessMode;

use super::{ConfigError, Span, shown};

/// Where what is logged of sessions comes from: a filter's name for it.
pub const LOG: &str = "warren_actors::probes::liveness";

/// What one source sets about route liveness.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LivenessLayer {
    /// Probe the hosts behind learned routes.
    pub enable_passive: Option<bool>,
    /// Probe them, and let routes wait for them.
    pub enable_active: Option<bool>,
    /// From one packet of ours to the next, at least.
    pub tx_min: Option<Span>,
    /// From one packet of a peer's to the next, at least.
    pub rx_min: Option<Span>,
    /// Lost packets in a row after which a peer is lost.
    pub detect_mult: Option<u32>,
    /// No interval is shorter.
    pub min_tx_floor: Option<Span>,
    /// No interval is longer.
    pub max_tx_ceil: Option<Span>,
    /// The longest interval towards a peer that says nothing.
    pub backoff_max: Option<Span>,
    /// Metrics of each peer.
    pub peer_metrics: Option<bool>,
    /// Log each change of a session.
    pub debug: Option<bool>,
}

/// Whether and how the hosts behind learned routes are probed.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct LivenessConfig {
    /// Probe the hosts behind learned routes.
    pub enable_passive: bool,
    /// Probe them, and let routes wait for them; wins.
    pub enable_active: bool,
    /// From one packet of ours to the next, at least.
    pub tx_min: Span,
    /// From one packet of a peer's to the next, at least.
    pub rx_min: Span,
    /// Lost packets in a row after which a peer is lost.
    pub detect_mult: u8,
    /// No interval is shorter.
    pub min_tx_floor: Span,
    /// No interval is longer.
    pub max_tx_ceil: Span,
    /// The longest interval towards a peer that says nothing.
    pub backoff_max: Span,
    /// Metrics of each peer.
    pub peer_metrics: bool,
    /// Log each change of a session.
    pub debug: bool,
}

impl LivenessLayer {
    /// `upper` wins wherever it says something.
    #[must_use]
    pub fn over(lower: Self, upper: Self) -> Self {
        Self {
            enable_passive: upper.enable_passive.or(lower.enable_passive),
            enable_active: upper.enable_active.or(lower.enable_active),
            tx_min: upper.tx_min.or(lower.tx_min),
            rx_min: upper.rx_min.or(lower.rx_min),
            detect_mult: upper.detect_mult.or(lower.detect_mult),
            min_tx_floor: upper.min_tx_floor.or(lower.min_tx_floor),
            max_tx_ceil: upper.max_tx_ceil.or(lower.max_tx_ceil),
            backoff_max: upper.backoff_max.or(lower.backoff_max),
            peer_metrics: upper.peer_metrics.or(lower.peer_metrics),
            debug: upper.debug.or(lower.debug),
        }
    }

    /// Checks it. As in the reference, passive is on and active is off unless something else is said, and active wins.
    ///
    /// # Errors
    /// When a value makes no sense, alone or beside another.
    pub fn resolve(self) -> Result<LivenessConfig, ConfigError> {
        let usual = LivenessSettings::default();
        let is_off = self.enable_passive == Some(false) && self.enable_active != Some(true);
        let span = |value: Option<Span>, usual: Duration| value.unwrap_or(Span(usual));
        // As in the reference, a bound of zero stands for the usual one.
        let bound = |value: Option<Span>, usual: Duration| {
            value.filter(|span| !span.0.is_zero()).unwrap_or(Span(usual))
        };
        let ceiling = bound(self.max_tx_ceil, usual.ceiling);
        let config = LivenessConfig {
            enable_passive: self.enable_passive.unwrap_or(true),
            enable_active: self.enable_active.unwrap_or(false),
            tx_min: span(self.tx_min, usual.tx_min),
            rx_min: span(self.rx_min, usual.rx_min),
            detect_mult: self
                .detect_mult
                .map_or(Ok(usual.detect_mult), detect_mult)
                .or_else(|error| if is_off { Ok(usual.detect_mult) } else { Err(error) })?,
            min_tx_floor: bound(self.min_tx_floor, usual.floor),
            max_tx_ceil: ceiling,
            backoff_max: bound(self.backoff_max.or(Some(Span(usual.backoff_max))), ceiling.0),
            peer_metrics: self.peer_metrics.unwrap_or(false),
            debug: self.debug.unwrap_or(false),
        };
        config.check()
    }
}

impl LivenessConfig {
    fn check(self) -> Result<Self, ConfigError> {
        if !self.enable_passive && !self.enable_active {
            return Ok(self);
        }
        let named = [
            ("route-liveness-tx-min", self.tx_min),
            ("route-liveness-rx-min", self.rx_min),
            ("route-liveness-min-tx-floor", self.min_tx_floor),
            ("route-liveness-max-tx-ceil", self.max_tx_ceil),
            ("route-liveness-backoff-max", self.backoff_max),
        ];
        // The wire has 32 bits of microseconds.
        let range = Duration::from_millis(1)..=Duration::from_secs(3_600);
        for (name, span) in named {
            if !range.contains(&span.0) {
                let shown = shown(span.0);
                return Err(ConfigError::Invalid(format!(
                    "{name} is {shown}: it must be from 1ms to 1h"
                )));
            }
        }
        if self.min_tx_floor.0 > self.max_tx_ceil.0 {
            return Err(ConfigError::Invalid(
                "route-liveness-min-tx-floor is above route-liveness-max-tx-ceil".to_owned(),
            ));
        }
        if self.backoff_max.0 < self.min_tx_floor.0 {
            return Err(ConfigError::Invalid(
                "route-liveness-backoff-max is below route-liveness-min-tx-floor".to_owned(),
            ));
        }
        Ok(self)
    }

    /// What follows for routes; none when it is off.
    #[must_use]
    pub fn mode(&self) -> Option<LivenessMode> {
        match (self.enable_active, self.enable_passive) {
            (true, _) => Some(LivenessMode::Active),
            (false, true) => Some(LivenessMode::Passive),
            (false, false) => None,
        }
    }
}

fn detect_mult(value: u32) -> Result<u8, ConfigError> {
    u8::try_from(value).ok().filter(|mult| *mult > 0).ok_or_else(|| {
        ConfigError::Invalid(format!(
            "route-liveness-detect-mult is {value}: it must be from 1 to 255"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(text: &str) -> LivenessLayer {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn passive_is_usual_active_wins_and_both_can_be_off() {
        let mode = |text| layer(text).resolve().unwrap().mode();
        assert_eq!(mode(""), Some(LivenessMode::Passive));
        assert_eq!(mode("enable_active = true"), Some(LivenessMode::Active));
        assert_eq!(
            mode("enable_active = true\nenable_passive = false"),
            Some(LivenessMode::Active)
        );
        assert_eq!(mode("enable_passive = false"), None);
        assert!(
            layer("enable_passive = false\ndetect_mult = 0\ntx_min = '0s'")
                .resolve()
                .unwrap()
                .mode()
                .is_none()
        );
        let spans = layer("min_tx_floor = '0s'\nmax_tx_ceil = '0s'\nbackoff_max = '0s'")
            .resolve()
            .unwrap();
        assert_eq!(
            [spans.min_tx_floor, spans.max_tx_ceil, spans.backoff_max].map(|span| span.0.as_millis()),
            [50, 3000, 3000]
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (text, name) in [
            ("detect_mult = 0", "detect-mult"),
            ("detect_mult = 256", "detect-mult"),
            ("tx_min = '0s'", "tx-min"),
            ("rx_min = '2h'", "rx-min"),
            ("min_tx_floor = '4s'", "min-tx-floor"),
            ("backoff_max = '10ms'", "backoff-max"),
        ] {
            let error = layer(text).resolve().unwrap_err().to_string();
            assert!(error.contains(name), "{text}: {error}");
        }
    }
}

//! What is configured about latency probing.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use warren_protocols::latency::LatencySettings;

use super::{ConfigError, Span, at_least, shown};

/// What one source sets about latency probing.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LatencyLayer {
    /// Measure how far devices are.
    pub probing: Option<bool>,
    /// From one pass over the devices to the next.
    pub probe_interval: Option<Span>,
    /// From one read of the list of devices to the next.
    pub cache_update_interval: Option<Span>,
    /// Metrics of each device.
    pub metrics: Option<bool>,
    /// Probe devices' ends for tunnels too.
    pub probe_tunnel_endpoints: Option<bool>,
    /// Probe devices too that take no users.
    pub probe_all_devices: Option<bool>,
}

/// Whether and how the devices' latency is measured.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct LatencyConfig {
    /// Measure how far devices are.
    pub probing: bool,
    /// From one pass over the devices to the next.
    pub probe_interval: Span,
    /// From one read of the list of devices to the next; without it, as often as they are probed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_update_interval: Option<Span>,
    /// Metrics of each device.
    pub metrics: bool,
    /// Probe devices' ends for tunnels too.
    pub probe_tunnel_endpoints: bool,
    /// Probe devices too that take no users.
    pub probe_all_devices: bool,
}

impl LatencyLayer {
    /// `upper` wins wherever it says something.
    #[must_use]
    pub fn over(lower: Self, upper: Self) -> Self {
        Self {
            probing: upper.probing.or(lower.probing),
            probe_interval: upper.probe_interval.or(lower.probe_interval),
            cache_update_interval: upper.cache_update_interval.or(lower.cache_update_interval),
            metrics: upper.metrics.or(lower.metrics),
            probe_tunnel_endpoints: upper.probe_tunnel_endpoints.or(lower.probe_tunnel_endpoints),
            probe_all_devices: upper.probe_all_devices.or(lower.probe_all_devices),
        }
    }

    /// Checks it. What is not said is as in the reference, but for the list of devices.
    ///
    /// # Errors
    /// When an interval makes no sense.
    pub fn resolve(self) -> Result<LatencyConfig, ConfigError> {
        let usual = LatencySettings::default().period;
        let probing = self.probing.unwrap_or(true);
        Ok(LatencyConfig {
            probing,
            probe_interval: interval("probe-interval", probing, self.probe_interval)?.unwrap_or(Span(usual)),
            cache_update_interval: interval("cache-update-interval", probing, self.cache_update_interval)?,
            metrics: self.metrics.unwrap_or(false),
            probe_tunnel_endpoints: self.probe_tunnel_endpoints.unwrap_or(true),
            probe_all_devices: self.probe_all_devices.unwrap_or(false),
        })
    }
}

/// Where nothing is probed it does not matter what it is.
fn interval(name: &str, probing: bool, span: Option<Span>) -> Result<Option<Span>, ConfigError> {
    let Some(span) = span.filter(|_| probing) else {
        return Ok(None);
    };
    if span.0.is_zero() || span.0 == Duration::MAX {
        return Err(ConfigError::NoInterval(format!(
            "{name} is {}: it must be at least 1s",
            shown(span.0)
        )));
    }
    at_least(name, Some(span), 0, Duration::from_secs(1)).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(text: &str) -> LatencyLayer {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn what_is_not_said_is_as_in_the_reference_and_the_list_is_read_as_often_as_devices_are_probed() {
        let usual = layer("").resolve().unwrap();
        assert_eq!(
            (usual.probe_interval.0, usual.cache_update_interval),
            (Duration::from_secs(300), None)
        );
        assert!(usual.probing && usual.probe_tunnel_endpoints && !usual.probe_all_devices);
        let off = layer("probing = false\nprobe_interval = '0s'").resolve().unwrap();
        assert!(!off.probing);
        let said = layer("probe_interval = '5s'\ncache_update_interval = '3s'")
            .resolve()
            .unwrap();
        assert_eq!(
            (said.probe_interval.0, said.cache_update_interval),
            (Duration::from_secs(5), Some(Span(Duration::from_secs(3))))
        );
    }

    #[test]
    fn intervals_that_make_no_sense_are_refused_by_name() {
        for (text, name) in [
            ("probe_interval = '0s'", "probe-interval"),
            ("cache_update_interval = '100h'", "cache-update-interval"),
        ] {
            let error = layer(text).resolve().unwrap_err().to_string();
            assert!(error.starts_with(name), "{text}: {error}");
        }
    }
}

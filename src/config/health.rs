//! What is configured about health.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use warren_state::health::HealthSettings;

use super::{ConfigError, Span, at_least};

/// What one source sets about health.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthLayer {
    /// What is wrong counts once it lasts this long.
    pub unwell_after: Option<Span>,
    /// It counts no longer once it has been well for this long.
    pub well_after: Option<Span>,
    /// This long after a start nothing is said unless all is well.
    pub settle: Option<Span>,
    /// A view of the ledger may be so old.
    pub view_age: Option<Span>,
    /// This many routes of a unicast tunnel are in place at least.
    pub routes: Option<usize>,
}

/// When this host's tunnels count as ones that can be relied on.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct HealthConfig {
    /// What is wrong counts once it lasts this long.
    pub unwell_after: Span,
    /// It counts no longer once it has been well for this long.
    pub well_after: Span,
    /// This long after a start nothing is said unless all is well.
    pub settle: Span,
    /// A view of the ledger may be so old.
    pub view_age: Span,
    /// This many routes of a unicast tunnel are in place at least.
    pub routes: usize,
}

impl HealthLayer {
    /// `upper` wins wherever it says something.
    #[must_use]
    pub fn over(lower: Self, upper: Self) -> Self {
        Self {
            unwell_after: upper.unwell_after.or(lower.unwell_after),
            well_after: upper.well_after.or(lower.well_after),
            settle: upper.settle.or(lower.settle),
            view_age: upper.view_age.or(lower.view_age),
            routes: upper.routes.or(lower.routes),
        }
    }

    /// Checks it.
    ///
    /// # Errors
    /// When a span makes no sense.
    pub fn resolve(self) -> Result<HealthConfig, ConfigError> {
        let usual = HealthSettings::default();
        let span =
            |name, said: Option<Span>, usual: Duration, least| at_least(name, said, usual.as_secs(), least);
        Ok(HealthConfig {
            unwell_after: span(
                "health.unwell-after",
                self.unwell_after,
                usual.unwell_after,
                Duration::ZERO,
            )?,
            well_after: span(
                "health.well-after",
                self.well_after,
                usual.well_after,
                Duration::ZERO,
            )?,
            settle: span("health.settle", self.settle, usual.settle, Duration::ZERO)?,
            view_age: span(
                "health.view-age",
                self.view_age,
                usual.view_age,
                Duration::from_secs(1),
            )?,
            routes: self.routes.unwrap_or(usual.routes),
        })
    }
}

impl HealthConfig {
    /// As the machine takes it.
    #[must_use]
    pub fn settings(&self) -> HealthSettings {
        HealthSettings {
            unwell_after: self.unwell_after.0,
            well_after: self.well_after.0,
            settle: self.settle.0,
            view_age: self.view_age.0,
            routes: self.routes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_taken_and_what_makes_no_sense_is_refused_by_name() {
        let layer = |text: &str| toml::from_str::<HealthLayer>(text).unwrap();
        let usual = layer("").resolve().unwrap();
        assert_eq!(usual.settings(), HealthSettings::default());
        let said = layer("unwell_after = '0s'\nroutes = 3")
            .resolve()
            .unwrap()
            .settings();
        assert_eq!((said.unwell_after, said.routes), (Duration::ZERO, 3));
        let error = layer("view_age = '0s'").resolve().unwrap_err().to_string();
        assert!(error.starts_with("health.view-age"), "{error}");
    }
}

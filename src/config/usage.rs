//! What is configured about counting what tunnels carry.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use super::{ConfigError, Span, at_least};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Longer than anybody bills back.
const LONGEST_KEPT: Duration = Duration::from_secs(3660 * 24 * 60 * 60);

/// What one source sets about it.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UsageLayer {
    /// From one look at all counters to the next.
    pub interval: Option<Span>,
    /// How long hours that are over are kept.
    pub keep: Option<Span>,
}

/// How what tunnels carry is counted.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct UsageConfig {
    /// From one look at all counters to the next: what a crash can lose of a tunnel that does not outlive it.
    pub interval: Span,
    /// How long hours that are over are kept.
    #[serde(serialize_with = "days")]
    pub keep: Span,
}

impl UsageLayer {
    /// `upper` wins wherever it says something.
    #[must_use]
    pub fn over(lower: Self, upper: Self) -> Self {
        Self {
            interval: upper.interval.or(lower.interval),
            keep: upper.keep.or(lower.keep),
        }
    }

    /// Checks it.
    ///
    /// # Errors
    /// When a span makes no sense.
    pub fn resolve(self) -> Result<UsageConfig, ConfigError> {
        let keep = self.keep.unwrap_or(Span(35 * DAY));
        if !(DAY..=LONGEST_KEPT).contains(&keep.0) {
            return Err(ConfigError::Invalid(
                "usage.keep is a number of days: it must be from 1d to 3660d".to_owned(),
            ));
        }
        Ok(UsageConfig {
            interval: at_least("usage.interval", self.interval, 5, Duration::from_secs(1))?,
            keep,
        })
    }
}

/// As it is written: in other units 35 days are a month and some.
fn days<S: Serializer>(span: &Span, serializer: S) -> Result<S::Ok, S::Error> {
    let seconds = span.0.as_secs();
    if seconds.is_multiple_of(DAY.as_secs()) {
        serializer.collect_str(&format_args!("{}d", seconds / DAY.as_secs()))
    } else {
        span.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_kept_for_35_days_unless_something_that_makes_sense_is_said() {
        let resolve = |text: &str| toml::from_str::<UsageLayer>(text).unwrap().resolve();
        let usual = resolve("").unwrap();
        assert_eq!(
            (usual.interval.0, usual.keep.0),
            (Duration::from_secs(5), 35 * DAY)
        );
        assert!(toml::to_string(&usual).unwrap().contains("keep = \"35d\""));
        let said = resolve("interval = '1s'\nkeep = '400d'").unwrap();
        assert_eq!(
            (said.interval.0, said.keep.0),
            (Duration::from_secs(1), 400 * DAY)
        );
        for (text, name) in [
            ("interval = '10ms'", "usage.interval"),
            ("keep = '1h'", "usage.keep"),
            ("keep = '40y'", "usage.keep"),
        ] {
            let error = resolve(text).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }
}

//! What is configured about hooks.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use warren_state::{
    hooks::{DEFAULT_TOPICS, HookSettings},
    stream::{Filter, Topic},
};

use super::{ConfigError, Span, absolute, at_least};

/// Where hooks are when nothing else is said.
pub const DEFAULT_DIRECTORY: &str = "/etc/warren/hooks.d";

/// What one source sets about hooks.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HooksLayer {
    /// The folder whose programs are run.
    pub directory: Option<PathBuf>,
    /// Which events they are given: topics, or kinds of events.
    pub topics: Option<Vec<String>>,
    /// How long one run may take.
    pub deadline: Option<Span>,
    /// How many events wait for a hook at most.
    pub waiting: Option<usize>,
}

/// Which programs are given what happens.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct HooksConfig {
    /// The folder whose programs are run.
    pub directory: PathBuf,
    /// Which events they are given: topics, or kinds of events; none where there are none.
    pub topics: Vec<String>,
    /// How long one run may take.
    pub deadline: Span,
    /// How many events wait for a hook at most.
    pub waiting: usize,
}

impl HooksLayer {
    /// `upper` wins wherever it says something.
    #[must_use]
    pub fn over(lower: Self, upper: Self) -> Self {
        Self {
            directory: upper.directory.or(lower.directory),
            topics: upper.topics.or(lower.topics),
            deadline: upper.deadline.or(lower.deadline),
            waiting: upper.waiting.or(lower.waiting),
        }
    }

    /// Checks it.
    ///
    /// # Errors
    /// When a topic is none, or a number makes no sense.
    pub fn resolve(self) -> Result<HooksConfig, ConfigError> {
        let usual = HookSettings::default();
        let named = DEFAULT_TOPICS.map(Topic::name).map(str::to_owned).to_vec();
        let topics = self.topics.unwrap_or(named);
        filter(&topics)?;
        let waiting = self.waiting.unwrap_or(usual.waiting);
        if !(1..=10_000).contains(&waiting) {
            let text = format!("hooks.waiting is {waiting}: it must be from 1 to 10000");
            return Err(ConfigError::Invalid(text));
        }
        let directory = self.directory.unwrap_or_else(|| DEFAULT_DIRECTORY.into());
        Ok(HooksConfig {
            directory: absolute("hooks.directory", directory)?,
            topics,
            deadline: at_least(
                "hooks.deadline",
                self.deadline,
                usual.deadline.as_secs(),
                Duration::from_secs(1),
            )?,
            waiting,
        })
    }
}

impl HooksConfig {
    /// What is given to hooks, and how; nothing where no topic is named.
    #[must_use]
    pub fn settings(&self) -> Option<HookSettings> {
        let filter = filter(&self.topics).ok().filter(|_| !self.topics.is_empty())?;
        Some(HookSettings {
            filter,
            deadline: self.deadline.0,
            waiting: self.waiting,
            ..HookSettings::default()
        })
    }
}

fn filter(topics: &[String]) -> Result<Filter, ConfigError> {
    let list = Some(topics.join(",")).filter(|list| !list.is_empty());
    Filter::parse(list.as_deref(), None)
        .map_err(|unknown| ConfigError::Invalid(format!("hooks.topics: {unknown}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<HooksConfig, String> {
        let layer: HooksLayer = toml::from_str(text).unwrap();
        layer.resolve().map_err(|error| error.to_string())
    }

    #[test]
    fn hooks_get_what_is_named_and_nothing_where_nothing_is() {
        let usual = resolve("").unwrap();
        assert_eq!(usual.settings(), Some(HookSettings::default()));
        assert_eq!(usual.directory, PathBuf::from("/etc/warren/hooks.d"));
        assert_eq!(resolve("topics = []").unwrap().settings(), None);
        let some = resolve("topics = ['session', 'health_changed']\nwaiting = 5").unwrap();
        let settings = some.settings().unwrap();
        assert_eq!(
            (
                settings.waiting,
                settings.filter.kinds.len(),
                settings.filter.topics.len()
            ),
            (5, 1, 1)
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (text, says) in [
            ("topics = ['weather']", "hooks.topics: \"weather\" is not a topic"),
            ("waiting = 0", "hooks.waiting is 0"),
            ("deadline = '10ms'", "hooks.deadline is 10ms"),
            ("directory = ''", "hooks.directory is empty"),
        ] {
            let error = resolve(text).unwrap_err();
            assert!(error.starts_with(says), "{text}: {error}");
        }
    }
}

//! What is configured about the BGP sessions.

use std::{fmt, path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ConfigError, Span, absolute};

/// RFC 4271 section 4.2: at least three seconds, and 16 bits of seconds. Zero, which switches the timer off, is not taken: a
/// peer that is gone would never be noticed.
const HOLD_SECONDS: std::ops::RangeInclusive<u64> = 3..=65_535;
/// What is proposed where nothing else is said.
const USUAL_HOLD_TIME: Duration = Duration::from_secs(90);
/// Taken where nothing else is said.
const USUAL_MAX_PREFIXES: u32 = 20_000;
/// linux/tcp.h `TCP_MD5SIG_MAXKEYLEN`.
const LONGEST_PASSWORD: usize = 80;

/// What one source sets about the BGP sessions.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BgpLayer {
    /// TCP-MD5.
    pub password: Option<SecretText>,
    /// A file that holds it.
    pub password_file: Option<PathBuf>,
    /// Proposed to the peer.
    pub hold_time: Option<Span>,
    /// The most routes that one session may teach us.
    pub max_prefixes: Option<u32>,
}

/// What every BGP session has in common.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct BgpConfig {
    /// TCP-MD5 (RFC 2385), the same for every peer.
    pub password: Option<SecretText>,
    /// Proposed to the peer; the lower one of both sides holds.
    pub hold_time: Span,
    /// The most routes that one session may teach us.
    pub max_prefixes: u32,
}

/// A secret: it is shown as `***` wherever it is shown.
#[derive(Clone, PartialEq)]
pub struct SecretText(String);

impl BgpLayer {
    /// `upper` wins wherever it says something; a password and a file with one are the same thing said in two ways.
    #[must_use]
    pub fn over(lower: Self, upper: Self) -> Self {
        let says = upper.password.is_some() || upper.password_file.is_some();
        let (password, password_file) = if says {
            (upper.password, upper.password_file)
        } else {
            (lower.password, lower.password_file)
        };
        let (hold_time, max_prefixes) = (
            upper.hold_time.or(lower.hold_time),
            upper.max_prefixes.or(lower.max_prefixes),
        );
        Self {
            password,
            password_file,
            hold_time,
            max_prefixes,
        }
    }

    /// Checks it, and reads the password's file.
    ///
    /// # Errors
    /// When a value makes no sense or the file cannot be read. No error shows the password.
    pub fn resolve(self) -> Result<BgpConfig, ConfigError> {
        let hold_time = self.hold_time.unwrap_or(Span(USUAL_HOLD_TIME));
        if hold_time.0.subsec_nanos() != 0 || !HOLD_SECONDS.contains(&hold_time.0.as_secs()) {
            let shown = humantime::format_duration(hold_time.0);
            return Err(ConfigError::Invalid(format!(
                "bgp-hold-time is {shown}: it must be whole seconds from 3 to 65535"
            )));
        }
        let max_prefixes = self.max_prefixes.unwrap_or(USUAL_MAX_PREFIXES);
        if max_prefixes == 0 {
            return Err(ConfigError::Invalid(
                "bgp-max-prefixes is 0: no route could be learned".to_owned(),
            ));
        }
        Ok(BgpConfig {
            password: password(self.password, self.password_file)?,
            hold_time,
            max_prefixes,
        })
    }
}

fn password(text: Option<SecretText>, file: Option<PathBuf>) -> Result<Option<SecretText>, ConfigError> {
    let (source, secret) = match (text, file) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(ConfigError::Invalid(
                "[bgp] has both password and password_file: give one".to_owned(),
            ));
        }
        (Some(secret), None) => ("[bgp] password".to_owned(), secret),
        (None, Some(path)) => {
            let path = absolute("bgp-password-file", path)?;
            let shown = format!("bgp-password-file {}", path.display());
            let text = std::fs::read_to_string(&path)
                .map_err(|error| ConfigError::Invalid(format!("{shown}: {error}")))?;
            let line = text.strip_suffix('\n').unwrap_or(&text);
            (
                shown,
                SecretText(line.strip_suffix('\r').unwrap_or(line).to_owned()),
            )
        }
    };
    let revealed = secret.reveal();
    if revealed.is_empty() || revealed.len() > LONGEST_PASSWORD || revealed.contains(['\n', '\r', '\0']) {
        return Err(ConfigError::Invalid(format!(
            "{source}: expected one line of 1 to {LONGEST_PASSWORD} bytes"
        )));
    }
    Ok(Some(secret))
}

impl SecretText {
    /// The secret itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The error of the format would show what it found.
        let text = String::deserialize(deserializer)
            .map_err(|_| serde::de::Error::custom("expected text in quotes"))?;
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BgpConfig, ConfigError> {
        super::super::layer::parse_file(std::path::Path::new("w.toml"), text)?
            .bgp
            .resolve()
    }

    #[test]
    fn what_is_not_said_is_the_usual() {
        let said = read("[bgp]\npassword = 's3cr3t'\nhold_time = '9s'\nmax_prefixes = 7").unwrap();
        assert_eq!((said.hold_time.0, said.max_prefixes), (Duration::from_secs(9), 7));
        assert_eq!(said.password.unwrap().reveal(), "s3cr3t");
        let usual = read("").unwrap();
        assert_eq!(
            (usual.hold_time.0, usual.max_prefixes, usual.password),
            (Duration::from_secs(90), 20_000, None)
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name_and_without_the_password() {
        for (text, named) in [
            ("hold_time = '2s'", "bgp-hold-time"),
            ("hold_time = '0s'", "bgp-hold-time"),
            ("hold_time = '3500ms'", "bgp-hold-time"),
            ("hold_time = '65536s'", "bgp-hold-time"),
            ("max_prefixes = 0", "bgp-max-prefixes"),
            ("max_prefixes = -1", "line 2"),
            ("password = ''", "1 to 80 bytes"),
            ("password = 5353", "expected text in quotes"),
            ("password = \"5353\\n\"", "1 to 80 bytes"),
            ("password = '5353'\npassword_file = '/x'", "give one"),
            ("password_file = '/nonexistent/5'", "/nonexistent/5"),
        ] {
            let error = read(&format!("[bgp]\n{text}")).expect_err(text).to_string();
            assert!(
                error.contains(named) && !error.contains("5353"),
                "{text}: {error}"
            );
        }
        assert!(read(&format!("[bgp]\npassword = '{}'", "x".repeat(81))).is_err());
    }

    #[test]
    fn a_password_comes_from_a_file_and_is_shown_nowhere() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cr3t\n").unwrap();
        let upper = BgpLayer {
            password_file: Some(file.path().to_owned()),
            ..BgpLayer::default()
        };
        let lower = BgpLayer {
            password: Some(SecretText("0ther".to_owned())),
            ..BgpLayer::default()
        };
        let layer = BgpLayer::over(lower, upper);
        assert!(!format!("{layer:?}").contains("0ther"));
        let config = layer.resolve().unwrap();
        assert_eq!(config.password.clone().unwrap().reveal(), "s3cr3t");
        let shown = format!("{config:?}{}", toml::to_string(&config).unwrap());
        assert!(shown.contains("***") && !shown.contains("s3cr3t"), "{shown}");
    }
}

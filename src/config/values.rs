//! Values as people write them.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use warren_ledger::Endpoint;

/// A value that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadValue(pub String);

/// A time span, written as humantime does: `10s`, `1m 30s`, `500ms`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span(pub Duration);

/// A URL whose text beyond the host may be a secret: it is shown redacted wherever it is shown.
#[derive(Clone)]
pub struct SecretUrl(Endpoint);

/// The format of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// A line of text for each event.
    #[default]
    Text,
    /// One object per line.
    Json,
}

/// A switch, in the forms that Go's `strconv.ParseBool` knows.
///
/// # Errors
/// On any other text.
pub fn switch(text: &str) -> Result<bool, BadValue> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        other => Err(BadValue(format!("{other:?} is neither true nor false"))),
    }
}

/// A whole number.
///
/// # Errors
/// On text that is none, or that does not fit 32 bits.
pub fn count(text: &str) -> Result<u32, BadValue> {
    text.parse()
        .map_err(|_| BadValue(format!("{text:?} is not a whole number")))
}

/// A time span with a unit.
///
/// # Errors
/// On text that is none.
pub fn span(text: &str) -> Result<Duration, BadValue> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    humantime::parse_duration(&completed(text)).map_err(|error| {
        BadValue(format!(
            "{text:?} is not a time span such as 30s or 1m30s: {error}"
        ))
    })
}

/// Go may leave out the digits on one side of a point: `.5s`, `1.s`.
fn completed(text: &str) -> String {
    let digit = |at: Option<usize>| {
        at.and_then(|at| text.as_bytes().get(at))
            .is_some_and(u8::is_ascii_digit)
    };
    let mut complete = String::with_capacity(text.len() + 1);
    for (at, letter) in text.char_indices() {
        match (letter, digit(at.checked_sub(1)), digit(Some(at + 1))) {
            ('.', false, true) => complete.push_str("0."),
            ('.', true, false) => complete.push_str(".0"),
            (other, _, _) => complete.push(other),
        }
    }
    complete
}

/// A time span; a bare number is seconds.
///
/// # Errors
/// On text that is none.
pub fn seconds(text: &str) -> Result<Duration, BadValue> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text
            .parse()
            .map(Duration::from_secs)
            .map_err(|_| BadValue(format!("{text:?} is too many seconds")));
    }
    span(text)
}

/// Anything with a parser of its own.
///
/// # Errors
/// What that parser says.
pub fn text<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, BadValue> {
    text.parse().map_err(|error: T::Err| BadValue(error.to_string()))
}

impl From<Duration> for Span {
    fn from(span: Duration) -> Self {
        Self(span)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        span(&String::deserialize(deserializer)?)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

impl SecretUrl {
    /// Scheme, host and port; whatever else there is becomes `***`.
    #[must_use]
    pub fn redacted(&self) -> String {
        self.0.shown()
    }

    /// As the ledger's client takes it.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.0
    }

    /// Whether certificates are checked on the way.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        matches!(self.0.secret_url().scheme(), "https" | "wss")
    }

    /// Whether it is for requests (`http`), rather than for subscriptions (`ws`).
    #[must_use]
    pub fn is_http(&self) -> bool {
        self.0.secret_url().scheme().starts_with("http")
    }
}

impl FromStr for SecretUrl {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = if text.trim_start().starts_with("ws") {
            Endpoint::websocket
        } else {
            Endpoint::http
        };
        parse(text).map(Self).map_err(|error| BadValue(error.to_string()))
    }
}

impl PartialEq for SecretUrl {
    fn eq(&self, other: &Self) -> bool {
        self.0.secret_url() == other.0.secret_url()
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

impl Serialize for SecretUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.redacted())
    }
}

impl<'de> Deserialize<'de> for SecretUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

macro_rules! named {
    ($type:ident, $what:literal, $($text:literal => $variant:ident),+) => {
        impl FromStr for $type {
            type Err = BadValue;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    other => Err(BadValue(format!("unknown {} {other:?}: expected {}", $what, [$($text),+].join(", ")))),
                }
            }
        }
    };
}

named!(LogFormat, "log format", "text" => Text, "json" => Json);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_anything_that_may_be_a_secret() {
        for (url, shown) in [
            ("http://localhost:8899", "http://localhost:8899"),
            ("http://localhost:8899/", "http://localhost:8899"),
            ("https://rpc.example.com/s3cr3t", "https://rpc.example.com/***"),
            (
                "https://rpc.example.com/?api-key=s3cr3t",
                "https://rpc.example.com/***",
            ),
            (
                "https://rpc.example.com?api-key=s3cr3t",
                "https://rpc.example.com/***",
            ),
            ("https://rpc.example.com#s3cr3t", "https://rpc.example.com/***"),
            (
                "wss://me:s3cr3t@rpc.example.com:1/x",
                "wss://rpc.example.com:1/***",
            ),
            ("wss://me:s3c@r3t@rpc.example.com", "wss://rpc.example.com/***"),
        ] {
            let url: SecretUrl = url.parse().unwrap();
            assert_eq!(url.redacted(), shown);
            assert_eq!(format!("{url:?}"), shown);
            assert_eq!(serde_json::to_value(&url).unwrap(), shown);
        }
    }

    #[test]
    fn an_error_about_a_url_does_not_show_it() {
        for text in [
            "rpc.example.com/s3cr3t",
            "ftp://rpc.example.com/s3cr3t",
            "https://h:s3cr3t/",
        ] {
            let error = text.parse::<SecretUrl>().unwrap_err();
            assert!(!error.to_string().contains("s3cr3t"), "{error}");
        }
    }

    #[test]
    fn spans_are_read_as_go_and_humantime_write_them() {
        for (text, millis) in [
            ("1s", 1000),
            ("1m30s", 90_000),
            ("1m 30s", 90_000),
            ("50ms", 50),
            ("1h0m0s", 3_600_000),
            ("1.5s", 1500),
        ] {
            assert_eq!(span(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            (".5s", 500),
            ("1.s", 1000),
            ("1m.5s", 60_500),
        ] {
            assert_eq!(span(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
        for text in ["", "10", "00", ".", ".s", "-1s", "fast", "99999999999999999999s"] {
            assert!(span(text).is_err(), "{text}");
        }
        assert!(seconds("99999999999999999999").is_err());
    }
}

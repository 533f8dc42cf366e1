//! Destinations that no session may teach us: an operator's list.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Destinations whose learned routes stay out of the kernel. Copies share the list; an empty one is none.
///
/// An address excludes the routes whose destination has it, whatever their prefix length, as `doublezerod` does; a prefix
/// excludes its own route and those to everything inside of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Exclusion(Option<Arc<Entries>>);

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Entries {
    addresses: BTreeSet<Ipv4Addr>,
    networks: BTreeSet<Ipv4Net>,
}

/// The text is no list of destinations.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExclusionError {
    /// It is not the JSON that is expected.
    #[error("expected {{\"exclude\": [\"ADDRESS or PREFIX\", …]}}: {0}")]
    Json(String),
    /// An entry is neither an address nor a prefix.
    #[error("exclude entry {0:?} is neither an IP address nor a prefix such as 192.0.2.0/24")]
    Entry(String),
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    exclude: Option<Vec<String>>,
}

impl Exclusion {
    /// Reads `{"exclude": ["192.0.2.1", "198.51.100.0/24"]}`. Other members are ignored. IPv6 entries are checked and match
    /// nothing: there are no such routes.
    ///
    /// # Errors
    /// When it is anything else; nothing of it is taken then.
    pub fn parse(text: &str) -> Result<Self, ExclusionError> {
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|error| ExclusionError::Json(error.to_string()))?;
        if !value.is_object() {
            return Err(ExclusionError::Json("it is not an object".to_owned()));
        }
        let file: File =
            serde_json::from_value(value).map_err(|error| ExclusionError::Json(error.to_string()))?;
        Self::of(file.exclude.unwrap_or_default().iter().map(String::as_str))
    }

    /// Reads the entries.
    ///
    /// # Errors
    /// When one is neither an address nor a prefix.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, ExclusionError> {
        let mut all = Entries::default();
        for entry in entries {
            match (entry.parse::<IpAddr>(), entry.parse::<IpNet>()) {
                (Ok(IpAddr::V4(address)), _) => drop(all.addresses.insert(address)),
                (Err(_), Ok(IpNet::V4(network))) => drop(all.networks.insert(network.trunc())),
                (Ok(IpAddr::V6(_)), _) | (Err(_), Ok(IpNet::V6(_))) => {}
                (Err(_), Err(_)) => return Err(ExclusionError::Entry(entry.chars().take(64).collect())),
            }
        }
        let is_empty = all.addresses.is_empty() && all.networks.is_empty();
        Ok(Self((!is_empty).then(|| Arc::new(all))))
    }

    /// Whether routes to this destination stay out.
    #[must_use]
    pub fn covers(&self, dst: &Ipv4Net) -> bool {
        let Some(Entries { addresses, networks }) = self.0.as_deref() else {
            return false;
        };
        let within =
            |length| Ipv4Net::new(dst.network(), length).is_ok_and(|net| networks.contains(&net.trunc()));
        addresses.contains(&dst.network()) || (!networks.is_empty() && (0..=dst.prefix_len()).any(within))
    }

    /// Whether nothing is excluded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0
            .as_deref()
            .map_or(0, |all| all.addresses.len() + all.networks.len())
    }

    fn entries(&self) -> impl Iterator<Item = String> {
        self.0.iter().flat_map(|all| {
            let addresses = all.addresses.iter().map(ToString::to_string);
            addresses.chain(all.networks.iter().map(ToString::to_string))
        })
    }
}

impl Serialize for Exclusion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.entries())
    }
}

impl<'de> Deserialize<'de> for Exclusion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = Vec::<String>::deserialize(deserializer)?;
        Self::of(entries.iter().map(String::as_str)).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::net;

    #[test]
    fn an_address_excludes_its_destination_and_a_prefix_everything_inside_of_it() {
        let exclusion = Exclusion::parse(
            r#"{"exclude": ["8.8.8.8", "10.1.0.0", "192.0.2.0/24", "::1", "2001:db8::/32"]}"#,
        )
        .unwrap();
        for (dst, excluded) in [
            ("8.8.8.8/32", true),
            ("8.8.8.9/32", false),
            ("8.8.8.0/24", false),
            ("10.1.0.0/16", true),
            ("10.1.0.1/32", false),
            ("192.0.2.0/24", true),
            ("192.0.2.128/25", true),
            ("192.0.2.7/32", true),
            ("192.0.0.0/16", false),
            ("192.0.3.0/24", false),
        ] {
            assert_eq!(exclusion.covers(&net(dst)), excluded, "{dst}");
        }
        assert_eq!(exclusion.len(), 3);
    }

    #[test]
    fn everything_and_nothing_can_be_excluded() {
        let everything = Exclusion::parse(r#"{"exclude": ["0.0.0.0/0"], "note": "mine"}"#).unwrap();
        assert!(everything.covers(&net("203.0.113.9/32")));
        for text in ["{}", r#"{"exclude": []}"#, r#"{"exclude": null}"#] {
            let nothing = Exclusion::parse(text).unwrap();
            assert!(
                nothing.is_empty() && !nothing.covers(&net("203.0.113.9/32")),
                "{text}"
            );
        }
    }

    #[test]
    fn anything_else_is_an_error_that_names_it() {
        for (text, named) in [
            (r#"{"exclude": ["8.8.8.8", "nowhere"]}"#, "\"nowhere\""),
            (r#"{"exclude": ["10.0.0.0/33"]}"#, "10.0.0.0/33"),
            (r#"{"exclude": ["10.0.0.0/"]}"#, "10.0.0.0/"),
            (r#"{"exclude": [""]}"#, "\"\""),
            (r#"{"exclude": [1]}"#, "expected"),
            (r#"{"exclude": "8.8.8.8"}"#, "expected"),
            (r#"["8.8.8.8"]"#, "expected"),
            (r#"[["8.8.8.8"]]"#, "expected"),
            ("", "expected"),
            (r#"{"exclude": ["8.8.8.8""#, "expected"),
        ] {
            let error = Exclusion::parse(text).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }

    #[test]
    fn it_is_written_as_the_list_that_it_was_read_from() {
        let exclusion = Exclusion::parse(r#"{"exclude": ["8.8.8.8", "192.0.2.1/24"]}"#).unwrap();
        let text = serde_json::to_string(&exclusion).unwrap();
        assert_eq!(text, r#"["8.8.8.8","192.0.2.0/24"]"#);
        assert_eq!(serde_json::from_str::<Exclusion>(&text).unwrap(), exclusion);
    }
}

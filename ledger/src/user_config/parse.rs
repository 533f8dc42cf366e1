//! From the file's text to settings, one key after another, so that each error can name its key.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_yaml::Value;

use super::UserConfig;

/// What is wrong with a file. Never holds a value: URLs may carry secrets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Flaw {
    /// No YAML, or no list of keys: the line, from 1, if known.
    Form(Option<usize>),
    /// A key, and what is wrong with its value.
    Key(String, &'static str),
}

/// The settings. A key that is there twice must say the same both times. Null and an empty text are as good as no such key.
pub(super) fn parse(text: &str) -> Result<UserConfig, Flaw> {
    // Some editors write a mark of the byte order.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Only comments and white space: YAML's null, which the derived reader would refuse.
    if text
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
    {
        return Ok(UserConfig::default());
    }
    let Keys(keys) = serde_yaml::from_str(text)
        .map_err(|error| Flaw::Form(error.location().map(|location| location.line())))?;
    let mut config = UserConfig::default();
    for (key, value) in once(keys)? {
        set(&mut config, &key, value).map_err(|flaw| Flaw::Key(key, flaw))?;
    }
    Ok(config)
}

fn once(keys: Vec<(String, Value)>) -> Result<BTreeMap<String, Value>, Flaw> {
    let mut once = BTreeMap::new();
    for (key, value) in keys {
        match once.entry(key) {
            Entry::Vacant(free) => drop(free.insert(value)),
            Entry::Occupied(there) if *there.get() == value => {}
            Entry::Occupied(there) => {
                return Err(Flaw::Key(
                    there.key().clone(),
                    "occurs twice, with different values",
                ));
            }
        }
    }
    Ok(once)
}

fn set(config: &mut UserConfig, key: &str, value: Value) -> Result<(), &'static str> {
    match key {
        "json_rpc_url" => config.json_rpc_url = text(value)?,
        "websocket_url" => config.websocket_url = text(value)?,
        "keypair_path" => config.keypair_path = text(value)?.map(Into::into),
        "program_id" => config.program_id = text(value)?,
        "tenant" => config.tenant = text(value)?,
        "address_labels" => config.address_labels = labels(value)?,
        "geo_program_id" => config.geo_program_id = text(value)?,
        "ip_verifier_url" => config.ip_verifier_url = text(value)?,
        other => drop(config.others.insert(other.to_owned(), value)),
    }
    Ok(())
}

fn text(value: Value) -> Result<Option<String>, &'static str> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text).filter(|text| !text.trim().is_empty())),
        Value::Bool(_) | Value::Number(_) | Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => {
            Err("is not text; if it should be, put it in quotes")
        }
    }
}

fn labels(value: Value) -> Result<BTreeMap<String, String>, &'static str> {
    if value.is_null() {
        return Ok(BTreeMap::new());
    }
    serde_yaml::from_value(value).map_err(|_| "is not a list of addresses, each with a text")
}

/// The keys of a file in its order, with repetitions.
struct Keys(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;

        impl<'de> Visitor<'de> for Visit {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("keys with values")
            }

            fn visit_unit<E>(self) -> Result<Keys, E> {
                Ok(Keys(Vec::new()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    keys.push(entry);
                }
                Ok(Keys(keys))
            }
        }

        deserializer.deserialize_any(Visit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_that_operators_have_are_read_for_what_they_mean() {
        let plain = parse("json_rpc_url: http://h/t\nkeypair_path: /k.json\n").unwrap();
        assert_eq!(
            (plain.json_rpc_url.as_deref(), plain.keypair_path.is_some()),
            (Some("http://h/t"), true)
        );
        for same in [
            "---\njson_rpc_url: http://h/t\nwebsocket_url: ~\nkeypair_path: /k.json\ntenant: ~\naddress_labels: {}\n",
            "json_rpc_url: http://h/t\nkeypair_path: /k.json\naddress_labels: null\n",
            "json_rpc_url: http://h/t\r\nkeypair_path: /k.json\r\n",
            "\u{feff}json_rpc_url: http://h/t\nkeypair_path: /k.json\n",
            "json_rpc_url: 'http://h/t'\nkeypair_path: \"/k.json\"\nwebsocket_url: ''\nprogram_id: \"\"\ntenant: \"\"\n",
            "json_rpc_url: http://h/t\nkeypair_path: /k.json\nkeypair_path: /k.json\n...\n",
        ] {
            assert_eq!(parse(same), Ok(plain.clone()), "{same}");
        }
        let nothing = parse("json_rpc_url: ''\nkeypair_path: ''\naddress_labels:\n").unwrap();
        assert_eq!(nothing, UserConfig::default());
        for empty in ["", "---\n", "~\n", "\u{feff}# nothing\n"] {
            assert_eq!(parse(empty), Ok(UserConfig::default()), "{empty:?}");
        }
    }

    #[test]
    fn a_value_that_makes_no_sense_is_told_by_its_key() {
        let key = |text: &str| match parse(text).unwrap_err() {
            Flaw::Key(key, _) => key,
            Flaw::Form(line) => panic!("{text}: line {line:?}"),
        };
        assert_eq!(key("tenant: [a]\n"), "tenant");
        assert_eq!(key("json_rpc_url: 8899\n"), "json_rpc_url");
        assert_eq!(key("address_labels: [a]\n"), "address_labels");
        assert_eq!(key("address_labels:\n  a: [b]\n"), "address_labels");
        assert_eq!(key("tenant: a\ntenant: b\n"), "tenant");
        assert_eq!(key("later: 1\nlater: 2\n"), "later");
        for broken in [
            "- a",
            "text",
            "tenant: a\n\tkeypair_path: b\n",
            "a: b\n---\na: b\n",
        ] {
            assert!(matches!(parse(broken), Err(Flaw::Form(_))), "{broken}");
        }
    }
}

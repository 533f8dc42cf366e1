//! JSON bodies as Go's `encoding/json` takes them for the reference: one value, whatever follows it; names whatever their
//! letters' case; of members that are there twice the last one counts; `null` says nothing.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::{Map, Value};

/// A body of these members, each of which may be absent. No body at all is one without members.
///
/// # Errors
/// What is wrong with the JSON, or with a member.
pub(super) fn read<T: DeserializeOwned + Default>(body: &[u8], names: &[&str]) -> Result<T, String> {
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<Option<Members>>();
    match values.next() {
        None | Some(Ok(None)) => Ok(T::default()),
        Some(Ok(Some(Members(members)))) => {
            serde_json::from_value(named(members, names)).map_err(|problem| problem.to_string())
        }
        Some(Err(problem)) => Err(problem.to_string()),
    }
}

/// Like [`read`], where there must be a body.
///
/// # Errors
/// Also when there is none.
pub(super) fn read_some<T: DeserializeOwned + Default>(body: &[u8], names: &[&str]) -> Result<T, String> {
    if body.trim_ascii().is_empty() {
        return Err("EOF".to_owned());
    }
    read(body, names)
}

fn named(members: Vec<(String, Value)>, names: &[&str]) -> Value {
    let name = |key: &str| names.iter().find(|name| name.eq_ignore_ascii_case(key));
    let known = members.into_iter().filter(|(_, value)| !value.is_null());
    let known = known.filter_map(|(key, value)| Some(((*name(&key)?).to_owned(), value)));
    Value::Object(known.collect::<Map<_, _>>())
}

/// An object's members in their order.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, Default, PartialEq, Debug)]
    #[serde(default)]
    struct Asked {
        user_type: Option<String>,
        number: Option<u32>,
    }

    fn asked(body: &str) -> Result<Asked, String> {
        read(body.as_bytes(), &["user_type", "number"])
    }

    fn user_type(text: &str) -> Result<Asked, String> {
        Ok(Asked {
            user_type: Some(text.to_owned()),
            number: None,
        })
    }

    #[test]
    fn a_body_is_read_as_go_reads_it() {
        for (body, expected) in [
            ("", Ok(Asked::default())),
            (" \n", Ok(Asked::default())),
            ("null", Ok(Asked::default())),
            ("{}", Ok(Asked::default())),
            (r#"{"user_type":"a"}"#, user_type("a")),
            (r#"{"USER_TYPE":"a","other":[1]}"#, user_type("a")),
            (r#"{"user_type":"a","User_Type":"b"}"#, user_type("b")),
            (r#"{"User_Type":"a","user_type":"b"}"#, user_type("b")),
            (r#"{"user_type":"a","user_type":null}"#, user_type("a")),
            (r#"{"user_type":"a"} and more"#, user_type("a")),
        ] {
            assert_eq!(asked(body), expected, "{body}");
        }
        for wrong in [
            "x",
            "[]",
            "{",
            "3",
            r#""{}""#,
            r#"{"user_type":3}"#,
            r#"{"number":-1}"#,
        ] {
            assert!(asked(wrong).is_err(), "{wrong}");
        }
        assert!(read_some::<Asked>(b" ", &[]).is_err());
    }
}

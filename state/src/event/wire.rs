//! The form in which events are kept and sent: an object with `v`, `kind` and the fields of that kind.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::Event;

/// The number of this form. It goes up when a reader of the form before would misread an event; fields may be added without
/// that.
pub const VERSION: u8 = 1;

#[derive(Serialize)]
struct Written<'a> {
    v: u8,
    #[serde(flatten)]
    event: Bare<'a>,
}

#[derive(Deserialize)]
struct Read {
    v: u8,
    #[serde(flatten)]
    event: Owned,
}

/// Without the version: what the derived code makes of it. Its functions are those of the enum itself, so that they win over the
/// traits' where they are called by name.
struct Bare<'a>(&'a Event);
struct Owned(Event);

impl Serialize for Bare<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Event::serialize(self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Owned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Event::deserialize(deserializer).map(Self)
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written {
            v: VERSION,
            event: Bare(self),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Read { v, event } = Read::deserialize(deserializer)?;
        if v == VERSION {
            Ok(event.0)
        } else {
            Err(D::Error::custom(format_args!(
                "an event of version {v}, and only {VERSION} is known"
            )))
        }
    }
}

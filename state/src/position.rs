//! A point in history: no two steps of any daemons have the same position.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Epoch, Sequence};

/// An installation of the daemon: a random number that is made at its first start and kept with its state, written as 32 hexadecimal
/// digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NodeId(pub u128);

/// A step: which installation, which of its starts, and which step since then. Positions of one start are compared by
/// their sequence, those of one installation by epoch and sequence; those of two installations cannot be compared.
/// Written as `NODE.EPOCH.SEQUENCE`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Position {
    /// The number of the installation, the same over restarts.
    pub node: NodeId,
    /// The number of the daemon's start on its state directory.
    pub epoch: Epoch,
    /// The step, from 1; 0 is before all of them.
    pub sequence: Sequence,
}

/// The text is no node or position.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a {what}: {text:?}")]
pub struct InvalidPosition {
    what: &'static str,
    text: String,
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for NodeId {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.len() == 32 && text.bytes().all(|octet| octet.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| digits);
        number
            .map(Self)
            .ok_or_else(|| invalid("node of 32 hexadecimal digits", text))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.node, self.epoch.0, self.sequence.0)
    }
}

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |part: &str| {
            part.parse()
                .ok()
                .filter(|_| part.bytes().all(|octet| octet.is_ascii_digit()))
        };
        let parts: Vec<&str> = text.split('.').collect();
        let parsed = match parts[..] {
            [node, epoch, sequence] => node.parse().ok().zip(number(epoch)).zip(number(sequence)),
            _ => None,
        };
        let ((node, epoch), sequence) =
            parsed.ok_or_else(|| invalid("position NODE.EPOCH.SEQUENCE", text))?;
        Ok(Self {
            node,
            epoch: Epoch(epoch),
            sequence: Sequence(sequence),
        })
    }
}

fn invalid(what: &'static str, text: &str) -> InvalidPosition {
    InvalidPosition {
        what,
        text: text.chars().take(100).collect(),
    }
}

macro_rules! as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}

as_text!(NodeId);
as_text!(Position);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_back_as_it_was_written_and_nothing_else_is_one() {
        let position = Position {
            node: NodeId(0xab),
            epoch: Epoch(12),
            sequence: Sequence(345),
        };
        let text = "000000000000000000000000000000ab.12.345";
        assert_eq!(position.to_string(), text);
        assert_eq!(text.parse(), Ok(position));
        assert_eq!(
            serde_json::from_str::<Position>(&serde_json::to_string(&position).unwrap()).unwrap(),
            position
        );
        for wrong in [
            "",
            "1.2.3",
            "000000000000000000000000000000ab.12",
            "000000000000000000000000000000ab.+1.2",
            &format!("{text}.1"),
        ] {
            assert!(wrong.parse::<Position>().is_err(), "{wrong:?}");
        }
        assert!("+00000000000000000000000000000ab".parse::<NodeId>().is_err());
    }
}

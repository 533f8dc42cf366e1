//! One entry, and the one form in which every recorder writes it.

use std::{
    fmt,
    ops::Sub,
    str::FromStr,
    time::{Duration, UNIX_EPOCH},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use warren_state::{
    Epoch, Incarnation, NodeId, Position, Pubkey, Sequence, TunnelId, journal::LocalPosition,
};

/// The version of the form. It goes up when a reader of the form before would misread an entry; fields may be added without that.
const VERSION: u8 = 1;

/// Something that somebody may be billed for, or that says what is missing of it.
///
/// In JSON: `v`, `id`, `previous`, `at`, `kind` and the fields of that kind. What is not known is null, and never zero.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The version of the form.
    #[serde(deserialize_with = "version")]
    v: u8,
    /// Which entry it is: the same each time that it is written. A repair, which is of one file, has none.
    pub id: Option<EntryId>,
    /// The entry before it; none when it is the first of all.
    pub previous: Option<EntryId>,
    /// When it happened, in milliseconds since 1970; in JSON a time of RFC 3339.
    #[serde(with = "time")]
    pub at: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: EntryContent,
}

/// The journal entry that an entry was made of, and which of those made of it. Written as `NODE.EPOCH.SEQUENCE`, and with the number
/// behind it where it is not the first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EntryId {
    /// The installation.
    pub node: NodeId,
    /// The place in its journal.
    pub at: LocalPosition,
    /// Which of those made of it, from 0.
    pub part: u32,
}

/// What an entry says. Starts and stops are pairs: a stop names its start.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum EntryContent {
    /// A tunnel carries from now on.
    #[serde(rename = "tunnel.start")]
    TunnelStart {
        /// Which tunnel.
        tunnel: TunnelId,
        /// The key that pays.
        owner: Option<Pubkey>,
        /// Which making of the tunnel: a rebuilt one has another.
        incarnation: Incarnation,
        /// Why.
        reason: Reason,
    },
    /// It does no longer.
    #[serde(rename = "tunnel.stop")]
    TunnelStop {
        /// Which tunnel.
        tunnel: TunnelId,
        /// The key that pays.
        owner: Option<Pubkey>,
        /// Which making of the tunnel: a rebuilt one has another.
        incarnation: Incarnation,
        /// Why; none where what happened was lost.
        reason: Option<Reason>,
        /// Its start; none where that was before the first entry of all.
        start: Option<EntryId>,
        /// When it started.
        #[serde(with = "time")]
        since: u64,
        /// Until when it carried for sure: of a crash, the last sign of life.
        #[serde(with = "time")]
        until: u64,
    },
    /// A tunnel is held to a rate from now on.
    #[serde(rename = "throttle.start")]
    ThrottleStart {
        /// Which tunnel.
        tunnel: TunnelId,
        /// The key that pays.
        owner: Option<Pubkey>,
        /// Why.
        reason: Reason,
        /// Octets a second that may leave; none is any, and 0 blocks.
        up: Option<u64>,
        /// Octets a second that may come.
        down: Option<u64>,
    },
    /// It is not any more.
    #[serde(rename = "throttle.stop")]
    ThrottleStop {
        /// Which tunnel.
        tunnel: TunnelId,
        /// The key that pays.
        owner: Option<Pubkey>,
        /// Why.
        reason: Reason,
        /// The entry that it is the end of; none where that is not known.
        start: Option<EntryId>,
    },
    /// What went through a tunnel so far, and since the sample before.
    #[serde(rename = "usage.sample")]
    UsageSample {
        /// Which tunnel.
        tunnel: TunnelId,
        /// The key that pays.
        owner: Option<Pubkey>,
        /// Which making of the tunnel: a rebuilt one has another.
        incarnation: Incarnation,
        /// The sample before; none when this is the first.
        from: Option<EntryId>,
        /// What went through since that one; none where that is not known.
        delta: Option<Usage>,
        /// What went through so far.
        total: Usage,
        /// For how long of that time nobody counted.
        gap_seconds: u64,
        /// Whether the tunnel ends with it.
        last: bool,
    },
    /// What happened after one place and up to another is not there: the journal lost it before it was written.
    #[serde(rename = "record.gap")]
    Gap {
        /// The last place that was read; none when nothing was.
        after: Option<Position>,
        /// The last one that is missing.
        to: Position,
    },
    /// The line before this one was not finished.
    #[serde(rename = "record.repair")]
    Repair {
        /// How long it is.
        torn_bytes: u64,
    },
}

/// What went through a tunnel, in octets and packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Octets that came.
    pub rx_bytes: u64,
    /// Octets that left.
    pub tx_bytes: u64,
    /// Packets that came.
    pub rx_packets: u64,
    /// Packets that left.
    pub tx_packets: u64,
}

/// Why something started or stopped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It was asked for.
    Activated,
    /// It was there before, and the daemon or the tunnel was restarted meanwhile.
    Restart,
    /// Its link was changed by something else, and is another one now.
    Drift,
    /// The link was there, and was taken over.
    Adopted,
    /// It is not asked for any more.
    Deactivated,
    /// The switch is off.
    Disabled,
    /// The daemon ended without a word.
    Crash,
    /// More was used than may be.
    Cap,
    /// The daemon was stopped.
    Shutdown,
}

/// The line is no entry.
#[derive(Debug, thiserror::Error)]
#[error("not an entry: {0}")]
pub struct InvalidEntry(#[from] serde_json::Error);

/// The text is no id.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not an id NODE.EPOCH.SEQUENCE or NODE.EPOCH.SEQUENCE.NUMBER: {0:?}")]
pub struct InvalidId(String);

/// Appends an entry as a line.
pub fn encode(entry: &Entry, text: &mut Vec<u8>) {
    let before = text.len();
    if serde_json::to_writer(&mut *text, entry).is_ok() {
        text.push(b'\n');
    } else {
        // Memory does not refuse, and there are no keys but strings.
        text.truncate(before);
    }
}

/// Reads a line, with or without its end.
///
/// # Errors
/// When it is none that this version wrote or could have.
pub fn decode(line: &[u8]) -> Result<Entry, InvalidEntry> {
    Ok(serde_json::from_slice(line)?)
}

impl Entry {
    /// An entry of this version.
    #[must_use]
    pub fn new(id: Option<EntryId>, previous: Option<EntryId>, at: u64, what: EntryContent) -> Self {
        Self {
            v: VERSION,
            id,
            previous,
            at,
            what,
        }
    }
}

impl EntryContent {
    /// The name of its kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TunnelStart { .. } => "tunnel.start",
            Self::TunnelStop { .. } => "tunnel.stop",
            Self::ThrottleStart { .. } => "throttle.start",
            Self::ThrottleStop { .. } => "throttle.stop",
            Self::UsageSample { .. } => "usage.sample",
            Self::Gap { .. } => "record.gap",
            Self::Repair { .. } => "record.repair",
        }
    }

    /// The tunnel that it is about, and who pays for it.
    #[must_use]
    pub fn about(&self) -> Option<(TunnelId, Option<Pubkey>)> {
        match self {
            Self::TunnelStart { tunnel, owner, .. }
            | Self::TunnelStop { tunnel, owner, .. }
            | Self::ThrottleStart { tunnel, owner, .. }
            | Self::ThrottleStop { tunnel, owner, .. }
            | Self::UsageSample { tunnel, owner, .. } => Some((*tunnel, *owner)),
            Self::Gap { .. } | Self::Repair { .. } => None,
        }
    }
}

impl Usage {
    /// Whether none of the four is below the other's.
    #[must_use]
    pub fn is_at_least(&self, other: &Self) -> bool {
        self.rx_bytes >= other.rx_bytes
            && self.tx_bytes >= other.tx_bytes
            && self.rx_packets >= other.rx_packets
            && self.tx_packets >= other.tx_packets
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            rx_bytes: self.rx_bytes.saturating_add(other.rx_bytes),
            tx_bytes: self.tx_bytes.saturating_add(other.tx_bytes),
            rx_packets: self.rx_packets.saturating_add(other.rx_packets),
            tx_packets: self.tx_packets.saturating_add(other.tx_packets),
        }
    }

    /// Octets in both directions.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.rx_bytes.saturating_add(self.tx_bytes)
    }
}

impl Sub for Usage {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            rx_bytes: self.rx_bytes.saturating_sub(other.rx_bytes),
            tx_bytes: self.tx_bytes.saturating_sub(other.tx_bytes),
            rx_packets: self.rx_packets.saturating_sub(other.rx_packets),
            tx_packets: self.tx_packets.saturating_sub(other.tx_packets),
        }
    }
}

impl EntryId {
    /// The first entry made of a journal entry.
    #[must_use]
    pub fn first(position: Position) -> Self {
        Self {
            node: position.node,
            at: position.into(),
            part: 0,
        }
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, at, part } = self;
        write!(f, "{node}.{}.{}", at.epoch.0, at.sequence.0)?;
        if *part > 0 { write!(f, ".{part}") } else { Ok(()) }
    }
}

impl FromStr for EntryId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId(text.chars().take(100).collect());
        let number = |digits: &str| digits.parse::<u64>().ok().filter(|_| !digits.starts_with('+'));
        let mut parts = text.split('.');
        let node = parts
            .next()
            .and_then(|node| node.parse().ok())
            .ok_or_else(invalid)?;
        let numbers: Option<Vec<u64>> = parts.map(number).collect();
        let (epoch, sequence, part) = match numbers.ok_or_else(invalid)?[..] {
            [epoch, sequence] => (epoch, sequence, 0),
            [epoch, sequence, part] if part > 0 => (epoch, sequence, part),
            _ => return Err(invalid()),
        };
        Ok(Self {
            node,
            at: LocalPosition {
                epoch: Epoch(epoch),
                sequence: Sequence(sequence),
            },
            part: u32::try_from(part).map_err(|_| invalid())?,
        })
    }
}

impl Serialize for EntryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EntryId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let version = u8::deserialize(deserializer)?;
    if version == VERSION {
        Ok(version)
    } else {
        Err(D::Error::custom(format_args!(
            "of version {version}, and only {VERSION} is known"
        )))
    }
}

mod time {
    use super::{Deserialize, Deserializer, Duration, Error, LATEST, Serializer, UNIX_EPOCH};

    pub(super) fn serialize<S: Serializer>(unix_ms: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        let at = UNIX_EPOCH + Duration::from_millis((*unix_ms).min(LATEST));
        serializer.collect_str(&humantime::format_rfc3339_millis(at))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        let at = humantime::parse_rfc3339(&text).map_err(D::Error::custom)?;
        let since = at.duration_since(UNIX_EPOCH).map_err(D::Error::custom)?;
        u64::try_from(since.as_millis()).map_err(D::Error::custom)
    }
}

/// The end of the year 9999, which RFC 3339 does not go beyond.
const LATEST: u64 = 253_402_300_799_999;

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    #[test]
    fn an_entry_is_one_line_that_is_read_back_and_what_is_not_known_is_null() {
        for what in every_kind() {
            let entry = Entry::new(Some(id(1, 7, 0)), None, 1_760_464_781_123, what);
            let mut text = Vec::new();
            encode(&entry, &mut text);
            assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 1);
            assert_eq!(text.last(), Some(&b'\n'));
            assert_eq!(decode(&text).unwrap(), entry);
            let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
            assert_eq!(value["kind"], entry.what.kind());
            assert_eq!(value["previous"], serde_json::Value::Null);
            assert_eq!(value["at"], "2025-10-14T17:59:41.123Z");
        }
        let unknown = Entry::new(None, None, 0, sample(1, None, None, usage(0, 0)));
        let value = serde_json::to_value(&unknown).unwrap();
        assert!(value["owner"].is_null() && value["delta"].is_null() && value["from"].is_null());
        assert_eq!(value["total"]["rx_bytes"], 0, "zero is not unknown");
    }

    #[test]
    fn an_entry_of_another_version_is_refused() {
        let entry = Entry::new(None, None, 0, EntryContent::Repair { torn_bytes: 3 });
        let text = serde_json::to_string(&entry).unwrap();
        let error = decode(text.replace("\"v\":1", "\"v\":2").as_bytes()).unwrap_err();
        assert!(error.to_string().contains("version 2"), "{error}");
    }

    #[test]
    fn an_id_is_read_back_and_nothing_else_is_one() {
        for (id, text) in [
            (id(1, 7, 0), "00000000000000000000000000000007.1.7"),
            (id(1, 7, 3), "00000000000000000000000000000007.1.7.3"),
        ] {
            assert_eq!(id.to_string(), text);
            assert_eq!(text.parse(), Ok(id));
        }
        for wrong in [
            "",
            "7.1.7",
            "00000000000000000000000000000007.1",
            "00000000000000000000000000000007.1.7.0",
        ] {
            assert!(wrong.parse::<EntryId>().is_err(), "{wrong}");
        }
    }
}

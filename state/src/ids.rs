//! Identities: each is a type of its own, so that a slot is never taken for a sequence number.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The address of a ledger account: 32 bytes, written in base58.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Pubkey(pub [u8; 32]);

/// The text is not the base58 form of 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a base58 public key of 32 bytes: {0:?}")]
pub struct InvalidPubkey(pub String);

impl Pubkey {
    /// Whether all bytes are zero, which the ledger uses for "none".
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0 == [0; 32]
    }
}

impl fmt::Display for Pubkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of all that status and logs are made of this is the slowest to write: by a routine for just this length.
        let mut text = [0; five8::BASE58_ENCODED_32_MAX_LEN];
        let length = usize::from(five8::encode_32(&self.0, &mut text));
        f.write_str(std::str::from_utf8(&text[..length]).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Pubkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Pubkey {
    type Err = InvalidPubkey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        match bs58::decode(text).onto(&mut bytes) {
            Ok(32) => Ok(Self(bytes)),
            Ok(_) | Err(_) => Err(InvalidPubkey(text.chars().take(64).collect())),
        }
    }
}

impl Serialize for Pubkey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pubkey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Names a tunnel: the ledger account that asks for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TunnelId(pub Pubkey);

impl fmt::Display for TunnelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for TunnelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TunnelId {
    type Err = InvalidPubkey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// A ledger slot: the ledger's own clock.
    Slot(u64)
}
number! {
    /// An autonomous system number (RFC 6793: four octets).
    Asn(u32)
}
number! {
    /// The number of a committed plan.
    Generation(u64)
}
number! {
    /// The n-th (re)creation of a tunnel; a signal of an earlier one never touches a later one.
    Incarnation(u64)
}
number! {
    /// The number of a start of the daemon on one state directory.
    Epoch(u64)
}
number! {
    /// A position in the journal of one epoch.
    Sequence(u64)
}

impl Generation {
    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Incarnation {
    /// The first of those that the n-th start of the reconciler in an epoch has to itself.
    #[must_use]
    pub fn first_of(epoch: Epoch, start: u64) -> Self {
        Self((epoch.0 << 32) + (start << 24))
    }

    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The name of a network interface: 1 to 15 bytes, none of them white space, `/` or `:` (linux/if.h IFNAMSIZ,
/// net/core/dev.c `dev_valid_name`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkName {
    /// Padded with zeroes, so that names sort as their texts do.
    bytes: [u8; Self::LONGEST],
    length: u8,
}

/// The text cannot name a network interface.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid interface name: {0:?}")]
pub struct InvalidLinkName(pub String);

impl LinkName {
    const LONGEST: usize = 15;

    /// Checks the kernel's rules for names.
    ///
    /// # Errors
    /// When the kernel would refuse the name.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidLinkName> {
        let name = name.into();
        let fits = (1..=Self::LONGEST).contains(&name.len()) && name != "." && name != "..";
        if fits
            && name
                .bytes()
                .all(|b| b.is_ascii_graphic() && b != b'/' && b != b':' && b != b'%')
        {
            let mut bytes = [0; Self::LONGEST];
            bytes[..name.len()].copy_from_slice(name.as_bytes());
            Ok(Self {
                bytes,
                length: name.len() as u8,
            })
        } else {
            Err(InvalidLinkName(name.chars().take(64).collect()))
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl Serialize for LinkName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for LinkName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Zeroes in front are digits of their own.
        #[test]
        fn a_key_is_written_as_everybody_writes_it_and_read_back(bytes: [u8; 32], zeroes in 0_usize..=32) {
            let mut bytes = bytes;
            bytes[..zeroes].fill(0);
            let text = Pubkey(bytes).to_string();
            prop_assert_eq!(&text, &bs58::encode(bytes).into_string());
            prop_assert_eq!(text.parse(), Ok(Pubkey(bytes)));
        }
    }
}

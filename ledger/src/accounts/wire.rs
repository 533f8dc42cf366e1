//! The accounts' encoding (borsh, little-endian), read with bounds.
//!
//! A field is read in one of three ways:
//! * **required**: too short or broken is an error, and the whole account is set aside;
//! * **optional**: absent (the account ends exactly before it) gives the default, cut in half or broken is an error. For
//!   fields that a tunnel is built from, where a wrong default would change the tunnel;
//! * **tail**: absent, cut or broken gives the default, and so do all fields after it; what is left counts as trailing.
//!
//! No allocation follows an untrusted length: a count is checked against the bytes that are left first.

use std::{fmt, net::Ipv4Addr};

use serde::{Serialize, Serializer};
use warren_state::Pubkey;

/// Why an account does not decode.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// No bytes at all.
    #[error("the account is empty")]
    Empty,
    /// The first byte names no account type that we know.
    #[error("unknown account type {0}")]
    UnknownType(u8),
    /// The account ends inside a field that must be there.
    #[error("the account ends in {field} (at byte {at} of {len})")]
    Truncated {
        /// The name of the field at which reading stopped.
        field: &'static str,
        /// Where the field starts.
        at: usize,
        /// How many bytes the account has.
        len: usize,
    },
    /// A list or text claims more bytes than there are.
    #[error("{field} claims more items than the account has bytes for (at byte {at} of {len})")]
    TooLong {
        /// The name of the field at which reading stopped.
        field: &'static str,
        /// Where the field starts.
        at: usize,
        /// How many bytes the account has.
        len: usize,
    },
    /// A text is not UTF-8.
    #[error("{field} is not UTF-8 (at byte {at})")]
    NotText {
        /// The name of the field at which reading stopped.
        field: &'static str,
        /// Where the field starts.
        at: usize,
    },
    /// A number that decides what follows is not one that we know.
    #[error("{field} has unknown variant {value} (at byte {at})")]
    UnknownVariant {
        /// The name of the field at which reading stopped.
        field: &'static str,
        /// The number.
        value: u8,
        /// Where the field starts.
        at: usize,
    },
}

/// Why a value does not decode, before its field's name is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flaw {
    Truncated,
    TooLong,
    NotText,
    UnknownVariant(u8),
}

/// Walks over an account's bytes.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Set once a tail field was not there: everything after it is at its default.
    ended: bool,
    /// Names of the fields that got their default.
    pub(super) defaulted: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            ended: false,
            defaulted: Vec::new(),
        }
    }

    pub(super) fn required<T: Field>(&mut self, field: &'static str) -> Result<T, DecodeError> {
        let at = self.at;
        T::read(self).map_err(|flaw| self.name(flaw, field, at))
    }

    pub(super) fn optional<T: Field>(&mut self, field: &'static str, default: T) -> Result<T, DecodeError> {
        if self.ended || self.remaining() == 0 {
            return Ok(self.give_default(field, default));
        }
        self.required(field)
    }

    pub(super) fn tail<T: Field>(&mut self, field: &'static str, default: T) -> T {
        if self.ended {
            return self.give_default(field, default);
        }
        let start = self.at;
        match T::read(self) {
            Ok(value) => value,
            Err(_) => {
                self.at = start;
                self.give_default(field, default)
            }
        }
    }

    pub(super) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Flaw> {
        if count > self.remaining() {
            return Err(Flaw::Truncated);
        }
        let taken = &self.bytes[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// Skips to a fixed offset, or to the end if that is nearer.
    pub(super) fn skip_to(&mut self, offset: usize) {
        self.at = self.at.max(offset.min(self.bytes.len()));
    }

    fn give_default<T>(&mut self, field: &'static str, default: T) -> T {
        self.ended = true;
        self.defaulted.push(field);
        default
    }

    fn name(&self, flaw: Flaw, field: &'static str, at: usize) -> DecodeError {
        let len = self.bytes.len();
        match flaw {
            Flaw::Truncated => DecodeError::Truncated { field, at, len },
            Flaw::TooLong => DecodeError::TooLong { field, at, len },
            Flaw::NotText => DecodeError::NotText { field, at },
            Flaw::UnknownVariant(value) => DecodeError::UnknownVariant { field, value, at },
        }
    }
}

/// A value with a place in an account.
pub(super) trait Field: Sized {
    /// The fewest bytes that a value takes.
    const MIN: usize;
    fn read(reader: &mut Reader<'_>) -> Result<Self, Flaw>;
    fn write(&self, out: &mut Vec<u8>);
    /// A value made from a test's entropy.
    #[cfg(test)]
    fn generate(entropy: &mut super::generate::Entropy<'_>) -> Self;
}

macro_rules! little_endian {
    ($($number:ty),*) => {$(
        impl Field for $number {
            const MIN: usize = size_of::<$number>();
            fn read(reader: &mut Reader<'_>) -> Result<Self, Flaw> {
                Ok(Self::from_le_bytes(reader.array()?))
            }
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            #[cfg(test)]
            fn generate(entropy: &mut super::generate::Entropy<'_>) -> Self {
                Self::from_le_bytes(entropy.array())
            }
        }
    )*};
}
little_endian!(u8, u16, u32, u64, i64, u128);

impl Field for bool {
    const MIN: usize = 1;
    fn read(reader: &mut Reader<'_>) -> Result<Self, Flaw> {
        Ok(u8::read(reader)? != 0)
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    #[cfg(test)]
    fn generate(entropy: &mut super::generate::Entropy<'_>) -> Self {
        entropy.byte() & 1 == 1
    }
}

macro_rules! octets {
    ($($name:ty),*) => {$(
        impl Field for $name {
            const MIN: usize = 32;
            fn read(reader: &mut Reader<'_>) -> Result<Self, Flaw> {
                Ok(Self(reader.array()?))
            }
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.0);
            }
            #[cfg(test)]
            fn generate(entropy: &mut super::generate::Entropy<'_>) -> Self {
                Self(entropy.array())
            }
        }
    )*};
}

octets!(Pubkey, Digest);

impl Field for Ipv4Addr {
    const MIN: usize = 4;
    fn read(reader: &mut Reader<'_>) -> Result<Self, Flaw> {
        Ok(Self::from(reader.array::<4>()?))
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.octets());
    }
    #[cfg(test)]
    fn generate(entropy: &mut super::generate::Entropy<'_>) -> Self {
        Self::from(entropy.array::<4>())
    }
}

impl Field for String {
    const MIN: usize = 4;
    fn read(reader: &mut Reader<'_>) -> Result<Self, Flaw> {
        let len = usize::try_from(u32::read(reader)?).map_err(|_| Flaw::TooLong)?;
        let bytes = reader.take(len).map_err(|_| Flaw::TooLong)?;
        str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|_| Flaw::NotText)
    }
    fn write(&self, out: &mut Vec<u8>) {
        write_count(self.len(), out);
        out.extend_from_slice(self.as_bytes());
    }
    #[cfg(test)]
    fn generate(entropy: &mut super::generate::Entropy<'_>) -> Self {
        let len = entropy.byte() % 12;
        (0..len)
            .map(|_| char::from_u32(u32::from(u16::generate(entropy))).unwrap_or('x'))
            .collect()
    }
}

impl<T: Field> Field for Vec<T> {
    const MIN: usize = 4;
    fn read(reader: &mut Reader<'_>) -> Result<Self, Flaw> {
        let count = usize::try_from(u32::read(reader)?).map_err(|_| Flaw::TooLong)?;
        if count
            .checked_mul(T::MIN)
            .is_none_or(|least| least > reader.remaining())
        {
            return Err(Flaw::TooLong);
        }
        (0..count).map(|_| T::read(reader)).collect()
    }
    fn write(&self, out: &mut Vec<u8>) {
        write_count(self.len(), out);
        self.iter().for_each(|item| item.write(out));
    }
    #[cfg(test)]
    fn generate(entropy: &mut super::generate::Entropy<'_>) -> Self {
        let count = entropy.byte() % 5;
        (0..count).map(|_| T::generate(entropy)).collect()
    }
}

/// Writes a list's count. An account is at most 10 MiB, so no real list comes near the limit.
fn write_count(len: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
}

/// A network as the ledger writes it; nothing is known to be valid.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Net {
    /// The address, host bits included.
    pub address: Ipv4Addr,
    /// Any byte, also above 32.
    pub prefix_len: u8,
}

impl Net {
    /// 0.0.0.0/0, which the ledger uses for "none".
    pub const NONE: Self = Self {
        address: Ipv4Addr::UNSPECIFIED,
        prefix_len: 0,
    };

    /// From its parts.
    #[must_use]
    pub fn new(address: Ipv4Addr, prefix_len: u8) -> Self {
        Self { address, prefix_len }
    }
}

impl Default for Net {
    fn default() -> Self {
        Self::NONE
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

/// The text is not `a.b.c.d/p`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a network of the form a.b.c.d/p: {0:?}")]
pub struct InvalidNet(pub String);

impl std::str::FromStr for Net {
    type Err = InvalidNet;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text
            .split_once('/')
            .and_then(|(address, len)| Some((address.parse().ok()?, len.parse().ok()?)));
        let (address, prefix_len) = parts.ok_or_else(|| InvalidNet(text.chars().take(64).collect()))?;
        Ok(Self { address, prefix_len })
    }
}

impl Serialize for Net {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Field for Net {
    const MIN: usize = 5;
    fn read(reader: &mut Reader<'_>) -> Result<Self, Flaw> {
        Ok(Self {
            address: Field::read(reader)?,
            prefix_len: u8::read(reader)?,
        })
    }
    fn write(&self, out: &mut Vec<u8>) {
        self.address.write(out);
        out.push(self.prefix_len);
    }
    #[cfg(test)]
    fn generate(entropy: &mut super::generate::Entropy<'_>) -> Self {
        Self {
            address: Field::generate(entropy),
            prefix_len: entropy.byte(),
        }
    }
}

/// A hash. Shown in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Digest(pub [u8; 32]);

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        serializer.serialize_str(&text)
    }
}

/// A 64-bit float that compares by its bits, so that not-a-number equals itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Float {
    bits: u64,
}

impl From<f64> for Float {
    fn from(value: f64) -> Self {
        Self {
            bits: value.to_bits(),
        }
    }
}

impl From<Float> for f64 {
    fn from(value: Float) -> Self {
        Self::from_bits(value.bits)
    }
}

impl Serialize for Float {
    /// Not-a-number and the infinities become null.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64((*self).into())
    }
}

impl Field for Float {
    const MIN: usize = 8;
    fn read(reader: &mut Reader<'_>) -> Result<Self, Flaw> {
        Ok(Self {
            bits: u64::read(reader)?,
        })
    }
    fn write(&self, out: &mut Vec<u8>) {
        self.bits.write(out);
    }
    #[cfg(test)]
    fn generate(entropy: &mut super::generate::Entropy<'_>) -> Self {
        Self {
            bits: u64::generate(entropy),
        }
    }
}

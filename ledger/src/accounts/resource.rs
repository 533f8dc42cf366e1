//! The parts of a resource extension: an allocator of fixed room, then a bitmap to the end of the account.

use serde::{Serialize, Serializer};

use super::{
    ResourceExtension,
    interface::serialize_variant,
    wire::{Field, Flaw, Net, Reader},
};

/// Where the bitmap starts in the account.
const BITMAP_AT: usize = 88;
/// Where the allocator starts: type, owner, bump, associated account.
const ALLOCATOR_AT: usize = 66;
/// The room of the allocator, its number included.
const ALLOCATOR_ROOM: usize = BITMAP_AT - ALLOCATOR_AT;

/// The range that an allocator gives out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Allocator {
    /// 0: addresses.
    Ip {
        /// The network that they come from.
        base_net: Net,
        /// The first that may be free.
        first_free: u64,
    },
    /// 1: numbers.
    Id {
        /// The first number.
        start: u16,
        /// The number after the last.
        end: u16,
        /// The first that may be free.
        first_free: u64,
    },
    /// A number that we do not know; at least 2.
    Unknown(u8),
}

impl Serialize for Allocator {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Ip { base_net, first_free } => serialize_variant(
                serializer,
                0,
                "ip",
                &[("base_net", base_net), ("first_free", first_free)],
            ),
            Self::Id {
                start,
                end,
                first_free,
            } => serialize_variant(
                serializer,
                1,
                "id",
                &[("start", start), ("end", end), ("first_free", first_free)],
            ),
            Self::Unknown(value) => serialize_variant(serializer, *value, "unknown", &[]),
        }
    }
}

impl Field for Allocator {
    const MIN: usize = 1;
    /// Leaves the reader at the bitmap, or at the end of an account that has none.
    fn read(reader: &mut Reader<'_>) -> Result<Self, Flaw> {
        let allocator = match u8::read(reader)? {
            0 => Self::Ip {
                base_net: Field::read(reader)?,
                first_free: Field::read(reader)?,
            },
            1 => Self::Id {
                start: Field::read(reader)?,
                end: Field::read(reader)?,
                first_free: Field::read(reader)?,
            },
            unknown @ 2.. => Self::Unknown(unknown),
        };
        reader.skip_to(BITMAP_AT);
        Ok(allocator)
    }
    fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        match self {
            Self::Ip { base_net, first_free } => {
                out.push(0);
                base_net.write(out);
                first_free.write(out);
            }
            Self::Id {
                start,
                end,
                first_free,
            } => {
                out.push(1);
                start.write(out);
                end.write(out);
                first_free.write(out);
            }
            Self::Unknown(value) => out.push(*value),
        }
        out.resize(start + ALLOCATOR_ROOM, 0);
    }
    #[cfg(test)]
    fn generate(entropy: &mut super::generate::Entropy<'_>) -> Self {
        match entropy.byte() {
            value if value % 3 == 0 => Self::Ip {
                base_net: Field::generate(entropy),
                first_free: Field::generate(entropy),
            },
            value if value % 3 == 1 => Self::Id {
                start: Field::generate(entropy),
                end: Field::generate(entropy),
                first_free: Field::generate(entropy),
            },
            value => Self::Unknown(value.max(2)),
        }
    }
}

/// How much an allocator has to give.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Occupancy {
    /// All addresses or numbers of its range.
    pub total: u64,
    /// Those that are taken.
    pub allocated: u64,
    /// Those that are free.
    pub available: u64,
}

impl ResourceExtension {
    /// How much there is and how much of that is taken; `None` for an allocator of an unknown kind.
    #[must_use]
    pub fn occupancy(&self) -> Option<Occupancy> {
        let total = match &self.allocator {
            Allocator::Ip { base_net, .. } => 1 << 32_u8.checked_sub(base_net.prefix_len)?,
            Allocator::Id { start, end, .. } => u64::from(end.saturating_sub(*start)),
            Allocator::Unknown(_) => return None,
        };
        let taken = |(at, byte): (u64, &u8)| {
            let of_range = total.saturating_sub(8 * at).min(8);
            u64::from((u16::from(*byte) & ((1 << of_range) - 1)).count_ones())
        };
        let allocated = (0..).zip(&self.bitmap.0).map(taken).sum();
        Some(Occupancy {
            total,
            allocated,
            available: total - allocated,
        })
    }
}

/// The rest of the account: a bit per address or number. Shown in hexadecimal.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Bitmap(pub Vec<u8>);

impl Serialize for Bitmap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        serializer.serialize_str(&text)
    }
}

impl Field for Bitmap {
    const MIN: usize = 0;
    fn read(reader: &mut Reader<'_>) -> Result<Self, Flaw> {
        let rest = reader.remaining();
        reader.take(rest).map(|bytes| Self(bytes.to_vec()))
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
    #[cfg(test)]
    fn generate(entropy: &mut super::generate::Entropy<'_>) -> Self {
        Self(Field::generate(entropy))
    }
}

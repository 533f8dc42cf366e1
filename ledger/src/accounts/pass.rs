//! Access pass types: the one enum whose number decides the length of what follows it.

use serde::{Serialize, Serializer};
use warren_state::Pubkey;

use super::{
    interface::serialize_variant,
    kinds::record,
    wire::{Field, Flaw, Reader},
};

/// What a pass is for. One of an unknown number does not decode: what follows it cannot be found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PassType {
    /// 0
    Prepaid,
    /// 1: the validator's key.
    SolanaValidator(Pubkey),
    /// 2: the RPC node's key.
    SolanaRpc(Pubkey),
    /// 3
    Others {
        /// The type's name.
        type_name: String,
        /// The account of that type, as text.
        key: String,
    },
    /// 4
    EdgeSeat(Vec<FeedSeat>),
}

/// A seat at a feed (52 bytes).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs)]
pub struct FeedSeat {
    pub feed: Pubkey,
    pub max_users: u8,
    pub max_future: u8,
    pub current: u8,
    pub anniversary_day: u8,
    pub window_end: i64,
    pub terminates_at: i64,
}
record!(FeedSeat { feed, max_users, max_future, current, anniversary_day, window_end, terminates_at } 52);

impl Serialize for PassType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Prepaid => serialize_variant(serializer, 0, "prepaid", &[]),
            Self::SolanaValidator(pubkey) => {
                serialize_variant(serializer, 1, "solana_validator", &[("pubkey", pubkey)])
            }
            Self::SolanaRpc(pubkey) => serialize_variant(serializer, 2, "solana_rpc", &[("pubkey", pubkey)]),
            Self::Others { type_name, key } => {
                serialize_variant(serializer, 3, "others", &[("type_name", type_name), ("key", key)])
            }
            Self::EdgeSeat(seats) => serialize_variant(serializer, 4, "edge_seat", &[("seats", seats)]),
        }
    }
}

impl Field for PassType {
    const MIN: usize = 1;
    fn read(reader: &mut Reader<'_>) -> Result<Self, Flaw> {
        match u8::read(reader)? {
            0 => Ok(Self::Prepaid),
            1 => Ok(Self::SolanaValidator(Field::read(reader)?)),
            2 => Ok(Self::SolanaRpc(Field::read(reader)?)),
            3 => Ok(Self::Others {
                type_name: Field::read(reader)?,
                key: Field::read(reader)?,
            }),
            4 => Ok(Self::EdgeSeat(Field::read(reader)?)),
            unknown @ 5.. => Err(Flaw::UnknownVariant(unknown)),
        }
    }
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Prepaid => out.push(0),
            Self::SolanaValidator(pubkey) => {
                out.push(1);
                pubkey.write(out);
            }
            Self::SolanaRpc(pubkey) => {
                out.push(2);
                pubkey.write(out);
            }
            Self::Others { type_name, key } => {
                out.push(3);
                type_name.write(out);
                key.write(out);
            }
            Self::EdgeSeat(seats) => {
                out.push(4);
                seats.write(out);
            }
        }
    }
    #[cfg(test)]
    fn generate(entropy: &mut super::generate::Entropy<'_>) -> Self {
        match entropy.byte() % 5 {
            0 => Self::Prepaid,
            1 => Self::SolanaValidator(Field::generate(entropy)),
            2 => Self::SolanaRpc(Field::generate(entropy)),
            3 => Self::Others {
                type_name: Field::generate(entropy),
                key: Field::generate(entropy),
            },
            _ => Self::EdgeSeat(Field::generate(entropy)),
        }
    }
}

//! The ledger's accounts: reading, writing, and their JSON form.
//!
//! [`decode`] never panics, never allocates more than the account's own size allows, keeps numbers that it does not know,
//! and tolerates accounts that are longer or shorter than today's layout. Where it draws the line:
//!
//! * An error (the account is set aside): no bytes, an unknown type byte, an account that ends inside its first layout, a
//!   list or text that claims more than there is, a text that is not UTF-8, an unknown variant that decides the length of
//!   what follows (access pass types). And, in a user or a device, a field that a tunnel is made of (groups, tunnel
//!   endpoint, prefixes) that is cut in half: a default would change the tunnel.
//! * A default: fields that an older writer did not know (absent at the end), and anything broken after them. The two caps
//!   of an access pass are 1 when absent, a device's and a link's health is pending, a feed is active; all else is zero or
//!   empty. A user of the old layout has 32 zero bytes where `feed_pks` is: it reads as an empty list, no access pass and 28
//!   trailing bytes.
//! * A device without `interfaces`, or with another number of them than `deprecated_interfaces`, gets them rebuilt from the
//!   deprecated ones, with a note.

#[cfg(test)]
mod generate;
mod interface;
mod kinds;
mod numbers;
mod pass;
mod resource;
pub mod samples;
#[cfg(test)]
mod tests;
mod wire;

use serde::Serialize;

pub use interface::{FlexAlgoNodeSegment, Interface, InterfaceDeprecated, InterfaceV1, InterfaceV2};
use kinds::Layout;
pub use kinds::{
    AccessPass, Billing, Contributor, Device, Exchange, Feed, GlobalConfig, GlobalState, Index, Link,
    Location, MulticastGroup, Permission, ProgramConfig, ResourceExtension, Tenant, Topology, User, Version,
};
pub use numbers::{
    AccountType, BgpStatus, ContributorStatus, Cyoa, DesiredStatus, DeviceHealth, DeviceStatus, DeviceType,
    FeedChain, FeedStatus, GroupStatus, InterfaceDia, InterfaceStatus, InterfaceType, LinkStatus, LinkType,
    LoopbackType, PassStatus, PaymentStatus, PlaceStatus, RoutingMode, UserStatus, UserType,
};
pub use pass::{FeedSeat, PassType};
pub use resource::{Allocator, Bitmap, Occupancy};
use wire::Reader;
pub use wire::{DecodeError, Digest, Float, InvalidNet, Net};

/// Where a user's client IP is, for filters.
pub const USER_CLIENT_IP_OFFSET: usize = 116;
/// Where a user's device is, for filters.
pub const USER_DEVICE_OFFSET: usize = 83;

/// An account read, with what was odd about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decoded {
    /// The account itself, decoded.
    pub account: Account,
    /// Bytes after the last field that was read.
    pub trailing: usize,
    /// Fields that were not there, or not readable, and got their documented default.
    pub defaulted: Vec<&'static str>,
    /// What else a person should know.
    pub notes: Vec<String>,
}

macro_rules! kinds {
    ($($kind:ident = $tag:ident),* $(,)?) => {
        /// An account of any kind, decoded.
        #[derive(Clone, PartialEq, Eq, Debug, Serialize)]
        #[serde(untagged)]
        #[allow(missing_docs, clippy::large_enum_variant)]
        pub enum Account {
            $($kind($kind),)*
        }

        impl Account {
            /// The type that its first byte names.
            #[must_use]
            pub fn account_type(&self) -> AccountType {
                match self {
                    $(Self::$kind(_) => AccountType::$tag,)*
                }
            }

            fn write(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$kind(account) => account.write(out),)*
                }
            }

            fn read(account_type: AccountType, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                match account_type {
                    $(AccountType::$tag => $kind::read(reader).map(Self::$kind),)*
                    AccountType(unknown) => Err(DecodeError::UnknownType(unknown)),
                }
            }

            #[cfg(test)]
            fn generate(account_type: AccountType, entropy: &mut generate::Entropy<'_>) -> Option<Self> {
                match account_type {
                    $(AccountType::$tag => Some(Self::$kind($kind::generate(entropy))),)*
                    AccountType(_) => None,
                }
            }

            /// All types that decode.
            pub const TYPES: &'static [AccountType] = &[$(AccountType::$tag),*];
        }

        $(
            impl From<$kind> for Account {
                fn from(account: $kind) -> Self {
                    Self::$kind(account)
                }
            }
        )*
    };
}

kinds! {
    GlobalState = GLOBAL_STATE,
    GlobalConfig = GLOBAL_CONFIG,
    Location = LOCATION,
    Exchange = EXCHANGE,
    Device = DEVICE,
    Link = LINK,
    User = USER,
    MulticastGroup = MULTICAST_GROUP,
    ProgramConfig = PROGRAM_CONFIG,
    Contributor = CONTRIBUTOR,
    AccessPass = ACCESS_PASS,
    ResourceExtension = RESOURCE_EXTENSION,
    Tenant = TENANT,
    Permission = PERMISSION,
    Index = INDEX,
    Topology = TOPOLOGY,
    Feed = FEED,
}

/// Reads an account.
///
/// # Errors
/// See the [module](self).
pub fn decode(bytes: &[u8]) -> Result<Account, DecodeError> {
    inspect(bytes).map(|decoded| decoded.account)
}

/// Reads an account and tells what was odd about it.
///
/// # Errors
/// See the [module](self).
pub fn inspect(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let (tag, _) = bytes.split_first().ok_or(DecodeError::Empty)?;
    let mut reader = Reader::new(bytes);
    reader.skip_to(1);
    let mut account = Account::read(AccountType(*tag), &mut reader)?;
    let mut notes = Vec::new();
    if let Account::Device(device) = &mut account {
        settle_interfaces(device, reader.defaulted.contains(&"interfaces"), &mut notes);
    }
    Ok(Decoded {
        account,
        trailing: reader.remaining(),
        defaulted: reader.defaulted,
        notes,
    })
}

/// Writes an account in today's full layout.
///
/// Lists and texts above `u32::MAX` items, and interfaces above `u16::MAX` bytes, cannot be written faithfully; no account
/// has room for them.
#[must_use]
pub fn encode(account: &Account) -> Vec<u8> {
    let mut out = vec![account.account_type().0];
    account.write(&mut out);
    out
}

/// The JSON form: the account's type under `tag`, then its fields under the ledger's names.
///
/// A `u128` above `u64::MAX` loses precision here; [`to_json_text`] is exact.
#[must_use]
pub fn to_json(account: &Account) -> serde_json::Value {
    serde_json::from_str(&to_json_text(account)).unwrap_or(serde_json::Value::Null)
}

/// The JSON form as indented text, every number exact. An allocator's says how much it has and how much of that is taken.
#[must_use]
pub fn to_json_text(account: &Account) -> String {
    #[derive(Serialize)]
    struct Tagged<'a> {
        tag: AccountType,
        #[serde(flatten)]
        account: &'a Account,
        #[serde(flatten)]
        occupancy: Option<Occupancy>,
    }
    let occupancy = if let Account::ResourceExtension(resource) = account {
        resource.occupancy()
    } else {
        None
    };
    serde_json::to_string_pretty(&Tagged {
        tag: account.account_type(),
        account,
        occupancy,
    })
    .unwrap_or_default()
}

/// The sized interfaces count only when there are as many as deprecated ones: both lists describe the same interfaces.
fn settle_interfaces(device: &mut Device, absent: bool, notes: &mut Vec<String>) {
    let (old, new) = (device.deprecated_interfaces.len(), device.interfaces.len());
    if !absent && old == new {
        return;
    }
    device.interfaces = device
        .deprecated_interfaces
        .iter()
        .map(InterfaceDeprecated::upgrade)
        .collect();
    if !absent {
        notes.push(format!(
            "{new} interfaces but {old} deprecated ones: rebuilt from the deprecated ones"
        ));
    }
}

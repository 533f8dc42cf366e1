//! The ledger's enums, as open numbers: one that has no name here stays what it is.

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::wire::{Field, Flaw, Reader};

macro_rules! open_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$item_doc:meta])* $item:ident = $value:literal => $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(pub u8);

        impl $name {
            $(
                #[doc = concat!("`", $text, "`")]
                $(#[$item_doc])*
                pub const $item: Self = Self($value);
            )*

            /// The name in the JSON form; `unknown` for a number without one.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self.0 {
                    $($value => $text,)*
                    _ => "unknown",
                }
            }

            /// The number that has this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self($value)),)*
                    _ => None,
                }
            }

            /// All names, in the order of their numbers.
            pub const NAMES: &'static [&'static str] = &[$($text),*];
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serialize_named(serializer, self.0, self.name())
            }
        }

        impl Field for $name {
            const MIN: usize = 1;
            fn read(reader: &mut Reader<'_>) -> Result<Self, Flaw> {
                u8::read(reader).map(Self)
            }
            fn write(&self, out: &mut Vec<u8>) {
                out.push(self.0);
            }
            #[cfg(test)]
            fn generate(entropy: &mut super::generate::Entropy<'_>) -> Self {
                Self(entropy.byte())
            }
        }
    };
}

pub(super) fn serialize_named<S: Serializer>(
    serializer: S,
    value: u8,
    name: &str,
) -> Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_struct("Enum", 2)?;
    object.serialize_field("value", &value)?;
    object.serialize_field("name", name)?;
    object.end()
}

open_enum! {
    /// The kind of an account: its first byte.
    AccountType {
        NONE = 0 => "none",
        GLOBAL_STATE = 1 => "global_state",
        GLOBAL_CONFIG = 2 => "global_config",
        LOCATION = 3 => "location",
        EXCHANGE = 4 => "exchange",
        DEVICE = 5 => "device",
        LINK = 6 => "link",
        USER = 7 => "user",
        MULTICAST_GROUP = 8 => "multicast_group",
        PROGRAM_CONFIG = 9 => "program_config",
        CONTRIBUTOR = 10 => "contributor",
        ACCESS_PASS = 11 => "access_pass",
        RESOURCE_EXTENSION = 12 => "resource_extension",
        TENANT = 13 => "tenant",
        PERMISSION = 15 => "permission",
        INDEX = 16 => "index",
        TOPOLOGY = 17 => "topology",
        FEED = 18 => "feed",
    }
}

open_enum! {
    /// A user's status. Only activated may connect.
    UserStatus {
        PENDING = 0 => "pending_deprecated",
        ACTIVATED = 1 => "activated",
        SUSPENDED = 2 => "suspended_deprecated",
        DELETING = 3 => "deleting",
        REJECTED = 4 => "rejected_deprecated",
        PENDING_BAN = 5 => "pending_ban_deprecated",
        BANNED = 6 => "banned",
        UPDATING = 7 => "updating_deprecated",
        OUT_OF_CREDITS = 8 => "out_of_credits",
    }
}

open_enum! {
    /// The service that a user asks for.
    UserType {
        IBRL = 0 => "ibrl",
        IBRL_WITH_ALLOCATED_IP = 1 => "ibrl_with_allocated_ip",
        EDGE_FILTERING = 2 => "edge_filtering",
        MULTICAST = 3 => "multicast",
    }
}

open_enum! {
    /// How a user or an interface is reached ("choose your own adventure").
    Cyoa {
        NONE = 0 => "none",
        GRE_OVER_DIA = 1 => "gre_over_dia",
        GRE_OVER_FABRIC = 2 => "gre_over_fabric",
        GRE_OVER_PRIVATE_PEERING = 3 => "gre_over_private_peering",
        GRE_OVER_PUBLIC_PEERING = 4 => "gre_over_public_peering",
        GRE_OVER_CABLE = 5 => "gre_over_cable",
    }
}

open_enum! {
    /// What the device last said of a user's session.
    BgpStatus {
        UNKNOWN = 0 => "unknown",
        UP = 1 => "up",
        DOWN = 2 => "down",
    }
}

open_enum! {
    /// The status of a location or an exchange.
    PlaceStatus {
        PENDING = 0 => "pending_deprecated",
        ACTIVATED = 1 => "activated",
        SUSPENDED = 2 => "suspended",
    }
}

open_enum! {
    /// A device's kind.
    DeviceType {
        HYBRID = 0 => "hybrid",
        TRANSIT = 1 => "transit",
        EDGE = 2 => "edge",
    }
}

open_enum! {
    /// A device's status.
    DeviceStatus {
        PENDING = 0 => "pending_deprecated",
        ACTIVATED = 1 => "activated",
        DELETING = 3 => "deleting",
        REJECTED = 4 => "rejected_deprecated",
        DRAINED = 5 => "drained",
        DEVICE_PROVISIONING = 6 => "device_provisioning",
        LINK_PROVISIONING = 7 => "link_provisioning",
    }
}

open_enum! {
    /// A device's health.
    DeviceHealth {
        UNKNOWN = 0 => "unknown",
        PENDING = 1 => "pending",
        READY_FOR_LINKS = 2 => "ready_for_links",
        READY_FOR_USERS = 3 => "ready_for_users",
        IMPAIRED = 4 => "impaired",
    }
}

open_enum! {
    /// The status that a device is meant to have.
    DesiredStatus {
        PENDING = 0 => "pending",
        ACTIVATED = 1 => "activated",
        DRAINED = 6 => "drained",
    }
}

open_enum! {
    /// An interface's status.
    InterfaceStatus {
        INVALID = 0 => "invalid",
        UNMANAGED = 1 => "unmanaged",
        PENDING = 2 => "pending",
        ACTIVATED = 3 => "activated",
        DELETING = 4 => "deleting",
        REJECTED = 5 => "rejected",
        UNLINKED = 6 => "unlinked",
    }
}

open_enum! {
    /// An interface's kind.
    InterfaceType {
        INVALID = 0 => "invalid",
        LOOPBACK = 1 => "loopback",
        PHYSICAL = 2 => "physical",
    }
}

open_enum! {
    /// A loopback's use.
    LoopbackType {
        NONE = 0 => "none",
        VPNV4 = 1 => "vpnv4",
        IPV4 = 2 => "ipv4",
        PIM_RP_ADDR = 3 => "pim_rp_addr",
    }
}

open_enum! {
    /// Whether an interface carries direct internet access.
    InterfaceDia {
        NONE = 0 => "none",
        DIA = 1 => "dia",
    }
}

open_enum! {
    /// How an interface is routed.
    RoutingMode {
        STATIC = 0 => "static",
        BGP = 1 => "bgp",
    }
}

open_enum! {
    /// A link's kind.
    LinkType {
        WAN = 1 => "wan",
        DZX = 127 => "dzx",
    }
}

open_enum! {
    /// A link's status.
    LinkStatus {
        PENDING = 0 => "pending",
        ACTIVATED = 1 => "activated",
        DELETING = 3 => "deleting",
        REJECTED = 4 => "rejected",
        REQUESTED = 5 => "requested",
        HARD_DRAINED = 6 => "hard_drained",
        SOFT_DRAINED = 7 => "soft_drained",
        PROVISIONING = 8 => "provisioning",
    }
}

open_enum! {
    /// A multicast group's status.
    GroupStatus {
        PENDING = 0 => "pending",
        ACTIVATED = 1 => "activated",
        SUSPENDED = 2 => "suspended",
        DELETING = 3 => "deleting",
        REJECTED = 4 => "rejected",
    }
}

open_enum! {
    /// A feed's state. Only an active one takes new users.
    FeedStatus {
        PENDING = 0 => "pending",
        ACTIVE = 1 => "active",
        HALTED = 2 => "halted",
        RETIRED = 3 => "retired",
        RETIRING = 4 => "retiring",
    }
}

open_enum! {
    /// Whose data a feed carries.
    FeedChain {
        UNSPECIFIED = 0 => "unspecified",
        SOLANA = 1 => "solana",
        HYPERLIQUID = 2 => "hyperliquid",
    }
}

open_enum! {
    /// A contributor's status; only "none" has a documented name.
    ContributorStatus {
        NONE = 0 => "none",
        ACTIVATED = 1 => "activated",
        SUSPENDED = 2 => "suspended",
        DELETING = 3 => "deleting",
    }
}

open_enum! {
    /// An access pass's status.
    PassStatus {
        REQUESTED = 0 => "requested",
        CONNECTED = 1 => "connected",
        DISCONNECTED = 2 => "disconnected",
        EXPIRED = 3 => "expired_deprecated",
    }
}

open_enum! {
    /// Whether a tenant has paid.
    PaymentStatus {
        DELINQUENT = 0 => "delinquent",
        PAID = 1 => "paid",
    }
}

//! Every kind of account, its fields in the order of the wire and under the ledger's names.
//!
//! `required`, `optional` and `tail` are [`wire`](super::wire)'s three ways to read a field. The required part ends where
//! the first version of the layout ended, or with the last field that a tunnel cannot be built without.

use std::net::Ipv4Addr;

use serde::Serialize;
use warren_state::Pubkey;

use super::{
    interface::{Interface, InterfaceDeprecated},
    numbers::{
        BgpStatus, ContributorStatus, Cyoa, DesiredStatus, DeviceHealth, DeviceStatus, DeviceType, FeedChain,
        FeedStatus, GroupStatus, LinkStatus, LinkType, PassStatus, PaymentStatus, PlaceStatus, UserStatus,
        UserType,
    },
    pass::PassType,
    resource::Allocator,
    wire::{DecodeError, Digest, Field, Float, Net, Reader},
};

/// Reading and writing of an account's fields after its type byte.
pub(super) trait Layout: Sized {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
    fn write(&self, out: &mut Vec<u8>);
    #[cfg(test)]
    fn generate(entropy: &mut super::generate::Entropy<'_>) -> Self;
}

macro_rules! layout {
    (
        $(#[$doc:meta])*
        $name:ident {
            required { $($(#[$rdoc:meta])* $rname:ident: $rtype:ty,)* }
            $(optional { $($(#[$odoc:meta])* $oname:ident: $otype:ty = $odefault:expr,)* })?
            $(tail { $($(#[$tdoc:meta])* $tname:ident: $ttype:ty = $tdefault:expr,)* })?
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Debug, Serialize)]
        #[allow(missing_docs)]
        pub struct $name {
            $($(#[$rdoc])* pub $rname: $rtype,)*
            $($($(#[$odoc])* pub $oname: $otype,)*)?
            $($($(#[$tdoc])* pub $tname: $ttype,)*)?
        }

        impl Layout for $name {
            fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self {
                    $($rname: reader.required(stringify!($rname))?,)*
                    $($($oname: reader.optional(stringify!($oname), $odefault)?,)*)?
                    $($($tname: reader.tail(stringify!($tname), $tdefault),)*)?
                })
            }
            fn write(&self, out: &mut Vec<u8>) {
                $(self.$rname.write(out);)*
                $($(self.$oname.write(out);)*)?
                $($(self.$tname.write(out);)*)?
            }
            #[cfg(test)]
            fn generate(entropy: &mut super::generate::Entropy<'_>) -> Self {
                Self {
                    $($rname: Field::generate(entropy),)*
                    $($($oname: Field::generate(entropy),)*)?
                    $($($tname: Field::generate(entropy),)*)?
                }
            }
        }
    };
}

layout! {
    /// The program's state (1).
    GlobalState {
        required {
            bump: u8,
            account_index: u128,
            foundation_allowlist: Vec<Pubkey>,
            device_allowlist: Vec<Pubkey>,
            user_allowlist: Vec<Pubkey>,
        }
        tail {
            activator: Pubkey = Pubkey::default(),
            sentinel: Pubkey = Pubkey::default(),
            contributor_airdrop_lamports: u64 = 0,
            user_airdrop_lamports: u64 = 0,
            health_oracle: Pubkey = Pubkey::default(),
            qa_allowlist: Vec<Pubkey> = Vec::new(),
            /// Bit 0 is on-chain allocation, bit 1 asks for permission accounts, bit 2 for proofs of address, bit 3 allows
            /// feeds with a stake.
            feature_flags: u128 = 0,
            feed_authority: Pubkey = Pubkey::default(),
            /// Whose signature a proof of address carries; zero for nobody's.
            ip_verifier_authority: Pubkey = Pubkey::default(),
        }
    }
}

layout! {
    /// The network's configuration (2).
    GlobalConfig {
        required {
            owner: Pubkey,
            bump: u8,
            /// The AS that users announce.
            local_asn: u32,
            /// The AS that devices announce.
            remote_asn: u32,
        }
        tail {
            device_tunnel_block: Net = Net::NONE,
            user_tunnel_block: Net = Net::NONE,
            multicastgroup_block: Net = Net::NONE,
            next_bgp_community: u16 = 0,
            multicast_publisher_block: Net = Net::NONE,
        }
    }
}

layout! {
    /// A place where devices are (type 3).
    Location {
        required {
            owner: Pubkey,
            index: u128,
            bump: u8,
            lat: Float,
            lng: Float,
            loc_id: u32,
            status: PlaceStatus,
            code: String,
            name: String,
            country: String,
        }
        tail {
            refcount: u32 = 0,
        }
    }
}

layout! {
    /// An exchange, that is, a metro (4).
    Exchange {
        required {
            owner: Pubkey,
            index: u128,
            bump: u8,
            lat: Float,
            lng: Float,
            bgp_community: u16,
            unused: u16,
            status: PlaceStatus,
            code: String,
            name: String,
        }
        tail {
            refcount: u32 = 0,
            device1_pk: Pubkey = Pubkey::default(),
            device2_pk: Pubkey = Pubkey::default(),
        }
    }
}

layout! {
    /// A device: the other end of tunnels (5).
    Device {
        required {
            owner: Pubkey,
            index: u128,
            bump: u8,
            location_pk: Pubkey,
            exchange_pk: Pubkey,
            device_type: DeviceType,
            public_ip: Ipv4Addr,
            status: DeviceStatus,
            code: String,
        }
        optional {
            dz_prefixes: Vec<Net> = Vec::new(),
        }
        tail {
            metrics_publisher: Pubkey = Pubkey::default(),
            contributor: Pubkey = Pubkey::default(),
            mgmt_vrf: String = String::new(),
            deprecated_interfaces: Vec<InterfaceDeprecated> = Vec::new(),
            refcount: u32 = 0,
            users_count: u16 = 0,
            max_users: u16 = 0,
            device_health: DeviceHealth = DeviceHealth::PENDING,
            desired_status: DesiredStatus = DesiredStatus::PENDING,
            unicast_users_count: u16 = 0,
            multicast_subscribers_count: u16 = 0,
            max_unicast_users: u16 = 0,
            max_multicast_subscribers: u16 = 0,
            reserved_seats: u16 = 0,
            multicast_publishers_count: u16 = 0,
            max_multicast_publishers: u16 = 0,
            /// Rebuilt from the deprecated ones when the account has none, or a different number of them.
            interfaces: Vec<Interface> = Vec::new(),
        }
    }
}

layout! {
    /// A link between two devices (6).
    Link {
        required {
            owner: Pubkey,
            index: u128,
            bump: u8,
            side_a: Pubkey,
            side_z: Pubkey,
            link_type: LinkType,
            bandwidth: u64,
            mtu: u32,
            delay_ns: u64,
            jitter_ns: u64,
            tunnel_id: u16,
            tunnel_net: Net,
            status: LinkStatus,
            code: String,
        }
        tail {
            contributor: Pubkey = Pubkey::default(),
            side_a_iface: String = String::new(),
            side_z_iface: String = String::new(),
            delay_override_ns: u64 = 0,
            /// 1 is pending.
            health: u8 = 1,
            desired: u8 = 0,
            link_topologies: Vec<Pubkey> = Vec::new(),
            flags: u32 = 0,
        }
    }
}

layout! {
    /// A user: one host's right to one tunnel (7). An account cut inside a field that its tunnel is made of is an error:
    /// a default in its place would change the tunnel.
    User {
        required {
            owner: Pubkey,
            index: u128,
            bump: u8,
            user_type: UserType,
            tenant_pk: Pubkey,
            device_pk: Pubkey,
            cyoa: Cyoa,
            client_ip: Ipv4Addr,
            dz_ip: Ipv4Addr,
            tunnel_id: u16,
            tunnel_net: Net,
            status: UserStatus,
        }
        optional {
            publishers: Vec<Pubkey> = Vec::new(),
            subscribers: Vec<Pubkey> = Vec::new(),
            validator_pubkey: Pubkey = Pubkey::default(),
            /// 0.0.0.0 means the device's public address.
            tunnel_endpoint: Ipv4Addr = Ipv4Addr::UNSPECIFIED,
        }
        tail {
            /// Bit 0: created as a publisher.
            tunnel_flags: u8 = 0,
            bgp_status: BgpStatus = BgpStatus::UNKNOWN,
            last_bgp_up_at: u64 = 0,
            last_bgp_reported_at: u64 = 0,
            bgp_rtt_ns: u64 = 0,
            feed_pks: Vec<Pubkey> = Vec::new(),
            /// The pass that let it in; zero where the writer did not record it.
            access_pass: Pubkey = Pubkey::default(),
        }
    }
}

layout! {
    /// A multicast group (8).
    MulticastGroup {
        required {
            owner: Pubkey,
            index: u128,
            bump: u8,
            tenant_pk: Pubkey,
            multicast_ip: Ipv4Addr,
            max_bandwidth: u64,
            status: GroupStatus,
            code: String,
        }
        tail {
            publisher_count: u32 = 0,
            subscriber_count: u32 = 0,
        }
    }
}

layout! {
    /// The program's version (9).
    ProgramConfig {
        required {
            bump: u8,
            version: Version,
        }
        tail {
            min_compatible: Version = Version::default(),
        }
    }
}

layout! {
    /// A party that brings devices and links (type 10).
    Contributor {
        required {
            owner: Pubkey,
            index: u128,
            bump: u8,
            status: ContributorStatus,
            code: String,
        }
        tail {
            refcount: u32 = 0,
            ops_manager: Pubkey = Pubkey::default(),
        }
    }
}

layout! {
    /// A pass that lets its payer create users (11).
    AccessPass {
        required {
            owner: Pubkey,
            bump: u8,
            #[serde(rename = "type")]
            pass_type: PassType,
            /// 0.0.0.0 means any address.
            client_ip: Ipv4Addr,
            user_payer: Pubkey,
            last_access_epoch: u64,
            connection_count: u16,
            status: PassStatus,
        }
        tail {
            mgroup_pub_allowlist: Vec<Pubkey> = Vec::new(),
            mgroup_sub_allowlist: Vec<Pubkey> = Vec::new(),
            /// Bit 0 is "dzf locked", bit 1 allows several addresses.
            flags: u8 = 0,
            tenant_allowlist: Vec<Pubkey> = Vec::new(),
            unicast_user_count: u16 = 0,
            max_unicast: u16 = 1,
            multicast_user_count: u16 = 0,
            max_multicast: u16 = 1,
        }
    }
}

layout! {
    /// A customer whose users share a VRF (type 13).
    Tenant {
        required {
            owner: Pubkey,
            bump: u8,
            code: String,
            vrf_id: u16,
        }
        tail {
            refcount: u32 = 0,
            administrators: Vec<Pubkey> = Vec::new(),
            payment_status: PaymentStatus = PaymentStatus::DELINQUENT,
            token_account: Pubkey = Pubkey::default(),
            metro_routing: bool = false,
            route_liveness: bool = false,
            billing: Billing = Billing::default(),
            include_topologies: Vec<Pubkey> = Vec::new(),
        }
    }
}

layout! {
    /// What a payer may do (15).
    Permission {
        required {
            owner: Pubkey,
            bump: u8,
            status: u8,
            user_payer: Pubkey,
            permissions: u128,
        }
    }
}

layout! {
    /// Finds an entity by its key (16).
    Index {
        required {
            pk: Pubkey,
            entity_type: u8,
            key: String,
            bump: u8,
        }
    }
}

layout! {
    /// A set of links that routes may be limited to (type 17).
    Topology {
        required {
            owner: Pubkey,
            bump: u8,
            name: String,
            admin_group_bit: u8,
            flex_algo: u8,
            constraint: u8,
        }
        tail {
            refcount: u32 = 0,
        }
    }
}

layout! {
    /// A feed (18). One whose account ends with its groups is active: it was written before feeds had a state.
    Feed {
        required {
            owner: Pubkey,
            bump: u8,
            code: String,
            name: String,
            exchange: Pubkey,
        }
        tail {
            groups: Vec<Pubkey> = Vec::new(),
            builder: Pubkey = Pubkey::default(),
            stake_ref: Pubkey = Pubkey::default(),
            spec_id: String = String::new(),
            sla_hash: Digest = Digest::default(),
            committed_rate_bits_per_sec: u64 = 0,
            status: FeedStatus = FeedStatus::ACTIVE,
            halted_by: Pubkey = Pubkey::default(),
            retires_at: i64 = 0,
            feed_chain: FeedChain = FeedChain::UNSPECIFIED,
        }
    }
}

layout! {
    /// An allocator's state (12); its bitmap starts at byte 88, whatever the allocator's kind.
    ResourceExtension {
        required {
            owner: Pubkey,
            bump: u8,
            associated_with: Pubkey,
            allocator: Allocator,
        }
        tail {
            bitmap: super::resource::Bitmap = super::resource::Bitmap::default(),
        }
    }
}

/// A semantic version, three numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize)]
#[allow(missing_docs)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

/// How a tenant is billed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[allow(missing_docs)]
pub struct Billing {
    pub disc: u8,
    pub rate: u64,
    pub last_deduction_epoch: u64,
}

macro_rules! record {
    ($name:ident { $($field:ident),* } $min:literal) => {
        impl Field for $name {
            const MIN: usize = $min;
            fn read(reader: &mut Reader<'_>) -> Result<Self, super::wire::Flaw> {
                Ok(Self { $($field: Field::read(reader)?,)* })
            }
            fn write(&self, out: &mut Vec<u8>) {
                $(self.$field.write(out);)*
            }
            #[cfg(test)]
            fn generate(entropy: &mut super::generate::Entropy<'_>) -> Self {
                Self { $($field: Field::generate(entropy),)* }
            }
        }
    };
}
pub(super) use record;

record!(Version { major, minor, patch } 12);
record!(Billing { disc, rate, last_deduction_epoch } 17);

//! Why a user's tunnel is not built: data with a stable code, and the words that follow from it.

use std::{fmt, net::Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::{
    LinkName, Pubkey, ServiceClass, ServiceKind,
    owners::Foreign,
    view::{RawNet, UserStatus},
};

/// Why a user's tunnel is not built, or a group is named in vain. `code` is for machines and never changes its meaning; the
/// display is for people.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "code")]
pub enum Refusal {
    /// The account does not decode.
    Quarantined {
        /// What is wrong with it.
        detail: String,
    },
    /// It is of an owner that does not count.
    OtherOwner {
        /// Who made it, and who counts.
        why: Foreign,
    },
    /// It is another host's.
    NotOurs,
    /// It has a status that keeps no tunnel.
    NotActivated {
        /// The status that it has from now on.
        status: UserStatus,
    },
    /// It has a status that we do not know.
    UnknownStatus {
        /// The number that the ledger has for it.
        number: u8,
    },
    /// This version builds no such tunnel at the device's end.
    NotSupportedYet {
        /// The service that is asked for.
        kind: ServiceKind,
    },
    /// It asks for a service that we do not know.
    UnknownKind {
        /// The number that the ledger has for it.
        number: u8,
    },
    /// The device's end cannot be the end of a tunnel.
    BadEndpoint {
        /// The address that was to be the end of the tunnel.
        endpoint: Ipv4Addr,
        /// What is wrong with it.
        why: EndpointFault,
    },
    /// The device's account is missing.
    NoDevice {
        /// The account of the device.
        device: Pubkey,
        /// Why it does not decode, where there is one.
        detail: Option<String>,
    },
    /// The tunnel's network cannot be used.
    BadTunnelNet {
        /// The network that was to be the tunnel's.
        net: RawNet,
        /// What is wrong with it.
        why: NetFault,
    },
    /// The user's end cannot be the end of a tunnel.
    BadClientIp {
        /// The end.
        client_ip: Ipv4Addr,
    },
    /// The user's overlay address cannot be used.
    BadDzIp {
        /// The address.
        dz_ip: Ipv4Addr,
    },
    /// The link's name is not valid.
    BadLinkName {
        /// What is wrong with it.
        detail: String,
    },
    /// The network's configuration is missing.
    NoConfig,
    /// The prefixes of the devices are missing.
    NoPrefixes,
    /// There is no such group, or none at all.
    NoGroup {
        /// What is missing or wrong with it.
        why: GroupFault,
    },
    /// There is no route to the device's end.
    NoSource {
        /// The address that was to be the end of the tunnel.
        endpoint: Ipv4Addr,
    },
    /// Another user has this host's tunnel of this class.
    Duplicate {
        /// The user that has the tunnel instead.
        winner: Pubkey,
        /// The class of which a host has one tunnel only.
        class: ServiceClass,
        /// The address of the host that both name.
        client_ip: Ipv4Addr,
    },
    /// Another user's tunnel has the link's name.
    LinkNameInUse {
        /// The name that was worked out for the link.
        link: LinkName,
    },
    /// Another user's tunnel is between the same ends.
    EndpointsInUse {
        /// The user that holds it.
        holder: Pubkey,
        /// The outer address of our end of the tunnel.
        local: Ipv4Addr,
        /// The outer address of the other end of the tunnel.
        remote: Ipv4Addr,
    },
}

/// What is wrong with an end of a tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointFault {
    /// No host can have it.
    NoHost,
    /// It is both ends.
    BothEnds,
}

/// What is wrong with a tunnel's network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetFault {
    /// It is no network.
    NoNetwork,
    /// It is not a /31 of addresses that hosts can have.
    Unusable,
    /// It contains an end of the tunnel itself.
    ContainsAnEnd,
}

/// What is missing of a group.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "code")]
pub enum GroupFault {
    /// Its account does not decode.
    Quarantined {
        /// The account of the multicast group.
        group: Pubkey,
        /// What is wrong with it.
        detail: String,
    },
    /// It has no account.
    NoAccount {
        /// The user that names the group.
        user: Pubkey,
    },
    /// Its address is not a group's.
    NoAddress {
        /// The user that names the group.
        user: Pubkey,
        /// The IPv4 address that it is about.
        address: Ipv4Addr,
    },
    /// No group was named.
    NoneNamed,
}

impl Refusal {
    /// The stable name, as `code` in JSON.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Quarantined { .. } => "quarantined",
            Self::OtherOwner { .. } => "other_owner",
            Self::NotOurs => "not_ours",
            Self::NotActivated { .. } => "not_activated",
            Self::UnknownStatus { .. } => "unknown_status",
            Self::NotSupportedYet { .. } => "not_supported_yet",
            Self::UnknownKind { .. } => "unknown_kind",
            Self::BadEndpoint { .. } => "bad_endpoint",
            Self::NoDevice { .. } => "no_device",
            Self::BadTunnelNet { .. } => "bad_tunnel_net",
            Self::BadClientIp { .. } => "bad_client_ip",
            Self::BadDzIp { .. } => "bad_dz_ip",
            Self::BadLinkName { .. } => "bad_link_name",
            Self::NoConfig => "no_config",
            Self::NoPrefixes => "no_prefixes",
            Self::NoGroup { .. } => "no_group",
            Self::NoSource { .. } => "no_source",
            Self::Duplicate { .. } => "duplicate",
            Self::LinkNameInUse { .. } => "link_name_in_use",
            Self::EndpointsInUse { .. } => "endpoints_in_use",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quarantined { detail } => write!(f, "the account does not decode: {detail}"),
            Self::OtherOwner { why } => why.fmt(f),
            Self::NotOurs => f.write_str("the user belongs to another host"),
            Self::NotActivated { status } => tell_status(*status, f),
            Self::UnknownStatus { number } => write!(f, "the user has the unknown status {number}"),
            Self::NotSupportedYet { kind } => write!(
                f,
                "this version does not build the device's end of {kind} tunnels"
            ),
            Self::UnknownKind { number } => write!(f, "the user asks for the unknown service {number}"),
            Self::BadEndpoint {
                endpoint,
                why: EndpointFault::NoHost,
            } => write!(f, "{endpoint} cannot be the device's end of a tunnel"),
            Self::BadEndpoint {
                endpoint,
                why: EndpointFault::BothEnds,
            } => write!(f, "both ends of the tunnel are {endpoint}"),
            Self::NoDevice {
                device,
                detail: Some(detail),
            } => write!(f, "the account of device {device} does not decode: {detail}"),
            Self::NoDevice { device, detail: None } => write!(f, "there is no account of device {device}"),
            Self::BadTunnelNet {
                net,
                why: NetFault::NoNetwork,
            } => write!(f, "{net} is not a network"),
            Self::BadTunnelNet {
                net,
                why: NetFault::Unusable,
            } => write!(f, "the tunnel network {net} is not a usable /31"),
            Self::BadTunnelNet {
                net,
                why: NetFault::ContainsAnEnd,
            } => {
                write!(f, "the tunnel network {net} contains an end of the tunnel itself")
            }
            Self::BadClientIp { client_ip } => write!(f, "{client_ip} cannot be the user's end of a tunnel"),
            Self::BadDzIp { dz_ip } => write!(f, "{dz_ip} cannot be the user's overlay address"),
            Self::BadLinkName { detail } => f.write_str(detail),
            Self::NoConfig => f.write_str("there is no account with the network's configuration"),
            Self::NoPrefixes => f.write_str("the prefixes of the devices were not read"),
            Self::NoGroup { why } => why.fmt(f),
            Self::NoSource { endpoint } => write!(f, "there is no route to {endpoint}"),
            Self::Duplicate {
                winner,
                class,
                client_ip,
            } => write!(f, "user {winner} has the {class} tunnel of {client_ip}"),
            Self::LinkNameInUse { link } => write!(f, "another user's tunnel is named {link}"),
            Self::EndpointsInUse {
                holder,
                local,
                remote,
            } => {
                write!(
                    f,
                    "the tunnel of user {holder} is between {local} and {remote}, and there can be only one"
                )
            }
        }
    }
}

fn tell_status(status: UserStatus, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match status {
        UserStatus::Activated => f.write_str("the user is activated"),
        UserStatus::Deleting => f.write_str("the user is being deleted"),
        UserStatus::Banned => f.write_str("the user is banned"),
        UserStatus::OutOfCredits => f.write_str("the user is out of credits"),
        UserStatus::Deprecated(number) => write!(f, "the user has the deprecated status {number}"),
        UserStatus::Unknown(number) => write!(f, "the user has the unknown status {number}"),
    }
}

impl fmt::Display for GroupFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quarantined { group, detail } => {
                write!(f, "the account of group {group} does not decode: {detail}")
            }
            Self::NoAccount { user } => {
                write!(
                    f,
                    "user {user} names this group, and there is no such account: its other groups are served"
                )
            }
            Self::NoAddress { user, address } => {
                write!(
                    f,
                    "user {user} names this group, whose address {address} is not a group's: its other groups are served"
                )
            }
            Self::NoneNamed => f.write_str("a multicast tunnel needs a group to publish or to subscribe to"),
        }
    }
}

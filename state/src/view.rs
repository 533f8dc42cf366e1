//! One decoded read of the ledger, reduced to what tunnels need.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::Ipv4Addr,
};

use imbl::{OrdMap, ordmap::DiffItem};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{Asn, Pubkey, ServiceKind, Slot};

/// One decoded read of the ledger: only what the role needs.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct View {
    /// The slot at which all of it was read; the lowest where it took several requests.
    pub slot: Slot,
    /// Users that the role's filter matched, whatever their status. There may be thousands: a view and the one before share
    /// what is the same in both (see [`View::sharing`]).
    pub users: OrdMap<Pubkey, User>,
    /// The devices that those users name.
    pub devices: BTreeMap<Pubkey, Device>,
    /// The exchanges (metros) that those devices name.
    pub exchanges: BTreeMap<Pubkey, Exchange>,
    /// The multicast groups that those users name.
    pub groups: BTreeMap<Pubkey, MulticastGroup>,
    /// The tenants that those users name.
    pub tenants: BTreeMap<Pubkey, Tenant>,
    /// The network's configuration, when the account is there and decodes.
    pub config: Option<GlobalConfig>,
    /// The prefixes of all devices, when an edge-filtering user asked for them.
    pub device_prefixes: Option<BTreeSet<Ipv4Net>>,
    /// Keys of the network itself that make users for others; `None` when they were not read.
    pub authorities: Option<BTreeSet<Pubkey>>,
    /// Accounts that do not decode. A user among them keeps the tunnel that it has.
    pub quarantined: BTreeMap<Pubkey, Quarantine>,
    /// Where it comes from; `None` when all of it was read at `slot`, from the only endpoint.
    pub provenance: Option<Provenance>,
}

/// Where a view comes from: what the guard judges it by, beside what it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Provenance {
    /// At which slots the list of users was read.
    pub users: SlotRange,
    /// At which slots everything else was read.
    pub rest: SlotRange,
    /// The ledger's own time where the rest was read: Unix time in seconds, agreed on by its validators. On one chain it never
    /// goes back from a slot to a later one.
    pub clock: Option<i64>,
    /// Which of the configured endpoints answered, from 0.
    pub endpoint: usize,
}

/// The slots of several answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SlotRange {
    /// The lowest slot of the range.
    pub lowest: Slot,
    /// The highest slot of the range.
    pub newest: Slot,
}

impl SlotRange {
    /// The range of one answer: its slot alone.
    #[must_use]
    pub fn at(slot: Slot) -> Self {
        Self {
            lowest: slot,
            newest: slot,
        }
    }

    /// With one more answer.
    #[must_use]
    pub fn and(self, slot: Slot) -> Self {
        Self {
            lowest: self.lowest.min(slot),
            newest: self.newest.max(slot),
        }
    }
}

impl Provenance {
    /// Where a part of this was read at an earlier slot than the same part of `before`: the two slots.
    #[must_use]
    pub fn went_back_from(&self, before: &Self) -> Option<(Slot, Slot)> {
        let parts = [(self.users, before.users), (self.rest, before.rest)];
        parts
            .into_iter()
            .find(|(is, was)| is.lowest < was.newest)
            .map(|(is, was)| (is.lowest, was.newest))
    }
}

impl View {
    /// Where it comes from.
    #[must_use]
    pub fn provenance(&self) -> Provenance {
        let all = SlotRange::at(self.slot);
        self.provenance.unwrap_or(Provenance {
            users: all,
            rest: all,
            clock: None,
            endpoint: 0,
        })
    }

    /// What differs from an earlier one.
    #[must_use]
    pub fn differs_from(&self, before: &Self) -> Difference {
        // Those are for people: see `names_the_same_as`.
        let Self {
            slot: _,
            users,
            devices,
            exchanges: _,
            groups,
            tenants: _,
            config,
            device_prefixes,
            authorities,
            quarantined,
            provenance: _,
        } = self;
        let rest_is_same = *devices == before.devices
            && *groups == before.groups
            && *config == before.config
            && *device_prefixes == before.device_prefixes
            && *authorities == before.authorities
            && *quarantined == before.quarantined;
        if !rest_is_same {
            return Difference::Everything;
        }
        let changed = before.users.diff(users).map(|item| match item {
            DiffItem::Add(key, _) | DiffItem::Update { new: (key, _), .. } | DiffItem::Remove(key, _) => *key,
        });
        match changed.collect::<BTreeSet<_>>() {
            none if none.is_empty() => Difference::Nothing,
            users => Difference::Users(users),
        }
    }

    /// The same view, which shares the users that are the same with an earlier one, unless most of them differ. Whatever compares,
    /// keeps or drops both has the work of what differs.
    #[must_use]
    pub fn sharing(self, before: &Self) -> Self {
        let differing: Vec<_> = before.users.diff(&self.users).collect();
        if differing.len() * 2 > self.users.len() {
            return self;
        }
        let mut users = before.users.clone();
        for item in differing {
            match item {
                DiffItem::Add(key, user) | DiffItem::Update { new: (key, user), .. } => {
                    users.insert(*key, user.clone());
                }
                DiffItem::Remove(key, _) => {
                    users.remove(key);
                }
            }
        }
        Self { users, ..self }
    }

    /// Keeps the users of whom this holds, and only these.
    pub fn retain_users(&mut self, keep: impl FnMut(&(Pubkey, User)) -> bool) {
        self.users = std::mem::take(&mut self.users).into_iter().filter(keep).collect();
    }

    /// Whether both say the same, whatever their slots.
    #[must_use]
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        self.differs_from(other) == Difference::Nothing && self.names_the_same_as(other)
    }

    /// Whether what is for people only is the same.
    pub(crate) fn names_the_same_as(&self, other: &Self) -> bool {
        // All else counts: see `differs_from`.
        let Self {
            slot: _,
            users: _,
            devices: _,
            exchanges,
            groups: _,
            tenants,
            config: _,
            device_prefixes: _,
            authorities: _,
            quarantined: _,
            provenance: _,
        } = self;
        *exchanges == other.exchanges && *tenants == other.tenants
    }
}

/// What differs between two views, as far as tunnels depend on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Difference {
    /// Nothing, whatever their slots.
    Nothing,
    /// These users, and nothing else: some came, changed or went.
    Users(BTreeSet<Pubkey>),
    /// Something that any tunnel may depend on.
    Everything,
}

/// An account that was set aside.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Quarantine {
    /// Why it does not decode, for people.
    pub reason: String,
}

/// A network as the ledger writes it: nothing is known to be valid yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct RawNet {
    /// The address, host bits included.
    pub address: RawIp,
    /// Any byte, also above 32.
    pub prefix_len: u8,
}

/// An IPv4 address with a default (0.0.0.0), as the ledger uses for "none".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RawIp(pub Ipv4Addr);

impl Default for RawIp {
    fn default() -> Self {
        Self(Ipv4Addr::UNSPECIFIED)
    }
}

impl RawNet {
    /// The network with its host bits masked, if the length is one.
    #[must_use]
    pub fn network(&self) -> Option<Ipv4Net> {
        Ipv4Net::new(self.address.0, self.prefix_len)
            .ok()
            .map(|net| net.trunc())
    }
}

impl fmt::Display for RawNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address.0, self.prefix_len)
    }
}

/// A user's account, reduced to what a tunnel needs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct User {
    /// Who may change the account.
    pub owner: Pubkey,
    /// The service asked for; an unknown number is kept as such.
    pub kind: Result<ServiceKind, u8>,
    /// The tenant, zero for none.
    pub tenant: Pubkey,
    /// The device that ends the tunnel.
    pub device: Pubkey,
    /// The address of the user's host.
    pub client_ip: Ipv4Addr,
    /// The address in the overlay.
    pub dz_ip: Ipv4Addr,
    /// The tunnel's number on its device.
    pub tunnel_number: u16,
    /// The overlay network of the tunnel: a /31 when valid.
    pub tunnel_net: RawNet,
    /// Whether the user may connect.
    pub status: UserStatus,
    /// Groups that the user publishes to.
    pub publishers: Vec<Pubkey>,
    /// Groups that the user subscribes to.
    pub subscribers: Vec<Pubkey>,
    /// The device's end of the tunnel; 0.0.0.0 means the device's public address.
    pub tunnel_endpoint: Ipv4Addr,
}

/// A user's status. Only `Activated` keeps a tunnel; an unknown number is unknown and never activated.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserStatus {
    /// The ledger's number 1: the user may connect.
    Activated,
    /// The ledger's number 3: the user is about to go.
    Deleting,
    /// The ledger's number 6: the user was banned.
    Banned,
    /// Out of credits (8).
    OutOfCredits,
    /// One of the ledger's deprecated statuses (0, 2, 4, 5, 7).
    Deprecated(u8),
    /// A number that we do not know.
    Unknown(u8),
}

impl UserStatus {
    /// From the ledger's number.
    #[must_use]
    pub fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Activated,
            3 => Self::Deleting,
            6 => Self::Banned,
            8 => Self::OutOfCredits,
            0 | 2 | 4 | 5 | 7 => Self::Deprecated(number),
            9.. => Self::Unknown(number),
        }
    }
}

/// A device account: the other end of tunnels.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Device {
    /// The name that people call it by, unique in its kind.
    pub code: String,
    /// The exchange (metro) it stands in.
    pub exchange: Pubkey,
    /// Its public address.
    pub public_ip: Ipv4Addr,
    /// The ledger's number for its status (1 is activated).
    pub status: u8,
    /// The prefixes it announces.
    pub prefixes: Vec<RawNet>,
}

/// An exchange account (a metro).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Exchange {
    /// The name that people call it by, unique in its kind.
    pub code: String,
    /// Its name for people.
    pub name: String,
}

/// A multicast group account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MulticastGroup {
    /// The name that people call it by, unique in its kind.
    pub code: String,
    /// The group's address.
    pub multicast_ip: Ipv4Addr,
    /// In bits per second.
    pub max_bandwidth: u64,
    /// The ledger's number for its status (1 is activated).
    pub status: u8,
}

/// A tenant's account, reduced to what a tunnel needs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tenant {
    /// The name that people call it by, unique in its kind.
    pub code: String,
}

/// The network's configuration account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GlobalConfig {
    /// The users' AS; 0 means the default, 65000.
    pub local_asn: Asn,
    /// The devices' AS; 0 means the default, 65001.
    pub remote_asn: Asn,
}

#[cfg(test)]
mod tests;

//! Addresses of accounts, derived from what they are about.

use std::net::Ipv4Addr;

use solana_pubkey::Pubkey as Address;
use warren_state::Pubkey;

use crate::accounts::UserType;

const PREFIX: &[u8] = b"doublezero";

/// A derived address and the bump that its account carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Derived {
    /// The address that was derived for the account.
    pub address: Pubkey,
    /// The bump seed that takes the address off the curve.
    pub bump: u8,
}

/// Entities that are numbered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Numbered {
    /// A place where devices are.
    Location,
    /// A metro where devices and feeds meet.
    Exchange,
    /// A switch of the network that users' tunnels end at.
    Device,
    /// A connection between two devices.
    Link,
    /// A party that brings devices and links.
    Contributor,
    /// A group that users send to and receive from.
    MulticastGroup,
    /// A user of the old kind; today's are found by address and type, see [`Pda::user`].
    LegacyUser,
}

impl Numbered {
    fn seed(self) -> &'static [u8] {
        match self {
            Self::Location => b"location",
            Self::Exchange => b"exchange",
            Self::Device => b"device",
            Self::Link => b"link",
            Self::Contributor => b"contributor",
            Self::MulticastGroup => b"multicast",
            Self::LegacyUser => b"user",
        }
    }
}

/// The accounts that numbers and addresses are allocated from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resource {
    /// Networks of links between devices.
    DeviceTunnelBlock,
    /// Networks of users' tunnels.
    UserTunnelBlock,
    /// Addresses of multicast groups.
    MulticastGroupBlock,
    /// Addresses of multicast publishers.
    MulticastPublisherBlock,
    /// Numbers of links.
    LinkIds,
    /// Segment routing numbers.
    SegmentRoutingIds,
    /// Numbers of VRFs.
    VrfIds,
    /// Bits of admin groups.
    AdminGroupBits,
    /// Addresses of one prefix of a device.
    DzPrefixBlock(Pubkey, u64),
    /// Numbers of a device's tunnels.
    TunnelIds(Pubkey, u64),
}

impl Resource {
    fn seed(&self) -> &'static [u8] {
        match self {
            Self::DeviceTunnelBlock => b"devicetunnelblock",
            Self::UserTunnelBlock => b"usertunnelblock",
            Self::MulticastGroupBlock => b"multicastgroupblock",
            Self::MulticastPublisherBlock => b"multicastpublisherblock",
            Self::LinkIds => b"linkids",
            Self::SegmentRoutingIds => b"segmentroutingids",
            Self::VrfIds => b"vrfids",
            Self::AdminGroupBits => b"admingroupbits",
            Self::DzPrefixBlock(..) => b"dzprefixblock",
            Self::TunnelIds(..) => b"tunnelids",
        }
    }

    fn device(&self) -> Option<(Pubkey, u64)> {
        match self {
            Self::DzPrefixBlock(device, index) | Self::TunnelIds(device, index) => Some((*device, *index)),
            Self::DeviceTunnelBlock
            | Self::UserTunnelBlock
            | Self::MulticastGroupBlock
            | Self::MulticastPublisherBlock
            | Self::LinkIds
            | Self::SegmentRoutingIds
            | Self::VrfIds
            | Self::AdminGroupBits => None,
        }
    }
}

/// A seed is longer than the 32 bytes that a derivation allows.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no address can be derived: {what} is longer than 32 bytes")]
pub struct SeedTooLong {
    /// Which seed.
    pub what: &'static str,
}

/// Derives the addresses of one program's accounts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pda {
    program: Address,
}

impl Pda {
    /// Derives addresses for the accounts of this program.
    #[must_use]
    pub fn new(program: Pubkey) -> Self {
        Self {
            program: Address::from(program.0),
        }
    }

    /// The account of the program's own state.
    #[must_use]
    pub fn global_state(&self) -> Derived {
        self.derive(&[b"globalstate"])
    }

    /// The account of the network's configuration.
    #[must_use]
    pub fn config(&self) -> Derived {
        self.derive(&[b"config"])
    }

    /// The account that says which versions the program takes.
    #[must_use]
    pub fn program_config(&self) -> Derived {
        self.derive(&[b"programconfig"])
    }

    /// An entity that is numbered.
    #[must_use]
    pub fn numbered(&self, entity: Numbered, index: u128) -> Derived {
        self.derive(&[entity.seed(), &index.to_le_bytes()])
    }

    /// A user, by its host's address and its type.
    #[must_use]
    pub fn user(&self, client_ip: Ipv4Addr, user_type: UserType) -> Derived {
        self.derive(&[b"user", &client_ip.octets(), &[user_type.0]])
    }

    /// An access pass; 0.0.0.0 for one that holds for any address.
    #[must_use]
    pub fn access_pass(&self, client_ip: Ipv4Addr, user_payer: &Pubkey) -> Derived {
        self.derive(&[b"accesspass", &client_ip.octets(), &user_payer.0])
    }

    /// A tenant.
    ///
    /// # Errors
    /// When the code is longer than 32 bytes.
    pub fn tenant(&self, code: &str) -> Result<Derived, SeedTooLong> {
        Ok(self.derive(&[b"tenant", short(code, "the code")?]))
    }

    /// The account of a payer's permission, where it has one.
    #[must_use]
    pub fn permission(&self, user_payer: &Pubkey) -> Derived {
        self.derive(&[b"permission", &user_payer.0])
    }

    /// A feed at an exchange.
    ///
    /// # Errors
    /// When the code is longer than 32 bytes.
    pub fn feed(&self, code: &str, exchange: &Pubkey) -> Result<Derived, SeedTooLong> {
        Ok(self.derive(&[b"feed", short(code, "the code")?, &exchange.0]))
    }

    /// A topology; its name counts in upper case.
    ///
    /// # Errors
    /// When the name is longer than 32 bytes.
    pub fn topology(&self, name: &str) -> Result<Derived, SeedTooLong> {
        let name = name.to_ascii_uppercase();
        Ok(self.derive(&[b"topology", short(&name, "the name")?]))
    }

    /// An index entry; its key counts in lower case.
    ///
    /// # Errors
    /// When the entity's seed or the key is longer than 32 bytes.
    pub fn index(&self, entity_seed: &str, key: &str) -> Result<Derived, SeedTooLong> {
        let key = key.to_ascii_lowercase();
        Ok(self.derive(&[
            b"index",
            short(entity_seed, "the entity's seed")?,
            short(&key, "the key")?,
        ]))
    }

    /// The account of one allocator.
    #[must_use]
    pub fn resource(&self, resource: &Resource) -> Derived {
        match resource.device() {
            Some((device, index)) => self.derive(&[resource.seed(), &device.0, &index.to_le_bytes()]),
            None => self.derive(&[resource.seed()]),
        }
    }

    fn derive(&self, seeds: &[&[u8]]) -> Derived {
        let mut all = vec![PREFIX];
        all.extend_from_slice(seeds);
        let (address, bump) = Address::find_program_address(&all, &self.program);
        Derived {
            address: Pubkey(address.to_bytes()),
            bump,
        }
    }
}

fn short<'a>(text: &'a str, what: &'static str) -> Result<&'a [u8], SeedTooLong> {
    if text.len() <= 32 {
        Ok(text.as_bytes())
    } else {
        Err(SeedTooLong { what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;

    fn pda() -> Pda {
        Pda::new(Environment::Devnet.program_id())
    }

    /// The rule of the derivation, spelled out: the hash of seeds, bump, program and marker, off the curve.
    fn by_hand(seeds: &[&[u8]], bump: u8, program: &Pubkey) -> Pubkey {
        let mut parts: Vec<&[u8]> = seeds.to_vec();
        let bump = [bump];
        parts.extend([&bump[..], &program.0, b"ProgramDerivedAddress"]);
        Pubkey(solana_sdk::hash::hashv(&parts).to_bytes())
    }

    #[test]
    fn a_derived_address_is_the_hash_that_the_rule_asks_for_and_is_off_the_curve() {
        let program = Environment::Devnet.program_id();
        let first_with_higher_bumps = (0..=255).map(|n| [192, 0, 2, n]);
        let (octets, user) = first_with_higher_bumps
            .map(|octets| (octets, pda().user(Ipv4Addr::from(octets), UserType::MULTICAST)))
            .find(|(_, user)| user.bump < 253)
            .unwrap();
        assert_eq!(
            user.address,
            by_hand(&[b"doublezero", b"user", &octets, &[3]], user.bump, &program)
        );
        assert!(!Address::from(user.address.0).is_on_curve());
        let device = pda().numbered(Numbered::Device, 1 << 64);
        let index = [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(
            device.address,
            by_hand(&[b"doublezero", b"device", &index], device.bump, &program)
        );
        let ids = pda().resource(&Resource::TunnelIds(Pubkey([7; 32]), 2));
        let seeds: [&[u8]; 4] = [b"doublezero", b"tunnelids", &[7; 32], &[2, 0, 0, 0, 0, 0, 0, 0]];
        assert_eq!(ids.address, by_hand(&seeds, ids.bump, &program));
        for bump in (user.bump + 1)..=255 {
            let higher = by_hand(&[b"doublezero", b"user", &octets, &[3]], bump, &program);
            assert!(
                Address::from(higher.0).is_on_curve(),
                "a higher bump would have been taken"
            );
        }
    }

    #[test]
    fn all_addresses_of_a_program_differ() {
        let (key, ip) = (Pubkey([7; 32]), Ipv4Addr::new(192, 0, 2, 10));
        let p = pda();
        let mut all = vec![
            p.global_state(),
            p.config(),
            p.program_config(),
            p.permission(&key),
        ];
        all.extend([
            p.tenant("a").unwrap(),
            p.feed("a", &key).unwrap(),
            p.topology("a").unwrap(),
            p.index("device", "a").unwrap(),
        ]);
        all.extend([
            p.access_pass(ip, &key),
            p.access_pass(Ipv4Addr::UNSPECIFIED, &key),
        ]);
        all.extend((0..4).map(|kind| p.user(ip, UserType(kind))));
        let numbered = [
            Numbered::Location,
            Numbered::Exchange,
            Numbered::Device,
            Numbered::Link,
            Numbered::Contributor,
            Numbered::MulticastGroup,
            Numbered::LegacyUser,
        ];
        all.extend(numbered.map(|entity| p.numbered(entity, 1)));
        let resources = [
            Resource::DeviceTunnelBlock,
            Resource::UserTunnelBlock,
            Resource::MulticastGroupBlock,
            Resource::MulticastPublisherBlock,
            Resource::LinkIds,
            Resource::SegmentRoutingIds,
            Resource::VrfIds,
            Resource::AdminGroupBits,
            Resource::DzPrefixBlock(key, 0),
            Resource::DzPrefixBlock(key, 1),
            Resource::TunnelIds(key, 0),
        ];
        all.extend(resources.map(|resource| p.resource(&resource)));
        let different: std::collections::BTreeSet<_> = all.iter().map(|derived| derived.address).collect();
        assert_eq!(different.len(), all.len());
    }

    #[test]
    fn case_of_topologies_and_index_keys_does_not_matter() {
        assert_eq!(pda().topology("LowLatency"), pda().topology("LOWLATENCY"));
        assert_eq!(
            pda().index("device", "FRA-dz01"),
            pda().index("device", "fra-DZ01")
        );
        assert_ne!(pda().tenant("A").unwrap(), pda().tenant("a").unwrap());
    }

    #[test]
    fn a_seed_that_is_too_long_is_an_error_and_no_panic() {
        assert!(pda().tenant(&"x".repeat(33)).is_err());
        assert!(pda().tenant(&"x".repeat(32)).is_ok());
        assert!(pda().index("device", &"x".repeat(33)).is_err());
    }
}

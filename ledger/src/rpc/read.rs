//! One read: the requests that make one view, all to one endpoint.
//!
//! Behind an endpoint there may be several nodes, of which some lag. The list of users may come from one that is ahead, and
//! what they name from one that has not reached that slot even after some tries: then the view is of two slots, and says so.
//! The guard judges users and everything else each by its own slot, so nothing that was newer is taken back.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use solana_account_decoder_client_types::UiDataSliceConfig;
use solana_client::rpc_filter::{Memcmp, RpcFilterType};
use warren_state::{
    Pubkey, ServiceKind, View,
    view::{Quarantine, User, UserStatus},
};

use super::{
    accounts::{Accounts, Found, SlotRequirement},
    assemble::Assembly,
    failure::Failure,
    prefixes,
};
use crate::{
    Query,
    accounts::{Account, AccountType, Device, USER_CLIENT_IP_OFFSET, USER_DEVICE_OFFSET, decode},
    pda::Pda,
};

/// `SysvarC1ock11111111111111111111111111111111`: the account that holds the ledger's own time.
pub(super) const CLOCK: Pubkey = Pubkey([
    0x06, 0xa7, 0xd5, 0x17, 0x18, 0xc7, 0x74, 0xc9, 0x28, 0x56, 0x63, 0x98, 0x69, 0x1d, 0x5e, 0xb6, 0x8b,
    0x5e, 0xb8, 0xa3, 0x9b, 0x4b, 0x6d, 0x5c, 0x73, 0x55, 0x5b, 0x21, 0x00, 0x00, 0x00, 0x00,
]);
/// The `unix_timestamp` of that account: after slot, start of the epoch, epoch and leader schedule's epoch.
const UNIX_TIMESTAMP: std::ops::Range<usize> = 32..40;

/// What one read needs to know.
pub(super) struct Reading<'a> {
    pub(super) accounts: Accounts<'a>,
    /// Which of the endpoints this is.
    pub(super) endpoint: usize,
    pub(super) hints: Hints,
}

/// What earlier reads found.
#[derive(Clone, Default, Debug)]
pub(super) struct Hints {
    /// Exchanges that the devices named last time: asked for together with the devices.
    pub(super) exchanges: BTreeSet<Pubkey>,
    /// Users: whether they are still there is asked by address, where a list does not say how old it is.
    pub(super) users: BTreeSet<Pubkey>,
}

/// Users that are gone and still asked for, at most.
const MOST_GONE: usize = 64;

/// A view, and what the watcher wants to know of the read.
#[derive(Debug)]
pub(super) struct ReadOut {
    pub(super) view: View,
    /// What the accounts said that a tunnel could be affected by.
    pub(super) digests: BTreeMap<Pubkey, u64>,
}

impl Hints {
    /// For the next read.
    pub(super) fn learn(&mut self, view: &View) {
        self.exchanges = view.devices.values().map(|device| device.exchange).collect();
        self.users.extend(view.users.keys());
        if self.users.len() > view.users.len() + MOST_GONE {
            self.users = view.users.keys().copied().collect();
        }
    }
}

impl Reading<'_> {
    /// Reads the users that the query asks for, then exactly the accounts that they name.
    pub(super) async fn view(&self, query: &Query) -> Result<ReadOut, Failure> {
        let program = self.accounts.program;
        let users = self.users(query).await?;
        let mut assembly = Assembly::new(program, *query, self.endpoint, users.slots);
        for raw in users.accounts {
            assembly.add_user(raw)?;
        }
        let config = Pda::new(program).config().address;
        let mut wanted = assembly.named();
        if let Query::Gateway(device) = query {
            wanted.insert(*device);
        }
        if matches!(query, Query::Client(_)) && !assembly.view.users.is_empty() {
            wanted.insert(Pda::new(program).global_state().address);
        }
        wanted.extend([config, CLOCK]);
        wanted.extend(&self.hints.exchanges);
        let when = users.slots.map_or(SlotRequirement::Any, |slots| {
            SlotRequirement::Preferably(slots.newest)
        });
        self.fetch(&mut assembly, wanted, when).await?;
        let late = assembly.exchanges_not_asked_for();
        self.fetch(&mut assembly, late, when).await?;
        if assembly.view.users.values().any(asks_for_prefixes) {
            self.all_prefixes(&mut assembly, when).await?;
        }
        assembly.finish(&config)
    }

    /// The users. Where the list does not say at which slot it was read it may be an old one, and proves nothing: then its
    /// users, and those that were known before, are looked up by address.
    async fn users(&self, query: &Query) -> Result<Found, Failure> {
        let listed = self
            .accounts
            .of_program(&user_filters(query), None, SlotRequirement::Any)
            .await?;
        if listed.slots.is_some() {
            return Ok(listed);
        }
        let in_list: BTreeSet<Pubkey> = listed.accounts.iter().map(|raw| raw.pubkey).collect();
        let known: Vec<Pubkey> = in_list.union(&self.hints.users).copied().collect();
        let mut found = self.accounts.at_addresses(&known, SlotRequirement::Any).await?;
        // A closed account may be shown for a while without its owner.
        found
            .accounts
            .retain(|raw| raw.owner == self.accounts.program || in_list.contains(&raw.pubkey));
        Ok(found)
    }

    async fn fetch(
        &self,
        assembly: &mut Assembly,
        wanted: BTreeSet<Pubkey>,
        when: SlotRequirement,
    ) -> Result<(), Failure> {
        let wanted: Vec<Pubkey> = wanted.into_iter().filter(|pubkey| !pubkey.is_zero()).collect();
        assembly.asked_for(&wanted);
        let found = self.accounts.at_addresses(&wanted, when).await?;
        assembly.saw(found.slots);
        for raw in found.accounts {
            if raw.pubkey == CLOCK {
                assembly.set_clock(raw.data.ok().and_then(|data| unix_seconds(&data)));
            } else {
                assembly.add_named(raw);
            }
        }
        Ok(())
    }

    /// The prefixes of all devices. A slice of each account is enough, but for one with very many prefixes.
    async fn all_prefixes(&self, assembly: &mut Assembly, when: SlotRequirement) -> Result<(), Failure> {
        let slice = UiDataSliceConfig {
            offset: prefixes::SLICE_AT,
            length: prefixes::SLICE_LEN,
        };
        let found = self
            .accounts
            .of_program(&[type_filter(AccountType::DEVICE)], Some(slice), when)
            .await?;
        if found.slots.is_none() {
            return Err(Failure::Wrong(
                "the ledger does not say at which slot it read the prefixes of all devices".into(),
            ));
        }
        assembly.saw(found.slots);
        let mut nets = BTreeSet::new();
        let mut cut = BTreeSet::new();
        for raw in found.accounts {
            match raw.data.map(|data| prefixes::from_slice(&data)) {
                Ok(Ok(found)) => nets.extend(found),
                Ok(Err(prefixes::Unreadable::Cut)) => {
                    cut.insert(raw.pubkey);
                }
                Ok(Err(prefixes::Unreadable::Broken)) => {
                    assembly.quarantine(raw.pubkey, "its list of prefixes does not decode".into())
                }
                Err(reason) => assembly.quarantine(raw.pubkey, reason),
            }
        }
        let cut: Vec<Pubkey> = cut.into_iter().collect();
        let whole = self.accounts.at_addresses(&cut, when).await?;
        assembly.saw(whole.slots);
        whole
            .accounts
            .into_iter()
            .for_each(|raw| nets.extend(assembly.prefixes_of(raw)));
        assembly.view.device_prefixes = Some(nets);
        Ok(())
    }

    /// Every device that decodes and is our program's.
    pub(super) async fn devices(&self) -> Result<BTreeMap<Pubkey, Device>, Failure> {
        let found = self
            .accounts
            .of_program(&[type_filter(AccountType::DEVICE)], None, SlotRequirement::Any)
            .await?;
        let ours = found
            .accounts
            .into_iter()
            .filter(|raw| raw.owner == self.accounts.program);
        let decoded = ours.filter_map(|raw| Some((raw.pubkey, decode(&raw.data.ok()?).ok()?)));
        // The ledger's filters are not trusted: a proxy may ignore them.
        let device = |(pubkey, account)| {
            if let Account::Device(device) = account {
                Some((pubkey, device))
            } else {
                None
            }
        };
        Ok(decoded.filter_map(device).collect())
    }
}

/// The filters that find a role's users; the subscription uses the same.
pub(crate) fn user_filters(query: &Query) -> Vec<RpcFilterType> {
    let whose = match query {
        Query::Client(client_ip) => Memcmp::new_base58_encoded(USER_CLIENT_IP_OFFSET, &client_ip.octets()),
        Query::Gateway(device) => Memcmp::new_base58_encoded(USER_DEVICE_OFFSET, &device.0),
    };
    vec![type_filter(AccountType::USER), RpcFilterType::Memcmp(whose)]
}

/// Whether a user is one that the query asks for, whatever the ledger's own filter thinks.
pub(super) fn matches(query: &Query, client_ip: Ipv4Addr, device: Pubkey) -> bool {
    match query {
        Query::Client(ours) => client_ip == *ours,
        Query::Gateway(ours) => device == *ours,
    }
}

pub(super) fn type_filter(account_type: AccountType) -> RpcFilterType {
    RpcFilterType::Memcmp(Memcmp::new_base58_encoded(0, &[account_type.0]))
}

/// The time in the ledger's clock.
pub(super) fn unix_seconds(clock: &[u8]) -> Option<i64> {
    Some(i64::from_le_bytes(clock.get(UNIX_TIMESTAMP)?.try_into().ok()?))
}

fn asks_for_prefixes(user: &User) -> bool {
    user.kind == Ok(ServiceKind::EdgeFiltering) && user.status == UserStatus::Activated
}

/// A quarantine with its reason.
pub(super) fn quarantine(reason: String) -> Quarantine {
    Quarantine { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_the_clock_is_the_one_that_is_written() {
        assert_eq!(CLOCK.to_string(), "SysvarC1ock11111111111111111111111111111111");
    }
}

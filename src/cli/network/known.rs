//! The accounts that a list is made of.

use std::{collections::BTreeMap, net::Ipv4Addr};

use futures_util::future::try_join_all;
use warren_ledger::{
    Account,
    accounts::{
        AccessPass, AccountType, Contributor, Device, Exchange, Feed, Link, Location, MulticastGroup, Tenant,
        Topology, User,
    },
    rpc::AccountListing,
};
use warren_state::Pubkey;

use super::{missing, table::Row};
use crate::{
    failure::Failure,
    operator::{Operator, soon},
    output,
};

/// A kind of account that is spoken of.
pub(super) trait Named: Sized + 'static {
    /// What it is called on the command line.
    const WHAT: &'static str;
    const TYPE: AccountType;

    /// The account, if it is of this kind.
    fn of(account: &Account) -> Option<&Self>;

    /// What people call it; empty where it has only its address.
    fn code(&self) -> &str;
}

macro_rules! named {
    ($($kind:ident $what:literal $tag:ident |$it:ident| $code:expr;)*) => {$(
        impl Named for $kind {
            const WHAT: &'static str = $what;
            const TYPE: AccountType = AccountType::$tag;

            fn of(account: &Account) -> Option<&Self> {
                if let Account::$kind(it) = account { Some(it) } else { None }
            }

            fn code(&self) -> &str {
                let $it = self;
                $code
            }
        }
    )*};
}

named! {
    Location "location" LOCATION |it| &it.code;
    Exchange "exchange" EXCHANGE |it| &it.code;
    Device "device" DEVICE |it| &it.code;
    Link "link" LINK |it| &it.code;
    MulticastGroup "multicast group" MULTICAST_GROUP |it| &it.code;
    Feed "feed" FEED |it| &it.code;
    Tenant "tenant" TENANT |it| &it.code;
    Contributor "contributor" CONTRIBUTOR |it| &it.code;
    Topology "topology" TOPOLOGY |it| &it.name;
    User "user" USER |_it| "";
    AccessPass "access-pass" ACCESS_PASS |_it| "";
}

/// Accounts by their addresses.
#[derive(Default)]
pub(super) struct Known {
    accounts: BTreeMap<Pubkey, Account>,
    unreadable: BTreeMap<Pubkey, String>,
    /// The ledger's epoch; 0 where nothing is reckoned with it.
    pub(super) epoch: u64,
}

impl Known {
    /// Reads all accounts of a type and of those that it refers to; where a host is named, only its users.
    pub(super) async fn read(
        operator: &Operator,
        of: AccountType,
        refers: &[AccountType],
        only_host: Option<Ipv4Addr>,
    ) -> Result<Self, Failure> {
        let lists = std::iter::once(of)
            .chain(refers.iter().copied())
            .map(|kind| async move {
                match only_host {
                    Some(client_ip) if kind == AccountType::USER => {
                        operator.ledger.users_at(client_ip, soon()).await
                    }
                    Some(_) | None => operator.ledger.list(kind, soon()).await,
                }
            });
        let mut known = Self::of(try_join_all(lists).await?);
        if of == AccountType::ACCESS_PASS {
            known.epoch = operator.ledger.epoch(soon()).await?.epoch;
        }
        Ok(known)
    }

    /// What these lists hold.
    pub(super) fn of(lists: impl IntoIterator<Item = AccountListing>) -> Self {
        let mut known = Self::default();
        for listed in lists {
            known.accounts.extend(listed.accounts);
            known.unreadable.extend(listed.unreadable);
        }
        known
    }

    /// All accounts of a kind.
    pub(super) fn all<K: Named>(&self) -> impl Iterator<Item = Row<'_, K>> {
        self.accounts.iter().filter_map(|(key, account)| {
            Some(Row {
                key: *key,
                it: K::of(account)?,
                known: self,
            })
        })
    }

    /// The account at this address, if it is of the kind.
    pub(super) fn get<K: Named>(&self, key: &Pubkey) -> Option<&K> {
        self.accounts.get(key).and_then(K::of)
    }

    /// The code of the account at this address; the address where there is none.
    pub(super) fn code<K: Named>(&self, key: &Pubkey) -> String {
        self.get::<K>(key)
            .map_or_else(|| key.to_string(), |account| account.code().to_owned())
    }

    /// The same; nothing for no address.
    pub(super) fn code_if_any<K: Named>(&self, key: &Pubkey) -> String {
        if key.is_zero() {
            String::new()
        } else {
            self.code::<K>(key)
        }
    }

    /// Codes, each behind a prefix.
    pub(super) fn codes<K: Named>(&self, prefix: &str, keys: &[Pubkey]) -> Vec<String> {
        keys.iter()
            .map(|key| format!("{prefix}{}", self.code::<K>(key)))
            .collect()
    }

    /// Whether this text means the account: its address or its code.
    pub(super) fn means<K: Named>(&self, text: &str, key: &Pubkey) -> bool {
        key.to_string() == text
            || (!text.is_empty() && self.get::<K>(key).is_some_and(|account| account.code() == text))
    }

    /// Whether a filter lets the account pass; one that is not given lets all pass.
    pub(super) fn passes<K: Named>(&self, filter: Option<&String>, key: &Pubkey) -> bool {
        filter.is_none_or(|text| self.means::<K>(text, key))
    }

    /// Refuses a filter that names no account of the kind.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn must_have<K: Named>(&self, title: &str, filter: Option<&String>) -> Result<(), Failure> {
        match filter.filter(|text| !self.all::<K>().any(|row| self.means::<K>(text, &row.key))) {
            Some(text) => Err(missing::<K>(format!("{title} '{text}' not found"))),
            None => Ok(()),
        }
    }

    /// The pass that let a user in: its owner's for any host, else for this one.
    pub(super) fn pass_of(&self, user: &User) -> Option<&AccessPass> {
        let passes = || {
            self.accounts
                .values()
                .filter_map(AccessPass::of)
                .filter(|pass| pass.user_payer == user.owner)
        };
        let of = |ip: Ipv4Addr| passes().find(|pass| pass.client_ip == ip);
        of(Ipv4Addr::UNSPECIFIED).or_else(|| of(user.client_ip))
    }

    /// Tells of accounts that do not read.
    pub(super) fn tell_unreadable(&self) {
        for (key, reason) in &self.unreadable {
            output::note(&format!("{key} is left out: {reason}"));
        }
    }
}

//! Puts the accounts of a read together into a view. An account that does not decode is set aside alone.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;
use warren_state::{
    Pubkey, Slot, View,
    view::{Provenance, SlotRange},
};

use super::{
    accounts::{Raw, joined},
    failure::Failure,
    prefixes,
    read::{ReadOut, matches, quarantine},
};
use crate::{
    Query,
    accounts::{Account, decode},
    project,
};

/// A view in the making.
pub(super) struct Assembly {
    program: Pubkey,
    query: Query,
    pub(super) view: View,
    digests: BTreeMap<Pubkey, u64>,
    asked: BTreeSet<Pubkey>,
    endpoint: usize,
    /// None where no user is known at all, and the list does not say when it was read.
    users_at: Option<SlotRange>,
    rest_at: Option<SlotRange>,
    clock: Option<i64>,
}

impl Assembly {
    pub(super) fn new(program: Pubkey, query: Query, endpoint: usize, users_at: Option<SlotRange>) -> Self {
        let (view, digests, asked) = (View::default(), BTreeMap::new(), BTreeSet::new());
        Self {
            program,
            query,
            view,
            digests,
            asked,
            endpoint,
            users_at,
            rest_at: None,
            clock: None,
        }
    }

    /// Takes one account of the list of users.
    ///
    /// # Errors
    /// When another program owns it: then the whole answer is about something else.
    pub(super) fn add_user(&mut self, raw: Raw) -> Result<(), Failure> {
        let Raw { pubkey, owner, data } = raw;
        if owner != self.program {
            let program = self.program;
            return Err(Failure::OtherProgram(format!(
                "wrong program: account {pubkey} is owned by {owner}, not by {program}"
            )));
        }
        match data.and_then(|data| self.decode(pubkey, &data)) {
            Ok(Account::User(user)) => {
                if matches(&self.query, user.client_ip, user.device_pk) {
                    self.view.users.insert(pubkey, project::user(&user));
                }
            }
            Ok(other) => self.unexpected(pubkey, &other),
            Err(reason) => self.quarantine(pubkey, reason),
        }
        Ok(())
    }

    /// The accounts that the users name.
    pub(super) fn named(&self) -> BTreeSet<Pubkey> {
        let of = |user: &warren_state::view::User| {
            let groups = user.publishers.iter().chain(&user.subscribers).copied();
            groups.chain([user.device, user.tenant]).collect::<Vec<_>>()
        };
        self.view.users.values().flat_map(of).collect()
    }

    /// The exchanges that devices name and that have not been asked for yet.
    pub(super) fn exchanges_not_asked_for(&self) -> BTreeSet<Pubkey> {
        self.view
            .devices
            .values()
            .map(|device| device.exchange)
            .filter(|exchange| !self.asked.contains(exchange))
            .collect()
    }

    pub(super) fn asked_for(&mut self, pubkeys: &[Pubkey]) {
        self.asked.extend(pubkeys);
    }

    /// Everything but the users was read at these slots too.
    pub(super) fn saw(&mut self, slots: Option<SlotRange>) {
        self.rest_at = joined(self.rest_at, slots);
    }

    /// The ledger's own time, at the slots of everything but the users.
    pub(super) fn set_clock(&mut self, clock: Option<i64>) {
        self.clock = clock;
    }

    /// Takes one account that was asked for by name. One of another program is set aside: anybody may write any key into
    /// an account, so it says nothing about the rest.
    pub(super) fn add_named(&mut self, raw: Raw) {
        let Raw { pubkey, owner, data } = raw;
        if owner != self.program {
            return self.quarantine(pubkey, format!("wrong program: it is owned by {owner}"));
        }
        match data.and_then(|data| self.decode(pubkey, &data)) {
            Ok(Account::Device(device)) => {
                self.view.devices.insert(pubkey, project::device(&device));
            }
            Ok(Account::Exchange(exchange)) => {
                self.view.exchanges.insert(pubkey, project::exchange(&exchange));
            }
            Ok(Account::MulticastGroup(group)) => {
                self.view.groups.insert(pubkey, project::group(&group));
            }
            Ok(Account::Tenant(tenant)) => {
                self.view.tenants.insert(pubkey, project::tenant(&tenant));
            }
            Ok(Account::GlobalState(state)) => self.view.authorities = Some(project::authorities(&state)),
            Ok(Account::GlobalConfig(config)) => self.view.config = Some(project::config(&config)),
            Ok(other) => self.unexpected(pubkey, &other),
            Err(reason) => self.quarantine(pubkey, reason),
        }
    }

    /// The prefixes of a device that was read for them alone.
    pub(super) fn prefixes_of(&mut self, raw: Raw) -> Vec<Ipv4Net> {
        match raw.data.and_then(|data| prefixes::from_account(&data)) {
            Ok(nets) => nets,
            Err(reason) => {
                self.quarantine(raw.pubkey, reason);
                Vec::new()
            }
        }
    }

    pub(super) fn quarantine(&mut self, pubkey: Pubkey, reason: String) {
        self.view.quarantined.insert(pubkey, quarantine(reason));
    }

    /// # Errors
    /// When nothing at all was found: that is a ledger or a program that knows nothing of this network, and no proof that
    /// the users are gone.
    pub(super) fn finish(mut self, config: &Pubkey) -> Result<ReadOut, Failure> {
        let View {
            users,
            config: found,
            quarantined,
            ..
        } = &self.view;
        if users.is_empty() && found.is_none() && quarantined.is_empty() {
            let program = self.program;
            let reason = format!(
                "program {program} has neither a configuration ({config}) nor users here: wrong program or ledger?"
            );
            return Err(Failure::OtherProgram(reason));
        }
        // Exchanges asked for because of the last read that no device names any more.
        let named: BTreeSet<Pubkey> = self.view.devices.values().map(|device| device.exchange).collect();
        self.view.exchanges.retain(|exchange, _| named.contains(exchange));
        let rest = self
            .rest_at
            .or(self.users_at)
            .unwrap_or(SlotRange::at(Slot::default()));
        let users = self.users_at.unwrap_or(rest);
        self.view.slot = users.lowest.min(rest.lowest);
        self.view.provenance = Some(Provenance {
            users,
            rest,
            clock: self.clock,
            endpoint: self.endpoint,
        });
        Ok(ReadOut {
            view: self.view,
            digests: self.digests,
        })
    }

    fn decode(&mut self, pubkey: Pubkey, data: &[u8]) -> Result<Account, String> {
        self.digests.insert(pubkey, project::relevant_digest(data));
        decode(data).map_err(|error| error.to_string())
    }

    fn unexpected(&mut self, pubkey: Pubkey, account: &Account) {
        self.quarantine(
            pubkey,
            format!(
                "it is a {}, which does not belong there",
                account.account_type().name()
            ),
        );
    }
}

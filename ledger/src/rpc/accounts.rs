//! Asking for accounts: in words that the endpoint understands, and at a slot that it has reached.

use std::{io::Read as _, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;
use solana_account_decoder_client_types::{UiAccount, UiAccountData, UiAccountEncoding, UiDataSliceConfig};
use solana_client::{
    nonblocking::rpc_client::RpcClient,
    rpc_config::{RpcAccountInfoConfig, RpcProgramAccountsConfig},
    rpc_filter::RpcFilterType,
    rpc_request::RpcRequest,
    rpc_response::{OptionalContext, RpcKeyedAccount},
};
use solana_commitment_config::CommitmentConfig;
use solana_pubkey::Pubkey as Address;
use warren_state::{Pubkey, Slot, view::SlotRange};

use super::{
    dialect::{Dialect, Features},
    failure::Failure,
    sender::failure_of,
};
use crate::backoff::Retries;

/// The largest account that a ledger of this kind holds.
const LARGEST_ACCOUNT: usize = 10 * 1024 * 1024;
/// The largest window, as a power of two, that a packed account may ask for: 8 MiB. Nodes pack at zstd's default level,
/// whose windows have 2 MiB at most.
const LARGEST_WINDOW_LOG: u32 = 23;
/// A node that is not at the wanted slot yet is asked so often, each time over a connection of its own. Slots take about
/// 0.4 s, and another node of the same balancer may answer the next time.
const TRIES_TO_CATCH_UP: u32 = 4;

/// Where accounts are asked for.
pub(super) struct Accounts<'a> {
    pub(super) client: &'a RpcClient,
    pub(super) fresh: &'a RpcClient,
    pub(super) dialect: &'a Dialect,
    pub(super) program: Pubkey,
    pub(super) commitment: CommitmentConfig,
    /// The most bytes that all accounts of one request may hold together.
    pub(super) limit: usize,
    /// Before a node that lags is asked again; doubles with each time, up to four times.
    pub(super) first_wait: Duration,
}

/// At which slot accounts are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SlotRequirement {
    /// Whenever.
    Any,
    /// At this slot or later; an earlier one rather than none.
    Preferably(Slot),
    /// At this slot or later.
    NotBefore(Slot),
}

/// An account of an answer.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) pubkey: Pubkey,
    pub(super) owner: Pubkey,
    /// The bytes, or why they cannot be unpacked.
    pub(super) data: Result<Vec<u8>, String>,
}

/// Accounts, and the slots that they were read at.
#[derive(Debug)]
pub(super) struct Found {
    /// None where the endpoint does not say, or where nothing was asked for.
    pub(super) slots: Option<SlotRange>,
    pub(super) accounts: Vec<Raw>,
}

enum Asked<'a> {
    Program {
        filters: &'a [RpcFilterType],
        slice: Option<UiDataSliceConfig>,
    },
    Multiple(&'a [Pubkey]),
}

impl Accounts<'_> {
    /// The program's accounts that pass these filters.
    pub(super) async fn of_program(
        &self,
        filters: &[RpcFilterType],
        slice: Option<UiDataSliceConfig>,
        when: SlotRequirement,
    ) -> Result<Found, Failure> {
        self.at(&Asked::Program { filters, slice }, when).await
    }

    /// The accounts at these addresses, where there are any; in as many requests as the endpoint wants.
    pub(super) async fn at_addresses(
        &self,
        mut pubkeys: &[Pubkey],
        when: SlotRequirement,
    ) -> Result<Found, Failure> {
        let mut all = Found {
            slots: None,
            accounts: Vec::new(),
        };
        while !pubkeys.is_empty() {
            let (some, later) = pubkeys.split_at(self.dialect.at_once().min(pubkeys.len()));
            match self.at(&Asked::Multiple(some), when).await {
                Ok(found) => {
                    all.slots = joined(all.slots, found.slots);
                    all.accounts.extend(found.accounts);
                    pubkeys = later;
                }
                Err(failure) if failure.is_too_many() && some.len() > 1 => {
                    self.dialect.refuses_at_once(some.len(), &failure)
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(all)
    }

    /// Asks until the endpoint has reached the slot. When it does not within a second, an earlier one may do.
    async fn at(&self, asked: &Asked<'_>, when: SlotRequirement) -> Result<Found, Failure> {
        let (wanted, last_resort) = match when {
            SlotRequirement::Any => return self.worded(self.client, asked, None).await,
            SlotRequirement::Preferably(slot) => (slot, true),
            SlotRequirement::NotBefore(slot) => (slot, false),
        };
        let mut retries = Retries::new(self.first_wait, self.first_wait * 4);
        let mut client = self.client;
        let mut behind = Failure::Behind;
        for tried in 1..=TRIES_TO_CATCH_UP {
            match self.worded(client, asked, Some(wanted)).await {
                Ok(found) if found.slots.is_none_or(|slots| slots.lowest >= wanted) => return Ok(found),
                Ok(_) => {}
                Err(failure) if failure.is_behind() => behind = failure,
                Err(failure) => return Err(failure),
            }
            client = self.fresh;
            if tried < TRIES_TO_CATCH_UP {
                tokio::time::sleep(retries.next()).await;
            }
        }
        if last_resort {
            self.worded(self.fresh, asked, None).await
        } else {
            Err(behind)
        }
    }

    /// Asks in the words that the endpoint is known to take; when it refuses those, in plainer ones.
    async fn worded(
        &self,
        client: &RpcClient,
        asked: &Asked<'_>,
        at_least: Option<Slot>,
    ) -> Result<Found, Failure> {
        let words = self.dialect.words();
        let refusal = match self.send(client, asked, at_least, words).await {
            Err(failure) if failure.is_about_parameters() && !failure.is_too_many() => failure,
            done => return done,
        };
        for plainer in words
            .plainer(&refusal)
            .into_iter()
            .filter(|plainer| at_least.is_some() || plainer.min_slot == words.min_slot)
        {
            match self.send(client, asked, at_least, plainer).await {
                Ok(found) => {
                    self.dialect.takes(plainer);
                    return Ok(found);
                }
                Err(failure) if failure.is_about_parameters() && !failure.is_too_many() => {}
                Err(failure) => {
                    // The refusal is about something else than before: the endpoint takes these words.
                    if failure.is_too_many() {
                        self.dialect.takes(plainer);
                    }
                    return Err(failure);
                }
            }
        }
        Err(refusal)
    }

    async fn send(
        &self,
        client: &RpcClient,
        asked: &Asked<'_>,
        at_least: Option<Slot>,
        words: Features,
    ) -> Result<Found, Failure> {
        let at_least = at_least.filter(|_| words.min_slot);
        match asked {
            Asked::Program { filters, slice } => {
                let config = RpcProgramAccountsConfig {
                    filters: Some(filters.to_vec()),
                    account_config: self.config(*slice, at_least, words),
                    with_context: Some(true),
                    sort_results: None,
                };
                self.program_accounts(client, config, at_least).await
            }
            Asked::Multiple(pubkeys) => {
                self.multiple_accounts(client, pubkeys, self.config(None, at_least, words))
                    .await
            }
        }
    }

    async fn program_accounts(
        &self,
        client: &RpcClient,
        config: RpcProgramAccountsConfig,
        at_least: Option<Slot>,
    ) -> Result<Found, Failure> {
        let params = json!([self.program.to_string(), config]);
        let answer: OptionalContext<Vec<RpcKeyedAccount>> = client
            .send(RpcRequest::GetProgramAccounts, params)
            .await
            .map_err(|error| failure_of(&error))?;
        let (slot, list) = match answer {
            OptionalContext::Context(answer) => (Some(Slot(answer.context.slot)), answer.value),
            OptionalContext::NoContext(list) => {
                self.dialect.has_no_context();
                // A node that was asked for a slot, and answers, has reached it.
                (at_least, list)
            }
        };
        let mut room = self.limit;
        let accounts = list
            .into_iter()
            .map(|keyed| raw(&keyed.pubkey, &keyed.account, &mut room))
            .collect::<Result<_, _>>()?;
        Ok(Found {
            slots: slot.map(SlotRange::at),
            accounts,
        })
    }

    async fn multiple_accounts(
        &self,
        client: &RpcClient,
        pubkeys: &[Pubkey],
        config: RpcAccountInfoConfig,
    ) -> Result<Found, Failure> {
        let addresses: Vec<Address> = pubkeys.iter().map(|pubkey| Address::from(pubkey.0)).collect();
        let answer = client
            .get_multiple_ui_accounts_with_config(&addresses, config)
            .await
            .map_err(|error| failure_of(&error))?;
        if answer.value.len() != pubkeys.len() {
            let reason = format!(
                "the ledger answered with {} accounts to a request for {}",
                answer.value.len(),
                pubkeys.len()
            );
            return Err(Failure::Wrong(reason));
        }
        let mut room = self.limit;
        let found = pubkeys
            .iter()
            .zip(&answer.value)
            .filter_map(|(pubkey, account)| Some((pubkey.to_string(), account.as_ref()?)));
        let accounts = found
            .map(|(pubkey, account)| raw(&pubkey, account, &mut room))
            .collect::<Result<_, _>>()?;
        Ok(Found {
            slots: Some(SlotRange::at(Slot(answer.context.slot))),
            accounts,
        })
    }

    fn config(
        &self,
        data_slice: Option<UiDataSliceConfig>,
        at_least: Option<Slot>,
        words: Features,
    ) -> RpcAccountInfoConfig {
        RpcAccountInfoConfig {
            encoding: Some(if words.zstd {
                UiAccountEncoding::Base64Zstd
            } else {
                UiAccountEncoding::Base64
            }),
            data_slice,
            commitment: Some(self.commitment),
            min_context_slot: at_least.map(|slot| slot.0),
        }
    }
}

/// Both ranges together.
pub(super) fn joined(one: Option<SlotRange>, other: Option<SlotRange>) -> Option<SlotRange> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.and(other.lowest).and(other.newest)),
        (one, other) => one.or(other),
    }
}

/// The bytes of an account in an answer, unpacked with bounds.
///
/// # Errors
/// Why they cannot be.
pub(crate) fn unpack(data: &UiAccountData, limit: usize) -> Result<Vec<u8>, String> {
    let UiAccountData::Binary(text, encoding) = data else {
        return Err("its data is not in the requested encoding".into());
    };
    let bytes = BASE64_STANDARD
        .decode(text)
        .map_err(|error| format!("its data is not base64: {error}"))?;
    match encoding {
        UiAccountEncoding::Base64 => Ok(bytes),
        UiAccountEncoding::Base64Zstd => {
            let unpacked = unpack_zstd(&bytes, limit as u64 + 1)
                .map_err(|error| format!("its data is not zstd: {error}"))?;
            if unpacked.len() > limit {
                Err("its data is larger than any account".into())
            } else {
                Ok(unpacked)
            }
        }
        UiAccountEncoding::Binary | UiAccountEncoding::Base58 | UiAccountEncoding::JsonParsed => {
            Err("its data is not in the requested encoding".into())
        }
    }
}

/// The first `most` bytes of what is packed; memory is bounded by that and by the largest window.
fn unpack_zstd(packed: &[u8], most: u64) -> std::io::Result<Vec<u8>> {
    let mut decoder = zstd::stream::read::Decoder::new(packed)?;
    decoder.window_log_max(LARGEST_WINDOW_LOG)?;
    let mut unpacked = Vec::new();
    decoder.take(most).read_to_end(&mut unpacked)?;
    Ok(unpacked)
}

fn raw(pubkey: &str, account: &UiAccount, room: &mut usize) -> Result<Raw, Failure> {
    let parse = |text: &str| {
        text.parse::<Pubkey>()
            .map_err(|error| Failure::Garbled(error.to_string()))
    };
    let data = unpack(&account.data, LARGEST_ACCOUNT);
    let size = data.as_ref().map_or(0, Vec::len);
    *room = room
        .checked_sub(size)
        .ok_or_else(|| Failure::Wrong("the ledger's answer decompresses to more than the limit".into()))?;
    Ok(Raw {
        pubkey: parse(pubkey)?,
        owner: parse(&account.owner)?,
        data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A zstd frame (RFC 8878, 3.1.1) with a window of two to the power of `window_log` and one raw block of one byte.
    fn frame(window_log: u8) -> UiAccountData {
        let bytes = [
            0x28,
            0xb5,
            0x2f,
            0xfd,
            0,
            (window_log - 10) << 3,
            0b1001,
            0,
            0,
            b'x',
        ];
        UiAccountData::Binary(BASE64_STANDARD.encode(bytes), UiAccountEncoding::Base64Zstd)
    }

    #[test]
    fn a_packed_account_whose_header_asks_for_a_huge_window_is_refused() {
        assert_eq!(unpack(&frame(23), 1), Ok(b"x".to_vec()));
        for window_log in [24, 27, 41] {
            let reason = unpack(&frame(window_log), 1).unwrap_err();
            assert!(reason.contains("memory"), "2^{window_log}: {reason}");
        }
    }
}

//! One read: the requests that make one view, all to one endpoint.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    net::Ipv4Addr,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;
use solana_account_decoder_client_types::{UiAccount, UiAccountData, UiAccountEncoding, UiDataSliceConfig};
use solana_client::{
    nonblocking::rpc_client::RpcClient,
    rpc_config::{RpcAccountInfoConfig, RpcProgramAccountsConfig},
    rpc_filter::{Memcmp, RpcFilterType},
    rpc_request::RpcRequest,
    rpc_response::{OptionalContext, RpcKeyedAccount},
};
use solana_commitment_config::CommitmentConfig;
use solana_pubkey::Pubkey as Address;
use warren_state::{
    Pubkey, ServiceKind, Slot, View,
    view::{Quarantine, User, UserStatus},
};

use super::{assemble::Assembly, failure::Failure, prefixes, sender::failure_of};
use crate::{
    Query,
    accounts::{Account, AccountType, Device, USER_CLIENT_IP_OFFSET, USER_DEVICE_OFFSET, decode},
    pda::Pda,
};

/// Accounts that one `getMultipleAccounts` may name.
const AT_ONCE: usize = 100;
/// The largest account that a ledger of this kind holds.
const LARGEST_ACCOUNT: usize = 10 * 1024 * 1024;
/// The largest window, as a power of two, that a packed account may ask for: 8 MiB. Nodes pack at zstd's default level,
/// whose windows have 2 MiB at most.
const LARGEST_WINDOW_LOG: u32 = 23;

/// What one read needs to know.
pub(super) struct Reading<'a> {
    pub(super) client: &'a RpcClient,
    pub(super) program: Pubkey,
    pub(super) commitment: CommitmentConfig,
    /// The most bytes that all accounts of one request may hold together.
    pub(super) limit: usize,
    /// Exchanges that the devices named last time: asked for together with the devices.
    pub(super) exchanges_hint: BTreeSet<Pubkey>,
}

/// A view, and what the watcher wants to know of the read.
#[derive(Debug)]
pub(super) struct ReadOut {
    pub(super) view: View,
    /// What the accounts said that a tunnel could be affected by.
    pub(super) digests: BTreeMap<Pubkey, u64>,
}

/// An account of an answer.
pub(super) struct Raw {
    pub(super) pubkey: Pubkey,
    pub(super) owner: Pubkey,
    /// The bytes, or why they cannot be unpacked.
    pub(super) data: Result<Vec<u8>, String>,
}

impl Reading<'_> {
    /// Reads the users that the query asks for, then exactly the accounts that they name.
    pub(super) async fn view(&self, query: &Query) -> Result<ReadOut, Failure> {
        let (slot, raw_users) = self.program_accounts(user_filters(query), None, None).await?;
        let mut assembly = Assembly::new(self.program, *query, slot);
        for raw in raw_users {
            assembly.add_user(raw)?;
        }
        let config = Pda::new(self.program).config().address;
        let mut wanted = assembly.named();
        if let Query::Gateway(device) = query {
            wanted.insert(*device);
        }
        wanted.insert(config);
        wanted.extend(&self.exchanges_hint);
        self.fetch(&mut assembly, wanted, slot).await?;
        let late = assembly.exchanges_not_asked_for();
        self.fetch(&mut assembly, late, slot).await?;
        if assembly.view.users.values().any(asks_for_prefixes) {
            self.all_prefixes(&mut assembly, slot).await?;
        }
        assembly.finish(&config)
    }

    async fn fetch(&self, assembly: &mut Assembly, wanted: BTreeSet<Pubkey>, at_least: Slot) -> Result<(), Failure> {
        let wanted: Vec<Pubkey> = wanted.into_iter().filter(|pubkey| !pubkey.is_zero()).collect();
        assembly.asked_for(&wanted);
        for some in wanted.chunks(AT_ONCE) {
            let (slot, raw) = self.multiple_accounts(some, at_least).await?;
            assembly.saw_slot(slot);
            raw.into_iter().for_each(|raw| assembly.add_named(raw));
        }
        Ok(())
    }

    /// The prefixes of all devices. A slice of each account is enough, but for one with very many prefixes.
    async fn all_prefixes(&self, assembly: &mut Assembly, at_least: Slot) -> Result<(), Failure> {
        let filters = vec![type_filter(AccountType::DEVICE)];
        let slice = UiDataSliceConfig { offset: prefixes::SLICE_AT, length: prefixes::SLICE_LEN };
        let (slot, raw) = self.program_accounts(filters, Some(slice), Some(at_least)).await?;
        assembly.saw_slot(slot);
        let mut nets = BTreeSet::new();
        let mut cut = BTreeSet::new();
        for raw in raw {
            match raw.data.map(|data| prefixes::from_slice(&data)) {
                Ok(Ok(found)) => nets.extend(found),
                Ok(Err(prefixes::Unreadable::Cut)) => {
                    cut.insert(raw.pubkey);
                }
                Ok(Err(prefixes::Unreadable::Broken)) => assembly.quarantine(raw.pubkey, "its list of prefixes does not decode".into()),
                Err(reason) => assembly.quarantine(raw.pubkey, reason),
            }
        }
        let cut: Vec<Pubkey> = cut.into_iter().collect();
        for some in cut.chunks(AT_ONCE) {
            let (slot, raw) = self.multiple_accounts(some, at_least).await?;
            assembly.saw_slot(slot);
            raw.into_iter().for_each(|raw| nets.extend(assembly.prefixes_of(raw)));
        }
        assembly.view.device_prefixes = Some(nets);
        Ok(())
    }

    /// Every device that decodes and is our program's.
    pub(super) async fn devices(&self) -> Result<BTreeMap<Pubkey, Device>, Failure> {
        let (_, raw) = self.program_accounts(vec![type_filter(AccountType::DEVICE)], None, None).await?;
        let ours = raw.into_iter().filter(|raw| raw.owner == self.program);
        let decoded = ours.filter_map(|raw| Some((raw.pubkey, decode(&raw.data.ok()?).ok()?)));
        // The ledger's filters are not trusted: a proxy may ignore them.
        let device = |(pubkey, account)| if let Account::Device(device) = account { Some((pubkey, device)) } else { None };
        Ok(decoded.filter_map(device).collect())
    }

    pub(super) async fn program_accounts(
        &self,
        filters: Vec<RpcFilterType>,
        slice: Option<UiDataSliceConfig>,
        at_least: Option<Slot>,
    ) -> Result<(Slot, Vec<Raw>), Failure> {
        let config = RpcProgramAccountsConfig {
            filters: Some(filters),
            account_config: self.account_config(slice, at_least),
            with_context: Some(true),
            sort_results: None,
        };
        let params = json!([self.program.to_string(), config]);
        let answer: OptionalContext<Vec<RpcKeyedAccount>> =
            self.client.send(RpcRequest::GetProgramAccounts, params).await.map_err(|error| failure_of(&error))?;
        let OptionalContext::Context(answer) = answer else {
            return Err(Failure::Wrong("the ledger does not say at which slot it read".into()));
        };
        let mut room = self.limit;
        let raw = answer.value.into_iter().map(|keyed| raw(&keyed.pubkey, &keyed.account, &mut room)).collect::<Result<_, _>>()?;
        Ok((Slot(answer.context.slot), raw))
    }

    pub(super) async fn multiple_accounts(&self, pubkeys: &[Pubkey], at_least: Slot) -> Result<(Slot, Vec<Raw>), Failure> {
        let addresses: Vec<Address> = pubkeys.iter().map(|pubkey| Address::from(pubkey.0)).collect();
        let config = self.account_config(None, Some(at_least));
        let answer = self.client.get_multiple_ui_accounts_with_config(&addresses, config).await.map_err(|error| failure_of(&error))?;
        if answer.value.len() != pubkeys.len() {
            let reason = format!("the ledger answered with {} accounts where {} were asked for", answer.value.len(), pubkeys.len());
            return Err(Failure::Wrong(reason));
        }
        let mut room = self.limit;
        let found = pubkeys.iter().zip(&answer.value).filter_map(|(pubkey, account)| Some((pubkey.to_string(), account.as_ref()?)));
        let raw = found.map(|(pubkey, account)| raw(&pubkey, account, &mut room)).collect::<Result<_, _>>()?;
        Ok((Slot(answer.context.slot), raw))
    }

    fn account_config(&self, data_slice: Option<UiDataSliceConfig>, at_least: Option<Slot>) -> RpcAccountInfoConfig {
        RpcAccountInfoConfig {
            encoding: Some(UiAccountEncoding::Base64Zstd),
            data_slice,
            commitment: Some(self.commitment),
            min_context_slot: at_least.map(|slot| slot.0),
        }
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

/// The bytes of an account in an answer, unpacked with bounds.
///
/// # Errors
/// Why they cannot be.
pub(crate) fn unpack(data: &UiAccountData, limit: usize) -> Result<Vec<u8>, String> {
    let UiAccountData::Binary(text, encoding) = data else {
        return Err("its data is not in the encoding that was asked for".into());
    };
    let bytes = BASE64_STANDARD.decode(text).map_err(|error| format!("its data is not base64: {error}"))?;
    match encoding {
        UiAccountEncoding::Base64 => Ok(bytes),
        UiAccountEncoding::Base64Zstd => {
            let unpacked = unpack_zstd(&bytes, limit as u64 + 1).map_err(|error| format!("its data is not zstd: {error}"))?;
            if unpacked.len() > limit { Err("its data is larger than any account".into()) } else { Ok(unpacked) }
        }
        UiAccountEncoding::Binary | UiAccountEncoding::Base58 | UiAccountEncoding::JsonParsed => {
            Err("its data is not in the encoding that was asked for".into())
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
    let parse = |text: &str| text.parse::<Pubkey>().map_err(|error| Failure::Garbled(error.to_string()));
    let data = unpack(&account.data, LARGEST_ACCOUNT);
    let size = data.as_ref().map_or(0, Vec::len);
    *room = room.checked_sub(size).ok_or_else(|| Failure::Wrong("the ledger's answer unpacks to more than is read".into()))?;
    Ok(Raw { pubkey: parse(pubkey)?, owner: parse(&account.owner)?, data })
}

pub(super) fn type_filter(account_type: AccountType) -> RpcFilterType {
    RpcFilterType::Memcmp(Memcmp::new_base58_encoded(0, &[account_type.0]))
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

    /// A zstd frame (RFC 8878, 3.1.1) with a window of two to the power of `window_log` and one raw block of one byte.
    fn frame(window_log: u8) -> UiAccountData {
        let bytes = [0x28, 0xb5, 0x2f, 0xfd, 0, (window_log - 10) << 3, 0b1001, 0, 0, b'x'];
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

//! One-off questions to the ledger, and sending to it: what the command line needs. Each request goes to one endpoint; the
//! next one goes to the next endpoint when it fails.

mod answers;
mod endpoint_status;

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use solana_client::{rpc_filter::Memcmp, rpc_filter::RpcFilterType, rpc_request::RpcRequest};
use tokio::time::{Instant, timeout_at};
use warren_state::{Pubkey, Slot};

use super::{
    Commitment, RpcSettings, SetupError, Upstream, Upstreams,
    accounts::{Raw, SlotRequirement},
    counters::LedgerCounters,
    failure::{Failure, Retry},
    read::type_filter,
    sender::failure_of,
};
use crate::{
    accounts::{AccessPass, Account, AccountType, USER_CLIENT_IP_OFFSET, decode},
    backoff::Retries,
    pda::Pda,
    send::{Lamports, Reply, Request, RetryAdvice, RpcFailure, Signed, TransactionRpc},
};

use answers::{balance, blockhash, epoch, status};
pub use endpoint_status::EndpointStatus;

/// Why a question has no answer. Texts are free of secrets.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LookupError {
    /// The ledger could not be reached, or answered with an error.
    #[error("{0}")]
    Unavailable(String),
    /// The caller's deadline passed before an answer came.
    #[error("the ledger did not answer in time")]
    Deadline,
    /// The account is another program's, so it is not what it should be.
    #[error("account {0} belongs to another program")]
    NotOurs(Pubkey),
    /// The account does not read.
    #[error("account {pubkey} cannot be read: {reason}")]
    Undecodable {
        /// Its address.
        pubkey: Pubkey,
        /// The reason, in words for people.
        reason: String,
    },
}

/// Accounts of one kind. Those that do not decode are set aside, each with its reason.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AccountListing {
    /// When they were read.
    pub slot: Slot,
    /// The accounts that decode.
    pub accounts: BTreeMap<Pubkey, Account>,
    /// Those that do not.
    pub unreadable: BTreeMap<Pubkey, String>,
}

/// Where the ledger's clock is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochInfo {
    /// The epoch that access passes are compared with.
    pub epoch: u64,
    /// The ledger's current slot.
    pub absolute_slot: u64,
    /// Blocks so far: slots without a block do not count.
    pub block_height: u64,
}

/// A client for questions and transactions. Every question tries up to the settings' attempts, within its deadline.
pub struct LedgerClient {
    settings: RpcSettings,
    upstreams: Upstreams,
    floor: std::sync::atomic::AtomicU64,
    counters: Arc<LedgerCounters>,
}

impl LedgerClient {
    /// Sets up the clients; connects to nothing yet.
    ///
    /// # Errors
    /// When there is no endpoint, or TLS cannot be set up.
    pub fn new(settings: RpcSettings) -> Result<Self, SetupError> {
        let counters = Arc::new(LedgerCounters::default());
        let upstreams = Upstreams::new(&settings, &counters)?;
        Ok(Self {
            settings,
            upstreams,
            floor: Default::default(),
            counters,
        })
    }

    /// From now on accounts are read at this slot or later: what a transaction of ours has changed is not missed where one node of
    /// several is behind.
    pub fn not_before(&self, slot: Slot) {
        self.floor.fetch_max(slot.0, std::sync::atomic::Ordering::Relaxed);
    }

    fn floor(&self) -> SlotRequirement {
        match self.floor.load(std::sync::atomic::Ordering::Relaxed) {
            0 => SlotRequirement::Any,
            slot => SlotRequirement::NotBefore(Slot(slot)),
        }
    }

    /// The address of the program that is called.
    #[must_use]
    pub fn program_id(&self) -> Pubkey {
        self.settings.program_id
    }

    /// An account's balance; zero for one that does not exist.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn balance(&self, pubkey: &Pubkey, deadline: Instant) -> Result<Lamports, LookupError> {
        let params = json!([pubkey.to_string(), {"commitment": self.commitment()}]);
        let answer = self.ask(RpcRequest::GetBalance, &params, deadline).await?;
        balance(&answer).map_err(unavailable)
    }

    /// The current epoch, slot and height.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn epoch(&self, deadline: Instant) -> Result<EpochInfo, LookupError> {
        let answer = self
            .ask(
                RpcRequest::GetEpochInfo,
                &json!([{"commitment": self.commitment()}]),
                deadline,
            )
            .await?;
        epoch(answer).map_err(unavailable)
    }

    /// The accounts at these addresses; `None` where there is none.
    ///
    /// # Errors
    /// When the ledger does not answer, or an account is another program's or does not decode.
    pub async fn accounts(
        &self,
        pubkeys: &[Pubkey],
        deadline: Instant,
    ) -> Result<Vec<Option<Account>>, LookupError> {
        let mut found = BTreeMap::new();
        let read = async |upstream: &Upstream| {
            upstream
                .accounts(&self.settings)
                .at_addresses(pubkeys, self.floor())
                .await
        };
        for raw in self.try_each(deadline, read).await?.accounts {
            found.insert(raw.pubkey, self.ours(raw)?);
        }
        Ok(pubkeys.iter().map(|pubkey| found.get(pubkey).cloned()).collect())
    }

    /// The account at this address.
    ///
    /// # Errors
    /// As [`Self::accounts`].
    pub async fn account(&self, pubkey: &Pubkey, deadline: Instant) -> Result<Option<Account>, LookupError> {
        Ok(self
            .accounts(&[*pubkey], deadline)
            .await?
            .into_iter()
            .next()
            .flatten())
    }

    /// The access pass of this payer for this host: the one for exactly this address, else the one for any.
    ///
    /// # Errors
    /// As [`Self::accounts`].
    pub async fn access_pass(
        &self,
        client_ip: Ipv4Addr,
        payer: &Pubkey,
        deadline: Instant,
    ) -> Result<Option<(Pubkey, AccessPass)>, LookupError> {
        Ok(self.access_passes(client_ip, payer, deadline).await?.pop())
    }

    /// The access passes of this payer that may let this host in: the one for any address, then the one for exactly this one.
    ///
    /// # Errors
    /// As [`Self::accounts`].
    pub async fn access_passes(
        &self,
        client_ip: Ipv4Addr,
        payer: &Pubkey,
        deadline: Instant,
    ) -> Result<Vec<(Pubkey, AccessPass)>, LookupError> {
        let pda = Pda::new(self.settings.program_id);
        let mut addresses = [Ipv4Addr::UNSPECIFIED, client_ip]
            .map(|ip| pda.access_pass(ip, payer).address)
            .to_vec();
        addresses.dedup();
        let found = self.accounts(&addresses, deadline).await?;
        let of_kind = |(pubkey, account): (Pubkey, Option<Account>)| {
            let Account::AccessPass(pass) = account? else {
                return Some(Err(LookupError::Undecodable {
                    pubkey,
                    reason: "it is not an access pass".into(),
                }));
            };
            Some(Ok((pubkey, pass)))
        };
        addresses.into_iter().zip(found).filter_map(of_kind).collect()
    }

    /// All accounts of a kind: devices, groups, tenants, feeds and so on.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn list(&self, kind: AccountType, deadline: Instant) -> Result<AccountListing, LookupError> {
        self.list_filtered(kind, None, deadline).await
    }

    /// All users of a host, of the old kind too.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn users_at(
        &self,
        client_ip: Ipv4Addr,
        deadline: Instant,
    ) -> Result<AccountListing, LookupError> {
        self.list_filtered(
            AccountType::USER,
            Some((USER_CLIENT_IP_OFFSET, &client_ip.octets())),
            deadline,
        )
        .await
    }

    async fn list_filtered(
        &self,
        kind: AccountType,
        more: Option<(usize, &[u8])>,
        deadline: Instant,
    ) -> Result<AccountListing, LookupError> {
        let mut filters = vec![type_filter(kind)];
        filters.extend(
            more.map(|(offset, bytes)| RpcFilterType::Memcmp(Memcmp::new_base58_encoded(offset, bytes))),
        );
        let read = async |upstream: &Upstream| {
            upstream
                .accounts(&self.settings)
                .of_program(&filters, None, self.floor())
                .await
        };
        let found = self.try_each(deadline, read).await?;
        let slot = found.slots.map(|slots| slots.lowest).unwrap_or_default();
        let mut listed = AccountListing {
            slot,
            ..AccountListing::default()
        };
        for raw in found.accounts {
            let pubkey = raw.pubkey;
            match self.ours(raw) {
                // The ledger's filters are not trusted: a proxy may ignore them.
                Ok(account) if account.account_type() == kind && matches(&account, more) => {
                    listed.accounts.insert(pubkey, account);
                }
                Ok(_) => {}
                Err(error) => {
                    listed.unreadable.insert(pubkey, error.to_string());
                }
            }
        }
        Ok(listed)
    }

    fn ours(&self, raw: Raw) -> Result<Account, LookupError> {
        let pubkey = raw.pubkey;
        if raw.owner != self.settings.program_id {
            return Err(LookupError::NotOurs(pubkey));
        }
        let undecodable = |reason| LookupError::Undecodable { pubkey, reason };
        decode(&raw.data.map_err(undecodable)?).map_err(|error| undecodable(error.to_string()))
    }

    fn commitment(&self) -> Commitment {
        self.settings.commitment
    }

    async fn ask(
        &self,
        request: RpcRequest,
        params: &Value,
        deadline: Instant,
    ) -> Result<Value, LookupError> {
        self.try_each(deadline, async |upstream: &Upstream| {
            raw_request(upstream, request, params.clone()).await
        })
        .await
    }

    /// Tries until it succeeds, every endpoint has refused, or the attempts or the time are used up.
    async fn try_each<T>(
        &self,
        deadline: Instant,
        read: impl AsyncFn(&Upstream) -> Result<T, Failure>,
    ) -> Result<T, LookupError> {
        let mut retries = Retries::new(self.settings.first_backoff, self.settings.first_backoff * 10);
        let (mut attempt, mut refusals) = (1, 0);
        loop {
            let upstream = self.upstreams.allowed(deadline).await.map_err(unavailable)?;
            let failure = match timeout_at(deadline, read(upstream)).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(failure)) => failure,
                Err(_) => {
                    self.upstreams.leave(upstream, "it did not answer in time");
                    return Err(LookupError::Deadline);
                }
            };
            tracing::debug!(endpoint = %upstream.endpoint.shown(), attempt, error = %failure, "asking the ledger failed");
            self.upstreams.failed(upstream, &failure);
            let soonest = self.upstreams.soonest(Instant::now()).1;
            let wait = match failure.retry() {
                Retry::No => {
                    refusals += 1;
                    soonest
                }
                Retry::After(_) => retries.next().max(soonest),
            };
            if refusals >= self.upstreams.count()
                || attempt >= self.settings.attempts
                || Instant::now() + wait >= deadline
            {
                return Err(unavailable(failure));
            }
            attempt += 1;
            tokio::time::sleep(wait).await;
        }
    }

    async fn transact(&self, upstream: &Upstream, request: &Request) -> Result<Reply, Failure> {
        match request {
            Request::Balance(pubkey) => {
                let params = json!([pubkey.to_string(), {"commitment": self.commitment()}]);
                Ok(Reply::Balance(balance(
                    &raw_request(upstream, RpcRequest::GetBalance, params).await?,
                )?))
            }
            Request::Blockhash => {
                let params = json!([{"commitment": self.commitment()}]);
                blockhash(&raw_request(upstream, RpcRequest::GetLatestBlockhash, params).await?)
            }
            Request::Broadcast(Signed { signature, bytes }) => {
                let config = json!({"skipPreflight": true, "preflightCommitment": self.commitment(), "encoding": "base64"});
                let params = json!([BASE64_STANDARD.encode(bytes), config]);
                let answer = raw_request(upstream, RpcRequest::SendTransaction, params).await?;
                if answer.as_str() == Some(&signature.to_string()) {
                    Ok(Reply::Broadcast)
                } else {
                    Err(Failure::Garbled(
                        "it names a transaction other than the one that was sent".into(),
                    ))
                }
            }
            Request::Status { signature, history } => {
                let params = json!([[signature.to_string()], {"searchTransactionHistory": history}]);
                status(
                    &raw_request(upstream, RpcRequest::GetSignatureStatuses, params).await?,
                    self.commitment(),
                )
            }
            Request::Height => {
                let params = json!([{"commitment": Commitment::Finalized}]);
                let EpochInfo {
                    absolute_slot,
                    block_height,
                    ..
                } = epoch(raw_request(upstream, RpcRequest::GetEpochInfo, params).await?)?;
                Ok(Reply::Height {
                    block_height,
                    slot: Slot(absolute_slot),
                })
            }
        }
    }
}

#[async_trait]
impl TransactionRpc for LedgerClient {
    async fn call(&self, request: &Request) -> Result<Reply, RpcFailure> {
        // The sender waits by itself, and does other things meanwhile.
        let upstream = self.upstreams.allowed(Instant::now()).await;
        let done = match &upstream {
            Ok(upstream) => self.transact(upstream, request).await,
            Err(failure) => Err(failure.clone()),
        };
        done.map_err(|failure| {
            if let Ok(upstream) = upstream {
                self.upstreams.failed(upstream, &failure);
            }
            let soonest = Some(self.upstreams.soonest(Instant::now()).1).filter(|wait| !wait.is_zero());
            let retry = match failure.retry() {
                Retry::No => RetryAdvice::No,
                Retry::After(_) => RetryAdvice::After(soonest),
            };
            RpcFailure {
                message: failure.to_string(),
                retry,
                refused: is_refusal(&failure),
            }
        })
    }
}

/// Whether the answer proves that the request had no effect.
fn is_refusal(failure: &Failure) -> bool {
    match failure {
        // Some nodes answer with the same code when they do not know what became of it.
        Failure::Rpc {
            code: -32002,
            message,
        } => message.starts_with("Transaction simulation failed"),
        Failure::Rpc { code, .. } => matches!(code, -32003 | -32005 | -32600 | -32601 | -32602),
        Failure::Http { status, .. } => matches!(status, 400 | 401 | 403 | 404 | 405 | 413 | 429),
        Failure::AskedToWait(_) | Failure::Redirect { .. } => true,
        Failure::Behind
        | Failure::Connection(_)
        | Failure::Certificate(_)
        | Failure::Timeout(_)
        | Failure::Garbled(_)
        | Failure::TooLarge { .. }
        | Failure::Wrong(_)
        | Failure::OtherProgram(_) => false,
    }
}

async fn raw_request(upstream: &Upstream, request: RpcRequest, params: Value) -> Result<Value, Failure> {
    upstream
        .client
        .send(request, params)
        .await
        .map_err(|error| failure_of(&error))
}

fn unavailable(failure: Failure) -> LookupError {
    LookupError::Unavailable(failure.to_string())
}

fn matches(account: &Account, filter: Option<(usize, &[u8])>) -> bool {
    let bytes = crate::accounts::encode(account);
    filter.is_none_or(|(offset, wanted)| bytes.get(offset..offset + wanted.len()) == Some(wanted))
}

#[cfg(test)]
mod tests;

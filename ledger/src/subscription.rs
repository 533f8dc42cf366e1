//! Publish-subscribe, as a wake-up only: a notice says that a read is worth while; what it carries is never acted on.
//!
//! Every step has a deadline, and a heartbeat notices a black hole ([`wire`]).
//!
//! `programSubscribe` tells of new and changed users, not of closed ones: those no longer match the filter. So the accounts
//! that a client host's tunnels rest on, its users included, have a subscription each; where they are too many the timer
//! finds what is left.

mod wire;

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use serde::Deserialize;
use serde_json::{Value, json};
use solana_account_decoder_client_types::{UiAccount, UiAccountEncoding};
use solana_client::rpc_config::{RpcAccountInfoConfig, RpcProgramAccountsConfig};
use solana_commitment_config::CommitmentConfig;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use warren_state::{Pubkey, View};

use crate::{
    Query,
    backoff::Retries,
    connector::Connector,
    pda::Pda,
    project::relevant_digest,
    rpc::{Endpoint, Seen, counters::LedgerCounters, unpack, user_filters},
};
use wire::{Notification, Wire};

/// Subscriptions to single accounts, at most.
const MOST_NAMED: usize = 64;
/// The largest account that is looked into; a larger one always wakes.
const LARGEST_NOTICE: usize = 1024 * 1024;
/// A server that names a longer time is asked again after this.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How the ledger is watched.
pub(crate) struct Settings {
    /// At least one.
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) program: Pubkey,
    pub(crate) commitment: CommitmentConfig,
    pub(crate) timeout: Duration,
    pub(crate) heartbeat: Duration,
    pub(crate) connector: Connector,
}

/// The accounts that a view's tunnels rest on, most important first when they are too many.
pub(crate) fn worth_watching(program: Pubkey, query: &Query, view: &View) -> BTreeSet<Pubkey> {
    let mut worth: Vec<Pubkey> = vec![Pda::new(program).config().address];
    match query {
        Query::Client(_) => worth.extend(view.users.keys()),
        Query::Gateway(device) => worth.push(*device),
    }
    worth.extend(view.devices.keys().chain(view.groups.keys()));
    worth.into_iter().take(MOST_NAMED).collect()
}

/// Watches until the receiver is dropped.
pub(crate) fn start(
    settings: Settings,
    query: Query,
    seen: Arc<Seen>,
    counters: Arc<LedgerCounters>,
) -> mpsc::Receiver<()> {
    let (wake, receiver) = mpsc::channel(1);
    let watcher = Watcher {
        settings,
        query,
        seen,
        counters,
        wake,
    };
    tokio::spawn(async move { watcher.keep_watching().await });
    receiver
}

struct Watcher {
    settings: Settings,
    query: Query,
    seen: Arc<Seen>,
    counters: Arc<LedgerCounters>,
    wake: mpsc::Sender<()>,
}

/// An account that changed, and its bytes where they can be had.
type Notice = (Pubkey, Option<Vec<u8>>);

/// Why a connection ended, and how long the server wants no other.
struct Ended {
    reason: String,
    wait: Option<Duration>,
}

impl From<String> for Ended {
    fn from(reason: String) -> Self {
        Self { reason, wait: None }
    }
}

impl Watcher {
    async fn keep_watching(&self) {
        let endpoints = &self.settings.endpoints;
        let mut not_before = vec![Instant::now(); endpoints.len()];
        let mut retries = Retries::new(Duration::from_millis(250), Duration::from_secs(10));
        let mut index = 0;
        loop {
            let started = Instant::now();
            let ended = tokio::select! {
                () = self.wake.closed() => break,
                Err(ended) = self.session(&endpoints[index]) => ended,
            };
            let reason = endpoints[index].redact(&ended.reason);
            tracing::debug!(endpoint = %endpoints[index].shown(), %reason, "the subscription ended");
            self.counters.watch_failed(reason);
            if started.elapsed() >= self.settings.heartbeat {
                retries.reset();
            }
            let now = Instant::now();
            not_before[index] = now + ended.wait.unwrap_or_default().min(LONGEST_WAIT);
            // The next endpoint that may be asked now, else the one that may be asked first.
            let next = (1..=endpoints.len()).map(|step| (index + step) % endpoints.len());
            index = next
                .min_by_key(|index| not_before[*index].max(now))
                .unwrap_or_default();
            let until = (now + retries.next()).max(not_before[index]);
            tokio::select! {
                () = self.wake.closed() => break,
                () = tokio::time::sleep_until(until) => {}
            }
        }
        self.counters.subscribed.store(false, Relaxed);
    }

    /// One connection, until it ends.
    async fn session(&self, endpoint: &Endpoint) -> Result<Infallible, Ended> {
        let (url, traffic) = (endpoint.secret_url(), &self.counters.watch_traffic);
        let opening = Wire::open(&self.settings.connector, url, traffic, self.settings.heartbeat);
        let wire = self.in_time("connecting", opening).await?;
        let mut session = Subscriptions {
            watcher: self,
            wire,
            accounts: BTreeMap::new(),
            users: 0,
        };
        let program = json!([self.settings.program.to_string(), self.program_config()]);
        session.users = session.subscribe("programSubscribe", program).await?;
        let mut named = self.seen.named.subscribe();
        let first = named.borrow_and_update().clone();
        session.follow(&first).await?;
        self.counters.subscribed.store(true, Relaxed);
        self.counters.subscriptions.fetch_add(1, Relaxed);
        // What changed while nobody listened is only found by a read.
        self.wake_up();
        let mut told = BTreeMap::new();
        loop {
            tokio::select! {
                notification = session.wire.next() => if let Some(notice) = session.notice(notification?) {
                    self.notice(&mut told, notice);
                },
                Ok(()) = named.changed() => {
                    let now = named.borrow_and_update().clone();
                    if session.follow(&now).await? {
                        self.wake_up();
                    }
                }
            }
        }
    }

    /// Wakes, unless the last good read has seen this already, or the reader has been woken for it and has not read since
    /// (both kinds of subscription tell of the same change).
    fn notice(&self, told: &mut BTreeMap<Pubkey, (u64, u64)>, (pubkey, data): Notice) {
        let Some(digest) = data.map(|data| relevant_digest(&data)) else {
            return self.wake_up();
        };
        let (seen, read) = {
            let accounts = self.seen.accounts.lock().unwrap_or_else(PoisonError::into_inner);
            (accounts.digests.get(&pubkey).copied(), accounts.read)
        };
        told.retain(|_, (_, told_at)| *told_at == read);
        if seen == Some(digest) || told.insert(pubkey, (digest, read)) == Some((digest, read)) {
            self.counters.notices_ignored.fetch_add(1, Relaxed);
        } else {
            self.wake_up();
        }
    }

    /// A wake-up that is not taken yet stands for this one too.
    fn wake_up(&self) {
        if self.wake.try_send(()).is_ok() {
            self.counters.wakes.fetch_add(1, Relaxed);
        }
    }

    async fn in_time<T>(&self, what: &str, step: impl Future<Output = Result<T, Ended>>) -> Result<T, Ended> {
        match timeout(self.settings.timeout, step).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(ended)) => Err(Ended {
                reason: format!("{what}: {}", ended.reason),
                ..ended
            }),
            Err(_) => Err(format!("{what}: no answer within {:?}", self.settings.timeout).into()),
        }
    }

    fn program_config(&self) -> RpcProgramAccountsConfig {
        RpcProgramAccountsConfig {
            filters: Some(user_filters(&self.query)),
            account_config: self.account_config(),
            with_context: None,
            sort_results: None,
        }
    }

    fn account_config(&self) -> RpcAccountInfoConfig {
        RpcAccountInfoConfig {
            encoding: Some(UiAccountEncoding::Base64),
            data_slice: None,
            commitment: Some(self.settings.commitment),
            min_context_slot: None,
        }
    }
}

/// The subscriptions of one connection, by the server's numbers.
struct Subscriptions<'a> {
    watcher: &'a Watcher,
    wire: Wire,
    /// To the program's users.
    users: u64,
    /// To single accounts.
    accounts: BTreeMap<u64, Pubkey>,
}

impl Subscriptions<'_> {
    /// Subscribes to exactly these accounts; tells whether any is new.
    async fn follow(&mut self, wanted: &BTreeSet<Pubkey>) -> Result<bool, Ended> {
        let gone: Vec<u64> = self
            .accounts
            .iter()
            .filter(|(_, pubkey)| !wanted.contains(pubkey))
            .map(|(number, _)| *number)
            .collect();
        for number in gone {
            self.accounts.remove(&number);
            let unsubscribing = self.wire.ask("accountUnsubscribe", json!([number]));
            // A server that refuses tells too much, which is ignored; a connection that broke says so at the next step.
            let _refused = self.watcher.in_time("accountUnsubscribe", unsubscribing).await;
        }
        let known: BTreeSet<Pubkey> = self.accounts.values().copied().collect();
        let new: Vec<Pubkey> = wanted.difference(&known).copied().collect();
        for pubkey in &new {
            let params = json!([pubkey.to_string(), self.watcher.account_config()]);
            let number = self.subscribe("accountSubscribe", params).await?;
            self.accounts.insert(number, *pubkey);
        }
        Ok(!new.is_empty())
    }

    /// The server's number of the new subscription.
    async fn subscribe(&mut self, method: &str, params: Value) -> Result<u64, Ended> {
        let answer = self
            .watcher
            .in_time(method, self.wire.ask(method, params))
            .await?;
        answer
            .as_u64()
            .ok_or_else(|| format!("{method}: the answer is not the number of a subscription").into())
    }

    /// What changed; nothing where it belongs to a subscription that was given up.
    fn notice(&self, Notification { subscription, value }: Notification) -> Option<Notice> {
        if subscription == self.users {
            return Some(Keyed::deserialize(value).map_or_else(
                |_| (Pubkey::default(), None),
                |keyed| (keyed.pubkey.parse().unwrap_or_default(), bytes_of(&keyed.account)),
            ));
        }
        let pubkey = *self.accounts.get(&subscription)?;
        Some((
            pubkey,
            UiAccount::deserialize(value)
                .ok()
                .and_then(|account| bytes_of(&account)),
        ))
    }
}

/// What a subscription to a program tells.
#[derive(Deserialize)]
struct Keyed {
    pubkey: String,
    account: UiAccount,
}

fn bytes_of(account: &UiAccount) -> Option<Vec<u8>> {
    unpack(&account.data, LARGEST_NOTICE).ok()
}

#[cfg(test)]
mod tests;

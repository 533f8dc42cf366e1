//! Publish-subscribe, as a wake-up only: a notice says that a read is worth while; what it carries is never acted on.
//!
//! Solana's client has no reconnect (its streams end when the server goes), pings without a deadline for the answer, and
//! waits up to two minutes inside on HTTP 429. So every step here has a deadline of ours, and a heartbeat notices a black
//! hole: the ledger's slots, which come several times a second.
//!
//! `programSubscribe` tells of new and changed users, not of closed ones: those no longer match the filter. So the accounts
//! that a client host's tunnels rest on, its users included, have a subscription each; where they are too many the timer
//! finds what is left.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    fmt::Display,
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use solana_account_decoder_client_types::{UiAccount, UiAccountEncoding};
use solana_client::{
    nonblocking::pubsub_client::PubsubClient,
    rpc_config::{RpcAccountInfoConfig, RpcProgramAccountsConfig},
};
use solana_commitment_config::CommitmentConfig;
use solana_pubkey::Pubkey as Address;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};
use tokio_stream::StreamMap;
use warren_state::{Pubkey, View};

use crate::{
    Query,
    backoff::Backoff,
    pda::Pda,
    project::relevant_digest,
    rpc::{Endpoint, Seen, counters::Counters, unpack, user_filters},
};

/// Subscriptions to single accounts, at most.
const MOST_NAMED: usize = 64;
/// The largest account that is looked into; a larger one always wakes.
const LARGEST_NOTICE: usize = 1024 * 1024;

/// How the ledger is watched.
pub(crate) struct Settings {
    /// At least one.
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) program: Pubkey,
    pub(crate) commitment: CommitmentConfig,
    pub(crate) timeout: Duration,
    pub(crate) heartbeat: Duration,
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
pub(crate) fn start(settings: Settings, query: Query, seen: Arc<Seen>, counters: Arc<Counters>) -> mpsc::Receiver<()> {
    let (wake, receiver) = mpsc::channel(1);
    let watcher = Watcher { settings, query, seen, counters, wake };
    tokio::spawn(async move { watcher.keep_watching().await });
    receiver
}

struct Watcher {
    settings: Settings,
    query: Query,
    seen: Arc<Seen>,
    counters: Arc<Counters>,
    wake: mpsc::Sender<()>,
}

/// An account that changed, and its bytes where they can be had.
type Notice = (Pubkey, Option<Vec<u8>>);
type Unsubscribe = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

impl Watcher {
    async fn keep_watching(&self) {
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));
        for endpoint in self.settings.endpoints.iter().cycle() {
            let started = Instant::now();
            let ended = tokio::select! {
                () = self.wake.closed() => break,
                Err(reason) = self.session(endpoint) => reason,
            };
            let reason = endpoint.redact(&ended);
            tracing::debug!(endpoint = %endpoint.shown(), %reason, "the subscription ended");
            self.counters.watch_failed(reason);
            if started.elapsed() >= self.settings.heartbeat {
                backoff.reset();
            }
            tokio::select! {
                () = self.wake.closed() => break,
                () = tokio::time::sleep(backoff.next()) => {}
            }
        }
        self.counters.subscribed.store(false, Relaxed);
    }

    /// One connection, until it ends.
    async fn session(&self, endpoint: &Endpoint) -> Result<Infallible, String> {
        let client = self.in_time("connecting", PubsubClient::new(endpoint.secret_url().as_str())).await?;
        let program = Address::from(self.settings.program.0);
        let (users, _) = self.in_time("programSubscribe", client.program_subscribe(&program, Some(self.program_config()))).await?;
        let (mut slots, _) = self.in_time("slotSubscribe", client.slot_subscribe()).await?;
        let mut session = Session { watcher: self, client: &client, notices: StreamMap::new(), unsubscribe: BTreeMap::new() };
        session.notices.insert(None, users.map(|notice| notice_of(&notice.value.pubkey, &notice.value.account)).boxed());
        let mut named = self.seen.named.subscribe();
        let first = named.borrow_and_update().clone();
        session.follow(&first).await?;
        self.counters.subscribed.store(true, Relaxed);
        self.counters.subscriptions.fetch_add(1, Relaxed);
        // What changed while nobody listened is only found by a read.
        self.wake_up();
        let mut last_slot = Instant::now();
        let mut told = BTreeMap::new();
        loop {
            tokio::select! {
                Some((_, notice)) = session.notices.next() => self.notice(&mut told, notice),
                slot = timeout_at(last_slot + self.settings.heartbeat, slots.next()) => match slot {
                    Ok(Some(_)) => last_slot = Instant::now(),
                    Ok(None) => return Err("the server closed the connection".into()),
                    Err(_) => return Err(format!("no new slot for {:?}", self.settings.heartbeat)),
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
        let Some(digest) = data.map(|data| relevant_digest(&data)) else { return self.wake_up() };
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

    async fn in_time<T, E: Display>(&self, what: &str, step: impl Future<Output = Result<T, E>>) -> Result<T, String> {
        match timeout(self.settings.timeout, step).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(format!("{what}: {error}")),
            Err(_) => Err(format!("{what}: no answer within {:?}", self.settings.timeout)),
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

/// The streams of one connection: of the program under no key, of single accounts under theirs.
struct Session<'a> {
    watcher: &'a Watcher,
    client: &'a PubsubClient,
    notices: StreamMap<Option<Pubkey>, BoxStream<'a, Notice>>,
    unsubscribe: BTreeMap<Pubkey, Unsubscribe>,
}

impl Session<'_> {
    /// Subscribes to exactly these accounts; tells whether any is new.
    async fn follow(&mut self, wanted: &BTreeSet<Pubkey>) -> Result<bool, String> {
        let gone: Vec<Pubkey> = self.unsubscribe.keys().filter(|pubkey| !wanted.contains(pubkey)).copied().collect();
        for pubkey in gone {
            self.notices.remove(&Some(pubkey));
            if let Some(unsubscribe) = self.unsubscribe.remove(&pubkey) {
                self.watcher.in_time("accountUnsubscribe", unsubscribe().map(Ok::<(), Infallible>)).await?;
            }
        }
        let new: Vec<Pubkey> = wanted.iter().filter(|pubkey| !self.unsubscribe.contains_key(pubkey)).copied().collect();
        for pubkey in &new {
            self.subscribe(*pubkey).await?;
        }
        Ok(!new.is_empty())
    }

    async fn subscribe(&mut self, pubkey: Pubkey) -> Result<(), String> {
        let address = Address::from(pubkey.0);
        let subscribing = self.client.account_subscribe(&address, Some(self.watcher.account_config()));
        let (stream, unsubscribe) = self.watcher.in_time("accountSubscribe", subscribing).await?;
        self.notices.insert(Some(pubkey), stream.map(move |notice| (pubkey, bytes_of(&notice.value))).boxed());
        self.unsubscribe.insert(pubkey, unsubscribe);
        Ok(())
    }
}

fn notice_of(pubkey: &str, account: &UiAccount) -> Notice {
    (pubkey.parse().unwrap_or_default(), bytes_of(account))
}

fn bytes_of(account: &UiAccount) -> Option<Vec<u8>> {
    unpack(&account.data, LARGEST_NOTICE).ok()
}

#[cfg(test)]
mod tests;

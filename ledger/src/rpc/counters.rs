//! What status and metrics show of reading the ledger.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use warren_state::ReadProblem;

use crate::{LedgerHealth, connector::Traffic};

/// Counters since the start.
#[derive(Default)]
pub(crate) struct LedgerCounters {
    pub(crate) requests: AtomicU64,
    pub(crate) bytes_received: AtomicU64,
    pub(crate) reads_ok: AtomicU64,
    pub(crate) reads_failed: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) subscribed: AtomicBool,
    pub(crate) subscriptions: AtomicU64,
    pub(crate) wakes: AtomicU64,
    pub(crate) notices_ignored: AtomicU64,
    /// Of the websocket.
    pub(crate) watch_traffic: Arc<Traffic>,
    /// The server's time in the last answer, Unix time in seconds; 0 when there was none.
    pub(crate) server_seconds: AtomicU64,
    methods: Mutex<Methods>,
    last_error: Mutex<Option<(ReadProblem, String)>>,
    last_watch_error: Mutex<Option<String>>,
}

/// Which method was to blame.
#[derive(Default)]
struct Methods {
    /// The method of the request that was sent last.
    sent: String,
    retries: BTreeMap<String, u64>,
    exhausted: BTreeMap<String, u64>,
}

impl LedgerCounters {
    pub(crate) fn sent(&self, method: String) {
        self.requests.fetch_add(1, Relaxed);
        lock(&self.methods).sent = method;
    }

    /// The request that was sent last failed, and its read is made anew.
    pub(crate) fn retried(&self) {
        self.retries.fetch_add(1, Relaxed);
        let methods = &mut *lock(&self.methods);
        *methods.retries.entry(methods.sent.clone()).or_default() += 1;
    }

    /// The request that was sent last failed, and its read is given up although another try might have helped.
    pub(crate) fn exhausted(&self) {
        let methods = &mut *lock(&self.methods);
        *methods.exhausted.entry(methods.sent.clone()).or_default() += 1;
    }

    pub(crate) fn read_failed(&self, problem: ReadProblem, error: String) {
        self.reads_failed.fetch_add(1, Relaxed);
        *lock(&self.last_error) = Some((problem, error));
    }

    pub(crate) fn watch_failed(&self, error: String) {
        self.subscribed.store(false, Relaxed);
        *lock(&self.last_watch_error) = Some(error);
    }

    pub(crate) fn health(&self, endpoint: String, over_tunnel: Option<String>) -> LedgerHealth {
        let (retries_by_method, retries_exhausted_by_method) = {
            let methods = lock(&self.methods);
            (methods.retries.clone(), methods.exhausted.clone())
        };
        let last_error = lock(&self.last_error).clone();
        let last_problem = last_error.as_ref().map(|(problem, _)| *problem);
        LedgerHealth {
            endpoint,
            lacks: Vec::new(),
            subscribed: self.subscribed.load(Relaxed),
            requests: self.requests.load(Relaxed),
            bytes_received: self.bytes_received.load(Relaxed),
            reads_ok: self.reads_ok.load(Relaxed),
            reads_failed: self.reads_failed.load(Relaxed),
            retries: self.retries.load(Relaxed),
            retries_by_method,
            retries_exhausted_by_method,
            last_error: last_error.map(|(_, error)| error),
            last_problem,
            subscriptions: self.subscriptions.load(Relaxed),
            wakes: self.wakes.load(Relaxed),
            notices_ignored: self.notices_ignored.load(Relaxed),
            watch_bytes_received: self.watch_traffic.received.load(Relaxed),
            watch_bytes_sent: self.watch_traffic.sent.load(Relaxed),
            over_tunnel,
            last_watch_error: lock(&self.last_watch_error).clone(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

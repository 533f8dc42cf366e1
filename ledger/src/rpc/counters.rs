//! What status and metrics show of reading the ledger.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use crate::LedgerHealth;

/// Counters since the start.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) requests: AtomicU64,
    pub(crate) bytes_received: AtomicU64,
    pub(crate) reads_ok: AtomicU64,
    pub(crate) reads_failed: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) subscribed: AtomicBool,
    pub(crate) subscriptions: AtomicU64,
    pub(crate) wakes: AtomicU64,
    pub(crate) notices_ignored: AtomicU64,
    last_error: Mutex<Option<String>>,
    last_watch_error: Mutex<Option<String>>,
}

impl Counters {
    pub(crate) fn read_failed(&self, error: String) {
        self.reads_failed.fetch_add(1, Relaxed);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    pub(crate) fn watch_failed(&self, error: String) {
        self.subscribed.store(false, Relaxed);
        *self.last_watch_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    pub(crate) fn health(&self, endpoint: String) -> LedgerHealth {
        LedgerHealth {
            endpoint,
            subscribed: self.subscribed.load(Relaxed),
            requests: self.requests.load(Relaxed),
            bytes_received: self.bytes_received.load(Relaxed),
            reads_ok: self.reads_ok.load(Relaxed),
            reads_failed: self.reads_failed.load(Relaxed),
            retries: self.retries.load(Relaxed),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            subscriptions: self.subscriptions.load(Relaxed),
            wakes: self.wakes.load(Relaxed),
            notices_ignored: self.notices_ignored.load(Relaxed),
            last_watch_error: self.last_watch_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

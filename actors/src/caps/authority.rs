//! Whom is reported to.

use async_trait::async_trait;
use warren_metering::cap::{
    DeviceId,
    remote::{Failure, Record, Reported, Synced},
};

/// The way to an authority.
#[async_trait]
pub trait Authority: Send + Sync {
    /// Reports a batch.
    async fn report(&self, records: &[Record]) -> Reported;

    /// Asks how one stands, and what is known of these sources.
    async fn sync(&self, device: &DeviceId, sources: &[String]) -> Synced;
}

/// A failure, in words.
pub(super) fn failure(detail: impl ToString) -> Failure {
    Failure {
        detail: detail.to_string(),
        wait: None,
    }
}

/// What is at the bottom of it; the URL, which may hold a secret, is nowhere there.
pub(super) fn root(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    if std::ptr::eq(last, error) {
        "no answer".to_owned()
    } else {
        last.to_string()
    }
}

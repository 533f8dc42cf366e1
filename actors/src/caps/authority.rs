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

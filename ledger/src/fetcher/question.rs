//! What can be asked of the ledger, and what the answer is.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{sync::watch, time::Instant};
use warren_state::View;

use super::{Kind, cache::Cache, lock};
use crate::{
    LedgerSource, Query, ReadError,
    source::{Devices, InUse},
};

/// Something to ask: a [`Query`], or [`AllDevices`]. It is the key under which the answer is kept. Only this crate has questions.
#[async_trait]
pub trait Question: Copy + Ord + fmt::Display + fmt::Debug + Send + Sync + 'static {
    /// What it is answered with.
    type Answer: Send + Sync + 'static;

    /// Of which kind it is.
    const KIND: Kind;

    /// Asks the ledger itself.
    async fn read(self, source: &dyn LedgerSource, deadline: Instant) -> Result<Self::Answer, ReadError>;

    /// The same answer, which shares with the last one what is the same, where there may be much of it.
    #[must_use]
    fn share(answer: Self::Answer, _last: &Self::Answer) -> Self::Answer {
        answer
    }

    /// Where answers are kept.
    #[doc(hidden)]
    fn cache(shared: &Shared) -> MutexGuard<'_, Cache<Self, Self::Answer>>;
}

/// What the reads know.
pub struct Shared {
    pub(super) source: Arc<dyn LedgerSource>,
    pub(super) read_timeout: Duration,
    pub(super) views: Mutex<Cache<Query, View>>,
    pub(super) devices: Mutex<Cache<AllDevices, Devices>>,
    /// Rings at the end of each read.
    pub(super) ended: watch::Sender<()>,
    /// The endpoint that was in use when somebody looked last.
    pub(super) endpoint: Mutex<InUse>,
}

/// For every device, with all of its account.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct AllDevices;

#[async_trait]
impl Question for Query {
    type Answer = View;
    const KIND: Kind = Kind::View;

    async fn read(self, source: &dyn LedgerSource, deadline: Instant) -> Result<View, ReadError> {
        source.read(&self, deadline).await
    }

    fn share(view: View, last: &View) -> View {
        view.sharing(last)
    }

    fn cache(shared: &Shared) -> MutexGuard<'_, Cache<Self, View>> {
        lock(&shared.views)
    }
}

#[async_trait]
impl Question for AllDevices {
    type Answer = Devices;
    const KIND: Kind = Kind::Devices;

    async fn read(self, source: &dyn LedgerSource, deadline: Instant) -> Result<Devices, ReadError> {
        source.devices(deadline).await
    }

    fn cache(shared: &Shared) -> MutexGuard<'_, Cache<Self, Devices>> {
        lock(&shared.devices)
    }
}

impl fmt::Display for AllDevices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("all devices")
    }
}

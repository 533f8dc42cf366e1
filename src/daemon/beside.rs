//! What takes long or waits for others runs beside the tree of actors, which has a thread of its own.

use std::{io, sync::Arc, thread};

use async_trait::async_trait;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::mpsc,
    task::JoinSet,
    time::Instant,
};
use warren_ledger::{Devices, InUse, LedgerHealth, LedgerSource, Query, ReadError};
use warren_state::View;

/// On a validator's host the processors are the validator's; the API and the ledger of ten thousand tunnels keep neither of these busy.
const THREADS: usize = 2;

/// Where requests are answered, and answers of the ledger read and decoded.
pub fn runtime() -> io::Result<Runtime> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    Builder::new_multi_thread()
        .enable_all()
        .worker_threads(processors.min(THREADS))
        .thread_name("warrend-io")
        .build()
}

/// Runs this there, and gives what comes of it. What is no longer awaited is given up; of a panic comes an error with its words.
pub async fn run<T: Send + 'static>(
    there: &Handle,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, String> {
    // A set of one, because a set gives up what is in it when it goes.
    let mut tasks = JoinSet::new();
    tasks.spawn_on(work, there);
    match tasks.join_next().await {
        Some(Ok(done)) => Ok(done),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("it never began".to_owned()),
    }
}

/// A ledger that is read there.
pub struct Ledger {
    pub source: Arc<dyn LedgerSource>,
    pub there: Handle,
}

#[async_trait]
impl LedgerSource for Ledger {
    async fn read(&self, query: &Query, deadline: Instant) -> Result<View, ReadError> {
        let (source, query) = (Arc::clone(&self.source), *query);
        let work = async move { source.read(&query, deadline).await };
        run(&self.there, work).await.unwrap_or_else(unavailable)
    }

    fn watch(&self, query: Query) -> mpsc::Receiver<()> {
        let _there = self.there.enter();
        self.source.watch(query)
    }

    async fn devices(&self, deadline: Instant) -> Result<Devices, ReadError> {
        let source = Arc::clone(&self.source);
        let work = async move { source.devices(deadline).await };
        run(&self.there, work).await.unwrap_or_else(unavailable)
    }

    fn try_another(&self) {
        self.source.try_another();
    }

    fn in_use(&self) -> InUse {
        self.source.in_use()
    }

    fn health(&self) -> LedgerHealth {
        self.source.health()
    }
}

fn unavailable<T>(reason: String) -> Result<T, ReadError> {
    Err(ReadError::Unavailable(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On one thread, as the tree is.
    #[tokio::test]
    async fn it_runs_on_other_threads_and_its_end_is_known_here_a_panic_too() {
        let around = runtime().unwrap();
        let there = around.handle();
        let name = run(there, async { thread::current().name().map(str::to_owned) }).await;
        assert_eq!(name, Ok(Some("warrend-io".to_owned())));
        let failed = run(there, async {
            assert_eq!(thread::current().name(), None, "as expected")
        })
        .await;
        assert!(failed.unwrap_err().contains("as expected"));
        around.shutdown_background();
    }

    #[tokio::test]
    async fn what_is_no_longer_awaited_is_given_up() {
        let around = runtime().unwrap();
        let (alive, mut ended) = mpsc::channel::<()>(1);
        let work = async move {
            let _alive = alive;
            std::future::pending::<()>().await;
        };
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(10), run(around.handle(), work));
        assert!(waiting.await.is_err());
        let ended = tokio::time::timeout(std::time::Duration::from_secs(30), ended.recv());
        assert_eq!(ended.await, Ok(None));
        around.shutdown_background();
    }
}

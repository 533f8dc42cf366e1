//! A few connections, shared by all callers. Each has a thread and a small runtime of its own: the kernel works while we
//! send, and the thread, started by the one that opens the pool, is in the same network namespace.

use std::{
    io,
    panic::AssertUnwindSafe,
    sync::{Arc, mpsc as blocking},
    thread,
};

use futures_util::{FutureExt, future::LocalBoxFuture};
use tokio::{
    runtime::{Builder, Runtime},
    sync::{Mutex, mpsc, oneshot},
};
use warren_state::{Fault, FaultClass};

use super::{
    connection::{KernelError, Netlink},
    fault::{fault, refused},
};

/// The kernel takes changes one at a time; a few sockets let reads overtake them.
const CONNECTIONS: usize = 4;
/// How many callers wait in the queue; the others wait for room in it.
const QUEUE: usize = 64;
const THREAD: &str = "rtnetlink";

type Job = Box<dyn for<'a> FnOnce(&'a mut Netlink) -> LocalBoxFuture<'a, ()> + Send>;
type Jobs = Arc<Mutex<mpsc::Receiver<Job>>>;

/// Connections to the network namespace in which the pool was opened; they close when the last clone is dropped.
#[derive(Clone)]
pub struct Pool {
    jobs: mpsc::Sender<Job>,
}

impl Pool {
    /// Opens the connections in the calling thread's network namespace.
    pub fn open() -> Result<Self, Fault> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let jobs = Arc::new(Mutex::new(receiver));
        let started: io::Result<()> = (0..CONNECTIONS).try_for_each(|_| start(Arc::clone(&jobs)));
        started.map_err(|error| refused("open rtnetlink socket", &KernelError::from(error)))?;
        Ok(Self { jobs: sender })
    }

    /// Runs `work` with a connection. Work that began runs to its end, whatever becomes of the caller.
    pub async fn run<T, W>(&self, work: W) -> Result<T, Fault>
    where
        T: Send + 'static,
        W: AsyncFnOnce(&mut Netlink) -> T + Send + 'static,
    {
        let lost = |detail: &str| fault(FaultClass::Transient, "use rtnetlink socket", detail);
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |netlink| {
            Box::pin(async move {
                let _ = reply.send(work(netlink).await);
            })
        });
        self.jobs
            .send(job)
            .await
            .map_err(|_| lost("the pool is closed"))?;
        answer.await.map_err(|_| lost("the work was cut short"))
    }
}

/// Does one thing with a connection of its own, and blocks until it is done. In the calling thread's network namespace.
pub fn once<T: Send>(work: impl AsyncFnOnce(&mut Netlink) -> T + Send) -> Result<T, KernelError> {
    let alone = || runtime()?.block_on(async { Ok(work(&mut Netlink::open()?).await) });
    let done = thread::scope(|scope| scope.spawn(alone).join());
    done.unwrap_or_else(|_| Err(io::Error::from_raw_os_error(libc::EIO)))
        .map_err(KernelError::from)
}

/// Returns when the connection is open.
fn start(jobs: Jobs) -> io::Result<()> {
    let (opened, is_open) = blocking::sync_channel(1);
    thread::Builder::new().name(THREAD.to_owned()).spawn(move || {
        let serving = runtime().map(|runtime| runtime.block_on(serve(jobs, &opened)));
        if let Err(error) | Ok(Err(error)) = serving {
            let _ = opened.send(Err(error));
        }
    })?;
    is_open
        .recv()
        .unwrap_or_else(|_| Err(io::Error::from_raw_os_error(libc::EIO)))
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_io().enable_time().build()
}

/// Until the pool is dropped.
async fn serve(jobs: Jobs, opened: &blocking::SyncSender<io::Result<()>>) -> io::Result<()> {
    let mut netlink = Netlink::open()?;
    let _ = opened.send(Ok(()));
    loop {
        let job = jobs.lock().await.recv().await;
        let Some(job) = job else { return Ok(()) };
        if AssertUnwindSafe(job(&mut netlink)).catch_unwind().await.is_err() {
            tracing::error!("work on an rtnetlink connection panicked");
        }
        if let Err(error) = netlink.mend() {
            tracing::debug!(%error, "the rtnetlink connection broke and cannot be reopened");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{objects::Link, requests};

    async fn links(netlink: &mut Netlink) -> usize {
        netlink
            .dump(requests::links(), Link::decode)
            .await
            .expect("the links")
            .len()
    }

    #[tokio::test]
    async fn work_that_panics_costs_no_connection() {
        let pool = Pool::open().expect("sockets");
        for _ in 0..2 * CONNECTIONS {
            let fault = pool
                .run(async |_| assert!(std::hint::black_box(false)))
                .await
                .expect_err("cut short");
            assert_eq!(fault.class, FaultClass::Transient);
        }
        assert_ne!(pool.run(async |netlink| links(netlink).await).await, Ok(0));
    }

    #[tokio::test]
    async fn one_thing_is_done_from_within_a_runtime_too() {
        assert!(once(async |netlink| links(netlink).await).expect("a socket") > 0);
    }
}

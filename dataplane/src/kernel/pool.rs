//! A few sockets, shared by all callers, each used on a thread that may block.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use warren_state::{Fault, FaultClass};

use super::{
    fault::{fault, refused},
    socket::{Refusal, RouteSocket},
};

/// The kernel takes changes one at a time; a few sockets let reads overtake them.
const SOCKETS: usize = 4;

/// Sockets of the network namespace in which the pool was opened.
#[derive(Clone)]
pub struct Pool {
    idle: Arc<Mutex<Vec<RouteSocket>>>,
    permits: Arc<Semaphore>,
}

impl Pool {
    /// Opens the sockets in the calling thread's network namespace.
    pub fn open() -> Result<Self, Fault> {
        let sockets: Result<Vec<_>, _> = (0..SOCKETS).map(|_| RouteSocket::open()).collect();
        let sockets = sockets.map_err(|error| refused("open rtnetlink socket", &Refusal::from(error)))?;
        Ok(Self { permits: Arc::new(Semaphore::new(sockets.len())), idle: Arc::new(Mutex::new(sockets)) })
    }

    /// Runs `work` with a socket. Work that began runs to its end, whatever becomes of the caller.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce(&mut RouteSocket) -> T + Send + 'static) -> Result<T, Fault> {
        let lost = |detail: &str| fault(FaultClass::Transient, "use rtnetlink socket", detail);
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| lost("the pool is closed"))?;
        let idle = Arc::clone(&self.idle);
        let worker = tokio::task::spawn_blocking(move || {
            let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut socket = match taken {
                Some(socket) => socket,
                // A socket is lost only when work on it panicked.
                None => RouteSocket::open().map_err(Refusal::from)?,
            };
            let result = work(&mut socket);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(socket);
            drop(permit);
            Ok(result)
        });
        match worker.await {
            Ok(result) => result.map_err(|refusal: Refusal| refused("open rtnetlink socket", &refusal)),
            Err(_) => Err(lost("the work was cut short")),
        }
    }
}

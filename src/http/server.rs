//! Serving, with bounds: no caller can keep others from being answered, by opening connections, by sending slowly, or by
//! sending much.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{Extension, Router, extract::ConnectInfo};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::Notify,
};

use super::Peer;

/// One connection keeps at most this of what is not yet understood. It bounds the head of a request, too.
const BUFFER: usize = 64 * 1024;
/// After a failure to accept: there may be no file descriptors left.
const PAUSE: Duration = Duration::from_millis(100);
/// Refusals are told in the log at most this often.
const TELL: Duration = Duration::from_secs(60);
const REFUSAL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 21\r\n\r\ntoo many connections\n";

/// How much is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// Of those: of all users together who are neither root nor the daemon's own. The rest stays free for an operator.
    pub unprivileged: usize,
    /// Of those: of one such user. On TCP all callers together are one.
    pub per_user: usize,
    /// How long a caller may take to send the head of a request; a connection that is idle for this long is closed.
    pub head: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            unprivileged: 192,
            per_user: 64,
            head: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// Of streams, which last: they have a budget of their own, so that short requests always find room.
    #[must_use]
    pub fn of_streams() -> Self {
        Self {
            per_user: 16,
            ..Self::default()
        }
    }
}

/// Hands out the connections that are allowed. Clones share them.
#[derive(Clone, Debug)]
pub struct Permits {
    limits: Limits,
    own_uid: u32,
    taken: Arc<Mutex<PermitsInUse>>,
    streams: Option<Box<Permits>>,
}

/// What a request may do with the connection that it came over.
#[derive(Clone, Debug)]
pub struct ConnectionControl {
    permit: Arc<Mutex<Option<Permit>>>,
    streams: Option<Box<Permits>>,
    cut: Arc<Notify>,
}

#[derive(Debug, Default)]
struct PermitsInUse {
    connections: usize,
    unprivileged: BTreeMap<Option<u32>, usize>,
    told: Option<Instant>,
}

/// One connection; dropping it makes room for another.
#[derive(Debug)]
pub struct Permit {
    taken: Arc<Mutex<PermitsInUse>>,
    /// The user it counts for; none for root and the daemon's own.
    user: Option<Option<u32>>,
}

impl Permits {
    /// For a daemon that runs as this user.
    #[must_use]
    pub fn new(limits: Limits, own_uid: u32) -> Self {
        Self {
            limits,
            own_uid,
            taken: Arc::default(),
            streams: None,
        }
    }

    /// The same, where connections may become streams, within limits of their own.
    #[must_use]
    pub fn with_streams(self, limits: Limits) -> Self {
        let streams = Some(Box::new(Self::new(limits, self.own_uid)));
        Self { streams, ..self }
    }

    /// Room for one more connection of this caller, when there is any.
    #[must_use]
    pub fn take(&self, peer: Peer) -> Option<Permit> {
        let user = Some(peer.uid).filter(|uid| *uid != Some(0) && *uid != Some(self.own_uid));
        let mut taken = lock(&self.taken);
        let room = taken.connections < self.limits.connections
            && user.is_none_or(|user| {
                taken.unprivileged.values().sum::<usize>() < self.limits.unprivileged
                    && taken
                        .unprivileged
                        .get(&user)
                        .is_none_or(|own| *own < self.limits.per_user)
            });
        if !room {
            taken.tell(peer);
            return None;
        }
        taken.connections += 1;
        if let Some(user) = user {
            *taken.unprivileged.entry(user).or_default() += 1;
        }
        Some(Permit {
            taken: Arc::clone(&self.taken),
            user,
        })
    }
}

impl ConnectionControl {
    fn new(permit: Permit, permits: &Permits) -> Self {
        Self {
            permit: Arc::new(Mutex::new(Some(permit))),
            streams: permits.streams.clone(),
            cut: Arc::default(),
        }
    }

    /// Of a connection that nobody keeps count of.
    #[cfg(test)]
    pub(crate) fn of_a_test() -> Self {
        let permits = Permits::new(Limits::default(), 0).with_streams(Limits::of_streams());
        let nobody = Peer { uid: None, gid: None };
        permits
            .take(nobody)
            .map(|permit| Self::new(permit, &permits))
            .expect("room")
    }

    /// From now on the connection counts among the streams, as long as what this gives is there; nothing when there is no
    /// room for one.
    #[must_use]
    pub fn become_stream(&self, peer: Peer) -> Option<Permit> {
        let place = self.streams.as_ref()?.take(peer)?;
        drop(lock(&self.permit).take());
        Some(place)
    }

    /// Ends the connection when it is called, whatever it is doing.
    #[must_use]
    pub fn cutter(&self) -> Box<dyn Fn() + Send + Sync> {
        let cut = Arc::clone(&self.cut);
        Box::new(move || cut.notify_one())
    }
}

impl PermitsInUse {
    fn tell(&mut self, peer: Peer) {
        if self.told.is_none_or(|at| at.elapsed() > TELL) {
            self.told = Some(Instant::now());
            tracing::warn!(uid = ?peer.uid, connections = self.connections, "too many connections: callers are turned away");
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.connections = taken.connections.saturating_sub(1);
        let Some(user) = self.user else { return };
        if let Some(own) = taken.unprivileged.get_mut(&user) {
            *own -= 1;
            if *own == 0 {
                taken.unprivileged.remove(&user);
            }
        }
    }
}

/// Where callers come from.
pub trait Acceptor: Send + 'static {
    /// The stream over which one caller speaks.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for the next caller, and says who it is.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Peer)>> + Send;

    /// Says no. Best effort: the caller may have gone.
    fn refuse(stream: Self::Stream);
}

impl Acceptor for UnixListener {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, Peer)> {
        let (stream, _unnamed) = UnixListener::accept(self).await?;
        let peer = Peer::of(&stream);
        Ok((stream, peer))
    }

    fn refuse(stream: UnixStream) {
        let _best_effort = stream.into_std().and_then(|mut stream| stream.write_all(REFUSAL));
    }
}

impl Acceptor for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Peer)> {
        let (stream, _address) = TcpListener::accept(self).await?;
        Ok((stream, Peer { uid: None, gid: None }))
    }

    fn refuse(stream: TcpStream) {
        let _best_effort = stream.into_std().and_then(|mut stream| stream.write_all(REFUSAL));
    }
}

/// Answers callers until it is dropped; connections that are open then go on to their end.
pub async fn serve<D: Acceptor>(acceptor: D, router: Router, permits: Permits) {
    loop {
        match acceptor.accept().await {
            Ok((stream, peer)) => match permits.take(peer) {
                Some(permit) => {
                    let control = ConnectionControl::new(permit, &permits);
                    let router = router
                        .clone()
                        .layer(Extension(ConnectInfo(peer)))
                        .layer(Extension(control.clone()));
                    attend(stream, router, control, permits.limits.head);
                }
                None => D::refuse(stream),
            },
            Err(error) => {
                tracing::debug!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn attend(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    control: ConnectionControl,
    head: Duration,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(BUFFER);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::spawn(async move {
        tokio::select! {
            ended = connection => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
            }
            () = control.cut.notified() => tracing::debug!("a connection is cut off"),
        }
    });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: u32 = 990;

    fn permits() -> Permits {
        Permits::new(
            Limits {
                connections: 5,
                unprivileged: 3,
                per_user: 2,
                ..Limits::default()
            },
            OWN,
        )
    }

    fn of(uid: u32) -> Peer {
        Peer {
            uid: Some(uid),
            gid: Some(uid),
        }
    }

    #[test]
    fn one_user_cannot_take_everything_nor_can_several_and_root_still_gets_in() {
        let permits = permits();
        let _first = permits.take(of(1000)).unwrap();
        let second = permits.take(of(1000)).unwrap();
        assert!(permits.take(of(1000)).is_none(), "two for one user");
        let _other = permits.take(of(1001)).unwrap();
        assert!(permits.take(of(1001)).is_none(), "three for all");
        let _root = permits.take(of(0)).unwrap();
        let _own = permits.take(of(OWN)).unwrap();
        assert!(permits.take(of(0)).is_none(), "five in all");
        drop(second);
        assert!(permits.take(of(1000)).is_some(), "there is room again");
    }

    #[test]
    fn a_connection_that_becomes_a_stream_makes_room_for_a_short_one_and_streams_have_limits_of_their_own() {
        let streams = Limits {
            per_user: 2,
            ..Limits::of_streams()
        };
        let permits = permits().with_streams(streams);
        let connect = || ConnectionControl::new(permits.take(of(1000)).unwrap(), &permits);
        let first = connect();
        let _first = first.become_stream(of(1000)).unwrap();
        let second = connect();
        let place = second.become_stream(of(1000)).unwrap();
        let third = connect();
        assert!(
            third.become_stream(of(1000)).is_none(),
            "two streams for one user"
        );
        let _other_user = connect();
        assert!(
            permits.take(of(1000)).is_none(),
            "who did not become a stream is a short one still"
        );
        drop(third);
        assert!(permits.take(of(1000)).is_some());
        drop(place);
        assert!(connect().become_stream(of(1000)).is_some(), "there is room again");
        assert_eq!(
            (Limits::of_streams().connections, Limits::of_streams().per_user),
            (256, 16)
        );
    }

    #[test]
    fn callers_that_the_kernel_does_not_name_are_one_user() {
        let permits = permits();
        let nobody = Peer { uid: None, gid: None };
        let _taken = [permits.take(nobody).unwrap(), permits.take(nobody).unwrap()];
        assert!(permits.take(nobody).is_none());
    }
}

//! One connection of a BGP session: pumps between the stream and the session's mailbox.

use std::{fmt, io, net::SocketAddrV4, sync::Arc, time::Duration};

use async_trait::async_trait;
use nix::libc;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    net::TcpSocket,
    sync::{Semaphore, mpsc, oneshot},
    time::timeout,
};
use warren_state::{SessionCause, SessionDetail};

use crate::{supervision::background::AbortOnDrop, sys, tunnel::password::Password};

/// A peer that does not read for this many messages of ours is as good as gone.
const WRITE_QUEUE: usize = 1_024;
/// Chunks that were read and that the session has not handled yet.
const READ_AHEAD: usize = 8;
/// What is handled in one go: a few hundred of the shortest messages.
const CHUNK: usize = 16 * 1_024;
/// A peer that takes no byte for this long is as good as gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// What the reader tells the session.
pub(crate) enum ReaderEvent {
    /// Bytes; give the permit back once they are handled.
    Bytes(Vec<u8>),
    /// The end, and why.
    End(SessionDetail),
}

/// What the writer is to do, in order.
enum Work {
    Write(Vec<u8>),
    /// Tell that all before it is done.
    Tell(oneshot::Sender<()>),
}

/// An open connection. Dropping it closes the socket once what was sent is written.
pub(crate) struct Connection {
    writer: mpsc::Sender<Work>,
    handled: Arc<Semaphore>,
    _reader: AbortOnDrop,
    closed: oneshot::Receiver<()>,
}

/// What a session talks over.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// Opens the connections of BGP sessions. The daemon's is [`TcpDialer`]; tests have others.
#[async_trait]
pub trait Dialer: fmt::Debug + Send + Sync + 'static {
    /// Connects from the local address to the peer, signed when there is a password. Dropping the future gives up.
    async fn dial(
        &self,
        local: SocketAddrV4,
        peer: SocketAddrV4,
        password: Option<&Password>,
    ) -> io::Result<Box<dyn Stream>>;
}

/// The daemon's own dialer: TCP to port 179, signed where there is a password.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpDialer;

#[async_trait]
impl Dialer for TcpDialer {
    async fn dial(
        &self,
        local: SocketAddrV4,
        peer: SocketAddrV4,
        password: Option<&Password>,
    ) -> io::Result<Box<dyn Stream>> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(local.into())?;
        if let Some(password) = password {
            sys::set_tcp_md5(&socket, *peer.ip(), password.reveal().as_bytes())?;
        }
        let stream = socket.connect(peer.into()).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}

impl Connection {
    /// Takes the stream over; `hear` puts what the peer says into the session's mailbox.
    pub(crate) fn open(stream: Box<dyn Stream>, hear: impl Fn(ReaderEvent) + Send + 'static) -> Self {
        let (read, write) = tokio::io::split(stream);
        let (writer, queue) = mpsc::channel(WRITE_QUEUE);
        let (done, closed) = oneshot::channel();
        let handled = Arc::new(Semaphore::new(READ_AHEAD));
        let reader = tokio::spawn(read_all(read, handled.clone(), hear));
        tokio::spawn(write_all(write, queue, done));
        Self {
            writer,
            handled,
            _reader: AbortOnDrop(reader),
            closed,
        }
    }

    /// Queues bytes; false when the peer has not read for too long or the connection is broken.
    pub(crate) fn send(&self, bytes: Vec<u8>) -> bool {
        self.writer.try_send(Work::Write(bytes)).is_ok()
    }

    /// Resolves once what was queued so far is written, or nobody takes it.
    pub(crate) fn written(&self) -> impl Future<Output = ()> + Send + use<> {
        let (done, written) = oneshot::channel();
        let _nobody_takes_it = self.writer.try_send(Work::Tell(done));
        async move {
            let _broken = written.await;
        }
    }

    /// A chunk was handled.
    pub(crate) fn handled(&self) {
        self.handled.add_permits(1);
    }

    /// Closes; the result resolves once the last words are out, or nobody takes them.
    pub(crate) fn close(self) -> oneshot::Receiver<()> {
        self.closed
    }
}

/// Why a connection does not come about, or ended.
pub(crate) fn why(error: &io::Error) -> SessionDetail {
    let cause = match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => SessionCause::ForbiddenHere,
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH) => SessionCause::NoWay,
        Some(libc::ECONNREFUSED) => SessionCause::Refused,
        Some(libc::ETIMEDOUT) => SessionCause::Silence,
        Some(libc::ECONNRESET | libc::EPIPE) => SessionCause::BrokenOff,
        Some(_) | None => SessionCause::Other,
    };
    SessionDetail::new(cause, error.to_string())
}

async fn read_all(mut read: ReadHalf<Box<dyn Stream>>, handled: Arc<Semaphore>, hear: impl Fn(ReaderEvent)) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let Ok(permit) = handled.acquire().await else {
            return;
        };
        permit.forget();
        match read.read(&mut buffer).await {
            Ok(0) => {
                return hear(ReaderEvent::End(SessionDetail::new(
                    SessionCause::BrokenOff,
                    "the peer closed the connection",
                )));
            }
            Ok(length) => hear(ReaderEvent::Bytes(buffer[..length].to_vec())),
            Err(error) => return hear(ReaderEvent::End(why(&error))),
        }
    }
}

async fn write_all(
    mut write: WriteHalf<Box<dyn Stream>>,
    mut queue: mpsc::Receiver<Work>,
    done: oneshot::Sender<()>,
) {
    while let Some(work) = queue.recv().await {
        match work {
            Work::Write(bytes)
                if !matches!(timeout(WRITE_TIMEOUT, write.write_all(&bytes)).await, Ok(Ok(()))) =>
            {
                break;
            }
            Work::Write(_) => {}
            Work::Tell(done) => {
                let _nobody_waits = done.send(());
            }
        }
    }
    let _peer_gone = write.shutdown().await;
    let _nobody_waits = done.send(());
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;

    const LOCAL: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 2), 0);

    async fn listener() -> (TcpListener, SocketAddrV4) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
    }

    #[tokio::test]
    async fn a_connection_comes_from_the_local_address_and_its_last_words_arrive() {
        let (listener, peer) = listener().await;
        let stream = TcpDialer.dial(LOCAL, peer, None).await.unwrap();
        let (mut accepted, from) = listener.accept().await.unwrap();
        assert_eq!(from.ip(), *LOCAL.ip());
        let (heard, mut hears) = mpsc::unbounded_channel();
        let connection = Connection::open(stream, move |what| heard.send(what).unwrap_or_default());
        accepted.write_all(b"hello").await.unwrap();
        let Some(ReaderEvent::Bytes(bytes)) = hears.recv().await else {
            panic!("bytes come first")
        };
        assert_eq!(bytes, b"hello");
        connection.handled();
        assert!(connection.send(b"last ".to_vec()) && connection.send(b"words".to_vec()));
        connection.close().await.unwrap();
        let mut received = Vec::new();
        accepted.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"last words");
    }

    #[tokio::test]
    async fn what_was_sent_is_written_once_the_stream_has_taken_all_of_it() {
        let (near, mut far) = tokio::io::duplex(4);
        let connection = Connection::open(Box::new(near), |_| {});
        assert!(connection.send(b"first words".to_vec()));
        let mut written = std::pin::pin!(connection.written());
        let mut first = [0; 4];
        far.read_exact(&mut first).await.unwrap();
        tokio::select! {
            biased;
            () = &mut written => panic!("most of it has not left"),
            () = tokio::task::yield_now() => {}
        }
        let mut rest = [0; 7];
        far.read_exact(&mut rest).await.unwrap();
        written.await;
        assert_eq!([&first[..], &rest].concat(), b"first words");
        drop(far);
        while connection.send(b"more".to_vec()) {
            tokio::task::yield_now().await;
        }
        connection.written().await;
    }

    #[tokio::test]
    async fn the_peers_end_is_told_and_reading_waits_for_the_session() {
        let (listener, peer) = listener().await;
        let stream = TcpDialer.dial(LOCAL, peer, None).await.unwrap();
        let (mut accepted, _) = listener.accept().await.unwrap();
        let (heard, mut hears) = mpsc::unbounded_channel();
        let connection = Connection::open(stream, move |what| heard.send(what).unwrap_or_default());
        tokio::spawn(async move { accepted.write_all(&vec![7; 4 << 20]).await });
        let mut chunks = 0;
        let mut bytes = 0;
        while let Some(what) = hears.recv().await {
            match what {
                ReaderEvent::Bytes(chunk) => {
                    chunks += 1;
                    bytes += chunk.len();
                    assert!(hears.len() <= READ_AHEAD, "no more than that is read ahead");
                    connection.handled();
                }
                ReaderEvent::End(_) => break,
            }
        }
        assert_eq!(bytes, 4 << 20);
        assert!(chunks >= bytes / CHUNK);
    }

    #[test]
    fn each_refusal_of_the_kernel_has_its_cause() {
        for (errno, cause) in [
            (libc::EPERM, SessionCause::ForbiddenHere),
            (libc::EACCES, SessionCause::ForbiddenHere),
            (libc::ENETUNREACH, SessionCause::NoWay),
            (libc::EHOSTUNREACH, SessionCause::NoWay),
            (libc::ECONNREFUSED, SessionCause::Refused),
            (libc::ETIMEDOUT, SessionCause::Silence),
            (libc::ECONNRESET, SessionCause::BrokenOff),
            (libc::EADDRNOTAVAIL, SessionCause::Other),
        ] {
            assert_eq!(why(&io::Error::from_raw_os_error(errno)).cause, cause, "{errno}");
        }
    }

    #[tokio::test]
    async fn nobody_there_is_an_error() {
        let (listener, peer) = listener().await;
        drop(listener);
        assert!(TcpDialer.dial(LOCAL, peer, None).await.is_err());
    }
}

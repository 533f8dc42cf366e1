//! One TCP connection of a BGP session: pumps between the socket and the session's mailbox.

use std::{io, net::SocketAddrV4, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpSocket, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Semaphore, mpsc, oneshot},
    time::timeout,
};

use crate::{driver::AbortOnDrop, sys};

/// A peer that does not read for this many messages of ours is as good as gone.
const WRITE_QUEUE: usize = 1_024;
/// Chunks that were read and that the session has not handled yet.
const READ_AHEAD: usize = 8;
const CHUNK: usize = 64 * 1_024;
/// A peer that takes no byte for this long is as good as gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// What the reader tells the session.
pub(crate) enum Heard {
    /// Bytes; give the permit back once they are handled.
    Bytes(Vec<u8>),
    /// The end, and why.
    End(String),
}

/// An open connection. Dropping it closes the socket once what was sent is written.
pub(crate) struct Connection {
    writer: mpsc::Sender<Vec<u8>>,
    handled: Arc<Semaphore>,
    _reader: AbortOnDrop,
    closed: oneshot::Receiver<()>,
}

/// Connects from the local address, signed when there is a key.
pub(crate) async fn connect(local: SocketAddrV4, peer: SocketAddrV4, key: Option<&str>) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(local.into())?;
    if let Some(key) = key {
        sys::set_tcp_md5(&socket, *peer.ip(), key.as_bytes())?;
    }
    let stream = socket.connect(peer.into()).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Connection {
    /// Takes the stream over; `hear` puts what the peer says into the session's mailbox.
    pub(crate) fn open(stream: TcpStream, hear: impl Fn(Heard) + Send + 'static) -> Self {
        let (read, write) = stream.into_split();
        let (writer, queue) = mpsc::channel(WRITE_QUEUE);
        let (done, closed) = oneshot::channel();
        let handled = Arc::new(Semaphore::new(READ_AHEAD));
        let reader = tokio::spawn(read_all(read, handled.clone(), hear));
        tokio::spawn(write_all(write, queue, done));
        Self { writer, handled, _reader: AbortOnDrop(reader), closed }
    }

    /// Queues bytes; false when the peer has not read for too long or the connection is broken.
    pub(crate) fn send(&self, bytes: Vec<u8>) -> bool {
        self.writer.try_send(bytes).is_ok()
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

async fn read_all(mut read: OwnedReadHalf, handled: Arc<Semaphore>, hear: impl Fn(Heard)) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let Ok(permit) = handled.acquire().await else { return };
        permit.forget();
        match read.read(&mut buffer).await {
            Ok(0) => return hear(Heard::End("the peer closed the connection".to_owned())),
            Ok(length) => hear(Heard::Bytes(buffer[..length].to_vec())),
            Err(error) => return hear(Heard::End(error.to_string())),
        }
    }
}

async fn write_all(mut write: OwnedWriteHalf, mut queue: mpsc::Receiver<Vec<u8>>, done: oneshot::Sender<()>) {
    while let Some(bytes) = queue.recv().await {
        if !matches!(timeout(WRITE_TIMEOUT, write.write_all(&bytes)).await, Ok(Ok(()))) {
            break;
        }
    }
    let _peer_gone = write.shutdown().await;
    let _nobody_waits = done.send(());
}

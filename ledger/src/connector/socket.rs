//! A stream of bytes that goes the way, with TLS where the URL asks for it.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use reqwest::Url;
use rustls::pki_types::ServerName;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{Connector, Outlet, PAST_TIMEOUT, bare};

/// For one of a name's addresses.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes that went through sockets, TLS included, headers of TCP and IP not.
#[derive(Default, Debug)]
pub(crate) struct Traffic {
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
}

/// A stream of bytes to one server, with TLS where the URL asks for it.
pub(crate) struct Socket {
    pub(crate) stream: Box<dyn Duplex>,
    pub(crate) course: ConnectionPath,
}

/// Where a connection goes.
pub(crate) struct ConnectionPath {
    connector: Connector,
    peer: IpAddr,
    /// The link that led past a tunnel when it was made.
    uplink: Option<String>,
}

/// What can be read and written.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Connector {
    /// Connects to the URL's host.
    pub(crate) async fn connect(&self, url: &Url, traffic: &Arc<Traffic>) -> io::Result<Socket> {
        let host = bare(url.host_str().unwrap_or_default());
        let port = url.port_or_known_default().unwrap_or_default();
        let (stream, uplink) = self.reach(host, port).await?;
        let peer = stream.peer_addr()?.ip();
        stream.set_nodelay(true)?;
        let stream = Counted {
            stream,
            traffic: Arc::clone(traffic),
        };
        let stream: Box<dyn Duplex> = if url.scheme() == "wss" || url.scheme() == "https" {
            let name = ServerName::try_from(host.to_owned())
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
            Box::new(
                TlsConnector::from(Arc::clone(self.inner.trust.config()))
                    .connect(name, stream)
                    .await?,
            )
        } else {
            Box::new(stream)
        };
        Ok(Socket {
            stream,
            course: ConnectionPath {
                connector: self.clone(),
                peer,
                uplink,
            },
        })
    }

    /// The first address that takes a connection, and the link that it had to be bound to.
    async fn reach(&self, host: &str, port: u16) -> io::Result<(TcpStream, Option<String>)> {
        let shown = format!("{host}:{port}");
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in self.inner.names.find(host).await? {
            match self.dial(SocketAddr::new(address, port), &shown).await {
                Ok(connected) => return Ok(connected),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn dial(&self, address: SocketAddr, shown: &str) -> io::Result<(TcpStream, Option<String>)> {
        match self.inner.routes.outlet(address.ip()).await {
            Outlet::Usual => {
                let stream = dial(address, None, CONNECT_TIMEOUT).await?;
                self.depends_no_more(shown);
                Ok((stream, None))
            }
            Outlet::Only { tunnel } => {
                let stream = dial(address, None, CONNECT_TIMEOUT).await?;
                self.depends(shown, format!("only {tunnel} leads there"));
                Ok((stream, None))
            }
            Outlet::Past { tunnel, uplink } => match dial(address, Some(&uplink), PAST_TIMEOUT).await {
                Ok(stream) => {
                    self.depends_no_more(shown);
                    Ok((stream, Some(uplink)))
                }
                Err(error) => {
                    tracing::debug!(shown, tunnel, uplink, %error, "no connection outside the tunnel");
                    let stream = dial(address, None, CONNECT_TIMEOUT).await?;
                    self.depends(shown, format!("{uplink} does not connect, {tunnel} does"));
                    Ok((stream, Some(uplink)))
                }
            },
        }
    }
}

impl ConnectionPath {
    /// Whether a new connection would have to be bound to another link.
    pub(crate) async fn is_right(&self) -> Result<(), String> {
        match self.connector.inner.routes.outlet(self.peer).await {
            Outlet::Past { tunnel, uplink } if Some(&uplink) != self.uplink.as_ref() => Err(format!(
                "the route to the server now leads into {tunnel}, and around it over {uplink}"
            )),
            Outlet::Past { .. } | Outlet::Usual | Outlet::Only { .. } => Ok(()),
        }
    }
}

async fn dial(address: SocketAddr, device: Option<&str>, within: Duration) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    if let Some(device) = device {
        bind_to(&socket, device)?;
    }
    let late = || {
        io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no connection within {within:?}"),
        )
    };
    timeout(within, socket.connect(address))
        .await
        .map_err(|_| late())?
}

/// Packets of the socket leave and come over this link only (`SO_BINDTODEVICE`, socket(7)).
pub(super) fn bind_to(socket: &impl std::os::fd::AsFd, device: &str) -> io::Result<()> {
    SockRef::from(socket).bind_device(Some(device.as_bytes()))
}

/// Counts what goes through.
struct Counted {
    stream: TcpStream,
    traffic: Arc<Traffic>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.traffic
            .received
            .fetch_add((buffer.filled().len() - before) as u64, Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.traffic.sent.fetch_add(written as u64, Relaxed);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

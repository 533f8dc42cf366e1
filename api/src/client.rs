//! HTTP over the daemon's socket.

use std::{
    collections::BTreeMap,
    error::Error,
    io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Frame, Incoming, SizeHint},
    header,
    http::request,
};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{net::UnixStream, task::AbortHandle, time::timeout};
use warren_state::{Position, Pubkey};

use crate::v3;

/// No answer of the daemon is near this.
const BODY_LIMIT: usize = 64 << 20;
/// A daemon that is alive answers a read within this.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to be made for each request.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
    patience: Duration,
}

/// What the daemon answered.
#[derive(Debug)]
pub struct Reply {
    /// The status code of the HTTP response.
    pub status: StatusCode,
    /// The fields behind the header.
    pub body: Bytes,
}

/// A body that comes as the daemon sends it. Dropping it ends the connection.
pub struct Body {
    incoming: Incoming,
    _connection: Connection,
}

/// Carries on a connection until it is dropped.
struct Connection(AbortHandle);

/// The address that the daemon goes by, as every version of it tells.
#[derive(Deserialize)]
struct GoesBy {
    #[serde(default)]
    client_ip: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No socket is there.
    #[error(
        "{0} does not exist: is warrend running? Start it with `systemctl start warrend`, or name its socket with --sock-file"
    )]
    Missing(PathBuf),
    /// Nobody listens on the socket.
    #[error(
        "nothing answers on {0}: warrend ended without removing it. Start it with `systemctl start warrend`"
    )]
    Refused(PathBuf),
    /// We may not connect.
    #[error("no permission to connect to {0}: the socket and its folders must be accessible to you")]
    Forbidden(PathBuf),
    /// Anything else on the way there.
    #[error("cannot reach warrend on {path}: {problem}")]
    Broken {
        /// The path of the daemon's socket.
        path: PathBuf,
        /// Why, with its causes.
        problem: String,
    },
    /// The daemon did not answer.
    #[error("warrend on {path} did not answer within {}", humantime::format_duration(*.within))]
    Slow {
        /// The path of the daemon's socket.
        path: PathBuf,
        /// How long we waited.
        within: Duration,
    },
    /// The daemon answered with an error.
    #[error("{description}")]
    Answer {
        /// The status code of the HTTP response.
        status: StatusCode,
        /// What the daemon said.
        description: String,
    },
    /// The daemon is enabled, but of a version that pins no address.
    #[error(
        "the daemon uses {} and did not accept {pin}: its version cannot pin an address; start it with -client-ip {pin}",
        if .is.is_empty() { "no address yet" } else { .is.as_str() }
    )]
    NotPinned {
        /// What was asked for.
        pin: Ipv4Addr,
        /// What it goes by.
        is: String,
    },
    /// The answer makes no sense: the socket belongs to another program, or to another version.
    #[error("the answer to {target} on {path} is not one of warrend's: {problem}")]
    Unexpected {
        /// The path of the daemon's socket.
        path: PathBuf,
        /// What was asked.
        target: String,
        /// What is wrong with the value.
        problem: String,
    },
}

impl Client {
    /// For the daemon that listens there.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
            patience: PATIENCE,
        }
    }

    /// Waits longer, or less long.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The path of the daemon's Unix socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Reads, whatever the answer's status is.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, target: &str) -> Result<Reply, ClientError> {
        self.send(Method::GET, target, None).await
    }

    /// Reads and decodes.
    ///
    /// # Errors
    /// When there is no answer, or it is an error, or not what was expected.
    pub async fn read<T: DeserializeOwned>(&self, target: &str) -> Result<T, ClientError> {
        let reply = self.get(target).await?.good()?;
        serde_json::from_slice(&reply.body).map_err(|error| ClientError::Unexpected {
            path: self.socket.clone(),
            target: target.to_owned(),
            problem: error.to_string(),
        })
    }

    /// Everything, with all tunnels however many there are.
    ///
    /// # Errors
    /// When there is no answer, or it is an error, or not what was expected.
    pub async fn status(&self) -> Result<v3::Status, ClientError> {
        self.status_since(None).await
    }

    /// The same, as it was at this position of a stream, or later.
    ///
    /// # Errors
    /// As for [`Client::status`].
    pub async fn status_since(&self, told: Option<Position>) -> Result<v3::Status, ClientError> {
        let told = told.map_or_else(String::new, |position| format!("?at_least={position}"));
        let mut status: v3::Status = self.read(&format!("/v3/status{told}")).await?;
        while let Some(after) = status.tunnels_next.take() {
            let page: v3::TunnelPage = self
                .read(&format!("/v3/tunnels?limit={}&after={after}", v3::HIGHEST_LIMIT))
                .await?;
            status.tunnels.extend(page.tunnels);
            status.tunnels_next = page.next;
        }
        Ok(status)
    }

    /// Asks for a change.
    ///
    /// # Errors
    /// When there is no answer, or it is an error.
    pub async fn post(&self, target: &str) -> Result<Reply, ClientError> {
        self.send(Method::POST, target, None).await?.good()
    }

    /// Asks for a change that has a body.
    ///
    /// # Errors
    /// When there is no answer, or it is an error.
    pub async fn post_json(&self, target: &str, body: &impl Serialize) -> Result<Reply, ClientError> {
        let body = serde_json::to_string(body).map_err(|error| ClientError::Broken {
            path: self.socket.clone(),
            problem: error.to_string(),
        })?;
        self.send(Method::POST, target, Some(body)).await?.good()
    }

    /// Turns the daemon on. `pin`: the address that this host goes by from now on; `owner`: whose users are this host's (that of
    /// the keypair that connects). What is not named stays as it is. On return the daemon goes by the pinned address.
    ///
    /// # Errors
    /// When there is no answer, or the daemon refuses: [`ClientError::Answer`] has its words, and then nothing was changed. When
    /// it is of a version that pins no address: [`ClientError::NotPinned`].
    pub async fn enable(&self, pin: Option<Ipv4Addr>, owner: Option<Pubkey>) -> Result<(), ClientError> {
        let said = [
            ("client_ip", pin.map(|pin| pin.to_string())),
            ("owner", owner.map(|owner| owner.to_string())),
        ];
        let said: BTreeMap<&str, String> = said
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect();
        let body = (!said.is_empty()).then(|| serde_json::json!(said).to_string());
        self.send(Method::POST, "/enable", body).await?.good()?;
        let Some(pin) = pin else { return Ok(()) };
        let is = self.read::<GoesBy>("/v2/status").await?.client_ip;
        if is == pin.to_string() {
            Ok(())
        } else {
            Err(ClientError::NotPinned { pin, is })
        }
    }

    /// Passes a request of somebody else on, with this process's own rights, and the answer as it comes, however long that goes on.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn pass_on(&self, request: Request<Full<Bytes>>) -> Result<Response<Body>, ClientError> {
        let answer = timeout(self.patience, self.put(request)).await;
        let (response, connection) = answer.unwrap_or_else(|_elapsed| Err(self.slow()))?;
        Ok(response.map(|incoming| Body {
            incoming,
            _connection: connection,
        }))
    }

    async fn send(&self, method: Method, target: &str, body: Option<String>) -> Result<Reply, ClientError> {
        let exchange = timeout(self.patience, self.exchange(method, target, body));
        exchange.await.unwrap_or_else(|_elapsed| Err(self.slow()))
    }

    /// Begins to read a stream: of what comes after this, where it is named.
    ///
    /// # Errors
    /// When there is no answer, or it is an error.
    pub async fn open(&self, target: &str, after: Option<&str>) -> Result<Body, ClientError> {
        let request = Request::builder().method(Method::GET).uri(target);
        let request = after
            .into_iter()
            .fold(request, |request, after| request.header("last-event-id", after));
        let answer = timeout(self.patience, self.ask(request, None)).await;
        let (response, connection) = answer.unwrap_or_else(|_elapsed| Err(self.slow()))?;
        if response.status() != StatusCode::OK {
            let read = timeout(self.patience, self.collect(response)).await;
            return Err(read.unwrap_or_else(|_elapsed| Err(self.slow()))?.error());
        }
        Ok(Body {
            incoming: response.into_body(),
            _connection: connection,
        })
    }

    async fn exchange(
        &self,
        method: Method,
        target: &str,
        body: Option<String>,
    ) -> Result<Reply, ClientError> {
        let request = Request::builder().method(method).uri(target);
        let (response, _connection) = self.ask(request, body).await?;
        self.collect(response).await
    }

    async fn collect(&self, response: Response<Incoming>) -> Result<Reply, ClientError> {
        let status = response.status();
        let body = Limited::new(response.into_body(), BODY_LIMIT)
            .collect()
            .await
            .map_err(|source| self.broken(source.as_ref()))?
            .to_bytes();
        Ok(Reply { status, body })
    }

    async fn ask(
        &self,
        request: request::Builder,
        body: Option<String>,
    ) -> Result<(Response<Incoming>, Connection), ClientError> {
        let mut request = request.header(header::HOST, "warrend");
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::<Bytes>::from(body.unwrap_or_default()))
            .map_err(|error| self.broken(&error))?;
        self.put(request).await
    }

    async fn put(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Connection), ClientError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| self.unreachable(error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.broken(&error))?;
        let connection = Connection(tokio::spawn(connection).abort_handle());
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| self.broken(&error))?;
        Ok((response, connection))
    }

    fn slow(&self) -> ClientError {
        ClientError::Slow {
            path: self.socket.clone(),
            within: self.patience,
        }
    }

    fn unreachable(&self, error: io::Error) -> ClientError {
        let path = self.socket.clone();
        if error.kind() == io::ErrorKind::NotFound {
            ClientError::Missing(path)
        } else if error.kind() == io::ErrorKind::ConnectionRefused {
            ClientError::Refused(path)
        } else if error.kind() == io::ErrorKind::PermissionDenied {
            ClientError::Forbidden(path)
        } else {
            self.broken(&error)
        }
    }

    fn broken(&self, error: &dyn Error) -> ClientError {
        let causes = std::iter::successors(error.source(), |error| (*error).source());
        let problem = causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"));
        ClientError::Broken {
            path: self.socket.clone(),
            problem,
        }
    }
}

impl Body {
    /// What came next; nothing at its end. A caller that gives up waiting loses nothing.
    ///
    /// # Errors
    /// When the connection broke, in words.
    pub async fn next(&mut self) -> Result<Option<Bytes>, String> {
        while let Some(frame) = self.incoming.frame().await {
            let frame = frame.map_err(|error| error.to_string())?;
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.incoming).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Reply {
    /// The answer, unless it is an error.
    ///
    /// # Errors
    /// With what the daemon said.
    pub fn good(self) -> Result<Self, ClientError> {
        if self.status.is_success() {
            Ok(self)
        } else {
            Err(self.error())
        }
    }

    fn error(&self) -> ClientError {
        ClientError::Answer {
            status: self.status,
            description: self.description(),
        }
    }

    fn description(&self) -> String {
        let said = serde_json::from_slice::<serde_json::Value>(&self.body).ok();
        let said = said.and_then(|body| {
            body.get("description")
                .and_then(|text| text.as_str().map(str::to_owned))
        });
        said.unwrap_or_else(|| {
            let text = String::from_utf8_lossy(&self.body);
            format!(
                "warrend answered {}: {}",
                self.status,
                text.trim().chars().take(200).collect::<String>()
            )
        })
    }
}

impl ClientError {
    /// Whether there is no daemon to talk to.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Missing(_)
            | Self::Refused(_)
            | Self::Forbidden(_)
            | Self::Broken { .. }
            | Self::Slow { .. } => true,
            Self::Answer { .. } | Self::NotPinned { .. } | Self::Unexpected { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_that_breaks_is_told_with_its_cause_wherever_the_error_is_printed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.sock");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let closes = tokio::spawn(async move { listener.accept().await.map(drop) });
        let error = Client::new(&path).get("/v3/status").await.unwrap_err();
        closes.await.unwrap().unwrap();
        assert!(error.is_unreachable());
        let (told, beginning) = (
            error.to_string(),
            format!("cannot reach warrend on {}: ", path.display()),
        );
        assert!(
            told.len() > beginning.len() && told.starts_with(&beginning),
            "{told}"
        );
        assert!(error.source().is_none(), "and only once");
    }
}

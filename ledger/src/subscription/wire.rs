//! JSON-RPC over one websocket: requests with their answers, notices, and a heartbeat.
//!
//! The heartbeat costs next to nothing: a ping, when nothing has come for half of the time that the server may be silent.
//! A pong proves that the connection and the server's websocket live, not that the node behind it follows the ledger or
//! still tells of changes. That is found by reading, which goes on by its own timer whatever is told here.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::{SinkExt, StreamExt};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        http::{HeaderValue, StatusCode, header},
        protocol::WebSocketConfig,
    },
};

use super::Ended;
use crate::connector::{ConnectionPath, Connector, Duplex, Traffic};

/// The largest message: an account of 10 MiB in base64.
const LARGEST_MESSAGE: usize = 16 << 20;
/// Notices that come while an answer is awaited; more make a new connection, which reads everything.
const MOST_WAITING: usize = 4096;

/// An open connection.
pub(super) struct Wire {
    socket: WebSocketStream<Box<dyn Duplex>>,
    course: ConnectionPath,
    silence: Duration,
    last_id: u64,
    heard: Instant,
    pinged: bool,
    waiting: VecDeque<Notification>,
}

/// What a subscription tells.
pub(super) struct Notification {
    /// The number that the server gave the subscription.
    pub(super) subscription: u64,
    /// What changed.
    pub(super) value: Value,
}

impl Wire {
    /// Opens a connection that ends when the server is silent for this long.
    pub(super) async fn open(
        connector: &Connector,
        url: &Url,
        traffic: &Arc<Traffic>,
        silence: Duration,
    ) -> Result<Self, Ended> {
        let request = request(url).map_err(|error| Ended::from(error.to_string()))?;
        let socket = connector
            .connect(url, traffic)
            .await
            .map_err(|error| Ended::from(chain(&error)))?;
        let config = WebSocketConfig::default()
            .read_buffer_size(16 << 10)
            .max_message_size(Some(LARGEST_MESSAGE))
            .max_frame_size(Some(LARGEST_MESSAGE));
        let (stream, _) = client_async_with_config(request, socket.stream, Some(config))
            .await
            .map_err(refused)?;
        Ok(Self {
            socket: stream,
            course: socket.course,
            silence,
            last_id: 0,
            heard: Instant::now(),
            pinged: false,
            waiting: VecDeque::new(),
        })
    }

    /// Asks, and waits for the answer. Notices that come meanwhile are kept.
    pub(super) async fn ask(&mut self, method: &str, params: Value) -> Result<Value, Ended> {
        self.last_id += 1;
        let id = self.last_id;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.send(Message::text(request.to_string())).await?;
        loop {
            let mut message = self.receive().await?;
            if message["id"].as_u64() == Some(id) {
                return match message.get("error").filter(|error| !error.is_null()) {
                    Some(error) => Err(error["message"]
                        .as_str()
                        .unwrap_or("an error without a message")
                        .to_owned()
                        .into()),
                    None => Ok(message["result"].take()),
                };
            }
            self.waiting.extend(notification(message));
            if self.waiting.len() > MOST_WAITING {
                return Err("more notices than can be kept".to_owned().into());
            }
        }
    }

    /// The next notice. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Result<Notification, Ended> {
        loop {
            if let Some(notification) = self.waiting.pop_front() {
                return Ok(notification);
            }
            let message = self.receive().await?;
            self.waiting.extend(notification(message));
        }
    }

    /// The next message that is JSON; pings the server when it is silent, and gives it up when it stays so.
    async fn receive(&mut self) -> Result<Value, Ended> {
        loop {
            let patience = if self.pinged {
                self.silence
            } else {
                self.silence / 2
            };
            match timeout_at(self.heard + patience, self.socket.next()).await {
                Ok(Some(Ok(message))) => {
                    (self.heard, self.pinged) = (Instant::now(), false);
                    if let Message::Text(text) = message {
                        return serde_json::from_str(&text)
                            .map_err(|error| Ended::from(format!("not JSON: {error}")));
                    }
                }
                Ok(Some(Err(error))) => return Err(chain(&error).into()),
                Ok(None) => return Err("the server closed the connection".to_owned().into()),
                Err(_) if self.pinged => {
                    return Err(format!(
                        "nothing heard for {:?}, not even an answer to a ping",
                        self.silence
                    )
                    .into());
                }
                Err(_) => {
                    self.course.is_right().await?;
                    self.pinged = true;
                    self.send(Message::Ping(Default::default())).await?;
                }
            }
        }
    }

    async fn send(&mut self, message: Message) -> Result<(), Ended> {
        let sent = timeout_at(Instant::now() + self.silence, self.socket.send(message)).await;
        sent.map_err(|_| Ended::from(format!("nothing could be sent for {:?}", self.silence)))?
            .map_err(|error| chain(&error).into())
    }
}

/// The handshake's request; user and password of the URL go into a header, as for HTTP.
fn request(url: &Url) -> Result<tungstenite::handshake::client::Request, tungstenite::Error> {
    let mut plain = url.clone();
    // Fails only for URLs that have no host.
    let _ = plain.set_username("");
    let _ = plain.set_password(None);
    let mut request = plain.as_str().into_client_request()?;
    let headers = request.headers_mut();
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!("warren/", env!("CARGO_PKG_VERSION"))),
    );
    if !url.username().is_empty() || url.password().is_some() {
        let pair = format!("{}:{}", url.username(), url.password().unwrap_or_default());
        if let Ok(mut value) = HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(pair))) {
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
    }
    Ok(request)
}

fn refused(error: tungstenite::Error) -> Ended {
    let tungstenite::Error::Http(response) = &error else {
        return chain(&error).into();
    };
    let busy = matches!(
        response.status(),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    let named = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let wait = named.filter(|_| busy).map(Duration::from_secs);
    Ended {
        reason: format!("the server answers with HTTP {}", response.status().as_u16()),
        wait,
    }
}

fn notification(mut message: Value) -> Option<Notification> {
    let params = message.get_mut("params")?;
    let subscription = params["subscription"].as_u64()?;
    Some(Notification {
        subscription,
        value: params.get_mut("result")?.get_mut("value")?.take(),
    })
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        if !text.contains(&error.to_string()) {
            text = format!("{text}: {error}");
        }
        cause = error.source();
    }
    text
}

//! The transport under solana's client: one HTTP request, bounded in time and size, counted, and free of secrets in what it
//! says. It never retries: the reader above does, a whole read at a time.

use std::{
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use serde_json::Value;
use solana_rpc_client::rpc_sender::{RpcSender, RpcTransportStats};
use solana_rpc_client_api::{
    client_error::{AnyhowError, Error as ClientError, ErrorKind},
    request::RpcRequest,
};

use super::{Endpoint, RpcSettings, counters::Counters, failure::Failure};
use crate::way::{Http, HttpSettings};

/// Sends to one endpoint.
pub(super) struct Sender {
    endpoint: Endpoint,
    http: Http,
    timeout: Duration,
    limit: usize,
    next_id: AtomicU64,
    counters: Arc<Counters>,
}

impl Sender {
    pub(super) fn new(endpoint: Endpoint, settings: &RpcSettings, counters: Arc<Counters>) -> Result<Self, reqwest::Error> {
        let (timeout, limit) = (settings.request_timeout, settings.max_response);
        let http = settings.way.http(HttpSettings { timeout, redirects: 0, proxies: !endpoint.is_loopback() })?;
        Ok(Self { endpoint, http, timeout, limit, next_id: AtomicU64::new(1), counters })
    }

    async fn exchange(&self, request: RpcRequest, params: Value) -> Result<Value, Failure> {
        let id = self.next_id.fetch_add(1, Relaxed);
        let body = request.build_request_json(id, params).to_string();
        self.counters.sent(request.to_string());
        let url = self.endpoint.secret_url();
        // Bodies are unpacked here, so that both sizes are bounded and the bytes on the wire can be counted.
        let build = |client: &reqwest::Client| {
            let request = client.post(url.clone()).header(CONTENT_TYPE, "application/json").header(ACCEPT_ENCODING, "gzip");
            request.body(body.clone())
        };
        let response = self.http.send(url, build).await.map_err(|error| self.transport(error))?;
        self.counters.server_seconds.store(date(response.headers()).unwrap_or_default(), Relaxed);
        let status = response.status();
        if !status.is_success() {
            return Err(Failure::Http { status: status.as_u16(), retry_after: retry_after(&response) });
        }
        let packed = response.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip");
        let body = self.body(response).await?;
        let body = if packed { unpack(&body, self.limit)? } else { body };
        self.result(&body)
    }

    async fn body(&self, mut response: reqwest::Response) -> Result<Vec<u8>, Failure> {
        let too_large = Failure::TooLarge { limit: self.limit };
        if response.content_length().is_some_and(|length| length > self.limit as u64) {
            return Err(too_large);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.transport(error))? {
            self.counters.bytes_received.fetch_add(chunk.len() as u64, Relaxed);
            if body.len() + chunk.len() > self.limit {
                return Err(too_large);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn result(&self, body: &[u8]) -> Result<Value, Failure> {
        let mut answer: Value = serde_json::from_slice(body).map_err(|error| Failure::Garbled(format!("not JSON: {error}")))?;
        if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
            let code = error.get("code").and_then(Value::as_i64).unwrap_or_default();
            let message: String = error.get("message").and_then(Value::as_str).unwrap_or_default().chars().take(300).collect();
            return Err(Failure::Rpc { code, message: self.endpoint.redact(&message) });
        }
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(Failure::Garbled("neither a result nor an error".into())),
        }
    }

    fn transport(&self, error: reqwest::Error) -> Failure {
        if error.is_timeout() {
            return Failure::Timeout(self.timeout);
        }
        let error = error.without_url();
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        Failure::Connection(self.endpoint.redact(&text))
    }
}

#[async_trait]
impl RpcSender for Sender {
    async fn send(&self, request: RpcRequest, params: Value) -> Result<Value, ClientError> {
        // A failure travels through solana's client as it is; `failure_of` takes it out again.
        self.exchange(request, params).await.map_err(|failure| ErrorKind::Middleware(AnyhowError::new(failure)).into())
    }

    fn get_transport_stats(&self) -> RpcTransportStats {
        RpcTransportStats::default()
    }

    fn url(&self) -> String {
        self.endpoint.shown()
    }
}

/// The failure that a sender put in, or what the client itself found wrong with the answer.
pub(super) fn failure_of(error: &ClientError) -> Failure {
    match error.kind() {
        ErrorKind::Middleware(inner) => match inner.downcast_ref::<Failure>() {
            Some(failure) => failure.clone(),
            None => Failure::Garbled(inner.to_string()),
        },
        ErrorKind::Io(_)
        | ErrorKind::Reqwest(_)
        | ErrorKind::RpcError(_)
        | ErrorKind::SerdeJson(_)
        | ErrorKind::SigningError(_)
        | ErrorKind::TransactionError(_)
        | ErrorKind::Custom(_) => Failure::Garbled(error.kind().to_string().chars().take(300).collect()),
    }
}

/// The time that the server names, in its form of whole seconds; longer than an hour is an hour.
/// When the server wrote its answer, by its own clock: Unix time in seconds.
fn date(headers: &HeaderMap) -> Option<u64> {
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some(date.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs())
}

fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let seconds: u64 = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(3600)))
}

fn unpack(body: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
    let mut unpacked = Vec::new();
    let bound = limit as u64 + 1;
    flate2::read::GzDecoder::new(body)
        .take(bound)
        .read_to_end(&mut unpacked)
        .map_err(|error| Failure::Garbled(format!("not gzip: {error}")))?;
    if unpacked.len() > limit { Err(Failure::TooLarge { limit }) } else { Ok(unpacked) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_time_is_taken_from_its_header_and_nonsense_there_is_none() {
        let of = |value: &'static str| date(&HeaderMap::from_iter([(DATE, reqwest::header::HeaderValue::from_static(value))]));
        assert_eq!(of("Tue, 14 Oct 2025 17:59:41 GMT"), Some(1_760_464_781));
        assert_eq!(of("yesterday"), None);
        assert_eq!(date(&HeaderMap::new()), None);
    }
}

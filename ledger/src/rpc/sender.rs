//! The transport under solana's client: one HTTP request, bounded in time and size, counted, and free of secrets in what it
//! says. It never retries: the reader above does. It follows redirects that keep the method (307, 308), within the scheme.

use std::{
    io::{self, Read},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, LOCATION, RETRY_AFTER,
};
use serde_json::Value;
use solana_rpc_client::rpc_sender::{RpcSender, RpcTransportStats};
use solana_rpc_client_api::{
    client_error::{AnyhowError, Error as ClientError, ErrorKind},
    request::RpcRequest,
};

use super::{Endpoint, RpcSettings, counters::LedgerCounters, failure::Failure};
use crate::connector::{Connector, Http, HttpSettings};

/// How many redirects a request follows.
const MOST_HOPS: u32 = 3;
/// However long an endpoint wants no requests, it is asked again after this.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Sends to one endpoint.
pub(super) struct Sender {
    transport: Arc<Transport>,
    fresh: bool,
}

/// The way to one endpoint.
pub(super) struct Transport {
    endpoint: Endpoint,
    pooled: Http,
    /// Keeps no connections. Few endpoints ever need it.
    fresh: OnceLock<Option<Http>>,
    connector: Connector,
    timeout: Duration,
    limit: usize,
    next_id: AtomicU64,
    counters: Arc<LedgerCounters>,
}

impl Sender {
    /// Keeps connections open for later requests.
    pub(super) fn pooled(transport: &Arc<Transport>) -> Self {
        Self {
            transport: Arc::clone(transport),
            fresh: false,
        }
    }

    /// Makes a connection for each request.
    pub(super) fn fresh(transport: &Arc<Transport>) -> Self {
        Self {
            transport: Arc::clone(transport),
            fresh: true,
        }
    }
}

impl Transport {
    pub(super) fn new(
        endpoint: Endpoint,
        settings: &RpcSettings,
        counters: Arc<LedgerCounters>,
    ) -> Result<Self, reqwest::Error> {
        let (timeout, limit, connector) = (
            settings.request_timeout,
            settings.max_response,
            settings.connector.clone(),
        );
        let pooled = connector.http(http_settings(&endpoint, timeout))?;
        Ok(Self {
            endpoint,
            pooled,
            fresh: OnceLock::new(),
            connector,
            timeout,
            limit,
            next_id: AtomicU64::new(1),
            counters,
        })
    }

    async fn exchange(&self, fresh: bool, request: RpcRequest, params: Value) -> Result<Value, Failure> {
        let id = self.next_id.fetch_add(1, Relaxed);
        let body = request.build_request_json(id, without_nulls(params)).to_string();
        let mut at = self.endpoint.clone();
        for _hop in 0..=MOST_HOPS {
            self.counters.sent(request.to_string());
            let response = self.post(fresh, &at, body.clone()).await?;
            self.counters
                .server_seconds
                .store(date(response.headers()).unwrap_or_default(), Relaxed);
            match response.status().as_u16() {
                200..=299 => return self.answer(&at, response).await,
                307 | 308 => at = self.redirected(&at, response.headers())?,
                // What is wrong with the request may be in the body.
                status @ (400 | 413 | 422) => {
                    let refusal = Failure::Http {
                        status,
                        retry_after: None,
                    };
                    return Err(self
                        .answer(&at, response)
                        .await
                        .err()
                        .filter(Failure::is_answer)
                        .unwrap_or(refusal));
                }
                status => {
                    return Err(Failure::Http {
                        status,
                        retry_after: retry_after(response.headers(), SystemTime::now()),
                    });
                }
            }
        }
        Err(Failure::Redirect {
            to: at.shown(),
            why: "it was redirected too often before",
        })
    }

    /// Where a redirect leads. What is sent there is exactly what the redirect names: no secret of the endpoint's own URL goes
    /// to another host.
    fn redirected(&self, from: &Endpoint, headers: &HeaderMap) -> Result<Endpoint, Failure> {
        let nowhere = || Failure::Redirect {
            to: "nowhere".into(),
            why: "it does not say where",
        };
        let to = headers
            .get(LOCATION)
            .and_then(|location| location.to_str().ok())
            .and_then(|text| from.join(text))
            .ok_or_else(nowhere)?;
        let refused = |why| Err(Failure::Redirect { to: to.shown(), why });
        if to.secret_url().scheme() != from.secret_url().scheme() {
            return refused("the scheme is another one: name the URL itself as the endpoint");
        }
        if to.is_loopback() && !self.endpoint.is_loopback() {
            return refused("it leads back to this host");
        }
        Ok(to)
    }

    async fn post(&self, fresh: bool, at: &Endpoint, body: String) -> Result<reqwest::Response, Failure> {
        let url = at.secret_url();
        // Bodies are unpacked here, so that both sizes are bounded and the bytes on the wire can be counted.
        let build = |client: &reqwest::Client| {
            let request = client
                .post(url.clone())
                .header(CONTENT_TYPE, "application/json")
                .header(ACCEPT_ENCODING, "gzip");
            request.body(body.clone())
        };
        let http = if fresh { self.keeps_nothing() } else { &self.pooled };
        http.send(url, build)
            .await
            .map_err(|error| self.transport(at, error))
    }

    fn keeps_nothing(&self) -> &Http {
        let settings = HttpSettings {
            keeps_connections: false,
            ..http_settings(&self.endpoint, self.timeout)
        };
        self.fresh
            .get_or_init(|| self.connector.http(settings).ok())
            .as_ref()
            .unwrap_or(&self.pooled)
    }

    async fn answer(&self, at: &Endpoint, response: reqwest::Response) -> Result<Value, Failure> {
        let packed = response
            .headers()
            .get(CONTENT_ENCODING)
            .is_some_and(|encoding| encoding == "gzip");
        let body = self.body(at, response).await?;
        let body = if packed { unpack(&body, self.limit)? } else { body };
        self.result(at, &body)
    }

    async fn body(&self, at: &Endpoint, mut response: reqwest::Response) -> Result<Vec<u8>, Failure> {
        let too_large = Failure::TooLarge { limit: self.limit };
        if response
            .content_length()
            .is_some_and(|length| length > self.limit as u64)
        {
            return Err(too_large);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.transport(at, error))?
        {
            self.counters
                .bytes_received
                .fetch_add(chunk.len() as u64, Relaxed);
            if body.len() + chunk.len() > self.limit {
                return Err(too_large);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn result(&self, at: &Endpoint, body: &[u8]) -> Result<Value, Failure> {
        // RFC 8259, 8.1: a byte order mark does not belong there, and may be ignored.
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let mut answer: Value =
            serde_json::from_slice(body).map_err(|error| Failure::Garbled(format!("not JSON: {error}")))?;
        if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
            let code = error.get("code").and_then(Value::as_i64).unwrap_or_default();
            let message: String = error
                .get("message")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .chars()
                .take(300)
                .collect();
            return Err(Failure::Rpc {
                code,
                message: self.redact(at, &message),
            });
        }
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(Failure::Garbled("neither a result nor an error".into())),
        }
    }

    /// Without the secrets of the endpoint, nor of where it redirected us.
    fn redact(&self, at: &Endpoint, text: &str) -> String {
        self.endpoint.redact(&at.redact(text))
    }

    fn transport(&self, at: &Endpoint, error: reqwest::Error) -> Failure {
        if error.is_timeout() {
            return Failure::Timeout(self.timeout);
        }
        let error = error.without_url();
        let mut text = error.to_string();
        let mut untrusted = false;
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            untrusted |= is_untrusted(error);
            cause = error.source();
        }
        let text = self.redact(at, &text);
        if untrusted {
            return Failure::Certificate(text);
        }
        Failure::Connection(text)
    }
}

/// Whether no authority that we trust vouches for the server. TLS errors come within I/O errors, which do not name them as
/// their source.
fn is_untrusted(error: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return error.get_ref().is_some_and(|within| is_untrusted(within));
    }
    let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    error.downcast_ref::<rustls::Error>() == Some(&unknown)
}

#[async_trait]
impl RpcSender for Sender {
    async fn send(&self, request: RpcRequest, params: Value) -> Result<Value, ClientError> {
        // A failure travels through solana's client as it is; `failure_of` takes it out again.
        self.transport
            .exchange(self.fresh, request, params)
            .await
            .map_err(|failure| ErrorKind::Middleware(AnyhowError::new(failure)).into())
    }

    fn get_transport_stats(&self) -> RpcTransportStats {
        RpcTransportStats::default()
    }

    fn url(&self) -> String {
        self.transport.endpoint.shown()
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

/// Parameters that are not set are left out: providers refuse the name of one that they do not know, whatever its value.
pub(super) fn without_nulls(params: Value) -> Value {
    match params {
        Value::Array(values) => values.into_iter().map(without_nulls).collect(),
        Value::Object(fields) => {
            let set = fields.into_iter().filter(|(_, value)| !value.is_null());
            set.map(|(name, value)| (name, without_nulls(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => params,
    }
}

fn http_settings(endpoint: &Endpoint, timeout: Duration) -> HttpSettings {
    HttpSettings {
        timeout,
        redirects: 0,
        proxies: !endpoint.is_loopback(),
        keeps_connections: true,
    }
}

/// When the server wrote its answer, by its own clock: Unix time in seconds.
fn date(headers: &HeaderMap) -> Option<u64> {
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// The time that the server names (RFC 9110, 10.2.3), in whole seconds or as a date by the server's own clock; at most a minute.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number holds are more than a minute too.
        return Some(
            text.parse()
                .map_or(LONGEST_WAIT, Duration::from_secs)
                .min(LONGEST_WAIT),
        );
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let now = date(headers).map_or(now, |seconds| UNIX_EPOCH + Duration::from_secs(seconds));
    Some(until.duration_since(now).unwrap_or_default().min(LONGEST_WAIT))
}

fn unpack(body: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
    let mut unpacked = Vec::new();
    let bound = limit as u64 + 1;
    flate2::read::GzDecoder::new(body)
        .take(bound)
        .read_to_end(&mut unpacked)
        .map_err(|error| Failure::Garbled(format!("not gzip: {error}")))?;
    if unpacked.len() > limit {
        Err(Failure::TooLarge { limit })
    } else {
        Ok(unpacked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_time_is_taken_from_its_header_and_nonsense_there_is_none() {
        let of = |value: &'static str| {
            date(&HeaderMap::from_iter([(
                DATE,
                reqwest::header::HeaderValue::from_static(value),
            )]))
        };
        assert_eq!(of("Tue, 14 Oct 2025 17:59:41 GMT"), Some(1_760_464_781));
        assert_eq!(of("yesterday"), None);
        assert_eq!(date(&HeaderMap::new()), None);
    }

    #[test]
    fn retry_after_is_read_in_both_of_its_forms_and_is_never_more_than_a_minute() {
        let now = UNIX_EPOCH + Duration::from_secs(1_760_464_781);
        let of = |fields: &[(reqwest::header::HeaderName, &'static str)]| {
            let headers = fields
                .iter()
                .map(|(name, value)| (name.clone(), reqwest::header::HeaderValue::from_static(value)));
            retry_after(&HeaderMap::from_iter(headers), now).map(|wait| wait.as_secs())
        };
        let cases = [
            ("7", 7),
            ("0", 0),
            ("60", 60),
            ("86400", 60),
            ("99999999999999999999999", 60),
        ];
        let dates = [
            ("Tue, 14 Oct 2025 17:59:50 GMT", 9),
            ("Wed, 21 Oct 2099 07:28:00 GMT", 60),
            ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
            ("Tuesday, 14-Oct-25 17:59:50 GMT", 9),
        ];
        for (text, seconds) in cases.into_iter().chain(dates) {
            assert_eq!(of(&[(RETRY_AFTER, text)]), Some(seconds), "{text}");
        }
        let by_its_own_clock = [
            (DATE, "Tue, 14 Oct 2025 17:59:45 GMT"),
            (RETRY_AFTER, "Tue, 14 Oct 2025 17:59:50 GMT"),
        ];
        assert_eq!(of(&by_its_own_clock), Some(5));
        for nonsense in ["", "-1", "1.5", "soon", "Tue, 99 Oct 2025"] {
            assert_eq!(of(&[(RETRY_AFTER, nonsense)]), None, "{nonsense}");
        }
    }
}

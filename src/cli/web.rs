//! `warren web`: the live page, for a browser on this host, as long as this runs. It listens on the loopback alone, at a port that the
//! kernel chooses, and passes on what its gate lets through with the rights of who called it. The daemon opens no port for it.

mod gate;

use std::{convert::Infallible, net::Ipv4Addr, pin::Pin, sync::Arc, task};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Frame, Incoming, SizeHint},
    header::{self, HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use warren_api::{client, v3};

use self::gate::{Admission, Gate};
use super::output;

/// Connections at a time: a browser's own limit for one place is far below.
const CONNECTIONS: usize = 64;

/// What concerns one connection, or is the gate's own.
const NOT_PASSED_ON: [HeaderName; 8] = [
    header::HOST,
    header::COOKIE,
    header::CONNECTION,
    header::UPGRADE,
    header::TRANSFER_ENCODING,
    header::CONTENT_LENGTH,
    header::AUTHORIZATION,
    header::FORWARDED,
];

/// An answer: the daemon's, or the gate's own.
enum Answer {
    Passed(client::Body),
    Own(Full<Bytes>),
}

/// Prints where the page is, and serves it until it is interrupted.
///
/// # Errors
/// When the daemon does not answer, or the loopback cannot be listened on.
pub async fn run(client: &client::Client, as_json: bool) -> anyhow::Result<u8> {
    client.get("/healthz").await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .context("cannot listen on the loopback")?;
    let port = listener.local_addr()?.port();
    let gate = Arc::new(Gate::new(port, gate::secret()?, gate::secret()?));
    let url = gate.link();
    if as_json {
        output::json(&json!({"schema": v3::SCHEMA, "url": url}))?;
    } else {
        output::text(&format!("{url}\n"))?;
        output::note(
            "open it in a browser on this host: it works once, and while this runs (Ctrl-C ends it)",
        );
    }
    tokio::select! {
        () = serve(listener, client.clone(), gate) => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(super::OK)
}

/// Answers until it is dropped.
async fn serve(listener: TcpListener, client: client::Client, gate: Arc<Gate>) {
    let places = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (client, gate) = (client.clone(), Arc::clone(&gate));
                tokio::spawn(async move {
                    attend(stream, client, gate).await;
                    drop(place);
                });
            }
            // There may be no file descriptors left.
            Err(error) => {
                tracing::debug!(%error, "cannot accept a connection");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn attend(stream: TcpStream, client: client::Client, gate: Arc<Gate>) {
    let service = service_fn(move |request| {
        let (client, gate) = (client.clone(), Arc::clone(&gate));
        async move { Ok::<_, Infallible>(answer(&client, &gate, request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new());
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn answer(client: &client::Client, gate: &Gate, request: Request<Incoming>) -> Response<Answer> {
    match gate.judge(request.method(), request.uri(), request.headers()) {
        Admission::Pass => passed(client, request).await,
        Admission::Admit(cookie) => admitted(&cookie),
        Admission::Refuse(status, why) => own(status, why),
    }
}

/// With the daemon's answer. None of the requests that are let through has a body.
async fn passed(client: &client::Client, request: Request<Incoming>) -> Response<Answer> {
    let (mut head, _) = request.into_parts();
    for name in NOT_PASSED_ON {
        head.headers.remove(name);
    }
    head.headers
        .insert(header::HOST, HeaderValue::from_static("warrend"));
    match client.pass_on(Request::from_parts(head, Full::default())).await {
        Ok(answer) => answer.map(Answer::Passed),
        Err(error) => own(StatusCode::BAD_GATEWAY, &error.to_string()),
    }
}

/// To the page, without the token in the address.
fn admitted(cookie: &str) -> Response<Answer> {
    let mut answer = own(StatusCode::SEE_OTHER, "");
    let headers = answer.headers_mut();
    headers.insert(header::LOCATION, HeaderValue::from_static("/ui/"));
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        headers.insert(header::SET_COOKIE, cookie);
    }
    answer
}

fn own(status: StatusCode, text: &str) -> Response<Answer> {
    let mut answer = Response::new(Answer::Own(Full::from(format!("{text}\n"))));
    *answer.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> task::Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Passed(body) => Pin::new(body).poll_frame(context),
            Self::Own(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Passed(body) => body.is_end_stream(),
            Self::Own(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Passed(body) => body.size_hint(),
            Self::Own(body) => body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests;

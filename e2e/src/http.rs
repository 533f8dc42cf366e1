//! A small blocking HTTP/1.1: one request per connection. A client over TCP or a unix socket, and what servers need.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

/// Responses larger than this are refused.
const MAX_BODY: u64 = 64 << 20;

/// A response.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The fields behind the header.
    pub body: Vec<u8>,
}

impl Response {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is not.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {:?}", self.text()))
    }
}

/// Posts JSON over TCP.
///
/// # Errors
/// When the server cannot be reached in time, or answers something else than HTTP.
pub fn post(server: SocketAddr, path: &str, body: &str, timeout: Duration) -> Result<Response> {
    request(server, "POST", path, body, timeout)
}

/// Makes a request over TCP.
///
/// # Errors
/// As for [`post`].
pub fn request(
    server: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
    timeout: Duration,
) -> Result<Response> {
    let stream = TcpStream::connect_timeout(&server, timeout)
        .with_context(|| format!("cannot connect to {server}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(timeout))?;
    exchange(stream, method, path, body).with_context(|| format!("{server}{path}"))
}

/// Makes a request over a unix socket.
///
/// # Errors
/// When the server cannot be reached, is silent for longer than the timeout, or answers something else than HTTP.
pub fn unix(socket: &Path, method: &str, path: &str, body: &str, timeout: Duration) -> Result<Response> {
    let stream =
        UnixStream::connect(socket).with_context(|| format!("cannot connect to {}", socket.display()))?;
    stream.set_read_timeout(Some(timeout))?;
    exchange(stream, method, path, body).with_context(|| format!("{method} {path}"))
}

/// A request, as a server reads it.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
}

/// A connection, if one is waiting.
pub(crate) fn accept(listener: &TcpListener) -> Option<TcpStream> {
    listener.set_nonblocking(true).ok()?;
    let (stream, _) = listener.accept().ok()?;
    stream.set_nonblocking(false).ok()?;
    Some(stream)
}

/// Reads the request of a connection.
pub(crate) fn read_request(stream: &TcpStream) -> Result<Request> {
    let mut reader = BufReader::new(stream);
    let first = line(&mut reader)?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = words.next().zip(words.next()).context("no request")?;
    let headers = headers(&mut reader)?;
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .map_or(Ok(0), |(_, value)| value.parse::<usize>())?;
    let mut body = vec![0; length.min(1 << 24)];
    reader.read_exact(&mut body)?;
    Ok(Request { method, path, body })
}

/// Answers with JSON, and means the connection to end.
pub(crate) fn respond(mut stream: &TcpStream, status: u16, body: &[u8]) -> Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} -\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    Ok(stream.write_all(&[head.as_bytes(), body].concat())?)
}

fn exchange(mut stream: impl Read + Write, method: &str, path: &str, body: &str) -> Result<Response> {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).context("cannot send")?;
    let mut reader = BufReader::new(stream);
    let status_line = line(&mut reader)?;
    let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.with_context(|| format!("not HTTP: {status_line:?}"))?;
    let headers = headers(&mut reader)?;
    let body = read_body(&mut reader, &headers)?;
    Ok(Response {
        status,
        headers,
        body,
    })
}

fn headers(reader: &mut impl BufRead) -> Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    while headers.len() < 256 {
        let line = line(reader)?;
        if line.is_empty() {
            return Ok(headers);
        }
        let (name, value) = line
            .split_once(':')
            .with_context(|| format!("not a header field: {line:?}"))?;
        headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    bail!("more than 256 header fields")
}

fn read_body(reader: &mut impl BufRead, headers: &[(String, String)]) -> Result<Vec<u8>> {
    let header = |name: &str| {
        headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    if header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        return chunks(reader);
    }
    let mut body = Vec::new();
    match header("content-length").map(str::parse::<u64>) {
        Some(Ok(length)) => {
            ensure!(length <= MAX_BODY, "a body of {length} bytes");
            reader.take(length).read_to_end(&mut body)?;
            ensure!(
                body.len() as u64 == length,
                "the body ends after {} of {length} bytes",
                body.len()
            );
        }
        Some(Err(_)) => bail!("not a content length"),
        None => {
            reader.take(MAX_BODY).read_to_end(&mut body)?;
        }
    }
    Ok(body)
}

fn chunks(reader: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    while (body.len() as u64) < MAX_BODY {
        let size = line(reader)?;
        let size = u64::from_str_radix(size.split(';').next().unwrap_or_default(), 16)
            .context("not a chunk size")?;
        if size == 0 {
            return Ok(body);
        }
        reader.by_ref().take(size.min(MAX_BODY)).read_to_end(&mut body)?;
        line(reader)?;
    }
    bail!("the body is too large")
}

fn line(reader: &mut impl BufRead) -> Result<String> {
    let mut text = String::new();
    let read = reader
        .by_ref()
        .take(64 << 10)
        .read_line(&mut text)
        .context("no answer")?;
    ensure!(read > 0, "the connection closed early");
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

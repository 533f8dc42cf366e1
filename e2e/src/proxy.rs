//! A reverse proxy before the ledger that misbehaves on demand.

use std::{
    io::Write,
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{
    http::{self, Request, accept, read_request, respond},
    rpc::Rpc,
};

/// What the proxy does to requests over HTTP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Nothing: answers pass as they are.
    None,
    /// Nobody listens; websockets are cut.
    Down,
    /// Requests are taken and never answered.
    Silent,
    /// The answer is not JSON.
    Garbage,
    /// The answer ends in the middle.
    Truncated,
    /// The answer comes this late.
    Slow(Duration),
    /// An HTTP error, with a Retry-After in seconds.
    Status(u16, Option<u32>),
    /// Lists of accounts are empty.
    Empty,
    /// The slot of the answer is this much lower, and its accounts are gone.
    SlotBack(u64),
    /// Every account claims another owner.
    WrongOwner,
    /// A balancer: every second request is answered by a node that is this many slots behind, as far as its slots tell.
    Lagging(u64),
    /// The ledger goes on from this many slots earlier.
    Restarted(u64),
    /// Requests are redirected to another path of the same server (307).
    Redirected,
}

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    /// The proxy as a ledger.
    pub rpc: Rpc,
    state: Arc<State>,
}

/// What went through.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Requests over HTTP.
    pub requests: u64,
    /// Bytes of answers' bodies.
    pub bytes: u64,
}

#[derive(Debug)]
struct State {
    upstream: Rpc,
    fault: Mutex<(Fault, Option<u32>)>,
    requests: AtomicU64,
    bytes: AtomicU64,
    websockets: Mutex<Vec<TcpStream>>,
    websockets_refused: AtomicBool,
    stopped: AtomicBool,
}

impl Proxy {
    /// Listens on the port, and on the next one for websockets.
    ///
    /// # Errors
    /// When a port is taken.
    pub fn start(upstream: Rpc, address: Ipv4Addr, port: u16) -> Result<Self> {
        let state = Arc::new(State {
            upstream,
            fault: Mutex::new((Fault::None, None)),
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            websockets: Mutex::new(Vec::new()),
            websockets_refused: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
        });
        let proxy = Self {
            rpc: Rpc::at(address, port),
            state,
        };
        proxy.listen(port, State::answer)?;
        proxy.listen(port + 1, State::relay)?;
        Ok(proxy)
    }

    /// From now on every request has this fault.
    pub fn set(&self, fault: Fault) {
        if fault == Fault::Down {
            self.cut_websockets();
        }
        *lock(&self.state.fault) = (fault, None);
    }

    /// The next `times` requests have this fault, and those after them none.
    pub fn next(&self, times: u32, fault: Fault) {
        *lock(&self.state.fault) = (fault, Some(times));
    }

    /// Whether a fault that was asked for a number of times is used up.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        lock(&self.state.fault).0 == Fault::None
    }

    /// Ends every websocket; new ones are taken.
    pub fn cut_websockets(&self) {
        for websocket in lock(&self.state.websockets).drain(..) {
            let _ = websocket.shutdown(Shutdown::Both);
        }
    }

    /// Whether websockets are refused, so that only reading by timer is left.
    pub fn refuse_websockets(&self, refused: bool) {
        self.state.websockets_refused.store(refused, Ordering::Relaxed);
        if refused {
            self.cut_websockets();
        }
    }

    /// What went through so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        Traffic {
            requests: self.state.requests.load(Ordering::Relaxed),
            bytes: self.state.bytes.load(Ordering::Relaxed),
        }
    }

    fn listen(&self, port: u16, handler: fn(&State, TcpStream) -> Result<()>) -> Result<()> {
        let bind = move || TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
        let mut listener = Some(bind().with_context(|| format!("cannot listen on port {port}"))?);
        let state = Arc::clone(&self.state);
        thread::Builder::new().name("proxy".into()).spawn(move || {
            while !state.stopped.load(Ordering::Relaxed) {
                if state.is_down() {
                    listener = None;
                } else if listener.is_none() {
                    listener = bind().ok();
                }
                match listener.as_ref().map(accept) {
                    Some(Some(stream)) => {
                        let state = Arc::clone(&state);
                        thread::spawn(move || handler(&state, stream));
                    }
                    Some(None) | None => thread::sleep(Duration::from_millis(2)),
                }
            }
        })?;
        Ok(())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Relaxed);
        self.cut_websockets();
    }
}

impl State {
    fn is_down(&self) -> bool {
        lock(&self.fault).0 == Fault::Down
    }

    /// The fault for one request.
    fn take_fault(&self) -> Fault {
        let mut fault = lock(&self.fault);
        let current = fault.0.clone();
        if let Some(left) = &mut fault.1 {
            *left = left.saturating_sub(1);
            if *left == 0 {
                *fault = (Fault::None, None);
            }
        }
        current
    }

    fn answer(&self, mut stream: TcpStream) -> Result<()> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let Request {
            path, body: request, ..
        } = read_request(&stream)?;
        self.requests.fetch_add(1, Ordering::Relaxed);
        match self.take_fault() {
            Fault::None => self.send(&mut stream, self.forward(&request)?),
            Fault::Down => Ok(()),
            Fault::Silent => {
                thread::sleep(Duration::from_secs(60));
                Ok(())
            }
            Fault::Garbage => self.send(&mut stream, b"<html>\xff\x00 not what you asked for".to_vec()),
            Fault::Truncated => {
                let body = self.forward(&request)?;
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all(head.as_bytes())?;
                stream.write_all(&body[..body.len() / 2])?;
                Ok(stream.shutdown(Shutdown::Both)?)
            }
            Fault::Slow(delay) => {
                thread::sleep(delay);
                self.send(&mut stream, self.forward(&request)?)
            }
            Fault::Status(code, retry_after) => {
                let retry =
                    retry_after.map_or_else(String::new, |seconds| format!("retry-after: {seconds}\r\n"));
                let head =
                    format!("HTTP/1.1 {code} Fault\r\n{retry}content-length: 0\r\nconnection: close\r\n\r\n");
                Ok(stream.write_all(head.as_bytes())?)
            }
            Fault::Empty => self.send(&mut stream, altered(&self.forward(&request)?, without_accounts)?),
            Fault::SlotBack(slots) => {
                let old = altered(&self.forward(&request)?, |answer| {
                    without_accounts(answer);
                    let slot = answer["result"]["context"]["slot"].as_u64().unwrap_or(0);
                    answer["result"]["context"]["slot"] = slot.saturating_sub(slots).into();
                })?;
                self.send(&mut stream, old)
            }
            Fault::Lagging(slots) if self.requests.load(Ordering::Relaxed).is_multiple_of(2) => {
                let answer = self.behind(&request, slots)?;
                self.send(&mut stream, answer)
            }
            Fault::Lagging(_) => self.send(&mut stream, self.forward(&request)?),
            Fault::Restarted(slots) => {
                let request = altered(&request, |request| {
                    raise(&mut request["params"][1]["minContextSlot"], slots)
                })?;
                self.send(
                    &mut stream,
                    altered(&self.forward(&request)?, |answer| lower(answer, slots))?,
                )
            }
            Fault::Redirected if path != "/there" => {
                let head = "HTTP/1.1 307 Temporary Redirect\r\nlocation: /there\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                Ok(stream.write_all(head.as_bytes())?)
            }
            Fault::Redirected => self.send(&mut stream, self.forward(&request)?),
            Fault::WrongOwner => self.send(
                &mut stream,
                altered(&self.forward(&request)?, with_another_owner)?,
            ),
        }
    }

    /// What a node answers that is this many slots behind.
    fn behind(&self, request: &[u8], slots: u64) -> Result<Vec<u8>> {
        let asked: Value = serde_json::from_slice(request)?;
        let slot = self.upstream.slot()?.saturating_sub(slots);
        if asked["params"][1]["minContextSlot"]
            .as_u64()
            .is_some_and(|least| least > slot)
        {
            let error = json!({"code": -32016, "message": "Minimum context slot has not been reached", "data": {"contextSlot": slot}});
            return Ok(json!({"jsonrpc": "2.0", "id": asked["id"], "error": error})
                .to_string()
                .into_bytes());
        }
        altered(&self.forward(request)?, |answer| lower(answer, slots))
    }

    fn forward(&self, request: &[u8]) -> Result<Vec<u8>> {
        let text = std::str::from_utf8(request).context("the request is not text")?;
        Ok(http::post(self.upstream.server, "/", text, Duration::from_secs(30))?.body)
    }

    fn send(&self, stream: &mut TcpStream, body: Vec<u8>) -> Result<()> {
        self.bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
        respond(stream, 200, &body)
    }

    fn relay(&self, client: TcpStream) -> Result<()> {
        if self.websockets_refused.load(Ordering::Relaxed) {
            return Ok(());
        }
        let ledger = SocketAddr::new(self.upstream.server.ip(), self.upstream.server.port() + 1);
        let server = TcpStream::connect(ledger)?;
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
            lock(&self.websockets).push(stream.try_clone()?);
        }
        let (from, to) = (client.try_clone()?, server.try_clone()?);
        thread::spawn(move || copy(from, to));
        copy(server, client);
        Ok(())
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

fn altered(body: &[u8], change: impl FnOnce(&mut Value)) -> Result<Vec<u8>> {
    let mut answer: Value = serde_json::from_slice(body).context("the ledger's answer is not JSON")?;
    change(&mut answer);
    Ok(answer.to_string().into_bytes())
}

fn raise(slot: &mut Value, slots: u64) {
    if let Some(number) = slot.as_u64() {
        *slot = (number + slots).into();
    }
}

/// The slot that an answer was read at.
fn lower(answer: &mut Value, slots: u64) {
    if let Some(slot) = answer.pointer_mut("/result/context/slot") {
        *slot = slot.as_u64().unwrap_or(0).saturating_sub(slots).into();
    }
}

/// Empties a list of program accounts; accounts that were asked for by address become unknown.
fn without_accounts(answer: &mut Value) {
    let result = &mut answer["result"];
    let list = if result.is_array() {
        Some(result)
    } else {
        result.get_mut("value")
    };
    match list {
        Some(Value::Array(accounts)) if accounts.iter().any(|account| account.get("pubkey").is_some()) => {
            accounts.clear()
        }
        Some(Value::Array(accounts)) => accounts.iter_mut().for_each(|account| *account = Value::Null),
        Some(_) | None => {}
    }
}

fn with_another_owner(answer: &mut Value) {
    match answer {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "owner" {
                    *value = "Stake11111111111111111111111111111111111111".into();
                } else {
                    with_another_owner(value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(with_another_owner),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! A ledger for tests: JSON-RPC over HTTP on loopback, with a script of faults.

use std::{
    collections::{BTreeMap, VecDeque},
    io::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream},
    net::{TcpListener, TcpStream},
};
use warren_state::Pubkey;

use crate::{
    accounts::{Account, Device, GlobalConfig, User, UserType, encode, samples},
    pda::Pda,
};

/// The program of all tests.
pub(crate) const PROGRAM: Pubkey = Pubkey([42; 32]);
pub(crate) const CLIENT_IP: std::net::Ipv4Addr = std::net::Ipv4Addr::new(192, 0, 2, 10);

/// What goes wrong with one request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Answer with this status and, perhaps, a time to wait in seconds.
    Status(u16, Option<u64>),
    /// Answer with a JSON-RPC error.
    Rpc(i64, &'static str),
    /// Answer with this text as the body.
    Body(&'static str),
    /// Announce a body and close in the middle of it.
    CutOff,
    /// Send the right body but for its last bytes.
    HalfJson,
    /// Redirect with this status to this place.
    Redirect(u16, String),
    /// Answer with this status and this Retry-After.
    Wait(u16, &'static str),
    /// Close without an answer.
    Close,
    /// Never answer.
    Hang,
    /// Send this many bytes.
    Oversize(usize),
    /// Send this many bytes without saying so first.
    Stream(usize),
    /// Send a small packed body that unpacks to this many bytes.
    Bomb(usize),
    /// The request is answered as it should be.
    None,
}

/// What the ledger holds, and what was asked of it.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) accounts: BTreeMap<Pubkey, (Pubkey, Vec<u8>)>,
    pub(crate) slot: u64,
    /// How far each request advances the slot (negative: back).
    pub(crate) slot_step: i64,
    pub(crate) faults: VecDeque<Fault>,
    pub(crate) requests: Vec<Value>,
    /// Answers ignore the filters, as a broken proxy would.
    pub(crate) ignore_filters: bool,
    /// What a provider leaves out.
    pub(crate) odd: Quirks,
    /// Each request is answered by the next of these nodes, this many slots behind; none: by one that is not behind.
    pub(crate) lags: Vec<u64>,
    /// Results of the methods that are not about accounts.
    pub(crate) results: BTreeMap<&'static str, Value>,
}

/// What a provider leaves out of the protocol.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quirks {
    /// `minContextSlot` is an invalid parameter.
    pub(crate) no_min_slot: bool,
    /// So is `base64+zstd`.
    pub(crate) no_zstd: bool,
    /// Lists of accounts come without a slot.
    pub(crate) no_context: bool,
    /// How many accounts one request may name.
    pub(crate) at_most: Option<usize>,
    /// Lists of accounts are not served.
    pub(crate) no_lists: bool,
    /// Answers begin with a byte order mark.
    pub(crate) byte_order_mark: bool,
}

pub(crate) struct FakeLedger {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for FakeLedger {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakeLedger {
    /// Holds a configuration only.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            slot: 1000,
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        let ledger = Self { address, state, task };
        ledger.put(config_key(), &samples::global_config().into());
        ledger
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn put(&self, pubkey: Pubkey, account: &Account) {
        self.put_raw(pubkey, PROGRAM, encode(account));
    }

    pub(crate) fn put_raw(&self, pubkey: Pubkey, owner: Pubkey, data: Vec<u8>) {
        self.state().accounts.insert(pubkey, (owner, data));
    }

    pub(crate) fn faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.extend(faults);
    }

    pub(crate) fn methods(&self) -> Vec<String> {
        self.state()
            .requests
            .iter()
            .map(|request| request["method"].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

pub(crate) fn config_key() -> Pubkey {
    Pda::new(PROGRAM).config().address
}

/// A user of this host at device 50, with a tenant and, for multicast, groups.
pub(crate) fn user(user_type: UserType) -> User {
    User {
        user_type,
        client_ip: CLIENT_IP,
        ..samples::user()
    }
}

pub(crate) fn device() -> Device {
    samples::device()
}

pub(crate) fn config(remote_asn: u32) -> GlobalConfig {
    GlobalConfig {
        remote_asn,
        ..samples::global_config()
    }
}

async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut stream = BufStream::new(stream);
    while let Some(request) = read_request(&mut stream).await {
        let (fault, answer) = {
            let mut state = state.lock().unwrap();
            state.requests.push(request.clone());
            let fault = state.faults.pop_front().unwrap_or(Fault::None);
            state.slot = state.slot.saturating_add_signed(state.slot_step);
            let mark = if state.odd.byte_order_mark { "\u{feff}" } else { "" };
            (fault, format!("{mark}{}", answer(&state, &request)))
        };
        if !respond(&mut stream, fault, answer).await {
            return;
        }
    }
}

async fn read_request(stream: &mut BufStream<TcpStream>) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    serde_json::from_slice(&body).ok()
}

/// Whether the connection goes on.
async fn respond(stream: &mut BufStream<TcpStream>, fault: Fault, answer: String) -> bool {
    let ok = |body: &[u8], more: &str| {
        [
            format!("HTTP/1.1 200 OK\r\n{more}content-length: {}\r\n\r\n", body.len()).as_bytes(),
            body,
        ]
        .concat()
    };
    let (bytes, goes_on) = match fault {
        Fault::None => (ok(answer.as_bytes(), ""), true),
        Fault::Status(status, retry_after) => {
            let header = retry_after
                .map(|seconds| format!("retry-after: {seconds}\r\n"))
                .unwrap_or_default();
            (
                format!("HTTP/1.1 {status} No\r\n{header}content-length: 0\r\n\r\n").into_bytes(),
                true,
            )
        }
        Fault::Rpc(code, message) => {
            let body =
                json!({"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": message}}).to_string();
            (ok(body.as_bytes(), ""), true)
        }
        Fault::Body(body) => (ok(body.as_bytes(), ""), true),
        Fault::CutOff => (
            b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n{\"jsonrpc\":".to_vec(),
            false,
        ),
        Fault::HalfJson => (ok(&answer.as_bytes()[..answer.len() - 5], ""), true),
        Fault::Redirect(status, to) => (
            format!("HTTP/1.1 {status} There\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n").into_bytes(),
            true,
        ),
        Fault::Wait(status, time) => (
            format!("HTTP/1.1 {status} No\r\nretry-after: {time}\r\ncontent-length: 0\r\n\r\n").into_bytes(),
            true,
        ),
        Fault::Close => return false,
        Fault::Hang => return std::future::pending().await,
        Fault::Oversize(size) => (ok(&vec![b' '; size], ""), false),
        Fault::Stream(size) => (
            [
                b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
                &vec![b' '; size][..],
            ]
            .concat(),
            false,
        ),
        Fault::Bomb(size) => {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            packer.write_all(&vec![b' '; size]).unwrap();
            (ok(&packer.finish().unwrap(), "content-encoding: gzip\r\n"), true)
        }
    };
    stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok() && goes_on
}

/// What a node in this state answers.
pub(crate) fn answer(state: &State, request: &Value) -> Value {
    let lag = if state.lags.is_empty() {
        0
    } else {
        state.lags[(state.requests.len() - 1) % state.lags.len()]
    };
    let slot = state.slot - lag;
    let context = json!({"slot": slot});
    let refusal = |code: i64, message: &str| json!({"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": message}});
    let (odd, params) = (state.odd, &request["params"]);
    let min = params[1]["minContextSlot"].as_u64();
    if odd.no_min_slot && params[1].get("minContextSlot").is_some() {
        return refusal(-32602, "Invalid params: unknown field `minContextSlot`");
    }
    if odd.no_zstd && params[1]["encoding"] == "base64+zstd" {
        return refusal(-32602, "Invalid params: unknown variant");
    }
    if odd.no_lists && request["method"] == "getProgramAccounts" {
        return refusal(-32601, "getProgramAccounts is not available on your plan");
    }
    if odd
        .at_most
        .is_some_and(|most| params[0].as_array().is_some_and(|keys| keys.len() > most))
    {
        return refusal(
            -32602,
            &format!(
                "Too many inputs provided; max {}",
                odd.at_most.unwrap_or_default()
            ),
        );
    }
    if min.is_some_and(|min| min > slot) {
        return refusal(-32016, "Minimum context slot has not been reached");
    }
    let packed = params[1]["encoding"] == "base64+zstd";
    let shown = |account: &(Pubkey, Vec<u8>), slice: &Value| shown(account, slice, packed);
    let slice = &request["params"][1]["dataSlice"];
    let value = match request["method"].as_str() {
        Some("getProgramAccounts") => {
            let filters = &request["params"][1]["filters"];
            let matching = state
                .accounts
                .iter()
                .filter(|(_, (_, data))| state.ignore_filters || passes(filters, data));
            let keyed = |(pubkey, account)| json!({"pubkey": pubkey, "account": shown(account, slice)});
            Value::Array(matching.map(keyed).collect())
        }
        Some("getMultipleAccounts") => {
            let keys = request["params"][0].as_array().unwrap();
            let found = |key: &Value| {
                state
                    .accounts
                    .get(&key.as_str().unwrap().parse::<Pubkey>().unwrap())
            };
            Value::Array(
                keys.iter()
                    .map(|key| found(key).map_or(Value::Null, |account| shown(account, slice)))
                    .collect(),
            )
        }
        Some(method) if state.results.contains_key(method) => {
            return json!({"jsonrpc": "2.0", "id": 1, "result": state.results[method]});
        }
        _ => {
            return json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "Method not found"}});
        }
    };
    if odd.no_context && request["method"] == "getProgramAccounts" {
        return json!({"jsonrpc": "2.0", "id": 1, "result": value});
    }
    json!({"jsonrpc": "2.0", "id": 1, "result": {"context": context, "value": value}})
}

fn passes(filters: &Value, data: &[u8]) -> bool {
    filters.as_array().unwrap().iter().all(|filter| {
        let memcmp = &filter["memcmp"];
        assert_eq!(memcmp["encoding"], "base58");
        let offset = memcmp["offset"].as_u64().unwrap() as usize;
        let bytes = unbase58(memcmp["bytes"].as_str().unwrap());
        data.get(offset..offset + bytes.len()) == Some(&bytes[..])
    })
}

/// Base58 to bytes, the slow way.
fn unbase58(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut bytes: Vec<u8> = Vec::new();
    for c in text.bytes() {
        let mut carry = DIGITS.iter().position(|digit| *digit == c).unwrap();
        for byte in bytes.iter_mut().rev() {
            carry += usize::from(*byte) * 58;
            *byte = (carry & 0xff) as u8;
            carry >>= 8;
        }
        while carry > 0 {
            bytes.insert(0, (carry & 0xff) as u8);
            carry >>= 8;
        }
    }
    let zeros = text.bytes().take_while(|c| *c == b'1').count();
    [vec![0; zeros], bytes].concat()
}

fn shown((owner, data): &(Pubkey, Vec<u8>), slice: &Value, packed: bool) -> Value {
    let (from, len) = (
        slice["offset"].as_u64().unwrap_or(0) as usize,
        slice["length"].as_u64().unwrap_or(u64::MAX) as usize,
    );
    let from = from.min(data.len());
    let data = &data[from..data.len().min(from.saturating_add(len))];
    let text = BASE64_STANDARD.encode(if packed {
        zstd::encode_all(data, 0).unwrap()
    } else {
        data.to_vec()
    });
    let encoding = if packed { "base64+zstd" } else { "base64" };
    json!({"lamports": 1, "owner": owner, "executable": false, "rentEpoch": 0, "space": data.len(), "data": [text, encoding]})
}

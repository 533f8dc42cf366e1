//! A network's verification service: signs the IPv4 address at which it sees whoever asks.
//!
//! `POST /v1/proof` with `{"payer":"KEY","user_type":N}` answers with the proof, or with a refusal and its reason. `GET /health`
//! says whether the service knows the ledger's epoch.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::json;
use warren_ledger::{
    IpProof, Keypair,
    accounts::{Account, GlobalState, UserType},
    proof::REQUIRED,
};
use warren_state::{Pubkey, address::is_public};

use crate::{
    http::{Request, accept, read_request, respond},
    network::Network,
    rpc::{RawAccount, Rpc},
};

/// From one address within [`WINDOW`].
const MOST_REQUESTS: usize = 30;
const WINDOW: Duration = Duration::from_secs(60);
/// For a request that has begun.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running service. It ends when it is dropped.
#[derive(Debug)]
pub struct Verifier {
    /// Where it listens.
    pub url: String,
    /// The key that its signatures are of.
    pub key: Pubkey,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    keypair: Keypair,
    ledger: Rpc,
    asked: Mutex<BTreeMap<Ipv4Addr, Vec<Instant>>>,
    signed: Mutex<Vec<IpProof>>,
    stopped: AtomicBool,
}

/// What is asked for. An address is none of it: the service says what it sees.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    payer: Pubkey,
    user_type: u8,
}

/// Why there is no proof.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ProofRefusal {
    InvalidRequest,
    RateLimited,
    Ipv6Unsupported,
    NotGloballyRoutable,
    EpochUnavailable,
}

impl ProofRefusal {
    /// The HTTP status, the word and the sentence.
    fn told(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::InvalidRequest => (
                400,
                "invalid_request",
                "expected {\"payer\":\"KEY\",\"user_type\":0..3} and nothing else",
            ),
            Self::RateLimited => (429, "rate_limited", "too many requests from this address"),
            Self::Ipv6Unsupported => (400, "ipv6_unsupported", "only IPv4 addresses are proven"),
            Self::NotGloballyRoutable => (
                400,
                "not_globally_routable",
                "the address that this service sees is not a public one",
            ),
            Self::EpochUnavailable => (503, "epoch_unavailable", "the ledger's epoch is not known"),
        }
    }
}

impl Verifier {
    /// Listens there, with a key of its own.
    ///
    /// # Errors
    /// When the port is taken, or the system provides no random numbers.
    pub fn start(ledger: Rpc, address: Ipv4Addr, port: u16) -> Result<Self> {
        let keypair = Keypair::generate()?;
        let listener =
            TcpListener::bind((address, port)).with_context(|| format!("cannot listen on port {port}"))?;
        let url = format!("http://{}", listener.local_addr()?);
        let key = keypair.pubkey();
        let (asked, signed) = (Mutex::default(), Mutex::default());
        let state = Arc::new(State {
            keypair,
            ledger,
            asked,
            signed,
            stopped: AtomicBool::new(false),
        });
        let running = Arc::clone(&state);
        thread::Builder::new().name("verifier".into()).spawn(move || {
            while !running.stopped.load(Ordering::Relaxed) {
                let Some(stream) = accept(&listener) else {
                    thread::sleep(Duration::from_millis(2));
                    continue;
                };
                let state = Arc::clone(&running);
                // A peer that breaks off is nobody's concern.
                thread::spawn(move || drop(state.serve(&stream)));
            }
        })?;
        Ok(Self { url, key, state })
    }

    /// The proofs so far.
    #[must_use]
    pub fn signed(&self) -> Vec<IpProof> {
        lock(&self.state.signed).clone()
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Relaxed);
    }
}

impl State {
    fn serve(&self, stream: &TcpStream) -> Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let Request { method, path, body } = read_request(stream)?;
        match (method.as_str(), path.as_str()) {
            ("POST", "/v1/proof") => match self.prove(stream.peer_addr()?, &body) {
                Ok(proof) => respond(stream, 200, proof.to_json().as_bytes()),
                Err(refusal) => {
                    let (status, error, message) = refusal.told();
                    respond(
                        stream,
                        status,
                        json!({ "error": error, "message": message })
                            .to_string()
                            .as_bytes(),
                    )
                }
            },
            ("GET", "/health") => {
                let status = if self.epoch().is_ok() { 200 } else { 503 };
                respond(
                    stream,
                    status,
                    json!({ "ok": status == 200 }).to_string().as_bytes(),
                )
            }
            (_, "/v1/proof" | "/health") => respond(stream, 405, b"method not allowed\n"),
            _ => respond(stream, 404, b"not found\n"),
        }
    }

    fn prove(&self, peer: SocketAddr, body: &[u8]) -> Result<IpProof, ProofRefusal> {
        let observed = match peer.ip().to_canonical() {
            IpAddr::V4(address) => address,
            IpAddr::V6(_) => return Err(ProofRefusal::Ipv6Unsupported),
        };
        self.count(observed)?;
        let asked: Asked = serde_json::from_slice(body).map_err(|_| ProofRefusal::InvalidRequest)?;
        if asked.user_type > UserType::MULTICAST.0 {
            return Err(ProofRefusal::InvalidRequest);
        }
        if !is_public(observed) {
            return Err(ProofRefusal::NotGloballyRoutable);
        }
        let epoch = self.epoch().map_err(|_| ProofRefusal::EpochUnavailable)?;
        let proof = IpProof::sign(
            asked.payer,
            observed,
            epoch,
            UserType(asked.user_type),
            &self.keypair,
        );
        lock(&self.signed).push(proof);
        Ok(proof)
    }

    fn count(&self, peer: Ipv4Addr) -> Result<(), ProofRefusal> {
        let mut asked = lock(&self.asked);
        let times = asked.entry(peer).or_default();
        times.retain(|at| at.elapsed() < WINDOW);
        if times.len() >= MOST_REQUESTS {
            return Err(ProofRefusal::RateLimited);
        }
        times.push(Instant::now());
        Ok(())
    }

    fn epoch(&self) -> Result<u64> {
        let info = self
            .ledger
            .call("getEpochInfo", json!([{ "commitment": "confirmed" }]))?;
        info["epoch"].as_u64().context("an epoch that is no number")
    }
}

impl Network {
    /// The program's state of a network whose verifier this is, and which asks for proofs or not.
    #[must_use]
    pub fn state_with_verifier(&self, verifier: Pubkey, requires: bool) -> RawAccount {
        let state = self.new_global_state();
        self.raw(
            self.pda().global_state().address,
            with_verifier(state, verifier, requires).into(),
        )
    }

    /// Names this verifier on a running ledger, and has the network ask for proofs or not.
    ///
    /// # Errors
    /// When the ledger refuses.
    pub fn set_verifier(&self, verifier: Pubkey, requires: bool) -> Result<()> {
        let address = self.pda().global_state().address;
        let Some(Account::GlobalState(state)) = self.get(address)? else {
            bail!("the program has no state")
        };
        self.put(address, with_verifier(state, verifier, requires))
    }
}

fn with_verifier(state: GlobalState, verifier: Pubkey, requires: bool) -> GlobalState {
    let flags = state.feature_flags & !REQUIRED;
    GlobalState {
        ip_verifier_authority: verifier,
        feature_flags: if requires { flags | REQUIRED } else { flags },
        ..state
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request;

    const PAYER: Pubkey = Pubkey([1; 32]);

    /// A service before a ledger that answers everything with epoch 7, or before nothing at all.
    fn service(has_ledger: bool) -> Verifier {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ledger = Rpc {
            server: listener.local_addr().unwrap(),
        };
        if has_ledger {
            thread::spawn(move || {
                for stream in listener.incoming() {
                    let stream = stream.unwrap();
                    read_request(&stream).unwrap();
                    respond(&stream, 200, br#"{"jsonrpc":"2.0","id":1,"result":{"epoch":7}}"#).unwrap();
                }
            });
        }
        Verifier::start(ledger, Ipv4Addr::LOCALHOST, 0).unwrap()
    }

    fn ask(verifier: &Verifier, peer: &str, body: &str) -> (u16, serde_json::Value) {
        let refused = verifier
            .state
            .prove(peer.parse().unwrap(), body.as_bytes())
            .map_err(ProofRefusal::told);
        match refused {
            Ok(proof) => (200, serde_json::from_str(&proof.to_json()).unwrap()),
            Err((status, reason, _)) => (status, reason.into()),
        }
    }

    #[test]
    fn it_signs_the_address_that_it_sees_in_the_ledgers_epoch() {
        let verifier = service(true);
        let body = format!(r#"{{"payer":"{PAYER}","user_type":3}}"#);
        let (status, answer) = ask(&verifier, "9.1.2.3:44", &body);
        let proof = IpProof::from_json(answer.to_string().as_bytes(), &PAYER, UserType::MULTICAST).unwrap();
        assert_eq!(
            (status, proof.client_ip, proof.epoch),
            (200, Ipv4Addr::new(9, 1, 2, 3), 7)
        );
        assert_eq!(
            proof.check(&PAYER, proof.client_ip, UserType::MULTICAST, &verifier.key),
            Ok(())
        );
        assert_eq!(verifier.signed(), [proof]);
        assert_eq!(ask(&verifier, "[::ffff:9.1.2.3]:44", &body).0, 200);
    }

    #[test]
    fn whoever_names_an_address_or_asks_for_what_there_is_not_or_too_often_is_refused() {
        let verifier = service(true);
        let good = format!(r#"{{"payer":"{PAYER}","user_type":0}}"#);
        let named = format!(r#"{{"payer":"{PAYER}","user_type":0,"client_ip":"9.1.2.3"}}"#);
        let kind = format!(r#"{{"payer":"{PAYER}","user_type":4}}"#);
        for body in [named.as_str(), &kind, r#"{"payer":"x","user_type":0}"#, "", "[]"] {
            assert_eq!(
                ask(&verifier, "9.1.2.3:44", body),
                (400, "invalid_request".into()),
                "{body}"
            );
        }
        assert_eq!(
            ask(&verifier, "[2001:db8::1]:44", &good),
            (400, "ipv6_unsupported".into())
        );
        assert_eq!(
            ask(&verifier, "10.0.0.1:44", &good),
            (400, "not_globally_routable".into())
        );
        (0..MOST_REQUESTS).for_each(|_| assert_eq!(ask(&verifier, "9.1.2.4:44", &good).0, 200));
        assert_eq!(ask(&verifier, "9.1.2.4:44", &good), (429, "rate_limited".into()));
        assert_eq!(ask(&verifier, "9.1.2.5:44", &good).0, 200);
    }

    #[test]
    fn without_a_ledger_it_says_so() {
        let verifier = service(false);
        let body = format!(r#"{{"payer":"{PAYER}","user_type":0}}"#);
        assert_eq!(
            ask(&verifier, "9.1.2.3:44", &body),
            (503, "epoch_unavailable".into())
        );
    }

    #[test]
    fn it_answers_over_http() {
        let verifier = service(true);
        let server = verifier.url.strip_prefix("http://").unwrap().parse().unwrap();
        let call = |method, path, body| request(server, method, path, body, PATIENCE).unwrap();
        assert_eq!(call("GET", "/health", "").status, 200);
        assert_eq!(call("GET", "/v1/proof", "").status, 405);
        assert_eq!(call("GET", "/", "").status, 404);
        let body = format!(r#"{{"payer":"{PAYER}","user_type":0}}"#);
        let refused = call("POST", "/v1/proof", &body);
        assert_eq!(
            (refused.status, refused.json().unwrap()["error"].clone()),
            (400, "not_globally_routable".into()),
            "it sees loopback"
        );
    }
}

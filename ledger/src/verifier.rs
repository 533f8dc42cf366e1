//! Asking a verification service for a proof of address.
//!
//! The service signs the address that it sees, so the request must leave from the address that is to be proven, and through no
//! proxy. [`Verifier::egress`] finds out whether it can; [`Verifier::ask`] asks.

use std::{
    error::Error,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use reqwest::{Client, Response, StatusCode, Url, header::CONTENT_TYPE};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{sleep, timeout};
use warren_state::Pubkey;

use crate::{Connector, Endpoint, IpProof, accounts::UserType, connector::HttpSettings};

/// For one request, connecting included.
const REQUEST: Duration = Duration::from_millis(2500);
/// For connecting, with the name and TLS.
const CONNECT: Duration = Duration::from_secs(1);
/// For the service's name, before it is known whether the address leads there.
const RESOLVE: Duration = Duration::from_secs(1);
/// A request that did not come through, and an answer that the service is not in order, are tried again this often.
const ATTEMPTS: u32 = 2;
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(250);
/// A proof takes some 300 bytes.
const LARGEST_ANSWER: usize = 64 * 1024;
/// How much is shown of an answer that is not in the service's own form.
const SHOWN: usize = 200;

/// A verification service, and how to reach it.
#[derive(Debug)]
pub struct Verifier {
    endpoint: Endpoint,
    connector: Connector,
}

/// From where a request to the service leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Egress {
    /// From this address of the host.
    From(Ipv4Addr),
    /// As the host's routes say: the host does not have the address itself (a router translates it), or the service's name has
    /// no address yet.
    Any,
    /// As the host's routes say, because nothing leads from the address to the service: it will see another address.
    NoWay,
}

/// Why there is no proof.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AskError {
    /// The service did not answer, or not in time.
    #[error("could not reach the IP ownership verification service at {url}: {detail}")]
    Unreachable {
        /// The service, without secrets.
        url: String,
        /// What went wrong, in words for people.
        detail: String,
    },
    /// An answer that is a refusal.
    #[error("the IP ownership verification service declined to issue a proof ({reason}): {message}")]
    Declined {
        /// The service's word for it, or `http_` and the status.
        reason: String,
        /// The service's sentence, or the beginning of what it said instead.
        message: String,
        /// The status code of the HTTP response.
        status: u16,
    },
    /// An answer that is no proof, or one of something else.
    #[error("could not read the proof the verification service returned: {0}")]
    Malformed(String),
}

impl AskError {
    /// What to do about it: one sentence.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        let (reason, status) = match self {
            Self::Unreachable { .. } => {
                return "Check that this host's firewall lets it out, or name another service with --ip-verifier-url.";
            }
            Self::Malformed(_) => return "Check --ip-verifier-url; if it is right, update this software.",
            Self::Declined { reason, status, .. } => (reason.as_str(), *status),
        };
        match reason {
            "invalid_request" => "The service does not accept this software's request: update this software.",
            "rate_limited" => {
                "The service was asked too often from this address: wait a minute and run the command again."
            }
            "ipv6_unsupported" => {
                "The service saw this host at an IPv6 address: let it reach the service over IPv4."
            }
            "not_globally_routable" => {
                "The service saw this host at a private address: name one that is reached over the internet with --ip-verifier-url."
            }
            "client_ip_unresolved" => {
                "The service could not determine this host's address: reach it without a proxy in between."
            }
            "epoch_unavailable" => {
                "The service does not know the ledger's epoch right now: run the command again in a minute."
            }
            _ if status >= 500 => "The service has a fault right now: run the command again later.",
            _ if (300..500).contains(&status) && reason.starts_with("http_") => {
                "No verification service answers there: check --ip-verifier-url."
            }
            _ => "Tell the network's operators what it says.",
        }
    }

    /// The service's word for its refusal, or a word for what happened.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Declined { reason, .. } => reason,
            Self::Malformed(_) => "malformed",
        }
    }

    fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Declined { status, .. } => *status >= 500,
            Self::Malformed(_) => false,
        }
    }
}

impl Verifier {
    /// The service at this base URL. Connects to nothing yet.
    #[must_use]
    pub fn new(endpoint: Endpoint, connector: Connector) -> Self {
        Self { endpoint, connector }
    }

    /// The service for people, without secrets.
    #[must_use]
    pub fn shown(&self) -> String {
        self.endpoint.shown()
    }

    /// From where a request leaves that is to prove this address.
    pub async fn egress(&self, address: Ipv4Addr) -> Egress {
        let Ok(probe) = UdpSocket::bind((address, 0)) else {
            return Egress::Any;
        };
        let url = self.endpoint.secret_url();
        let port = url.port_or_known_default().unwrap_or_default();
        let Ok(Ok(found)) = timeout(
            RESOLVE,
            self.connector.addresses(url.host_str().unwrap_or_default()),
        )
        .await
        else {
            return Egress::Any;
        };
        // Connecting a datagram socket sends nothing: it asks the host's routes.
        let leads = |to: IpAddr| probe.connect(SocketAddr::new(to, port)).is_ok();
        if found.into_iter().filter(IpAddr::is_ipv4).any(leads) {
            Egress::From(address)
        } else {
            Egress::NoWay
        }
    }

    /// Asks for a proof for the user of this owner. Its address is the one that the service saw.
    ///
    /// # Errors
    /// When there is none.
    pub async fn ask(
        &self,
        payer: &Pubkey,
        user_type: UserType,
        egress: Egress,
    ) -> Result<IpProof, AskError> {
        let client = self.client(egress).map_err(|error| self.unreachable(&error))?;
        let mut attempt = 1;
        loop {
            match self.once(&client, payer, user_type).await {
                Err(error) if error.may_pass() && attempt < ATTEMPTS => {
                    tracing::debug!(attempt, %error, "no proof of address yet");
                    sleep(PAUSE).await;
                    attempt += 1;
                }
                done => return done,
            }
        }
    }

    /// Over IPv4 only: the service knows no other.
    fn client(&self, egress: Egress) -> Result<Client, reqwest::Error> {
        let settings = HttpSettings {
            timeout: REQUEST,
            redirects: 0,
            proxies: false,
            keeps_connections: false,
        };
        let source = match egress {
            Egress::From(address) => address,
            Egress::Any | Egress::NoWay => Ipv4Addr::UNSPECIFIED,
        };
        self.connector.http_from(source, settings, CONNECT)
    }

    async fn once(&self, client: &Client, payer: &Pubkey, user_type: UserType) -> Result<IpProof, AskError> {
        let body = json!({ "payer": payer.to_string(), "user_type": user_type.0 }).to_string();
        let request = client
            .post(self.proof_url())
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let answer = self.read(response).await?;
        if status == StatusCode::OK {
            return IpProof::from_json(&answer, payer, user_type)
                .map_err(|error| AskError::Malformed(error.to_string()));
        }
        Err(declined(status.as_u16(), &answer))
    }

    fn proof_url(&self) -> Url {
        let mut url = self.endpoint.secret_url().clone();
        let path = format!("{}/v1/proof", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url
    }

    async fn read(&self, mut response: Response) -> Result<Vec<u8>, AskError> {
        let mut answer = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if answer.len() + part.len() > LARGEST_ANSWER {
                return Err(AskError::Malformed(format!(
                    "it is larger than {LARGEST_ANSWER} octets"
                )));
            }
            answer.extend(part);
        }
        Ok(answer)
    }

    fn unreachable(&self, error: &reqwest::Error) -> AskError {
        let detail = if error.is_timeout() {
            "no answer in time".to_owned()
        } else {
            root(error)
        };
        AskError::Unreachable {
            url: self.shown(),
            detail: self.endpoint.redact(&detail),
        }
    }
}

/// The cause at the bottom: what is above it repeats the URL.
fn root(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

fn declined(status: u16, answer: &[u8]) -> AskError {
    #[derive(Deserialize)]
    struct DeclinedAnswer {
        error: String,
        #[serde(default)]
        message: String,
    }
    let (reason, message) = match serde_json::from_slice(answer) {
        Ok(DeclinedAnswer { error, message }) => (error, message),
        Err(_) => (
            format!("http_{status}"),
            String::from_utf8_lossy(answer).trim().to_owned(),
        ),
    };
    AskError::Declined {
        reason: shown(&reason),
        message: shown(&message),
        status,
    }
}

/// Text from elsewhere: bounded, and without what would steer a terminal.
fn shown(text: &str) -> String {
    text.chars()
        .take(SHOWN)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests;

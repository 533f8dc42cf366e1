//! A proof of this host's address, for a user that is about to be made.
//!
//! Only one thing keeps a user from being made: a proof that the host has another address than the one that its tunnel is to
//! have. Where there is no proof, the program decides.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Mutex, PoisonError},
};

use serde_json::json;
use warren_ledger::{
    Account, Endpoint, Environment, IpProof, Verifier,
    accounts::{GlobalState, UserType},
    instructions::Instruction,
    proof::{REQUIRED, Unattachable},
    verifier::{AskError, Egress},
};
use warren_state::Pubkey;

use super::session::LedgerSession;
use crate::{
    USAGE,
    command::ConnectOptions,
    failure::Failure,
    operator::{Operator, soon},
};

/// Names the service, after the flag.
const VARIABLE: &str = "DZ_IP_VERIFIER_URL";

const STEP: &str = "proof";
const WITHOUT: &str = "Continuing without an IP ownership proof. This will be rejected onchain once IP ownership verification is required \
                       for this environment.";
const NO_WAY: &str = "this host cannot reach the verification service from the address being provisioned; the request will use the \
                      default egress and the service will observe a different address";
const PATHS: &str = "The verification request and the tunnel would leave this host by different paths. Set --client-ip on the daemon to \
                     the address the tunnel must use, or point --ip-verifier-url at a verifier reachable over that path.";

/// Gets proofs for one run of a verb: one for each kind of service, when it is needed.
pub struct ProofSource<'a> {
    session: &'a LedgerSession<'a>,
    verifier: Option<Verifier>,
    /// `--client-ip`
    named: Option<Ipv4Addr>,
    proven: Mutex<BTreeMap<UserType, Option<CheckedProof>>>,
}

/// A proof that the program takes.
#[derive(Clone, Debug)]
pub struct CheckedProof {
    /// For the arguments of the instruction that makes the user.
    pub proof: IpProof,
    /// Has the ledger check its signature; stands in the same transaction.
    pub check: Instruction,
}

impl<'a> ProofSource<'a> {
    /// Asks nobody yet.
    ///
    /// # Errors
    /// When the service's URL cannot be used.
    pub fn new(session: &'a LedgerSession<'a>, how: &ConnectOptions) -> Result<Self, Failure> {
        let operator = &session.operator;
        let endpoint = match named(how.ip_verifier_url.as_deref(), operator) {
            Some(Named { url, origin }) => endpoint(&url, &origin)?,
            None => None,
        };
        let verifier = endpoint.map(|endpoint| Verifier::new(endpoint, operator.connector.clone()));
        Ok(Self {
            session,
            verifier,
            named: how.client_ip,
            proven: Mutex::default(),
        })
    }

    /// The proof for a user of this address that is about to be made; none where there is none to be had.
    ///
    /// # Errors
    /// When the service saw this host at another address, or its proof is one that the program would refuse.
    pub async fn proof(
        &self,
        client_ip: Ipv4Addr,
        user_type: UserType,
    ) -> Result<Option<CheckedProof>, Failure> {
        let known = self
            .proven
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&user_type)
            .cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let proven = self.obtain(client_ip, user_type).await?;
        self.proven
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(user_type, proven.clone());
        Ok(proven)
    }

    async fn obtain(
        &self,
        client_ip: Ipv4Addr,
        user_type: UserType,
    ) -> Result<Option<CheckedProof>, Failure> {
        let steps = self.session.steps;
        let Some(verifier) = &self.verifier else {
            steps.detail(
                STEP,
                "no IP ownership verification service is configured for this environment",
            );
            return Ok(None);
        };
        let Some(authority) = self.authority().await? else {
            return Ok(None);
        };
        steps.waiting(
            STEP,
            &format!("{} to prove that this host is {client_ip}", verifier.shown()),
        );
        let egress = verifier.egress(client_ip).await;
        if egress == Egress::NoWay {
            steps.warn(STEP, NO_WAY, &[]);
        }
        let proof = match verifier.ask(&self.session.payer, user_type, egress).await {
            Ok(proof) => proof,
            Err(error) => {
                self.go_on_without(&error);
                return Ok(None);
            }
        };
        if proof.client_ip != client_ip {
            let observed = proof.client_ip;
            steps.wrong(&format!("The verification service observed this host at {observed}, but the daemon is provisioning {client_ip}."));
            return Err(contradiction(proof.client_ip, client_ip, self.named));
        }
        let checked = proof.check(&self.session.payer, client_ip, user_type, &authority);
        checked.map_err(|error| Failure::new(error.to_string(), error.advice()))?;
        let fields =
            json!({ "client_ip": client_ip.to_string(), "verifier": verifier.shown(), "epoch": proof.epoch });
        steps.done(STEP, &format!("IP ownership verified for {client_ip}"), fields);
        Ok(Some(CheckedProof {
            proof,
            check: proof.ed25519_instruction(&authority),
        }))
    }

    /// Whose proofs count on this network. A proof where nobody's do would be refused, even where none is asked for.
    async fn authority(&self) -> Result<Option<Pubkey>, Failure> {
        let operator = &self.session.operator;
        let state = match operator
            .ledger
            .account(&operator.pda().global_state().address, soon())
            .await?
        {
            Some(Account::GlobalState(state)) => state,
            _ => return Ok(None),
        };
        let GlobalState {
            ip_verifier_authority,
            feature_flags,
            ..
        } = state;
        if !ip_verifier_authority.is_zero() {
            return Ok(Some(ip_verifier_authority));
        }
        let text = Unattachable::NoVerifier.to_string();
        if feature_flags & REQUIRED == 0 {
            self.session.steps.detail(STEP, &text);
        } else {
            self.session
                .steps
                .warn(STEP, &text, &[Unattachable::NoVerifier.advice()]);
        }
        Ok(None)
    }

    fn go_on_without(&self, error: &AskError) {
        self.session
            .steps
            .warn(STEP, &error.to_string(), &[WITHOUT, error.advice()]);
    }
}

/// The service saw another address than the one that the tunnel is to have.
fn contradiction(observed: Ipv4Addr, client_ip: Ipv4Addr, named: Option<Ipv4Addr>) -> Failure {
    let whose = if named == Some(client_ip) {
        "--client-ip names"
    } else {
        "the daemon reports"
    };
    Failure::new(
        format!("IP ownership verification saw {observed} while {whose} {client_ip}"),
        PATHS,
    )
}

/// The service's URL, and what names it.
pub struct Named {
    url: String,
    origin: String,
}

/// Which service proves addresses here: the flag's, else the variable's, the configuration's, the environment's. A flag with an
/// empty text is for none.
pub fn named(flag: Option<&str>, operator: &Operator) -> Option<Named> {
    let variable = std::env::var(VARIABLE).ok();
    choose(flag, variable, operator.ip_verifier_url(), operator.environment)
}

fn choose(
    flag: Option<&str>,
    variable: Option<String>,
    configured: Option<(String, String)>,
    environment: Option<Environment>,
) -> Option<Named> {
    if let Some(url) = flag {
        return Some(Named {
            url: url.to_owned(),
            origin: "--ip-verifier-url".to_owned(),
        });
    }
    let variable = variable
        .filter(|url| !url.is_empty())
        .map(|url| (url, VARIABLE.to_owned()));
    let default = || {
        Some((
            environment?.default_ip_verifier_url()?.to_owned(),
            "the environment's default".to_owned(),
        ))
    };
    variable
        .or(configured)
        .or_else(default)
        .map(|(url, origin)| Named { url, origin })
}

/// For people; none where it cannot be used either.
pub fn shown(named: &Option<Named>) -> Option<String> {
    let Named { url, origin } = named.as_ref()?;
    Some(endpoint(url, origin).ok()??.shown())
}

/// The URL, where it is not an empty text; `origin` is told in what is wrong with it.
///
/// # Errors
/// When it is not one of HTTP.
pub fn endpoint(url: &str, origin: &str) -> Result<Option<Endpoint>, Failure> {
    if url.is_empty() {
        return Ok(None);
    }
    let wrong = |error| Failure {
        code: USAGE,
        ..Failure::new(
            format!("{origin}: {error}"),
            "Write it as https://HOST, without /v1/proof.",
        )
    };
    Endpoint::http(url).map(Some).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_comes_before_the_variable_the_configuration_and_the_environment() {
        let text = |url: &str| Some(url.to_owned());
        let local = Some(Environment::Localnet);
        let chosen = |flag, variable, configured: Option<String>, environment| {
            choose(
                flag,
                variable,
                configured.map(|url| (url, "ip_verifier_url in /c.yml".to_owned())),
                environment,
            )
            .map(|named| named.url)
        };
        assert_eq!(
            chosen(Some("http://f"), text("http://v"), text("http://c"), local),
            text("http://f")
        );
        assert_eq!(
            chosen(Some(""), text("http://v"), text("http://c"), local),
            text(""),
            "the flag turns it off"
        );
        assert_eq!(
            chosen(None, text("http://v"), text("http://c"), local),
            text("http://v")
        );
        assert_eq!(chosen(None, text(""), text("http://c"), local), text("http://c"));
        assert_eq!(chosen(None, None, None, local), text("http://127.0.0.1:8080"));
        for environment in [
            Environment::MainnetBeta,
            Environment::Testnet,
            Environment::Devnet,
        ] {
            assert_eq!(chosen(None, None, None, Some(environment)), None);
        }
        assert_eq!(chosen(None, None, None, None), None);
    }

    #[test]
    fn a_url_that_cannot_be_used_is_an_error_that_names_where_it_stands() {
        assert!(endpoint("", VARIABLE).unwrap().is_none());
        assert!(endpoint("https://verify.example/", VARIABLE).unwrap().is_some());
        for bad in ["verify.example", "ws://verify.example", "http://"] {
            let failure = endpoint(bad, VARIABLE).unwrap_err();
            assert!(
                failure.what.starts_with("DZ_IP_VERIFIER_URL: ") && failure.code == USAGE,
                "{failure}"
            );
        }
    }

    #[test]
    fn a_contradiction_names_both_addresses_and_who_says_which() {
        let (seen, wanted) = (Ipv4Addr::new(9, 0, 0, 1), Ipv4Addr::new(9, 0, 0, 2));
        let told = |named| contradiction(seen, wanted, named).what;
        assert_eq!(
            told(None),
            "IP ownership verification saw 9.0.0.1 while the daemon reports 9.0.0.2"
        );
        assert_eq!(told(Some(seen)), told(None));
        assert_eq!(
            told(Some(wanted)),
            "IP ownership verification saw 9.0.0.1 while --client-ip names 9.0.0.2"
        );
    }
}

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::Keypair;

const PAYER: Pubkey = Pubkey([1; 32]);

/// What the service does with one request.
#[derive(Clone, Debug)]
enum Act {
    /// Signs the address that it sees.
    Sign,
    /// Signs something that it was not asked for.
    SignForAnother,
    Answer(u16, &'static str),
    Large,
    Close,
    /// Begins an answer and breaks off.
    BreakOff,
    Hang,
}

/// A service that acts by a script, and signs when that is at its end.
struct Service {
    verifier: Verifier,
    asked: Arc<Mutex<Vec<(Ipv4Addr, String, Value)>>>,
}

impl Service {
    async fn start(script: &[Act]) -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let url = format!("http://127.0.0.1:{}/base/", listener.local_addr().unwrap().port());
        let (asked, script) = (
            Arc::default(),
            Arc::new(Mutex::new(VecDeque::from(script.to_vec()))),
        );
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let IpAddr::V4(peer) = peer.ip() else { continue };
                let act = script.lock().unwrap().pop_front().unwrap_or(Act::Sign);
                tokio::spawn(serve(stream, peer, act, Arc::clone(&seen)));
            }
        });
        Self {
            verifier: Verifier::new(Endpoint::http(&url).unwrap(), Connector::default()),
            asked,
        }
    }

    async fn ask(&self, egress: Egress) -> Result<IpProof, AskError> {
        self.verifier.ask(&PAYER, UserType::MULTICAST, egress).await
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

async fn serve(
    stream: TcpStream,
    peer: Ipv4Addr,
    act: Act,
    seen: Arc<Mutex<Vec<(Ipv4Addr, String, Value)>>>,
) {
    let mut stream = BufStream::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    stream.read_line(&mut first).await.unwrap();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        length = line
            .strip_prefix("content-length:")
            .map_or(length, |value| value.trim().parse().unwrap());
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    seen.lock().unwrap().push((
        peer,
        first.trim().to_owned(),
        serde_json::from_slice(&body).unwrap(),
    ));
    let sign = |user_type| IpProof::sign(PAYER, peer, 7, user_type, &Keypair::from_seed([7; 32])).to_json();
    let (status, body, told) = match act {
        Act::Sign => (200, sign(UserType::MULTICAST), None),
        Act::SignForAnother => (200, sign(UserType::IBRL), None),
        Act::Answer(status, body) => (status, body.to_owned(), None),
        Act::Large => (200, " ".repeat(LARGEST_ANSWER + 1), None),
        Act::BreakOff => (200, "{".to_owned(), Some(100)),
        Act::Close => return,
        Act::Hang => return std::future::pending().await,
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        told.unwrap_or(body.len())
    );
    let _gone = stream.write_all((head + &body).as_bytes()).await;
    let _gone = stream.shutdown().await;
}

#[tokio::test]
async fn the_service_sees_the_address_that_is_to_be_proven_and_is_asked_in_its_own_form() {
    let service = Service::start(&[]).await;
    let address = Ipv4Addr::new(127, 0, 0, 9);
    let egress = service.verifier.egress(address).await;
    assert_eq!(egress, Egress::From(address));
    let proof = service.ask(egress).await.unwrap();
    assert_eq!(
        (proof.client_ip, proof.payer, proof.user_type),
        (address, PAYER, UserType::MULTICAST)
    );
    let asked = service.asked.lock().unwrap().clone();
    let body = json!({ "payer": PAYER.to_string(), "user_type": 3 });
    assert_eq!(
        asked,
        [(address, "POST /base/v1/proof HTTP/1.1".to_owned(), body)]
    );
}

#[tokio::test]
async fn an_address_that_the_host_does_not_have_is_asked_for_from_any_and_one_that_does_not_lead_there_too_but_that_is_known()
 {
    let service = Service::start(&[]).await;
    let elsewhere = service.verifier.egress(Ipv4Addr::new(192, 0, 2, 10)).await;
    assert_eq!(elsewhere, Egress::Any);
    assert_eq!(
        service.ask(elsewhere).await.unwrap().client_ip,
        Ipv4Addr::LOCALHOST
    );
    let far = |host: &str| {
        Verifier::new(
            Endpoint::http(&format!("http://{host}")).unwrap(),
            Connector::default(),
        )
    };
    let loopback = Ipv4Addr::new(127, 0, 0, 9);
    assert_eq!(
        far("192.0.2.1").egress(loopback).await,
        Egress::NoWay,
        "packets with a source of loopback do not leave the host"
    );
    assert_eq!(far("no-such-name.invalid").egress(loopback).await, Egress::Any);
}

#[tokio::test]
async fn what_did_not_come_through_and_a_service_that_is_not_in_order_are_tried_once_more() {
    for act in [
        Act::Close,
        Act::BreakOff,
        Act::Answer(503, r#"{"error":"epoch_unavailable","message":"no epoch yet"}"#),
    ] {
        let service = Service::start(std::slice::from_ref(&act)).await;
        assert!(service.ask(Egress::Any).await.is_ok(), "{act:?}");
        assert_eq!(service.asked(), 2, "{act:?}");
        let service = Service::start(&vec![act.clone(); 3]).await;
        service.ask(Egress::Any).await.unwrap_err();
        assert_eq!(service.asked(), 2, "{act:?}");
    }
}

#[tokio::test]
async fn a_refusal_and_an_answer_that_is_no_proof_stay_what_they_are() {
    let refusals = [
        "invalid_request",
        "rate_limited",
        "ipv6_unsupported",
        "not_globally_routable",
        "client_ip_unresolved",
    ];
    let refusal =
        |reason: &str| Box::leak(format!(r#"{{"error":"{reason}","message":"so it is"}}"#).into_boxed_str());
    let acts =
        refusals.map(|reason| Act::Answer(if reason == "rate_limited" { 429 } else { 400 }, refusal(reason)));
    for (reason, act) in refusals.iter().zip(acts) {
        let service = Service::start(&[act]).await;
        let error = service.ask(Egress::Any).await.unwrap_err();
        assert_eq!(error.reason(), *reason);
        let text =
            format!("the IP ownership verification service declined to issue a proof ({reason}): so it is");
        assert_eq!((error.to_string(), service.asked()), (text, 1));
    }
    let malformed = "could not read the proof the verification service returned: ";
    for act in [
        Act::Answer(200, "<html>"),
        Act::Answer(200, r#"{"version":9}"#),
        Act::SignForAnother,
        Act::Large,
    ] {
        let service = Service::start(std::slice::from_ref(&act)).await;
        let error = service.ask(Egress::Any).await.unwrap_err();
        assert!(
            error.to_string().starts_with(malformed) && service.asked() == 1,
            "{act:?}: {error}"
        );
    }
}

#[tokio::test]
async fn another_form_of_a_refusal_is_named_by_its_status_and_shown_in_part() {
    let long = Box::leak("x".repeat(1000).into_boxed_str());
    let service = Service::start(&[Act::Answer(404, "not\u{1b} here"), Act::Answer(307, long)]).await;
    let error = service.ask(Egress::Any).await.unwrap_err();
    let text = "the IP ownership verification service declined to issue a proof (http_404): not\u{fffd} here";
    assert_eq!(error.to_string(), text);
    let AskError::Declined { reason, message, .. } = service.ask(Egress::Any).await.unwrap_err() else {
        panic!("not declined")
    };
    assert_eq!((reason.as_str(), message.len()), ("http_307", SHOWN));
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_given_up_and_its_secrets_are_not_told() {
    let service = Service::start(&[Act::Hang, Act::Hang]).await;
    let error = service.ask(Egress::Any).await.unwrap_err().to_string();
    assert!(
        error.starts_with("could not reach the IP ownership verification service at http://127.0.0.1:"),
        "{error}"
    );
    assert!(error.ends_with("no answer in time"), "{error}");
    let secret = Verifier::new(
        Endpoint::http("http://me:t0ken@127.0.0.1:1/t0ken").unwrap(),
        Connector::default(),
    );
    let error = secret.ask(&PAYER, UserType::IBRL, Egress::Any).await.unwrap_err();
    assert!(
        !error.to_string().contains("t0ken") && error.reason() == "unreachable",
        "{error}"
    );
}

#[test]
fn every_class_of_refusal_has_a_sentence_of_its_own() {
    let declined = |reason: &str, status| AskError::Declined {
        reason: reason.to_owned(),
        message: String::new(),
        status,
    };
    let unreachable = AskError::Unreachable {
        url: String::new(),
        detail: String::new(),
    };
    let all = [
        unreachable,
        AskError::Malformed(String::new()),
        declined("invalid_request", 400),
        declined("rate_limited", 429),
        declined("ipv6_unsupported", 400),
        declined("not_globally_routable", 400),
        declined("client_ip_unresolved", 400),
        declined("epoch_unavailable", 503),
        declined("http_502", 502),
        declined("http_404", 404),
        declined("of_tomorrow", 400),
    ];
    let advice: std::collections::BTreeSet<_> = all.iter().map(AskError::advice).collect();
    assert_eq!(advice.len(), all.len());
    assert!(
        advice
            .iter()
            .all(|advice| advice.ends_with('.') && advice.starts_with(char::is_uppercase))
    );
}

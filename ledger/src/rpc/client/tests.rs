use std::time::Duration;

use serde_json::json;

use super::{answers::is_settled, *};
use crate::{
    accounts::{AccessPass, PassType, UserType, samples},
    rpc::Endpoint,
    send::{Blockhash, Signature, TransactionFailure},
    testing::{CLIENT_IP, FakeLedger, Fault, PROGRAM, user},
};

fn client(ledgers: &[&FakeLedger]) -> LedgerClient {
    let endpoints = ledgers
        .iter()
        .map(|ledger| Endpoint::http(&ledger.url()).unwrap())
        .collect();
    LedgerClient::new(RpcSettings {
        first_backoff: Duration::from_millis(1),
        ..RpcSettings::new(endpoints, PROGRAM)
    })
    .unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn pass_for(client_ip: Ipv4Addr) -> Account {
    AccessPass {
        client_ip,
        ..samples::access_pass(PassType::Prepaid)
    }
    .into()
}

fn pass_address(client_ip: Ipv4Addr) -> Pubkey {
    Pda::new(PROGRAM).access_pass(client_ip, &samples::key(1)).address
}

#[tokio::test]
async fn the_pass_for_this_address_comes_before_the_one_for_any() {
    let ledger = FakeLedger::start().await;
    let client = client(&[&ledger]);
    assert_eq!(
        client.access_pass(CLIENT_IP, &samples::key(1), soon()).await,
        Ok(None)
    );
    ledger.put(
        pass_address(Ipv4Addr::UNSPECIFIED),
        &pass_for(Ipv4Addr::UNSPECIFIED),
    );
    let (pubkey, _) = client
        .access_pass(CLIENT_IP, &samples::key(1), soon())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(pubkey, pass_address(Ipv4Addr::UNSPECIFIED));
    ledger.put(pass_address(CLIENT_IP), &pass_for(CLIENT_IP));
    let (pubkey, pass) = client
        .access_pass(CLIENT_IP, &samples::key(1), soon())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((pubkey, pass.client_ip), (pass_address(CLIENT_IP), CLIENT_IP));
    // Where both are wanted, the one for any address comes first: it counts first.
    let both = client
        .access_passes(CLIENT_IP, &samples::key(1), soon())
        .await
        .unwrap();
    assert!(
        both.iter()
            .map(|(pubkey, _)| *pubkey)
            .eq([Ipv4Addr::UNSPECIFIED, CLIENT_IP].map(pass_address))
    );
}

#[tokio::test]
async fn after_a_transaction_a_node_that_is_behind_is_not_believed() {
    let (behind, ahead) = (FakeLedger::start().await, FakeLedger::start().await);
    behind.put(samples::key(10), &user(UserType::IBRL).into());
    let slot = behind.state().slot + 5;
    ahead.state().slot = slot;
    let client = client(&[&behind, &ahead]);
    assert!(client.account(&samples::key(10), soon()).await.unwrap().is_some());
    client.not_before(Slot(slot));
    assert_eq!(
        client.account(&samples::key(10), soon()).await,
        Ok(None),
        "the node behind still shows what was deleted"
    );
    assert!(
        client
            .users_at(CLIENT_IP, soon())
            .await
            .unwrap()
            .accounts
            .is_empty()
    );
}

#[tokio::test]
async fn lists_hold_what_was_asked_for_even_from_a_ledger_that_ignores_filters_and_set_aside_what_does_not_read()
 {
    let ledger = FakeLedger::start().await;
    let client = client(&[&ledger]);
    let mine = user(UserType::IBRL);
    let other = crate::accounts::User {
        client_ip: Ipv4Addr::new(198, 51, 100, 1),
        owner: samples::key(99),
        ..mine.clone()
    };
    ledger.put(samples::key(10), &mine.clone().into());
    ledger.put(samples::key(11), &other.into());
    ledger.put(samples::key(50), &samples::device().into());
    ledger.put_raw(samples::key(51), PROGRAM, vec![AccountType::DEVICE.0, 1, 2]);
    for ignore_filters in [false, true] {
        ledger.state().ignore_filters = ignore_filters;
        let keys = |listed: &AccountListing| listed.accounts.keys().copied().collect::<Vec<_>>();
        let at = client.users_at(CLIENT_IP, soon()).await.unwrap();
        assert_eq!(keys(&at), [samples::key(10)], "{ignore_filters}");
        let devices = client.list(AccountType::DEVICE, soon()).await.unwrap();
        assert_eq!(keys(&devices), [samples::key(50)]);
        assert_eq!(
            devices.unreadable.keys().copied().collect::<Vec<_>>(),
            [samples::key(51)]
        );
    }
}

#[tokio::test]
async fn another_programs_account_is_not_taken_for_ours() {
    let ledger = FakeLedger::start().await;
    ledger.put_raw(
        samples::key(10),
        Pubkey([9; 32]),
        crate::accounts::encode(&user(UserType::IBRL).into()),
    );
    let client = client(&[&ledger]);
    assert_eq!(
        client.account(&samples::key(10), soon()).await,
        Err(LookupError::NotOurs(samples::key(10)))
    );
    assert_eq!(client.account(&samples::key(12), soon()).await, Ok(None));
}

#[tokio::test]
async fn questions_are_tried_again_on_the_next_endpoint_and_end_at_the_deadline() {
    let [first, second] = [FakeLedger::start().await, FakeLedger::start().await];
    first.faults([Fault::Status(503, None)]);
    second
        .state()
        .results
        .insert("getBalance", json!({"context": {"slot": 1}, "value": 7}));
    assert_eq!(
        client(&[&first, &second]).balance(&samples::key(1), soon()).await,
        Ok(Lamports(7))
    );
    assert_eq!(second.methods(), ["getBalance"]);
    first.faults([Fault::Hang]);
    let deadline = Instant::now() + Duration::from_millis(50);
    assert_eq!(
        client(&[&first]).balance(&samples::key(1), deadline).await,
        Err(LookupError::Deadline)
    );
    let refused = client(&[&first])
        .balance(&samples::key(1), soon())
        .await
        .unwrap_err();
    assert!(matches!(refused, LookupError::Unavailable(_)), "{refused}");
}

#[tokio::test]
async fn a_time_that_one_endpoint_names_keeps_nobody_from_asking_another() {
    let [first, second] = [FakeLedger::start().await, FakeLedger::start().await];
    second
        .state()
        .results
        .insert("getBalance", json!({"context": {"slot": 1}, "value": 7}));
    first.faults([Fault::Wait(429, "60")]);
    let client = client(&[&first, &second]);
    let deadline = Instant::now() + Duration::from_secs(20);
    assert_eq!(client.balance(&samples::key(1), deadline).await, Ok(Lamports(7)));
    assert_eq!(
        client.call(&Request::Balance(samples::key(1))).await,
        Ok(Reply::Balance(Lamports(7)))
    );
    assert_eq!(first.methods().len(), 1);
    first.faults([Fault::Status(403, None)]);
    let client = self::client(&[&first, &second]);
    assert_eq!(
        client.balance(&samples::key(1), soon()).await,
        Ok(Lamports(7)),
        "what one refuses another may not"
    );
}

#[tokio::test]
async fn after_a_transaction_a_balancer_over_a_node_that_lags_is_asked_until_the_other_answers() {
    let ledger = FakeLedger::start().await;
    ledger.put(samples::key(10), &user(UserType::IBRL).into());
    ledger.state().lags = vec![20, 0];
    let client = client(&[&ledger]);
    client.not_before(Slot(1000));
    assert!(client.account(&samples::key(10), soon()).await.unwrap().is_some());
    assert_eq!(ledger.methods().len(), 2);
    ledger.state().lags = vec![20];
    assert!(
        client.account(&samples::key(10), soon()).await.is_err(),
        "an older answer is none"
    );
}

#[tokio::test]
async fn the_calls_of_sending_are_the_ledgers_own_with_preflight_off() {
    let ledger = FakeLedger::start().await;
    let client = client(&[&ledger]);
    let hash = samples::key(5);
    let signature = Signature([3; 64]);
    let status = json!({"slot": 9, "confirmations": 1, "err": {"InstructionError": [2, {"Custom": 53}]}, "confirmationStatus": "confirmed"});
    ledger.state().results.extend([
        ("getBalance", json!({"context": {"slot": 1}, "value": 5})),
        ("getLatestBlockhash", json!({"context": {"slot": 1}, "value": {"blockhash": hash.to_string(), "lastValidBlockHeight": 400}})),
        ("sendTransaction", json!(signature.to_string())),
        ("getSignatureStatuses", json!({"context": {"slot": 12}, "value": [status]})),
        ("getEpochInfo", json!({"epoch": 3, "absoluteSlot": 77, "blockHeight": 66, "slotIndex": 1, "slotsInEpoch": 32})),
    ]);
    let call = async |request| client.call(&request).await;
    assert_eq!(
        call(Request::Balance(hash)).await,
        Ok(Reply::Balance(Lamports(5)))
    );
    let blockhash = Reply::Blockhash {
        blockhash: Blockhash(hash.0),
        last_valid_block_height: 400,
    };
    assert_eq!(call(Request::Blockhash).await, Ok(blockhash));
    let signed = Signed {
        signature,
        bytes: vec![1, 2, 3],
    };
    assert_eq!(call(Request::Broadcast(signed)).await, Ok(Reply::Broadcast));
    let Ok(Reply::Status {
        node_slot,
        fate: Some(fate),
    }) = call(Request::Status {
        signature,
        history: true,
    })
    .await
    else {
        panic!()
    };
    assert_eq!((node_slot, fate.slot, fate.settled), (Slot(12), Slot(9), true));
    assert!(matches!(
        TransactionFailure::from_json(&fate.err.unwrap()),
        TransactionFailure::Program { .. }
    ));
    assert_eq!(
        call(Request::Height).await,
        Ok(Reply::Height {
            block_height: 66,
            slot: Slot(77)
        })
    );

    let requests = ledger.state().requests.clone();
    let params = |method: &str| {
        requests
            .iter()
            .find(|request| request["method"] == method)
            .unwrap()["params"]
            .clone()
    };
    let config = json!({"skipPreflight": true, "preflightCommitment": "confirmed", "encoding": "base64"});
    assert_eq!(params("sendTransaction"), json!(["AQID", config]));
    assert_eq!(
        params("getSignatureStatuses"),
        json!([[signature.to_string()], {"searchTransactionHistory": true}])
    );
    assert_eq!(
        params("getEpochInfo"),
        json!([{"commitment": "finalized"}]),
        "only the finalized chain proves an end"
    );
}

#[test]
fn a_fate_is_settled_when_the_wanted_commitment_is_reached() {
    let settled = |status: Value, wanted| is_settled(&status, wanted).unwrap();
    let at = |text: &str| json!({"confirmations": 0, "confirmationStatus": text});
    assert!(!settled(at("processed"), Commitment::Confirmed));
    assert!(settled(at("confirmed"), Commitment::Confirmed));
    assert!(!settled(at("confirmed"), Commitment::Finalized));
    assert!(settled(at("finalized"), Commitment::Finalized));
    assert!(settled(json!({"confirmations": null}), Commitment::Finalized));
    assert!(!settled(json!({"confirmations": 1}), Commitment::Confirmed));
    assert!(is_settled(&at("certain"), Commitment::Confirmed).is_err());
}

#[tokio::test]
async fn only_a_clear_refusal_counts_as_one_and_another_signature_in_the_answer_is_no_success() {
    let ledger = FakeLedger::start().await;
    let client = client(&[&ledger]);
    ledger
        .state()
        .results
        .insert("sendTransaction", json!("someone else's"));
    let signed = Signed {
        signature: Signature([3; 64]),
        bytes: vec![1],
    };
    let call = async || {
        client
            .call(&Request::Broadcast(signed.clone()))
            .await
            .unwrap_err()
    };
    ledger.faults([Fault::Rpc(
        -32002,
        "Transaction simulation failed: Blockhash not found",
    )]);
    assert!(call().await.refused);
    ledger.faults([Fault::Status(429, Some(7))]);
    let failure = call().await;
    assert!(failure.refused);
    let RetryAdvice::After(Some(wait)) = failure.retry else {
        panic!("{failure:?}")
    };
    assert!(
        wait <= Duration::from_secs(7) && wait > Duration::from_secs(1),
        "{wait:?}"
    );
    let failure = call().await;
    assert!(
        failure.refused && matches!(failure.retry, RetryAdvice::After(Some(_))),
        "nothing is sent meanwhile: {failure:?}"
    );
    let client = self::client(&[&ledger]);
    let call = async || {
        client
            .call(&Request::Broadcast(signed.clone()))
            .await
            .unwrap_err()
    };
    let unclear = Fault::Rpc(
        -32002,
        "Failed to process transaction: receiving on a closed channel",
    );
    for fault in [
        unclear,
        Fault::Rpc(-32603, "Internal error"),
        Fault::Status(502, None),
        Fault::CutOff,
        Fault::Close,
        Fault::None,
    ] {
        ledger.faults([fault.clone()]);
        assert!(!call().await.refused, "{fault:?}");
    }
}

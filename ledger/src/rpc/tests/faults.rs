//! What goes wrong on the way, and how long is waited for.

use super::*;

#[tokio::test]
async fn passing_faults_are_ridden_out_within_one_read() {
    let faults = [
        Fault::Status(503, None),
        Fault::Status(500, None),
        Fault::Status(504, None),
        Fault::Status(429, Some(0)),
        Fault::Rpc(-32005, "Node is behind by 42 slots"),
        Fault::Rpc(-32004, "Block not available for slot"),
        Fault::Rpc(-32429, "slow down"),
        Fault::Rpc(-32000, "You are being Rate Limited"),
        Fault::Body("<html>Bad gateway</html>"),
        Fault::Body("{\"jsonrpc\":\"2.0\",\"id\":1}"),
        Fault::Body("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":[{\"pubkey\":1}]}"),
        Fault::Body(""),
        Fault::CutOff,
        Fault::HalfJson,
        Fault::Close,
    ];
    for fault in faults {
        let ledger = connected().await;
        ledger.faults([fault.clone(), Fault::None, fault.clone()]);
        let source = source(&ledger);
        let view = read(&source)
            .await
            .unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(view.users.len(), 1, "{fault:?}");
        let health = source.health();
        assert_eq!((health.retries, health.reads_ok), (2, 1), "{fault:?}");
        let once_each = ["getMultipleAccounts", "getProgramAccounts"].map(|method| (method.to_owned(), 1));
        assert_eq!(health.retries_by_method, once_each.into(), "{fault:?}");
        assert!(health.retries_exhausted_by_method.is_empty(), "{fault:?}");
    }
}

#[tokio::test]
async fn what_trying_again_cannot_help_is_not_tried_again() {
    // Parameters that are not liked are tried in plainer words once.
    let once = [
        Fault::Status(401, None),
        Fault::Status(404, None),
        Fault::Oversize(300_000),
    ]
    .map(|fault| (fault, 1));
    for (fault, requests) in [
        (Fault::Rpc(-32602, "Invalid params"), 2),
        (Fault::Status(400, None), 2),
    ]
    .into_iter()
    .chain(once)
    {
        let ledger = connected().await;
        ledger.faults(vec![fault.clone(); 2]);
        let source = source(&ledger);
        assert!(read(&source).await.is_err(), "{fault:?}");
        let health = source.health();
        assert_eq!(
            (health.requests, health.retries, health.reads_failed),
            (requests, 0, 1),
            "{fault:?}"
        );
        assert!(health.last_error.is_some());
    }
}

#[tokio::test]
async fn a_read_gives_up_after_its_attempts() {
    let ledger = connected().await;
    ledger.faults(vec![Fault::Status(503, None); 10]);
    let source = source(&ledger);
    assert!(matches!(read(&source).await, Err(ReadError::Unavailable(reason)) if reason.contains("503")));
    let health = source.health();
    assert_eq!((health.requests, health.retries), (4, 3));
    assert_eq!(
        health.retries_by_method,
        [("getProgramAccounts".to_owned(), 3)].into()
    );
    assert_eq!(
        health.retries_exhausted_by_method,
        [("getProgramAccounts".to_owned(), 1)].into()
    );
}

#[tokio::test]
async fn a_time_to_wait_that_is_past_the_deadline_ends_the_read_at_once() {
    let ledger = connected().await;
    ledger.faults([Fault::Status(429, Some(3000))]);
    let source = source(&ledger);
    assert!(matches!(read(&source).await, Err(ReadError::Unavailable(reason)) if reason.contains("429")));
    assert_eq!(source.health().requests, 1);
}

#[tokio::test]
async fn the_time_that_the_only_endpoint_names_is_waited_for() {
    let ledger = connected().await;
    ledger.faults([Fault::Status(429, Some(1))]);
    let before = Instant::now();
    read(&source(&ledger)).await.unwrap();
    assert!(before.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_time_past_the_deadline_that_the_only_endpoint_names_binds_the_next_reads() {
    let ledger = connected().await;
    ledger.faults([Fault::Status(429, Some(3000))]);
    let source = source(&ledger);
    let read = async || {
        source
            .read(&QUERY, Instant::now() + Duration::from_secs(30))
            .await
    };
    assert!(read().await.is_err());
    for _ in 0..3 {
        let error = read().await.unwrap_err();
        assert!(
            matches!(&error, ReadError::Unavailable(reason) if reason.contains("asks to wait")),
            "{error}"
        );
    }
    let health = source.health();
    assert_eq!(
        (health.requests, health.reads_failed),
        (1, 4),
        "nothing more was sent"
    );
}

#[tokio::test]
async fn a_read_that_comes_too_early_waits_until_the_endpoint_may_be_asked_again() {
    let ledger = connected().await;
    ledger.faults([Fault::Status(429, Some(1))]);
    let source = source(&ledger);
    let before = Instant::now();
    assert!(
        source
            .read(&QUERY, before + Duration::from_millis(900))
            .await
            .is_err()
    );
    read(&source).await.unwrap();
    assert!(before.elapsed() >= Duration::from_secs(1));
    assert_eq!(source.health().retries, 0);
}

#[tokio::test]
async fn an_endpoint_that_has_named_a_time_is_passed_over_while_another_may_be_asked() {
    let (first, second) = (connected().await, connected().await);
    first.faults([Fault::Status(429, Some(60))]);
    second.faults([
        Fault::None,
        Fault::None,
        Fault::None,
        Fault::Status(503, None),
        Fault::Status(503, None),
    ]);
    let source = source_of(&[first.url(), second.url()]);
    for _ in 0..3 {
        read(&source).await.unwrap();
    }
    assert_eq!(first.methods().len(), 1, "it is not asked again");
    assert_eq!(source.health().retries, 3);
    assert_eq!(source.health().endpoint, format!("http://{}", second.address));
}

#[tokio::test]
async fn large_answers_are_cut_off_packed_and_unpacked_alike() {
    for fault in [
        Fault::Oversize(300_000),
        Fault::Stream(300_000),
        Fault::Bomb(2 * 1024 * 1024),
    ] {
        let ledger = connected().await;
        ledger.faults([fault.clone()]);
        match read(&source(&ledger)).await.unwrap_err() {
            ReadError::Malformed(reason) => assert!(reason.contains("larger than"), "{reason}"),
            other => panic!("{fault:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_account_that_unpacks_to_too_much_is_not_taken() {
    let ledger = connected().await;
    ledger.put_raw(key(50), PROGRAM, vec![0; 11 * 1024 * 1024]);
    let view = read(&source(&ledger)).await.unwrap();
    assert!(
        view.quarantined[&key(50)]
            .reason
            .contains("larger than any account")
    );
    ledger.put_raw(key(50), PROGRAM, vec![0; 1024 * 1024]);
    assert!(matches!(
        read(&source(&ledger)).await,
        Err(ReadError::Malformed(_))
    ));
}

#[tokio::test]
async fn the_callers_deadline_holds_against_a_ledger_that_never_answers() {
    let ledger = connected().await;
    ledger.faults([Fault::Hang, Fault::Hang]);
    let source = source(&ledger);
    let error = source
        .read(&QUERY, Instant::now() + Duration::from_millis(100))
        .await
        .unwrap_err();
    assert_eq!(error, ReadError::Deadline);
    assert_eq!(source.health().reads_failed, 1);
}

//! Endpoints that fail, redirect, lag or name a time to wait.

use super::*;

#[tokio::test]
async fn redirects_that_keep_the_method_are_followed_within_bounds() {
    for status in [307, 308] {
        let (entry, ledger) = (FakeLedger::start().await, connected().await);
        entry.faults(vec![
            Fault::Redirect(status, format!("{}n3w?k=v", ledger.url()));
            3
        ]);
        let view = read(&source(&entry)).await.unwrap();
        assert_eq!(
            (view.users.len(), ledger.methods().len(), entry.methods().len()),
            (1, 3, 3),
            "{status}"
        );
    }
    let ledger = connected().await;
    ledger.faults([
        Fault::Redirect(307, "/elsewhere".into()),
        Fault::None,
        Fault::Redirect(308, "/elsewhere".into()),
    ]);
    assert_eq!(
        read(&source(&ledger)).await.unwrap().users.len(),
        1,
        "a redirect may be relative"
    );
}

#[tokio::test]
async fn a_redirect_that_cannot_be_followed_is_an_error_that_names_the_place_without_secrets() {
    let entry = connected().await;
    let cases = [
        (
            Fault::Redirect(307, "https://127.0.0.1:1/s3cret".into()),
            "scheme",
        ),
        (
            Fault::Redirect(307, "ftp://127.0.0.1/s3cret".into()),
            "does not say where",
        ),
        (Fault::Redirect(301, "/s3cret".into()), "301"),
        (Fault::Status(308, None), "does not say where"),
    ];
    for (fault, text) in cases {
        entry.faults([fault.clone()]);
        let error = read(&source(&entry)).await.unwrap_err().to_string();
        assert!(
            error.contains(text) && !error.contains("s3cret"),
            "{fault:?}: {error}"
        );
    }
    entry.state().requests.clear();
    entry.faults(vec![Fault::Redirect(307, "/s3cret".into()); 10]);
    let error = read(&source(&entry)).await.unwrap_err().to_string();
    assert!(
        error.contains("too often") && !error.contains("s3cret"),
        "{error}"
    );
    assert_eq!(entry.methods().len(), 4, "the endpoint and three hops");
}

#[tokio::test]
async fn a_time_to_wait_is_kept_in_both_forms_and_for_a_minute_at_most() {
    for time in ["86400", "Wed, 21 Oct 2099 07:28:00 GMT"] {
        let (first, second) = (connected().await, connected().await);
        first.faults([Fault::Wait(429, time)]);
        let source = source_of(&[first.url(), second.url()]);
        for _ in 0..3 {
            read(&source).await.unwrap();
        }
        assert_eq!(
            first.methods().len(),
            1,
            "{time}: another endpoint is asked meanwhile"
        );
        let wait = source.upstreams.get(0).wait(Instant::now());
        assert!(
            wait > Duration::from_secs(50) && wait <= Duration::from_secs(60),
            "{time}: {wait:?}"
        );
    }
}

#[tokio::test]
async fn an_endpoint_that_is_well_again_is_found_by_a_probe_and_one_that_lags_is_not_taken_for_well() {
    let (first, second) = (connected().await, connected().await);
    first.faults([Fault::Wait(429, "1")]);
    let mut settings = settings_of(&[first.url(), second.url()]);
    settings.probe_every = Duration::from_millis(50);
    let source = RpcSource::new(settings).unwrap();
    read(&source).await.unwrap();
    first.state().slot = 900;
    let in_use = |ledger: &FakeLedger| source.health().endpoint == format!("http://{}", ledger.address);
    let probes = first.methods().len() + 4;
    while first.methods().len() < probes {
        read(&source).await.unwrap();
        assert!(in_use(&second), "it answers, and lags");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    first.state().slot = 1001;
    let deadline = soon();
    while !in_use(&first) {
        assert!(Instant::now() < deadline, "the endpoint was never found well");
        read(&source).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_only_endpoint_is_found_well_again_by_a_small_question_before_its_time_is_over() {
    let ledger = connected().await;
    ledger.faults([
        Fault::Wait(429, "86400"),
        Fault::Wait(429, "86400"),
        Fault::Status(503, None),
    ]);
    ledger.state().results.insert("getSlot", serde_json::json!(1000));
    let mut settings = settings_of(&[ledger.url()]);
    settings.probe_barred_every = Duration::from_millis(50);
    let source = RpcSource::new(settings).unwrap();
    let read = async || {
        source
            .read(&QUERY, Instant::now() + Duration::from_secs(30))
            .await
    };
    assert!(read().await.is_err());
    assert_eq!(read().await.unwrap().users.len(), 1);
    assert_eq!(
        ledger.methods()[..5],
        [
            "getProgramAccounts",
            "getSlot",
            "getSlot",
            "getSlot",
            "getProgramAccounts"
        ]
    );
}

#[tokio::test]
async fn an_endpoint_whose_views_are_of_no_use_is_left_for_the_next() {
    let (first, second) = (connected().await, connected().await);
    first.state().slot = 500;
    let source = source_of(&[first.url(), second.url()]);
    assert_eq!(read(&source).await.unwrap().slot, Slot(500));
    source.try_another();
    let view = read(&source).await.unwrap();
    assert_eq!((view.slot, view.provenance().endpoint), (Slot(1000), 1));
}

#[tokio::test]
async fn a_failing_endpoint_is_left_for_the_next_and_every_read_comes_from_one_endpoint() {
    let (first, second) = (connected().await, connected().await);
    second.put(config_key(), &config(4242).into());
    first.faults([Fault::None, Fault::Status(503, Some(60))]);
    let source = source_of(&[first.url(), second.url()]);
    let view = read(&source).await.unwrap();
    assert_eq!(view.config.map(|config| config.remote_asn.0), Some(4242));
    assert_eq!(first.methods(), ["getProgramAccounts", "getMultipleAccounts"]);
    assert_eq!(
        second.methods().first().map(String::as_str),
        Some("getProgramAccounts")
    );
    assert_eq!(source.health().endpoint, format!("http://{}", second.address));
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_an_error_without_secrets() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let source = source_of(&[format!(
        "http://bob:hunter2@127.0.0.1:{port}/tok3n?api-key=s3cret"
    )]);
    let error = read(&source).await.unwrap_err();
    assert!(
        matches!(&error, ReadError::Unavailable(reason) if reason.contains("cannot reach the ledger")),
        "{error:?}"
    );
    let all = format!("{error:?} {error} {:?}", source.health());
    for secret in ["hunter2", "tok3n", "s3cret"] {
        assert!(!all.contains(secret), "{all}");
    }
    assert_eq!(source.health().requests, 4);
}

#[tokio::test]
async fn a_secret_that_the_ledger_repeats_in_its_error_is_taken_out() {
    let ledger = connected().await;
    ledger.faults(vec![Fault::Rpc(-32602, "unknown token tok3n"); 2]);
    let source = source_of(&[format!("http://{}/tok3n", ledger.address)]);
    let error = read(&source).await.unwrap_err().to_string();
    assert!(error.contains("unknown token ***"), "{error}");
}

#[tokio::test]
async fn the_endpoint_in_use_is_known_with_what_went_wrong_with_the_one_before() {
    let (first, second) = (connected().await, connected().await);
    let mut settings = settings_of(&[first.url(), second.url()]);
    settings.probe_every = Duration::ZERO;
    let source = RpcSource::new(settings).unwrap();
    let in_use = |number, ledger: &FakeLedger, detail: Option<&str>| InUse {
        number,
        endpoint: format!("http://{}", ledger.address),
        detail: detail.map(str::to_owned),
    };
    assert_eq!(source.in_use(), in_use(0, &first, None));
    first.faults([Fault::Status(503, None)]);
    read(&source).await.unwrap();
    assert_eq!(
        source.in_use(),
        in_use(1, &second, Some("the ledger answered with HTTP status 503"))
    );
    while source.in_use().number != 0 {
        read(&source).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(
        source.in_use(),
        in_use(0, &first, None),
        "it comes first, and is well again"
    );
    source.try_another();
    assert_eq!(
        source.in_use(),
        in_use(1, &second, Some("its answer is older than the view in force"))
    );
    let alone = source_of(&[first.url()]);
    first.faults([Fault::Status(503, None)]);
    read(&alone).await.unwrap();
    assert_eq!(alone.in_use().number, 0);
}

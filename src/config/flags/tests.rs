use super::*;

fn line(words: &[&str]) -> Result<Parsed, FlagError> {
    parse(words.iter().map(|word| (*word).to_owned()))
}

#[test]
fn every_flag_of_the_reference_is_accepted_with_one_dash_and_with_two() {
    for (name, value) in REFERENCE {
        for dashes in ["-", "--"] {
            line(&[&format!("{dashes}{name}={value}")])
                .unwrap_or_else(|error| panic!("{dashes}{name}: {error}"));
            if !matches!(*value, "true" | "false") {
                line(&[&format!("{dashes}{name}"), value])
                    .unwrap_or_else(|error| panic!("{dashes}{name}: {error}"));
            }
        }
    }
}

#[test]
fn no_two_flags_share_a_name() {
    let mut seen = std::collections::BTreeSet::new();
    for name in FLAGS.iter().flat_map(|flag| flag.names) {
        assert!(seen.insert(name), "{name} twice");
    }
}

#[test]
fn a_bare_number_is_seconds_where_the_reference_has_seconds_and_an_error_elsewhere() {
    assert_eq!(
        line(&["-reconciler-poll-interval", "3"])
            .unwrap()
            .layer
            .ledger
            .poll_interval
            .unwrap()
            .0,
        Duration::from_secs(3)
    );
    assert_eq!(
        line(&["--poll-interval=1m30s"])
            .unwrap()
            .layer
            .ledger
            .poll_interval
            .unwrap()
            .0,
        Duration::from_secs(90)
    );
    assert_eq!(
        line(&["-onchain-rpc-timeout", "1500ms"])
            .unwrap()
            .layer
            .ledger
            .request_timeout
            .unwrap()
            .0,
        Duration::from_millis(1500)
    );
    assert!(matches!(
        line(&["-onchain-rpc-timeout", "30"]),
        Err(FlagError::Bad { .. })
    ));
}

#[test]
fn a_switch_takes_its_value_only_after_an_equals_sign() {
    for (text, on) in [
        ("1", true),
        ("t", true),
        ("TRUE", true),
        ("True", true),
        ("0", false),
        ("F", false),
        ("false", false),
    ] {
        assert_eq!(
            line(&[&format!("-metrics-enable={text}")])
                .unwrap()
                .layer
                .api
                .metrics_enable,
            Some(on),
            "{text}"
        );
    }
    assert_eq!(
        line(&["-metrics-enable"]).unwrap().layer.api.metrics_enable,
        Some(true)
    );
    let stopped = line(&["-metrics-enable", "false", "-v"]).unwrap();
    assert_eq!(
        (stopped.layer.api.metrics_enable, stopped.layer.verbose),
        (Some(true), false),
        "a word that is no flag ends them"
    );
    assert_eq!(stopped.ignored, ["false", "-v"]);
    assert!(matches!(
        line(&["-metrics-enable=yes"]),
        Err(FlagError::Bad { .. })
    ));
}

#[test]
fn latency_probing_takes_the_references_flags() {
    let words = [
        "-latency-probing=false",
        "-probe-interval",
        "5",
        "--cache-update-interval=3",
        "-enable-latency-metrics",
    ];
    let latency = line(&words).unwrap().layer.latency;
    assert_eq!(
        (latency.probing, latency.metrics, latency.probe_all_devices),
        (Some(false), Some(true), None)
    );
    let seconds =
        [latency.probe_interval, latency.cache_update_interval].map(|span| span.map(|span| span.0.as_secs()));
    assert_eq!(seconds, [Some(5), Some(3)]);
    let words = [
        "-latency-probe-tunnel-endpoints=false",
        "-latency-single-socket=true",
        "-latency-probe-all-devices",
    ];
    let latency = line(&words).unwrap().layer.latency;
    assert_eq!(
        (
            latency.probe_tunnel_endpoints,
            latency.probe_all_devices,
            latency.probing
        ),
        (Some(false), Some(true), None)
    );
}

#[test]
fn route_liveness_takes_the_references_flags() {
    let layer = line(&[
        "-route-liveness-enable-active",
        "-route-liveness-tx-min=2s",
        "--route-liveness-detect-mult",
        "5",
    ])
    .unwrap()
    .layer;
    let liveness = layer.liveness;
    assert_eq!(
        (
            liveness.enable_active,
            liveness.enable_passive,
            liveness.detect_mult
        ),
        (Some(true), None, Some(5))
    );
    assert_eq!(
        liveness.tx_min.map(|span| span.0),
        Some(std::time::Duration::from_secs(2))
    );
}

#[test]
fn words_that_are_not_understood_are_named() {
    assert_eq!(line(&["-nope"]), Err(FlagError::Unknown("-nope".into())));
    assert_eq!(
        line(&["-bgp-password=s3cr3t"]),
        Err(FlagError::Unknown("-bgp-password".into()))
    );
    for (words, ignored) in [
        (&["status", "-nope"][..], &["status", "-nope"][..]),
        (&["-"], &["-"]),
        (&["--", "-nope"], &["-nope"]),
    ] {
        assert_eq!(line(words).unwrap().ignored, ignored, "{words:?}");
    }
    assert_eq!(line(&["---env=x"]), Err(FlagError::Syntax("---env=x".into())));
    assert_eq!(line(&["-=x"]), Err(FlagError::Syntax("-=x".into())));
    assert!(line(&["-h", "-nope"]).unwrap().help);
    assert!(matches!(line(&["-client-ip=x"]), Err(FlagError::Refused { .. })));
    assert!(matches!(line(&["-program-id=x"]), Err(FlagError::Bad { .. })));
    assert!(matches!(
        line(&["-reconciler-poll-interval=x"]),
        Err(FlagError::Bad { .. })
    ));
    assert_eq!(line(&["-env"]), Err(FlagError::NoValue("env".into())));
    assert!(matches!(
        line(&["-route-liveness-detect-mult=-1"]),
        Err(FlagError::Bad { .. })
    ));
}

#[test]
fn numbers_that_make_no_sense_are_taken_as_the_reference_takes_them() {
    let layer = line(&[
        "-onchain-rpc-timeout=-5s",
        "-reconciler-fetch-timeout",
        "0",
        "-route-liveness-detect-mult=300",
    ])
    .unwrap()
    .layer;
    let timeouts = [layer.ledger.request_timeout, layer.ledger.fetch_timeout].map(|span| span.unwrap().0);
    assert_eq!(
        timeouts,
        [Duration::from_millis(100); 2],
        "it starts, and reads fail"
    );
    assert_eq!(layer.liveness.detect_mult, Some(44));
    assert_eq!(
        line(&["-route-liveness-detect-mult=256"])
            .unwrap()
            .layer
            .liveness
            .detect_mult,
        Some(0)
    );
    assert_eq!(
        line(&["-probe-interval", "-5"])
            .unwrap()
            .layer
            .latency
            .probe_interval
            .unwrap()
            .0,
        Duration::MAX
    );
    assert!(line(&["-onchain-rpc-timeout=--5s"]).is_err());
}

#[test]
fn the_help_names_every_flag() {
    let text = help();
    for name in FLAGS.iter().flat_map(|flag| flag.names) {
        assert!(text.contains(&format!("-{name}")), "{name}");
    }
}

/// The flags of the reference daemon with a value each.
const REFERENCE: &[(&str, &str)] = &[
    ("sock-file", "/run/x.sock"),
    ("latency-probing", "false"),
    ("version", "true"),
    ("env", "devnet"),
    ("program-id", "7CTniUa88iJKUHTrCkB4TjAoG6TD7AMivhQeuqN2LPtX"),
    ("solana-rpc-endpoint", "http://localhost:8899"),
    ("probe-interval", "300"),
    ("cache-update-interval", "30"),
    ("v", "true"),
    ("enable-latency-metrics", "true"),
    ("latency-probe-tunnel-endpoints", "false"),
    ("latency-single-socket", "true"),
    ("metrics-enable", "true"),
    ("metrics-addr", "localhost:0"),
    ("route-config", "/var/lib/doublezero/route-config.json"),
    ("client-ip", "192.0.2.1"),
    ("reconciler-poll-interval", "10"),
    ("reconciler-fetch-timeout", "60"),
    ("onchain-rpc-timeout", "30s"),
    ("state-dir", "/var/lib/doublezerod"),
    ("route-liveness-tx-min", "1s"),
    ("route-liveness-rx-min", "1s"),
    ("route-liveness-detect-mult", "3"),
    ("route-liveness-min-tx-floor", "50ms"),
    ("route-liveness-max-tx-ceil", "3s"),
    ("route-liveness-backoff-max", "1m"),
    ("route-liveness-peer-metrics", "true"),
    ("route-liveness-debug", "true"),
    ("route-liveness-enable-passive", "true"),
    ("route-liveness-enable-active", "false"),
];

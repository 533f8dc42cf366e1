use std::path::Path;

use super::{layer::parse_file, *};

const URL: &str = "https://rpc.example.com/s3cr3t";

#[test]
fn flags_win_over_the_environment_and_that_over_the_file_and_that_over_defaults() {
    let file = toml(
        "[ledger]\nurls = ['http://file']\npoll_interval = '5s'\nenv = 'devnet'\n[log]\nformat = 'json'",
    );
    let variables = |name: &str| (name == URL_VARIABLE).then(|| "http://variable".to_owned());
    let flags = flags(&["-env=localnet"]);
    let config = resolve(over(
        over(file.clone(), environment_layer(&variables).unwrap()),
        flags.clone(),
    ))
    .unwrap();
    assert_eq!(config.ledger.env.moniker(), "localnet");
    assert_eq!(config.ledger.urls[0].redacted(), "http://variable");
    assert_eq!(config.ledger.poll_interval.0, Duration::from_secs(5));
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.ledger.fetch_timeout.0, Duration::from_secs(60));

    let with_flag = over(
        over(file.clone(), environment_layer(&variables).unwrap()),
        self::flags(&["-solana-rpc-endpoint=http://flag"]),
    );
    assert_eq!(
        resolve(with_flag).unwrap().ledger.urls[0].redacted(),
        "http://flag"
    );
    assert_eq!(
        resolve(over(file, flags)).unwrap().ledger.urls[0].redacted(),
        "http://file"
    );
}

/// Facts 1.1. The list of devices is read as often as they are probed, which is rarer than there.
#[test]
fn without_flags_everything_is_as_in_the_reference() {
    let config = resolve(flags(&["-ledger-url", URL])).unwrap();
    let seconds = |span: Span| span.0.as_secs_f64();
    assert_eq!(
        config.api.sock_file,
        Path::new("/var/run/doublezerod/doublezerod.sock")
    );
    assert_eq!(
        (config.api.metrics_enable, config.api.metrics_addr.as_str()),
        (false, "localhost:0")
    );
    assert_eq!(
        (
            config.ledger.env.moniker(),
            config.client_ip,
            config.log.level.as_str()
        ),
        ("testnet", None, "info")
    );
    assert_eq!(
        config.route_config,
        Path::new("/var/lib/doublezerod/route-config.json")
    );
    assert_eq!(config.state_dir, Path::new("/var/lib/doublezerod"));
    let ledger = &config.ledger;
    assert_eq!(
        [ledger.poll_interval, ledger.fetch_timeout, ledger.request_timeout].map(seconds),
        [10.0, 60.0, 30.0]
    );
    let latency = &config.latency;
    assert_eq!(
        (
            latency.probing,
            seconds(latency.probe_interval),
            latency.metrics,
            latency.probe_tunnel_endpoints
        ),
        (true, 300.0, false, true)
    );
    let liveness = &config.liveness;
    let spans = [
        liveness.tx_min,
        liveness.rx_min,
        liveness.min_tx_floor,
        liveness.max_tx_ceil,
        liveness.backoff_max,
    ];
    assert_eq!(
        (spans.map(seconds), liveness.detect_mult),
        ([1.0, 1.0, 0.05, 3.0, 60.0], 3)
    );
    assert_eq!(
        [
            liveness.peer_metrics,
            liveness.debug,
            liveness.enable_passive,
            liveness.enable_active
        ],
        [false, false, true, false]
    );
}

#[test]
fn every_flag_reaches_the_configuration_by_each_of_its_names() {
    const KEY: &str = "DZtnuQ839pSaDMFG5q1ad2V95G82S5EC4RrB3Ndw2Heb";
    // Those that say what to do rather than how things are have tests of their own.
    const ELSEWHERE: [&str; 9] = [
        "config",
        "check-config",
        "version",
        "device",
        "bgp-password-file",
        "datacap-grpc-api",
        "datacap-ca-cert",
        "datacap-client-cert",
        "datacap-client-key",
    ];
    let key = |name: &str| format!("{name} = \"{KEY}\"");
    let set: &[(&str, &str, String)] = &[
        ("env", "devnet", "env = \"devnet\"".into()),
        ("program-id", KEY, key("program_id")),
        ("ledger-url", "http://x:1", "urls = [\"http://x:1\"]".into()),
        ("ledger-ws-url", "ws://x:2", "ws_url = \"ws://x:2\"".into()),
        ("ca-file", "/x/ca.pem", "ca_file = \"/x/ca.pem\"".into()),
        ("commitment", "finalized", "commitment = \"finalized\"".into()),
        ("poll-interval", "7", "poll_interval = \"7s\"".into()),
        ("fetch-timeout", "70", "fetch_timeout = \"1m 10s\"".into()),
        ("request-timeout", "7s", "request_timeout = \"7s\"".into()),
        ("max-view-age", "7m", "max_view_age = \"7m\"".into()),
        ("ledger-restart-after", "7m", "restart_after = \"7m\"".into()),
        ("role", "client", "role = \"client\"".into()),
        ("client-ip", "192.0.2.7", "client_ip = \"192.0.2.7\"".into()),
        ("owner", KEY, key("owner")),
        ("owner", "auto", "owner = \"auto\"".into()),
        ("dataplane", "userspace", "dataplane = \"userspace\"".into()),
        ("stop-mode", "remove", "stop_mode = \"remove\"".into()),
        ("state-dir", "/x/state", "state_dir = \"/x/state\"".into()),
        ("tunnel-mtu", "1300", "[tunnel]\nmtu = 1300".into()),
        ("bgp-hold-time", "33", "hold_time = \"33s\"".into()),
        ("bgp-max-prefixes", "7", "max_prefixes = 7".into()),
        ("sock-file", "/x/sock", "sock_file = \"/x/sock\"".into()),
        ("metrics-enable", "true", "metrics_enable = true".into()),
        ("metrics-addr", "x:7", "metrics_addr = \"x:7\"".into()),
        ("log-format", "json", "format = \"json\"".into()),
        ("log-level", "trace", "level = \"trace\"".into()),
        ("v", "true", "level = \"debug\"".into()),
        ("latency-probing", "false", "probing = false".into()),
        ("probe-interval", "7", "probe_interval = \"7s\"".into()),
        (
            "cache-update-interval",
            "7",
            "cache_update_interval = \"7s\"".into(),
        ),
        (
            "enable-latency-metrics",
            "true",
            "[latency]\nprobing = true\nprobe_interval = \"5m\"\nmetrics = true".into(),
        ),
        (
            "latency-probe-tunnel-endpoints",
            "false",
            "probe_tunnel_endpoints = false".into(),
        ),
        (
            "latency-probe-all-devices",
            "true",
            "probe_all_devices = true".into(),
        ),
        // One socket for all is how it is.
        ("latency-single-socket", "true", String::new()),
        ("route-config", "/x/routes", "route_config = \"/x/routes\"".into()),
        ("record", "/x/recording", "record = \"/x/recording\"".into()),
        ("record-mib", "7", "record_mib = 7".into()),
        ("route-liveness-tx-min", "7s", "tx_min = \"7s\"".into()),
        ("route-liveness-rx-min", "7s", "rx_min = \"7s\"".into()),
        ("route-liveness-detect-mult", "7", "detect_mult = 7".into()),
        (
            "route-liveness-min-tx-floor",
            "7ms",
            "min_tx_floor = \"7ms\"".into(),
        ),
        ("route-liveness-max-tx-ceil", "7s", "max_tx_ceil = \"7s\"".into()),
        ("route-liveness-backoff-max", "7m", "backoff_max = \"7m\"".into()),
        (
            "route-liveness-peer-metrics",
            "true",
            "peer_metrics = true".into(),
        ),
        ("route-liveness-debug", "true", "debug = true".into()),
        ("datacap-url", "https://x:1", "url = \"https://x:1\"".into()),
        ("datacap-batch-interval", "7s", "batch_interval = \"7s\"".into()),
        ("datacap-cache-ttl", "7m", "cache_ttl = \"7m\"".into()),
        (
            "route-liveness-enable-passive",
            "false",
            "enable_passive = false".into(),
        ),
        (
            "route-liveness-enable-active",
            "true",
            "enable_active = true".into(),
        ),
    ];
    for flag in flags::FLAGS
        .iter()
        .filter(|flag| !ELSEWHERE.contains(&flag.names[0]))
    {
        let (_, value, shown) = set
            .iter()
            .find(|(name, ..)| *name == flag.names[0])
            .unwrap_or_else(|| panic!("{}", flag.names[0]));
        for name in flag.names {
            let word = format!("-{name}={value}");
            let words = if *name == "env" {
                vec![word.as_str(), "-ledger-url=http://y"]
            } else {
                vec!["-env=localnet", word.as_str()]
            };
            let printed = toml::to_string(&resolve(flags(&words)).unwrap()).unwrap();
            assert!(
                printed.contains(shown.as_str()),
                "{word}: {shown} is not in\n{printed}"
            );
        }
    }
    let gateway = resolve(flags(&[
        "-env=localnet",
        "-role=gateway",
        &format!("-device={KEY}"),
    ]))
    .unwrap();
    assert!(toml::to_string(&gateway).unwrap().contains(&key("device")));
}

#[test]
fn the_service_of_caps_is_named_with_its_three_files_and_a_flag_wins_over_its_variable() {
    let service = flags(&[
        "-env=localnet",
        "--datacap-grpc-api=https://x:1",
        "--datacap-ca-cert=/x/ca",
        "--datacap-client-cert=/x/cert",
        "--datacap-client-key=/x/key",
    ]);
    let printed = toml::to_string(&resolve(service.clone()).unwrap()).unwrap();
    for shown in [
        "source = \"grpc\"",
        "grpc_api = \"https://x:1\"",
        "ca_cert = \"/x/ca\"",
        "client_cert = \"/x/cert\"",
        "client_key = \"/x/key\"",
    ] {
        assert!(printed.contains(shown), "{shown} is not in\n{printed}");
    }
    let variables = |set: &'static [&'static str]| {
        move |name: &str| set.contains(&name).then(|| "https://v:1".to_owned())
    };
    let url = environment_layer(&variables(&[DATACAP_URL])).unwrap();
    assert_eq!(
        resolve(over(url, service)).unwrap().caps.url,
        None,
        "the flag wins"
    );
    let both = environment_layer(&variables(&[DATACAP_URL, DATACAP_GRPC_API])).unwrap();
    let error = resolve(over(both, flags(&["-env=localnet"]))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "--datacap-url and --datacap-grpc-api are mutually exclusive"
    );
}

#[test]
fn an_environment_other_than_localnet_needs_an_endpoint() {
    let error = resolve(Layer::default()).unwrap_err().to_string();
    assert!(
        error.contains("testnet") && error.contains(URL_VARIABLE),
        "{error}"
    );
    assert_eq!(
        resolve(flags(&["-env", "localnet"])).unwrap().ledger.urls[0].redacted(),
        "http://localhost:8899"
    );
}

#[test]
fn the_environment_decides_the_program_unless_it_is_named() {
    let config = resolve(flags(&["-env", "mainnet", "-ledger-url", URL])).unwrap();
    assert_eq!(config.ledger.env.moniker(), "mainnet-beta");
    assert_eq!(
        config.ledger.program_id.to_string(),
        "ser2VaTMAcYTaauMrTSfSrxBaUDq7BLNs2xfUugTAGv"
    );
    let named = resolve(flags(&[
        "-env",
        "mainnet",
        "-ledger-url",
        URL,
        "-program-id",
        "7CTniUa88iJKUHTrCkB4TjAoG6TD7AMivhQeuqN2LPtX",
    ]))
    .unwrap();
    assert_eq!(
        named.ledger.program_id.to_string(),
        "7CTniUa88iJKUHTrCkB4TjAoG6TD7AMivhQeuqN2LPtX"
    );
}

#[test]
fn an_unknown_key_in_the_file_is_an_error_with_its_line_and_without_its_text() {
    let error = parse_file(
        Path::new("w.toml"),
        "[ledger]\nenv = 'devnet'\npassword = 's3cr3t'\n",
    )
    .unwrap_err()
    .to_string();
    assert!(
        error.contains("line 3") && error.contains("unknown field `password`"),
        "{error}"
    );
    assert!(!error.contains("s3cr3t"), "{error}");
    let error = parse_file(Path::new("w.toml"), "[ledger]\nurls = ['nonsense/s3cr3t']\n")
        .unwrap_err()
        .to_string();
    assert!(!error.contains("s3cr3t"), "{error}");
    let error = parse_file(Path::new("w.toml"), "[ledger]\nurls = 'https://h/s3cr3t'\n")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("line 2: expected a sequence") && !error.contains("s3cr3t"),
        "{error}"
    );
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let missing = flags(&["-config", "/nonexistent/warren.toml", "-env", "localnet"]);
    assert!(matches!(
        load(missing, |_| None),
        Err(ConfigError::Unreadable { .. })
    ));
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    for (words, named) in [
        (vec!["-reconciler-poll-interval=0"], "poll-interval"),
        (vec!["-max-view-age=1000000h"], "max-view-age"),
        (vec!["-role=gateway"], "device"),
        (
            vec!["-device=7CTniUa88iJKUHTrCkB4TjAoG6TD7AMivhQeuqN2LPtX"],
            "role is client",
        ),
        (vec!["-client-ip=0.0.0.0"], "client-ip"),
        (vec!["-max-view-age=-1s"], "max-view-age is negative"),
        (
            vec!["-route-liveness-tx-min=0"],
            "route-liveness-tx-min is 0s: it must be from 1ms",
        ),
        (vec!["-log-level=loud=very"], "log-level"),
        (vec!["-ledger-url=ws://x"], "expected http"),
        (vec!["-ledger-ws-url=http://x"], "expected ws"),
        (vec!["-env=moon"], "unknown environment"),
        (vec!["-sock-file="], "sock-file"),
    ] {
        let mut all = vec!["-env=localnet"];
        all.extend(&words);
        let error = resolve(flags(&all)).expect_err(named).to_string();
        assert!(error.contains(named), "{words:?}: {error}");
    }
}

#[test]
fn a_metrics_address_is_taken_in_the_forms_that_can_be_listened_on() {
    let addressed = |text: &str| {
        resolve(flags(&["-env=localnet", "-metrics-addr", text])).map(|config| config.api.metrics_addr)
    };
    for text in [
        ":9464",
        "localhost:0",
        "192.0.2.1:9464",
        "[::1]:9464",
        "node-1.example_x.com:65535",
    ] {
        assert_eq!(addressed(text).unwrap(), text);
    }
    for text in [
        "nowhere", "9464", "", ":", "::1:9464", "[::1]", "[]:9464", "[::]x:1", "a b:9464", "x:65536", ":+80",
        "x:-1",
    ] {
        assert!(
            addressed(text).unwrap_err().to_string().contains("metrics-addr"),
            "{text}"
        );
    }
}

#[test]
fn an_empty_value_is_not_given_where_that_is_what_the_reference_has_without_the_flag() {
    let empty = ["-client-ip", "", "-program-id=", "-solana-rpc-endpoint", ""];
    let usual = ["-env=localnet"];
    assert_eq!(
        resolve(flags(&[&usual[..], &empty[..]].concat())).unwrap(),
        resolve(flags(&usual)).unwrap()
    );
    let file = || toml("client_ip = '192.0.2.1'\n[ledger]\nenv = 'localnet'\nurls = ['http://file']");
    assert_eq!(
        resolve(over(file(), flags(&empty))).unwrap(),
        resolve(file()).unwrap(),
        "the file's holds"
    );
    let last = resolve(flags(&[
        "-env=localnet",
        "-client-ip=192.0.2.1",
        "-client-ip=",
        "-solana-rpc-endpoint=http://x",
        "-solana-rpc-endpoint=",
    ]));
    let last = last.unwrap();
    assert_eq!(
        (last.client_ip, last.ledger.urls[0].redacted()),
        (None, "http://localhost:8899".to_owned()),
        "the last one wins"
    );
}

#[test]
fn what_is_printed_is_a_file_that_gives_the_same_configuration() {
    let config = resolve(flags(&[
        "-env=localnet",
        "-client-ip=192.0.2.1",
        "-metrics-enable",
        "-v",
        "-poll-interval=3",
    ]))
    .unwrap();
    let printed = toml::to_string(&config).unwrap();
    assert_eq!(resolve(toml(&printed)).unwrap(), config, "{printed}");
}

#[test]
fn what_is_printed_holds_no_secret() {
    let config = resolve(flags(&[
        "-ledger-url",
        URL,
        "-ledger-ws-url",
        "wss://u:s3cr3t@h/s3cr3t",
    ]))
    .unwrap();
    assert!(!toml::to_string(&config).unwrap().contains("s3cr3t"));
    assert!(!format!("{config:?}").contains("s3cr3t"));
}

fn flags(words: &[&str]) -> Layer {
    flags::parse(words.iter().map(|word| (*word).to_owned()))
        .unwrap()
        .layer
}

fn toml(text: &str) -> Layer {
    parse_file(Path::new("test.toml"), text).unwrap()
}

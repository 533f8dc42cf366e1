use super::*;

const URL: &str = "https://rpc.example.com/s3cr3t";

#[test]
fn flags_win_over_the_environment_and_that_over_the_file_and_that_over_defaults() {
    let file = toml("[ledger]\nurls = ['http://file']\npoll_interval = '5s'\nenv = 'devnet'\n[log]\nformat = 'json'");
    let variables = |name: &str| (name == URL_VARIABLE).then(|| "http://variable".to_owned());
    let flags = flags(&["-env=localnet"]);
    let config = resolve(over(over(file.clone(), environment_layer(&variables).unwrap()), flags.clone())).unwrap();
    assert_eq!(config.ledger.env.moniker(), "localnet");
    assert_eq!(config.ledger.urls[0].redacted(), "http://variable");
    assert_eq!(config.ledger.poll_interval.0, Duration::from_secs(5));
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.ledger.fetch_timeout.0, Duration::from_secs(60));

    let with_flag = over(over(file.clone(), environment_layer(&variables).unwrap()), self::flags(&["-solana-rpc-endpoint=http://flag"]));
    assert_eq!(resolve(with_flag).unwrap().ledger.urls[0].redacted(), "http://flag");
    assert_eq!(resolve(over(file, flags)).unwrap().ledger.urls[0].redacted(), "http://file");
}

/// Facts 1.1. The list of devices is read as often as they are probed, which is rarer than there.
#[test]
fn without_flags_everything_is_as_in_the_reference() {
    let config = resolve(flags(&["-ledger-url", URL])).unwrap();
    let seconds = |span: Span| span.0.as_secs_f64();
    assert_eq!(config.api.sock_file, Path::new("/var/run/doublezerod/doublezerod.sock"));
    assert_eq!((config.api.metrics_enable, config.api.metrics_addr.as_str()), (false, "localhost:0"));
    assert_eq!((config.ledger.env.moniker(), config.client_ip, config.log.level.as_str()), ("testnet", None, "info"));
    assert_eq!(config.route_config, Path::new("/var/lib/doublezerod/route-config.json"));
    assert_eq!(config.state_dir, Path::new("/var/lib/doublezerod"));
    let ledger = &config.ledger;
    assert_eq!([ledger.poll_interval, ledger.fetch_timeout, ledger.request_timeout].map(seconds), [10.0, 60.0, 30.0]);
    let latency = &config.latency;
    assert_eq!(
        (latency.probing, seconds(latency.probe_interval), latency.metrics, latency.probe_tunnel_endpoints),
        (true, 300.0, false, true)
    );
    let liveness = &config.liveness;
    let spans = [liveness.tx_min, liveness.rx_min, liveness.min_tx_floor, liveness.max_tx_ceil, liveness.backoff_max];
    assert_eq!((spans.map(seconds), liveness.detect_mult), ([1.0, 1.0, 0.05, 3.0, 60.0], 3));
    assert_eq!([liveness.peer_metrics, liveness.debug, liveness.enable_passive, liveness.enable_active], [false, false, true, false]);
}

#[test]
fn an_environment_other_than_localnet_needs_an_endpoint() {
    let error = resolve(Layer::default()).unwrap_err().to_string();
    assert!(error.contains("testnet") && error.contains(URL_VARIABLE), "{error}");
    assert_eq!(resolve(flags(&["-env", "localnet"])).unwrap().ledger.urls[0].redacted(), "http://localhost:8899");
}

#[test]
fn the_environment_decides_the_program_unless_it_is_named() {
    let config = resolve(flags(&["-env", "mainnet", "-ledger-url", URL])).unwrap();
    assert_eq!(config.ledger.env.moniker(), "mainnet-beta");
    assert_eq!(config.ledger.program_id.to_string(), "ser2VaTMAcYTaauMrTSfSrxBaUDq7BLNs2xfUugTAGv");
    let named =
        resolve(flags(&["-env", "mainnet", "-ledger-url", URL, "-program-id", "7CTniUa88iJKUHTrCkB4TjAoG6TD7AMivhQeuqN2LPtX"])).unwrap();
    assert_eq!(named.ledger.program_id.to_string(), "7CTniUa88iJKUHTrCkB4TjAoG6TD7AMivhQeuqN2LPtX");
}

#[test]
fn an_unknown_key_in_the_file_is_an_error_with_its_line_and_without_its_text() {
    let error = parse_file(Path::new("w.toml"), "[ledger]\nenv = 'devnet'\npassword = 's3cr3t'\n").unwrap_err().to_string();
    assert!(error.contains("line 3") && error.contains("unknown field `password`"), "{error}");
    assert!(!error.contains("s3cr3t"), "{error}");
    let error = parse_file(Path::new("w.toml"), "[ledger]\nurls = ['nonsense/s3cr3t']\n").unwrap_err().to_string();
    assert!(!error.contains("s3cr3t"), "{error}");
    let error = parse_file(Path::new("w.toml"), "[ledger]\nurls = 'https://h/s3cr3t'\n").unwrap_err().to_string();
    assert!(error.contains("line 2: expected a sequence") && !error.contains("s3cr3t"), "{error}");
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let missing = flags(&["-config", "/nonexistent/warren.toml", "-env", "localnet"]);
    assert!(matches!(load(missing, |_| None), Err(ConfigError::Unreadable { .. })));
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    for (words, named) in [
        (vec!["-reconciler-poll-interval=0"], "poll-interval"),
        (vec!["-max-view-age=1000000h"], "max-view-age"),
        (vec!["-role=gateway"], "device"),
        (vec!["-device=7CTniUa88iJKUHTrCkB4TjAoG6TD7AMivhQeuqN2LPtX"], "role is client"),
        (vec!["-client-ip=0.0.0.0"], "client-ip"),
        (vec!["-metrics-addr=nowhere"], "metrics-addr"),
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
fn what_is_printed_is_a_file_that_gives_the_same_configuration() {
    let config = resolve(flags(&["-env=localnet", "-client-ip=192.0.2.1", "-metrics-enable", "-v", "-poll-interval=3"])).unwrap();
    let printed = toml::to_string(&config).unwrap();
    assert_eq!(resolve(toml(&printed)).unwrap(), config, "{printed}");
}

#[test]
fn what_is_printed_holds_no_secret() {
    let config = resolve(flags(&["-ledger-url", URL, "-ledger-ws-url", "wss://u:s3cr3t@h/s3cr3t"])).unwrap();
    assert!(!toml::to_string(&config).unwrap().contains("s3cr3t"));
    assert!(!format!("{config:?}").contains("s3cr3t"));
}

fn flags(words: &[&str]) -> Layer {
    flags::parse(words.iter().map(|word| (*word).to_owned())).unwrap().layer
}

fn toml(text: &str) -> Layer {
    parse_file(Path::new("test.toml"), text).unwrap()
}

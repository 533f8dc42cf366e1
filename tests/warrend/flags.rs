//! The configuration and the command line.

use super::*;

#[test]
fn the_configuration_is_printed_without_secrets_and_what_is_printed_is_a_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let output = warrend(dir.path())
        .args(["-check-config", "-ledger-url=http://127.0.0.1:2/s3cr3t", "-v"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let printed = stdout(&output);
    assert!(
        !printed.contains("s3cr3t") && printed.contains("level = \"debug\""),
        "{printed}"
    );
    assert!(!dir.path().join("state").exists(), "nothing is touched");

    let file = dir.path().join("warren.toml");
    std::fs::write(&file, &printed).unwrap();
    let again = Command::new(env!("CARGO_BIN_EXE_warrend"))
        .env_clear()
        .arg("--check-config")
        .arg("--config")
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(stdout(&again), printed);
}

#[test]
fn the_packaged_configuration_file_is_one() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/warren.toml");
    let output = Command::new(env!("CARGO_BIN_EXE_warrend"))
        .env_clear()
        .env("DZ_LEDGER_RPC_URL", "https://rpc.example.com/s3cr3t")
        .args([
            "--check-config",
            "--config",
            file,
            "--bgp-hold-time=30",
            "--bgp-max-prefixes",
            "500",
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("https://rpc.example.com/***"));
    assert!(
        stdout(&output).contains("[bgp]\nhold_time = \"30s\"\nmax_prefixes = 500\n"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn a_wrong_command_line_is_an_error_that_names_the_word_with_the_references_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    for (word, named, code) in [
        ("-nope", "-nope", 2),
        ("---env=localnet", "---env", 2),
        ("-reconciler-poll-interval=soon", "-reconciler-poll-interval", 2),
        ("-route-liveness-detect-mult=-1", "-route-liveness-detect-mult", 2),
        ("-program-id=x", "-program-id", 2),
        ("-probe-interval=0", "probe-interval", 2),
        ("-client-ip=nowhere", "-client-ip", 1),
        ("-env=moon", "moon", 1),
        ("-reconciler-poll-interval=0", "poll-interval", 1),
        ("-reconciler-poll-interval=-3", "poll-interval is negative", 1),
        ("-route-liveness-detect-mult=256", "detect-mult", 1),
        ("-route-liveness-tx-min=-1s", "tx-min is negative", 1),
    ] {
        let output = warrend(dir.path()).arg(word).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{word}");
        assert!(
            stderr(&output).contains(named) && stderr(&output).starts_with("warrend: "),
            "{}",
            stderr(&output)
        );
        assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
    }
    for words in [
        ["-check-config", "-env=moon"],
        ["-check-config", "-config=/nonexistent/warren.toml"],
    ] {
        let output = warrend(dir.path()).args(words).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(1),
            "a check says what a start would: {}",
            stderr(&output)
        );
    }
    let of_systemd = warrend(dir.path())
        .arg("-env=moon")
        .env("NOTIFY_SOCKET", dir.path().join("notify"))
        .output()
        .unwrap();
    assert_eq!(
        of_systemd.status.code(),
        Some(2),
        "systemd is not to try it again"
    );
    let words = [
        "-check-config",
        "-onchain-rpc-timeout=-5s",
        "-latency-probing=false",
        "-probe-interval=0",
        "status",
        "-nope",
    ];
    let taken = warrend(dir.path()).args(words).output().unwrap();
    assert_eq!(taken.status.code(), Some(0), "{}", stderr(&taken));
}

#[test]
fn help_goes_to_standard_error() {
    let dir = tempfile::tempdir().unwrap();
    for flag in ["-h", "--help"] {
        let output = warrend(dir.path()).args([flag, "-nope"]).output().unwrap();
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), ""));
        assert!(
            stderr(&output).contains("-reconciler-poll-interval"),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn the_version_has_the_references_three_lines() {
    let output = Command::new(env!("CARGO_BIN_EXE_warrend"))
        .arg("-version")
        .output()
        .unwrap();
    let names: Vec<String> = stdout(&output)
        .lines()
        .map(|line| line.split(": ").next().unwrap().to_owned())
        .collect();
    assert_eq!(
        (output.status.code(), names),
        (Some(0), ["build", "version", "date"].map(str::to_owned).to_vec())
    );
}

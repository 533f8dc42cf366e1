//! The daemon as a process: its flags, its start, its stop.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by it")]
#![allow(missing_docs)]

#[path = "warrend/flags.rs"]
mod flags;
#[allow(dead_code)]
mod support;

use std::{os::unix::fs::PermissionsExt, os::unix::net::UnixListener, process::Command};

use nix::sys::signal::Signal;
use support::{Daemon, ask, stderr, stdout, warren, warrend};

#[test]
fn it_starts_without_a_ledger_answers_and_stops_cleanly() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(dir.path(), &[]);
    daemon.line_with("the API answers");
    let socket = dir.path().join("w.sock");
    assert_eq!(
        std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777,
        0o666
    );
    let (head, body) = ask(&socket, "GET /status");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(
        body,
        r#"[{"doublezero_status": {"session_status": "disconnected"}}]"#
    );
    let (head, _) = ask(&socket, "GET /readyz");
    assert!(head.starts_with("HTTP/1.1 503"), "there is no view: {head}");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.end(), Some(0));
    assert!(!socket.exists(), "the socket is removed");
}

#[test]
fn a_hangup_is_remarked_on_and_neither_ends_the_daemon_nor_counts_as_a_request_to_stop() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(dir.path(), &["-log-format=json"]);
    daemon.line_with("the API answers");
    for _ in 0..2 {
        daemon.signal(Signal::SIGHUP);
        let line = daemon.line_with(
            "recorders' files are reopened; nothing is reloaded: restart to apply a changed configuration",
        );
        assert!(line.contains(r#""level":"INFO""#), "{line}");
    }
    assert!(
        ask(&dir.path().join("w.sock"), "GET /healthz")
            .0
            .starts_with("HTTP/1.1 200")
    );
    daemon.signal(Signal::SIGTERM);
    assert_eq!(
        daemon.end(),
        Some(0),
        "the first request to stop is an ordered one"
    );
}

#[test]
fn the_switch_survives_a_restart_and_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(dir.path(), &[]);
    daemon.line_with("the API answers");
    let output = warren(dir.path(), &["enable"]);
    assert_eq!(
        (output.status.code(), stdout(&output).as_str()),
        (Some(0), "Reconciler enabled\n")
    );
    daemon.signal(Signal::SIGKILL);
    daemon.end();

    let socket = dir.path().join("w.sock");
    assert!(socket.exists(), "the kill left the socket");
    let mut daemon = Daemon::start(dir.path(), &[]);
    daemon.line_with("replacing a socket that nobody answers on");
    daemon.line_with("the API answers");
    assert!(
        ask(&socket, "GET /v2/status")
            .1
            .contains("\"reconciler_enabled\":true")
    );
    daemon.signal(Signal::SIGINT);
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn a_second_daemon_on_the_state_directory_is_refused_and_the_first_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), &[]);
    daemon.line_with("the API answers");
    let second = warrend(dir.path()).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(
        stderr(&second).contains("in use by another warrend")
            && stderr(&second).contains(&daemon.pid().to_string()),
        "{}",
        stderr(&second)
    );
    assert!(
        ask(&dir.path().join("w.sock"), "GET /healthz")
            .0
            .starts_with("HTTP/1.1 200")
    );
}

#[test]
fn a_socket_that_another_program_serves_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let _other = UnixListener::bind(dir.path().join("w.sock")).unwrap();
    let refused = warrend(dir.path()).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("another daemon answers on it"),
        "{}",
        stderr(&refused)
    );
    assert!(dir.path().join("w.sock").exists());
}

#[test]
fn metrics_are_served_on_tcp_when_that_is_asked_for() {
    use std::io::{Read, Write};
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), &["-metrics-enable", "-metrics-addr=127.0.0.1:0"]);
    let line = daemon.line_with("metrics are served");
    let address = line.split("address=").nth(1).unwrap().trim();
    daemon.line_with("the API answers");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(support::LONG)).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\ndoublezero_build_info{"), "{answer}");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(support::LONG)).unwrap();
    stream
        .write_all(b"POST /enable HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "metrics only: {answer}");
}

#[test]
fn a_route_config_that_makes_no_sense_ends_the_start_and_one_that_is_not_there_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("routes.json");
    let flag = format!("-route-config={}", file.display());
    std::fs::write(&file, r#"{"exclude": ["8.8.8.8", "nowhere"]}"#).unwrap();
    let refused = warrend(dir.path()).arg(&flag).output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    assert!(
        stderr(&refused).contains("routes.json") && stderr(&refused).contains("nowhere"),
        "{}",
        stderr(&refused)
    );
    std::fs::remove_file(&file).unwrap();
    let daemon = Daemon::start(dir.path(), &[&flag]);
    daemon.line_with("the API answers");
    let socket = dir.path().join("w.sock");
    let until = std::time::Instant::now() + support::LONG;
    let shows = |text: &str| {
        while !ask(&socket, "GET /v3/status").1.contains(text) {
            assert!(
                std::time::Instant::now() < until,
                "{text} does not show: {}",
                ask(&socket, "GET /v3/status").1
            );
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    };
    shows("\"entries\":0,\"error\":null");
    std::fs::write(&file, r#"{"exclude": ["8.8.8.8", "10.0.0.0/8"]}"#).unwrap();
    shows("\"entries\":2,\"error\":null");
    std::fs::write(&file, "nonsense").unwrap();
    shows("\"entries\":2,\"error\":\"route-config ");
    std::fs::remove_file(&file).unwrap();
    shows("\"entries\":0,\"error\":null");
}

#[test]
fn the_ledger_is_read_through_the_proxy_that_the_environment_names() {
    let dir = tempfile::tempdir().unwrap();
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (asked, answer) = std::sync::mpsc::channel();
    let address = proxy.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut caller, _) = proxy.accept().unwrap();
        let mut head = [0; 512];
        let length = std::io::Read::read(&mut caller, &mut head).unwrap();
        let _gone = asked.send(String::from_utf8_lossy(&head[..length]).into_owned());
    });
    let mut command = warrend(dir.path());
    command
        .env("HTTP_PROXY", format!("http://{address}"))
        .arg("-ledger-url=http://ledger.invalid:8899/")
        .stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    let head = answer.recv_timeout(support::LONG);
    child.kill().unwrap();
    child.wait().unwrap();
    let head = head.unwrap();
    assert!(
        head.starts_with("POST http://"),
        "a proxy is asked with the whole address: {head}"
    );
}

#[test]
fn systemd_is_told_of_the_start_the_stop_and_the_progress() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let notices = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    notices.set_read_timeout(Some(support::LONG)).unwrap();
    let mut command = warrend(dir.path());
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "200000")
        .stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    let told = |wanted: &str| {
        let mut buffer = [0; 4096];
        for _ in 0..1000 {
            let length = notices
                .recv(&mut buffer)
                .unwrap_or_else(|error| panic!("{wanted}: {error}"));
            if String::from_utf8_lossy(&buffer[..length]).contains(wanted) {
                return;
            }
        }
        panic!("{wanted} was not told");
    };
    told("READY=1");
    assert!(
        ask(&dir.path().join("w.sock"), "GET /healthz")
            .0
            .starts_with("HTTP/1.1 200"),
        "ready means that it answers"
    );
    told("WATCHDOG=1");
    told("WATCHDOG=1");
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(child.id().try_into().unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();
    told("STOPPING=1");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// A tunnel is built past the ledger, and then the daemon is stopped once and killed once.
#[test]
fn what_happened_at_night_is_still_told_after_two_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("w.sock");
    let mut daemon = Daemon::start(dir.path(), &[]);
    daemon.line_with("the API answers");
    let asked = r#"{"user_type":"IBRL","tunnel_src":"192.0.2.1","tunnel_dst":"198.51.100.9","tunnel_net":"169.254.0.0/31","doublezero_ip":"192.0.2.1"}"#;
    let (head, body) = post(&socket, "/provision", asked);
    assert!(head.starts_with("HTTP/1.1 200"), "{head} {body}");
    until("the tunnel's start is on disk", || {
        ask(&socket, "GET /v3/journal?topics=tunnel")
            .1
            .contains("\"to\":\"peering\"")
    });
    let account = ask(&socket, "GET /v3/journal?topics=manual_asked").1;
    let account = account
        .split("\"tunnel\":\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.end(), Some(0));
    let mut daemon = Daemon::start(dir.path(), &[]);
    daemon.line_with("the API answers");
    until("the second start is on disk", || {
        ask(&socket, "GET /v3/journal?topics=started")
            .1
            .matches("\"started\"")
            .count()
            == 2
    });
    daemon.signal(Signal::SIGKILL);
    daemon.end();
    let daemon = Daemon::start(dir.path(), &[]);
    daemon.line_with("the API answers");
    until("the third start is on disk", || {
        ask(&socket, "GET /v3/journal?topics=started")
            .1
            .matches("\"started\"")
            .count()
            == 3
    });

    let told = stdout(&warren(dir.path(), &["explain", "--since", "1h"]));
    for part in [
        "provisioned through the API",
        "-> peering",
        &account,
        "stopping",
        "ended abruptly",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let of_one = stdout(&warren(dir.path(), &["explain", "doublezero0"]));
    let (begins, words) = (format!("{account}: it is gone"), "-> peering");
    assert!(of_one.contains(&begins) && of_one.contains(words), "{of_one}");
    let by_account = warren(dir.path(), &["explain", &account[..9], "--json"]);
    let document: serde_json::Value = serde_json::from_slice(&by_account.stdout).unwrap();
    assert!(
        document["journal"]
            .as_array()
            .is_some_and(|entries| !entries.is_empty()),
        "{document}"
    );
    let nobody = warren(dir.path(), &["explain", "nobody"]);
    assert!(nobody.status.code() == Some(1) && stderr(&nobody).contains("there is no tunnel"));
    reported(dir.path(), &account);
}

/// The archive has what happened, and not the key of the pseudonyms.
fn reported(directory: &std::path::Path, account: &str) {
    use std::io::Read;
    let path = directory.join("report.tar.gz");
    let output = warren(directory, &["bugreport", "--output", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let mut bytes = Vec::new();
    let archive = flate2::read::GzDecoder::new(std::fs::File::open(&path).unwrap());
    std::io::BufReader::new(archive).read_to_end(&mut bytes).unwrap();
    let holds = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
    assert!(holds(b"daemon/journal.json") && holds(account.as_bytes()) && holds(b"phase_changed"));
    let secret = std::fs::read(directory.join("state/secret")).unwrap();
    let hex: String = secret.iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!(secret.len(), 32);
    assert!(
        !holds(&secret) && !holds(hex.as_bytes()),
        "the secret is in the archive"
    );
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + support::LONG;
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "{what}: never");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

fn post(socket: &std::path::Path, path: &str, body: &str) -> (String, String) {
    use std::io::{Read, Write};
    let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(support::LONG)).unwrap();
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all((head + body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[test]
fn what_could_not_be_read_of_usage_and_caps_is_among_the_events_that_are_shown() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("warren.toml");
    std::fs::write(&file, "[caps]\nsource = 'local'\n").unwrap();
    let flag = format!("-config={}", file.display());
    let mut daemon = Daemon::start(dir.path(), &[&flag]);
    daemon.line_with("the API answers");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.end(), Some(0));
    let caps = dir.path().join("state/metering/caps.json");
    std::fs::write(&caps, "{").unwrap();
    for log in std::fs::read_dir(dir.path().join("state/usage")).unwrap() {
        std::fs::write(log.unwrap().path(), "0").unwrap();
    }
    let daemon = Daemon::start(dir.path(), &[&flag]);
    daemon.line_with("what tunnels carried so far cannot be read, was set aside, and is counted anew");
    daemon.line_with("what was known of caps cannot all be read, and was set aside");
    daemon.line_with("the API answers");
    let shown = warren(dir.path(), &["events", "--json", "--topic", "usage"]);
    let kinds: Vec<String> = stdout(&shown)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["kind"].to_string())
        .collect();
    assert_eq!(kinds, ["\"usage_lost\"", "\"caps_lost\""], "{}", stderr(&shown));
    let words = stdout(&warren(dir.path(), &["events", "--topic", "usage"]));
    let aside = caps.with_extension("damaged");
    assert!(words.contains(aside.to_str().unwrap()), "{words}");
}

#[test]
fn a_recorder_that_cannot_write_stops_the_start_unless_it_may_degrade_and_then_it_shows() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("warren.toml");
    let start = |metering: &str| {
        std::fs::write(&file, format!("[metering]\n{metering}\n")).unwrap();
        let mut command = warrend(dir.path());
        command.arg(format!("-config={}", file.display()));
        command
    };
    let (missing, blocked) = (dir.path().join("nowhere/ledger.jsonl"), file.join("ledger.jsonl"));
    for (metering, said) in [
        (
            "backend = 'pigeon'".to_owned(),
            "metering.backend \"pigeon\" is not one of file|stderr|nop|tee|http".to_owned(),
        ),
        (
            format!("file.path = '{}'", missing.display()),
            format!("cannot open {}: No such file or directory", missing.display()),
        ),
        (
            format!("file.path = '{}'", blocked.display()),
            format!("cannot open {}: Not a directory", blocked.display()),
        ),
    ] {
        let output = start(&metering).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{metering}");
        assert!(stderr(&output).contains(&said), "{metering}: {}", stderr(&output));
    }
    let degraded = format!("on_failure = 'degrade'\nfile.path = '{}'", missing.display());
    let mut daemon = Daemon::of(&mut start(&degraded));
    daemon.line_with("recorder file cannot write, entries wait in the journal: cannot open");
    let socket = dir.path().join("w.sock");
    // That the API answers is told before or after.
    until("the API answers", || {
        std::os::unix::net::UnixStream::connect(&socket).is_ok()
    });
    until("status shows it", || {
        let (_, status) = ask(&socket, "GET /v3/status");
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        let problem = status["recorders"][0]["problem"].as_str();
        problem.is_some_and(|problem| problem.starts_with("cannot open"))
    });
    let metrics = ask(&socket, "GET /metrics").1;
    assert!(
        metrics.contains("warren_recorder_failed{recorder=\"file\"} 1"),
        "{metrics}"
    );
    let said = stdout(&warren(dir.path(), &["status"])) + &stderr(&warren(dir.path(), &["status"]));
    assert!(said.contains("recorder file cannot write"), "{said}");
    std::fs::create_dir(missing.parent().unwrap()).unwrap();
    daemon.line_with("recorder file writes again, including what waited");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.end(), Some(0));
}

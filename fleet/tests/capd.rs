//! Hosts and the authority over loopback: the real ones, each a process that can be killed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by it")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn with_each_tenth_answer_lost_and_kills_on_both_sides_the_sums_are_exact() {
    let seconds = std::env::var("WARREN_CAPD_SECONDS").map_or(12, |text| text.parse().unwrap());
    for protocol in ["grpc", "https"] {
        let place = Place::new();
        let mut capd = Capd::start(&place, "lose=10,partial=7,refuse=9");
        let mut hosts = [
            Host::start(&place, &capd, protocol, "a", 1),
            Host::start(&place, &capd, protocol, "b", 1),
        ];
        let (begun, mut sums, mut step) = (Instant::now(), [0u64; 3], 0u64);
        let quarter = Duration::from_secs(seconds) / 5;
        let mut kills = 0;
        while begun.elapsed() < Duration::from_secs(seconds) {
            step += 1;
            let (host, account) = ((step % 2) as usize, (step % 3) as usize);
            hosts[host].uses(&format!("account-{account}"), 1000 + step);
            sums[account] += 1000 + step;
            thread::sleep(Duration::from_millis(20));
            if begun.elapsed() > quarter * (kills + 1) && kills < 4 {
                kills += 1;
                if kills % 2 == 0 {
                    capd = capd.killed("lose=10,partial=7,refuse=9");
                } else {
                    let host = &mut hosts[(kills / 2) as usize];
                    let epoch = host.epoch + 1;
                    host.kill();
                    *host = Host::start(&place, &capd, protocol, ["a", "b"][(kills / 2) as usize], epoch);
                }
            }
        }
        assert_eq!(kills, 4, "two on each side");
        for host in &mut hosts {
            host.waits_for("owed 0");
            host.stop();
        }
        for (account, sum) in sums.iter().enumerate() {
            assert_eq!(
                capd.used(&format!("account-{account}")),
                *sum,
                "{protocol}: account {account}"
            );
        }
        assert!(capd.metric("reports_repeated_total") > 0, "answers were lost");
    }
}

#[test]
fn what_a_stop_cannot_report_is_reported_by_the_next_start() {
    let place = Place::new();
    let capd = Capd::start(&place, "slow=1ms");
    let mut host = Host::start(&place, &capd, "grpc", "a", 1);
    host.uses("account", 500);
    host.waits_for("owed 0");
    let (ports, place_of) = (capd.ports, capd.directory.clone());
    drop(capd);
    host.uses("account", 700);
    host.stop();
    let capd = Capd::start_at(&place_of, ports, "slow=1ms", &place.pki);
    let mut host = Host::start(&place, &capd, "grpc", "a", 2);
    host.waits_for("owed 0");
    assert_eq!(capd.used("account"), 1200);
}

#[test]
fn a_cap_that_is_set_here_is_the_hosts_word_and_what_it_cannot_have_seen_is_known_there() {
    let place = Place::new();
    let capd = Capd::start(&place, "slow=1ms");
    let listed = capd.cap(&["set", "account", "5MB/month"]);
    assert!(listed.contains("5MB/month"), "{listed}");
    let mut host = Host::start(&place, &capd, "grpc", "a", 1);
    host.uses("account", 6_000_000);
    host.waits_for("word account 5000000 6000000 6000000");
    assert!(capd.cap(&["get", "account"]).contains("yes"));
    capd.cap(&["clear", "account"]);
    host.waits_for("word account 0 6000000 6000000");
    assert!(capd.cap(&["list", "--json"]).contains("\"cap\":null"));
}

#[test]
fn the_sidecars_bytes_are_those_that_its_callers_know() {
    let place = Place::new();
    let capd = Capd::start(&place, "slow=1ms");
    capd.cap(&["set", "device/1", "1000B"]);
    let body = r#"{"deviceId":"device/1","countryCode":"US","platform":"linux","bytesUsed":600}"#;
    let post = format!(
        "POST /data-cap/ HTTP/1.1\r\nHost: h\r\nAccept: application/json\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let under = r#"{"throttle":false,"capLimit":1000,"expiryTime":0}"#;
    let over = r#"{"throttle":true,"capLimit":1000,"expiryTime":0}"#;
    assert_eq!(capd.raw(&post), ("HTTP/1.1 200 OK".to_owned(), under.to_owned()));
    assert_eq!(
        capd.raw(&post),
        ("HTTP/1.1 200 OK".to_owned(), over.to_owned()),
        "who only adds is added"
    );
    let get = "GET /data-cap/device%2F1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    assert_eq!(capd.raw(get), ("HTTP/1.1 200 OK".to_owned(), over.to_owned()));
    let counted = post.replace(
        "Accept:",
        "Warren-Counter: source=n:1;sequence=1;total=50;window=0\r\nAccept:",
    );
    capd.raw(&counted);
    capd.raw(&counted);
    assert_eq!(
        capd.used("device/1"),
        1250,
        "who says its counter is counted once"
    );
    for bad in [body.replace("device/1", " "), body.replace("600", "-1")] {
        let post = post.replace(body, &bad).replace(
            &format!("Length: {}", body.len()),
            &format!("Length: {}", bad.len()),
        );
        assert!(capd.raw(&post).0.contains("400"), "{bad}");
    }
}

#[test]
fn who_is_not_known_by_certificate_reports_nothing_and_a_wrong_or_expired_server_is_told_nothing() {
    let place = Place::new();
    let other = Place::new();
    let capd = Capd::start(&place, "slow=1ms");
    // A host of another authority; one that knows another authority; and a server whose certificate has expired.
    let stranger = Pki {
        ca: place.pki.ca.clone(),
        ..other.pki.clone()
    };
    let mistaken = Pki {
        ca: other.pki.ca.clone(),
        ..place.pki.clone()
    };
    for (name, pki) in [("stranger", stranger), ("mistaken", mistaken)] {
        let mut host = Host::start_as(&place, &pki, &capd, "grpc", name, 1);
        host.uses("account", 500);
        for _ in 0..5 {
            host.waits_for("owed 500");
        }
        host.kill();
    }
    assert_eq!(capd.metric("reports_total"), 0);
    drop(capd);
    let expired = Place::expired();
    let capd = Capd::start(&expired, "slow=1ms");
    let mut host = Host::start(&expired, &capd, "grpc", "a", 1);
    host.uses("account", 500);
    for _ in 0..5 {
        host.waits_for("owed 500");
    }
    assert_eq!(capd.metric("reports_total"), 0);
}

/// A directory of a test, and certificates.
struct Place {
    directory: tempfile::TempDir,
    pki: Pki,
}

#[derive(Clone)]
struct Pki {
    ca: PathBuf,
    server: (PathBuf, PathBuf),
    client: (PathBuf, PathBuf),
}

impl Place {
    fn new() -> Self {
        Self::with(2000, 2100)
    }

    fn expired() -> Self {
        Self::with(2000, 2001)
    }

    fn with(from: i32, until: i32) -> Self {
        let directory = tempfile::Builder::new()
            .prefix(&format!("warren-capd-{}-", std::process::id()))
            .tempdir()
            .unwrap();
        let at = |name: &str| directory.path().join(name);
        let write = |name: &str, text: String| {
            fs::write(at(name), text).unwrap();
            at(name)
        };
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let issue = |name: &str, until: i32| {
            let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(until, 1, 1);
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &issuer).unwrap();
            (
                write(&format!("{name}.pem"), certificate.pem()),
                write(&format!("{name}.key"), key.serialize_pem()),
            )
        };
        let pki = Pki {
            ca: write("ca.pem", issuer.pem()),
            server: issue("server", until),
            client: issue("client", 2100),
        };
        Self { directory, pki }
    }
}

/// An authority.
struct Capd {
    child: Child,
    directory: PathBuf,
    ports: [u16; 3],
    pki: Pki,
}

impl Capd {
    fn start(place: &Place, faults: &str) -> Self {
        let ports = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = ports.map(|listener| listener.local_addr().unwrap().port());
        Self::start_at(place.directory.path(), ports, faults, &place.pki)
    }

    fn start_at(directory: &Path, ports: [u16; 3], faults: &str, pki: &Pki) -> Self {
        let config = directory.join("capd.toml");
        let text = format!(
            "state_dir = {:?}\nsocket = {:?}\ngrpc = \"127.0.0.1:{}\"\nhttps = \"127.0.0.1:{}\"\nhttp = \"127.0.0.1:{}\"\n[tls]\ncert = {:?}\nkey = {:?}\nclient_ca = {:?}\n",
            directory.join("capd"),
            directory.join("capd.sock"),
            ports[0],
            ports[1],
            ports[2],
            pki.server.0,
            pki.server.1,
            pki.ca
        );
        fs::write(&config, text).unwrap();
        let mut capd = Self {
            child: Command::new(env!("CARGO_BIN_EXE_warren-capd"))
                .args(["--config", config.to_str().unwrap(), "serve", "--faults", faults])
                .spawn()
                .unwrap(),
            directory: directory.to_owned(),
            ports,
            pki: pki.clone(),
        };
        let begun = Instant::now();
        while !capd.try_cap(&["list"]).status.success() {
            assert!(begun.elapsed() < PATIENCE, "it does not answer");
            assert!(capd.child.try_wait().unwrap().is_none(), "it ended");
            thread::sleep(Duration::from_millis(20));
        }
        capd
    }

    fn killed(mut self, faults: &str) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Self::start_at(&self.directory, self.ports, faults, &self.pki)
    }

    fn cap(&self, arguments: &[&str]) -> String {
        let done = self.try_cap(arguments);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    fn try_cap(&self, arguments: &[&str]) -> std::process::Output {
        Command::new(env!("CARGO_BIN_EXE_warren-capd"))
            .args([
                "--config",
                self.directory.join("capd.toml").to_str().unwrap(),
                "cap",
            ])
            .args(arguments)
            .output()
            .unwrap()
    }

    fn used(&self, account: &str) -> u64 {
        let text = self.cap(&["get", account, "--json"]);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value["used"].as_u64().unwrap()
    }

    fn metric(&self, name: &str) -> u64 {
        let (_, page) = self.raw("GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let line = page
            .lines()
            .find(|line| line.starts_with(&format!("warren_capd_{name} ")));
        line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Gives the first line of the answer and its body.
    fn raw(&self, request: &str) -> (String, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports[2])).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }
}

impl Drop for Capd {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// A host.
struct Host {
    child: Child,
    input: ChildStdin,
    said: Receiver<String>,
    epoch: u64,
}

impl Host {
    fn start(place: &Place, capd: &Capd, protocol: &str, name: &str, epoch: u64) -> Self {
        Self::start_as(place, &place.pki, capd, protocol, name, epoch)
    }

    fn start_as(place: &Place, pki: &Pki, capd: &Capd, protocol: &str, name: &str, epoch: u64) -> Self {
        let directory = place.directory.path().join(name);
        fs::create_dir_all(&directory).unwrap();
        let port = capd.ports[usize::from(protocol == "https")];
        let mut child = Command::new(host())
            .args([protocol, &format!("localhost:{port}")])
            .args([&pki.ca, &pki.client.0, &pki.client.1, &directory])
            .arg(epoch.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (say, said) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| say.send(line))
        });
        let input = child.stdin.take().unwrap();
        let mut host = Self {
            child,
            input,
            said,
            epoch,
        };
        host.waits_for("ready");
        host
    }

    /// Returns when it is on disk there.
    fn uses(&mut self, account: &str, octets: u64) {
        writeln!(self.input, "{account} {octets}").unwrap();
        self.waits_for("counted");
    }

    fn waits_for(&mut self, wanted: &str) {
        let begun = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            let line = self.said.recv_timeout(left);
            match line {
                Ok(line) if line == wanted => return,
                Ok(_) => {}
                Err(error) => panic!("it never said {wanted:?}: {error}"),
            }
        }
    }

    fn stop(&mut self) {
        writeln!(self.input, "stop").unwrap();
        self.waits_for("stopped");
        assert!(self.child.wait().unwrap().success());
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// The example beside this test.
fn host() -> PathBuf {
    let capd = Path::new(env!("CARGO_BIN_EXE_warren-capd"));
    capd.with_file_name("examples").join("host")
}

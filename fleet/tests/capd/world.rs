//! Authorities, hosts and certificates of a test.

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

/// A directory of a test, and certificates.
pub(crate) struct Place {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) pki: Pki,
}

#[derive(Clone)]
pub(crate) struct Pki {
    pub(crate) ca: PathBuf,
    pub(crate) server: (PathBuf, PathBuf),
    pub(crate) client: (PathBuf, PathBuf),
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::with(2000, 2100)
    }

    pub(crate) fn expired() -> Self {
        Self::with(2000, 2001)
    }

    pub(crate) fn with(from: i32, until: i32) -> Self {
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
pub(crate) struct Capd {
    pub(crate) child: Child,
    pub(crate) directory: PathBuf,
    pub(crate) ports: [u16; 3],
    pub(crate) pki: Pki,
}

impl Capd {
    pub(crate) fn start(place: &Place, faults: &str) -> Self {
        let ports = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = ports.map(|listener| listener.local_addr().unwrap().port());
        Self::start_at(place.directory.path(), ports, faults, &place.pki)
    }

    pub(crate) fn start_at(directory: &Path, ports: [u16; 3], faults: &str, pki: &Pki) -> Self {
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
                .env("RUST_LOG", "warn")
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

    pub(crate) fn killed(mut self, faults: &str) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Self::start_at(&self.directory, self.ports, faults, &self.pki)
    }

    pub(crate) fn cap(&self, arguments: &[&str]) -> String {
        let done = self.try_cap(arguments);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    pub(crate) fn try_cap(&self, arguments: &[&str]) -> std::process::Output {
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

    pub(crate) fn used(&self, account: &str) -> u64 {
        let text = self.cap(&["get", account, "--json"]);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value["used"].as_u64().unwrap()
    }

    pub(crate) fn metric(&self, name: &str) -> u64 {
        let (_, page) = self.raw("GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let line = page
            .lines()
            .find(|line| line.starts_with(&format!("warren_capd_{name} ")));
        line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Gives the first line of the answer and its body.
    pub(crate) fn raw(&self, request: &str) -> (String, String) {
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
pub(crate) struct Host {
    pub(crate) child: Child,
    pub(crate) input: ChildStdin,
    pub(crate) said: Receiver<String>,
    pub(crate) epoch: u64,
}

impl Host {
    pub(crate) fn start(place: &Place, capd: &Capd, protocol: &str, name: &str, epoch: u64) -> Self {
        Self::start_as(place, &place.pki, capd, protocol, name, epoch)
    }

    pub(crate) fn start_as(
        place: &Place,
        pki: &Pki,
        capd: &Capd,
        protocol: &str,
        name: &str,
        epoch: u64,
    ) -> Self {
        let directory = place.directory.path().join(name);
        fs::create_dir_all(&directory).unwrap();
        let port = capd.ports[usize::from(protocol == "https")];
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg(crate::HOST)
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
    pub(crate) fn uses(&mut self, account: &str, octets: u64) {
        writeln!(self.input, "{account} {octets}").unwrap();
        self.waits_for("counted");
    }

    pub(crate) fn waits_for(&mut self, wanted: &str) {
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

    pub(crate) fn stop(&mut self) {
        writeln!(self.input, "stop").unwrap();
        self.waits_for("stopped");
        assert!(self.child.wait().unwrap().success());
    }

    pub(crate) fn kill(&mut self) {
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

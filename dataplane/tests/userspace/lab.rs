//! Hosts in network namespaces, for tests and measurements.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddrV4},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use nix::sched::{CloneFlags, setns};
use warren_dataplane::{
    kernel::LinkMaker,
    userspace::{
        self, CounterReport, PROTOCOL_VERSION, Request, Response, UserspaceLinks, UserspaceSettings,
    },
};
use warren_state::{LinkName, LinkSpec};

/// Everything must happen within this; generous, because software emulation is slow.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The underlay's addresses of host A, host B, and the router's ends.
pub const A: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
pub const B: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 1);
pub const ROUTER_TO_B: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 254);

/// The overlay's addresses.
pub const INNER_A: Ipv4Addr = Ipv4Addr::new(192, 168, 9, 1);
pub const INNER_B: Ipv4Addr = Ipv4Addr::new(192, 168, 9, 2);

/// Namespaces that go with this object.
pub struct Lab {
    prefix: String,
    namespaces: Vec<String>,
    pub directory: tempfile::TempDir,
}

impl Lab {
    /// A – R – B: two hosts with a router in between.
    pub fn routed() -> Self {
        let lab = Self::empty(&["a", "r", "b"]);
        let (a, r, b) = (lab.name("a"), lab.name("r"), lab.name("b"));
        ip(&format!("link add u0 netns {a} type veth peer name a1 netns {r}"));
        ip(&format!("link add u0 netns {b} type veth peer name b1 netns {r}"));
        for (namespace, device, address) in [
            (&a, "u0", "10.1.0.1"),
            (&r, "a1", "10.1.0.254"),
            (&b, "u0", "10.2.0.1"),
            (&r, "b1", "10.2.0.254"),
        ] {
            ip(&format!("-n {namespace} addr add {address}/24 dev {device}"));
            ip(&format!("-n {namespace} link set {device} up"));
        }
        ip(&format!("-n {a} route add default via 10.1.0.254"));
        ip(&format!("-n {b} route add default via 10.2.0.254"));
        within(&r, || {
            std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap()
        });
        lab
    }

    /// A – B on one wire, each the other's gateway, with the same addresses.
    pub fn direct() -> Self {
        let lab = Self::empty(&["a", "b"]);
        let (a, b) = (lab.name("a"), lab.name("b"));
        ip(&format!("link add u0 netns {a} type veth peer name u0 netns {b}"));
        for (namespace, address, gateway, own) in
            [(&a, A, "10.3.0.2", "10.3.0.1"), (&b, B, "10.3.0.1", "10.3.0.2")]
        {
            ip(&format!("-n {namespace} addr add {own}/24 dev u0"));
            ip(&format!("-n {namespace} addr add {address}/32 dev u0"));
            ip(&format!("-n {namespace} link set u0 up"));
            ip(&format!("-n {namespace} route add default via {gateway}"));
        }
        lab
    }

    fn empty(hosts: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let prefix = format!(
            "wu{}n{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        let mut lab = Self {
            prefix,
            namespaces: Vec::new(),
            directory: tempfile::tempdir().unwrap(),
        };
        for host in hosts {
            let name = lab.name(host);
            ip(&format!("netns add {name}"));
            lab.namespaces.push(name.clone());
            ip(&format!("-n {name} link set lo up"));
        }
        lab
    }

    pub fn name(&self, host: &str) -> String {
        format!("{}{host}", self.prefix)
    }

    /// A host with a forwarder of its own, which starts with its first tunnel.
    pub fn host(&self, host: &str) -> Host {
        let socket = self.directory.path().join(format!("{host}.sock"));
        let mut settings = UserspaceSettings::own_program(&socket).unwrap();
        settings.args.extend(["--linger-ms".to_owned(), "500".to_owned()]);
        settings.log = Some(self.directory.path().join(format!("{host}.log")));
        Host::new(self.name(host), settings)
    }

    /// Both hosts with the tunnel between them, up and with addresses.
    pub fn connected(&self) -> (Host, Host) {
        let (a, b) = (self.host("a"), self.host("b"));
        a.tunnel(A, B, INNER_A, INNER_B);
        b.tunnel(B, A, INNER_B, INNER_A);
        (a, b)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for namespace in &self.namespaces {
            let _ = Command::new("ip")
                .args(["netns", "del", namespace])
                .stderr(Stdio::null())
                .status();
        }
    }
}

/// One host of a lab, as its daemon sees it.
pub struct Host {
    pub namespace: String,
    pub settings: UserspaceSettings,
    pub links: UserspaceLinks,
    runtime: tokio::runtime::Runtime,
    /// Whether the forwarder ends with this object.
    ends: bool,
}

impl Host {
    pub fn new(namespace: String, settings: UserspaceSettings) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let links = userspace::open(settings.clone()).unwrap();
        Self {
            namespace,
            settings,
            links,
            runtime,
            ends: true,
        }
    }

    /// Runs in the host's namespace, as do the processes that it starts.
    pub fn run<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        within(&self.namespace, || self.runtime.block_on(future))
    }

    /// Makes the tunnel `gt0`.
    pub fn tunnel(&self, local: Ipv4Addr, remote: Ipv4Addr, inner: Ipv4Addr, inner_peer: Ipv4Addr) {
        self.run(self.links.create(&spec("gt0", local, remote))).unwrap();
        ip(&format!(
            "-n {} addr add {inner} peer {inner_peer} dev gt0",
            self.namespace
        ));
        ip(&format!("-n {} link set gt0 mtu 1476 up", self.namespace));
    }

    pub fn counters(&self) -> CounterReport {
        self.run(self.links.forwarder_counters()).unwrap()
    }

    /// The forwarder's process, over a connection of its own; `None` when there is none.
    pub fn forwarder(&self) -> Option<i32> {
        match tell(
            &self.settings.socket,
            &Request::Hello {
                version: PROTOCOL_VERSION,
            },
        ) {
            Some(Response::Hello { pid, .. }) => i32::try_from(pid).ok(),
            Some(_) | None => None,
        }
    }

    /// Closes the connection and leaves the forwarder to itself.
    pub fn leave(mut self) {
        self.ends = false;
    }

    pub fn ping(&self, arguments: &str) -> Output {
        within(&self.namespace, || {
            Command::new("ping").args(arguments.split(' ')).output().unwrap()
        })
    }

    #[track_caller]
    pub fn must_ping(&self, arguments: &str) {
        let count = arguments
            .split(' ')
            .skip_while(|word| *word != "-c")
            .nth(1)
            .and_then(|count| count.parse().ok())
            .unwrap();
        let output = self.ping(&format!("-w 60 {arguments}"));
        assert!(
            all_came_back(&output, count),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.ends {
            let _ = tell(&self.settings.socket, &Request::Shutdown);
        }
    }
}

/// Whether the first this many were all answered, however late: ping's own count gives up on the last one too early.
pub fn all_came_back(output: &Output, count: u32) -> bool {
    let text = String::from_utf8_lossy(&output.stdout);
    (1..=count).all(|sequence| text.contains(&format!("icmp_seq={sequence} ttl=")))
}

pub fn spec(name: &str, local: Ipv4Addr, remote: Ipv4Addr) -> LinkSpec {
    LinkSpec {
        name: LinkName::new(name).unwrap(),
        local,
        remote,
        ttl: 64,
        mtu: 1476,
    }
}

/// One request over a fresh connection.
pub fn tell(socket: &PathBuf, request: &Request) -> Option<Response> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut line = serde_json::to_vec(request).ok()?;
    line.push(b'\n');
    stream.write_all(&line).ok()?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).ok()?;
    serde_json::from_str(&answer).ok()
}

/// Runs a closure in a network namespace.
pub fn within<T: Send>(namespace: &str, body: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let file = File::open(format!("/run/netns/{namespace}")).unwrap();
            setns(file, CloneFlags::CLONE_NEWNET).unwrap();
            body()
        });
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[track_caller]
pub fn ip(arguments: &str) {
    assert!(try_ip(arguments), "ip {arguments}");
}

pub fn try_ip(arguments: &str) -> bool {
    Command::new("ip")
        .args(arguments.split(' '))
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}

/// Waits until it is so.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends this many bytes over TCP from one namespace to another, and compares the hashes of what was sent and received.
pub fn transfer(from: &str, to: &str, address: Ipv4Addr, bytes: u64) {
    use std::net::{TcpListener, TcpStream};

    let listener = within(to, || TcpListener::bind(SocketAddrV4::new(address, 0)).unwrap());
    let port = listener.local_addr().unwrap().port();
    // The kernel answers before anybody accepts.
    let stream = within(from, || {
        TcpStream::connect_timeout(&SocketAddrV4::new(address, port).into(), PATIENCE).unwrap()
    });
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let (sent, received) = std::thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            drain(stream)
        });
        (fill(stream, bytes), receiver.join().unwrap())
    });
    assert_eq!(sent, received, "(bytes, hash)");
}

fn fill(mut stream: std::net::TcpStream, bytes: u64) -> (u64, u64) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut hash = Hash::default();
    let mut left = bytes;
    while left > 0 {
        let mut chunk = Vec::with_capacity(1 << 17);
        while chunk.len() < 1 << 17 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            chunk.extend_from_slice(&state.to_le_bytes());
        }
        chunk.truncate(usize::try_from(left.min(1 << 17)).unwrap());
        hash.add(&chunk);
        stream.write_all(&chunk).unwrap();
        left -= chunk.len() as u64;
    }
    (bytes, hash.0)
}

fn drain(mut stream: std::net::TcpStream) -> (u64, u64) {
    use std::io::Read;

    let mut hash = Hash::default();
    let (mut total, mut chunk) = (0, vec![0; 1 << 17]);
    loop {
        match stream.read(&mut chunk).unwrap() {
            0 => return (total, hash.0),
            length => {
                hash.add(&chunk[..length]);
                total += length as u64;
            }
        }
    }
}

/// FNV-1a.
struct Hash(u64);

impl Default for Hash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}

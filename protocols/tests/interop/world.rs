//! Two network namespaces with a cable between them: ours and the peer's.

use std::{
    collections::BTreeSet,
    fs::File,
    net::Ipv4Addr,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use libtest_mimic::Failed;
use nix::sched::{CloneFlags, setns};
use warren_state::{Asn, BgpSpec, ImportPolicy};

use crate::daemon::{Daemon, Kind};

const PREFIX: &str = "warrenbgp";
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Taken down when dropped: the daemon first, then the namespaces.
pub struct World {
    pub daemon: Daemon,
    _namespaces: Namespaces,
}

struct Namespaces([String; 2]);

impl World {
    /// Makes both namespaces and brings this thread into ours.
    pub fn new(kind: Kind) -> Result<Self, Failed> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let [ours, theirs] = ["a", "b"].map(|side| format!("{PREFIX}-{}-{number}{side}", std::process::id()));
        let namespaces = Namespaces([ours.clone(), theirs.clone()]);
        for name in &namespaces.0 {
            ip(&["netns", "add", name])?;
        }
        ip(&[
            "-n", &ours, "link", "add", "v0", "type", "veth", "peer", "name", "v0", "netns", &theirs,
        ])?;
        for (name, address) in [(&ours, "169.254.0.1/31"), (&theirs, "169.254.0.0/31")] {
            ip(&["-n", name, "addr", "add", address, "dev", "v0"])?;
            ip(&["-n", name, "link", "set", "lo", "up"])?;
            ip(&["-n", name, "link", "set", "v0", "up"])?;
        }
        setns(
            File::open(format!("/run/netns/{ours}"))?,
            CloneFlags::CLONE_NEWNET,
        )?;
        Ok(Self {
            daemon: Daemon::new(kind, &theirs)?,
            _namespaces: namespaces,
        })
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in &self.0 {
            let _ = ip(&["netns", "del", name]);
        }
    }
}

/// Our side of the session.
pub fn spec() -> BgpSpec {
    BgpSpec {
        local_address: Ipv4Addr::new(169, 254, 0, 1),
        peer_address: Ipv4Addr::new(169, 254, 0, 0),
        local_asn: Asn(65_000),
        peer_asn: Asn(65_001),
        advertise: BTreeSet::from(["10.1.2.3/32".parse().unwrap()]),
        install: None,
        policy: ImportPolicy {
            max_prefixes: 20_000,
            protected: BTreeSet::new(),
        },
    }
}

/// Why this daemon cannot be tried here.
pub fn missing(kind: Kind) -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("not root".to_owned());
    }
    let program = kind.program();
    let there = |program: &str| std::path::Path::new(program).exists();
    if !there(program) {
        return Some(format!("no {program}"));
    }
    ip(&["netns", "list"]).err().map(|_| "no ip netns".to_owned())
}

/// Namespaces of earlier runs that were killed: their names carry the process id.
pub fn sweep_leftovers() {
    let Ok(list) = Command::new("ip").args(["netns", "list"]).output() else {
        return;
    };
    for name in String::from_utf8_lossy(&list.stdout)
        .lines()
        .filter_map(|line| line.split_whitespace().next())
    {
        let mut parts = name.split('-');
        let (prefix, pid) = (parts.next(), parts.next().and_then(|pid| pid.parse::<u32>().ok()));
        let alive = pid.is_some_and(|pid| std::path::Path::new(&format!("/proc/{pid}")).exists());
        if prefix == Some(PREFIX) && pid.is_some() && !alive {
            let _ = ip(&["netns", "del", name]);
        }
    }
}

pub fn ip(arguments: &[&str]) -> Result<(), Failed> {
    let output = Command::new("ip").args(arguments).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(Failed::from(format!(
        "ip {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    )))
}

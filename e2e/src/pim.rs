//! The PIM router of a device host: FRR's pimd over the kernel's multicast forwarding, with zebra beside it.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    net::Ipv4Addr,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Child,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use nix::unistd::{Uid, User, chown};
use serde_json::Value;

use crate::{
    bgp::{FRR_DAEMONS, start_daemon},
    netns::Namespace,
    wait::{Ask, scaled, until},
};

/// The root of all shared trees, which every device of the network is.
pub const RENDEZVOUS_POINT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 0);
/// FRR's account.
const ACCOUNT: &str = "frr";
/// The router always wins the election on a tunnel, as the reference's devices do.
const DR_PRIORITY: u32 = u32::MAX;

/// What keeps this system from running the router, for people.
#[must_use]
pub fn missing() -> Option<String> {
    if !Path::new(FRR_DAEMONS).join("pimd").exists() {
        return Some("pimd is not installed (package frr)".to_owned());
    }
    if !Path::new("/proc/self/net/ip_mr_cache").exists() {
        return Some("the kernel forwards no multicast (CONFIG_IP_MROUTE)".to_owned());
    }
    let contained_as_root =
        fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| map.split_whitespace().nth(2) != Some("1"));
    let is_root = Uid::effective().is_root() && contained_as_root;
    (!is_root).then(|| "FRR changes to an account of its own, which only root can let it do".to_owned())
}

/// Zebra and pimd in a device's namespace.
#[derive(Debug)]
pub struct PimRouter {
    directory: PathBuf,
    children: Vec<Child>,
}

impl PimRouter {
    /// Starts both; interfaces are taken one by one.
    ///
    /// # Errors
    /// When they are not installed or do not answer.
    pub fn start(namespace: Arc<Namespace>, directory: PathBuf) -> Result<Self> {
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        fs::write(directory.join("zebra.conf"), "hostname device\n")?;
        let log = directory.join("pimd.log");
        fs::write(
            directory.join("pimd.conf"),
            format!(
                "log file {}\nip pim rp {RENDEZVOUS_POINT} 224.0.0.0/4\n",
                log.display()
            ),
        )?;
        let owner =
            User::from_name(ACCOUNT)?.with_context(|| format!("there is no user {ACCOUNT} (package frr)"))?;
        for path in [
            directory.clone(),
            directory.join("zebra.conf"),
            directory.join("pimd.conf"),
        ] {
            chown(&path, Some(owner.uid), Some(owner.gid))
                .with_context(|| format!("cannot give {} to {ACCOUNT}", path.display()))?;
        }
        let mut router = Self {
            directory,
            children: Vec::new(),
        };
        for daemon in ["zebra", "pimd"] {
            router.spawn(&namespace, daemon)?;
        }
        router.take_interface("lo")?;
        Ok(router)
    }

    /// Speaks PIM on an interface from now on.
    ///
    /// # Errors
    /// When pimd does not take it.
    pub fn take_interface(&self, name: &str) -> Result<()> {
        let interface = format!("interface {name}");
        let priority = format!("ip pim drpriority {DR_PRIORITY}");
        self.ask(&["configure terminal", &interface, "ip pim", &priority])
            .map(drop)?;
        until(&format!("pimd runs on {name}"), Duration::from_secs(10), || {
            let interfaces = self.json("show ip pim interface json")?;
            Ok(Ask::holds(
                interfaces[name]["state"] == "up" && interfaces[name]["address"] != "0.0.0.0",
                || interfaces.to_string(),
            ))
        })
        .map(drop)
    }

    /// The neighbours on an interface.
    ///
    /// # Errors
    /// When pimd does not answer.
    pub fn neighbors(&self, interface: &str) -> Result<Vec<Value>> {
        let all = self.json("show ip pim neighbor json")?;
        Ok(all[interface]
            .as_object()
            .into_iter()
            .flat_map(|neighbors| neighbors.values().cloned())
            .collect())
    }

    /// The groups whose shared tree was joined over an interface.
    ///
    /// # Errors
    /// When pimd does not answer.
    pub fn joined(&self, interface: &str) -> Result<BTreeSet<Ipv4Addr>> {
        let all = self.json("show ip pim join json")?;
        let entries = all[interface].as_object().into_iter().flatten();
        let joined = entries.filter(|(_, sources)| {
            let state = sources["*"]["channelJoinName"].as_str();
            state.is_some_and(|state| state.starts_with("JOIN"))
        });
        Ok(joined.filter_map(|(group, _)| group.parse().ok()).collect())
    }

    /// Where packets from this source to this group come in and go out.
    ///
    /// # Errors
    /// When pimd does not answer.
    pub fn forwarding(
        &self,
        source: Ipv4Addr,
        group: Ipv4Addr,
    ) -> Result<Option<(String, BTreeSet<String>)>> {
        let all = self.json("show ip mroute json")?;
        let entry = &all[group.to_string()][source.to_string()];
        let Some(from) = entry["iif"].as_str() else {
            return Ok(None);
        };
        let to = entry["oil"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(interface, _)| interface.clone())
            .collect();
        Ok(Some((from.to_owned(), to)))
    }

    fn spawn(&mut self, namespace: &Namespace, daemon: &str) -> Result<()> {
        start_daemon(namespace, &self.directory, daemon, &[], &mut self.children)
    }

    fn json(&self, command: &str) -> Result<Value> {
        let text = self.ask(&[command])?;
        serde_json::from_str(&text).with_context(|| format!("pimd printed {text:?} for {command:?}"))
    }

    /// The answer to the last of these commands. Speaks FRR's terminal protocol: a command ends with a zero byte, an answer
    /// with three of them and a status.
    fn ask(&self, commands: &[&str]) -> Result<String> {
        let mut stream =
            UnixStream::connect(self.directory.join("pimd.vty")).context("pimd does not listen")?;
        stream.set_read_timeout(Some(scaled(Duration::from_secs(5))))?;
        let mut answer = String::new();
        for command in ["enable"].iter().chain(commands) {
            stream.write_all(format!("{command}\0").as_bytes())?;
            let (text, status) = vty_answer(&mut stream).with_context(|| (*command).to_owned())?;
            if status != 0 {
                bail!("pimd refuses {command:?}: {text}");
            }
            answer = text;
        }
        Ok(answer)
    }
}

impl Drop for PimRouter {
    fn drop(&mut self) {
        for mut child in self.children.drain(..).rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn vty_answer(stream: &mut UnixStream) -> Result<(String, u8)> {
    const LONGEST: usize = 1 << 20;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4_096]);
    while bytes.len() < LONGEST {
        let length = stream.read(&mut buffer).context("pimd does not answer")?;
        if length == 0 {
            bail!("pimd closed the connection");
        }
        bytes.extend_from_slice(buffer.get(..length).unwrap_or_default());
        if let [text @ .., 0, 0, 0, status] = &bytes[..] {
            return Ok((String::from_utf8_lossy(text).into_owned(), *status));
        }
    }
    bail!("pimd's answer has no end")
}

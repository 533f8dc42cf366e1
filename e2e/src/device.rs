//! A device host: the far end of users' tunnels, with a real BGP daemon and addresses to reach through it.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{
    bgp::{Flavour, Peer, SessionReport, Speaker, SpeakerConfig},
    device_end::{DeviceEnd, Order},
    netns::Namespace,
    underlay::{Host, Internet},
};

/// The table by which a device's own packets (the tunnels' outsides) leave, whatever routes users' tunnels add.
const OUTSIDE_TABLE: u32 = 200;

/// The device's end of one tunnel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TunnelEnd {
    /// The link's name on the device.
    pub name: String,
    /// The outer address of the device.
    pub local: Ipv4Addr,
    /// The outer address of the user.
    pub remote: Ipv4Addr,
    /// The device's overlay address: the even one of the tunnel's /31.
    pub overlay: Ipv4Addr,
    /// The user's address inside.
    pub dz_ip: Ipv4Addr,
}

impl TunnelEnd {
    /// The user's overlay address: the odd one of the tunnel's /31.
    #[must_use]
    pub fn neighbor(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.overlay) | 1)
    }

    fn peer(&self) -> Peer {
        Peer { local: self.overlay, neighbor: self.neighbor(), dz_ip: self.dz_ip }
    }
}

/// How a device is set up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceConfig {
    /// Part of the namespace's name.
    pub role: String,
    /// Its BGP daemon.
    pub flavour: Flavour,
    /// Its dataplane backend: `auto`, `netlink` or `userspace`.
    pub backend: String,
    /// Its AS.
    pub local_asn: u32,
    /// The users' AS.
    pub user_asn: u32,
    /// Addresses on its loopback, announced to users as /32.
    pub test_addresses: Vec<Ipv4Addr>,
}

/// A running device host.
#[derive(Debug)]
pub struct Device {
    /// Its BGP daemon.
    pub speaker: Speaker,
    /// Addresses on its loopback, announced to users.
    pub test_addresses: Vec<Ipv4Addr>,
    /// Its public address.
    pub address: Ipv4Addr,
    /// Another public address of it.
    pub spare_address: Ipv4Addr,
    /// Its network.
    pub namespace: Arc<Namespace>,
    end: DeviceEnd,
    tunnels: Vec<TunnelEnd>,
}

impl Device {
    /// Connects a device host to the internet and starts its programs.
    ///
    /// # Errors
    /// When the system refuses, or when a program is missing or does not start.
    pub fn start(internet: &Internet, devnet: &Path, directory: &Path, config: &DeviceConfig) -> Result<Self> {
        let Host { namespace, address, spare_address, gateway, .. } = internet.host(&config.role)?;
        let namespace = Arc::new(namespace);
        let mut lines = format!("route add default via {gateway} table {OUTSIDE_TABLE}\n");
        for own in [address, spare_address] {
            lines += &format!("rule add from {own}/32 lookup {OUTSIDE_TABLE} priority 100\n");
        }
        for test in &config.test_addresses {
            lines += &format!("addr add {test}/32 dev lo\n");
        }
        namespace.ip(&lines)?;
        namespace.sysctl("ipv4/ip_forward", "1")?;
        for scope in ["all", "default"] {
            namespace.sysctl(&format!("ipv4/conf/{scope}/rp_filter"), "0")?;
        }
        let files = speaker_directory(directory, &config.role)?;
        let end = DeviceEnd::start(devnet, &namespace, &config.backend, &files)?;
        let speaker_config = SpeakerConfig {
            router_id: address,
            local_asn: config.local_asn,
            user_asn: config.user_asn,
            announced: config.test_addresses.iter().map(|&test| Ipv4Net::from(test)).collect(),
            peers: Vec::new(),
        };
        let speaker = Speaker::start(config.flavour, Arc::clone(&namespace), files, speaker_config)?;
        Ok(Self { speaker, test_addresses: config.test_addresses.clone(), address, spare_address, namespace, end, tunnels: Vec::new() })
    }

    /// Makes the end of a tunnel, and expects its user's session.
    ///
    /// # Errors
    /// When the dataplane or the BGP daemon refuse.
    pub fn add_tunnel(&mut self, tunnel: TunnelEnd) -> Result<()> {
        self.end.order(&Order::Add(tunnel.clone()))?;
        self.tunnels.push(tunnel);
        self.speaker.set_peers(self.peers())
    }

    /// Takes the end of a tunnel away, with its session.
    ///
    /// # Errors
    /// When the dataplane or the BGP daemon refuse.
    pub fn remove_tunnel(&mut self, name: &str) -> Result<()> {
        let at = self.tunnels.iter().position(|tunnel| tunnel.name == name).with_context(|| format!("the device has no {name}"))?;
        let tunnel = self.tunnels.remove(at);
        self.speaker.set_peers(self.peers())?;
        self.end.order(&Order::Remove(tunnel))
    }

    /// The session with the user of this tunnel.
    ///
    /// # Errors
    /// When the BGP daemon does not answer.
    pub fn session(&self, tunnel: &TunnelEnd) -> Result<SessionReport> {
        self.speaker.session(tunnel.neighbor())
    }

    /// The ends of tunnels that there are.
    #[must_use]
    pub fn tunnels(&self) -> &[TunnelEnd] {
        &self.tunnels
    }

    fn peers(&self) -> Vec<Peer> {
        self.tunnels.iter().map(TunnelEnd::peer).collect()
    }
}

/// The daemon may give up root, so every folder above its own must be open to it.
fn speaker_directory(directory: &Path, role: &str) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let files = directory.join(role);
    fs::create_dir_all(&files).with_context(|| format!("cannot make {}", files.display()))?;
    for open in [directory, files.as_path()] {
        fs::set_permissions(open, fs::Permissions::from_mode(0o755))?;
    }
    Ok(files)
}

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
    pim::{PimRouter, RENDEZVOUS_POINT},
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
    /// What the user has to do with multicast.
    pub multicast: Multicast,
}

/// What a user has to do with multicast.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Multicast {
    /// Nothing: a unicast tunnel.
    None,
    /// It receives.
    Subscriber,
    /// It sends from its address inside; it may receive too.
    Publisher,
}

impl TunnelEnd {
    /// The user's overlay address: the odd one of the tunnel's /31.
    #[must_use]
    pub fn neighbor(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.overlay) | 1)
    }

    fn peer(&self) -> Peer {
        Peer {
            local: self.overlay,
            neighbor: self.neighbor(),
            dz_ip: self.dz_ip,
        }
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
    /// Whether its BGP daemon keeps the routes of a user that restarts gracefully.
    pub is_graceful: bool,
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
    files: PathBuf,
    pim: Option<PimRouter>,
}

impl Device {
    /// Connects a device host to the internet and starts its programs.
    ///
    /// # Errors
    /// When the system refuses, or when a program is missing or does not start.
    pub fn start(
        internet: &Internet,
        devnet: &Path,
        directory: &Path,
        config: &DeviceConfig,
    ) -> Result<Self> {
        let Host {
            namespace,
            address,
            spare_address,
            gateway,
            ..
        } = internet.host(&config.role)?;
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
            announced: config
                .test_addresses
                .iter()
                .map(|&test| Ipv4Net::from(test))
                .collect(),
            peers: Vec::new(),
            is_graceful: config.is_graceful,
        };
        let speaker = Speaker::start(
            config.flavour,
            Arc::clone(&namespace),
            files.clone(),
            speaker_config,
        )?;
        let test_addresses = config.test_addresses.clone();
        Ok(Self {
            speaker,
            test_addresses,
            address,
            spare_address,
            namespace,
            end,
            tunnels: Vec::new(),
            files,
            pim: None,
        })
    }

    /// Makes the end of a tunnel, and expects its user's session. The first multicast tunnel starts the PIM router.
    ///
    /// # Errors
    /// When the dataplane or the daemons refuse.
    pub fn add_tunnel(&mut self, tunnel: TunnelEnd) -> Result<()> {
        self.end.order(&Order::Add(tunnel.clone()))?;
        self.set_up_multicast(&tunnel)?;
        self.tunnels.push(tunnel);
        self.speaker.set_peers(self.peers())
    }

    /// Takes the end of a tunnel away, with its session.
    ///
    /// # Errors
    /// When the dataplane or the BGP daemon refuse.
    pub fn remove_tunnel(&mut self, name: &str) -> Result<()> {
        let at = self
            .tunnels
            .iter()
            .position(|tunnel| tunnel.name == name)
            .with_context(|| format!("the device has no {name}"))?;
        let tunnel = self.tunnels.remove(at);
        self.speaker.set_peers(self.peers())?;
        self.end.order(&Order::Remove(tunnel))
    }

    /// A second end of this tunnel between other addresses, for the time of a change: what comes in over it is answered over it,
    /// whatever the routes say.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn add_twin(&mut self, end: &TunnelEnd, local: Ipv4Addr, remote: Ipv4Addr) -> Result<()> {
        const MARK: u32 = 2;
        const TABLE: u32 = 202;
        let name = format!("{}t", end.name);
        self.end.order(&Order::Add(TunnelEnd {
            name: name.clone(),
            local,
            remote,
            ..end.clone()
        }))?;
        for reflect in ["fwmark_reflect", "tcp_fwmark_accept"] {
            self.namespace.sysctl(&format!("ipv4/{reflect}"), "1")?;
        }
        self.namespace.ip(&format!(
            "rule add fwmark {MARK} lookup {TABLE} priority 90\nroute add default dev {name} table {TABLE}\n"
        ))?;
        self.namespace.nft(&format!(
            "table ip twin {{ chain inwards {{ type filter hook prerouting priority -150; iifname \"{name}\" meta mark set {MARK}; }}; }}\n"
        ))
    }

    /// Another overlay network on the same link, with a session of its own.
    ///
    /// # Errors
    /// When the system or the BGP daemon refuse.
    pub fn add_overlay(&mut self, end: &TunnelEnd, overlay: Ipv4Addr) -> Result<()> {
        self.namespace
            .ip(&format!("addr add {overlay}/31 dev {}\n", end.name))?;
        let other = TunnelEnd {
            overlay,
            ..end.clone()
        };
        self.speaker
            .set_peers(self.peers().into_iter().chain([other.peer()]).collect())
    }

    /// Gives a user another part in multicast, or another address inside; its link and its session stay.
    ///
    /// # Errors
    /// When there is no such tunnel, or the system or the BGP daemon refuse.
    pub fn set_role(&mut self, name: &str, multicast: Multicast, dz_ip: Ipv4Addr) -> Result<()> {
        let tunnel = self
            .tunnels
            .iter_mut()
            .find(|tunnel| tunnel.name == name)
            .with_context(|| format!("the device has no {name}"))?;
        let before = tunnel.clone();
        (tunnel.multicast, tunnel.dz_ip) = (multicast, dz_ip);
        let now = tunnel.clone();
        if before.multicast == Multicast::Publisher {
            self.namespace
                .ip(&format!("addr del {}\n", connected_source(&before)))?;
        }
        if now.multicast == Multicast::Publisher {
            self.namespace
                .ip(&format!("addr add {}\n", connected_source(&now)))?;
        }
        self.speaker.set_peers(self.peers())
    }

    /// The PIM router.
    ///
    /// # Errors
    /// When there was no multicast tunnel yet.
    pub fn pim(&self) -> Result<&PimRouter> {
        self.pim
            .as_ref()
            .context("the device has no multicast tunnel, and so no PIM router")
    }

    fn set_up_multicast(&mut self, tunnel: &TunnelEnd) -> Result<()> {
        if tunnel.multicast == Multicast::None {
            return Ok(());
        }
        let mut lines = format!("link set {} multicast on\n", tunnel.name);
        if tunnel.multicast == Multicast::Publisher {
            lines += &format!("addr add {}\n", connected_source(tunnel));
        }
        self.namespace.ip(&lines)?;
        if self.pim.is_none() {
            self.namespace
                .ip(&format!("addr add {RENDEZVOUS_POINT}/32 dev lo\n"))?;
            self.pim = Some(PimRouter::start(
                Arc::clone(&self.namespace),
                self.files.join("pim"),
            )?);
        }
        self.pim()?.take_interface(&tunnel.name)
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

/// FRR takes only packets from connected sources for those of its own publishers; the reference's devices have a border
/// router's setting for that.
fn connected_source(tunnel: &TunnelEnd) -> String {
    format!("{RENDEZVOUS_POINT} peer {}/32 dev {}", tunnel.dz_ip, tunnel.name)
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

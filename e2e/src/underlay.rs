//! The internet between hosts: this process's own namespace forwards, every host hangs on a cable of its own.

use std::{
    fs,
    net::Ipv4Addr,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result, ensure};

use crate::netns::Namespace;

/// Where hosts find the ledger: an address of the internet's own.
pub const LEDGER_ADDRESS: Ipv4Addr = Ipv4Addr::new(9, 255, 255, 1);

/// The namespace of this process, as a router with one cable per host.
#[derive(Debug)]
pub struct Internet {
    namespace: Namespace,
    prefix: String,
    hosts: AtomicU32,
}

/// A host on the internet.
#[derive(Debug)]
pub struct Host {
    /// The host's network.
    pub namespace: Namespace,
    /// Its public address.
    pub address: Ipv4Addr,
    /// A second public address, on the same interface.
    pub spare_address: Ipv4Addr,
    /// The internet's address on the host's cable.
    pub gateway: Ipv4Addr,
    /// The internet's end of the cable.
    pub cable: String,
}

impl Internet {
    /// Makes the namespace that this process is in the internet. [`crate::isolate::isolate`] goes first.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn start() -> Result<Self> {
        let prefix = format!("wd{}", std::process::id());
        let namespace = Namespace::current(&format!("{prefix}-net"))?;
        namespace.ip(&format!("link set lo up\naddr add {LEDGER_ADDRESS}/32 dev lo\n"))?;
        fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("cannot make the internet forward")?;
        for scope in ["all", "default"] {
            fs::write(format!("/proc/sys/net/ipv4/conf/{scope}/rp_filter"), "0")
                .context("cannot relax the internet's source check")?;
        }
        // Providers drop packets whose source is none of theirs (BCP 38): overlay traffic crosses in tunnels or not at all.
        namespace.ip("rule add from 9.0.0.0/8 lookup main priority 100\nrule add to 9.0.0.0/8 blackhole priority 101\n")?;
        Ok(Self {
            namespace,
            prefix,
            hosts: AtomicU32::new(0),
        })
    }

    /// The internet's own namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Connects a new host, with two public addresses and a default route.
    ///
    /// # Errors
    /// When the system refuses, or when 65,536 hosts are connected already.
    pub fn host(&self, role: &str) -> Result<Host> {
        let number = self.hosts.fetch_add(1, Ordering::Relaxed);
        ensure!(number < 0x1_0000, "the underlay is full");
        let base = u32::from(Ipv4Addr::new(9, 128, 0, 0)) + 8 * number;
        let [gateway, address, spare_address] = [1, 2, 3].map(|offset| Ipv4Addr::from(base + offset));
        let namespace = Namespace::create(&format!("{}-{role}", self.prefix))?;
        let cable = format!("h{number}");
        self.namespace.ip(&format!(
            "link add {cable} type veth peer name eth0 netns {}\naddr add {gateway}/29 dev {cable}\nlink set {cable} up\n",
            namespace.name()
        ))?;
        namespace.ip(&format!(
            "link set lo up\naddr add {address}/29 dev eth0\naddr add {spare_address}/29 dev eth0\nlink set eth0 up\n\
             route add default via {gateway}\n"
        ))?;
        Ok(Host {
            namespace,
            address,
            spare_address,
            gateway,
            cable,
        })
    }
}

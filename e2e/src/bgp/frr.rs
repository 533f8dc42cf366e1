//! FRRouting.

use std::{
    fmt::Write as _,
    fs,
    net::Ipv4Addr,
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use ipnet::Ipv4Net;

use super::{FRR_DAEMONS, Peer, SessionReport, Speaker, SpeakerConfig, log, timers};
use crate::{
    netns::Namespace,
    wait::{Ask, until},
};

/// Starts one of FRR's daemons over the files in this directory, and waits until it listens.
pub(crate) fn start_daemon(
    namespace: &Namespace,
    directory: &Path,
    daemon: &str,
    more: &[&str],
    children: &mut Vec<Child>,
) -> Result<()> {
    let shown = directory.display().to_string();
    let child = namespace
        .command(format!("{FRR_DAEMONS}/{daemon}"))
        .args([
            "-f",
            &format!("{shown}/{daemon}.conf"),
            "-i",
            &format!("{shown}/{daemon}.pid"),
        ])
        .args([
            "-z",
            &format!("{shown}/zserv.api"),
            "--vty_socket",
            &shown,
            "-A",
            "127.0.0.1",
        ])
        .args(more)
        .stdin(Stdio::null())
        .stdout(log(&directory.join("frr.out"))?)
        .stderr(log(&directory.join("frr.out"))?)
        .spawn()
        .with_context(|| format!("cannot run {daemon} (package frr)"))?;
    children.push(child);
    let socket = directory.join(format!("{daemon}.vty"));
    until(&format!("{daemon} listens"), Duration::from_secs(10), || {
        Ok(Ask::holds(UnixStream::connect(&socket).is_ok(), || {
            fs::read_to_string(directory.join("frr.out")).unwrap_or_default()
        }))
    })
    .map(drop)
}

impl Speaker {
    pub(super) fn frr_config(&self) -> String {
        let SpeakerConfig {
            router_id,
            local_asn,
            announced,
            peers,
            is_graceful,
            ..
        } = &self.config;
        let mut text = format!(
            "log file {}\nrouter bgp {local_asn}\n bgp router-id {router_id}\n no bgp ebgp-requires-policy\n no bgp network import-check\n",
            self.directory.join("bgpd.log").display()
        );
        if !is_graceful {
            let _ = writeln!(text, " bgp graceful-restart-disable");
        }
        for peer in peers {
            for line in self.frr_peer(peer) {
                let _ = writeln!(text, " {line}");
            }
        }
        let _ = writeln!(text, " address-family ipv4 unicast");
        for prefix in announced {
            let _ = writeln!(text, "  network {prefix}");
        }
        let _ = writeln!(text, " exit-address-family\nexit");
        text
    }

    pub(super) fn frr_peer(&self, peer: &Peer) -> [String; 4] {
        let (keepalive, hold) = timers();
        let Peer { local, neighbor, .. } = peer;
        [
            format!("neighbor {neighbor} remote-as {}", self.config.user_asn),
            format!("neighbor {neighbor} passive"),
            format!("neighbor {neighbor} timers {keepalive} {hold}"),
            format!("neighbor {neighbor} update-source {local}"),
        ]
    }

    pub(super) fn frr_replace_peers(&self, before: &[Peer]) -> Result<()> {
        let gone = before
            .iter()
            .filter(|peer| !self.config.peers.contains(peer))
            .map(|peer| format!("no neighbor {}", peer.neighbor));
        let new = self
            .config
            .peers
            .iter()
            .filter(|peer| !before.contains(peer))
            .flat_map(|peer| self.frr_peer(peer));
        self.frr_configure(gone.chain(new))
    }

    pub(super) fn frr_replace_networks(&self, before: &[Ipv4Net]) -> Result<()> {
        let gone = before
            .iter()
            .filter(|prefix| !self.config.announced.contains(prefix))
            .map(|prefix| format!("no network {prefix}"));
        let new = self
            .config
            .announced
            .iter()
            .filter(|prefix| !before.contains(prefix))
            .map(|prefix| format!("network {prefix}"));
        self.frr_configure(
            std::iter::once("address-family ipv4 unicast".to_owned())
                .chain(gone)
                .chain(new),
        )
    }

    pub(super) fn frr_configure(&self, lines: impl Iterator<Item = String>) -> Result<()> {
        let begin = [
            "configure terminal".to_owned(),
            format!("router bgp {}", self.config.local_asn),
        ];
        self.vtysh(&begin.into_iter().chain(lines).collect::<Vec<_>>())
            .map(drop)
    }

    pub(super) fn start_frr(&mut self) -> Result<()> {
        if nix::unistd::Uid::effective().is_root() {
            let owner = nix::unistd::User::from_name("frr")?.context("there is no user frr (package frr)")?;
            for entry in fs::read_dir(&self.directory)?.filter_map(Result::ok) {
                nix::unistd::chown(&entry.path(), Some(owner.uid), Some(owner.gid))?;
            }
            nix::unistd::chown(&self.directory, Some(owner.uid), Some(owner.gid))?;
        }
        for (daemon, extra) in [("zebra", &[][..]), ("bgpd", &["-p", "179"][..])] {
            start_daemon(
                &self.namespace,
                &self.directory,
                daemon,
                extra,
                &mut self.children,
            )?;
        }
        Ok(())
    }

    pub(super) fn frr_session(&self, neighbor: Ipv4Addr) -> Result<SessionReport> {
        let text = self.vtysh(&[format!("show bgp neighbors {neighbor} json")])?;
        let value: serde_json::Value =
            serde_json::from_str(&text).with_context(|| format!("not JSON: {text}"))?;
        let session = value
            .get(neighbor.to_string())
            .with_context(|| format!("FRR knows no {neighbor}: {text}"))?;
        let state = session["bgpState"].as_str().unwrap_or_default().to_owned();
        let since = session["bgpTimerUpEstablishedEpoch"].to_string();
        Ok(SessionReport {
            established: state == "Established",
            since,
            detail: state,
        })
    }

    pub(super) fn vtysh(&self, lines: &[String]) -> Result<String> {
        let mut command = self.namespace.command("vtysh");
        command.arg("--vty_socket").arg(&self.directory);
        for line in lines {
            command.arg("-c").arg(line);
        }
        let output = command.output().context("cannot run vtysh (package frr)")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() && !text.contains("% ") {
            return Ok(text);
        }
        bail!("vtysh: {text}{}", String::from_utf8_lossy(&output.stderr))
    }
}

//! The BGP daemon of a device host: BIRD or FRR, one passive session per user.

mod bird;
mod frr;

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use ipnet::Ipv4Net;

use crate::{netns::Namespace, wait::scaled};
pub(crate) use frr::start_daemon;

/// Which daemon speaks for the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Flavour {
    /// BIRD 2.
    Bird,
    /// FRRouting.
    Frr,
}

/// What the daemon is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpeakerConfig {
    /// The device's address, which is its router id.
    pub router_id: Ipv4Addr,
    /// The device's AS.
    pub local_asn: u32,
    /// The users' AS.
    pub user_asn: u32,
    /// What it announces to users.
    pub announced: Vec<Ipv4Net>,
    /// The users.
    pub peers: Vec<Peer>,
    /// Whether it keeps the routes of a user that restarts gracefully (RFC 4724).
    pub is_graceful: bool,
}

/// A user's session, as the device sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// The device's overlay address.
    pub local: Ipv4Addr,
    /// The user's overlay address.
    pub neighbor: Ipv4Addr,
    /// The only address that the user may announce.
    pub dz_ip: Ipv4Addr,
}

/// A session, as the daemon reports it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionReport {
    /// Whether it is established.
    pub established: bool,
    /// Since when it has been as it is, in the daemon's own words; another session has another time.
    pub since: String,
    /// What the daemon says about it.
    pub detail: String,
}

impl SessionReport {
    /// Whether both reports are of one session. Daemons work the time out anew for each report, so it varies a little.
    #[must_use]
    pub fn is_same_session(&self, other: &Self) -> bool {
        const CLOSE: u64 = 500;
        let apart = self
            .millis_of_day()
            .zip(other.millis_of_day())
            .map(|(a, b)| a.abs_diff(b));
        self.established
            && other.established
            && apart.map_or(self.since == other.since, |apart| apart < CLOSE)
    }

    /// From a time that ends in `HH:MM:SS.mmm`.
    fn millis_of_day(&self) -> Option<u64> {
        let (_, time) = self.since.rsplit_once(' ')?;
        let mut parts = time.splitn(3, ':');
        let (hours, minutes): (u64, u64) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let (seconds, millis) = parts.next()?.split_once('.')?;
        let (seconds, millis): (u64, u64) = (seconds.parse().ok()?, millis.parse().ok()?);
        Some(((hours * 60 + minutes) * 60 + seconds) * 1000 + millis)
    }
}

/// A running daemon.
#[derive(Debug)]
pub struct Speaker {
    flavour: Flavour,
    namespace: Arc<Namespace>,
    directory: PathBuf,
    config: SpeakerConfig,
    children: Vec<Child>,
}

/// Where Debian keeps FRR's daemons.
pub const FRR_DAEMONS: &str = "/usr/lib/frr";

impl Speaker {
    /// Starts the daemon in the namespace; its files are in the directory, which must exist.
    ///
    /// # Errors
    /// When it is not installed or does not answer.
    pub fn start(
        flavour: Flavour,
        namespace: Arc<Namespace>,
        directory: PathBuf,
        config: SpeakerConfig,
    ) -> Result<Self> {
        let mut speaker = Self {
            flavour,
            namespace,
            directory,
            config,
            children: Vec::new(),
        };
        speaker.resume()?;
        Ok(speaker)
    }

    /// Starts the daemon again after [`Speaker::kill`].
    ///
    /// # Errors
    /// As for [`Speaker::start`].
    pub fn resume(&mut self) -> Result<()> {
        self.write_config()?;
        match self.flavour {
            Flavour::Bird => self.start_bird(),
            Flavour::Frr => self.start_frr(),
        }
    }

    /// Kills the daemon as a crash would.
    pub fn kill(&mut self) {
        for mut child in self.children.drain(..) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Makes these the users.
    ///
    /// # Errors
    /// When the daemon does not take the configuration.
    pub fn set_peers(&mut self, peers: Vec<Peer>) -> Result<()> {
        let before = std::mem::replace(&mut self.config.peers, peers);
        self.write_config()?;
        match self.flavour {
            Flavour::Bird => self.bird_command("configure").map(drop),
            Flavour::Frr => self.frr_replace_peers(&before),
        }
    }

    /// Makes this what is announced to users.
    ///
    /// # Errors
    /// When the daemon does not take the configuration.
    pub fn announce(&mut self, announced: Vec<Ipv4Net>) -> Result<()> {
        let before = std::mem::replace(&mut self.config.announced, announced);
        self.write_config()?;
        match self.flavour {
            Flavour::Bird => self.bird_command("configure").map(drop),
            Flavour::Frr => self.frr_replace_networks(&before),
        }
    }

    /// What is announced to users.
    #[must_use]
    pub fn announced(&self) -> &[Ipv4Net] {
        &self.config.announced
    }

    /// The users.
    #[must_use]
    pub fn peers(&self) -> &[Peer] {
        &self.config.peers
    }

    /// The session with this user.
    ///
    /// # Errors
    /// When the daemon does not answer, or knows no such user.
    pub fn session(&self, neighbor: Ipv4Addr) -> Result<SessionReport> {
        match self.flavour {
            Flavour::Bird => self.bird_session(neighbor),
            Flavour::Frr => self.frr_session(neighbor),
        }
    }

    fn write_config(&self) -> Result<()> {
        match self.flavour {
            Flavour::Bird => fs::write(self.directory.join("bird.conf"), self.bird_config())
                .context("cannot write bird.conf"),
            Flavour::Frr => {
                fs::write(self.directory.join("zebra.conf"), "hostname device\n")
                    .context("cannot write zebra.conf")?;
                fs::write(self.directory.join("bgpd.conf"), self.frr_config())
                    .context("cannot write bgpd.conf")
            }
        }
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Keepalive and hold time in seconds: what the reference's devices ask for, where the processor is not emulated.
fn timers() -> (u64, u64) {
    (
        scaled(Duration::from_secs(1)).as_secs(),
        scaled(Duration::from_secs(3)).as_secs(),
    )
}

fn log(path: &Path) -> Result<Stdio> {
    let file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(text: &str) -> SessionReport {
        SessionReport {
            established: true,
            since: text.to_owned(),
            detail: String::new(),
        }
    }

    #[test]
    fn a_session_is_known_by_its_time_give_or_take_a_moment() {
        let session = since("2026-11-21 01:05:56.706");
        assert!(session.is_same_session(&since("2026-11-21 01:05:56.705")));
        assert!(session.is_same_session(&since("2026-11-21 01:05:57.010")));
        assert!(!session.is_same_session(&since("2026-11-21 01:05:58.010")));
        assert!(!session.is_same_session(&SessionReport {
            established: false,
            ..session.clone()
        }));
        assert!(
            since("1795221040").is_same_session(&since("1795221040"))
                && !since("1795221040").is_same_session(&since("1795221050"))
        );
    }
}

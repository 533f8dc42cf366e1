//! The BGP daemon of a device host: BIRD or FRR, one passive session per user.

use std::{
    fmt::Write as _,
    fs,
    io::{BufReader, Write as _},
    net::Ipv4Addr,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use ipnet::Ipv4Net;

use crate::{
    netns::Namespace,
    wait::{Ask, scaled, until},
};

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

    fn bird_config(&self) -> String {
        let (keepalive, hold) = timers();
        let SpeakerConfig {
            router_id,
            local_asn,
            user_asn,
            announced,
            peers,
            is_graceful,
        } = &self.config;
        let graceful = if *is_graceful { "aware" } else { "off" };
        let mut text = format!(
            "log \"{}\" all;\nrouter id {router_id};\ntimeformat protocol iso long ms;\nprotocol device {{ scan time 1; }}\n\
             protocol kernel users {{ ipv4 {{ import none; export where source = RTS_BGP; }}; }}\n\
             protocol static announced {{\n  ipv4;\n",
            self.directory.join("bird.log").display()
        );
        for prefix in announced {
            let _ = writeln!(text, "  route {prefix} blackhole;");
        }
        let _ = writeln!(
            text,
            "}}\ntemplate bgp subscriber {{\n  passive yes;\n  hold time {hold};\n  keepalive time {keepalive};\n  error wait time 1, 2;\n  graceful restart {graceful};\n  \
             ipv4 {{ import none; import table yes; export where proto = \"announced\" || source = RTS_BGP; next hop self; import limit 1 action block; }};\n}}"
        );
        for Peer {
            local,
            neighbor,
            dz_ip,
        } in peers
        {
            let _ = writeln!(
                text,
                "protocol bgp {} from subscriber {{\n  local {local} as {local_asn};\n  neighbor {neighbor} as {user_asn};\n  \
                 ipv4 {{ import where net = {dz_ip}/32 && bgp_path.len = 1; }};\n}}",
                bird_name(*neighbor)
            );
        }
        text
    }

    fn start_bird(&mut self) -> Result<()> {
        let file = |name: &str| self.directory.join(name);
        let control = file("bird.ctl");
        let _ = fs::remove_file(&control);
        let mut child = self
            .namespace
            .command("bird")
            .arg("-f")
            .arg("-c")
            .arg(file("bird.conf"))
            .arg("-s")
            .arg(&control)
            .arg("-P")
            .arg(file("bird.pid"))
            .stdin(Stdio::null())
            .stdout(log(&file("bird.out"))?)
            .stderr(log(&file("bird.out"))?)
            .spawn()
            .context("cannot run bird (package bird2)")?;
        let answers = until("BIRD answers", Duration::from_secs(10), || {
            if let Some(status) = child.try_wait()? {
                bail!(
                    "it ended with {status}: {}",
                    fs::read_to_string(file("bird.out")).unwrap_or_default()
                );
            }
            Ok(match self.bird_command("show status") {
                Ok(_) => Ask::Yes(()),
                Err(error) => Ask::NotYet(format!("{error:#}")),
            })
        });
        self.children.push(child);
        answers.map(drop)
    }

    fn bird_session(&self, neighbor: Ipv4Addr) -> Result<SessionReport> {
        let name = bird_name(neighbor);
        let answer = self.bird_command(&format!("show protocols {name}"))?;
        let line = answer
            .iter()
            .map(|line| line.trim())
            .find(|line| line.starts_with(&name))
            .with_context(|| format!("BIRD knows no {name}: {answer:?}"))?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let since = words.get(4..6).map(|time| time.join(" ")).unwrap_or_default();
        let established = words.last() == Some(&"Established");
        Ok(SessionReport {
            established,
            since,
            detail: line.to_owned(),
        })
    }

    /// Speaks BIRD's control protocol: lines with a four-digit code, `-` after it for "more follows".
    fn bird_command(&self, command: &str) -> Result<Vec<String>> {
        let stream = UnixStream::connect(self.directory.join("bird.ctl")).context("BIRD does not listen")?;
        stream.set_read_timeout(Some(scaled(Duration::from_secs(5))))?;
        let mut reader = BufReader::new(&stream);
        bird_answer(&mut reader)?;
        (&stream).write_all(format!("{command}\n").as_bytes())?;
        bird_answer(&mut reader)
    }

    fn frr_config(&self) -> String {
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

    fn frr_peer(&self, peer: &Peer) -> [String; 4] {
        let (keepalive, hold) = timers();
        let Peer { local, neighbor, .. } = peer;
        [
            format!("neighbor {neighbor} remote-as {}", self.config.user_asn),
            format!("neighbor {neighbor} passive"),
            format!("neighbor {neighbor} timers {keepalive} {hold}"),
            format!("neighbor {neighbor} update-source {local}"),
        ]
    }

    fn frr_replace_peers(&self, before: &[Peer]) -> Result<()> {
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

    fn frr_replace_networks(&self, before: &[Ipv4Net]) -> Result<()> {
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

    fn frr_configure(&self, lines: impl Iterator<Item = String>) -> Result<()> {
        let begin = [
            "configure terminal".to_owned(),
            format!("router bgp {}", self.config.local_asn),
        ];
        self.vtysh(&begin.into_iter().chain(lines).collect::<Vec<_>>())
            .map(drop)
    }

    fn start_frr(&mut self) -> Result<()> {
        let directory = self.directory.display().to_string();
        if nix::unistd::Uid::effective().is_root() {
            let owner = nix::unistd::User::from_name("frr")?.context("there is no user frr (package frr)")?;
            for entry in fs::read_dir(&self.directory)?.filter_map(Result::ok) {
                nix::unistd::chown(&entry.path(), Some(owner.uid), Some(owner.gid))?;
            }
            nix::unistd::chown(&self.directory, Some(owner.uid), Some(owner.gid))?;
        }
        for (daemon, extra) in [("zebra", &[][..]), ("bgpd", &["-p", "179"][..])] {
            let child = self
                .namespace
                .command(format!("{FRR_DAEMONS}/{daemon}"))
                .args([
                    "-f",
                    &format!("{directory}/{daemon}.conf"),
                    "-i",
                    &format!("{directory}/{daemon}.pid"),
                ])
                .args([
                    "-z",
                    &format!("{directory}/zserv.api"),
                    "--vty_socket",
                    &directory,
                    "-A",
                    "127.0.0.1",
                ])
                .args(extra)
                .stdin(Stdio::null())
                .stdout(log(&self.directory.join("frr.out"))?)
                .stderr(log(&self.directory.join("frr.out"))?)
                .spawn()
                .with_context(|| format!("cannot run {daemon} (package frr)"))?;
            self.children.push(child);
            let socket = self.directory.join(format!("{daemon}.vty"));
            until(&format!("{daemon} listens"), Duration::from_secs(10), || {
                Ok(Ask::holds(UnixStream::connect(&socket).is_ok(), || {
                    fs::read_to_string(self.directory.join("frr.out")).unwrap_or_default()
                }))
            })?;
        }
        Ok(())
    }

    fn frr_session(&self, neighbor: Ipv4Addr) -> Result<SessionReport> {
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

    fn vtysh(&self, lines: &[String]) -> Result<String> {
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

fn bird_name(neighbor: Ipv4Addr) -> String {
    format!("user_{}", neighbor.to_string().replace('.', "_"))
}

fn bird_answer(reader: &mut impl std::io::BufRead) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    while lines.len() < 100_000 {
        let mut line = String::new();
        if reader.read_line(&mut line).context("BIRD does not answer")? == 0 {
            bail!("BIRD closed the connection");
        }
        let line = line.trim_end_matches(['\r', '\n']);
        let Some((code, text)) = line
            .split_at_checked(4)
            .filter(|(code, _)| code.bytes().all(|byte| byte.is_ascii_digit()))
        else {
            lines.push(line.trim_start().to_owned());
            continue;
        };
        if code.starts_with(['8', '9']) {
            bail!("BIRD: {code}{text}");
        }
        lines.push(text.get(1..).unwrap_or_default().to_owned());
        if text.starts_with(' ') {
            return Ok(lines);
        }
    }
    bail!("BIRD's answer has no end")
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

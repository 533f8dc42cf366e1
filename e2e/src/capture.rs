//! Packets on an interface, recorded by tcpdump and decoded by tshark.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    netns::Namespace,
    wait::{Ask, until},
};

/// Programs that a capture needs and that are not installed, for people.
#[must_use]
pub fn missing() -> Option<String> {
    let absent = |program: &&str| Command::new(program).arg("--version").output().is_err();
    let programs: Vec<&str> = ["tcpdump", "tshark", "ethtool"]
        .into_iter()
        .filter(absent)
        .collect();
    (!programs.is_empty()).then(|| format!("not installed: {}", programs.join(", ")))
}

/// A running capture.
#[derive(Debug)]
pub struct Capture {
    child: Child,
    file: PathBuf,
}

impl Capture {
    /// Records what passes the interface and matches the filter (in tcpdump's language) into the file.
    ///
    /// # Errors
    /// When tcpdump does not run or does not begin to listen.
    pub fn start(namespace: &Namespace, interface: &str, filter: &str, file: PathBuf) -> Result<Self> {
        let told = file.with_extension("out");
        let child = namespace
            .command("tcpdump")
            .args([
                "-i",
                interface,
                "-n",
                "-U",
                "--immediate-mode",
                "-Z",
                "root",
                "-w",
            ])
            .arg(&file)
            .arg(filter)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&told).with_context(|| format!("cannot write {}", told.display()))?)
            .spawn()
            .context("cannot run tcpdump")?;
        let mut capture = Self { child, file };
        until("tcpdump listens", Duration::from_secs(10), || {
            let text = fs::read_to_string(&told).unwrap_or_default();
            if let Some(status) = capture.child.try_wait()? {
                bail!("tcpdump ended with {status}: {text}");
            }
            Ok(Ask::holds(text.contains("listening on"), || text))
        })?;
        Ok(capture)
    }

    /// Ends the capture; where it is. What has passed the interface a moment ago may not be in it: wait for what must be.
    ///
    /// # Errors
    /// When tcpdump does not end.
    pub fn finish(mut self) -> Result<PathBuf> {
        kill(Pid::from_raw(self.child.id().try_into()?), Signal::SIGINT)?;
        until("tcpdump ends", Duration::from_secs(10), || {
            Ok(Ask::holds(self.child.try_wait()?.is_some(), || {
                "it runs".to_owned()
            }))
        })?;
        Ok(self.file.clone())
    }

    /// Whether an IPv4 packet of this protocol to this address was recorded so far.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn has_packet(&self, protocol: u8, destination: Ipv4Addr) -> Result<bool> {
        self.has_payload(protocol, destination, |_| true)
    }

    /// Whether one with such a payload was; what follows the payload in the file is there too.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn has_payload(
        &self,
        protocol: u8,
        destination: Ipv4Addr,
        is_it: impl Fn(&[u8]) -> bool,
    ) -> Result<bool> {
        const PLAIN_HEADER: u8 = 0x45;
        const HEADER: usize = 20;
        let recorded =
            fs::read(&self.file).with_context(|| format!("cannot read {}", self.file.display()))?;
        let is_header = |header: &[u8]| {
            header[0] == PLAIN_HEADER && header[9] == protocol && header[16..] == destination.octets()
        };
        Ok(recorded
            .windows(HEADER)
            .enumerate()
            .any(|(at, header)| is_header(header) && is_it(&recorded[at + HEADER..])))
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Has the kernel write checksums before packets leave over this interface. A virtual cable has no need of them, and with kernel
/// GRE those of the inner packets would be missing too.
///
/// # Errors
/// When ethtool does not run.
pub fn complete_checksums(namespace: &Namespace, interface: &str) -> Result<()> {
    let output = namespace
        .command("ethtool")
        .args(["-K", interface, "tx", "off"])
        .output()
        .context("cannot run ethtool")?;
    ensure!(
        output.status.success(),
        "ethtool: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// What tshark says of a packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet(BTreeMap<String, String>);

/// Fields by which a packet is judged.
const JUDGED: [&str; 7] = [
    "frame.number",
    "_ws.malformed",
    "_ws.expert.severity",
    "_ws.expert.message",
    "pim.cksum.status",
    "udp.checksum.status",
    "tcp.srcport",
];

impl Packet {
    /// A field that was asked for; several values are joined by commas. Empty when the packet does not have it.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Several fields.
    #[must_use]
    pub fn fields<const N: usize>(&self, names: [&str; N]) -> [&str; N] {
        names.map(|name| self.field(name))
    }

    /// Nothing is malformed, no dissector warns, no checksum is wrong. What tshark says of TCP's sequence numbers does not count:
    /// a capture may begin or end within a connection.
    fn is_clean(&self) -> bool {
        const WARNING: u32 = 0x0060_0000;
        const BAD: &str = "0";
        let severities = self
            .field("_ws.expert.severity")
            .split(',')
            .filter_map(|severity| severity.parse::<u32>().ok());
        let warned = self.field("tcp.srcport").is_empty()
            && severities.max().is_some_and(|severity| severity >= WARNING);
        let checksums = [self.field("pim.cksum.status"), self.field("udp.checksum.status")];
        let is_wrong = checksums
            .iter()
            .any(|statuses| statuses.split(',').any(|status| status == BAD));
        self.field("_ws.malformed").is_empty() && !warned && !is_wrong
    }
}

/// Every packet of a capture with these fields, by one run of tshark. All of them must decode clean.
///
/// # Errors
/// When tshark does not run or does not know a field; with packets that do not decode.
pub fn decode(file: &Path, fields: &[&str]) -> Result<Vec<Packet>> {
    let names: Vec<&str> = JUDGED.iter().chain(fields).copied().collect();
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args([
        "-n",
        "-o",
        "udp.check_checksum:TRUE",
        "-o",
        "ip.check_checksum:TRUE",
    ]);
    command.args(["-T", "fields", "-E", "separator=;"]);
    for name in &names {
        command.args(["-e", name]);
    }
    let output = command
        .stdin(Stdio::null())
        .output()
        .context("cannot run tshark")?;
    // tshark warns of running as root on its error output; what counts is its exit code.
    ensure!(
        output.status.success(),
        "tshark: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let packet = |line: &str| {
        Packet(
            names
                .iter()
                .map(|name| (*name).to_owned())
                .zip(line.split(';').map(str::to_owned))
                .collect(),
        )
    };
    let packets: Vec<Packet> = text.lines().map(packet).collect();
    let wrong: Vec<&Packet> = packets.iter().filter(|packet| !packet.is_clean()).collect();
    ensure!(wrong.is_empty(), "packets that do not decode: {wrong:?}");
    Ok(packets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(field: &str, value: &str) -> Packet {
        Packet([(field.to_owned(), value.to_owned())].into())
    }

    #[test]
    fn a_packet_that_does_not_decode_is_told_from_one_that_does() {
        assert!(packet("udp.checksum.status", "1").is_clean());
        assert!(
            packet("_ws.expert.severity", "2097152").is_clean(),
            "a chat is no warning"
        );
        for (field, value) in [
            ("_ws.malformed", "Malformed Packet"),
            ("_ws.expert.severity", "2097152,8388608"),
            ("pim.cksum.status", "0"),
            ("udp.checksum.status", "1,0"),
        ] {
            assert!(!packet(field, value).is_clean(), "{field} {value}");
        }
    }
}

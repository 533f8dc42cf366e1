//! Packets on an interface, recorded by tcpdump and decoded by tshark.

use std::{
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
    let programs: Vec<&str> = ["tcpdump", "tshark", "ethtool"].into_iter().filter(absent).collect();
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
            .args(["-i", interface, "-n", "-U", "--immediate-mode", "-Z", "root", "-w"])
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

    /// Ends the capture; where it is.
    ///
    /// # Errors
    /// When tcpdump does not end.
    pub fn finish(mut self) -> Result<PathBuf> {
        kill(Pid::from_raw(self.child.id().try_into()?), Signal::SIGINT)?;
        until("tcpdump ends", Duration::from_secs(10), || Ok(Ask::holds(self.child.try_wait()?.is_some(), || "it runs".to_owned())))?;
        Ok(self.file.clone())
    }

    /// Whether an IPv4 packet of this protocol to this address was recorded so far.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn has_packet(&self, protocol: u8, destination: Ipv4Addr) -> Result<bool> {
        const PLAIN_HEADER: u8 = 0x45;
        let recorded = fs::read(&self.file).with_context(|| format!("cannot read {}", self.file.display()))?;
        let is_it = |header: &[u8]| header[0] == PLAIN_HEADER && header[9] == protocol && header[16..] == destination.octets();
        Ok(recorded.windows(20).any(is_it))
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
    let output = namespace.command("ethtool").args(["-K", interface, "tx", "off"]).output().context("cannot run ethtool")?;
    ensure!(output.status.success(), "ethtool: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// These fields of every packet that matches the display filter, by tshark; a field that occurs more than once in a packet
/// has its values joined by commas.
///
/// # Errors
/// When tshark does not run, or does not know the filter or a field.
pub fn decode(file: &Path, filter: &str, fields: &[&str]) -> Result<Vec<Vec<String>>> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-n", "-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]);
    command.args(["-Y", filter, "-T", "fields", "-E", "separator=;"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.stdin(Stdio::null()).output().context("cannot run tshark")?;
    // tshark warns of running as root on its error output; what counts is its exit code.
    ensure!(output.status.success(), "tshark: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().map(|line| line.split(';').map(str::to_owned).collect()).collect())
}

/// Checks that every packet of a capture decodes: nothing malformed, no error or warning of a dissector, no wrong checksum.
/// What tshark says of TCP's sequence numbers does not count: a capture may begin or end within a connection.
///
/// # Errors
/// With what is wrong, and with captures of nothing.
pub fn is_clean(file: &Path) -> Result<usize> {
    let frames = decode(file, "frame", &["frame.number"])?.len();
    ensure!(frames > 0, "nothing was captured");
    let wrong =
        "_ws.malformed || (_ws.expert.severity >= \"Warning\" && !tcp) || pim.cksum.status == \"Bad\" || udp.checksum.status == \"Bad\"";
    let found = decode(file, wrong, &["frame.number", "_ws.col.Protocol", "_ws.col.Info", "_ws.expert.message"])?;
    ensure!(found.is_empty(), "packets that do not decode: {found:?}");
    Ok(frames)
}

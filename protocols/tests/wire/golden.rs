//! The files of `fixtures/wire`, and tshark's view of them.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::packets::Sample;

/// Where the repository keeps them.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/wire")
}

/// The capture: classic pcap, big-endian, packets without a link header, one a second.
pub fn capture(samples: &[Sample]) -> Vec<u8> {
    const MAGIC: u32 = 0xa1b2_c3d4;
    const SNAP_LENGTH: u32 = 65_535;
    const LINKTYPE_RAW: u32 = 101;
    let mut bytes = MAGIC.to_be_bytes().to_vec();
    bytes.extend([0, 2, 0, 4]);
    bytes.extend([0; 8]);
    bytes.extend(SNAP_LENGTH.to_be_bytes());
    bytes.extend(LINKTYPE_RAW.to_be_bytes());
    for (second, sample) in (0u32..).zip(samples) {
        let length = (sample.bytes.len() as u32).to_be_bytes();
        bytes.extend(second.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(length);
        bytes.extend(length);
        bytes.extend(&sample.bytes);
    }
    bytes
}

/// Sixteen bytes a line.
pub fn hex_lines(bytes: &[u8]) -> String {
    let line = |line: &[u8]| {
        line.chunks(2)
            .map(|pair| pair.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
            .collect::<Vec<_>>()
    };
    bytes
        .chunks(16)
        .map(|bytes| line(bytes).join(" ") + "\n")
        .collect()
}

/// The lines that tshark prints for a capture, with every checksum validated.
///
/// # Errors
/// When it does not run or does not succeed, with what it says.
pub fn tshark(file: &Path, arguments: &[&str]) -> Result<Vec<String>, String> {
    let mut command = Command::new("tshark");
    command
        .arg("-r")
        .arg(file)
        .args([
            "-n",
            "-o",
            "ip.check_checksum:TRUE",
            "-o",
            "udp.check_checksum:TRUE",
        ])
        .args(arguments);
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("tshark: {error}"))?;
    // It warns of running as root on its error output; what counts is its exit code.
    if !output.status.success() {
        return Err(format!("tshark: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect())
}

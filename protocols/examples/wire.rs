//! Writes the golden packets of `fixtures/wire` (`--write`), or shows them as tshark reads them.

#![allow(clippy::print_stdout, reason = "it is a command")]

#[path = "../tests/wire/golden.rs"]
mod golden;
#[path = "../tests/wire/packets.rs"]
mod packets;

use std::{fmt::Write as _, io};

use packets::{Sample, samples};

fn main() -> Result<(), String> {
    if std::env::args().any(|argument| argument == "--write") {
        return write();
    }
    let lines = golden::tshark(&golden::directory().join("packets.pcap"), &[])?;
    lines.iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// Writes all files.
///
/// # Errors
/// When tshark does not run or a file cannot be written.
fn write() -> Result<(), String> {
    let (samples, directory) = (samples(), golden::directory());
    let text = |error: io::Error| error.to_string();
    std::fs::create_dir_all(&directory).map_err(text)?;
    let file = directory.join("packets.pcap");
    std::fs::write(&file, golden::capture(&samples)).map_err(text)?;
    let lines = golden::tshark(
        &file,
        &[
            "-T",
            "fields",
            "-e",
            "_ws.col.Source",
            "-e",
            "_ws.col.Destination",
            "-e",
            "_ws.col.Protocol",
            "-e",
            "_ws.col.Info",
        ],
    )?;
    let lines: Vec<String> = lines
        .iter()
        .map(|line| format!("`{}`", line.trim().replace('\t', " ")))
        .collect();
    std::fs::write(directory.join("README.md"), page(&samples, &lines)).map_err(text)
}

/// The page that stands beside the capture.
fn page(samples: &[Sample], lines: &[String]) -> String {
    let mut page = String::from(
        "# Golden packets\n\n\
         What the daemon's machines send, as whole IPv4 packets, written by\n\
         `cargo run -p warren-protocols --example wire -- --write` (needs tshark). `packets.pcap` holds the same for\n\
         `tshark -r fixtures/wire/packets.pcap`. `cargo test -p warren-protocols --test wire` fails when the code sends other\n\
         bytes, when tshark finds a malformed packet or a wrong checksum, or when a field is not what it should be.\n\n\
         Each packet with tshark's summary of it and the fields that the test asks tshark for:\n",
    );
    for (sample, line) in samples.iter().zip(lines) {
        let fields: Vec<String> = sample
            .fields
            .iter()
            .map(|(field, value)| format!("`{field}` {value}"))
            .collect();
        let _ = write!(
            page,
            "\n## {}\n\n{line}\n\n{}\n\n```\n{}```\n",
            sample.name,
            fields.join("; "),
            golden::hex_lines(&sample.bytes)
        );
    }
    page
}

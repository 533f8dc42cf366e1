//! The packets that are sent are the committed golden ones, and tshark decodes each clean.
//!
//! What needs tshark is skipped by name where there is none.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod golden;
mod packets;

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use libtest_mimic::{Arguments, Failed, Trial};

use packets::samples;

fn main() {
    let arguments = Arguments::from_args();
    let with_tshark = |name: &str, check: fn() -> Result<(), Failed>| {
        let trial = Trial::test(name, check);
        match tshark_missing() {
            Some(reason) => trial
                .with_kind(format!("skipped: {reason}"))
                .with_ignored_flag(true),
            None => trial,
        }
    };
    let trials = vec![
        Trial::test(
            "the_golden_packets_are_what_the_machines_send",
            golden_packets_are_current,
        ),
        with_tshark("tshark_finds_no_fault_in_any_packet", tshark_finds_no_fault),
        with_tshark("tshark_reads_the_fields_that_were_meant", tshark_reads_the_fields),
        with_tshark(
            "tshark_would_find_a_wrong_checksum",
            tshark_would_find_a_wrong_checksum,
        ),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}

/// Why tshark cannot be used, if so.
fn tshark_missing() -> Option<String> {
    let found = Command::new("tshark")
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    (!found.is_ok_and(|status| status.success())).then(|| "no tshark".to_owned())
}

fn golden_packets_are_current() -> Result<(), Failed> {
    let (samples, directory) = (samples(), golden::directory());
    let again = "; write them with `cargo run -p warren-protocols --example wire -- --write`";
    if std::fs::read(directory.join("packets.pcap"))? != golden::capture(&samples) {
        return Err(format!("packets.pcap differs{again}").into());
    }
    let page = std::fs::read_to_string(directory.join("README.md"))?;
    for sample in samples {
        let section = format!("## {}\n", sample.name);
        if !page.contains(&section) || !page.contains(&golden::hex_lines(&sample.bytes)) {
            return Err(format!("README.md has not the bytes of {}{again}", sample.name).into());
        }
    }
    Ok(())
}

fn tshark_finds_no_fault() -> Result<(), Failed> {
    let (_folder, file) = written(&golden::capture(&samples()))?;
    assert_eq!(faults(&file)?, Vec::<String>::new());
    let sums = golden::tshark(
        &file,
        &[
            "-T",
            "fields",
            "-e",
            "ip.checksum.status",
            "-e",
            "udp.checksum.status",
            "-e",
            "pim.cksum.status",
        ],
    )?;
    // 1 is "good"; each packet has two of the three, and a Register has two of IPv4 and one of each other.
    assert_eq!(sums.len(), samples().len());
    for (sums, sample) in sums.iter().zip(samples()) {
        let found: Vec<&str> = sums.split(['\t', ',']).filter(|sum| !sum.is_empty()).collect();
        let expected = if sample.name == "pim_register" { 4 } else { 2 };
        assert_eq!(found, vec!["1"; expected], "{}", sample.name);
    }
    Ok(())
}

fn tshark_reads_the_fields() -> Result<(), Failed> {
    let samples = samples();
    let (_folder, file) = written(&golden::capture(&samples))?;
    for (number, sample) in (1..).zip(samples) {
        let filter = format!("frame.number == {number}");
        let mut arguments = vec!["-Y", &filter, "-T", "fields"];
        sample
            .fields
            .iter()
            .for_each(|(field, _)| arguments.extend(["-e", field]));
        let lines = golden::tshark(&file, &arguments)?;
        let expected: Vec<&str> = sample.fields.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(
            lines,
            [expected.join("\t")],
            "{}: {:?}",
            sample.name,
            sample.fields
        );
    }
    Ok(())
}

/// That the other checks mean something: one bit is turned in each packet's last byte.
fn tshark_would_find_a_wrong_checksum() -> Result<(), Failed> {
    let mut samples = samples();
    samples
        .iter_mut()
        .for_each(|sample| *sample.bytes.last_mut().unwrap() ^= 1);
    let (_folder, file) = written(&golden::capture(&samples))?;
    assert_eq!(faults(&file)?.len(), samples.len());
    Ok(())
}

/// The numbers of packets of which tshark has something to complain.
fn faults(file: &std::path::Path) -> Result<Vec<String>, String> {
    let fault = "_ws.malformed || _ws.expert.severity >= 0x600000 || ip.checksum.status == 0 || udp.checksum.status == 0 || pim.cksum.status == 0";
    golden::tshark(file, &["-Y", fault, "-T", "fields", "-e", "frame.number"])
}

fn written(capture: &[u8]) -> std::io::Result<(tempfile::TempDir, PathBuf)> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("packets.pcap");
    std::fs::write(&file, capture)?;
    Ok((folder, file))
}

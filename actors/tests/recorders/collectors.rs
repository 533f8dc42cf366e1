//! Collectors of IPFIX: one of ours that counts, and others'.

use std::{
    fs,
    net::UdpSocket,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::Value;
use warren_actors::recorders::Output;
use warren_metering::recorder::{EntryContent, TEMPLATE};

use crate::source::Source;

const PATIENCE: Duration = Duration::from_secs(30);

/// Sends all of a journal.
fn export(collector: &str) -> (tempfile::TempDir, Source) {
    let dir = tempfile::tempdir().unwrap();
    let mut source = Source::open(dir.path());
    let mut pipeline = source.pipeline("ipfix", Output::Ipfix(collector.to_owned()));
    for _ in 0..5 {
        source.append(20);
        source.run(&mut pipeline, 20);
    }
    (dir, source)
}

/// Octets and packets of every record that is to arrive, by direction.
fn expected(source: &Source) -> Vec<(u64, u64, u64)> {
    let records = source
        .expected()
        .into_iter()
        .filter_map(|entry| match entry.what {
            EntryContent::UsageSample { total, .. } => Some([
                (0, total.rx_bytes, total.rx_packets),
                (1, total.tx_bytes, total.tx_packets),
            ]),
            _ => None,
        });
    records.flatten().collect()
}

pub fn own() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (_dir, source) = export(&socket.local_addr().unwrap().to_string());
    let expected = expected(&source);
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut buffer, mut records, mut is_first) = ([0; 2_048], Vec::new(), true);
    while records.len() < expected.len() {
        let length = socket.recv(&mut buffer).unwrap();
        let message = &buffer[..length];
        let number = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
        assert_eq!((number(0), usize::from(number(2))), (10, length));
        let sequence = u32::from_be_bytes(message[8..12].try_into().unwrap());
        assert_eq!(
            usize::try_from(sequence).unwrap(),
            records.len(),
            "records before this message"
        );
        assert!(!is_first || number(16) == 2, "the template is first");
        is_first = false;
        let mut at = 16;
        while at < length {
            let end = at + usize::from(number(at + 2));
            let mut record = at + 4;
            while number(at) == TEMPLATE && record < end {
                let long = |at: usize| u64::from_be_bytes(message[at..at + 8].try_into().unwrap());
                records.push((
                    u64::from(message[record + 8]),
                    long(record + 9),
                    long(record + 17),
                ));
                record += 33;
                for _ in 0..2 {
                    record += 1 + usize::from(message[record]);
                }
            }
            at = end;
        }
    }
    assert_eq!(records, expected);
}

/// A program that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Until somebody has the port.
fn listening(port: u16) {
    let until = Instant::now() + PATIENCE;
    while UdpSocket::bind(("127.0.0.1", port)).is_ok() {
        assert!(Instant::now() < until, "nobody listens");
        sleep(Duration::from_millis(20));
    }
}

/// Until nothing waits in the socket of this port (the kernel's table of sockets, proc_net_udp(5)).
fn read_out(port: u16) {
    let until = Instant::now() + PATIENCE;
    let wanted = format!(":{port:04X}");
    let waits = || {
        let table = fs::read_to_string("/proc/net/udp").unwrap();
        let ours = table
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        ours.filter(|fields| fields.get(1).is_some_and(|local| local.ends_with(&wanted)))
            .any(|fields| !fields[4].ends_with(":00000000"))
    };
    while waits() {
        assert!(Instant::now() < until, "it does not read");
        sleep(Duration::from_millis(20));
    }
}

pub fn nfdump() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut command = Command::new("nfcapd");
    command.args(["-b", "127.0.0.1", "-p", &port.to_string(), "-t", "3600", "-l"]);
    let log = fs::File::create(dir.path().join("log")).unwrap();
    command
        .arg(dir.path())
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    let mut running = Running(command.spawn().unwrap());
    listening(port);
    let (_dir, source) = export(&format!("127.0.0.1:{port}"));
    // It writes down what it has read when it is asked to end.
    read_out(port);
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(running.0.id()).unwrap()),
        nix::sys::signal::Signal::SIGTERM,
    )
    .unwrap();
    running.0.wait().unwrap();
    let said = fs::read_to_string(dir.path().join("log")).unwrap();
    assert!(said.contains("Sequence Errors: 0,"), "{said}");
    let mut found = Vec::new();
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("nfcapd.") {
            found.extend(read_nfdump(&path));
        }
    }
    let mut expected: Vec<(u64, u64)> = expected(&source)
        .iter()
        .map(|(_, octets, packets)| (*octets, *packets))
        .collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

fn read_nfdump(path: &Path) -> Vec<(u64, u64)> {
    let output = Command::new("nfdump")
        .arg("-r")
        .arg(path)
        .args(["-q", "-N", "-o", "fmt:%byt;%pkt"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let rows = text.lines().filter_map(|line| {
        let (octets, packets) = line.split_once(';')?;
        Some((octets.trim().parse().ok()?, packets.trim().parse().ok()?))
    });
    rows.collect()
}

pub fn goflow2() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let written = dir.path().join("flows");
    let mut command = Command::new("goflow2");
    command.arg(format!("-listen=netflow://127.0.0.1:{port}")).args([
        "-produce=raw",
        "-format=json",
        "-transport=file",
    ]);
    command.arg(format!("-transport.file={}", written.display()));
    command
        .arg("-addr=127.0.0.1:0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _running = Running(command.spawn().unwrap());
    listening(port);
    let (_dir, source) = export(&format!("127.0.0.1:{port}"));
    let mut expected = expected(&source);
    let until = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(&written).unwrap_or_default();
        let mut found = read_goflow2(&text);
        if found.len() >= expected.len() {
            // Its workers take messages in no order.
            found.sort_unstable();
            expected.sort_unstable();
            assert!(found == expected, "{found:?} where {expected:?} is expected");
            break;
        }
        assert!(Instant::now() < until, "{} of {}", found.len(), expected.len());
        sleep(Duration::from_millis(50));
    }
}

/// Direction, octets and packets of each record, as the collector took the messages apart.
fn read_goflow2(text: &str) -> Vec<(u64, u64, u64)> {
    let messages = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let sets = messages.flat_map(|message| {
        message["message"]["flow-sets"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    });
    let data = sets.filter(|set| set["id"] == TEMPLATE);
    let records = data.flat_map(|set| set["records"].as_array().cloned().unwrap_or_default());
    let number = |record: &Value, element: u64| {
        let values = record["values"].as_array().unwrap();
        let value = values.iter().find(|value| value["type"] == element).unwrap();
        let octets = BASE64.decode(value["value"].as_str().unwrap()).unwrap();
        octets
            .iter()
            .fold(0, |number, octet| number << 8 | u64::from(*octet))
    };
    records
        .map(|record| (number(&record, 61), number(&record, 85), number(&record, 86)))
        .collect()
}

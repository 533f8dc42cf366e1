//! Latency of devices: some near, some far, some silent, and a list of them that changes.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    os::fd::OwnedFd,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use ipnet::Ipv4Net;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use serde_json::Value;
use warren_e2e::{
    capture::{self, Capture},
    daemon::{Daemon, sibling},
    netns::Namespace,
    observe::{bgp_routes, service},
    proxy::Fault,
    site::{LINK, Site, TEST_ADDRESSES},
    wait::{Ask, stays, until},
};
use warren_ledger::accounts::{Device, DeviceStatus, UserType};

use crate::{
    Scenario,
    support::{SOON, connected},
};

pub const ALL: &[Scenario] = &[("latency_tells_devices_apart_and_follows_the_ledger", devices)];

/// Those that need to look at packets.
pub const CAPTURED: &[Scenario] = &[("latency_is_measured_around_the_tunnel", around)];

/// Why those cannot run here, if they cannot.
pub fn missing() -> Option<String> {
    capture::missing()
}

const DELAY: Duration = Duration::from_millis(60);
/// An address that no host of the devnet has.
const NOBODY: Ipv4Addr = Ipv4Addr::new(9, 250, 0, 9);
const ICMP: u8 = 1;

/// Answers echoes for a host, some time after they came; the host's own kernel does not.
pub struct Delayed {
    stop: Arc<AtomicBool>,
}

impl Delayed {
    pub fn start(namespace: &Namespace, delay: Duration) -> Result<Self> {
        namespace.sysctl("ipv4/icmp_echo_ignore_all", "1")?;
        let icmp: OwnedFd = namespace.enter(|| {
            Ok(socket(
                AddressFamily::Inet,
                SockType::Raw,
                SockFlag::SOCK_CLOEXEC,
                SockProtocol::Icmp,
            )
            .context("no raw socket")?)
        })?;
        let socket = UdpSocket::from(icmp);
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        thread::Builder::new().name("delayed".into()).spawn(move || {
            while !told.load(Ordering::Relaxed) {
                answer(&socket, delay);
            }
        })?;
        Ok(Self { stop })
    }
}

impl Drop for Delayed {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Each request in a thread of its own: they wait side by side.
fn answer(socket: &UdpSocket, delay: Duration) {
    const REQUEST: u8 = 8;
    let mut packet = [0_u8; 256];
    let Ok(length) = socket.recv(&mut packet) else {
        return;
    };
    let header = usize::from(packet[0] & 0x0f) * 4;
    let source = Ipv4Addr::new(packet[12], packet[13], packet[14], packet[15]);
    let Some(message) = packet
        .get(header..length)
        .filter(|message| message.len() >= 8 && message[0] == REQUEST)
    else {
        return;
    };
    let mut reply = message.to_vec();
    reply[0] = 0;
    // The type is the high byte of a word that the checksum sums up: it grows by what the type has lost.
    let sum = u32::from(u16::from_be_bytes([reply[2], reply[3]])) + 0x0800;
    let sum = (sum & 0xffff) + (sum >> 16);
    reply[2..4].copy_from_slice(&u16::try_from(sum).unwrap_or(0).to_be_bytes());
    let Ok(socket) = socket.try_clone() else { return };
    let _ = thread::Builder::new().spawn(move || {
        thread::sleep(delay);
        let _lost = socket.send_to(&reply, SocketAddrV4::new(source, 0));
    });
}

fn v2(daemon: &Daemon) -> Result<(bool, Vec<Value>)> {
    let said = daemon.json("/v2/latency")?;
    Ok((
        said["ready"].as_bool().context("no ready")?,
        said["results"].as_array().context("no results")?.clone(),
    ))
}

fn codes(results: &[Value]) -> Vec<&str> {
    results
        .iter()
        .filter_map(|entry| entry["device_code"].as_str())
        .collect()
}

fn await_codes(daemon: &Daemon, when: &str, expected: &[&str]) -> Result<Vec<Value>> {
    let (results, _) = until(when, SOON, || {
        let (ready, results) = v2(daemon)?;
        let found: BTreeSet<&str> = codes(&results).into_iter().collect();
        let right = ready && found == expected.iter().copied().collect();
        Ok(if right {
            Ask::Yes(results)
        } else {
            Ask::NotYet(format!("ready: {ready}, {results:?}; {}", daemon.log_tail()))
        })
    })?;
    Ok(results)
}

fn series(daemon: &Daemon, code: &str) -> Result<usize> {
    let metrics = daemon.get("/metrics")?.text();
    let label = format!("device_code=\"{code}\"");
    Ok(metrics
        .lines()
        .filter(|line| line.starts_with("doublezero_latency_") && line.contains(&label))
        .count())
}

fn devices(site: &mut Site<'_>) -> Result<()> {
    site.add_device()?;
    let _far = Delayed::start(&site.devices[1].1.namespace, DELAY)?;
    let put = |number: u128, code: &str, address, change: fn(&mut Device)| {
        let (pubkey, mut device) = site.network.new_device(number, code, address);
        change(&mut device);
        site.network.put(pubkey, device)?;
        Ok::<_, anyhow::Error>(pubkey)
    };
    put(3, "silent", NOBODY, |_| {})?;
    put(4, "full", NOBODY, |device| device.users_count = device.max_users)?;
    let proxy = site.world().proxy()?;
    proxy.set(Fault::Down);
    let flags = [
        "--probe-interval=2",
        "--cache-update-interval=1",
        "--enable-latency-metrics",
    ];
    site.daemon_arguments = flags.map(str::to_owned).to_vec();
    let mut config = site.daemon_config();
    config.rpc = proxy.rpc;
    let daemon = site.start_daemon_with(config)?;
    stays(
        "nothing is known without the ledger",
        Duration::from_secs(1),
        || {
            let found = v2(&daemon)?;
            ensure!(found == (false, vec![]), "{found:?}");
            Ok(())
        },
    )?;
    proxy.set(Fault::None);
    let results = await_codes(
        &daemon,
        "the first pass is over",
        &["ams-dz01", "ams-dz02", "silent"],
    )?;
    ensure!(
        codes(&results) == ["ams-dz01", "ams-dz02", "silent"],
        "the nearest is not the first: {results:?}"
    );
    let [near, far, silent] = [&results[0], &results[1], &results[2]];
    let minimum = |entry: &Value| entry["min_latency_ns"].as_u64().unwrap_or_default();
    ensure!(
        near["reachable"] == true && minimum(near) > 0 && near["loss_percentage"] == 0,
        "{near}"
    );
    ensure!(
        far["reachable"] == true && u128::from(minimum(far)) >= DELAY.as_nanos(),
        "{far}"
    );
    ensure!(
        silent["reachable"] == false && silent["loss_percentage"] == 100 && minimum(silent) == 0,
        "{silent}"
    );
    ensure!(
        silent["device_ip"] == NOBODY.to_string() && near["device_pk"] == site.device_key().to_string(),
        "{results:?}"
    );
    command_line_agrees(&daemon)?;

    let added = put(5, "added", site.devices[0].1.spare_address, |_| {})?;
    await_codes(
        &daemon,
        "a new device is measured",
        &["ams-dz01", "ams-dz02", "silent", "added"],
    )?;
    ensure!(
        series(&daemon, "added")? == 5,
        "{}",
        daemon.get("/metrics")?.text()
    );
    site.network.delete(added)?;
    site.network
        .edit_device(site.devices[1].0, |device| device.status = DeviceStatus::DRAINED)?;
    await_codes(
        &daemon,
        "devices that went, or went out of service, are forgotten",
        &["ams-dz01", "silent"],
    )?;
    for code in ["added", "ams-dz02"] {
        ensure!(series(&daemon, code)? == 0, "{code} has metrics still");
    }
    proxy.set(Fault::Down);
    stays(
        "a ledger that is down makes nobody forgotten",
        Duration::from_secs(2),
        || {
            let (ready, results) = v2(&daemon)?;
            ensure!(ready && codes(&results) == ["ams-dz01", "silent"], "{results:?}");
            Ok(())
        },
    )?;
    let warnings = daemon.log_lines_at(&["WARN", "ERROR"]);
    ensure!(
        !warnings.iter().any(|line| line.contains("latency")),
        "{warnings:?}"
    );
    Ok(())
}

fn command_line_agrees(daemon: &Daemon) -> Result<()> {
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(sibling("warren")?);
        let output = command
            .arg("--sock-file")
            .arg(daemon.socket())
            .args(arguments)
            .stdin(Stdio::null())
            .output()?;
        ensure!(output.status.success(), "{output:?}");
        Ok::<_, anyhow::Error>(String::from_utf8(output.stdout)?)
    };
    let table = run(&["latency"])?;
    let lines: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    ensure!(
        lines[0] == ["Pubkey", "Code", "IP", "Min", "Max", "Avg", "reachable"],
        "{table}"
    );
    let rows: Vec<(&str, &str)> = lines[2..].iter().map(|cells| (cells[1], cells[6])).collect();
    ensure!(
        rows == [("ams-dz01", "true"), ("ams-dz02", "true"), ("silent", "false")],
        "{table}"
    );
    ensure!(lines[2][3].ends_with("ms") && lines[4][3] == "0.00ms", "{table}");
    let json: Value = serde_json::from_str(&run(&["latency", "--json"])?)?;
    let codes: Vec<&str> = json
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|row| row["device_code"].as_str())
        .collect();
    ensure!(
        codes == ["ams-dz01", "ams-dz02", "silent"] && json[0]["reachable"] == true,
        "{json}"
    );
    Ok(())
}

/// The tunnel's device teaches the host that another device is behind it.
fn around(site: &mut Site<'_>) -> Result<()> {
    site.add_device()?;
    site.daemon_arguments = ["--probe-interval=2", "--cache-update-interval=1"]
        .map(str::to_owned)
        .to_vec();
    let host = connected(site, UserType::IBRL)?;
    let other = site.devices[1].1.address;
    let file = site
        .world()
        .directory()
        .join(format!("latency-{}.pcap", host.client.name()));
    let inside = Capture::start(&host.client, LINK, &format!("icmp and host {other}"), file)?;
    let announced = TEST_ADDRESSES
        .iter()
        .chain([&other])
        .map(|address| Ipv4Net::from(*address))
        .collect();
    site.device().speaker.announce(announced)?;
    until("the other device seems to be behind the tunnel", SOON, || {
        let routes = bgp_routes(&host.client)?;
        let is_there = routes
            .iter()
            .any(|route| route["dst"] == other.to_string() && route["dev"] == LINK);
        Ok(Ask::holds(is_there, || {
            format!("{routes:?}; {}", host.daemon.log_tail())
        }))
    })?;
    // The pass under way may have looked before the route came: what is inside until then does not count.
    let passes = || {
        Ok::<_, anyhow::Error>(
            host.daemon.json("/v3/latency")?["last_pass"]["number"]
                .as_u64()
                .unwrap_or_default(),
        )
    };
    let await_pass = |number: u64| {
        until("more passes end", SOON, || {
            let number_now = passes()?;
            Ok(Ask::holds(number_now >= number, || {
                format!("{number_now} passes; {}", host.daemon.log_tail())
            }))
        })
    };
    await_pass(passes()? + 2)?;
    let recorded = capture::decode(&inside.finish()?, &[])?.len();
    let file = site
        .world()
        .directory()
        .join(format!("latency-{}-2.pcap", host.client.name()));
    let inside = Capture::start(&host.client, LINK, &format!("icmp and host {other}"), file)?;
    await_pass(passes()? + 2)?;
    ensure!(
        !inside.has_packet(ICMP, other)?,
        "echoes to the other device go into the tunnel ({recorded} earlier)"
    );
    ensure!(
        capture::decode(&inside.finish()?, &[])?.is_empty(),
        "echoes of the other device come out of the tunnel"
    );
    until(
        "both devices answer, and the tunnel's is the nearest",
        SOON,
        || {
            let (_, results) = v2(&host.daemon)?;
            let answer = results.len() == 2 && results.iter().all(|entry| entry["reachable"] == true);
            let status = service(&host.daemon)?.context("no service")?;
            let told = status["current_device"] == "ams-dz01"
                && status["current_device_rtt_nanoseconds"].as_u64() > Some(0);
            let right = answer && told && status["lowest_latency_device"] == "ams-dz01";
            Ok(Ask::holds(right, || {
                format!("{results:?} {status}; {}", host.daemon.log_tail())
            }))
        },
    )?;
    ensure!(
        host.daemon
            .get("/metrics")?
            .text()
            .contains("doublezero_connection_rtt_nanoseconds{current_device=\"ams-dz01\""),
        "no metric"
    );
    Ok(())
}

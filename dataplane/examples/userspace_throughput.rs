//! Measures one TCP stream through two userspace tunnels between two namespaces: `userspace_throughput [SECONDS]`.
//!
//! Needs root and `iperf3`. Prints one line of JSON. Both forwarders, both ends of the stream and the wire share this
//! machine's processors, so the figure is a lower bound of what one host can do with a network of its own.

#[allow(dead_code)]
#[path = "../tests/userspace/lab.rs"]
mod lab;

use std::process::{Child, Command, ExitCode, Stdio};

use lab::{Lab, eventually, within};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let seconds = match arguments.next().as_deref() {
        Some("forwarder") => {
            return match warren_dataplane::userspace::run_forwarder(arguments) {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            };
        }
        Some(seconds) => seconds.to_owned(),
        None => "5".to_owned(),
    };
    let lab = Lab::direct();
    let (a, b) = lab.connected();
    for host in [&a, &b] {
        if std::env::var_os("UNDERLAY_GRO").is_some() {
            within(&host.namespace, || {
                Command::new("ethtool").args(["-K", "u0", "gro", "on"]).status()
            })
            .ok();
        }
    }
    a.must_ping("-c 3 -i 0.05 -W 5 192.168.9.2");
    let mut server = iperf3(&b.namespace, &["-s", "-1"]);
    let mut report = serde_json::Value::Null;
    eventually("iperf3 answers", || {
        let client = iperf3(&a.namespace, &["-c", "192.168.9.2", "-J", "-t", &seconds]).wait_with_output();
        report = client
            .ok()
            .and_then(|output| serde_json::from_slice(&output.stdout).ok())
            .unwrap_or_default();
        report["error"].is_null()
    });
    let _ = server.wait();
    println!(
        "{}",
        serde_json::json!({
            "gbit_per_second": report["end"]["sum_received"]["bits_per_second"].as_f64().map(|bits| (bits / 1e7).round() / 100.0),
            "retransmits": report["end"]["sum_sent"]["retransmits"],
            "forwarders": { "sender": a.counters(), "receiver": b.counters() },
        })
    );
    ExitCode::SUCCESS
}

fn iperf3(namespace: &str, arguments: &[&str]) -> Child {
    within(namespace, || {
        let mut command = Command::new("iperf3");
        command
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("iperf3 runs")
    })
}

use std::sync::Arc;

use warren_api::v3;

use warren_protocols::latency::{Drop, PassReport, ProbeCounters, Target};
use warren_state::{Monotonic, Pubkey};

use super::*;
use crate::http::{
    metrics,
    testing::{DEVICE, FakeDaemon, api_with, connected, key, serve, serve_with},
};

fn at(seconds: u64) -> Monotonic {
    Monotonic::from_elapsed(Duration::from_secs(seconds))
}

fn report(device: Pubkey, code: &str, address: [u8; 4], times: &[u64]) -> TargetReport {
    let mut report = TargetReport::new(Target {
        device,
        address: address.into(),
        code: code.into(),
        interface: None,
        is_activated: true,
    });
    let times: Vec<Duration> = times.iter().map(|time| Duration::from_micros(*time)).collect();
    report.take_in(at(63), 3, &times, 8);
    report
}

/// Two tunnels to ams1, which answers two of three echoes; a nearer device with an end for tunnels, a silent one, and one
/// that was not measured yet.
pub(crate) fn measured() -> Snapshot {
    let mut end = report(key(12), "fra1", [9, 0, 0, 3], &[1_500, 1_500, 1_500]);
    end.target.interface = Some("Loopback100".into());
    let mut new = report(key(14), "new1", [9, 0, 0, 5], &[]);
    new.history.clear();
    let targets = vec![
        end,
        report(key(2), "ams1", DEVICE.octets(), &[10_000, 20_001]),
        report(key(13), "sin1", [9, 0, 0, 4], &[]),
        new,
    ];
    let status = LatencyStatus {
        is_ready: true,
        targets: targets.into_iter().map(Arc::new).collect(),
        counters: ProbeCounters {
            sent: 9,
            not_sent: 1,
            received: 5,
            dropped: [(Drop::OtherSource, 2)].into(),
        },
        last_pass: Some(PassReport {
            number: 4,
            begun: at(60),
            took: Duration::from_millis(2_500),
            targets: 4,
            reachable: 2,
        }),
        next_pass: Some(at(75)),
        socket: Some("raw"),
        devices: 5,
        devices_read_at: Some(at(55)),
        ..LatencyStatus::default()
    };
    Snapshot {
        latency: Some(Arc::new(status)),
        ..connected()
    }
}

async fn body(served: &crate::http::testing::Served, target: &str) -> String {
    String::from_utf8(served.client.get(target).await.unwrap().body.to_vec()).unwrap()
}

fn golden() -> String {
    let records = [
        r#"{"device_pk":"FRA","device_ip":"9.0.0.3","device_code":"fra1","min_latency_ns":1500000,"max_latency_ns":1500000,"avg_latency_ns":1500000,"loss_percentage":0,"interface_name":"Loopback100","reachable":true}"#,
        r#"{"device_pk":"AMS","device_ip":"198.51.100.9","device_code":"ams1","min_latency_ns":10000000,"max_latency_ns":20001000,"avg_latency_ns":15000500,"loss_percentage":33.333333333333336,"reachable":true}"#,
        r#"{"device_pk":"SIN","device_ip":"9.0.0.4","device_code":"sin1","min_latency_ns":0,"max_latency_ns":0,"avg_latency_ns":0,"loss_percentage":100,"reachable":false}"#,
    ];
    let named = records.join(",");
    let named = [("FRA", 12), ("AMS", 2), ("SIN", 13)]
        .iter()
        .fold(named, |text, (name, byte)| {
            text.replace(name, &key(*byte).to_string())
        });
    format!("[{named}]")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn latency_has_the_references_fields_in_its_order_and_its_numbers() {
    let served = serve(FakeDaemon::new(measured())).await;
    assert_eq!(body(&served, "/latency").await, golden());
    assert_eq!(
        body(&served, "/v2/latency").await,
        format!("{{\"ready\":true,\"results\":{}}}", golden())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v3_latency_tells_of_history_loss_and_jitter_and_of_what_is_not_measured_yet() {
    let served = serve(FakeDaemon::new(measured())).await;
    let reply: V3Latency = served.client.read("/v3/latency").await.unwrap();
    assert_eq!(
        (
            reply.ready,
            reply.interval_seconds,
            reply.devices,
            reply.devices_age_seconds
        ),
        (true, 300.0, 5, Some(10.0))
    );
    assert_eq!(
        (reply.socket.as_deref(), reply.next_pass_in_seconds),
        (Some("raw"), Some(10.0))
    );
    let pass = Pass {
        number: 4,
        began_unix_ms: 1_760_464_781_000,
        took_seconds: 2.5,
        targets: 4,
        reachable: 2,
    };
    assert_eq!(reply.last_pass, Some(pass));
    let own = &reply.targets[1];
    assert_eq!(
        (own.smoothed_ns, own.jitter_ns, own.reachable),
        (Some(11_250_125), 625_062, Some(true))
    );
    let round = Round {
        unix_ms: 1_760_464_784_000,
        sent: 3,
        received: 2,
        loss_percentage: 100.0 / 3.0,
        min_ns: 10_000_000,
        avg_ns: 15_000_500,
        max_ns: 20_001_000,
    };
    assert_eq!(own.history, [round]);
    assert_eq!(
        (reply.targets[2].reachable, reply.targets[3].reachable),
        (Some(false), None)
    );
    let status: v3::Status = served.client.read("/v3/status").await.unwrap();
    let state = v3::LatencyState {
        ready: true,
        targets: 4,
        reachable: 2,
        socket: Some("raw".into()),
        error: None,
    };
    assert_eq!(status.latency, Some(state));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_there_when_nothing_is_probed() {
    let off = [
        &["-latency-probing=false"][..],
        &["-dataplane=simulated"],
        &[
            "-role=gateway",
            "-device=7CTniUa88iJKUHTrCkB4TjAoG6TD7AMivhQeuqN2LPtX",
        ],
    ];
    for words in off {
        let served = serve_with(FakeDaemon::new(measured()), words).await;
        for target in ["/latency", "/v2/latency", "/v3/latency"] {
            let reply = served.client.get(target).await.unwrap();
            assert_eq!(
                (reply.status, &reply.body[..]),
                (StatusCode::NOT_FOUND, &b"404 page not found\n"[..]),
                "{words:?} {target}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_tells_the_distance_to_the_device_in_use_and_the_nearest_one_and_the_old_status_does_not_change()
 {
    let served = serve(FakeDaemon::new(measured())).await;
    let distance = r#""current_device":"ams1","current_device_rtt_nanoseconds":15000500,"current_device_loss_percentage":33.333333333333336,"lowest_latency_device":"fra1","metro":"#;
    let said = body(&served, "/v2/status").await;
    assert_eq!(said.matches(distance).count(), 2, "{said}");
    let old = serve(FakeDaemon::new(connected())).await;
    assert_eq!(body(&served, "/status").await, body(&old, "/status").await);
}

#[test]
fn metrics_have_the_references_names_when_they_are_asked_for_and_only_what_is_there_has_a_series() {
    let render = |snapshot: &Snapshot, words: &[&str]| {
        metrics::render(snapshot, &api_with(Arc::new(FakeDaemon::new(connected())), words)).unwrap()
    };
    let text = render(&measured(), &["-enable-latency-metrics"]);
    let series = |name: &str, byte: u8, code: &str, ip: &str, value: &str| {
        format!(
            "doublezero_latency_{name}{{device_code=\"{code}\",device_ip=\"{ip}\",device_pk=\"{}\"}} {value}",
            key(byte)
        )
    };
    let connection = "{current_device=\"ams1\",metro=\"Amsterdam\",network=\"localnet\",user_type=\"IBRL\"}";
    for line in [
        series("rtt_min_nanoseconds", 2, "ams1", "198.51.100.9", "10000000"),
        series("rtt_avg_nanoseconds", 2, "ams1", "198.51.100.9", "15000500"),
        series("rtt_max_nanoseconds", 2, "ams1", "198.51.100.9", "20001000"),
        series("loss_percentage", 12, "fra1", "9.0.0.3", "0"),
        series("loss_percentage", 13, "sin1", "9.0.0.4", "100"),
        series("reachable", 12, "fra1", "9.0.0.3", "1"),
        series("reachable", 13, "sin1", "9.0.0.4", "0"),
        format!("doublezero_connection_rtt_nanoseconds{connection} 15000500"),
        format!("doublezero_connection_loss_percentage{connection} 33.333333333333336"),
        "warren_latency_targets 4".into(),
        "warren_latency_passes_total 4".into(),
        "warren_latency_pass_seconds 2.5".into(),
        "warren_latency_has_socket 1".into(),
        "warren_latency_echoes_total{outcome=\"sent\"} 9".into(),
        "warren_latency_replies_dropped_total{reason=\"other_source\"} 2".into(),
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
    assert!(!text.contains("new1"), "it was not measured yet");
    assert!(
        !text
            .lines()
            .any(|line| line.starts_with("doublezero_latency_rtt") && line.contains("sin1")),
        "it has no time"
    );
    assert!(
        !render(&measured(), &[]).contains("doublezero_latency_"),
        "nobody asked"
    );
    let gone = render(&connected(), &["-enable-latency-metrics"]);
    assert!(
        !gone.contains("doublezero_latency_rtt_min_nanoseconds{")
            && !gone.contains("doublezero_connection_rtt_nanoseconds{")
    );
}

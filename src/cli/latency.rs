//! `warren latency`.

use std::time::Duration;

use anyhow::bail;
use hyper::StatusCode;
use serde::Serialize;
use tokio::time::{Instant, sleep};
use warren_api::{
    client::{Client, ClientError},
    compat::{LatencyRecord, V2Latency},
    v3::V3Latency,
};

use super::{NOT_CONVERGED, OK, name, output};

const HEAD: [&str; 7] = ["Pubkey", "Code", "IP", "Min", "Max", "Avg", "reachable"];
/// From one look to the next while the first pass runs.
const AGAIN: Duration = Duration::from_millis(250);

/// Prints how far devices are, the nearest first; as JSON the reference's array of rows. A daemon that has just begun to measure is waited for.
///
/// # Errors
/// When the daemon does not answer, or measures nothing.
pub async fn run(client: &Client, wait: Duration, as_json: bool) -> anyhow::Result<u8> {
    let mut seen = measured(client, wait).await?;
    seen.results.sort_by_cached_key(order);
    let printed = if as_json && name::is_reference() {
        output::json(&seen.results.iter().map(ReferenceRow::from).collect::<Vec<_>>())?
    } else if as_json {
        output::json(&seen.results)?
    } else {
        output::text(&output::table(
            &HEAD,
            &seen.results.iter().map(row).collect::<Vec<_>>(),
        ))?
    };
    if seen.ready {
        return Ok(printed);
    }
    output::note(&why_not_ready(client).await);
    Ok(if printed == OK { NOT_CONVERGED } else { printed })
}

/// A row as the reference's command line prints it in JSON.
#[derive(Serialize)]
struct ReferenceRow<'a> {
    device_pk: &'a str,
    device_code: &'a str,
    device_ip: &'a str,
    min_latency_ns: i64,
    max_latency_ns: i64,
    avg_latency_ns: i64,
    reachable: bool,
}

impl<'a> From<&'a LatencyRecord> for ReferenceRow<'a> {
    fn from(record: &'a LatencyRecord) -> Self {
        Self {
            device_pk: &record.device_pk,
            device_code: &record.device_code,
            device_ip: &record.device_ip,
            min_latency_ns: record.min_latency_ns,
            max_latency_ns: record.max_latency_ns,
            avg_latency_ns: record.avg_latency_ns,
            reachable: record.reachable,
        }
    }
}

async fn measured(client: &Client, wait: Duration) -> anyhow::Result<V2Latency> {
    let begun = Instant::now();
    loop {
        let seen = match client.read::<V2Latency>("/v2/latency").await {
            Err(ClientError::Answer {
                status: StatusCode::NOT_FOUND,
                ..
            }) => {
                bail!(
                    "warrend does not measure latency: it was started with -latency-probing=false, as a gateway, or on simulated tunnels"
                )
            }
            seen @ (Ok(_) | Err(_)) => seen?,
        };
        if seen.ready || begun.elapsed() >= wait {
            return Ok(seen);
        }
        sleep(AGAIN).await;
    }
}

/// The reference's daemon cannot tell.
async fn why_not_ready(client: &Client) -> String {
    let told = client.read::<V3Latency>("/v3/latency").await.ok();
    let reason = told.and_then(|told| told.socket_error.or(told.devices_error));
    let reason = reason.unwrap_or_else(|| {
        "the first pass is under way; run this again in a few seconds, or with --wait".to_owned()
    });
    format!("not all devices were measured yet: {reason}")
}

fn row(record: &LatencyRecord) -> Vec<String> {
    let time = |nanoseconds: i64| format!("{:.2}ms", nanoseconds as f64 / 1e6);
    vec![
        record.device_pk.clone(),
        record.device_code.clone(),
        record.device_ip.clone(),
        time(record.min_latency_ns),
        time(record.max_latency_ns),
        time(record.avg_latency_ns),
        record.reachable.to_string(),
    ]
}

/// As the reference sorts: those that answer, then by the shortest and the mean time.
fn order(record: &LatencyRecord) -> (bool, i64, i64, String, String) {
    let times = (record.min_latency_ns, record.avg_latency_ns);
    (
        !record.reachable,
        times.0,
        times.1,
        record.device_code.clone(),
        record.device_ip.clone(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(code: &str, min: i64, avg: i64, reachable: bool) -> LatencyRecord {
        LatencyRecord {
            device_pk: "11111111111111111111111111111111".into(),
            device_ip: "192.0.2.1".into(),
            device_code: code.into(),
            min_latency_ns: min,
            max_latency_ns: 2 * avg,
            avg_latency_ns: avg,
            loss_percentage: 0.0,
            interface_name: None,
            reachable,
        }
    }

    #[test]
    fn times_are_shown_in_milliseconds_with_two_places() {
        let row = row(&record("ams1", 1_234_567, 9_999_999, true));
        assert_eq!(
            row[1..],
            ["ams1", "192.0.2.1", "1.23ms", "20.00ms", "10.00ms", "true"].map(str::to_owned)
        );
    }

    #[test]
    fn those_that_answer_come_first_and_then_the_shortest_and_the_mean_time_decide() {
        let mut records = [
            record("d", 0, 0, false),
            record("c", 2, 9, true),
            record("b", 2, 8, true),
            record("a", 3, 3, true),
            record("e", 1, 50, true),
        ];
        records.sort_by_cached_key(order);
        assert_eq!(
            records.map(|record| record.device_code),
            ["e", "b", "c", "a", "d"].map(str::to_owned)
        );
    }

    #[test]
    fn an_answer_of_the_references_daemon_is_understood() {
        let text = r#"{"ready":true,"results":[{"device_pk":"p","device_ip":"1.2.3.4","device_code":"c","min_latency_ns":1,
            "max_latency_ns":3,"avg_latency_ns":2,"loss_percentage":0,"reachable":true}]}"#;
        let seen: V2Latency = serde_json::from_str(text).unwrap();
        assert!(seen.ready && seen.results[0].interface_name.is_none());
    }
}

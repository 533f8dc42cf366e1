//! `warren usage`: what went through the tunnels.

use std::time::Duration;

use clap::{Args, ValueEnum};
use warren_api::{
    client::Client,
    phrases::octets,
    v3::{UsageFigure, UsageReply},
};
use warren_config::values;

use super::output;

const NONE: &str = "-";

/// What is asked for.
#[derive(Args, Debug)]
pub struct UsageArguments {
    /// Only for this one: the key of an owner, a tunnel or a device, or an interface.
    #[arg(value_name = "OWNER|TUNNEL")]
    pub of: Option<String>,
    /// Only what was carried within this span, from the full hour on.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub since: Option<Duration>,
    /// Show each hour or day (UTC) separately.
    #[arg(long, value_name = "TIME")]
    pub by: Option<Interval>,
    /// What is added up.
    #[arg(long, value_name = "WHAT", default_value = "tunnel")]
    pub per: GroupBy,
}

/// Spans of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Interval {
    /// One line for each hour.
    Hour,
    /// One line for each day (UTC).
    Day,
}

/// What is added up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum GroupBy {
    /// What each tunnel carried for each owner.
    Tunnel,
    /// All that each owner pays for.
    Owner,
    /// All that went over each device.
    Device,
}

/// Asks, and tells.
///
/// # Errors
/// When the daemon does not answer, or knows nobody of that name.
pub async fn run(client: &Client, asked: UsageArguments, as_json: bool) -> anyhow::Result<u8> {
    let usage: UsageReply = client.read(&path(&asked)).await?;
    if as_json {
        return output::json(&usage);
    }
    if let Some(problem) = &usage.problem {
        output::note(&format!("this would not survive a power failure: {problem}"));
    }
    if usage.unseen_seconds > 0.0 {
        let span = output::span(usage.unseen_seconds);
        output::note(&format!(
            "a tunnel that came and went in {span} around crashes was not seen"
        ));
    }
    output::text(&table(&usage.figures, asked.per))
}

fn path(asked: &UsageArguments) -> String {
    let name = |value: Option<clap::builder::PossibleValue>| value.map(|value| value.get_name().to_owned());
    let pairs = [
        ("per", name(asked.per.to_possible_value())),
        ("of", asked.of.as_deref().map(escaped)),
        ("since", asked.since.map(|since| format!("{}s", since.as_secs()))),
        ("by", asked.by.and_then(|by| name(by.to_possible_value()))),
    ];
    let said = pairs
        .into_iter()
        .filter_map(|(key, value)| Some(format!("{key}={}", value?)));
    format!("/v3/usage?{}", said.collect::<Vec<_>>().join("&"))
}

/// As a query has it.
fn escaped(text: &str) -> String {
    let octet = |octet: u8| {
        if octet.is_ascii_alphanumeric() || b"-_.".contains(&octet) {
            char::from(octet).to_string()
        } else {
            format!("%{octet:02X}")
        }
    };
    text.bytes().map(octet).collect()
}

fn table(figures: &[UsageFigure], per: GroupBy) -> String {
    let has_times = figures.iter().any(|figure| figure.from_unix_ms.is_some());
    let mut head = if has_times { vec!["From"] } else { vec![] };
    match per {
        GroupBy::Tunnel => head.extend(["Tunnel", "Owner"]),
        GroupBy::Owner => head.push("Owner"),
        GroupBy::Device => head.push("Device"),
    }
    head.extend(["Received", "Packets", "Sent", "Packets"]);
    if !has_times {
        head.push("May be missing");
    }
    let row = |figure: &UsageFigure| {
        let mut row: Vec<String> = figure
            .from_unix_ms
            .map(|ms| output::date(ms / 1000))
            .into_iter()
            .collect();
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| NONE.to_owned());
        match per {
            GroupBy::Tunnel => {
                let tunnel = figure.name.as_ref().or(figure.tunnel.as_ref());
                row.extend([or_none(&tunnel.cloned()), or_none(&figure.owner)]);
            }
            GroupBy::Owner => row.push(or_none(&figure.owner)),
            GroupBy::Device => row.push(or_none(&figure.device)),
        }
        row.extend([octets(figure.rx_bytes), figure.rx_packets.to_string()]);
        row.extend([octets(figure.tx_bytes), figure.tx_packets.to_string()]);
        if !has_times {
            let missing = figure.gap_seconds.filter(|seconds| *seconds > 0.0);
            row.push(missing.map_or_else(|| NONE.to_owned(), output::span));
        }
        row
    };
    output::table(&head, &figures.iter().map(row).collect::<Vec<_>>())
}

fn span(text: &str) -> Result<Duration, values::BadValue> {
    values::seconds(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_what_the_daemon_is_asked() {
        let asked = UsageArguments {
            of: Some("a b&c".to_owned()),
            since: Some(Duration::from_secs(7200)),
            by: Some(Interval::Day),
            per: GroupBy::Owner,
        };
        assert_eq!(
            path(&asked),
            "/v3/usage?per=owner&of=a%20b%26c&since=7200s&by=day"
        );
    }

    #[test]
    fn a_table_has_what_was_added_up_and_what_may_be_missing() {
        let figure = UsageFigure {
            name: Some("doublezero0".to_owned()),
            owner: Some("me".to_owned()),
            rx_bytes: 12_345,
            rx_packets: 12,
            tx_bytes: 7,
            tx_packets: 1,
            gap_seconds: Some(5.0),
            ..UsageFigure::default()
        };
        let text = table(std::slice::from_ref(&figure), GroupBy::Tunnel);
        assert!(
            text.ends_with(" doublezero0 | me    | 12.3 kB  | 12      | 7 B  | 1       | 5s\n"),
            "{text}"
        );
        let by_hour = UsageFigure {
            from_unix_ms: Some(1_760_464_781_000),
            gap_seconds: None,
            ..figure
        };
        let text = table(&[by_hour], GroupBy::Owner);
        assert!(
            text.contains(" 2025-10-14 17:59:41 UTC | me    | 12.3 kB"),
            "{text}"
        );
    }
}

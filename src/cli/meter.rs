//! What was used, as recorders wrote it: whether a ledger is whole, and whether another end has the same.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use clap::{Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use warren_ledger::{Connector, Trust, connector::HttpSettings};
use warren_metering::recorder::{Difference, Report, Usage, Verifier, compare};

use super::{
    ERROR, OK,
    command::LedgerFlags,
    output::{self, OutputFormat},
};

const TIMEOUT: Duration = Duration::from_secs(30);

/// What to do with a ledger of what was used.
#[derive(Subcommand)]
pub enum MeterCommand {
    /// Prove that each entry is there, that starts and stops are pairs, and sum up what was used (exit code 1 where that cannot be
    /// proven).
    Verify {
        /// The file that a recorder writes; the rotated ones beside it (FILE.1, FILE.2, …) are read too.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Read only that file.
        #[arg(long)]
        alone: bool,
        /// Compare with what a receiver says it has: a URL that answers with `{"data": [{"subject": …, "value": …}]}`, as OpenMeter does
        /// to a query of a meter that is grouped by subject (/api/v1/meters/METER/query?groupBy=subject).
        #[arg(long, value_name = "URL")]
        against: Option<String>,
        /// Which figure that is.
        #[arg(long, value_name = "FIGURE", default_value = "bytes")]
        figure: Figure,
    },
}

/// A figure of what was used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Figure {
    /// Octets in both directions.
    Bytes,
    /// Octets received.
    RxBytes,
    /// Octets sent.
    TxBytes,
    /// Packets received.
    RxPackets,
    /// Packets sent.
    TxPackets,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Verified<'a> {
    proven: bool,
    files: &'a [PathBuf],
    #[serde(flatten)]
    report: &'a Report,
    /// Where another end was asked.
    differences: Option<&'a [Difference]>,
}

/// What a receiver answers: OpenMeter's `MeterQueryResult`.
#[derive(Deserialize)]
struct Meter {
    data: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    /// None where what is asked for is not grouped by it.
    subject: Option<String>,
    value: Value,
}

/// Runs the verb.
///
/// # Errors
/// When a file cannot be read, or the other end does not answer.
pub async fn run(ledger: &LedgerFlags, command: MeterCommand, form: OutputFormat) -> anyhow::Result<u8> {
    let MeterCommand::Verify {
        file,
        alone,
        against,
        figure,
    } = command;
    let files = if alone { vec![file] } else { all_of(&file) };
    let report = verify(&files)?;
    let differences = match &against {
        Some(url) => Some(compare(&report, figure.of(), &ask(ledger, url).await?)),
        None => None,
    };
    let proven = report.is_proven() && differences.as_ref().is_none_or(Vec::is_empty);
    let verified = Verified {
        proven,
        files: &files,
        report: &report,
        differences: differences.as_deref(),
    };
    output::result(form, || in_words(&verified), &verified)?;
    Ok(if proven { OK } else { ERROR })
}

/// The file, and before it those that were put aside, the oldest first.
fn all_of(file: &Path) -> Vec<PathBuf> {
    let name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let entries = std::fs::read_dir(directory.unwrap_or(Path::new(".")))
        .into_iter()
        .flatten();
    let number = |entry: &std::fs::DirEntry| -> Option<u32> {
        let other = entry.file_name().to_string_lossy().into_owned();
        other.strip_prefix(&name)?.strip_prefix('.')?.parse().ok()
    };
    let aside = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        Some((number(&entry)?, entry.path()))
    });
    let mut aside: Vec<(u32, PathBuf)> = aside.collect();
    aside.sort_unstable_by(|one, other| other.cmp(one));
    aside
        .into_iter()
        .map(|(_, path)| path)
        .chain([file.to_owned()])
        .collect()
}

fn verify(files: &[PathBuf]) -> anyhow::Result<Report> {
    let mut verifier = Verifier::default();
    let mut line = Vec::new();
    for path in files {
        let shown = || format!("cannot read {}", path.display());
        let mut reader = BufReader::new(File::open(path).with_context(shown)?);
        while reader.read_until(b'\n', &mut line).with_context(shown)? > 0 {
            verifier.line(&line);
            line.clear();
        }
    }
    Ok(verifier.finish())
}

async fn ask(ledger: &LedgerFlags, url: &str) -> anyhow::Result<BTreeMap<String, u64>> {
    let connector = Connector::new(Trust::load(ledger.ca_file.as_deref())?, None);
    let url: reqwest::Url = url.parse().context("--against is not a URL")?;
    let http = connector.http(HttpSettings {
        timeout: TIMEOUT,
        redirects: 0,
        proxies: true,
        keeps_connections: false,
    })?;
    let sent = http.send(&url, |client| client.get(url.clone())).await;
    let answer = sent.and_then(reqwest::Response::error_for_status);
    let answer = answer
        .map_err(|error| error.without_url())
        .context("the receiver does not answer")?;
    let body = answer.bytes().await.map_err(|error| error.without_url())?;
    figures(&body)
}

/// Subjects that are there several times, as in several windows of time, count together.
fn figures(body: &[u8]) -> anyhow::Result<BTreeMap<String, u64>> {
    let meter: Meter = serde_json::from_slice(body)
        .context("the receiver does not answer with {\"data\": [{\"subject\": …, \"value\": …}]}")?;
    let mut sums = BTreeMap::new();
    for row in meter.data {
        let Some(subject) = row.subject else {
            bail!(
                "the receiver does not say whose its figures are: ask for them by subject (groupBy=subject)"
            );
        };
        let Some(number) = whole(&row.value) else {
            bail!(
                "what the receiver has for {subject} is not a whole number: {}",
                row.value
            );
        };
        let sum: &mut u64 = sums.entry(subject).or_default();
        *sum = sum.saturating_add(number);
    }
    Ok(sums)
}

/// A whole number, also where it is written as one with a point or as text.
fn whole(value: &Value) -> Option<u64> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let is_whole = fraction.bytes().all(|digit| digit == b'0');
    whole.parse().ok().filter(|_| is_whole)
}

fn in_words(verified: &Verified<'_>) -> String {
    let Verified { report, files, .. } = verified;
    let mut lines = vec![format!(
        "{} entries in {} lines of {}, {} of them repeated",
        report.entries,
        report.lines,
        output::count(files.len(), "file", "files"),
        report.duplicates
    )];
    lines.push(format!(
        "{} intervals with start and stop, {} that began earlier, {} still open",
        report.pairs,
        report.begun_before,
        report.open.len()
    ));
    if report.repaired > 0 {
        lines.push(format!(
            "{} lines are unfinished, and are marked so",
            report.repaired
        ));
    }
    for (subject, used) in &report.subjects {
        lines.push(format!(
            "{subject}: received {} bytes in {} packets, sent {} bytes in {} packets",
            used.rx_bytes, used.rx_packets, used.tx_bytes, used.tx_packets
        ));
    }
    lines.extend(report.problems.iter().map(|problem| format!("wrong: {problem}")));
    for difference in verified.differences.unwrap_or_default() {
        lines.push(format!(
            "wrong: {} is {} here and {} there",
            difference.subject, difference.here, difference.there
        ));
    }
    lines.push(
        if verified.proven {
            "proven: nothing is missing"
        } else {
            "not proven"
        }
        .to_owned(),
    );
    lines.join("\n") + "\n"
}

impl Figure {
    fn of(self) -> fn(&Usage) -> u64 {
        match self {
            Self::Bytes => Usage::bytes,
            Self::RxBytes => |usage| usage.rx_bytes,
            Self::TxBytes => |usage| usage.tx_bytes,
            Self::RxPackets => |usage| usage.rx_packets,
            Self::TxPackets => |usage| usage.tx_packets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_aside_is_read_first_and_the_oldest_of_it_before() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ledger.jsonl");
        for name in [
            "ledger.jsonl",
            "ledger.jsonl.1",
            "ledger.jsonl.2",
            "ledger.jsonl.10",
        ] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let names: Vec<_> = all_of(&file)
            .iter()
            .map(|path| path.file_name().unwrap().to_owned())
            .collect();
        assert_eq!(
            names,
            [
                "ledger.jsonl.10",
                "ledger.jsonl.2",
                "ledger.jsonl.1",
                "ledger.jsonl"
            ]
        );
    }

    #[test]
    fn what_a_receiver_has_is_whole_numbers_by_subject() {
        let body = br#"{"data":[{"subject":"a","value":5},{"subject":"a","value":7.0},{"subject":"b","value":"9"}]}"#;
        let expected = BTreeMap::from([("a".to_owned(), 12), ("b".to_owned(), 9)]);
        assert_eq!(figures(body).unwrap(), expected);
        // As OpenMeter answers.
        let openmeter = br#"{"from":"2026-01-01T00:00:00Z","to":"2026-01-02T00:00:00Z","data":[
            {"subject":"a","customerId":null,"windowStart":"2026-01-01T00:00:00Z","windowEnd":"2026-01-02T00:00:00Z","value":12,"groupBy":{}},
            {"subject":"b","windowStart":"2026-01-01T00:00:00Z","windowEnd":"2026-01-02T00:00:00Z","value":9,"groupBy":{"device":null}}]}"#;
        assert_eq!(figures(openmeter).unwrap(), expected);
        let of_all = br#"{"data":[{"subject":null,"windowStart":"2026-01-01T00:00:00Z","windowEnd":"2026-01-02T00:00:00Z","value":21,"groupBy":{}}]}"#;
        let refusal = figures(of_all).unwrap_err().to_string();
        assert!(refusal.contains("groupBy=subject"), "{refusal}");
        for wrong in [
            r#"{"data":[{"subject":"a","value":1.5}]}"#,
            r#"{"data":[{"subject":"a","value":"1e3"}]}"#,
            r#"{"data":[{"subject":"a","value":-1}]}"#,
            "{}",
            "[]",
        ] {
            assert!(figures(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}

//! What went through the tunnels.

use std::sync::Arc;

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::Response,
};
use tokio::{sync::Semaphore, task::spawn_blocking};
use warren_actors::{
    Clock, Snapshot,
    usage::{Answer, TunnelUsage},
};
use warren_api::v3::{Carried, SCHEMA, USAGE_HIGHEST, UsageFigure, UsageQuery, UsageReply};
use warren_metering::usage::figures::{Figure, GroupBy, Interval, Question, UsageKey};
use warren_state::TunnelId;

use super::{Api, error, json, v3};

/// One walk through the files at a time: the socket is open to every local user.
static WALKS: Semaphore = Semaphore::const_new(1);

/// What went through the tunnels, of each or added up, in all or since a time, as far as it would survive a power cut.
pub async fn usage(State(api): State<Api>, query: Result<Query<UsageQuery>, QueryRejection>) -> Response {
    let snapshot = api.engine.snapshot();
    let question = query
        .map_err(|rejection| rejection.body_text())
        .and_then(|Query(asked)| question(&asked, &snapshot));
    let question = match question {
        Ok(question) => question,
        Err(problem) => return error(StatusCode::BAD_REQUEST, problem),
    };
    let engine = Arc::clone(&api.engine);
    let _one_at_a_time = WALKS.acquire().await;
    match spawn_blocking(move || engine.usage(question)).await {
        Ok(Ok(answer)) if answer.figures.len() >= USAGE_HIGHEST => error(
            StatusCode::BAD_REQUEST,
            "these are too many figures for one answer: ask for a shorter time, for days, or for one owner, tunnel or device",
        ),
        Ok(Ok(answer)) => json(StatusCode::OK, &reply(&answer, &question, &snapshot)),
        Ok(Err(failure)) => error(StatusCode::INTERNAL_SERVER_ERROR, failure.to_string()),
        Err(panic) => error(StatusCode::INTERNAL_SERVER_ERROR, panic.to_string()),
    }
}

/// What a tunnel carries, as status shows it.
pub(super) fn carried(usage: &TunnelUsage) -> Carried {
    Carried {
        rx_bytes: usage.carried.rx_bytes,
        rx_packets: usage.carried.rx_packets,
        tx_bytes: usage.carried.tx_bytes,
        tx_packets: usage.carried.tx_packets,
        rx_bytes_per_second: usage.rate.0,
        tx_bytes_per_second: usage.rate.1,
        gap_seconds: seconds(usage.gap_ms),
        read_unix_ms: usage.read_ms,
    }
}

fn question(asked: &UsageQuery, snapshot: &Snapshot) -> Result<Question, String> {
    let by = match asked.by.as_deref() {
        None => None,
        Some("hour") => Some(Interval::Hour),
        Some("day") => Some(Interval::Day),
        Some(other) => return Err(format!("by is hour or day, and not {:?}", short(other))),
    };
    let per = match asked.per.as_deref() {
        None | Some("tunnel") => GroupBy::Tunnel,
        Some("owner") => GroupBy::Owner,
        Some("device") => GroupBy::Device,
        Some(other) => {
            return Err(format!(
                "per is tunnel, owner or device, and not {:?}",
                short(other)
            ));
        }
    };
    let mut question = Question {
        since_ms: asked.since.as_deref().map(since).transpose()?,
        by,
        per,
        most: USAGE_HIGHEST,
        ..Question::default()
    };
    match asked.of.as_deref() {
        None => {}
        Some(name) => match (v3::named(snapshot, name), name.parse()) {
            (Some(tunnel), _) => question.tunnel = Some(tunnel),
            (None, Ok(key)) => question.of = Some(key),
            (None, Err(_)) => {
                return Err(format!(
                    "of is the key of an owner, a tunnel or a device, or the name of a link that is in use, and not {:?}",
                    short(name)
                ));
            }
        },
    }
    Ok(question)
}

/// A span may have a minus before it: this long ago.
fn since(text: &str) -> Result<u64, String> {
    if let Ok(unix_ms) = text.parse() {
        return Ok(unix_ms);
    }
    let span = humantime::parse_duration(text.strip_prefix('-').unwrap_or(text));
    let span = span.map_err(|_| {
        format!(
            "since is a span such as 24h, or milliseconds since 1970, and not {:?}",
            short(text)
        )
    })?;
    Ok(Clock::unix_ms().saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
}

fn reply(answer: &Answer, question: &Question, snapshot: &Snapshot) -> UsageReply {
    let (epoch, sequence) = answer.position;
    UsageReply {
        schema: SCHEMA,
        node: snapshot.node.to_string(),
        epoch: epoch.0,
        sequence,
        read_unix_ms: answer.read_ms,
        unseen_seconds: seconds(answer.unseen_ms),
        problem: answer.problem.clone(),
        figures: answer
            .figures
            .iter()
            .map(|((from_ms, whose), of)| figure(question, *from_ms, whose, of, snapshot))
            .collect(),
    }
}

fn figure(
    question: &Question,
    from_ms: u64,
    whose: &UsageKey,
    of: &Figure,
    snapshot: &Snapshot,
) -> UsageFigure {
    let link = |tunnel: TunnelId| {
        Some(
            snapshot
                .tunnels
                .get(&tunnel)?
                .spec
                .as_ref()?
                .link
                .name
                .to_string(),
        )
    };
    UsageFigure {
        from_unix_ms: question.by.map(|_| from_ms),
        tunnel: whose.tunnel.map(|tunnel| tunnel.to_string()),
        name: whose.tunnel.and_then(link),
        owner: whose.owner.map(|owner| owner.to_string()),
        device: whose.device.map(|device| device.to_string()),
        rx_bytes: of.carried.rx_bytes,
        rx_packets: of.carried.rx_packets,
        tx_bytes: of.carried.tx_bytes,
        tx_packets: of.carried.tx_packets,
        gap_seconds: question.hours_since().is_none().then(|| seconds(of.gap_ms)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a time in seconds")]
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use warren_metering::usage::{CounterReading, Payer, UsageBook};
    use warren_state::{CounterRun, Incarnation, Monotonic, Pubkey, Reading, Traffic};

    use super::*;
    use crate::http::testing::{FakeDaemon, Served, serve};

    /// Two tunnels of one owner and one of another.
    fn book() -> UsageBook {
        let mut book = UsageBook::default();
        let reading = |n: u8, bytes| Reading {
            tunnel: TunnelId(Pubkey([n; 32])),
            run: CounterRun {
                incarnation: Incarnation(1),
                part: u32::from(n),
            },
            carried: Traffic {
                rx_bytes: bytes,
                rx_packets: 1,
                tx_bytes: 2 * bytes,
                tx_packets: 2,
            },
        };
        let at = |seconds| Monotonic::from_elapsed(Duration::from_secs(seconds));
        for (second, bytes) in [(1, 0), (3, 1000)] {
            let readings = [reading(1, bytes), reading(2, bytes), reading(3, bytes)];
            let look = CounterReading {
                begun: at(second),
                begun_ms: 1_760_000_000_000,
                ended: at(second),
                of: None,
                readings: &readings,
            };
            book.take(&look, |tunnel| Payer {
                owner: Some(Pubkey([if tunnel.0.0[0] == 3 { 8 } else { 9 }; 32])),
                device: None,
            });
        }
        let batch = book.changes(false);
        book.written(batch.sequence);
        book
    }

    async fn daemon() -> Served {
        let daemon = FakeDaemon::new(Snapshot::default());
        *daemon.usage.lock().unwrap() = book();
        serve(daemon).await
    }

    async fn read(served: &Served, query: &str) -> UsageReply {
        served.client.read(&format!("/v3/usage{query}")).await.unwrap()
    }

    #[tokio::test]
    async fn usage_is_told_of_each_tunnel_of_one_and_added_up_for_owners() {
        let served = daemon().await;
        let all = read(&served, "").await;
        assert_eq!(
            (all.figures.len(), all.sequence, all.read_unix_ms),
            (3, 1, 1_760_000_000_000)
        );
        assert_eq!((all.figures[0].rx_bytes, all.figures[0].tx_packets), (1000, 2));
        assert_eq!(all.figures[0].gap_seconds, Some(0.0));
        let owner = Pubkey([9; 32]).to_string();
        let of_one = read(&served, &format!("?of={owner}&per=owner")).await;
        let [figure] = &of_one.figures[..] else {
            panic!("{of_one:?}")
        };
        assert_eq!((figure.owner.as_deref(), figure.rx_bytes), (Some(&*owner), 2000));
        assert_eq!(figure.tunnel, None);
        let tunnel = Pubkey([3; 32]).to_string();
        let of_a_tunnel = read(&served, &format!("?of={tunnel}&by=hour")).await;
        let [figure] = &of_a_tunnel.figures[..] else {
            panic!("{of_a_tunnel:?}")
        };
        assert_eq!(
            figure.from_unix_ms,
            Some(1_760_000_000_000 / 3_600_000 * 3_600_000)
        );
        assert_eq!((figure.tx_bytes, figure.gap_seconds), (2000, None));
        assert_eq!(read(&served, "?since=1h").await.figures, [], "it was long ago");
    }

    #[tokio::test]
    async fn what_a_power_cut_would_take_away_is_told_with_the_problem() {
        let mut book = book();
        assert_eq!(book.changes(false).sequence, 2);
        book.not_written();
        let daemon = FakeDaemon::new(Snapshot::default());
        *daemon.usage.lock().unwrap() = book;
        let served = serve(daemon).await;
        let problem = read(&served, "").await.problem.unwrap();
        assert!(problem.contains("could not be written"), "{problem}");
    }

    #[tokio::test]
    async fn what_makes_no_sense_is_refused_with_a_sentence() {
        let served = daemon().await;
        for (query, says) in [
            ("by=week", "by is hour or day"),
            ("per=host", "per is tunnel, owner or device"),
            ("since=yesterday", "since is a span"),
            ("of=nobody", "of is the key of an owner"),
            ("colour=red", "unknown field"),
        ] {
            let reply = served.client.get(&format!("/v3/usage?{query}")).await.unwrap();
            let text = String::from_utf8_lossy(&reply.body).into_owned();
            assert!(reply.status == 400 && text.contains(says), "{query}: {text}");
        }
    }
}

//! What happened, as it is kept on disk, in pages.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::Response,
};
use tokio::{sync::Semaphore, task::spawn_blocking};
use warren_actors::Clock;
use warren_api::v3::{JOURNAL_DEFAULT, JOURNAL_HIGHEST, JournalPage, JournalQuery, MissingEntries, SCHEMA};
use warren_state::{
    Position,
    event::{Event, Level},
    journal::JournalEntry,
    stream::Filter,
};
use warren_store::journal::{Journal, ReadError, ReadLimit};

use super::{Api, error, json, streams::asked, v3};

/// Pages of the journal that one request looks through at most, of 256 KiB each.
const LOOKED_THROUGH: usize = 32;
/// One walk through the files at a time: the socket is open to every local user.
static WALKS: Semaphore = Semaphore::const_new(1);

/// What is asked for, understood.
struct Wanted {
    since: Option<Since>,
    filter: Filter,
    level: Level,
    limit: usize,
}

/// Where to begin.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Since {
    Position(Position),
    UnixMs(u64),
}

/// What happened, as the journal on disk keeps it, also over restarts of the daemon: at most this much of it. What happened within the
/// last moment may not be there yet.
pub async fn journal(State(api): State<Api>, query: Result<Query<JournalQuery>, QueryRejection>) -> Response {
    let wanted = query
        .map_err(|rejection| rejection.body_text())
        .and_then(|Query(asked)| Wanted::of(&asked, &api));
    let wanted = match wanted {
        Ok(wanted) => wanted,
        Err(problem) => return error(StatusCode::BAD_REQUEST, problem),
    };
    let journal = Arc::clone(api.engine.journal());
    let _one_at_a_time = WALKS.acquire().await;
    match spawn_blocking(move || page(&journal, &wanted)).await {
        Ok(Ok(page)) => json(StatusCode::OK, &page),
        Ok(Err(unknown @ ReadError::Unknown(_))) => error(StatusCode::BAD_REQUEST, unknown.to_string()),
        Ok(Err(failure)) => error(StatusCode::INTERNAL_SERVER_ERROR, failure.to_string()),
        Err(panic) => error(StatusCode::INTERNAL_SERVER_ERROR, panic.to_string()),
    }
}

fn page(journal: &Journal, wanted: &Wanted) -> Result<JournalPage, ReadError> {
    match wanted.since {
        Some(Since::Position(position)) => onward(journal, wanted, position),
        Some(Since::UnixMs(unix_ms)) => onward(journal, wanted, journal.since(unix_ms)),
        None => Ok(newest(journal, wanted)),
    }
}

fn newest(journal: &Journal, wanted: &Wanted) -> JournalPage {
    let next = journal.status().position;
    // What came since is told to whoever goes on from there.
    let is_before = |entry: &JournalEntry| entry.place() <= next.into();
    let entries = journal.latest(wanted.limit, |entry| {
        is_before(entry) && wanted.wants(&entry.event)
    });
    JournalPage {
        schema: SCHEMA,
        from: None,
        entries: entries.iter().map(v3::told).collect(),
        next: next.to_string(),
        more: false,
        missing: None,
    }
}

fn onward(journal: &Journal, wanted: &Wanted, from: Position) -> Result<JournalPage, ReadError> {
    let (mut at, mut more, mut missing) = (from, true, None);
    let mut found: Vec<JournalEntry> = Vec::new();
    for _ in 0..LOOKED_THROUGH {
        let room = wanted.limit - found.len();
        if !more || room == 0 {
            break;
        }
        // Where all are wanted no more of them are read than are shown.
        let most = ReadLimit {
            entries: room,
            ..ReadLimit::default()
        };
        match journal.read(at, most) {
            Ok(page) => {
                let wanted = |entry: &JournalEntry| wanted.wants(&entry.event);
                found.extend(page.entries.into_iter().filter(wanted));
                (at, more) = (page.next, page.more);
            }
            // Whoever goes on from here is told of it then.
            Err(ReadError::Gap { .. }) if !found.is_empty() => break,
            Err(ReadError::Gap { after, to }) => {
                let after = missing.map_or(after.to_string(), |earlier: MissingEntries| earlier.after);
                missing = Some(MissingEntries {
                    after,
                    to: to.to_string(),
                });
                at = to;
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(JournalPage {
        schema: SCHEMA,
        from: Some(from.to_string()),
        entries: found.iter().map(v3::told).collect(),
        next: at.to_string(),
        more,
        missing,
    })
}

impl Wanted {
    fn of(asked: &JournalQuery, api: &Api) -> Result<Self, String> {
        let limit = asked.limit.as_deref().map(|text| {
            let limit = text.parse().ok();
            limit
                .filter(|limit| (1..=JOURNAL_HIGHEST).contains(limit))
                .ok_or_else(|| format!("limit is a number from 1 to {JOURNAL_HIGHEST}, and not {text:?}"))
        });
        let now = Clock::unix_ms();
        Ok(Self {
            since: asked.since.as_deref().map(|text| since(text, now)).transpose()?,
            filter: asked::filter(asked.topics.as_deref(), asked.tunnel.as_deref(), api)?,
            level: asked.level.as_deref().map_or(Ok(Level::Debug), level)?,
            limit: limit.transpose()?.unwrap_or(JOURNAL_DEFAULT),
        })
    }

    fn wants(&self, event: &Event) -> bool {
        event.level() >= self.level && self.filter.wants_event(event)
    }
}

fn level(text: &str) -> Result<Level, String> {
    let found = Level::ALL.into_iter().find(|level| level.name() == text);
    found.ok_or_else(|| {
        let text: String = text.chars().take(100).collect();
        format!("level is debug, info, warn or error, and not {text:?}")
    })
}

/// A span may have a minus before it: this long ago.
fn since(text: &str, now_unix_ms: u64) -> Result<Since, String> {
    if let Ok(position) = text.parse() {
        return Ok(Since::Position(position));
    }
    if let Ok(unix_ms) = text.parse() {
        return Ok(Since::UnixMs(unix_ms));
    }
    let span = humantime::parse_duration(text.strip_prefix('-').unwrap_or(text));
    let milliseconds = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let ago = span.map(|span| Since::UnixMs(now_unix_ms.saturating_sub(milliseconds(span))));
    ago.map_err(|_| {
        let text: String = text.chars().take(100).collect();
        format!("since is a position, milliseconds since 1970, or a span such as 3h, and not {text:?}")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use warren_state::{Epoch, Sequence, TunnelId};

    use super::*;
    use crate::http::testing::{FakeDaemon, Kept, Served, key, serve};

    /// A daemon with a journal of three starts, in each of which the switch was set five times and a tunnel was connected by hand.
    async fn daemon() -> (Served, Position) {
        let engine = FakeDaemon::new(warren_actors::Snapshot::default());
        let kept = engine.kept.get_or_init(Kept::empty);
        for epoch in 1..=3 {
            let entry = |sequence, event| JournalEntry {
                epoch: Epoch(epoch),
                sequence: Sequence(sequence),
                unix_ms: epoch * 1000 + sequence,
                event,
            };
            let removed = Event::ManualRemoved {
                tunnel: TunnelId(key(7)),
                link: None,
            };
            let entries = (1..=5)
                .map(|sequence| {
                    entry(
                        sequence,
                        Event::Switched {
                            enabled: sequence % 2 == 0,
                        },
                    )
                })
                .chain([entry(6, removed)]);
            let records: Vec<_> = entries.map(|entry| (None, Arc::new(entry))).collect();
            kept.journal.append(&records, 0).unwrap();
        }
        let oldest = kept.journal.oldest();
        (serve(engine).await, oldest)
    }

    async fn read(served: &Served, query: &str) -> JournalPage {
        served.client.read(&format!("/v3/journal?{query}")).await.unwrap()
    }

    fn places(page: &JournalPage) -> Vec<(u64, u64)> {
        let number = |entry: &Value, name: &str| entry[name].as_u64().unwrap();
        page.entries
            .iter()
            .map(|entry| (number(entry, "epoch"), number(entry, "sequence")))
            .collect()
    }

    #[tokio::test]
    async fn pages_over_several_starts_follow_each_other_without_a_gap() {
        let (served, oldest) = daemon().await;
        let (mut at, mut seen, mut pages) = (oldest.to_string(), Vec::new(), 0);
        loop {
            let page = read(&served, &format!("since={at}&limit=4")).await;
            assert_eq!((page.from.as_deref(), page.missing.is_none()), (Some(&*at), true));
            seen.extend(places(&page));
            (at, pages) = (page.next, pages + 1);
            if !page.more {
                break;
            }
        }
        let all: Vec<(u64, u64)> = (1..=3)
            .flat_map(|epoch| (1..=6).map(move |sequence| (epoch, sequence)))
            .collect();
        assert_eq!((seen, pages >= 5), (all, true));
    }

    #[tokio::test]
    async fn the_newest_those_of_a_tunnel_those_of_a_topic_and_those_since_a_time_are_told_in_words() {
        let (served, _) = daemon().await;
        let newest = read(&served, "limit=2").await;
        assert_eq!(places(&newest), [(3, 5), (3, 6)]);
        assert_eq!(newest.entries[0]["text"], "disabled");
        let account = TunnelId(key(7));
        let of_one = read(&served, &format!("tunnel={account}&limit=2")).await;
        assert_eq!(places(&of_one), [(2, 6), (3, 6)]);
        let switched = read(&served, "topics=switch&since=2003&limit=4").await;
        assert_eq!(places(&switched), [(2, 3), (2, 4), (2, 5), (3, 1)]);
        let told = read(&served, "level=info&limit=3").await;
        assert_eq!(places(&told), [(3, 4), (3, 5), (3, 6)]);
        let grave = [
            read(&served, "level=warn").await,
            read(&served, "level=error&since=1000").await,
        ];
        assert!(grave.iter().all(|page| page.entries.is_empty()), "{grave:?}");
        let past = read(&served, "since=-1h").await;
        assert_eq!(places(&past), []);
    }

    #[tokio::test]
    async fn what_makes_no_sense_is_refused_with_a_sentence() {
        let (served, oldest) = daemon().await;
        let elsewhere = Position {
            node: warren_state::NodeId(oldest.node.0 ^ 1),
            ..oldest
        };
        for (query, says) in [
            ("limit=0", "limit is a number from 1 to 5000"),
            ("since=yesterday", "since is a position"),
            ("topics=weather", "is not a topic"),
            ("level=loud", "level is debug, info, warn or error"),
            ("tunnel=nobody", "tunnel is the account"),
            (&format!("since={elsewhere}"), "is not a position in this journal"),
            ("colour=red", "unknown field"),
        ] {
            let reply = served.client.get(&format!("/v3/journal?{query}")).await.unwrap();
            let text = String::from_utf8_lossy(&reply.body).into_owned();
            assert!(
                reply.status == 400 && text.contains(says),
                "{query}: {} {text}",
                reply.status
            );
        }
    }
}

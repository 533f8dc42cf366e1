//! A receiver of CloudEvents that is strict about what it gets, and answers as badly as receivers do.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use warren_actors::recorders::{HttpOutput, Output};
use warren_ledger::{Connector, Trust};
use warren_metering::recorder::{Usage, compare};

use crate::source::{NODE, Source};

/// What the receiver has committed, and what is wrong with what it got.
#[derive(Default)]
struct Kept {
    /// By source and id, which name an event for ever.
    events: BTreeMap<(String, String), Value>,
    /// What it was sent so far, also where nothing came of it.
    sent: BTreeMap<(String, String), Value>,
    problems: Vec<String>,
    requests: usize,
    answers: BTreeSet<&'static str>,
}

type Shared = Arc<Mutex<Kept>>;

fn serve(answer: fn(&mut Kept, Vec<Value>) -> Option<String>) -> (String, Shared) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/events", listener.local_addr().unwrap());
    let kept = Shared::default();
    let shared = kept.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, kept) = (stream.unwrap(), shared.clone());
            thread::spawn(move || serve_one(stream, &kept, answer));
        }
    });
    (url, kept)
}

fn serve_one(mut stream: TcpStream, kept: &Shared, answer: fn(&mut Kept, Vec<Value>) -> Option<String>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some((head, body)) = request(&mut reader) {
        let mut kept = kept.lock().unwrap();
        kept.requests += 1;
        let events = kept.check(&head, &body);
        let Some(reply) = answer(&mut kept, events) else {
            return;
        };
        drop(kept);
        if stream.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn reply(status: &str, more: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{more}\r\n{body}",
        body.len()
    )
}

impl Kept {
    /// CloudEvents 1.0.2, JSON format sections 2 and 4.
    fn check(&mut self, head: &str, body: &[u8]) -> Vec<Value> {
        let mut problems = Vec::new();
        if !head.contains("content-type: application/cloudevents-batch+json; charset=utf-8\r\n") {
            problems.push(format!("content type: {head}"));
        }
        if !head.starts_with("post /events http/1.1\r\n") {
            problems.push(format!("request: {head}"));
        }
        let events: Vec<Value> = serde_json::from_slice(body).unwrap_or_else(|error| {
            problems.push(format!("no array: {error}"));
            vec![]
        });
        if events.len() > 100 {
            problems.push(format!("{} events in a batch", events.len()));
        }
        for event in &events {
            problems.extend(wrong(event).map(|why| format!("{why}: {event}")));
            let before = self.sent.insert(name(event), event.clone());
            if before.is_some_and(|before| before != *event) {
                problems.push(format!("sent again and not as it was: {event}"));
            }
        }
        self.problems.extend(problems);
        events
    }

    fn commit(&mut self, events: Vec<Value>) {
        for event in events {
            self.events.entry(name(&event)).or_insert(event);
        }
    }

    fn known(&self, events: &[Value]) -> Vec<usize> {
        (0..events.len())
            .filter(|index| self.events.contains_key(&name(&events[*index])))
            .collect()
    }

    /// What a query of the meter answers.
    fn used(&self) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for event in self
            .events
            .values()
            .filter(|event| event["type"] == "warren.usage.sample")
        {
            let delta = &event["data"]["delta"];
            let bytes = delta["rx_bytes"].as_u64().unwrap() + delta["tx_bytes"].as_u64().unwrap();
            *sums
                .entry(event["subject"].as_str().unwrap().to_owned())
                .or_default() += bytes;
        }
        sums
    }
}

fn name(event: &Value) -> (String, String) {
    let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
    (text("source"), text("id"))
}

/// What the specification does not allow.
fn wrong(event: &Value) -> Option<&'static str> {
    let attributes = event.as_object()?;
    let text = |name: &str| attributes.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_name = |name: &String| {
        name.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    if text("specversion") != "1.0" {
        Some("specversion")
    } else if ["id", "source", "type"].iter().any(|name| text(name).is_empty()) {
        Some("a required attribute is not there")
    } else if !attributes.keys().all(is_name) {
        Some("the name of an attribute")
    } else if attributes
        .iter()
        .any(|(name, value)| name != "data" && !value.is_string())
    {
        Some("an attribute is no string")
    } else if attributes.get("subject").is_some_and(|subject| subject == "") {
        Some("an empty subject")
    } else if humantime_like(text("time")) {
        None
    } else {
        Some("time")
    }
}

/// RFC 3339 in UTC.
fn humantime_like(time: &str) -> bool {
    let shape: String = time
        .chars()
        .map(|letter| if letter.is_ascii_digit() { '0' } else { letter })
        .collect();
    shape == "0000-00-00T00:00:00.000Z"
}

fn output(url: &str) -> Output {
    Output::Http(HttpOutput {
        url: url.to_owned(),
        token: Some("s3cr3t".to_owned()),
        batch: 100,
        connector: Connector::new(Trust::load(None).unwrap(), None),
    })
}

/// A runtime, as a thread that may block has one.
fn with_runtime<T>(work: impl FnOnce() -> T) -> T {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _guard = runtime.enter();
    work()
}

/// Takes turns at every way in which an answer can go wrong.
fn badly(kept: &mut Kept, events: Vec<Value>) -> Option<String> {
    let known = kept.known(&events);
    let (what, answer) = match kept.requests % 6 {
        1 => {
            kept.commit(events);
            ("applied, and the reply is lost", None)
        }
        2 => (
            "busy",
            Some(reply("503 Service Unavailable", "retry-after: 0\r\n", "busy")),
        ),
        // The ids were claimed, and nothing was committed: a receiver that keeps both together keeps neither.
        3 => ("killed between claim and commit", None),
        4 if !known.is_empty() => {
            let details: serde_json::Map<String, Value> = known
                .iter()
                .map(|index| {
                    (
                        index.to_string(),
                        json!({"transaction_id": ["value_already_exist"]}),
                    )
                })
                .collect();
            let body = json!({"status": 422, "code": "validation_errors", "error_details": details});
            (
                "some are known",
                Some(reply("422 Unprocessable Entity", "", &body.to_string())),
            )
        }
        5 => ("cut off", Some("HTTP/1.1 200 OK\r\ncontent-le".to_owned())),
        _ => {
            kept.commit(events);
            ("taken", Some(reply("204 No Content", "", "")))
        }
    };
    kept.answers.insert(what);
    if what == "cut off" {
        return None;
    }
    answer
}

pub fn strict() {
    with_runtime(|| {
        let (url, kept) = serve(badly);
        let dir = tempfile::tempdir().unwrap();
        let mut source = Source::open(dir.path());
        let mut file = source.pipeline("file", source.file(None));
        for round in 0..12 {
            source.append(40);
            // Each time by another process, as far as the recorder knows.
            let mut pipeline = source.pipeline("http", output(&url));
            source.run(&mut pipeline, 100);
            if round % 3 == 0 {
                pipeline.close();
            }
        }
        source.run(&mut file, 10);
        let report = source.check().unwrap();
        let kept = kept.lock().unwrap();
        assert!(kept.problems.is_empty(), "{:?}", kept.problems);
        assert_eq!(compare(&report, Usage::bytes, &kept.used()), []);
        assert_eq!(
            kept.events.len() as u64,
            report.entries,
            "each event, and nothing else"
        );
        assert!(
            kept.events
                .keys()
                .all(|(from, _)| *from == format!("urn:warren:{NODE}"))
        );
        assert_eq!(kept.answers.len(), 6, "{:?}", kept.answers);
    });
}

pub fn retry_after() {
    with_runtime(|| {
        let (url, kept) = serve(|kept, events| {
            Some(if kept.requests == 1 {
                reply("429 Too Many Requests", "retry-after: 77\r\n", "later")
            } else {
                kept.commit(events);
                reply("200 OK", "", "{}")
            })
        });
        let dir = tempfile::tempdir().unwrap();
        let mut source = Source::open(dir.path());
        source.append(20);
        let mut pipeline = source.pipeline("http", output(&url));
        let turns = source.run(&mut pipeline, 2);
        let wait = turns[0].retry.unwrap().elapsed();
        assert!(wait >= Duration::from_secs(77), "{wait:?}");
        let problem = turns[0].standing.problem.clone().unwrap();
        assert_eq!(problem, "the receiver answers 429: later");
        assert_eq!(kept.lock().unwrap().requests, 2, "it is left alone until then");
        assert_eq!(turns[1].standing.problem, None);
    });
}

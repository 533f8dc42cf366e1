//! Entries as CloudEvents 1.0 in JSON batches, and what the answer to one means.

use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;
use serde_json::Value;

use super::entry::{Entry, EntryContent, EntryId};

/// The media type of a batch (CloudEvents JSON format, section 4).
pub const CONTENT_TYPE: &str = "application/cloudevents-batch+json; charset=UTF-8";

/// An event in the JSON format of CloudEvents 1.0. Source and id name it for ever.
#[derive(Serialize)]
pub struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    r#type: String,
    subject: Option<String>,
    time: String,
    datacontenttype: &'static str,
    data: &'a EntryContent,
}

/// What the answer to a batch means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// All of it is taken.
    Taken,
    /// These the other end had already, and it took nothing else: send the others again.
    Known(Vec<EntryId>),
    /// Send all of it again later.
    Later(After),
}

/// When, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct After {
    /// How long the other end asks to be left alone.
    pub wait: Option<Duration>,
    /// What it says.
    pub detail: String,
}

/// Who is billed for an entry: the owner, where one is known, else the tunnel.
#[must_use]
pub fn subject(what: &EntryContent) -> Option<String> {
    let (tunnel, owner) = what.about()?;
    Some(owner.map_or_else(|| tunnel.to_string(), |owner| owner.to_string()))
}

/// Entries in batches of at most this many events, and this many octets unless a single one is larger. What has no id is of a file,
/// and is not sent.
#[must_use]
pub fn batches(entries: &[Entry], most: usize, most_bytes: usize) -> Vec<(Vec<EntryId>, Vec<u8>)> {
    let mut batches: Vec<(Vec<EntryId>, Vec<u8>)> = Vec::new();
    for entry in entries {
        let Some((id, event)) = entry.id.and_then(|id| Some((id, event(id, entry)?))) else {
            continue;
        };
        match batches.last_mut() {
            Some((ids, body)) if ids.len() < most && body.len() + event.len() + 2 <= most_bytes => {
                body.push(b',');
                body.extend(event);
                ids.push(id);
            }
            _ => batches.push((vec![id], [b"[".as_slice(), &event].concat())),
        }
    }
    batches.iter_mut().for_each(|(_, body)| body.push(b']'));
    batches
}

fn event(id: EntryId, entry: &Entry) -> Option<Vec<u8>> {
    let at = UNIX_EPOCH + Duration::from_millis(entry.at);
    let event = CloudEvent {
        specversion: "1.0",
        id: id.to_string(),
        source: format!("urn:warren:{}", id.node),
        r#type: format!("warren.{}", entry.what.kind()),
        subject: subject(&entry.what),
        time: humantime::format_rfc3339_millis(at).to_string(),
        datacontenttype: "application/json",
        data: &entry.what,
    };
    // An attribute that is not there is left out (section 2.2 of the JSON format): null is for data alone.
    let mut value = serde_json::to_value(event).ok()?;
    if let Some(attributes) = value.as_object_mut() {
        attributes.retain(|name, value| name == "data" || !value.is_null());
    }
    serde_json::to_vec(&value).ok()
}

/// Says what a status, a header `Retry-After` and a body mean for a batch of these.
#[must_use]
pub fn judge(status: u16, retry_after: Option<&str>, body: &[u8], ids: &[EntryId], unix_ms: u64) -> Answer {
    if (200..300).contains(&status) {
        return Answer::Taken;
    }
    let known = if status == 422 { known(body, ids) } else { vec![] };
    if known.len() == ids.len() {
        return Answer::Taken;
    }
    if !known.is_empty() {
        return Answer::Known(known);
    }
    let said: String = String::from_utf8_lossy(body).chars().take(200).collect();
    Answer::Later(After {
        wait: retry_after.and_then(|text| wait(text.trim(), unix_ms)),
        detail: format!("the receiver answers {status}: {}", said.trim())
            .trim_end_matches([':', ' '])
            .to_owned(),
    })
}

/// Those that a receiver says it has: `error_details` by their index in the batch, or without one where there is one event only.
fn known(body: &[u8], ids: &[EntryId]) -> Vec<EntryId> {
    let Ok(Value::Object(answer)) = serde_json::from_slice(body) else {
        return vec![];
    };
    let Some(Value::Object(details)) = answer.get("error_details") else {
        return vec![];
    };
    if ids.len() == 1 && details.values().any(Value::is_array) {
        return if is_known(&Value::Object(details.clone())) {
            ids.to_vec()
        } else {
            vec![]
        };
    }
    let of_index = |(index, detail): (&String, &Value)| {
        let id = index.parse::<usize>().ok().and_then(|index| ids.get(index))?;
        is_known(detail).then_some(*id)
    };
    details.iter().filter_map(of_index).collect()
}

/// Whether that it is there already is all that is wrong with it.
fn is_known(detail: &Value) -> bool {
    let codes: Vec<&Value> = match detail {
        Value::Object(fields) => fields
            .values()
            .flat_map(|codes| codes.as_array().into_iter().flatten())
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => vec![],
    };
    !codes.is_empty() && codes.iter().all(|code| *code == "value_already_exist")
}

/// Seconds or a date (RFC 9110 section 10.2.3).
fn wait(text: &str, unix_ms: u64) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    let now = UNIX_EPOCH + Duration::from_millis(unix_ms);
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::testing::*, *};

    fn entries(count: u64) -> Vec<Entry> {
        (0..count)
            .map(|n| {
                Entry::new(
                    Some(id(1, n + 1, 0)),
                    None,
                    1_760_464_781_123,
                    sample(1, None, None, usage(n, 0)),
                )
            })
            .collect()
    }

    #[test]
    fn an_event_has_what_the_specification_asks_for_and_nothing_that_is_null_beside_its_data() {
        let gap = EntryContent::Gap {
            after: None,
            to: id(1, 9, 0).position(),
        };
        let mut entries = entries(1);
        entries.push(Entry::new(Some(id(1, 9, 0)), None, 0, gap));
        entries.push(Entry::new(None, None, 0, EntryContent::Repair { torn_bytes: 1 }));
        let all = batches(&entries, 100, 1 << 18);
        let [(ids, body)] = &all[..] else {
            panic!("{all:?}")
        };
        assert_eq!(ids, &[id(1, 1, 0), id(1, 9, 0)]);
        let events: Vec<Value> = serde_json::from_slice(body).unwrap();
        assert_eq!(events[0]["specversion"], "1.0");
        assert_eq!(events[0]["id"], id(1, 1, 0).to_string());
        assert_eq!(events[0]["source"], "urn:warren:00000000000000000000000000000007");
        assert_eq!(events[0]["type"], "warren.usage.sample");
        assert_eq!(events[0]["time"], "2025-10-14T17:59:41.123Z");
        assert_eq!(events[0]["subject"], tunnel(1).to_string());
        assert_eq!(events[0]["data"]["total"]["rx_bytes"], 0);
        assert!(events[1].get("subject").is_none(), "no attribute is null");
    }

    #[test]
    fn batches_hold_their_bounds_and_the_same_entries_make_the_same_octets() {
        let entries = entries(250);
        let all = batches(&entries, 100, usize::MAX);
        assert_eq!(
            all.iter().map(|(ids, _)| ids.len()).collect::<Vec<_>>(),
            [100, 100, 50]
        );
        assert_eq!(all, batches(&entries, 100, usize::MAX));
        let small = batches(&entries, 100, 2_000);
        assert!(
            small
                .iter()
                .all(|(ids, body)| body.len() <= 2_000 && !ids.is_empty())
        );
        assert_eq!(small.iter().map(|(ids, _)| ids.len()).sum::<usize>(), 250);
        assert_eq!(
            batches(&entries[..3], 100, 10).len(),
            3,
            "one that is larger goes alone"
        );
    }

    #[test]
    fn an_answer_of_an_id_that_is_known_counts_as_done_and_only_then() {
        let ids = [id(1, 1, 0), id(1, 2, 0)];
        let ask = |status, body: Value| judge(status, None, body.to_string().as_bytes(), &ids, 0);
        let exists = json!({"transaction_id": ["value_already_exist"]});
        assert_eq!(ask(204, json!(null)), Answer::Taken);
        assert_eq!(
            ask(422, json!({"error_details": {"0": exists, "1": exists}})),
            Answer::Taken
        );
        assert_eq!(
            ask(422, json!({"error_details": {"1": exists}})),
            Answer::Known(vec![ids[1]])
        );
        for body in [
            json!({"error_details": {"0": {"code": ["value_is_mandatory"]}}}),
            json!({"error_details": {"0": {"transaction_id": ["value_already_exist", "too_long"]}}}),
            json!({"error_details": {"7": exists}}),
            json!("already exists"),
        ] {
            assert!(matches!(ask(422, body.clone()), Answer::Later(_)), "{body}");
        }
        assert!(matches!(
            ask(400, json!({"error_details": {"0": exists}})),
            Answer::Later(_)
        ));
        let one = judge(
            422,
            None,
            json!({"error_details": exists}).to_string().as_bytes(),
            &ids[..1],
            0,
        );
        assert_eq!(one, Answer::Taken);
    }

    #[test]
    fn how_long_to_wait_is_seconds_or_a_date() {
        let later = |text: &str| match judge(503, Some(text), b"busy", &[id(1, 1, 0)], 784_111_777_000) {
            Answer::Later(after) => after,
            other => panic!("{other:?}"),
        };
        assert_eq!(later("120").wait, Some(Duration::from_secs(120)));
        assert_eq!(
            later("Sun, 06 Nov 1994 08:49:40 GMT").wait,
            Some(Duration::from_secs(3))
        );
        assert_eq!(later("Sun, 06 Nov 1994 08:49:30 GMT").wait, Some(Duration::ZERO));
        assert_eq!(later("soon").wait, None);
        assert_eq!(later("soon").detail, "the receiver answers 503: busy");
    }
}

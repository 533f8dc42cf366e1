//! Every kind of event: its fields by its schema, and what it reads like by its golden files.

use std::{collections::BTreeSet, fs};

use serde_json::Value;
use warren_state::{event::Kind, journal::JournalEntry};

use super::{api, code, head, table, words};

/// What each event has beside its own.
const COMMON: [(&str, &str); 5] = [
    ("v", "the version of the form, 1"),
    ("kind", "the kind, as below"),
    ("epoch", "which start of the daemon"),
    ("sequence", "its place in that start"),
    ("unix_ms", "when, in milliseconds since 1970"),
];

pub fn page() -> String {
    let mut text = head(
        "Events",
        "What can happen, as `warren events --json`, `/v3/events`, `/v3/journal` and hooks report it. The machine-readable description is \
         `api/events.schema.json`; how to follow events is in [Following a daemon](../events.md). A kind keeps its name and its fields; \
         what an older daemon wrote can always be read.\n\nEach entry has these fields, and those of its kind:",
    );
    text += &table(
        ["field", "what it says"],
        COMMON.map(|(name, what)| [code(name), what.to_owned()]),
    );
    let schemas: Value = serde_json::from_str(&read("api/events.schema.json")).unwrap();
    let mut kinds = Kind::ALL.to_vec();
    kinds.sort_by_key(|kind| (kind.topic().name(), kind.name()));
    let mut topic = "";
    for kind in kinds {
        if kind.topic().name() != topic {
            topic = kind.topic().name();
            text += &format!("\n## Topic {topic}\n");
        }
        text += &section(kind, &schemas["$defs"][kind.name()]);
    }
    text
}

fn section(kind: Kind, schema: &Value) -> String {
    let entries: Vec<JournalEntry> =
        serde_json::from_str(&read(&format!("fixtures/events/{kind}.json"))).unwrap();
    let levels: BTreeSet<String> = entries
        .iter()
        .map(|entry| format!("{:?}", entry.event.level()).to_lowercase())
        .collect();
    let kept = entries.iter().filter(|entry| entry.event.is_journaled()).count();
    let journal = match kept {
        0 => "not in the journal",
        all if all == entries.len() => "in the journal",
        _ => "in the journal where it matters to users",
    };
    let levels = levels.into_iter().collect::<Vec<_>>().join(" or ");
    let example = words(&entries[0].event.to_string());
    let required = &schema["required"];
    let fields = schema["properties"].as_object().unwrap().iter();
    let own = fields.filter(|(name, _)| COMMON.iter().all(|(common, _)| common != name));
    let rows = own.map(|(name, field)| {
        let may = if api::contains(required, name) {
            ""
        } else {
            ", or left out"
        };
        [code(name), api::kind(field) + may]
    });
    format!("\n### {kind}\n\n{levels}; {journal}. For example: {example}\n") + &table(["field", "type"], rows)
}

fn read(name: &str) -> String {
    fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

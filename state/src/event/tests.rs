use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    samples::{refusals, samples},
    *,
};
use crate::{Epoch, Sequence, journal::JournalEntry};

/// Set, the golden files are written instead of being compared.
const WRITE: &str = "WARREN_WRITE_GENERATED";

/// A file for each kind, with entries of the journal.
fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/events")
}

fn entries() -> BTreeMap<Kind, Vec<JournalEntry>> {
    let mut files: BTreeMap<Kind, Vec<JournalEntry>> = BTreeMap::new();
    for event in samples() {
        let file = files.entry(event.kind()).or_default();
        let sequence = Sequence(u64::try_from(file.len()).unwrap() + 1);
        file.push(JournalEntry {
            epoch: Epoch(3),
            sequence,
            unix_ms: 1_760_464_781_000,
            event,
        });
    }
    files
}

#[test]
fn the_committed_golden_files_hold_every_kind_and_are_read_and_written_as_they_are() {
    if env::var_os(WRITE).is_some() {
        keep_what_was();
        let _none = fs::remove_dir_all(golden());
        fs::create_dir_all(golden()).unwrap();
        for (kind, file) in entries() {
            fs::write(
                golden().join(format!("{kind}.json")),
                serde_json::to_string_pretty(&file).unwrap() + "\n",
            )
            .unwrap();
        }
    }
    let files: BTreeSet<String> = fs::read_dir(golden())
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .file_name()
                .to_string_lossy()
                .trim_end_matches(".json")
                .to_owned()
        })
        .collect();
    let kinds: BTreeSet<String> = Kind::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(files, kinds, "a golden file for each kind");
    for (kind, expected) in entries() {
        let text = fs::read_to_string(golden().join(format!("{kind}.json"))).unwrap();
        let read: Vec<JournalEntry> =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(read, expected, "{kind}");
        let written: Value = serde_json::to_value(&read).unwrap();
        assert_eq!(
            written,
            serde_json::from_str::<Value>(&text).unwrap(),
            "{kind}: run with {WRITE}=1 to write the files anew"
        );
    }
}

/// What was written once and is written no more is kept: somebody's journal has it.
fn earlier() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/events-earlier")
}

/// The entries of a file, which may not be there.
fn read_entries(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|_| "[]".to_owned());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}

/// Their numbers are those of the samples, which change.
fn without_numbers(entry: &Value) -> Value {
    let mut entry = entry.clone();
    ["sequence", "epoch", "unix_ms"]
        .iter()
        .for_each(|name| entry[*name] = Value::Null);
    entry
}

fn keep_what_was() {
    let new: BTreeMap<String, Vec<JournalEntry>> = entries()
        .into_iter()
        .map(|(kind, file)| (format!("{kind}.json"), file))
        .collect();
    for name in names(&golden()) {
        let written = serde_json::to_value(new.get(&name).cloned().unwrap_or_default()).unwrap();
        let mut known: Vec<Value> = written.as_array().unwrap().iter().map(without_numbers).collect();
        let mut kept = read_entries(&earlier().join(&name));
        known.extend(kept.iter().map(without_numbers));
        let gone = read_entries(&golden().join(&name));
        let before = kept.len();
        kept.extend(
            gone.into_iter()
                .filter(|entry| !known.contains(&without_numbers(entry))),
        );
        if kept.len() > before {
            fs::create_dir_all(earlier()).unwrap();
            let text = serde_json::to_string_pretty(&kept).unwrap() + "\n";
            fs::write(earlier().join(&name), text).unwrap();
        }
    }
}

fn schema_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/events.schema.json")
}

#[test]
fn the_committed_schemas_are_what_the_code_reads_and_writes() {
    let schema = schema::schema(&samples());
    if env::var_os(WRITE).is_some() {
        fs::write(
            schema_file(),
            serde_json::to_string_pretty(&schema).unwrap() + "\n",
        )
        .unwrap();
    }
    let committed: Value = serde_json::from_str(&fs::read_to_string(schema_file()).unwrap()).unwrap();
    assert!(
        committed == schema,
        "run with {WRITE}=1 to write the schemas anew"
    );
    assert_eq!(schema["$defs"].as_object().unwrap().len(), Kind::ALL.len());
}

/// Those of today, and whatever was written by an earlier version.
#[test]
fn every_golden_event_is_read_for_ever_and_is_what_its_schema_says() {
    let committed: Value = serde_json::from_str(&fs::read_to_string(schema_file()).unwrap()).unwrap();
    let mut read = 0;
    for directory in [golden(), earlier()] {
        for name in names(&directory) {
            for entry in read_entries(&directory.join(&name)) {
                let event: JournalEntry =
                    serde_json::from_value(entry.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
                let schema = &committed["$defs"][event.event.name()];
                schema::check(schema, &entry).unwrap_or_else(|error| panic!("{name}: {error}"));
                read += 1;
            }
        }
    }
    assert!(read > Kind::ALL.len());
}

/// Each field that a schema asks for, left out or of another sort, is found.
#[test]
fn what_is_no_event_is_refused_by_its_schema() {
    let schema = schema::schema(&samples());
    for (kind, file) in entries() {
        let schema = &schema["$defs"][kind.name()];
        for entry in file {
            let value = serde_json::to_value(&entry).unwrap();
            assert_eq!(schema::check(schema, &value), Ok(()), "{kind}");
            for name in schema["required"].as_array().unwrap() {
                let name = name.as_str().unwrap();
                let mut without = value.clone();
                without.as_object_mut().unwrap().remove(name);
                assert!(schema::check(schema, &without).is_err(), "{kind} without {name}");
                let mut other = value.clone();
                other[name] = serde_json::json!(1.5);
                assert!(
                    schema::check(schema, &other).is_err(),
                    "{kind} with another {name}"
                );
            }
        }
    }
}

#[test]
fn an_event_says_its_version_and_its_kind_and_is_read_back_alone_and_in_an_entry() {
    for event in samples() {
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(
            (&json["v"], &json["kind"]),
            (&Value::from(1), &Value::from(event.name())),
            "{json}"
        );
        assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
    }
}

#[test]
fn an_event_of_another_version_or_of_an_unknown_kind_is_an_error_and_never_another_event() {
    let read = |text: &str| serde_json::from_str::<Event>(text).map_err(|error| error.to_string());
    assert_eq!(
        read(r#"{"v":1,"kind":"switched","enabled":true,"later":"field"}"#),
        Ok(Event::Switched { enabled: true })
    );
    assert!(
        read(r#"{"v":2,"kind":"switched","enabled":true}"#)
            .unwrap_err()
            .contains("version 2")
    );
    assert!(
        read(r#"{"kind":"switched","enabled":true}"#)
            .unwrap_err()
            .contains("`v`")
    );
    assert!(
        read(r#"{"v":1,"kind":"of_later"}"#)
            .unwrap_err()
            .contains("of_later")
    );
    let invariant = r#"{"v":1,"kind":"invariant_broken","name":"INV-99","detail":""}"#;
    assert!(read(invariant).unwrap_err().contains("INV-99"));
}

#[test]
fn the_code_of_a_refusal_is_the_one_in_its_json() {
    for refusal in refusals() {
        assert_eq!(serde_json::to_value(&refusal).unwrap()["code"], refusal.code());
    }
}

/// What stands in a field of an event is for machines, but for what somebody else says, which is named so.
#[test]
fn no_field_of_an_event_is_prose_but_a_detail() {
    for event in samples() {
        check(event.name(), "", &serde_json::to_value(&event).unwrap());
    }

    fn check(kind: &str, field: &str, value: &Value) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(field, value)| check(kind, field, value)),
            Value::Array(values) => values.iter().for_each(|value| check(kind, field, value)),
            Value::String(text) => {
                let may = ["detail", "operation", "over_tunnel"].contains(&field)
                    || text.parse::<SessionName>().is_ok();
                assert!(may || !text.contains(' '), "{kind}.{field}: {text:?}");
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The reference's own names of statuses have spaces.
    struct SessionName;

    impl std::str::FromStr for SessionName {
        type Err = ();

        fn from_str(text: &str) -> Result<Self, ()> {
            SessionStatus::ALL
                .iter()
                .any(|status| status.name() == text)
                .then_some(Self)
                .ok_or(())
        }
    }
}

#[test]
fn words_are_one_line_without_an_end_mark() {
    for event in samples() {
        let words = event.to_string();
        assert!(
            !words.is_empty() && !words.contains('\n') && !words.ends_with('.'),
            "{words}"
        );
    }
}

/// Who looks at what happened sees levels from `info` on: what is kept for the next morning is among it, but for measurements and steps
/// on the way, whose ends are told.
#[test]
fn what_is_kept_for_an_operator_is_told_to_one_who_asked_for_no_more_than_that() {
    let on_the_way = |event: &Event| {
        matches!(
            event,
            Event::UsageSampled { .. }
                | Event::SpecChanged { .. }
                | Event::TunnelDrained { .. }
                | Event::PhaseChanged {
                    to: Phase::Peering,
                    ..
                }
        )
    };
    for event in samples().iter().filter(|event| event.is_journaled()) {
        assert_eq!(event.level() == Level::Debug, on_the_way(event), "{event:?}");
    }
}

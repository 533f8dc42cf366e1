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

//! A JSON schema of every kind of event, found out from the code that reads and writes them: what each field may be is tried on it.
//! And a check of a value against such a schema, of the words that are used here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{Event, Kind};

/// Texts of a form, each with one that has it.
const FORMS: [(&str, &str); 3] = [
    ("ipv4", "192.0.2.77"),
    ("ipv4-net", "192.0.2.0/24"),
    ("account", "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi"),
];
/// No field has this text in it.
const NO_WORD: &str = "\u{1}no word";
/// A name that has none of the forms.
const A_WORD: &str = "a-word";
/// What tells variants of an object apart.
const TAG: &str = "code";
/// The highest numbers of the sizes that fields have.
const HIGHEST: [u64; 4] = [u8::MAX as u64, u16::MAX as u64, u32::MAX as u64, u64::MAX];

/// One place in one event, as JSON.
#[derive(Clone)]
struct Sample<'a> {
    event: &'a Value,
    pointer: String,
}

/// The schema of all kinds, from events with every variant in them.
pub(super) fn schema(events: &[Event]) -> Value {
    let mut definitions = Map::new();
    for kind in Kind::ALL {
        let written: Vec<Value> = events
            .iter()
            .filter(|event| event.kind() == *kind)
            .map(|event| serde_json::to_value(event).unwrap())
            .collect();
        let samples: Vec<Sample<'_>> = written
            .iter()
            .map(|event| Sample {
                event,
                pointer: String::new(),
            })
            .collect();
        definitions.insert(kind.name().to_owned(), of_kind(*kind, &samples));
    }
    let kinds = Kind::ALL
        .iter()
        .map(|kind| json!({"$ref": format!("#/$defs/{kind}")}));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An event of warrend",
        "description": "As the journal keeps it. Streams, hooks and the API add `position`, `level`, `text` and others; fields may be added.",
        "oneOf": kinds.collect::<Vec<_>>(),
        "$defs": definitions,
    })
}

fn of_kind(kind: Kind, samples: &[Sample<'_>]) -> Value {
    let mut schema = object(samples);
    let number = json!({"type": "integer", "minimum": 0});
    let properties = schema["properties"].as_object_mut().unwrap();
    properties.insert("kind".to_owned(), json!({"const": kind.name()}));
    for name in ["epoch", "sequence", "unix_ms"] {
        properties.insert(name.to_owned(), number.clone());
    }
    let mut required: BTreeSet<String> = ["epoch", "sequence", "unix_ms"].map(str::to_owned).into();
    required.extend(
        schema["required"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap().to_owned()),
    );
    schema["required"] = json!(required);
    schema
}

/// What all these samples may be.
fn describe(samples: &[Sample<'_>]) -> Value {
    let mut sorts = Vec::new();
    let such = |is: fn(&Value) -> bool| -> Vec<Sample<'_>> {
        samples
            .iter()
            .filter(|place| is(place.value()))
            .cloned()
            .collect()
    };
    let (texts, numbers) = (such(Value::is_string), such(Value::is_number));
    let (arrays, objects) = (such(Value::is_array), such(Value::is_object));
    if !texts.is_empty() {
        sorts.push(text(&texts));
    }
    if !numbers.is_empty() {
        sorts.push(number(&numbers));
    }
    if !such(Value::is_boolean).is_empty() {
        sorts.push(json!({"type": "boolean"}));
    }
    if !arrays.is_empty() {
        let items = arrays.iter().flat_map(|place| {
            let count = place.value().as_array().unwrap().len();
            (0..count).map(|index| place.at(&index.to_string()))
        });
        let items: Vec<Sample<'_>> = items.collect();
        let items = match items.is_empty() {
            true => of_nothing(&arrays),
            false => describe(&items),
        };
        sorts.push(json!({"type": "array", "items": items}));
    }
    if !objects.is_empty() {
        sorts.push(variants(&objects));
    }
    if samples.iter().any(|place| place.accepts(&Value::Null)) {
        sorts.push(json!({"type": "null"}));
    }
    match &sorts[..] {
        [] => json!({}),
        [one] => one.clone(),
        _ => json!({"anyOf": sorts}),
    }
}

fn text(samples: &[Sample<'_>]) -> Value {
    let Some(refusal) = samples.iter().find_map(|place| place.refusal(&json!(NO_WORD))) else {
        return json!({"type": "string"});
    };
    if let Some(words) = words(&refusal) {
        return json!({"enum": words});
    }
    let takes = |text: &str| samples.iter().all(|place| place.accepts(&json!(text)));
    match FORMS.iter().find(|(_, example)| takes(example) && !takes(A_WORD)) {
        Some((form, _)) => json!({"type": "string", "format": form}),
        None => json!({"type": "string"}),
    }
}

/// No sample has an item: texts of a form are tried.
fn of_nothing(arrays: &[Sample<'_>]) -> Value {
    let takes = |item: &str| arrays.iter().all(|place| place.accepts(&json!([item])));
    match FORMS.iter().find(|(_, example)| takes(example) && !takes(A_WORD)) {
        Some((form, _)) => json!({"type": "string", "format": form}),
        None => json!({}),
    }
}

fn number(samples: &[Sample<'_>]) -> Value {
    let accepts = |number: Value| samples.iter().all(|place| place.accepts(&number));
    if accepts(json!(1.5)) {
        return json!({"type": "number"});
    }
    let mut schema = json!({"type": "integer"});
    if !accepts(json!(-1)) {
        schema["minimum"] = json!(0);
    }
    // A field that is bounded in another way has its own words for that.
    let highest = HIGHEST
        .into_iter()
        .find(|highest| accepts(json!(highest)) && !accepts(json!(highest.saturating_add(1))));
    if let Some(highest) = highest {
        schema["maximum"] = json!(highest);
    }
    schema
}

/// Objects that a tag tells apart are told apart.
fn variants(samples: &[Sample<'_>]) -> Value {
    let mut by_tag: BTreeMap<&str, Vec<Sample<'_>>> = BTreeMap::new();
    for place in samples {
        let Some(tag) = place.value()[TAG].as_str() else {
            return object(samples);
        };
        by_tag.entry(tag).or_default().push(place.clone());
    }
    let refusal = samples[0].at(TAG).refusal(&json!(NO_WORD));
    let known: BTreeSet<String> = refusal
        .as_deref()
        .and_then(words)
        .unwrap_or_default()
        .into_iter()
        .collect();
    let seen: BTreeSet<String> = by_tag.keys().map(|tag| (*tag).to_owned()).collect();
    if known.len() < 2 {
        return object(samples);
    }
    let mut schemas: Vec<Value> = Vec::new();
    for (tag, samples) in &by_tag {
        let mut schema = object(samples);
        schema["properties"][TAG] = json!({"const": tag});
        schemas.push(schema);
    }
    // Another kind of event has samples of those.
    let others: Vec<&String> = known.difference(&seen).collect();
    if !others.is_empty() {
        schemas.push(json!({"type": "object", "properties": {TAG: {"enum": others}}, "required": [TAG]}));
    }
    json!({"oneOf": schemas})
}

fn object(samples: &[Sample<'_>]) -> Value {
    let names: BTreeSet<&String> = samples
        .iter()
        .flat_map(|place| place.value().as_object().unwrap().keys())
        .collect();
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for name in names {
        let having: Vec<Sample<'_>> = samples
            .iter()
            .filter(|place| place.value().get(name).is_some())
            .map(|place| place.at(name))
            .collect();
        let schema = match name.as_str() {
            "v" => json!({"const": 1}),
            _ => describe(&having),
        };
        properties.insert(name.clone(), schema);
        if having.len() == samples.len() && samples.iter().all(|place| !place.accepts_without(name)) {
            required.push(name.clone());
        }
    }
    json!({"type": "object", "properties": properties, "required": required})
}

/// `unknown variant `x`, expected one of `a`, `b``.
fn words(refusal: &str) -> Option<Vec<String>> {
    let (_, expected) = refusal.split_once("unknown variant")?.1.split_once("expected ")?;
    let mut words: Vec<String> = expected
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    words.sort();
    Some(words)
}

impl Sample<'_> {
    fn value(&self) -> &Value {
        self.event.pointer(&self.pointer).unwrap()
    }

    fn at(&self, name: &str) -> Self {
        Self {
            event: self.event,
            pointer: format!("{}/{name}", self.pointer),
        }
    }

    fn refusal(&self, value: &Value) -> Option<String> {
        let mut changed = self.event.clone();
        *changed.pointer_mut(&self.pointer).unwrap() = value.clone();
        read(changed)
    }

    fn accepts(&self, value: &Value) -> bool {
        self.refusal(value).is_none()
    }

    fn accepts_without(&self, name: &str) -> bool {
        let mut changed = self.event.clone();
        let object = changed.pointer_mut(&self.pointer).unwrap();
        object.as_object_mut().unwrap().remove(name);
        read(changed).is_none()
    }
}

/// What the code says to it; nothing where it takes it.
fn read(event: Value) -> Option<String> {
    serde_json::from_value::<Event>(event)
        .err()
        .map(|error| error.to_string())
}

/// Checks a value.
///
/// # Errors
/// Where and how it differs.
pub(super) fn check(schema: &Value, value: &Value) -> Result<(), String> {
    for (word, says) in schema.as_object().unwrap() {
        let good = match word.as_str() {
            "type" => is(says.as_str().unwrap(), value),
            "const" => says == value,
            "enum" => says.as_array().unwrap().contains(value),
            "minimum" => value
                .as_u64()
                .is_some_and(|number| number >= says.as_u64().unwrap()),
            "maximum" => value
                .as_u64()
                .is_none_or(|number| number <= says.as_u64().unwrap()),
            "format" => has_form(says.as_str().unwrap(), value.as_str().unwrap_or_default()),
            "oneOf" => {
                says.as_array()
                    .unwrap()
                    .iter()
                    .filter(|one| check(one, value).is_ok())
                    .count()
                    == 1
            }
            "anyOf" => says
                .as_array()
                .unwrap()
                .iter()
                .any(|one| check(one, value).is_ok()),
            "required" => says
                .as_array()
                .unwrap()
                .iter()
                .all(|name| value.get(name.as_str().unwrap()).is_some()),
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    check(says, item)?;
                }
                true
            }
            "properties" => {
                for (name, schema) in says.as_object().unwrap() {
                    let property = value.get(name);
                    property.map_or(Ok(()), |property| {
                        check(schema, property).map_err(|error| format!("{name}: {error}"))
                    })?;
                }
                true
            }
            other => panic!("{other} is no word of these schemas"),
        };
        if !good {
            return Err(format!("{word} {says}: {value}"));
        }
    }
    Ok(())
}

fn is(sort: &str, value: &Value) -> bool {
    match sort {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other} is no type of these schemas"),
    }
}

fn has_form(form: &str, text: &str) -> bool {
    match form {
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv4-net" => text.parse::<ipnet::Ipv4Net>().is_ok(),
        "account" => text.parse::<crate::Pubkey>().is_ok(),
        other => panic!("{other} is no form of these schemas"),
    }
}

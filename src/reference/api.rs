//! Every path of the API and every type of its answers.

use serde_json::Value;
use warren_api::openapi;

use super::{code, head, table, words};

pub fn page() -> String {
    let description: Value = serde_json::from_str(&openapi::document()).unwrap();
    let mut text = head(
        "API",
        "HTTP on the daemon's Unix socket. The machine-readable description is `/openapi.json` there, and `api/openapi.json` in the \
         repository. Paths without `/v3` are the reference's.",
    );
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            text += &section(&format!("{} {path}", method.to_uppercase()), operation);
        }
    }
    text += "\n## Types\n";
    for (name, schema) in description["components"]["schemas"].as_object().unwrap() {
        text += &described(name, schema);
    }
    text
}

fn section(title: &str, operation: &Value) -> String {
    let mut text = format!("\n## {title}\n");
    for part in ["summary", "description"] {
        if let Some(said) = operation[part].as_str() {
            text += &format!("\n{}\n", words(said));
        }
    }
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    text += &table(
        ["parameter", "in", "type", "what it says"],
        parameters.map(|one| {
            [
                code(plain(&one["name"])),
                plain(&one["in"]).to_owned(),
                kind(&one["schema"]),
                words(plain(&one["description"])),
            ]
        }),
    );
    if let Some(content) = operation["requestBody"]["content"].as_object() {
        let bodies = content
            .iter()
            .map(|(form, body)| format!("{} as `{form}`", kind(&body["schema"])));
        text += &format!("\nThe body: {}.\n", bodies.collect::<Vec<_>>().join(", or "));
    }
    let answers = operation["responses"].as_object().into_iter().flatten();
    text + &table(
        ["status", "when", "body"],
        answers.map(|(status, answer)| {
            let content = answer["content"].as_object().into_iter().flatten();
            let bodies = content.map(|(form, body)| match kind(&body["schema"]) {
                json if form == "application/json" => json,
                other => format!("{other}, `{form}`"),
            });
            let bodies: Vec<String> = bodies.collect();
            [
                status.clone(),
                words(plain(&answer["description"])),
                bodies.join(", "),
            ]
        }),
    )
}

fn described(name: &str, schema: &Value) -> String {
    let mut text = format!("\n### {name}\n\n{}\n", words(plain(&schema["description"])));
    match schema["properties"].as_object() {
        None => text += &format!("\n{}\n", kind(schema)),
        Some(fields) => {
            let row = |(name, field): (&String, &Value)| {
                let may = if contains(&schema["required"], name) {
                    ""
                } else {
                    ", or left out"
                };
                [code(name), kind(field) + may, words(plain(&field["description"]))]
            };
            text += &table(["field", "type", "what it says"], fields.iter().map(row));
        }
    }
    text
}

/// What a schema allows, in words.
pub fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if let Some(all) = schema[several].as_array() {
            return all.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        return values
            .iter()
            .map(|value| code(plain(value)))
            .collect::<Vec<_>>()
            .join(", ");
    }
    if !schema["const"].is_null() {
        return code(&schema["const"].to_string());
    }
    match &schema["type"] {
        Value::Array(types) => {
            let each = types.iter().map(|one| of_type(plain(one), schema));
            each.collect::<Vec<_>>().join(" or ")
        }
        one => of_type(plain(one), schema),
    }
}

fn of_type(name: &str, schema: &Value) -> String {
    match name {
        "array" => format!("list of {}", kind(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("map to {}", kind(&schema["additionalProperties"]))
        }
        "object" => match schema["properties"].as_object() {
            None => "object".to_owned(),
            Some(fields) => {
                let fields = fields
                    .iter()
                    .map(|(name, field)| format!("{}: {}", code(name), kind(field)));
                format!("object ({})", fields.collect::<Vec<_>>().join(", "))
            }
        },
        "null" => "nothing".to_owned(),
        "" => "anything".to_owned(),
        other => other.to_owned(),
    }
}

pub fn contains(names: &Value, name: &str) -> bool {
    names
        .as_array()
        .is_some_and(|names| names.iter().any(|one| one == name))
}

/// What is there as text, or nothing.
fn plain(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

//! The reference under `docs/reference/`: made from the grammar, the flags, the API's description, the kinds of events and the metrics
//! themselves, committed, and held to them here.

mod api;
mod commands;
mod events;
mod files;
mod metrics;

use std::{collections::BTreeSet, fs, path::PathBuf};

/// Set, the files are written instead of compared (`make generated`).
const WRITE: &str = "WARREN_WRITE_GENERATED";

/// What each page begins with, below its title.
const MADE: &str =
    "<!-- Made from the code by `make generated`; a test holds it to the code. Change the code instead. -->";

fn pages() -> [(&'static str, String); 5] {
    [
        ("commands.md", commands::page()),
        ("files.md", files::page()),
        ("api.md", api::page()),
        ("events.md", events::page()),
        ("metrics.md", metrics::page()),
    ]
}

#[test]
fn the_committed_reference_is_what_the_code_says() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference"));
    if std::env::var_os(WRITE).is_some() {
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in pages() {
            fs::write(folder.join(name), text).unwrap();
        }
    }
    for (name, text) in pages() {
        let committed = fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(
            committed == text,
            "docs/reference/{name} is not what the code says: run make generated"
        );
    }
    let there = fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap());
    let made = pages().map(|(name, _)| name.to_owned());
    assert_eq!(
        there.collect::<BTreeSet<_>>(),
        BTreeSet::from(made),
        "a page that nothing makes, or one that is missing"
    );
}

/// The beginning of a page.
fn head(title: &str, about: &str) -> String {
    format!("# {title}\n\n{MADE}\n\n{about}\n")
}

/// A table, with its empty line before it; nothing without rows.
fn table<const N: usize>(columns: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let rows: Vec<String> = rows.into_iter().map(|row| line(&row)).collect();
    if rows.is_empty() {
        return String::new();
    }
    let names = columns.map(str::to_owned);
    let rule = format!("|{}\n", "---|".repeat(N));
    format!("\n{}{rule}{}", line(&names), rows.concat())
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// As it may stand in a cell: no line ends, and nothing that ends the cell or begins a tag outside of code.
fn words(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(at, part)| {
        if at % 2 == 0 {
            part.replace('<', "&lt;")
        } else {
            part.to_owned()
        }
    });
    parts.collect::<Vec<_>>().join("`").replace('|', "\\|")
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

#[test]
fn what_stands_in_a_cell_neither_ends_it_nor_is_a_tag() {
    assert_eq!(words("a <b>\n  `<c>|d`"), "a &lt;b> `<c>\\|d`");
    assert_eq!(
        table(["x", "y"], [[code("a|b"), words("c")]]),
        "\n| x | y |\n|---|---|\n| `a\\|b` | c |\n"
    );
    assert_eq!(table(["x"], []), "");
}

/// The sources below a folder that are no file of tests.
fn sources(folder: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            texts.extend(sources(path.to_str().unwrap()));
        } else if name.ends_with(".rs") && !["tests.rs", "generated.rs"].contains(&name.as_str()) {
            texts.push(fs::read_to_string(path).unwrap());
        }
    }
    texts
}

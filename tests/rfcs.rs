//! The decisions have one form, and no number twice.

use std::{collections::BTreeSet, fs, path::Path};

const HEADINGS: [&str; 3] = ["## Context", "## Decision", "## Consequences"];

/// What is wrong with the form of a decision, where its file has this name.
fn flaw(name: &str, text: &str) -> Option<String> {
    let number = name.get(..4)?;
    let mut lines = text.lines().filter(|line| !line.is_empty());
    let title = lines.next().unwrap_or_default();
    if !title.starts_with(&format!("# {number}: ")) {
        return Some(format!("its title is {title:?}"));
    }
    let status = lines.next().unwrap_or_default();
    if ![
        "Status: accepted, 20",
        "Status: proposed, 20",
        "Status: superseded by ",
    ]
    .iter()
    .any(|form| status.starts_with(form))
    {
        return Some(format!("its status is {status:?}"));
    }
    let headings: Vec<&str> = text.lines().filter(|line| HEADINGS.contains(line)).collect();
    (headings != HEADINGS).then(|| format!("its headings are {headings:?}"))
}

#[test]
fn every_decision_has_a_status_and_the_same_parts() {
    let mut numbers = BTreeSet::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("rfcs")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name == "README.md" {
            continue;
        }
        assert_eq!(flaw(&name, &fs::read_to_string(&path).unwrap()), None, "{name}");
        assert!(
            numbers.insert(name[..4].to_owned()),
            "{name}: the number is given twice"
        );
    }
    assert!(numbers.len() > 20);
}

#[test]
fn a_form_that_differs_is_found() {
    let good = "# 0001: x\n\nStatus: accepted, 2026-01-01; built.\n\n## Context\na\n## Decision\nb\n## Consequences\nc\n";
    assert_eq!(flaw("0001-x.md", good), None);
    for (from, to) in [
        ("0001", "0002"),
        ("Status: accepted", "Accepted"),
        ("## Decision", "**Decision.**"),
        ("## Consequences", "## Costs"),
    ] {
        assert!(
            flaw("0001-x.md", &good.replace(from, to)).is_some(),
            "{from} -> {to}"
        );
    }
}

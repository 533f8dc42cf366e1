//! The pages under `docs/` and the README tell the truth about what is where.

use std::{fs, path::Path};

/// As many lines as a screen has, and no more than are read.
const SCREEN: usize = 60;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// The files of code that a text names, as paths from the root of the repository.
fn sources(text: &str) -> Vec<&str> {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || "/_.-".contains(c));
    text.split(ends)
        .filter(|word| word.ends_with(".rs") && word.contains('/'))
        .collect()
}

/// The files of this repository that a page links to, as the page names them.
fn links(text: &str) -> Vec<&str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#']).next())
        .filter(|link| !link.is_empty() && !link.contains("://"))
        .collect()
}

#[test]
fn every_file_on_the_walks_is_where_the_page_says() {
    let text = page("docs/architecture.md");
    let named = sources(&text);
    assert!(named.len() > 60, "only {} files are named", named.len());
    let missing: Vec<&&str> = named.iter().filter(|file| !root().join(file).is_file()).collect();
    assert!(
        missing.is_empty(),
        "docs/architecture.md names files that are not there: {missing:?}"
    );
}

#[test]
fn every_room_is_on_the_page_and_every_link_leads_somewhere() {
    let text = page("docs/architecture.md");
    for member in page("Cargo.toml")
        .split_once("members = [")
        .and_then(|(_, rest)| rest.split_once(']'))
        .map(|(members, _)| {
            members
                .split('"')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .unwrap()
        .iter()
        .filter(|member| *member != ".")
    {
        assert!(
            text.contains(&format!("`{member}")),
            "{member} is no room on the page"
        );
    }
    for (name, folder) in [
        ("README.md", ""),
        ("INSTALL.md", ""),
        ("docs/architecture.md", "docs"),
        ("docs/demo.md", "docs"),
        ("docs/what-works.md", "docs"),
    ] {
        for link in links(&page(name)) {
            assert!(
                root().join(folder).join(link).exists(),
                "{name} links to {link}, which is not there"
            );
        }
    }
}

#[test]
fn the_readme_fits_a_screen() {
    let lines = page("README.md").lines().count();
    assert!(
        lines <= SCREEN,
        "README.md has {lines} lines: what is long goes to docs/"
    );
}

#[test]
fn what_a_page_names_is_found_in_it() {
    assert_eq!(
        sources("a/b.rs  c `src/x_y.rs`; z.rs\nsrc/old/name.rs,"),
        ["a/b.rs", "src/x_y.rs", "src/old/name.rs"]
    );
    assert_eq!(
        links("[a](b.md), [c](d.md#e) [f](https://g) [h](#i)"),
        ["b.md", "d.md"]
    );
}

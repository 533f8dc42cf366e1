//! The pages under `docs/` and the README tell the truth about what is where.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

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

/// The files of this repository that a page links to, as the page names them, and the heading there.
fn links(text: &str) -> Vec<(&str, &str)> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|link| !link.is_empty() && !link.contains("://"))
        .map(|link| link.split_once('#').unwrap_or((link, "")))
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
    let mut pages = files("docs", "md");
    pages.extend(["README.md".to_owned(), "INSTALL.md".to_owned()]);
    for name in pages {
        let folder = Path::new(&name).parent().unwrap();
        for (file, place) in links(&page(&name)) {
            let file = match file {
                "" => name.clone(),
                file => folder.join(file).to_str().unwrap().to_owned(),
            };
            assert!(
                root().join(&file).exists(),
                "{name} links to {file}, which is not there"
            );
            assert!(
                place.is_empty() || headings(&page(&file)).contains(place),
                "{name} links to {file}#{place}: there is no such heading"
            );
        }
    }
}

#[test]
fn the_book_has_every_page_once_and_no_other() {
    let summary = page("docs/SUMMARY.md");
    let mut named: Vec<String> = links(&summary)
        .iter()
        .map(|(file, _)| format!("docs/{file}"))
        .collect();
    named.sort();
    let mut there = files("docs", "md");
    there.retain(|name| name != "docs/SUMMARY.md");
    assert_eq!(named, there);
}

/// What a walk takes as its example is in every file that it names and in no other, and what it quotes is there word for word.
#[test]
fn who_follows_a_walk_finds_everything_where_it_says() {
    let product: BTreeMap<String, String> = [
        "src",
        "api",
        "actors",
        "metering",
        "dataplane",
        "protocols",
        "ledger",
        "state",
    ]
    .iter()
    .flat_map(|room| files(room, "rs"))
    .filter(|file| is_product(file))
    .map(|file| {
        let text = page(&file);
        let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
        (file, text[..end].to_owned())
    })
    .collect();
    let text = page("docs/contributing.md");
    let walks: Vec<&str> = text.split("\n## ").skip(1).collect();
    assert_eq!(walks.len(), 3);
    for walk in walks {
        let (title, rest) = walk.split_once('\n').unwrap();
        let (example, steps) = rest.split_once("\n\n1. ").unwrap();
        let (marks, _) = example
            .split_once("The example is ")
            .unwrap()
            .1
            .rsplit_once("`:")
            .unwrap();
        let marks: Vec<&str> = marks.split('`').skip(1).step_by(2).collect();
        let has = |text: &str| marks.iter().any(|mark| text.contains(mark));
        let named: BTreeSet<&str> = sources(steps).into_iter().collect();
        for file in &named {
            assert!(has(&page(file)), "{title}: {file} has nothing of {marks:?}");
        }
        let lacking: Vec<&String> = product
            .iter()
            .filter(|(file, text)| has(text) && !named.contains(file.as_str()))
            .map(|(file, _)| file)
            .collect();
        assert!(lacking.is_empty(), "{title}: {marks:?} is in {lacking:?} too");
        let quoted = quotations(steps);
        assert!(quoted.len() > 2, "{title}: only {} quotations", quoted.len());
        for (file, quotation) in quoted {
            assert!(
                page(file).contains(&quotation),
                "{title}: {file} does not have\n{quotation}"
            );
        }
    }
}

fn is_product(file: &str) -> bool {
    let is_test = ["/tests/", "/examples/"]
        .iter()
        .any(|folder| file.contains(folder));
    !is_test && !file.ends_with("/tests.rs")
}

/// What is quoted in steps, with the file that was named last before it.
fn quotations(steps: &str) -> Vec<(&str, String)> {
    let mut quotations = Vec::new();
    let mut named = "";
    for (at, part) in steps.split("```").enumerate() {
        if at % 2 == 0 {
            named = sources(part).last().copied().unwrap_or(named);
        } else {
            let lines = part.lines().skip(1).filter(|line| !line.trim().is_empty());
            let lines = lines.map(|line| line.strip_prefix("   ").unwrap_or(line));
            quotations.push((named, lines.collect::<Vec<_>>().join("\n")));
        }
    }
    quotations
}

/// The files below a folder that end so, sorted; what is compiled or installed there is not looked at.
fn files(folder: &str, end: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            if !["target", "node_modules"].contains(&&*entry.file_name().to_string_lossy()) {
                found.extend(files(&name, end));
            }
        } else if name.ends_with(&format!(".{end}")) {
            found.push(name);
        }
    }
    found.sort();
    found
}

/// Where a link may lead within a page.
fn headings(text: &str) -> BTreeSet<String> {
    let title = |line: &str| {
        let text = line.trim_start_matches('#').trim().to_lowercase();
        let kept = text
            .chars()
            .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        kept.collect::<String>().replace(' ', "-")
    };
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(title)
        .collect()
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
        [("b.md", ""), ("d.md", "e"), ("", "i")]
    );
}

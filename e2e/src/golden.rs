//! Output that is held to templates: `fixtures/cli/SERVICE/STATE.tmpl`.
//!
//! A template is a list of commands, each behind `$ `, with what it prints. `{{name}}` stands for a value of the test's (an address, an
//! account) or, with the names `time` and `key`, for anything of that form. Tables are compared cell by cell, so that a difference is
//! told under its heading; then the whole table must be laid out as the reference lays it out, to the byte. Where a text begins with
//! `{{lines}}`, only its end is compared.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use unicode_width::UnicodeWidthStr as _;

use crate::{
    operator::Said,
    wait::{Ask, until},
};

/// The values that templates know by name.
#[derive(Clone, Debug, Default)]
pub struct Golden {
    values: BTreeMap<&'static str, String>,
}

/// A value that no test knows beforehand.
#[derive(Clone, Copy)]
enum Free {
    /// `2026-11-26 11:26:15 UTC`, `2026-11-26T11:26:15Z` or seconds since 1970.
    Time,
    /// An account's address.
    Key,
}

impl Golden {
    /// With one more value.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.values.insert(name, value.to_string());
        self
    }

    /// Types the template's commands until each prints what stands below it. They must change nothing.
    ///
    /// # Errors
    /// When they do not within the deadline, or a command cannot be run.
    pub fn holds(
        &self,
        service: &str,
        state: &str,
        soon: Duration,
        mut typed: impl FnMut(&[&str]) -> Result<Said>,
    ) -> Result<()> {
        let file = path(service, state);
        let template = read(&file)?;
        let what = format!("{} is what is printed", file.display());
        until(&what, soon, || {
            for (words, expected) in commands(&template) {
                let said = typed(&words.split(' ').collect::<Vec<_>>())?;
                if let Some(difference) = self.difference(&expected, &said.out) {
                    return Ok(Ask::NotYet(format!("$ {words}\n{difference}\n{said}")));
                }
            }
            Ok(Ask::Yes(()))
        })?;
        Ok(())
    }

    /// Holds what one command has printed to the template's text for it.
    ///
    /// # Errors
    /// With the difference.
    pub fn is_printed(&self, service: &str, state: &str, words: &[&str], said: &Said) -> Result<()> {
        let file = path(service, state);
        let template = read(&file)?;
        let words = words.join(" ");
        let expected = commands(&template).into_iter().find(|(typed, _)| *typed == words);
        let (_, expected) =
            expected.with_context(|| format!("{} does not know {words:?}", file.display()))?;
        match self.difference(&expected, &said.out) {
            Some(difference) => bail!("{}\n$ {words}\n{difference}\n{said}", file.display()),
            None => Ok(()),
        }
    }

    /// What is different, if anything is.
    fn difference(&self, expected: &str, printed: &str) -> Option<String> {
        let end = expected.strip_prefix("{{lines}}\n");
        let (expected_parts, mut printed_parts) = (parts(end.unwrap_or(expected)), parts(printed));
        if end.is_some() {
            printed_parts.drain(..printed_parts.len().saturating_sub(expected_parts.len()));
        }
        let pairs = expected_parts.iter().zip(&printed_parts);
        let different: Vec<String> = pairs
            .filter_map(|(expected, printed)| self.differs(expected, printed))
            .collect();
        if !different.is_empty() {
            return Some(different.join("\n"));
        }
        let (wanted, found) = (expected_parts.len(), printed_parts.len());
        (wanted != found).then(|| format!("{wanted} tables and lines are expected, {found} are printed"))
    }

    fn differs(&self, expected: &Part<'_>, printed: &Part<'_>) -> Option<String> {
        match (expected, printed) {
            (Part::Table(expected), Part::Table(printed)) => self.tables_differ(expected, printed),
            (Part::Line(expected), Part::Line(printed)) if self.fits(expected, printed) => None,
            (expected, printed) => Some(format!("- {expected}\n+ {printed}")),
        }
    }

    fn tables_differ(&self, expected: &[&str], printed: &[&str]) -> Option<String> {
        let heads = cells(expected[0]);
        let mut different = Vec::new();
        for (number, (wanted, found)) in expected.iter().zip(printed).enumerate() {
            let (wanted, found) = (cells(wanted), cells(found));
            if wanted.len() != found.len() {
                different.push(format!(
                    "line {number}: {} cells are expected, {} are printed",
                    wanted.len(),
                    found.len()
                ));
            }
            let each = heads.iter().zip(wanted.iter().zip(&found));
            let off = each.filter(|(_, (wanted, found))| !self.fits(wanted, found));
            different.extend(off.map(|(head, (wanted, found))| {
                format!("line {number}, {head}: {wanted:?} is expected, {found:?} is printed")
            }));
        }
        if expected.len() != printed.len() {
            different.push(format!(
                "{} lines are expected, {} are printed",
                expected.len(),
                printed.len()
            ));
        }
        let laid_out = laid_out(&printed.iter().map(|line| cells(line)).collect::<Vec<_>>());
        if different.is_empty() && laid_out != printed {
            different.push(format!(
                "the cells are right, but laid out otherwise:\n- {}\n+ {}",
                laid_out.join("\n- "),
                printed.join("\n+ ")
            ));
        }
        (!different.is_empty()).then(|| different.join("\n"))
    }

    /// Whether a text is what a pattern with placeholders means.
    fn fits(&self, pattern: &str, text: &str) -> bool {
        let Some((before, rest)) = pattern.split_once("{{") else {
            return pattern == text;
        };
        let (Some((name, after)), Some(text)) = (rest.split_once("}}"), text.strip_prefix(before)) else {
            return false;
        };
        match (self.values.get(name), Free::named(name)) {
            (Some(value), _) => text
                .strip_prefix(value.as_str())
                .is_some_and(|text| self.fits(after, text)),
            (None, Some(free)) => {
                let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
                ends.map(|end| text.split_at(end))
                    .any(|(value, text)| free.takes(value) && self.fits(after, text))
            }
            (None, None) => false,
        }
    }
}

impl Free {
    fn named(name: &str) -> Option<Self> {
        match name {
            "time" => Some(Self::Time),
            "key" => Some(Self::Key),
            _ => None,
        }
    }

    fn takes(self, value: &str) -> bool {
        match self {
            Self::Time => {
                let form: String = value
                    .chars()
                    .map(|letter| if letter.is_ascii_digit() { '0' } else { letter })
                    .collect();
                ["0000-00-00 00:00:00 UTC", "0000-00-00T00:00:00Z", "0000000000"].contains(&form.as_str())
            }
            Self::Key => {
                (32..=44).contains(&value.len()) && value.chars().all(|letter| letter.is_ascii_alphanumeric())
            }
        }
    }
}

/// A table, or a line outside of one.
enum Part<'a> {
    Table(Vec<&'a str>),
    Line(&'a str),
}

impl std::fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Table(lines) => f.write_str(&lines.join("\n")),
            Self::Line(line) => f.write_str(line),
        }
    }
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    for line in text.lines() {
        match (parts.last_mut(), line.contains(" | ")) {
            (Some(Part::Table(lines)), true) => lines.push(line),
            (_, true) => parts.push(Part::Table(vec![line])),
            (_, false) => parts.push(Part::Line(line)),
        }
    }
    parts
}

fn cells(line: &str) -> Vec<&str> {
    line.split('|').map(str::trim).collect()
}

/// The reference's layout: columns as wide as their widest cell on a terminal, a blank on each side of it, nothing cut at the end.
fn laid_out(rows: &[Vec<&str>]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.width())
            .max()
            .unwrap_or(0)
    };
    let padded = |(column, cell): (usize, &&str)| {
        format!(
            " {cell}{} ",
            " ".repeat(width(column).saturating_sub(cell.width()))
        )
    };
    rows.iter()
        .map(|row| row.iter().enumerate().map(padded).collect::<Vec<_>>().join("|"))
        .collect()
}

fn path(service: &str, state: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures/cli")
        .join(service)
        .join(format!("{state}.tmpl"))
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// The commands of a template, each with what it prints.
fn commands(template: &str) -> Vec<(&str, String)> {
    let mut commands: Vec<(&str, String)> = Vec::new();
    for line in template.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(words), _) => commands.push((words, String::new())),
            (None, Some((_, printed))) => printed.push_str(&format!("{line}\n")),
            (None, None) => {}
        }
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = " Name | Since    | IP \n x    | {{time}} | {{client}} \nowner: {{key}}, done\n";
    const PRINTED: &str = concat!(
        " Name | Since                   | IP        \n x    | 2026-11-26 11:26:15 UTC | 192.0.2.1 \n",
        "owner: 7vKKrFXqtd9a5ZgkbpxRyojA6B1PWJ4aLcfbABtCUtLd, done\n",
    );

    fn difference(printed: &str) -> Option<String> {
        Golden::default()
            .with("client", "192.0.2.1")
            .difference(TEMPLATE, printed)
    }

    #[test]
    fn what_fits_has_no_difference_however_wide_the_values_are() {
        assert_eq!(difference(PRINTED), None);
    }

    #[test]
    fn every_kind_of_difference_is_told() {
        for (printed, part) in [
            (
                PRINTED.replace("192.0.2.1", "192.0.2.2"),
                "line 1, IP: \"{{client}}\" is expected, \"192.0.2.2\" is printed",
            ),
            (PRINTED.replace("11:26:15 UTC", "now         "), "line 1, Since:"),
            (PRINTED.replace("7vKK", "0OIl!"), "- owner: {{key}}, done"),
            (PRINTED.replace(" x   ", " x  "), "laid out otherwise"),
            (
                PRINTED.replace("192.0.2.1 \n", "192.0.2.1\n"),
                "laid out otherwise",
            ),
            (
                PRINTED.replace(" x    |", " x    | more |"),
                "line 1: 3 cells are expected, 4 are printed",
            ),
            (
                PRINTED.replace("owner", " y    | 2026-11-26 11:26:15 UTC | 192.0.2.1 \nowner"),
                "2 lines are expected, 3 are printed",
            ),
            (
                PRINTED.replace("done\n", "done\nmore\n"),
                "2 tables and lines are expected, 3 are printed",
            ),
            (String::new(), "2 tables and lines are expected, 0 are printed"),
        ] {
            let told = difference(&printed).unwrap_or_default();
            assert!(told.contains(part), "{part:?} is not in {told}");
        }
    }

    #[test]
    fn where_the_beginning_is_anything_the_end_still_counts() {
        let golden = Golden::default();
        for (printed, fits) in [
            ("b\n", true),
            ("x\ny | z\nb\n", true),
            ("b\nx\n", false),
            ("", false),
        ] {
            assert_eq!(
                golden.difference("{{lines}}\nb\n", printed).is_none(),
                fits,
                "{printed:?}"
            );
        }
    }

    #[test]
    fn commands_are_read_with_what_they_print() {
        let template = "What this is.\n$ status\n a | b \n\n$ user list --json\n[]\n";
        assert_eq!(
            commands(template),
            [
                ("status", " a | b \n\n".to_owned()),
                ("user list --json", "[]\n".to_owned())
            ]
        );
    }
}

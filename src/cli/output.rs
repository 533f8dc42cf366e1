//! What is printed, and where: results on standard output, everything else on standard error. There is no colour.

use std::io::{self, Write};

use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;
pub use warren_api::phrases::{count, date, span};

use super::{
    name::{self, Name},
    progress,
};

/// In which form a result is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutputFormat {
    /// A line of text for each event.
    Text,
    /// JSON over several lines.
    Json,
    /// JSON in one line.
    Compact,
}

impl OutputFormat {
    /// Whether it is JSON.
    #[must_use]
    pub fn is_json(self) -> bool {
        self != Self::Text
    }
}

/// Prints a result in this form.
///
/// # Errors
/// When standard output cannot be written.
pub fn result(
    form: OutputFormat,
    as_text: impl FnOnce() -> String,
    value: &impl Serialize,
) -> anyhow::Result<u8> {
    match form {
        OutputFormat::Text => text(&as_text()),
        OutputFormat::Json => json(value),
        OutputFormat::Compact => text(&(serde_json::to_string(value)? + "\n")),
    }
}

/// Prints text as it is.
///
/// # Errors
/// When standard output cannot be written; a reader that closed it is not an error.
pub fn text(text: &str) -> anyhow::Result<u8> {
    progress::clear();
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(super::OK),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(super::OK),
        Err(error) => Err(error.into()),
    }
}

/// Prints a line, and says whether anybody still reads.
///
/// # Errors
/// When standard output cannot be written; a reader that closed it is not an error.
pub fn line(text: &str) -> io::Result<bool> {
    progress::clear();
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// Prints JSON.
///
/// # Errors
/// When standard output cannot be written.
pub fn json(value: &impl Serialize) -> anyhow::Result<u8> {
    text(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// Tells of an error.
pub fn complain(error: &str) {
    progress::clear();
    let who = if name::is_reference() { "Error" } else { "warren" };
    let _unwritable = writeln!(io::stderr().lock(), "{who}: {error}");
}

/// Tells, beside the result, of something that is not as it should be.
pub fn note(text: &str) {
    progress::clear();
    let _unwritable = writeln!(io::stderr().lock(), "note: {}", tame(text));
}

/// A table of text, as the name that this process was called by wants it.
#[must_use]
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    table_as(Name::called(), head, rows)
}

/// A table of text: columns as wide as they need to be on a terminal, control characters of foreign text made harmless. Scripts
/// cut the reference's lines, which have no rule below the head and keep the blanks at their ends.
#[must_use]
pub fn table_as(name: Name, head: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| tame(cell)).collect())
        .collect();
    let width = |column: usize, title: &str| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.width())
            .fold(title.width(), usize::max)
    };
    let widths: Vec<usize> = head
        .iter()
        .enumerate()
        .map(|(column, title)| width(column, title))
        .collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<String> = cells
            .zip(&widths)
            .map(|(cell, width)| format!(" {cell}{} ", blanks(width - cell.width())))
            .collect();
        let line = cells.join("|");
        (if name.is_reference() {
            line.as_str()
        } else {
            line.trim_end()
        })
        .to_owned()
            + "\n"
    };
    let mut text = line(&mut head.iter().copied());
    if !name.is_reference() {
        text.push_str(
            &widths
                .iter()
                .map(|width| "-".repeat(width + 2))
                .collect::<Vec<_>>()
                .join("+"),
        );
        text.push('\n');
    }
    for row in &rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

fn blanks(count: usize) -> String {
    " ".repeat(count)
}

/// Text from elsewhere without what would steer a terminal.
#[must_use]
pub fn tame(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up_and_keeps_escapes_out_of_the_terminal() {
        let text = table_as(
            Name::Warren,
            &["A", "Long head"],
            &[
                vec!["x\u{1b}[31m".into(), "1".into()],
                vec!["y".into(), String::new()],
            ],
        );
        assert_eq!(
            text,
            " A      | Long head\n--------+-----------\n x\u{fffd}[31m | 1\n y      |\n"
        );
    }

    #[test]
    fn under_the_references_name_there_is_no_rule_and_lines_keep_their_blanks() {
        let rows = [
            vec!["✅ ams1".to_owned(), String::new()],
            vec!["東京".to_owned(), "x".to_owned()],
        ];
        let text = table_as(Name::Reference, &["Nearest", "B"], &rows);
        assert_eq!(text, " Nearest | B \n ✅ ams1 |   \n 東京    | x \n");
        assert_eq!(table_as(Name::Reference, &["a", "b"], &[]), " a | b \n");
    }
}

//! Figures beside their budgets.

use std::{fs, io::Write as _, time::SystemTime};

use serde::{Deserialize, Serialize};

/// One figure.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Row {
    /// What was measured.
    pub(super) what: String,
    /// The figure.
    pub(super) value: f64,
    /// Of the figure and the budget.
    pub(super) unit: String,
    /// What was promised, if anything was.
    pub(super) budget: Option<Budget>,
    /// Under which circumstances.
    pub(super) note: String,
    /// Measures it again.
    pub(super) command: String,
}

/// What was promised.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Budget {
    AtMost(f64),
    AtLeast(f64),
}

impl Row {
    pub(super) fn new(what: impl Into<String>, value: f64, unit: &str) -> Self {
        Self {
            what: what.into(),
            value,
            unit: unit.to_owned(),
            budget: None,
            note: String::new(),
            command: String::new(),
        }
    }

    pub(super) fn at_most(self, limit: f64) -> Self {
        Self {
            budget: Some(Budget::AtMost(limit)),
            ..self
        }
    }

    pub(super) fn at_least(self, limit: f64) -> Self {
        Self {
            budget: Some(Budget::AtLeast(limit)),
            ..self
        }
    }

    pub(super) fn note(self, note: impl Into<String>) -> Self {
        Self {
            note: note.into(),
            ..self
        }
    }

    fn verdict(&self) -> &'static str {
        match self.budget {
            None => "",
            Some(Budget::AtMost(limit)) if self.value <= limit => "ok",
            Some(Budget::AtLeast(limit)) if self.value >= limit => "ok",
            Some(Budget::AtMost(_) | Budget::AtLeast(_)) => "MISSED",
        }
    }

    fn cells(&self) -> [String; 6] {
        let budget = match self.budget {
            None => String::new(),
            Some(Budget::AtMost(limit)) => format!("<= {} {}", number(limit), self.unit),
            Some(Budget::AtLeast(limit)) => format!(">= {} {}", number(limit), self.unit),
        };
        let measured = format!("{} {}", number(self.value), self.unit);
        [
            self.what.clone(),
            measured,
            budget,
            self.verdict().to_owned(),
            self.command.clone(),
            self.note.clone(),
        ]
    }
}

const HEAD: [&str; 6] = ["what", "measured", "budget", "", "command", "how"];

/// Lines for a terminal.
pub(super) fn table(rows: &[Row]) -> String {
    let lines: Vec<[String; 6]> = std::iter::once(HEAD.map(str::to_owned))
        .chain(rows.iter().map(Row::cells))
        .collect();
    let width = |column: usize| {
        lines
            .iter()
            .map(|cells| cells[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let line = |cells: &[String; 6]| {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let body: Vec<String> = lines.iter().map(line).collect();
    format!("{}\n\n{}", machine(), body.join("\n"))
}

/// The same for a page.
pub(super) fn markdown(rows: &[Row]) -> String {
    let line = |cells: &[String; 6]| format!("| {} |", cells.join(" | "));
    let head = [
        line(&HEAD.map(str::to_owned)),
        format!("|{}", "---|".repeat(HEAD.len())),
    ];
    let body = rows.iter().map(|row| line(&row.cells()));
    format!(
        "{}\n\n{}",
        machine(),
        head.into_iter().chain(body).collect::<Vec<_>>().join("\n")
    )
}

/// How busy the machine is: the load average of the last minute.
pub(super) fn load() -> String {
    read("/proc/loadavg")
        .split(' ')
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let information = read("/proc/cpuinfo");
    let model = information
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "{}; {processors} processors ({}), Linux {}, load {} at the end",
        humantime::format_rfc3339_seconds(SystemTime::now()),
        model.trim_start_matches([' ', '\t', ':']),
        kernel.trim(),
        load()
    )
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Three digits that count.
fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 || large == large.trunc() => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Prints a line; a reader that went away is no error.
pub(super) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "warren-bench: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_misses_its_budget_is_called_so() {
        assert_eq!(Row::new("size", 21.0, "kB").at_most(20.0).verdict(), "MISSED");
        assert_eq!(Row::new("size", 20.0, "kB").at_most(20.0).verdict(), "ok");
        assert_eq!(Row::new("speed", 4.9, "Gbit/s").at_least(5.0).verdict(), "MISSED");
        assert_eq!(Row::new("speed", 5.0, "Gbit/s").at_least(5.0).verdict(), "ok");
        assert_eq!(Row::new("size", 21.0, "kB").verdict(), "");
    }

    #[test]
    fn a_row_survives_the_way_from_one_process_to_another() {
        let row = Row::new("size", 21.5, "kB").at_most(20.0).note("why");
        assert_eq!(
            serde_json::from_str::<Row>(&serde_json::to_string(&row).unwrap()).unwrap(),
            row
        );
    }

    #[test]
    fn numbers_have_the_digits_that_count() {
        assert_eq!(
            [0.1234, 1.0, 12.345, 123.45].map(number),
            ["0.12", "1", "12.3", "123"]
        );
    }
}

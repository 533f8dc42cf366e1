//! Does again what a daemon recorded.

use std::{
    fmt,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use anyhow::Context;
use warren_state::recording::{Outcome, Replayer};

/// What came of it: all that was compared is the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replayed {
    /// What was compared.
    pub outcome: Outcome,
    /// Whether the last line is only the beginning of one: it was being written.
    pub cut_off: bool,
}

/// Plays the files of one recording, in their order.
///
/// # Errors
/// When one cannot be read, or something differs.
pub fn files(paths: &[PathBuf]) -> anyhow::Result<Replayed> {
    let mut player = warren_protocols::player();
    let mut cut_off = false;
    for path in paths {
        cut_off = file(&mut player, path).with_context(|| path.display().to_string())?;
    }
    Ok(Replayed {
        outcome: player.outcome().clone(),
        cut_off,
    })
}

/// Gives whether the last line has no end.
fn file(player: &mut Replayer, path: &Path) -> anyhow::Result<bool> {
    let mut lines = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        let Some(whole) = line.strip_suffix(b"\n") else {
            return Ok(true);
        };
        player.play(whole)?;
        line.clear();
    }
    Ok(false)
}

impl Replayed {
    /// Whether all that the recording tells was done again.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.outcome.only_read == 0 && self.outcome.machines > 0
    }
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome {
            lines,
            versions,
            machines,
            inputs,
            only_read,
            steps,
            table_compared,
            panics,
            over,
        } = &self.outcome;
        let table = if *table_compared {
            "the table at the end is the same"
        } else {
            "the table at the end is not in the recording"
        };
        write!(
            f,
            "the same: {machines} machines, {inputs} inputs with their effects, {steps} steps of the table, {lines} lines; {table}"
        )?;
        if *only_read > 0 {
            write!(
                f,
                "\nonly read, not done again: {only_read} inputs of machines whose beginning the recording does not have"
            )?;
        }
        if !panics.is_empty() {
            write!(f, "\na machine panicked before line {panics:?}, then as now")?;
        }
        match over {
            Some(reason) => write!(f, "\nthe recording ends: {reason}")?,
            None => write!(
                f,
                "\nthe recording is cut off{}",
                if self.cut_off { " within a line" } else { "" }
            )?,
        }
        let other: Vec<&str> = versions
            .iter()
            .map(String::as_str)
            .filter(|version| *version != env!("CARGO_PKG_VERSION"))
            .collect();
        if !other.is_empty() {
            write!(
                f,
                "\nit was recorded by version {}, this is {}",
                other.join(" and "),
                env!("CARGO_PKG_VERSION")
            )?;
        }
        Ok(())
    }
}

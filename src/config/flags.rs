//! The flags of `warrend`: ours, and those of the reference under their own names.
//!
//! The syntax is that of Go's `flag` package: one dash or two, `-name value` or `-name=value`; a switch is set by its
//! name alone and takes a value only after `=` (`-latency-probing=false`). The first word that is no flag ends them: it and
//! what follows are ignored.

mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::{
    Layer,
    values::{self, BadValue},
};
pub use table::FLAGS;

/// What the configuration takes for one at least.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(100);

/// A flag, with every name that it goes by.
pub struct Flag {
    /// Every name it goes by; the first is shown.
    pub names: &'static [&'static str],
    /// The kind of its value, for the help text.
    pub value: Value,
    /// What it does.
    pub help: &'static str,
    /// What becomes of the value.
    set: Set,
}

/// The kind of a flag's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value {
    /// On by its name alone; a value only after `=`.
    Switch,
    /// A time span; a bare number is seconds.
    Seconds,
    /// A time span with a unit.
    Span,
    /// A whole number of 32 bits.
    Count,
    /// Anything; the text is shown in the help.
    Text(&'static str),
}

impl Flag {
    /// Every name with its dash, and what its value is.
    #[must_use]
    pub fn synopsis(&self) -> String {
        let names: Vec<String> = self.names.iter().map(|name| format!("-{name}")).collect();
        let value = match self.value {
            Value::Switch => "",
            Value::Seconds | Value::Span => " SPAN",
            Value::Count => " N",
            Value::Text(text) => text,
        };
        names.join(", ") + value
    }
}

/// What becomes of a flag's value.
enum Set {
    /// It goes into the layer.
    Switch(fn(&mut Layer, bool)),
    Span(fn(&mut Layer, Duration)),
    /// How long something may take. The reference takes any number; what is too short or negative is the shortest.
    Timeout(fn(&mut Layer, Duration)),
    Text(fn(&mut Layer, &str) -> Result<(), BadValue>),
}

/// A command line that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// There is no flag of this name.
    #[error("unknown flag {0:?}; see warrend -help")]
    Unknown(String),
    /// A flag without its value.
    #[error("flag -{0} needs a value")]
    NoValue(String),
    /// A value that does not fit.
    #[error("flag -{flag}: {problem}")]
    Bad {
        /// The flag, as it was written on the command line.
        flag: String,
        /// What is wrong with the value.
        problem: BadValue,
    },
    /// A text whose content means nothing.
    #[error("flag -{flag}: {problem}")]
    Refused {
        /// The flag, as it was written on the command line.
        flag: String,
        /// What is wrong with the value.
        problem: BadValue,
    },
    /// Dashes, and no name.
    #[error("bad flag syntax: {0}")]
    Syntax(String),
}

/// An argument of the command line.
enum Argument<'a> {
    Flag(&'a str, Option<&'a str>),
    /// No flag follows.
    End,
    Bad,
}

/// A command line, understood.
#[derive(Debug, Default, PartialEq)]
pub struct Parsed {
    /// What the flags set, above file and environment.
    pub layer: Layer,
    /// Print the help and exit.
    pub help: bool,
    /// Words that are no flags, and what follows them.
    pub ignored: Vec<String>,
}

/// Understands a command line, without the program's name.
///
/// # Errors
/// On the first word that is not understood.
pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Parsed, FlagError> {
    let mut parsed = Parsed::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let (name, inline) = match split(&word) {
            Argument::Flag(name, inline) => (name, inline),
            Argument::Bad => return Err(FlagError::Syntax(word)),
            Argument::End => {
                let itself = Some(word).filter(|word| word != "--");
                parsed.ignored = itself.into_iter().chain(words).collect();
                return Ok(parsed);
            }
        };
        if matches!(name, "h" | "help") {
            return Ok(Parsed { help: true, ..parsed });
        }
        let flag = find(name)
            .ok_or_else(|| FlagError::Unknown(word.split('=').next().unwrap_or_default().to_owned()))?;
        let value = match (inline, flag.value) {
            (Some(value), _) => value.to_owned(),
            (None, Value::Switch) => "true".to_owned(),
            (None, Value::Seconds | Value::Span | Value::Count | Value::Text(_)) => {
                words.next().ok_or_else(|| FlagError::NoValue(name.to_owned()))?
            }
        };
        apply(flag, &value, &mut parsed.layer).map_err(|problem| wrong(flag, name, problem))?;
    }
    Ok(parsed)
}

/// The help text, with every flag that is not hidden.
#[must_use]
pub fn help() -> String {
    let mut text = String::from(
        "warrend keeps this host's tunnels as the ledger has them.\n\nUsage: warrend [flags]\n\nFlags (one dash or two):\n",
    );
    for flag in FLAGS {
        let synopsis = flag.synopsis();
        let bare = if flag.value == Value::Seconds {
            " (a bare number is seconds)"
        } else {
            ""
        };
        text.push_str(&format!("  {synopsis}{bare}\n        {}\n", flag.help));
    }
    text
}

fn split(word: &str) -> Argument<'_> {
    if !word.starts_with('-') || matches!(word, "-" | "--") {
        return Argument::End;
    }
    let body = word
        .strip_prefix("--")
        .or_else(|| word.strip_prefix('-'))
        .unwrap_or_default();
    if body.starts_with(['-', '=']) {
        return Argument::Bad;
    }
    body.split_once('=')
        .map_or(Argument::Flag(body, None), |(name, value)| {
            Argument::Flag(name, Some(value))
        })
}

/// The reference takes any text and fails later on one that means nothing to it; on a malformed program key it panics.
fn wrong(flag: &Flag, name: &str, problem: BadValue) -> FlagError {
    let flag_name = name.to_owned();
    match flag.value {
        Value::Text(_) if name != "program-id" => FlagError::Refused {
            flag: flag_name,
            problem,
        },
        Value::Switch | Value::Seconds | Value::Span | Value::Count | Value::Text(_) => FlagError::Bad {
            flag: flag_name,
            problem,
        },
    }
}

fn find(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.names.contains(&name))
}

fn apply(flag: &Flag, text: &str, layer: &mut Layer) -> Result<(), BadValue> {
    match &flag.set {
        Set::Switch(set) => set(layer, values::switch(text)?),
        Set::Span(set) => set(layer, span(flag.value, text)?.unwrap_or(Duration::MAX)),
        Set::Timeout(set) => set(
            layer,
            span(flag.value, text)?.unwrap_or_default().max(SHORTEST_TIMEOUT),
        ),
        Set::Text(set) => set(layer, text)?,
    }
    Ok(())
}

/// Nothing for a negative one.
fn span(value: Value, text: &str) -> Result<Option<Duration>, BadValue> {
    let size = text.strip_prefix('-').unwrap_or(text);
    let span = match value {
        Value::Seconds => values::seconds(size),
        Value::Switch | Value::Span | Value::Count | Value::Text(_) => values::span(size),
    }?;
    Ok(Some(span).filter(|span| size.len() == text.len() || span.is_zero()))
}

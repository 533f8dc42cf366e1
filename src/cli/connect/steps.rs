//! Progress for somebody who waits: a line for each step with its time, or an event for each as JSON.

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::{Map, Value, json};
use tokio::time::Instant;
use warren_api::v3::SCHEMA;

use crate::{failure::Failure, output, progress::Wait};

/// Reports steps, and remembers the outcome so far.
pub struct Steps {
    style: Style,
    verbose: bool,
    start: Instant,
    told: Mutex<Reported>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Lines, and the newest news on a last line that is overwritten.
    Terminal,
    /// Lines only, one for each step that is done.
    Plain,
    /// An object in each line.
    Json,
}

#[derive(Default)]
struct Reported {
    /// The outcome if nothing more happens: half a sentence.
    outcome: String,
    /// What is waited for right now.
    waiting: Option<(&'static str, String)>,
    /// Since when it, or the next step, is.
    since: Option<Instant>,
    /// The width of the line that is written over.
    width: usize,
}

impl Steps {
    /// Starts the clock and the output in this form.
    pub fn new(as_json: bool, verbose: bool) -> Self {
        let style = match (as_json, io::stdout().is_terminal()) {
            (true, _) => Style::Json,
            (false, true) => Style::Terminal,
            (false, false) => Style::Plain,
        };
        let told = Mutex::new(Reported {
            outcome: "nothing was changed".to_owned(),
            ..Reported::default()
        });
        Self {
            style,
            verbose,
            start: Instant::now(),
            told,
        }
    }

    /// A step is done; the fields are for programs.
    pub fn done(&self, step: &'static str, text: &str, fields: Value) {
        match self.style {
            Style::Json => self.event("step", step, text, fields),
            Style::Terminal | Style::Plain => {
                self.clear();
                line(&format!(
                    "[{:5.1} s] {step:<12} {}",
                    self.seconds(),
                    output::tame(text)
                ));
            }
        }
        let mut told = self.told();
        (told.waiting, told.since) = (None, Some(Instant::now()));
    }

    /// What is waited for, where nothing else tells it: without a terminal a step is told once it is done.
    pub fn wait(&self) -> Option<Wait> {
        if self.style != Style::Plain || self.verbose {
            return None;
        }
        let told = self.told();
        let what = match &told.waiting {
            Some((step, what)) => format!("for the {step}: {}", output::tame(what)),
            None => "for the next step".to_owned(),
        };
        Some(Wait {
            what,
            since: told.since.unwrap_or(self.start),
        })
    }

    /// A step that is only shown to those who ask for more.
    pub fn detail(&self, step: &'static str, text: &str) {
        if self.verbose {
            self.done(step, text, Value::Null);
        }
    }

    /// Something is not as it should be, and it goes on all the same. The lines after the first say what that means.
    pub fn warn(&self, step: &'static str, text: &str, more: &[&str]) {
        match self.style {
            Style::Json => self.event("warning", step, text, json!({ "more": more })),
            Style::Terminal | Style::Plain => {
                self.clear();
                line(&format!("⚠️  {}", output::tame(text)));
                more.iter()
                    .for_each(|more| line(&format!("    {}", output::tame(more))));
            }
        }
    }

    /// The line that the reference prints before it fails, for scripts that look for it.
    pub fn wrong(&self, reference: &str) {
        match self.style {
            Style::Json => {}
            Style::Terminal | Style::Plain => {
                self.clear();
                line(&format!("❌  {}", output::tame(reference)));
            }
        }
    }

    /// What is waited for; said once as long as it stays the same.
    pub fn waiting(&self, step: &'static str, text: &str) {
        let news = self
            .told()
            .waiting
            .as_ref()
            .is_none_or(|(for_step, said)| (*for_step, said.as_str()) != (step, text));
        match self.style {
            Style::Json if news => self.event("waiting", step, text, Value::Null),
            Style::Plain if news && self.verbose => {
                line(&format!(
                    "[{:5.1} s] {step:<12} waiting: {}",
                    self.seconds(),
                    output::tame(text)
                ));
            }
            Style::Terminal => self.write_over(&format!(
                "[{:5.1} s] {step:<12} waiting: {}",
                self.seconds(),
                output::tame(text)
            )),
            Style::Json | Style::Plain => {}
        }
        let mut told = self.told();
        // The words may change while the same is waited for.
        if told.waiting.as_ref().is_none_or(|(before, _)| *before != step) {
            told.since = Some(Instant::now());
        }
        told.waiting = Some((step, text.to_owned()));
    }

    /// From now on this is the outcome if nothing more happens.
    pub fn set_outcome(&self, text: impl Into<String>) {
        self.told().outcome = text.into();
    }

    /// How things stand if nothing more happens.
    pub fn outcome(&self) -> String {
        self.told().outcome.clone()
    }

    /// The end: all is as it was asked for.
    pub fn finish(&self, text: &str, fields: Value) {
        match self.style {
            Style::Json => self.event(
                "result",
                "done",
                text,
                with(fields, &[("ok", json!(true)), ("code", json!(0))]),
            ),
            Style::Terminal | Style::Plain => {
                self.clear();
                line(&output::tame(text));
            }
        }
    }

    /// The same, with the line that the reference ends with, for scripts that look for it.
    pub fn finish_like(&self, reference: &str, text: &str, fields: Value) {
        self.finish(text, fields);
        match self.style {
            Style::Json => {}
            Style::Terminal | Style::Plain => line(reference),
        }
    }

    /// The end: it is not. Says how things stand.
    pub fn fail(&self, failure: &Failure) {
        let stands = self.outcome();
        match self.style {
            Style::Json => {
                let fields =
                    json!({ "ok": false, "code": failure.code, "advice": failure.advice, "stands": stands });
                self.event("result", "failed", &failure.what, fields);
            }
            Style::Terminal | Style::Plain => {
                self.clear();
                output::complain(&format!("{failure}\n  So far: {stands}."));
            }
        }
    }

    fn event(&self, event: &str, step: &str, text: &str, fields: Value) {
        let seconds = (self.seconds() * 1000.0).round() / 1000.0;
        let own = [
            ("schema", json!(SCHEMA)),
            ("event", json!(event)),
            ("step", json!(step)),
            ("seconds", json!(seconds)),
            ("text", json!(text)),
        ];
        line(&with(fields, &own).to_string());
    }

    fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    fn clear(&self) {
        self.write_over("");
    }

    fn write_over(&self, text: &str) {
        let mut told = self.told();
        if self.style != Style::Terminal || (told.width == 0 && text.is_empty()) {
            return;
        }
        // One line of the terminal, whatever is said.
        let text: String = text.chars().take(110).collect();
        let mut out = io::stdout().lock();
        let _unwritable =
            write!(out, "\r{:width$}\r{text}", "", width = told.width).and_then(|()| out.flush());
        told.width = text.chars().count();
    }

    fn told(&self) -> MutexGuard<'_, Reported> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn with(fields: Value, own: &[(&str, Value)]) -> Value {
    let mut all: Map<String, Value> = own
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    if let Value::Object(fields) = fields {
        all.extend(fields);
    }
    Value::Object(all)
}

fn line(text: &str) {
    let mut out = io::stdout().lock();
    let _unwritable = writeln!(out, "{text}").and_then(|()| out.flush());
}

//! What a check says.

use serde::Serialize;

use crate::output;

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Check {
    /// What; stable, for machines.
    pub name: &'static str,
    /// Of which tunnel, device or endpoint, where there may be several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Whether it passed, failed, warned or was skipped.
    pub outcome: Outcome,
    /// What was seen, in words for people.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// What became of one check.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it should be.
    Pass,
    /// Tunnels work, but not as well as they could.
    Warn,
    /// Tunnels do not work.
    Fail,
    /// It cannot be looked at, or does not matter here.
    Skip,
}

impl Check {
    /// A check that found nothing wrong.
    pub fn pass(name: &'static str, detail: impl Into<String>) -> Self {
        Self {
            name,
            subject: None,
            outcome: Outcome::Pass,
            detail: detail.into(),
            fix: None,
        }
    }

    /// Something could be better.
    pub fn warn(name: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            name,
            subject: None,
            outcome: Outcome::Warn,
            detail: detail.into(),
            fix: Some(fix.into()),
        }
    }

    /// A check that found a fault, with what to do about it.
    pub fn fail(name: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            name,
            subject: None,
            outcome: Outcome::Fail,
            detail: detail.into(),
            fix: Some(fix.into()),
        }
    }

    /// Nothing can be said.
    pub fn skip(name: &'static str, detail: impl Into<String>) -> Self {
        Self {
            name,
            subject: None,
            outcome: Outcome::Skip,
            detail: detail.into(),
            fix: None,
        }
    }

    /// The same, of one of several.
    #[must_use]
    pub fn of(self, subject: impl Into<String>) -> Self {
        Self {
            subject: Some(subject.into()),
            ..self
        }
    }
}

/// For people: one line, and one more with the fix.
pub fn tell(check: &Check) -> String {
    let mark = match check.outcome {
        Outcome::Pass => "pass",
        Outcome::Warn => "WARN",
        Outcome::Fail => "FAIL",
        Outcome::Skip => "skip",
    };
    let subject = check
        .subject
        .as_deref()
        .map_or_else(String::new, |subject| format!(" ({})", output::tame(subject)));
    let fix = check
        .fix
        .as_deref()
        .map_or_else(String::new, |fix| format!("      fix: {}\n", output::tame(fix)));
    format!(
        "{mark}  {}{subject}: {}\n{fix}",
        check.name,
        output::tame(&check.detail)
    )
}

/// The last line.
pub fn summary(checks: &[Check]) -> String {
    let of = |outcome: Outcome| checks.iter().filter(|check| check.outcome == outcome).count();
    match (of(Outcome::Fail), of(Outcome::Warn)) {
        (0, 0) => "all is well\n".to_owned(),
        (0, warnings) => format!(
            "nothing is broken, {}\n",
            output::count(warnings, "warning", "warnings")
        ),
        (failures, warnings) => format!(
            "{}, {}: start with the first\n",
            output::count(failures, "thing is broken", "things are broken"),
            output::count(warnings, "warning", "warnings")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_a_line_with_its_subject_and_a_line_with_its_fix_and_steers_no_terminal() {
        let check = Check::fail("gre", "nothing\u{1b}[31m came in", "look at the device").of("doublezero0");
        assert_eq!(
            tell(&check),
            "FAIL  gre (doublezero0): nothing\u{fffd}[31m came in\n      fix: look at the device\n"
        );
        assert_eq!(tell(&Check::skip("x", "y")), "skip  x: y\n");
    }

    #[test]
    fn the_summary_counts_what_is_broken() {
        let (fail, warn) = (Check::fail("a", "b", "c"), Check::warn("a", "b", "c"));
        assert_eq!(
            summary(&[Check::pass("a", "b"), Check::skip("a", "b")]),
            "all is well\n"
        );
        assert_eq!(summary(&[warn.clone()]), "nothing is broken, 1 warning\n");
        assert_eq!(
            summary(&[warn, fail.clone(), fail]),
            "2 things are broken, 1 warning: start with the first\n"
        );
    }
}

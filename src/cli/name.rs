//! The name by which the command line was called. The package installs it as `doublezero` too, for scripts that were
//! written for the reference: under that name, what is printed has the reference's very bytes.

use std::{ffi::OsStr, path::Path};

/// A name of this command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Name {
    /// `warren`, and any name that is not the reference's.
    Warren,
    /// `doublezero`.
    Reference,
}

impl Name {
    /// The name that this process was called by.
    #[must_use]
    pub fn called() -> Self {
        std::env::args_os()
            .next()
            .map_or(Self::Warren, |program| Self::of(&program))
    }

    fn of(program: &OsStr) -> Self {
        if Path::new(program).file_name() == Some(OsStr::new("doublezero")) {
            Self::Reference
        } else {
            Self::Warren
        }
    }

    /// Whether it is the reference's.
    #[must_use]
    pub fn is_reference(self) -> bool {
        self == Self::Reference
    }
}

/// What is typed to call this program.
#[must_use]
pub fn program() -> &'static str {
    if is_reference() { "doublezero" } else { "warren" }
}

/// Whether this process was called by the reference's name.
#[must_use]
pub fn is_reference() -> bool {
    Name::called().is_reference()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_part_of_the_path_decides() {
        for program in ["doublezero", "/usr/bin/doublezero", "./doublezero"] {
            assert!(Name::of(OsStr::new(program)).is_reference(), "{program}");
        }
        for program in [
            "warren",
            "/opt/doublezero/warren",
            "doublezerod",
            "doublezero.old",
            "",
        ] {
            assert!(!Name::of(OsStr::new(program)).is_reference(), "{program}");
        }
    }
}

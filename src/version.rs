//! What was built.

use warren_ledger::accounts::Version;

/// The version of the program on the ledger that this software was written for: the last one of which is known what changed
/// (September 2026).
pub const PROGRAM: Version = Version {
    major: 0,
    minor: 39,
    patch: 0,
};

/// The version of this software, as the package has it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The same with the program's, as `--version` prints them.
pub const WITH_PROGRAM: &str = concat!(env!("CARGO_PKG_VERSION"), "\nprogram: 0.39.0");

/// The commit that it was built from; `none` when the build did not say (`WARREN_COMMIT`).
pub const COMMIT: &str = match option_env!("WARREN_COMMIT") {
    Some(commit) => commit,
    None => "none",
};

/// When it was built; `unknown` when the build did not say (`WARREN_DATE`).
pub const DATE: &str = match option_env!("WARREN_DATE") {
    Some(date) => date,
    None => "unknown",
};

/// The three lines that `-version` prints.
#[must_use]
pub fn lines() -> String {
    format!("build: {COMMIT}\nversion: {VERSION}\ndate: {DATE}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_version_is_printed_beside_this_softwares() {
        let Version { major, minor, patch } = PROGRAM;
        assert_eq!(
            WITH_PROGRAM,
            format!("{VERSION}\nprogram: {major}.{minor}.{patch}")
        );
    }
}

//! What was built.

/// The version of this software, as the package has it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

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

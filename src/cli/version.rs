//! What was built, and what for.

use warren_ledger::accounts::Version;

pub use warren_api::version::{COMMIT, DATE, VERSION, lines};

/// The version of the program on the ledger that this software was written for: the last one of which is known what changed
/// (September 2026).
pub const PROGRAM: Version = Version {
    major: 0,
    minor: 39,
    patch: 0,
};

/// The version with the program's, as `--version` prints them.
pub const WITH_PROGRAM: &str = concat!(env!("CARGO_PKG_VERSION"), "\nprogram: 0.39.0");

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

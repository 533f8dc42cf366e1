//! What this process is.

use crate::{http::v3::Process, version};

/// As status shows it.
#[must_use]
pub fn describe() -> Process {
    Process {
        pid: std::process::id(),
        uid: nix::unistd::geteuid().as_raw(),
        version: version::VERSION.to_owned(),
        commit: version::COMMIT.to_owned(),
        date: version::DATE.to_owned(),
        capabilities: effective_capabilities(&std::fs::read_to_string("/proc/self/status").unwrap_or_default()),
    }
}

/// `CapEff` of proc_pid_status(5); 0 when it is not there.
fn effective_capabilities(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effective_capabilities_are_read_from_proc() {
        assert_eq!(effective_capabilities("Name:\tx\nCapEff:\t0000000000003000\n"), 1 << 12 | 1 << 13);
        assert_eq!(effective_capabilities("Name:\tx\n"), 0);
    }
}

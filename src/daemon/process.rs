//! What this process is.

use warren_api::{v3::Process, version};
use warren_state::Backend;

/// linux/capability.h
const CAP_NET_RAW: u32 = 13;

/// As status shows it.
#[must_use]
pub fn describe() -> Process {
    Process {
        pid: std::process::id(),
        uid: nix::unistd::geteuid().as_raw(),
        version: version::VERSION.to_owned(),
        commit: version::COMMIT.to_owned(),
        date: version::DATE.to_owned(),
        capabilities: effective_capabilities(
            &std::fs::read_to_string("/proc/self/status").unwrap_or_default(),
        ),
    }
}

/// What is said of this process at its start, where it may not do all that tunnels need.
#[must_use]
pub fn remark(capabilities: u64, backend: Backend) -> Option<&'static str> {
    let lacks_raw = capabilities & 1 << CAP_NET_RAW == 0;
    (lacks_raw && backend != Backend::Simulated).then_some(
        "the process lacks CAP_NET_RAW: multicast tunnels cannot announce themselves. Start it by its unit (AmbientCapabilities=CAP_NET_ADMIN \
         CAP_NET_RAW) or as root, a container with --cap-add NET_RAW",
    )
}

/// `CapEff` of proc_pid_status(5); 0 when it is not there.
fn effective_capabilities(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_without_raw_sockets_is_told_what_gives_them() {
        assert_eq!(remark(1 << 12 | 1 << 13, Backend::Netlink), None);
        assert!(
            remark(1 << 12, Backend::Netlink)
                .unwrap()
                .contains("AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW")
        );
        assert_eq!(remark(0, Backend::Simulated), None);
    }

    #[test]
    fn effective_capabilities_are_read_from_proc() {
        assert_eq!(
            effective_capabilities("Name:\tx\nCapEff:\t0000000000003000\n"),
            1 << 12 | 1 << 13
        );
        assert_eq!(effective_capabilities("Name:\tx\n"), 0);
    }
}

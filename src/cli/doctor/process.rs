//! The daemon's process, and other daemons that would fight with it.

use warren_api::v3::Status;
use warren_state::Backend;

use super::{check::Check, root::Root};

const CAPABILITIES: &str = "capabilities";
const OTHERS: &str = "other daemons";
/// linux/capability.h
const NEEDED: [(u32, &str); 2] = [(12, "CAP_NET_ADMIN"), (13, "CAP_NET_RAW")];
/// The name of the reference's daemon; a package of ours may start warrend under this name too.
const REFERENCE: &str = "doublezerod";
const OURS: &str = "warrend";

/// A daemon of either kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Process {
    /// The process id, as the daemon knows it.
    pub pid: u32,
    /// Its number as it knows it itself: another one in a container.
    pub inner: u32,
    /// What it was started as.
    pub name: String,
    /// What it is, where that may be seen.
    pub program: Option<String>,
    /// Whether it is known to live in another network, or is a helper that a daemon started.
    pub is_apart: bool,
    /// Whether it is known to live in this network: the kernel tells that of other users' processes to root only.
    pub is_here: bool,
}

/// The number under which this process sees the daemon that calls itself by that number; nearest first.
pub fn visible(root: &Root, inner: u32) -> Option<u32> {
    let daemons = look_for_daemons(root)
        .into_iter()
        .filter(|process| process.inner == inner);
    daemons
        .min_by_key(|process| (process.is_apart, !process.is_here))
        .map(|process| process.pid)
}

/// The effective capabilities of the daemon: as the kernel shows them where it does, else as the daemon says.
pub fn capabilities_of(root: &Root, pid: Option<u32>, status: &Status) -> u64 {
    let seen = pid.and_then(|pid| root.text(&format!("/proc/{pid}/status")));
    seen.as_deref()
        .and_then(effective)
        .unwrap_or(status.process.capabilities)
}

/// Whether the daemon has the capabilities that its dataplane needs.
pub fn judge_capabilities(status: &Status, held: u64) -> Check {
    if status.dataplane.backend == Backend::Simulated {
        return Check::skip(CAPABILITIES, "a simulated dataplane needs none");
    }
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(bit, _)| held & (1 << bit) == 0)
        .map(|(_, name)| *name)
        .collect();
    if missing.is_empty() {
        return Check::pass(CAPABILITIES, "CAP_NET_ADMIN and CAP_NET_RAW");
    }
    Check::fail(
        CAPABILITIES,
        format!("the daemon lacks {}", missing.join(" and ")),
        "start it by its unit, which grants them (AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW), or as root",
    )
}

/// Every daemon that may be seen.
pub fn look_for_daemons(root: &Root) -> Vec<Process> {
    let own_network = root.at("/proc/self/ns/net").read_link().ok();
    let daemons = root.processes().into_iter().filter_map(|pid| {
        let name = root.text(&format!("/proc/{pid}/comm"))?.trim().to_owned();
        if name != REFERENCE && name != OURS {
            return None;
        }
        let program = root.at(&format!("/proc/{pid}/exe")).read_link().ok();
        let program = program.and_then(|path| {
            Some(
                path.file_name()?
                    .to_str()?
                    .trim_end_matches(" (deleted)")
                    .to_owned(),
            )
        });
        let network = root.at(&format!("/proc/{pid}/ns/net")).read_link().ok();
        let is_known = network.is_some() && own_network.is_some();
        let (is_here, is_elsewhere) = (
            is_known && network == own_network,
            is_known && network != own_network,
        );
        let status = root.text(&format!("/proc/{pid}/status")).unwrap_or_default();
        let inner = field(&status, "NSpid").unwrap_or(pid);
        // Looked at last: one that has gone meanwhile has none, and one that has ended an empty one.
        let has_ended = root.text(&format!("/proc/{pid}/cmdline"))?.is_empty();
        Some(Process {
            pid,
            inner,
            name,
            program,
            is_apart: is_elsewhere || has_ended || is_helper(root, pid, &status),
            is_here,
        })
    });
    daemons.collect()
}

/// Judges: the reference's daemon, or a second one of ours, would fight with ours about the tunnels.
pub fn judge_others(daemons: &[Process], our_pid: Option<u32>) -> Check {
    let near = || {
        daemons
            .iter()
            .filter(|process| !process.is_apart && Some(process.pid) != our_pid)
    };
    if let Some(reference) = near().find(|process| process.is_here && process.is_reference()) {
        return Check::fail(
            OTHERS,
            format!(
                "{REFERENCE} runs as process {}: it and warrend would undo each other's work",
                reference.pid
            ),
            format!("systemctl disable --now {REFERENCE}, then systemctl restart warrend"),
        );
    }
    // When our daemon does not answer, a running one is as likely to be ours as not.
    if let Some(second) = near()
        .find(|process| process.is_here)
        .filter(|_| our_pid.is_some())
    {
        return Check::warn(
            OTHERS,
            format!("another {} runs as process {}", second.name, second.pid),
            format!("if it is not meant to be there: kill {}", second.pid),
        );
    }
    match near().find(|process| !process.is_here && (our_pid.is_some() || process.is_reference())) {
        Some(other) => Check::warn(
            OTHERS,
            format!(
                "{} runs as process {}; whether it is in this network namespace or another cannot be seen",
                other.name, other.pid
            ),
            "run `warren doctor` as root, who may see it",
        ),
        None => Check::pass(OTHERS, "none is seen"),
    }
}

/// What a daemon was started with, as far as that may be seen.
pub fn arguments(root: &Root, pid: u32) -> Vec<String> {
    let line = root.text(&format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split_terminator('\0').skip(1).map(str::to_owned).collect()
}

impl Process {
    /// By its name, unless it is warrend under that name.
    fn is_reference(&self) -> bool {
        self.name == REFERENCE && self.program.as_deref() != Some(OURS)
    }
}

/// `CapEff` of proc_pid_status(5).
fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// What a daemon started: its forwarder, or a child that has not become another program yet.
fn is_helper(root: &Root, pid: u32, status: &str) -> bool {
    let is_forwarder = arguments(root, pid)
        .first()
        .is_some_and(|word| word == "forwarder");
    let parent = field(status, "PPid").and_then(|parent| root.text(&format!("/proc/{parent}/comm")));
    is_forwarder || parent.is_some_and(|name| [OURS, REFERENCE].contains(&name.trim()))
}

/// A number of proc_pid_status(5); of several, as in `NSpid`, the last one: that of the process's own namespace.
fn field(status: &str, name: &str) -> Option<u32> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?
        .split_whitespace()
        .last()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        doctor::{check::Outcome, root},
        samples::status,
    };

    #[test]
    fn the_kernels_word_about_capabilities_counts_before_the_daemons_own() {
        let status = status(|_| {});
        let (_directory, root) = root::with(&[("/proc/1/status", "CapEff:\t0000000000001000\n")]);
        assert_eq!(capabilities_of(&root, Some(1), &status), 1 << 12);
        assert_eq!(capabilities_of(&root, None, &status), 12288);
        assert_eq!(capabilities_of(&root, Some(2), &status), 12288, "not to be seen");
    }

    #[test]
    fn each_capability_that_is_missing_is_named() {
        let real = status(|_| {});
        assert_eq!(
            judge_capabilities(&real, 1 << 12 | 1 << 13).outcome,
            Outcome::Pass
        );
        let lacking = judge_capabilities(&real, 1 << 12);
        assert_eq!(
            (lacking.outcome, lacking.detail.as_str()),
            (Outcome::Fail, "the daemon lacks CAP_NET_RAW")
        );
        assert_eq!(
            judge_capabilities(&real, 0).detail,
            "the daemon lacks CAP_NET_ADMIN and CAP_NET_RAW"
        );
        assert_eq!(
            judge_capabilities(&status(|s| s["dataplane"]["backend"] = json!("simulated")), 0).outcome,
            Outcome::Skip
        );
    }

    fn process(pid: u32, name: &str, program: Option<&str>) -> Process {
        Process {
            pid,
            inner: pid,
            name: name.into(),
            program: program.map(str::to_owned),
            is_apart: false,
            is_here: true,
        }
    }

    #[test]
    fn the_references_daemon_is_told_from_ours_under_its_name() {
        let ours = process(7, "warrend", Some("warrend"));
        let outcome =
            |others: &[Process], pid| judge_others(&[&[ours.clone()], others].concat(), pid).outcome;
        assert_eq!(outcome(&[], Some(7)), Outcome::Pass);
        assert_eq!(
            outcome(&[], None),
            Outcome::Pass,
            "it may be the daemon that does not answer"
        );
        assert_eq!(
            outcome(&[process(8, "doublezerod", None)], Some(7)),
            Outcome::Fail
        );
        assert_eq!(
            outcome(&[process(8, "doublezerod", Some("doublezerod"))], None),
            Outcome::Fail
        );
        assert_eq!(
            outcome(&[process(8, "doublezerod", Some("warrend"))], Some(7)),
            Outcome::Warn,
            "a second one of ours"
        );
        assert_eq!(outcome(&[process(8, "warrend", None)], Some(7)), Outcome::Warn);
        assert_eq!(
            judge_others(&[process(7, "doublezerod", None)], Some(7)).outcome,
            Outcome::Pass,
            "it is the one that answered"
        );
        let apart = Process {
            is_apart: true,
            ..process(8, "doublezerod", None)
        };
        assert_eq!(outcome(&[apart], Some(7)), Outcome::Pass);
    }

    #[test]
    fn a_daemon_whose_network_may_not_be_seen_is_told_of_and_nobody_is_told_to_end_it() {
        let hidden = |name: &str| Process {
            is_here: false,
            ..process(8, name, None)
        };
        for (other, pid) in [
            ("warrend", Some(7)),
            ("doublezerod", Some(7)),
            ("doublezerod", None),
        ] {
            let check = judge_others(&[process(7, "warrend", Some("warrend")), hidden(other)], pid);
            assert_eq!(
                (check.outcome, check.fix.as_deref()),
                (Outcome::Warn, Some("run `warren doctor` as root, who may see it"))
            );
            assert!(
                check.detail.starts_with(&format!("{other} runs as process 8;")),
                "{}",
                check.detail
            );
        }
        assert_eq!(
            judge_others(&[hidden("warrend")], None).outcome,
            Outcome::Pass,
            "it may be the daemon that does not answer"
        );
        assert_eq!(
            judge_others(&[hidden("warrend")], Some(8)).outcome,
            Outcome::Pass,
            "it is the one that answered"
        );
    }

    #[test]
    fn whether_a_daemon_is_in_this_network_is_known_where_both_may_be_seen() {
        let (_directory, root) = root::with(&[
            ("/proc/7/comm", "warrend\n"),
            ("/proc/7/cmdline", "warrend\0"),
            ("/proc/8/comm", "warrend\n"),
            ("/proc/8/cmdline", "warrend\0"),
            ("/proc/9/comm", "warrend\n"),
            ("/proc/9/cmdline", "warrend\0"),
        ]);
        for (process, network) in [("self", "net:[1]"), ("7", "net:[1]"), ("8", "net:[2]")] {
            let folder = root.at(&format!("/proc/{process}/ns"));
            std::fs::create_dir_all(&folder).unwrap();
            std::os::unix::fs::symlink(network, folder.join("net")).unwrap();
        }
        let mut found = look_for_daemons(&root);
        found.sort_by_key(|process| process.pid);
        let seen: Vec<_> = found
            .iter()
            .map(|process| (process.pid, process.is_here, process.is_apart))
            .collect();
        assert_eq!(seen, [(7, true, false), (8, false, true), (9, false, false)]);
    }

    #[test]
    fn daemons_are_found_and_their_helpers_are_known() {
        let (_directory, root) = root::with(&[
            ("/proc/7/comm", "warrend\n"),
            ("/proc/7/cmdline", "/usr/bin/warrend\0-env\0devnet\0"),
            ("/proc/8/comm", "warrend\n"),
            ("/proc/8/cmdline", "/usr/bin/warrend\0forwarder\0--socket\0/x\0"),
            ("/proc/9/comm", "bash\n"),
            ("/proc/9/status", "NSpid:\t9\n"),
            ("/proc/10/comm", "warrend\n"),
            ("/proc/10/cmdline", ""),
            ("/proc/11/comm", "warrend\n"),
            ("/proc/11/cmdline", "/usr/bin/warrend\0"),
            ("/proc/12/comm", "warrend\n"),
            ("/proc/50/cmdline", "/usr/bin/warrend\0"),
            ("/proc/11/status", "Name:\twarrend\nPPid:\t7\n"),
            ("/proc/50/comm", "warrend\n"),
            ("/proc/50/status", "Name:\twarrend\nNSpid:\t50\t9\n"),
            ("/proc/self/comm", "warrend\n"),
        ]);
        let mut found = look_for_daemons(&root);
        found.sort_by_key(|process| process.pid);
        assert_eq!(
            found
                .iter()
                .map(|process| (process.pid, process.is_apart))
                .collect::<Vec<_>>(),
            [(7, false), (8, true), (10, true), (11, true), (50, false)]
        );
        assert_eq!(arguments(&root, 7), ["-env", "devnet"]);
        assert_eq!(
            (visible(&root, 7), visible(&root, 9), visible(&root, 6)),
            (Some(7), Some(50), None)
        );
    }
}

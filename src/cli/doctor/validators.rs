//! Validators on this host that miss what the tunnels carry: bound to another address, or sending past the kernel.

use std::net::Ipv4Addr;

use warren_api::v3::{Status, Tunnel};
use warren_state::Backend;

use super::{check::Check, process, root::Root};

const BOUND: &str = "bound address";
const XDP: &str = "xdp";
/// By the ends of their programs' names.
const PROGRAMS: [&str; 2] = ["agave-validator", "solana-validator"];
/// The first version that puts what it sends by XDP into kernel GRE (anza-xyz/agave, issue 6085).
const CARRIES_GRE: u32 = 4;

/// A validator, as far as it may be seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Validator {
    /// Its process.
    pub pid: u32,
    /// The name of its program.
    pub program: String,
    /// What its sockets are bound to: none is any address.
    pub bound: Vec<Ipv4Addr>,
    /// Whether it was told to send by XDP.
    pub is_xdp: bool,
    /// The first part of its version, where its path tells it.
    pub version: Option<u32>,
}

/// Every validator that may be seen.
pub fn look(root: &Root) -> Vec<Validator> {
    root.processes()
        .into_iter()
        .filter_map(|pid| validator(root, pid))
        .collect()
}

fn validator(root: &Root, pid: u32) -> Option<Validator> {
    let line = root.text(&format!("/proc/{pid}/cmdline"))?;
    let program = line.split('\0').next()?.rsplit('/').next()?;
    if !PROGRAMS.contains(&program) {
        return None;
    }
    let arguments = process::arguments(root, pid);
    let is = |flag: &str| arguments.iter().any(|word| word == flag);
    let begins = |start: &str| arguments.iter().any(|word| word.starts_with(start));
    let path = root.at(&format!("/proc/{pid}/exe")).read_link().ok();
    Some(Validator {
        pid,
        program: program.to_owned(),
        bound: bound(&arguments),
        is_xdp: (begins("--experimental-retransmit-xdp-") || begins("--xdp-")) && !is("--disable-xdp"),
        version: path.and_then(|path| version(path.to_str()?)),
    })
}

/// `--bind-address`, which may be given several times.
fn bound(arguments: &[String]) -> Vec<Ipv4Addr> {
    let after = arguments
        .windows(2)
        .filter_map(|two| (two[0] == "--bind-address").then_some(two[1].as_str()));
    let inline = arguments
        .iter()
        .filter_map(|word| word.strip_prefix("--bind-address="));
    after
        .chain(inline)
        .filter_map(|address| address.parse().ok())
        .collect()
}

/// Releases are installed under their version: `…/releases/v3.1.9-jito/…`, `…/releases/4.0.1/…`.
fn version(path: &str) -> Option<u32> {
    path.split('/').find_map(|part| {
        let (first, rest) = part.strip_prefix('v').unwrap_or(part).split_once('.')?;
        let is_version = rest.starts_with(|letter: char| letter.is_ascii_digit());
        first.parse().ok().filter(|_| is_version)
    })
}

/// Whether validators on this host receive and send through the tunnels.
pub fn judge(validators: &[Validator], status: &Status) -> Vec<Check> {
    if validators.is_empty() || status.tunnels.is_empty() {
        return Vec::new();
    }
    validators
        .iter()
        .flat_map(|one| {
            let subject = format!("{} {}", one.program, one.pid);
            [judge_bound(one, &status.tunnels), judge_xdp(one, status)].map(|check| check.of(subject.clone()))
        })
        .collect()
}

/// A socket that is bound to an address of a host takes nothing that comes to a group (net/ipv4/udp.c `__udp_is_mcast_sock`), nor to
/// another address.
fn judge_bound(validator: &Validator, tunnels: &[Tunnel]) -> Check {
    let takes = |address: &Ipv4Addr| {
        validator.bound.is_empty()
            || validator
                .bound
                .iter()
                .any(|bound| bound.is_unspecified() || bound == address)
    };
    let missed = tunnels.iter().find_map(|tunnel| {
        let name = tunnel.name.as_deref().unwrap_or(&tunnel.id);
        let groups = tunnel.multicast.iter().flat_map(|multicast| &multicast.joined);
        let group = groups
            .filter_map(|group| group.parse().ok())
            .find(|group| !takes(group));
        let own = tunnel
            .doublezero_ip
            .as_ref()
            .and_then(|address| address.parse().ok());
        let (what, address) = match (group, own.filter(|own| !takes(own))) {
            (Some(group), _) => ("the group ", group),
            (None, Some(own)) => ("", own),
            (None, None) => return None,
        };
        Some(format!("what comes to {what}{address} through {name}"))
    });
    let bound = validator
        .bound
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    match missed {
        Some(missed) => Check::warn(
            BOUND,
            format!("its sockets are bound to {bound}: {missed} does not reach them"),
            "start it with --bind-address 0.0.0.0, or without --bind-address, if it is to receive that",
        ),
        None if bound.is_empty() => Check::pass(BOUND, "its sockets are bound to any address"),
        None => Check::pass(
            BOUND,
            format!("its sockets are bound to {bound}, where the tunnels' traffic goes"),
        ),
    }
}

/// What is sent by XDP does not go through the kernel's tunnels: the validator has to make the GRE packets itself, and can
/// only where the interface is one of the kernel's GRE.
fn judge_xdp(validator: &Validator, status: &Status) -> Check {
    if !validator.is_xdp {
        return Check::pass(XDP, "it is not configured to send by XDP");
    }
    let fix =
        "start it with --disable-xdp, or without the flags that begin with --experimental-retransmit-xdp";
    if status.dataplane.backend == Backend::Userspace {
        let what = "it sends by XDP, past the kernel, and the tunnels of the userspace dataplane are no GRE interfaces: nothing that \
                    it sends gets into them";
        return Check::fail(XDP, what, format!("{fix}, or use a kernel with GRE"));
    }
    match validator.version {
        Some(version) if version < CARRIES_GRE => Check::fail(
            XDP,
            format!(
                "it sends by XDP, past the kernel, and its version {version} does not put that into GRE tunnels"
            ),
            format!("use version {CARRIES_GRE} or later, or {fix}"),
        ),
        Some(_) => Check::pass(XDP, "it sends by XDP, and its version puts that into GRE tunnels"),
        None => Check::warn(
            XDP,
            format!(
                "it sends by XDP, past the kernel, and versions before {CARRIES_GRE} do not put that into GRE tunnels; its version cannot be seen"
            ),
            format!(
                "`{} --version` says which it is; before {CARRIES_GRE}: {fix}",
                validator.program
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use serde_json::json;

    use super::*;
    use crate::{
        doctor::{check::Outcome, root},
        samples,
    };

    fn seen(arguments: &str, exe: Option<&str>) -> Vec<Validator> {
        let line = format!("/opt/bin/agave-validator\0{}\0", arguments.replace(' ', "\0"));
        let (_directory, root) = root::with(&[("/proc/7/cmdline", &line), ("/proc/8/cmdline", "sleep\01\0")]);
        if let Some(exe) = exe {
            symlink(exe, root.at("/proc/7/exe")).unwrap();
        }
        look(&root)
    }

    fn with(backend: &str, address: Option<&str>, group: Option<&str>) -> Status {
        samples::status(|status| {
            let mut tunnel = samples::tunnel();
            tunnel["doublezero_ip"] = json!(address);
            tunnel["multicast"] = json!({
                "joined": group.into_iter().collect::<Vec<_>>(), "joined_total": 1, "announced": [], "announced_total": 0,
                "last_said_unix_ms": null, "failing": null, "hellos": 0, "joins": 0, "prunes": 0, "heartbeats": 0, "registers": 0, "unsent": 0,
            });
            status["tunnels"] = json!([tunnel]);
            status["dataplane"]["backend"] = json!(backend);
        })
    }

    #[test]
    fn a_validator_is_known_by_its_program_and_its_version_by_its_path() {
        let release = Some("/s/releases/v3.1.9-jito/bin/agave-validator");
        let all = seen("--ledger /x --bind-address 192.0.2.1", release);
        assert_eq!(all.len(), 1);
        let one = &all[0];
        assert_eq!((one.pid, one.version, one.is_xdp), (7, Some(3), false));
        assert_eq!(one.bound, [Ipv4Addr::new(192, 0, 2, 1)]);
        assert_eq!(
            version("/s/releases/4.0.1/solana-release/bin/agave-validator"),
            Some(4)
        );
        assert_eq!(version("/usr/bin/agave-validator"), None);
        let inline = seen(
            "--bind-address=0.0.0.0 --experimental-retransmit-xdp-cpu-cores 1",
            None,
        );
        assert!(inline[0].is_xdp && inline[0].bound == [Ipv4Addr::UNSPECIFIED]);
        assert!(!seen("--xdp-interface eth0 --disable-xdp", None)[0].is_xdp);
    }

    #[test]
    fn a_bound_address_that_the_tunnels_traffic_does_not_go_to_is_told() {
        let outcome = |arguments: &str, status: &Status| judge(&seen(arguments, None), status)[0].clone();
        let group = with("netlink", Some("192.0.2.1"), Some("233.84.178.1"));
        for fine in ["--ledger /x", "--bind-address 0.0.0.0"] {
            assert_eq!(outcome(fine, &group).outcome, Outcome::Pass, "{fine}");
        }
        let missed = outcome("--bind-address 192.0.2.1", &group);
        assert_eq!(missed.outcome, Outcome::Warn);
        assert!(
            missed
                .detail
                .contains("the group 233.84.178.1 through doublezero0"),
            "{}",
            missed.detail
        );
        let unicast = with("netlink", Some("192.0.2.1"), None);
        assert_eq!(
            outcome("--bind-address 192.0.2.1", &unicast).outcome,
            Outcome::Pass
        );
        let allocated = with("netlink", Some("203.0.113.9"), None);
        assert_eq!(
            outcome("--bind-address 192.0.2.1", &allocated).outcome,
            Outcome::Warn
        );
    }

    #[test]
    fn xdp_goes_past_tunnels_unless_the_validator_makes_gre_itself() {
        let release = |version: &str| format!("/s/releases/{version}/bin/agave-validator");
        let outcome = |arguments: &str, exe: Option<&str>, backend: &str| {
            judge(&seen(arguments, exe), &with(backend, None, None))[1].outcome
        };
        let xdp = "--experimental-retransmit-xdp-interface eth0";
        assert_eq!(
            outcome("--ledger /x", Some(&release("v3.1.9")), "netlink"),
            Outcome::Pass
        );
        assert_eq!(outcome(xdp, Some(&release("v3.1.9")), "netlink"), Outcome::Fail);
        assert_eq!(outcome(xdp, Some(&release("4.0.1")), "netlink"), Outcome::Pass);
        assert_eq!(outcome(xdp, None, "netlink"), Outcome::Warn);
        assert_eq!(outcome(xdp, Some(&release("4.0.1")), "userspace"), Outcome::Fail);
    }

    #[test]
    fn without_a_validator_or_a_tunnel_nothing_is_said() {
        assert!(judge(&[], &with("netlink", None, None)).is_empty());
        let idle = samples::status(|_| {});
        assert!(judge(&seen("--bind-address 192.0.2.1", None), &idle).is_empty());
    }
}

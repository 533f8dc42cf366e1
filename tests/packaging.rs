//! The systemd unit, as systemd itself sees it. Without `systemd-analyze` on the machine these tests say so and pass.
#![allow(missing_docs)]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/systemd/warrend.service");

#[test]
fn systemd_has_nothing_to_say_about_the_unit() {
    let dir = tempfile::tempdir().unwrap();
    let Some(output) = analyze(&["verify", installed(dir.path()).to_str().unwrap()]) else { return };
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn the_exposure_of_the_unit_is_below_two() {
    let Some(output) = analyze(&["security", "--offline=true", "--threshold=19", "--no-pager", UNIT]) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_unit_grants_what_tunnels_need_and_no_other_capability() {
    let unit = std::fs::read_to_string(UNIT).unwrap();
    for line in [
        "Type=notify",
        "Restart=on-failure",
        "KillMode=process",
        "CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW",
        "AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW",
        "DeviceAllow=/dev/net/tun rw",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
        "User=warren",
        "ExecStop=+/usr/bin/warrend stopping %n",
    ] {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn systemd_never_gives_up_on_a_daemon_whose_start_fails_for_a_while() {
    let unit = std::fs::read_to_string(UNIT).unwrap();
    for line in ["StartLimitIntervalSec=0", "RestartSec=3s", "RestartPreventExitStatus=2"] {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
    assert!(!unit.contains("StartLimitBurst="), "a burst is what the limit counts");
}

#[test]
fn the_configuration_that_the_readme_writes_is_one() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let line = readme.lines().find(|line| line.contains("/etc/warren/warren.toml") && line.contains("printf")).unwrap();
    let text = line.split('\'').nth(1).unwrap().replace("\\n", "\n");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("warren.toml");
    std::fs::write(&file, &text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_warrend")).env_clear().arg("--check-config").arg("--config").arg(&file).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("https://your-ledger-endpoint"), "{text}{printed}");
}

/// A copy of the unit that starts the program of this build, because the packaged one may not be installed here.
fn installed(directory: &Path) -> PathBuf {
    let unit = std::fs::read_to_string(UNIT).unwrap().replace("/usr/bin/warrend", env!("CARGO_BIN_EXE_warrend"));
    let path = directory.join("warrend.service");
    std::fs::write(&path, unit).unwrap();
    path
}

fn analyze(words: &[&str]) -> Option<Output> {
    match Command::new("systemd-analyze").args(words).output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: there is no systemd-analyze here");
            None
        }
        Err(error) => panic!("systemd-analyze: {error}"),
    }
}

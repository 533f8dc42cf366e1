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
    let environments = installed(dir.path());
    let units = [dir.path().join("warrend.service"), environments];
    let units = units.each_ref().map(|unit| unit.to_str().unwrap());
    let Some(output) = analyze(&["verify", units[0], units[1]]) else { return };
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn the_unit_of_an_environment_differs_in_that_only() {
    let only_here = |file: &str, other: &str| -> Vec<String> {
        let read = |file| std::fs::read_to_string(format!("{}/packaging/systemd/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let other = read(other);
        let settings = |line: &&str| !line.starts_with('#') && !other.lines().any(|there| there == *line);
        read(file).lines().filter(settings).map(str::to_owned).collect()
    };
    assert_eq!(only_here("warrend.service", "warrend@.service").len(), 2);
    let template = only_here("warrend@.service", "warrend.service");
    let expected = [
        "Description=Warren on %i: keeps",
        "Conflicts=warrend.service",
        "After=warrend.service",
        "ExecStart=/usr/bin/warrend -env %i $WARREND_FLAGS",
    ];
    assert!(
        template.len() == expected.len() && template.iter().zip(expected).all(|(line, begins)| line.starts_with(begins)),
        "{template:?}"
    );
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
fn what_readme_and_install_write_into_the_environment_is_a_configuration() {
    for page in ["README.md", "INSTALL.md"] {
        let text = document(page);
        let line = text.lines().find(|line| line.contains("/etc/warren/environment") && line.contains("echo 'DZ_LEDGER")).unwrap();
        let (name, value) = line.split('\'').nth(1).unwrap().split_once('=').unwrap();
        let printed = checked(Command::new(env!("CARGO_BIN_EXE_warrend")).env_clear().env(name, value)).unwrap();
        assert!(printed.contains("https://your-ledger-endpoint"), "{page}: {line}\n{printed}");
    }
}

#[test]
fn the_endpoint_of_the_reference_is_taken_over_by_the_line_that_install_shows() {
    let text = document("INSTALL.md");
    let line = text.lines().find(|line| line.contains("DZ_LEDGER_RPC_URL=\\1")).unwrap();
    let script =
        format!(r#"echo '{{"program_id":"ser2","rpc_url":"https://example.com/a-token"}}' | {}"#, line.split(" | ").next().unwrap());
    let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "DZ_LEDGER_RPC_URL=https://example.com/a-token\n");
}

#[test]
fn the_flags_that_install_writes_into_the_environment_are_ones() {
    let text = document("INSTALL.md");
    let lines: Vec<&str> = text.lines().filter_map(|line| line.split("'WARREND_FLAGS=").nth(1)?.split('\'').next()).collect();
    assert!(!lines.is_empty());
    for flags in lines {
        let mut command = Command::new(env!("CARGO_BIN_EXE_warrend"));
        checked(command.env_clear().env("DZ_LEDGER_RPC_URL", "https://your-ledger-endpoint").args(flags.split_whitespace())).unwrap();
    }
}

#[test]
fn the_packaged_configuration_and_those_that_install_shows_are_ones() {
    let text = document("INSTALL.md");
    let shown = text.split("```toml\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned());
    let all: Vec<String> = shown.chain([document("packaging/warren.toml")]).collect();
    assert!(all.len() > 1);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("warren.toml");
    for configuration in all {
        std::fs::write(&file, &configuration).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_warrend"));
        command.env_clear().env("DZ_LEDGER_RPC_URL", "https://your-ledger-endpoint").arg("--config").arg(&file);
        checked(&mut command).unwrap_or_else(|error| panic!("{configuration}{error}"));
    }
}

/// The configuration in force, as `warrend --check-config` prints it.
fn checked(command: &mut Command) -> Result<String, String> {
    let output = command.arg("--check-config").output().unwrap();
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into())
    }
}

fn document(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// A copy of the unit that starts the program of this build, because the packaged one may not be installed here.
fn installed(directory: &Path) -> PathBuf {
    let put = |unit: &str, name: &str| {
        let file = format!("{}/packaging/systemd/{unit}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(file).unwrap().replace("/usr/bin/warrend", env!("CARGO_BIN_EXE_warrend"));
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    put("warrend.service", "warrend.service");
    put("warrend@.service", "warrend@mainnet-beta.service")
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

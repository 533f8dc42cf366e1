//! The systemd unit, as systemd itself sees it. Without `systemd-analyze` on the machine these tests say so and pass.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by it")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a runner reports by it")]
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
    let Some(output) = analyze(&["verify", units[0], units[1]]) else {
        return;
    };
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn the_unit_of_an_environment_differs_in_that_only() {
    let only_here = |file: &str, other: &str| -> Vec<String> {
        let read = |file| {
            std::fs::read_to_string(format!("{}/packaging/systemd/{file}", env!("CARGO_MANIFEST_DIR")))
                .unwrap()
        };
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
        "ExecStart=/usr/bin/warrend $WARREND_FLAGS -env %i",
    ];
    assert!(
        template.len() == expected.len()
            && template
                .iter()
                .zip(expected)
                .all(|(line, begins)| line.starts_with(begins)),
        "{template:?}"
    );
}

#[test]
fn the_exposure_of_the_unit_is_below_two() {
    let Some(output) = analyze(&["security", "--offline=true", "--threshold=19", "--no-pager", UNIT]) else {
        return;
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

/// The authority over caps is a package of its own, whose program may not be installed here.
#[test]
fn systemd_has_nothing_to_say_about_the_authoritys_unit_which_is_exposed_less() {
    let dir = tempfile::tempdir().unwrap();
    let unit = dir.path().join("warren-capd.service");
    let text = document("packaging/capd/warren-capd.service");
    assert!(text.contains("ExecStart=/usr/bin/warren-capd serve\n") && text.contains("Type=notify\n"));
    std::fs::write(&unit, text.replace("/usr/bin/warren-capd", "/bin/true")).unwrap();
    let unit = unit.to_str().unwrap();
    let Some(output) = analyze(&["verify", "--man=no", unit]) else {
        return;
    };
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{said}");
    let exposure = ["security", "--offline=true", "--threshold=15", "--no-pager", unit];
    let output = analyze(&exposure).unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
}

/// What the package has is there, and whatever is made for it is in it.
#[test]
fn the_authoritys_package_has_its_program_unit_configuration_pages_and_completions() {
    let manifest = document("fleet/Cargo.toml");
    let assets: Vec<&str> = manifest
        .lines()
        .filter_map(|line| line.trim().strip_prefix("[\"../")?.split('"').next())
        .collect();
    assert!(manifest.contains("\"target/release/warren-capd\", \"usr/bin/\""));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for asset in &assets {
        let path = root.join(asset.strip_suffix("/*.1").unwrap_or(asset));
        assert!(path.exists(), "{asset} is not there");
    }
    for made in ["man/*.1", "warren-capd.toml", "warren-capd.service"] {
        assert!(
            assets.contains(&format!("packaging/capd/{made}").as_str()),
            "{made}"
        );
    }
    let completions = std::fs::read_dir(root.join("packaging/capd/completions")).unwrap();
    for completion in completions {
        let name = completion.unwrap().file_name().into_string().unwrap();
        let asset = format!("packaging/capd/completions/{name}");
        assert!(assets.contains(&asset.as_str()), "{name} is in no package");
    }
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
    for line in [
        "StartLimitIntervalSec=0",
        "RestartSec=3s",
        "RestartPreventExitStatus=2",
    ] {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
    assert!(
        !unit.contains("StartLimitBurst="),
        "a burst is what the limit counts"
    );
}

#[test]
fn what_install_writes_into_the_environment_is_a_configuration() {
    let text = document("INSTALL.md");
    let line = text
        .lines()
        .find(|line| line.contains("/etc/warren/environment") && line.contains("echo 'DZ_LEDGER"))
        .unwrap();
    let (name, value) = line.split('\'').nth(1).unwrap().split_once('=').unwrap();
    let printed = checked(
        Command::new(env!("CARGO_BIN_EXE_warrend"))
            .env_clear()
            .env(name, value),
    )
    .unwrap();
    assert!(
        printed.contains("https://your-ledger-endpoint"),
        "{line}\n{printed}"
    );
}

/// As Go writes JSON: what HTML could take for its own is escaped.
#[test]
fn the_endpoint_of_the_reference_is_taken_over_by_the_lines_that_install_shows() {
    let folder = tempfile::tempdir().unwrap();
    let environment = folder.path().join("environment");
    let answer =
        r#"{"program_id":"ser2","rpc_url":"https://example.com/?api-key=a-token\u0026x=\u003c1\u003e"}"#;
    assert!(taken_over(folder.path(), answer).success());
    let wanted = "DZ_LEDGER_RPC_URL=https://example.com/?api-key=a-token&x=<1>\n";
    assert_eq!(std::fs::read_to_string(&environment).unwrap(), wanted);
    taken_over(folder.path(), "");
    assert_eq!(
        std::fs::read_to_string(&environment).unwrap(),
        wanted,
        "a daemon that does not answer takes nothing away"
    );
    std::fs::remove_file(&environment).unwrap();
    taken_over(folder.path(), "");
    assert!(
        !environment.exists(),
        "a daemon that does not answer leaves no empty file"
    );
}

/// Runs those lines for what the reference answers, with a folder in the place of `/etc/warren`.
fn taken_over(folder: &Path, answer: &str) -> std::process::ExitStatus {
    let text = document("INSTALL.md");
    let block = text.split("```").find(|block| block.contains("rpc_url")).unwrap();
    let lines = block
        .strip_prefix("sh\n")
        .unwrap()
        .replace("/etc/warren", folder.to_str().unwrap());
    let script = format!("curl() {{ printf '%s' \"$ANSWER\"; }}\nsudo() {{ \"$@\"; }}\n{lines}");
    Command::new("sh")
        .arg("-c")
        .arg(script)
        .env("ANSWER", answer)
        .output()
        .unwrap()
        .status
}

#[test]
fn the_network_has_a_step_of_its_own_for_those_who_skip_the_one_before() {
    let text = document("INSTALL.md");
    let steps = text
        .split("\n## ")
        .find(|section| section.starts_with("Move a host"))
        .unwrap();
    let of = |what: &str| {
        steps
            .split("\n1. ")
            .nth(1)
            .unwrap()
            .split("\n2. ")
            .position(|step| step.contains(what))
    };
    assert_eq!(
        (of("skip this step"), of("'WARREND_FLAGS=-env mainnet-beta'")),
        (Some(0), Some(1))
    );
}

#[test]
fn bash_completes_each_of_the_two_names() {
    for name in ["warren", "doublezero"] {
        let script = format!(
            ". packaging/completions/warren.bash; complete -p {name} >&2; COMP_WORDS=({name} statu) COMP_CWORD=1; \
             _warren {name} statu {name}; echo \"${{COMPREPLY[@]}}\""
        );
        let output = Command::new("bash")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .arg("-c")
            .arg(script)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("-F _warren"), "{name}: {said}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "status\n", "{name}");
    }
}

/// Every setting in force without a file is in it, with that value; what has none of its own (the endpoint, the program) by name.
#[test]
fn the_packaged_configuration_says_what_holds_without_it() {
    let printed = checked(
        Command::new(env!("CARGO_BIN_EXE_warrend"))
            .env_clear()
            .env("DZ_LEDGER_RPC_URL", "https://e.example"),
    )
    .unwrap();
    let packaged = document("packaging/warren.toml");
    let (mut section, mut seen) = ("", 0);
    for line in printed.lines().filter(|line| !line.is_empty()) {
        if line.starts_with('[') {
            section = line;
            continue;
        }
        let (name, _) = line.split_once(" = ").unwrap();
        let wanted = if matches!(name, "urls" | "program_id") {
            format!("# {name} = ")
        } else {
            format!("# {line}")
        };
        let part = if section.is_empty() {
            packaged.split("\n[").next()
        } else {
            packaged.split(section).nth(1)
        };
        let part = part
            .unwrap_or_else(|| panic!("{section} is missing"))
            .split("\n[")
            .next()
            .unwrap();
        assert!(
            part.lines().any(|line| line.starts_with(&wanted)),
            "{section} {wanted:?} is not in\n{part}"
        );
        seen += 1;
    }
    assert!(seen > 30, "{printed}");
}

#[test]
fn the_flags_that_install_writes_into_the_environment_are_ones() {
    let text = document("INSTALL.md");
    let lines: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split("'WARREND_FLAGS=").nth(1)?.split('\'').next())
        .collect();
    assert!(!lines.is_empty());
    for flags in lines {
        let mut command = Command::new(env!("CARGO_BIN_EXE_warrend"));
        checked(
            command
                .env_clear()
                .env("DZ_LEDGER_RPC_URL", "https://your-ledger-endpoint")
                .args(flags.split_whitespace()),
        )
        .unwrap();
    }
}

#[test]
fn the_packaged_configuration_and_those_that_install_shows_are_ones() {
    let text = document("INSTALL.md");
    let shown = text
        .split("```toml\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap().to_owned());
    let all: Vec<String> = shown.chain([document("packaging/warren.toml")]).collect();
    assert!(all.len() > 1);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("warren.toml");
    for configuration in all {
        std::fs::write(&file, &configuration).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_warrend"));
        command
            .env_clear()
            .env("DZ_LEDGER_RPC_URL", "https://your-ledger-endpoint")
            .arg("--config")
            .arg(&file);
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
        let text = std::fs::read_to_string(file)
            .unwrap()
            .replace("/usr/bin/warrend", env!("CARGO_BIN_EXE_warrend"));
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

/// With the event as a hook reads it, where only its folder can be written.
#[test]
fn the_sample_of_a_hook_says_when_a_validator_is_to_leave_and_when_it_may_stay() {
    use std::io::Write;
    use warren_state::{
        Epoch, NodeId, Sequence,
        event::Event,
        health::{HealthCode, HealthReason, Purpose},
        hooks::input,
        journal::JournalEntry,
    };
    let folder = tempfile::tempdir().unwrap();
    let give = |event: Event| {
        let entry = JournalEntry {
            epoch: Epoch(1),
            sequence: Sequence(1),
            unix_ms: 1,
            event,
        };
        let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/hooks/failover.sample");
        let mut child = Command::new("sh")
            .arg(sample)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("WARREN_EVENT", entry.event.name())
            .env("WARREN_FAILOVER", folder.path())
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let _not_read = stdin.write_all(input(NodeId(1), &entry, 0).as_bytes());
        drop(stdin);
        assert!(child.wait().unwrap().success());
        let written = std::fs::read_to_string(folder.path().join("failover")).unwrap_or_default();
        written.lines().next().unwrap_or_default().to_owned()
    };
    let health = |purpose, healthy| Event::HealthChanged {
        purpose,
        healthy,
        reasons: vec![HealthReason {
            code: HealthCode::SessionDown,
            tunnel: None,
        }],
    };
    assert_eq!(give(Event::Switched { enabled: false }), "");
    assert_eq!(give(health(Purpose::General, false)), "");
    assert_eq!(give(health(Purpose::Failover, false)), "leave");
    assert_eq!(give(health(Purpose::General, true)), "leave");
    assert_eq!(give(health(Purpose::Failover, true)), "stay");
}

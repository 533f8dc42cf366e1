//! The packaged unit, and the package, under a real systemd in a container (`e2e/systemd`). Where a container cannot be had, or what
//! makes the package is missing, the trials are skipped by name.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a runner reports by it")]
#![allow(missing_docs)]

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use libtest_mimic::{Arguments, Failed, Trial};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const WARREND: &str = env!("CARGO_BIN_EXE_warrend");
/// What makes the package, and what `e2e/systemd/package` needs.
const TOOLS: [&str; 6] = ["cargo-deb", "dpkg-deb", "apt-get", "strip", "bird", "ping"];
/// The exit code that stands for "not possible here".
const SKIPPED: i32 = 77;

fn main() -> ExitCode {
    let no_container = script("run")
        .arg("--probe")
        .output()
        .is_ok_and(|probe| probe.status.code() == Some(SKIPPED));
    let no_package = no_container || !devnet().exists() || !TOOLS.into_iter().all(is_there);
    let trials = vec![
        Trial::test(
            "only_a_stop_of_the_unit_tells_the_daemon_to_remove_its_tunnels",
            || passes(script("run").arg(WARREND)),
        )
        .with_ignored_flag(no_container),
        Trial::test(
            "the_package_installs_migrates_upgrades_without_a_lost_packet_and_goes_without_a_trace",
            package,
        )
        .with_ignored_flag(no_package),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Two packages of this build, of which one is newer.
fn package() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let debs = ["0.1.0-1", "0.1.0-2"].map(|version| (version, folder.path().join(format!("{version}.deb"))));
    for (version, deb) in &debs {
        let options = [
            "--no-build",
            "--locked",
            "--offline",
            "--fast",
            "--quiet",
            "--profile",
            "dev",
            "--deb-version",
            version,
        ];
        let output = Command::new("cargo")
            .current_dir(ROOT)
            .arg("deb")
            .args(options)
            .arg("--output")
            .arg(deb)
            .output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
    }
    passes(
        script("package")
            .args(debs.iter().map(|(_, deb)| deb))
            .arg(devnet()),
    )
}

fn passes(command: &mut Command) -> Result<(), Failed> {
    let output = command.output()?;
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || !said.contains("all ok") {
        return Err(said.into());
    }
    said.lines()
        .filter(|line| line.contains("]: ok "))
        .for_each(|line| eprintln!("{}", line.trim_end()));
    Ok(())
}

fn script(name: &str) -> Command {
    Command::new(Path::new(ROOT).join("e2e/systemd").join(name))
}

/// Built beside the daemon, when all of the workspace is.
fn devnet() -> PathBuf {
    Path::new(WARREND).with_file_name("warren-devnet")
}

fn is_there(program: &str) -> bool {
    let found = |folder: PathBuf| folder.join(program).exists();
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .any(found)
}

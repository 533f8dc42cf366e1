//! What this system lacks for a devnet, said by name before anything starts.

use std::{fs::OpenOptions, path::Path, process::Command};

use anyhow::{Result, bail};
use nix::unistd::Uid;

use crate::bgp::{FRR_DAEMONS, Flavour};

/// Checks programs and permissions.
///
/// # Errors
/// With everything that is missing.
pub fn preflight(flavour: Flavour) -> Result<()> {
    let missing = missing(flavour);
    if missing.is_empty() {
        return Ok(());
    }
    bail!("this cannot run here: {}", missing.join("; "))
}

/// Everything that is missing, for people.
#[must_use]
pub fn missing(flavour: Flavour) -> Vec<String> {
    let mut missing = Vec::new();
    if !runs("ip", "-V") {
        missing.push("ip is not installed (package iproute2; scripts/setup installs it)".to_owned());
    }
    match flavour {
        Flavour::Bird if !runs("bird", "--version") => {
            missing.push("bird is not installed (package bird2; scripts/setup installs it)".to_owned())
        }
        Flavour::Frr if !Path::new(FRR_DAEMONS).join("bgpd").exists() => {
            missing.push("bgpd is not installed (package frr; scripts/setup installs it)".to_owned());
        }
        Flavour::Bird | Flavour::Frr => {}
    }
    if !Uid::effective().is_root() && !runs("unshare", "-Urn") {
        missing
            .push("neither root nor user namespaces (sysctl kernel.unprivileged_userns_clone=1)".to_owned());
    }
    if !Uid::effective().is_root()
        && let Err(error) = OpenOptions::new().read(true).write(true).open("/dev/net/tun")
    {
        missing.push(format!("/dev/net/tun: {error} (chmod 666 /dev/net/tun, or root)"));
    }
    missing
}

fn runs(program: &str, argument: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(argument);
    if program == "unshare" {
        command.arg("true");
    }
    command.output().is_ok_and(|output| output.status.success())
}

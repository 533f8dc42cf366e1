//! What this host tells, with or without a daemon.

use std::{fs, path::Path};

use nix::unistd::{Group, geteuid, getgroups};

use super::Check;
use crate::http::peer::GROUPS;

/// systemd-networkd keeps its state here while it runs.
const NETWORKD_STATE: &str = "/run/systemd/netif/state";
/// In the order in which they are read; the last setting wins.
const NETWORKD_CONFIG: [&str; 4] =
    ["/usr/lib/systemd/networkd.conf.d", "/etc/systemd/networkd.conf", "/run/systemd/networkd.conf.d", "/etc/systemd/networkd.conf.d"];
const SETTINGS: [&str; 2] = ["ManageForeignRoutes", "ManageForeignRoutingPolicyRules"];

/// All of them.
pub fn checks() -> Vec<Check> {
    vec![permission(), networkd()]
}

fn permission() -> Check {
    if geteuid().is_root() {
        return Check::pass("permission", "root may change things");
    }
    let ours = getgroups().unwrap_or_default();
    let member = GROUPS.iter().find(|name| Group::from_name(name).ok().flatten().is_some_and(|group| ours.contains(&group.gid)));
    match member {
        Some(group) => Check::pass("permission", format!("a member of {group} may change things")),
        None => Check::warn(
            "permission",
            "you may read, but not enable or disable",
            format!("usermod -aG {} YOUR-USER, then log in anew", GROUPS[0]),
        ),
    }
}

fn networkd() -> Check {
    if !Path::new(NETWORKD_STATE).exists() {
        return Check::skip("networkd", "systemd-networkd does not run here");
    }
    let text: String =
        NETWORKD_CONFIG.iter().flat_map(|path| files(Path::new(path))).filter_map(|path| fs::read_to_string(path).ok()).collect();
    let kept: Vec<&str> = SETTINGS.into_iter().filter(|setting| manages_foreign(&text, setting)).collect();
    if kept.is_empty() {
        return Check::pass("networkd", "systemd-networkd leaves the routes and rules of others alone");
    }
    let lines = kept.iter().map(|setting| format!("{setting}=no")).collect::<Vec<_>>().join(" and ");
    Check::warn(
        "networkd",
        "systemd-networkd removes routes and rules that it does not know when it restarts; the daemon puts them back",
        format!("put {lines} under [Network] in /etc/systemd/networkd.conf.d/warren.conf"),
    )
}

fn files(path: &Path) -> Vec<std::path::PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let mut files: Vec<_> = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    files.sort();
    files
}

/// Whether the setting, which is on unless it is turned off, is on.
fn manages_foreign(text: &str, setting: &str) -> bool {
    let mut values = text.lines().filter_map(|line| line.trim().strip_prefix(setting)?.trim_start().strip_prefix('=')).map(str::trim);
    values.next_back().is_none_or(|value| !matches!(value.to_ascii_lowercase().as_str(), "no" | "false" | "off" | "0" | "n" | "f"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_setting_of_networkd_wins_and_the_default_is_on() {
        assert!(manages_foreign("", "ManageForeignRoutes"));
        assert!(manages_foreign("#ManageForeignRoutes=no\n", "ManageForeignRoutes"));
        assert!(!manages_foreign("[Network]\nManageForeignRoutes = no\n", "ManageForeignRoutes"));
        assert!(manages_foreign("ManageForeignRoutes=no\nManageForeignRoutes=yes\n", "ManageForeignRoutes"));
        assert!(manages_foreign("ManageForeignRoutingPolicyRules=no\n", "ManageForeignRoutes"));
    }
}

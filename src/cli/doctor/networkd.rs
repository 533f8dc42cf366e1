//! Whether systemd-networkd purges the routes and rules of others.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    check::Check,
    root::{self, Root},
};

const NAME: &str = "networkd";
/// systemd-networkd keeps its state here while it runs.
const STATE: &str = "/run/systemd/netif/state";
/// systemd.conf(5): the first file that is there counts, and then every drop-in by its name; of two drop-ins of one name
/// the one in the later of these folders counts.
const FILES: [&str; 3] = [
    "/etc/systemd/networkd.conf",
    "/run/systemd/networkd.conf",
    "/usr/lib/systemd/networkd.conf",
];
const DROP_INS: [&str; 4] = [
    "/usr/lib/systemd/networkd.conf.d",
    "/usr/local/lib/systemd/networkd.conf.d",
    "/run/systemd/networkd.conf.d",
    "/etc/systemd/networkd.conf.d",
];
const SETTINGS: [&str; 2] = ["ManageForeignRoutes", "ManageForeignRoutingPolicyRules"];

/// What there is to know of it.
pub struct Facts {
    /// Whether it runs.
    pub is_active: bool,
    /// Its configuration, in the order in which it counts: the last setting wins.
    pub text: String,
}

/// Gathers what can be seen of it, and changes nothing.
pub fn look(root: &Root) -> Facts {
    let mut drop_ins: BTreeMap<String, PathBuf> = BTreeMap::new();
    for folder in DROP_INS {
        let names = root
            .names(folder)
            .into_iter()
            .filter(|name| name.ends_with(".conf"));
        drop_ins.extend(names.map(|name| (name.clone(), root.at(folder).join(name))));
    }
    let main = FILES.iter().map(|file| root.at(file)).find(|file| file.exists());
    let texts = main
        .into_iter()
        .chain(drop_ins.into_values())
        .filter_map(|path| root::bytes(&path).ok());
    let text = texts
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned() + "\n")
        .collect();
    Facts {
        is_active: root.at(STATE).exists(),
        text,
    }
}

/// Works out the checks from what was gathered; changes and asks nothing.
pub fn judge(facts: &Facts) -> Check {
    if !facts.is_active {
        return Check::skip(NAME, "systemd-networkd does not run here");
    }
    let on: Vec<&str> = SETTINGS
        .into_iter()
        .filter(|setting| is_on(&facts.text, setting))
        .collect();
    if on.is_empty() {
        return Check::pass(
            NAME,
            "systemd-networkd leaves the routes and rules of others alone",
        );
    }
    let lines = on
        .iter()
        .map(|setting| format!("{setting}=no"))
        .collect::<Vec<_>>()
        .join(" and ");
    Check::warn(
        NAME,
        "systemd-networkd removes routes and rules that it does not know when it restarts; the daemon puts them back",
        format!(
            "put {lines} under [Network] in /etc/systemd/networkd.conf.d/warren.conf, and restart systemd-networkd"
        ),
    )
}

/// Whether the setting, which is on unless it is turned off, is on.
fn is_on(text: &str, setting: &str) -> bool {
    let mut is_on = true;
    let mut section = "";
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with(['#', ';']))
    {
        if line.starts_with('[') {
            section = line;
        }
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        if section == "[Network]" && key.trim() == setting {
            match value.trim().to_ascii_lowercase().as_str() {
                "1" | "yes" | "y" | "true" | "t" | "on" => is_on = true,
                "0" | "no" | "n" | "false" | "f" | "off" => is_on = false,
                _not_a_switch => {}
            }
        }
    }
    is_on
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{check::Outcome, root};

    fn outcome(files: &[(&str, &str)]) -> Outcome {
        let (_directory, root) = root::with(files);
        judge(&look(&root)).outcome
    }

    const RUNS: (&str, &str) = ("/run/systemd/netif/state", "");
    const BOTH: &str = "[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules = off\n";

    #[test]
    fn purging_is_told_of_unless_both_settings_are_off_or_networkd_does_not_run() {
        assert_eq!(outcome(&[]), Outcome::Skip);
        assert_eq!(outcome(&[RUNS]), Outcome::Warn, "on by default");
        assert_eq!(
            outcome(&[RUNS, ("/etc/systemd/networkd.conf", BOTH)]),
            Outcome::Pass
        );
        assert_eq!(
            outcome(&[RUNS, ("/etc/systemd/networkd.conf.d/warren.conf", BOTH)]),
            Outcome::Pass
        );
        assert_eq!(
            outcome(&[
                RUNS,
                (
                    "/etc/systemd/networkd.conf",
                    "[Network]\nManageForeignRoutes=no\n"
                )
            ]),
            Outcome::Warn,
            "one of two"
        );
        assert_eq!(
            outcome(&[RUNS, ("/etc/systemd/networkd.conf", "#ManageForeignRoutes=no\n")]),
            Outcome::Warn
        );
    }

    #[test]
    fn drop_ins_count_by_name_and_those_of_the_administrator_hide_those_of_the_vendor() {
        let on = "[Network]\nManageForeignRoutes=yes\n";
        let late = [
            RUNS,
            ("/etc/systemd/networkd.conf", BOTH),
            ("/usr/lib/systemd/networkd.conf.d/90.conf", on),
        ];
        assert_eq!(outcome(&late), Outcome::Warn, "a drop-in comes after the file");
        let hidden = [
            RUNS,
            ("/usr/lib/systemd/networkd.conf.d/10.conf", on),
            ("/etc/systemd/networkd.conf.d/10.conf", BOTH),
        ];
        assert_eq!(outcome(&hidden), Outcome::Pass);
        let earlier = [
            RUNS,
            ("/etc/systemd/networkd.conf.d/10.conf", BOTH),
            ("/usr/lib/systemd/networkd.conf.d/90.conf", on),
        ];
        assert_eq!(
            outcome(&earlier),
            Outcome::Warn,
            "the name decides, not the folder"
        );
    }

    #[test]
    fn the_last_setting_wins_and_what_is_no_switch_does_not_count() {
        assert!(is_on("", "ManageForeignRoutes"));
        assert!(is_on(
            "[Network]\nManageForeignRoutes=no\nManageForeignRoutes=yes\n",
            "ManageForeignRoutes"
        ));
        assert!(is_on("[Other]\nManageForeignRoutes=no\n", "ManageForeignRoutes"));
        assert!(is_on(
            "[Network]\nManageForeignRoutingPolicyRules=no\n",
            "ManageForeignRoutes"
        ));
        assert!(!is_on(
            "[Network]\nManageForeignRoutes=no\nManageForeignRoutes=\n",
            "ManageForeignRoutes"
        ));
    }
}

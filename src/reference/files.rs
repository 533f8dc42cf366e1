//! Every file that Warren reads or writes, and every setting of the configuration.

use super::{code, head, table, words};

/// What is below `/var/lib/doublezerod`, by the names that the code has for it, and what else is read and written.
const FILES: &[(&str, &str)] = &[
    ("/etc/warren/warren.toml", "the configuration of warrend: below"),
    (
        "/etc/warren/environment",
        "variables for the unit: `DZ_LEDGER_RPC_URL`, and `WARREND_FLAGS` with flags for the daemon",
    ),
    ("/etc/warren/hooks.d", "programs that are given events"),
    (
        "/var/run/doublezerod/doublezerod.sock",
        "the socket of the API; the packaged unit makes its folder, which is `/run/doublezerod` too",
    ),
    ("/var/lib/doublezerod", "what outlives the daemon (`state_dir`)"),
    (
        "/var/lib/doublezerod/lock",
        "held while a daemon runs: there is one at a time",
    ),
    (
        "/var/lib/doublezerod/store",
        "the database: the enable switch, incarnations, cursors of readers, the pinned address",
    ),
    (
        "/var/lib/doublezerod/store.recovering",
        "the same, while it is rebuilt from its undamaged parts",
    ),
    (
        "/var/lib/doublezerod/store.damaged-N",
        "a database that could not be read, kept",
    ),
    (
        "/var/lib/doublezerod/switch",
        "a second record of the enable switch",
    ),
    (
        "/var/lib/doublezerod/initialised",
        "marks that the daemon has started before",
    ),
    (
        "/var/lib/doublezerod/node",
        "this host's name in positions of the journal, generated once",
    ),
    (
        "/var/lib/doublezerod/secret",
        "the secret behind pseudonyms of other hosts' users, generated once",
    ),
    (
        "/var/lib/doublezerod/journal",
        "what happened, in files of JSON lines; the oldest go first",
    ),
    (
        "/var/lib/doublezerod/journal/cursors",
        "how far its readers have read",
    ),
    ("/var/lib/doublezerod/journal/alive", "when the daemon last ran"),
    (
        "/var/lib/doublezerod/usage",
        "what tunnels carried: samples, and sums of hours by day",
    ),
    (
        "/var/lib/doublezerod/metering/ledger.jsonl",
        "what may be billed (`[metering.file]`); `warren meter verify` looks at it",
    ),
    (
        "/var/lib/doublezerod/route-config.json",
        "destinations that no session may teach us (`route_config`)",
    ),
    (
        "/var/lib/doublezerod/recording.jsonl",
        "everything that happens, where `record` names it, and the part before it with `.1`",
    ),
    (
        "/var/lib/doublezerod/forwarder.sock",
        "to the forwarder of the userspace dataplane",
    ),
    ("/var/lib/doublezerod/forwarder.log", "that forwarder's log"),
    (
        "/var/lib/doublezerod/state.json",
        "the reference's switch and pin: read at the very first start, never written",
    ),
    (
        "/var/lib/doublezerod/doublezerod.json",
        "the reference's older file of tunnels: as above",
    ),
    (
        "~/.config/doublezero/cli/config.yml",
        "the configuration of `warren` (`warren config`)",
    ),
    (
        "~/.config/doublezero/id.json",
        "the keypair that signs and pays, unless another one is named",
    ),
    ("/usr/share/warren", "the dashboard and the alert rules"),
];

pub fn page() -> String {
    let text = head(
        "Files and settings",
        "Files that Warren reads and writes by default. All below `/var/lib/doublezerod` is readable by root and the \
         user warren only.",
    );
    let text = text
        + &table(
            ["file", "what it is"],
            FILES.iter().map(|(file, what)| [code(file), words(what)]),
        );
    text + "\n## warren.toml\n\nWithout a line the default applies, or what the comment says. Flags override the file.\n"
        + &settings()
}

/// From the packaged configuration, which holds every setting; a test of the package holds it to the defaults.
fn settings() -> String {
    let packaged = include_str!("../../packaging/warren.toml");
    let mut text = String::new();
    let mut rows: Vec<[String; 3]> = Vec::new();
    let columns = ["setting", "default or example", "what it is"];
    for line in packaged.lines() {
        if line.starts_with('[') {
            let (section, about) = line.split_once('#').unwrap_or((line, ""));
            text += &table(columns, std::mem::take(&mut rows));
            text += &format!("\n### {}\n", section.trim());
            if !about.is_empty() {
                text += &format!("\n{}\n", words(about));
            }
        } else if let Some((name, rest)) = setting(line) {
            let (value, about) = rest.split_once(" #").unwrap_or((rest, ""));
            rows.push([code(name), code(value.trim()), words(about)]);
        }
    }
    text + &table(columns, rows)
}

fn setting(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.strip_prefix("# ")?.split_once(" = ")?;
    let is_name = name
        .chars()
        .all(|letter| letter.is_ascii_lowercase() || letter == '_');
    is_name.then_some((name, rest))
}

/// A name of a file that a constant of the store has is one of the page's, and so is every path of ours in the code.
#[test]
fn every_file_that_the_code_names_is_on_the_page() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let page = page();
    let mut seen = 0;
    for folder in [
        "state/store/src",
        "src/config",
        "src/daemon",
        "src/cli",
        "actors/src",
    ] {
        for text in super::sources(&format!("{root}{folder}")) {
            let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let literals = product.split('"').skip(1).step_by(2);
            let ours = [
                "/etc/warren/",
                "/var/lib/doublezerod",
                "/run/doublezerod/",
                "/var/run/doublezerod/",
            ];
            for path in literals.filter(|text| ours.iter().any(|ours| text.starts_with(ours))) {
                let path = path.split_whitespace().next().unwrap();
                let path = path.trim_end_matches([',', ';', '.']).replacen(
                    "/run/",
                    "/var/run/",
                    usize::from(path.starts_with("/run/")),
                );
                assert!(page.contains(&path), "{path}");
                seen += 1;
            }
            if folder == "state/store/src" {
                let constants = product
                    .split("const ")
                    .skip(1)
                    .filter_map(|rest| rest.split_once(": &str = \""));
                for (name, rest) in constants.filter(|(name, _)| {
                    !["TEMPORARY", "RANDOM", "SUFFIX", "LOG", "BLOBS", "DAY"].contains(name)
                }) {
                    let file = rest.split('"').next().unwrap();
                    assert!(page.contains(&format!("/{file}`")), "{name}: {file}");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 10, "{seen}");
}

//! The house rule: who may know whom, transitively, over `cargo metadata`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by it")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use warren_state::{Phase, SessionStatus};

/// Every room, and the rooms that it may reach, directly or through others.
const ROOMS: &[(&str, &[&str])] = &[
    ("warren-state", &[]),
    ("warren-store", &["warren-state"]),
    ("warren-ledger", &["warren-state"]),
    ("warren-protocols", &["warren-state"]),
    ("warren-dataplane", &["warren-state"]),
    ("warren-metering", &["warren-state"]),
    ("warren-datacap", &[]),
    (
        "warren-fleet",
        &[
            "warren-state",
            "warren-store",
            "warren-metering",
            "warren-datacap",
        ],
    ),
    (
        "warren-actors",
        &[
            "warren-state",
            "warren-store",
            "warren-ledger",
            "warren-protocols",
            "warren-dataplane",
            "warren-metering",
            "warren-datacap",
        ],
    ),
    ("warren-api", &["warren-state"]),
    (
        "warren-config",
        &[
            "warren-state",
            "warren-ledger",
            "warren-metering",
            "warren-protocols",
            "warren-api",
        ],
    ),
    (
        "warren-cli",
        &[
            "warren-state",
            "warren-ledger",
            "warren-protocols",
            "warren-dataplane",
            "warren-metering",
            "warren-api",
            "warren-config",
        ],
    ),
    (
        "warren",
        &[
            "warren-state",
            "warren-store",
            "warren-ledger",
            "warren-protocols",
            "warren-dataplane",
            "warren-metering",
            "warren-datacap",
            "warren-actors",
            "warren-api",
            "warren-config",
            "warren-cli",
        ],
    ),
    (
        "warren-sim",
        &["warren-state", "warren-protocols", "warren-metering"],
    ),
    (
        "warren-e2e",
        &[
            "warren-state",
            "warren-store",
            "warren-ledger",
            "warren-protocols",
            "warren-dataplane",
            "warren-metering",
            "warren-datacap",
            "warren-actors",
            "warren-sim",
        ],
    ),
];

/// Crates, by the start of their names, that only these rooms may reach.
const RESERVED: &[(&str, &[&str])] = &[
    (
        "solana-",
        &[
            "warren-ledger",
            "warren-actors",
            "warren-config",
            "warren-cli",
            "warren",
            "warren-e2e",
        ],
    ),
    ("surfpool-", &["warren-e2e"]),
    (
        "tokio",
        &[
            "warren-ledger",
            "warren-dataplane",
            "warren-datacap",
            "warren-fleet",
            "warren-actors",
            "warren-api",
            "warren-config",
            "warren-cli",
            "warren",
            "warren-e2e",
        ],
    ),
    (
        "rtnetlink",
        &[
            "warren-dataplane",
            "warren-actors",
            "warren-cli",
            "warren",
            "warren-e2e",
        ],
    ),
    ("ractor", &["warren-actors", "warren", "warren-e2e"]),
    ("axum", &["warren-fleet", "warren", "warren-e2e"]),
    (
        "sled",
        &[
            "warren-store",
            "warren-fleet",
            "warren-actors",
            "warren",
            "warren-e2e",
        ],
    ),
];

/// Rooms that take time and randomness as arguments and do no I/O.
const PURE: &[&str] = &["warren-state", "warren-protocols", "warren-metering"];

/// What I/O, clocks, threads and randomness come from: by whole names.
const IMPURE: &[&str] = &[
    "crossbeam-utils",
    "fs2",
    "getrandom",
    "instant",
    "libc",
    "mio",
    "nix",
    "parking_lot",
    "rand",
    "rustix",
    "sled",
    "socket2",
    "tempfile",
    "tokio",
];

/// Crates, by the start of their names, that only these rooms may ask for themselves: what a Solana client brings along of them
/// is its own.
const ASKED_FOR: &[(&str, &[&str])] = &[
    ("aya", &["warren-dataplane"]),
    ("tonic", &["warren-datacap", "warren-actors", "warren-fleet"]),
    ("async-nats", &["warren-fleet"]),
];

/// What the two halves of the root package may not name of each other: where, what, and the files that may.
const HALVES: &[(&str, &str, &[&str])] = &[
    ("src/daemon", "warren_cli::", &[]),
    ("src/http", "warren_cli::", &[]),
    ("src/bin/warrend.rs", "warren_cli::", &[]),
    ("src/bin/warren.rs", "warren::", &[]),
    // The mark of ownership on a link is read by who writes it.
    ("src/cli", "warren_dataplane::", &["src/cli/doctor/net.rs"]),
];

#[test]
fn every_room_reaches_only_the_rooms_below_it() {
    let metadata = metadata();
    let rooms: BTreeSet<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    for (room, allowed) in ROOMS {
        let reached = reachable(&metadata, room);
        let reached: BTreeSet<&str> = reached
            .iter()
            .map(String::as_str)
            .filter(|name| rooms.contains(name))
            .collect();
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        let forbidden: Vec<_> = reached.difference(&allowed).collect();
        assert!(forbidden.is_empty(), "{room} reaches {forbidden:?}");
    }
}

#[test]
fn every_crate_of_the_workspace_is_a_room() {
    let known: BTreeSet<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    let metadata = metadata();
    let members: BTreeSet<&str> = metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    assert_eq!(members, known);
}

#[test]
fn heavy_and_impure_crates_stay_in_their_rooms() {
    let metadata = metadata();
    for (room, _) in ROOMS {
        for name in reachable(&metadata, room) {
            let broken = RESERVED
                .iter()
                .find(|(prefix, rooms)| name.starts_with(prefix) && !rooms.contains(room));
            assert!(broken.is_none(), "{room} reaches {name}");
        }
    }
}

#[test]
fn pure_rooms_are_pure_by_what_they_depend_on() {
    for room in PURE {
        let built_of = built_of(room);
        assert!(built_of.contains(*room), "{built_of:?}");
        let impure: Vec<_> = IMPURE.iter().filter(|name| built_of.contains(**name)).collect();
        assert!(impure.is_empty(), "{room} is built of {impure:?}");
    }
}

/// What a room is built of when it is built alone: in the workspace's metadata its dependencies have the features that others ask
/// of them too.
fn built_of(room: &str) -> BTreeSet<String> {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--locked",
            "--target",
            "x86_64-unknown-linux-gnu",
        ])
        .args(["--edges", "normal,build", "--prefix", "none", "--package", room])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8(tree.stdout).unwrap();
    let names = text.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

#[test]
fn crates_that_one_room_needs_are_asked_for_by_no_other() {
    for package in metadata().workspace_packages() {
        let asked = package
            .dependencies
            .iter()
            .map(|dependency| dependency.name.as_str());
        for name in asked {
            let broken = ASKED_FOR
                .iter()
                .find(|(prefix, rooms)| name.starts_with(prefix) && !rooms.contains(&package.name.as_str()));
            assert!(broken.is_none(), "{} asks for {name}", package.name);
        }
    }
}

#[test]
fn neither_half_of_the_root_package_names_the_other() {
    for (place, name, allowed) in HALVES {
        let naming: Vec<String> = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(place))
            .into_iter()
            .filter(|file| fs::read_to_string(file).unwrap().contains(name))
            .map(|file| {
                let file = file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
                file.display().to_string()
            })
            .collect();
        assert_eq!(naming, *allowed, "{place} and {name}");
    }
}

#[test]
fn the_command_line_compares_with_no_text_of_the_api() {
    let sessions = SessionStatus::ALL.map(|status| format!("\"{status}\""));
    let phases = Phase::ALL.map(Phase::name);
    let matched = phases.iter().flat_map(|phase| {
        [
            format!("\"{phase}\" =>"),
            format!("= \"{phase}\""),
            format!("Some(\"{phase}\""),
        ]
    });
    let texts: Vec<String> = sessions.into_iter().chain(matched).collect();
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli")) {
        let text = fs::read_to_string(&file).unwrap();
        let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        if file.ends_with("tests.rs") || file.ends_with("samples.rs") {
            continue;
        }
        let found = texts.iter().find(|text| product.contains(text.as_str()));
        assert!(found.is_none(), "{} has {found:?}", file.display());
    }
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release has no symbols")]
fn the_command_line_is_linked_without_the_daemon() {
    // As they stand in symbols, with the lengths of the names.
    let parts = ["4axum", "6ractor", "13warren_actors"];
    let holds = |program: &str| -> Vec<&str> {
        let bytes = fs::read(program).unwrap();
        let is_in = |part: &&&str| bytes.windows(part.len()).any(|window| window == part.as_bytes());
        parts.iter().filter(is_in).copied().collect()
    };
    assert_eq!(holds(env!("CARGO_BIN_EXE_warren")), Vec::<&str>::new());
    let daemon = holds(env!("CARGO_BIN_EXE_warrend"));
    assert!(daemon.starts_with(&parts[..3]), "symbols can be seen: {daemon:?}");
}

/// The Rust files below a folder; or the file itself.
fn sources(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        return vec![place.to_owned()];
    }
    let entries = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    let found = entries.flat_map(|entry| {
        if entry.is_dir() {
            sources(&entry)
        } else {
            vec![entry]
        }
    });
    found
        .filter(|file| file.extension().is_some_and(|end| end == "rs"))
        .collect()
}

fn metadata() -> Metadata {
    // Only this platform's crates are sure to be on the machine: a test must not need a registry.
    let options = [
        "--offline",
        "--locked",
        "--filter-platform",
        "x86_64-unknown-linux-gnu",
    ]
    .map(str::to_owned);
    MetadataCommand::new().other_options(options).exec().unwrap()
}

/// Names of all packages that a room reaches by dependencies that end up in what is built (not those of its tests).
fn reachable(metadata: &Metadata, room: &str) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().unwrap();
    let edges: BTreeMap<&PackageId, Vec<&PackageId>> = resolve
        .nodes
        .iter()
        .map(|node| {
            let built = node.deps.iter().filter(|dep| {
                dep.dep_kinds
                    .iter()
                    .any(|kind| kind.kind != DependencyKind::Development)
            });
            (&node.id, built.map(|dep| &dep.pkg).collect())
        })
        .collect();
    let start = metadata
        .workspace_packages()
        .into_iter()
        .find(|package| package.name.as_str() == room)
        .unwrap();
    let (mut seen, mut queue) = (BTreeSet::new(), vec![&start.id]);
    while let Some(id) = queue.pop() {
        for next in &edges[id] {
            if seen.insert(*next) {
                queue.push(next);
            }
        }
    }
    metadata
        .packages
        .iter()
        .filter(|package| seen.contains(&package.id))
        .map(|package| package.name.to_string())
        .collect()
}

//! Man pages and completions: made from the grammar and the table of flags, committed under `packaging/`, held to them here.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::roff::{Roff, bold, italic, roman};
use warren_config::{URL_VARIABLE, flags::FLAGS};

use super::command::{Cli, completions};
use crate::version::VERSION;

/// Set, the files are written instead of compared (`make generated`).
const WRITE: &str = "WARREN_WRITE_GENERATED";

#[test]
fn the_committed_man_pages_and_completions_are_what_the_code_says() {
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging");
    let wanted = generated();
    if std::env::var_os(WRITE).is_some() {
        write(&packaging, &wanted);
    }
    let committed = committed(&packaging);
    let names = |files: &BTreeMap<PathBuf, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&committed), names(&wanted), "run make generated");
    for (name, text) in &wanted {
        assert!(
            committed.get(name) == Some(text),
            "packaging/{} is not what the code says: run make generated",
            name.display()
        );
    }
}

#[test]
fn every_flag_and_every_verb_has_its_place_in_a_man_page() {
    let pages = generated();
    let daemon = &pages[Path::new("man/warrend.8")];
    for flag in FLAGS {
        assert!(
            daemon.contains(&dashes(&format!("-{}", flag.names[0]))),
            "{}",
            flag.names[0]
        );
    }
    for verb in Cli::command()
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set())
    {
        assert!(
            pages.contains_key(Path::new(&format!("man/warren-{}.1", verb.get_name()))),
            "{}",
            verb.get_name()
        );
    }
}

fn write(packaging: &Path, files: &BTreeMap<PathBuf, String>) {
    for name in committed(packaging)
        .keys()
        .filter(|name| !files.contains_key(*name))
    {
        fs::remove_file(packaging.join(name)).unwrap();
    }
    for (name, text) in files {
        fs::write(packaging.join(name), text).unwrap();
    }
}

fn committed(packaging: &Path) -> BTreeMap<PathBuf, String> {
    let files = ["man", "completions"]
        .into_iter()
        .flat_map(|folder| fs::read_dir(packaging.join(folder)).unwrap());
    let paths = files.map(|file| file.unwrap().path());
    paths
        .map(|path| {
            (
                path.strip_prefix(packaging).unwrap().to_owned(),
                fs::read_to_string(&path).unwrap(),
            )
        })
        .collect()
}

fn generated() -> BTreeMap<PathBuf, String> {
    let scripts = [
        (Shell::Bash, "warren.bash"),
        (Shell::Zsh, "_warren"),
        (Shell::Fish, "warren.fish"),
    ];
    let scripts = scripts.map(|(shell, name)| (Path::new("completions").join(name), completions(shell)));
    let daemon = (PathBuf::from("man/warrend.8"), daemon_page());
    command_pages()
        .into_iter()
        .chain([daemon])
        .chain(scripts)
        .collect()
}

/// A page for `warren` and one for each of its verbs.
fn command_pages() -> Vec<(PathBuf, String)> {
    let folder = tempfile::tempdir().unwrap();
    clap_mangen::generate_to(Cli::command(), folder.path()).unwrap();
    let files = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap());
    files
        .map(|file| {
            (
                Path::new("man").join(file.file_name()),
                fs::read_to_string(file.path()).unwrap(),
            )
        })
        .collect()
}

fn daemon_page() -> String {
    let mut page = Roff::new();
    page.control("TH", ["warrend", "8", "", &format!("warrend {VERSION}"), ""]);
    section(
        &mut page,
        "NAME",
        &["warrend - keeps this host's tunnels as the ledger has them"],
    );
    page.control("SH", ["SYNOPSIS"])
        .text([bold("warrend"), roman(" ["), italic("flags"), roman("]")]);
    section(
        &mut page,
        "DESCRIPTION",
        &[
            "warrend watches a Solana-style ledger whose accounts say who may connect, from which address, to which device. It keeps a \
             GRE tunnel with its addresses, routes, rules, BGP session and multicast for each of this host's users there, and puts back \
             what others change.",
            "It is a drop-in replacement for doublezerod and takes its flags, with one dash or two. warren(1) controls it.",
        ],
    );
    page.control("SH", ["FLAGS"]);
    FLAGS
        .iter()
        .for_each(|flag| entry(&mut page, &flag.synopsis(), flag.help));
    entry(&mut page, "-h, -help", "print the flags and exit");
    page.control("SH", ["FILES"]);
    for (file, what) in FILES {
        entry(&mut page, file, what);
    }
    page.control("SH", ["ENVIRONMENT"]);
    entry(
        &mut page,
        URL_VARIABLE,
        "the ledger's RPC endpoint: overrides the configuration file; a flag overrides it",
    );
    page.control("SH", ["SIGNALS"]);
    for (signal, what) in SIGNALS {
        entry(&mut page, signal, what);
    }
    page.control("SH", ["EXIT STATUS"]);
    for (code, what) in [
        ("0", "an orderly stop"),
        ("1", "a temporary failure"),
        ("2", "a wrong flag or configuration"),
    ] {
        entry(&mut page, code, what);
    }
    section(
        &mut page,
        "SEE ALSO",
        &["warren(1), /usr/share/doc/warren/INSTALL.md"],
    );
    page.render()
}

const FILES: [(&str, &str); 4] = [
    (
        "/etc/warren/warren.toml",
        "the configuration; flags and the environment override it",
    ),
    (
        "/etc/warren/environment",
        "variables for the unit: DZ_LEDGER_RPC_URL, and WARREND_FLAGS with flags for the daemon",
    ),
    (
        "/var/lib/doublezerod",
        "the enable switch and what outlives a restart",
    ),
    ("/run/doublezerod/doublezerod.sock", "the API"),
];

const SIGNALS: [(&str, &str); 2] = [
    (
        "SIGTERM, SIGINT",
        "stop, and leave the tunnels up (see -stop-mode); a second one ends the process at once",
    ),
    (
        "SIGUSR1",
        "stop, and take the tunnels down: what the unit does for systemctl stop",
    ),
];

fn section(page: &mut Roff, title: &str, paragraphs: &[&str]) {
    page.control("SH", [title]);
    for (at, paragraph) in paragraphs.iter().enumerate() {
        if at > 0 {
            page.control("PP", []);
        }
        page.text([roman(*paragraph)]);
    }
}

fn entry(page: &mut Roff, term: &str, text: &str) {
    page.control("TP", []).text([bold(term)]).text([roman(text)]);
}

/// As roff has it.
fn dashes(text: &str) -> String {
    text.replace('-', "\\-")
}

//! Man pages and completions: made from the grammar, committed under `packaging/capd/`, held to it here.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::Cli;

/// Set, the files are written instead of compared (`make generated`).
const WRITE: &str = "WARREN_WRITE_GENERATED";

#[test]
fn the_committed_man_pages_and_completions_of_capd_are_what_the_code_says() {
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/capd");
    let wanted = made();
    if std::env::var_os(WRITE).is_some() {
        for (name, text) in &wanted {
            let path = packaging.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
    let pages = fs::read_dir(packaging.join("man")).unwrap().count();
    let scripts = fs::read_dir(packaging.join("completions")).unwrap().count();
    assert_eq!(pages + scripts, wanted.len(), "run make generated");
    for (name, text) in &wanted {
        assert!(
            fs::read(packaging.join(name)).is_ok_and(|committed| committed == *text),
            "packaging/capd/{} is not what the code says: run make generated",
            name.display()
        );
    }
}

fn made() -> BTreeMap<PathBuf, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    clap_mangen::generate_to(Cli::command(), folder.path()).unwrap();
    let pages = fs::read_dir(folder.path()).unwrap().map(|file| {
        let file = file.unwrap();
        (
            Path::new("man").join(file.file_name()),
            fs::read(file.path()).unwrap(),
        )
    });
    let scripts = [
        (Shell::Bash, "warren-capd.bash"),
        (Shell::Zsh, "_warren-capd"),
        (Shell::Fish, "warren-capd.fish"),
    ];
    let scripts = scripts.map(|(shell, name)| {
        let mut text = Vec::new();
        generate(shell, &mut Cli::command(), "warren-capd", &mut text);
        (Path::new("completions").join(name), text)
    });
    pages.chain(scripts).collect()
}

//! No file of a room that imports another one is, through whatever files, imported by it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by it")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The rooms that hold to it.
const ROOMS: &[&str] = &["actors", "fleet"];

type Module = Vec<String>;

#[test]
fn no_file_imports_itself_through_others() {
    for room in ROOMS {
        let imports = imports(&Path::new(env!("CARGO_MANIFEST_DIR")).join(room).join("src"));
        assert!(
            imports.values().map(BTreeSet::len).sum::<usize>() > imports.len(),
            "{room}: the imports are not read: {imports:?}"
        );
        let circle: Vec<String> = in_circles(&imports)
            .map(|(from, to)| format!("{from} -> {to}"))
            .collect();
        assert!(
            circle.is_empty(),
            "{room}: these imports close a circle:\n{}",
            circle.join("\n")
        );
    }
}

#[test]
fn imports_are_read_in_every_form() {
    let text = "use crate::{a, b::{self, C}, d::e::{F, g::*}};\n#[cfg(test)]\nmod tests;\npub use n::O as P;\nfn f() { crate::h::i(super::j::K) } // crate::l\n#[cfg(test)]\nmod tests { use crate::m; }";
    let read: BTreeSet<String> = paths(text, &["x".into(), "y".into()])
        .into_iter()
        .map(|path| path.join("::"))
        .collect();
    let expected = [
        "a",
        "b",
        "b::C",
        "d::e::F",
        "d::e::g",
        "h::i",
        "x::j::K",
        "x::y::n::O",
    ];
    assert_eq!(read, expected.map(str::to_owned).into());
}

/// The imports that lead back to where they come from.
fn in_circles(imports: &BTreeMap<String, BTreeSet<String>>) -> impl Iterator<Item = (&String, &String)> {
    let all = imports
        .iter()
        .flat_map(|(from, files)| files.iter().map(move |to| (from, to)));
    all.filter(|(from, to)| reached(imports, to).contains(*from))
}

fn reached<'a>(imports: &'a BTreeMap<String, BTreeSet<String>>, start: &'a String) -> BTreeSet<&'a String> {
    let (mut seen, mut queue) = (BTreeSet::from([start]), vec![start]);
    while let Some(file) = queue.pop() {
        queue.extend(imports[file].iter().filter(|next| seen.insert(next)));
    }
    seen
}

/// Each file by the path of its module, and the files whose modules or items it names.
fn imports(source: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let files: BTreeMap<Module, String> = files(source)
        .into_iter()
        .map(|file| (module(source, &file), fs::read_to_string(file).unwrap()))
        .collect();
    let name = |module: &Module| {
        if module.is_empty() {
            "lib".to_owned()
        } else {
            module.join("::")
        }
    };
    let owner = |path: &Module| {
        (0..=path.len())
            .rev()
            .map(|length| path[..length].to_vec())
            .find(|module| files.contains_key(module))
            .unwrap()
    };
    let named = |module: &Module, text: &str| {
        paths(text, module)
            .iter()
            .map(&owner)
            .filter(|other| other != module)
            .map(|other| name(&other))
            .collect()
    };
    files
        .iter()
        .map(|(module, text)| (name(module), named(module, text)))
        .collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
    folders
        .iter()
        .flat_map(|folder| self::files(folder))
        .chain(files)
        .collect()
}

fn module(source: &Path, file: &Path) -> Module {
    let path = file.strip_prefix(source).unwrap().with_extension("");
    let mut parts: Module = path
        .iter()
        .map(|part| part.to_str().unwrap().to_owned())
        .collect();
    parts.pop_if(|last| *last == "lib" || *last == "mod");
    parts
}

/// What a file names of its own crate, outside its tests.
fn paths(text: &str, module: &[String]) -> Vec<Module> {
    let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let code: Vec<&str> = product
        .lines()
        .map(|line| line.split("//").next().unwrap())
        .collect();
    let code = code.join("\n");
    let parent = &module[..module.len().saturating_sub(1)];
    [
        ("crate::", &[][..]),
        ("super::", parent),
        ("\nuse ", module),
        ("pub use ", module),
    ]
    .into_iter()
    .flat_map(|(root, base)| {
        code.split(root)
            .skip(1)
            .flat_map(move |rest| tree(rest).0.into_iter().map(move |path| [base, &path].concat()))
    })
    .collect()
}

/// The paths at the start of this text (`a::b` or `a::{b, c::d}`), and what follows them.
fn tree(text: &str) -> (Vec<Module>, &str) {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        let mut paths = Vec::new();
        loop {
            rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
            if let Some(after) = rest.strip_prefix('}') {
                return (paths, after);
            }
            let (more, after) = tree(rest);
            assert!(after.len() < rest.len(), "what is this? {rest}");
            (paths, rest) = ([paths, more].concat(), after);
        }
    }
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_' && c != '*')
        .unwrap_or(text.len());
    let (head, rest) = text.split_at(end);
    let own = if matches!(head, "self" | "*") {
        vec![]
    } else {
        vec![head.to_owned()]
    };
    match rest.strip_prefix("::") {
        Some(rest) => {
            let (below, rest) = tree(rest);
            (
                below
                    .into_iter()
                    .map(|path| [own.clone(), path].concat())
                    .collect(),
                rest,
            )
        }
        None => (
            vec![own],
            rest.strip_prefix(" as ").map_or(rest, |rest| {
                rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_')
            }),
        ),
    }
}

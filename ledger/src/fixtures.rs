//! Golden bytes: every sample account as `NAME.hex` with its JSON form as `NAME.json`, under `fixtures/accounts`.
//!
//! They pin the layout: a change of the code that changes them shows in review.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use crate::{
    accounts::{inspect, samples},
    to_json_text,
};

/// Where the repository keeps them.
#[must_use]
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/accounts")
}

/// Every file's name and content.
#[must_use]
pub fn files() -> BTreeMap<String, String> {
    let pair = |(name, bytes): &(&str, Vec<u8>)| {
        let json = inspect(bytes).map_or_else(|error| format!("error: {error}"), |decoded| to_json_text(&decoded.account));
        [(format!("{name}.hex"), hex_lines(bytes)), (format!("{name}.json"), json + "\n")]
    };
    samples::all().iter().flat_map(pair).collect()
}

/// Writes all of them, and removes files of the same kinds that are none of them.
///
/// # Errors
/// When a file cannot be written or removed.
pub fn write(directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let files = files();
    for stray in names_in(directory)?.iter().filter(|name| !files.contains_key(*name)) {
        std::fs::remove_file(directory.join(stray))?;
    }
    files.iter().try_for_each(|(name, content)| std::fs::write(directory.join(name), content))
}

/// What differs from the code, for people; empty when nothing does.
#[must_use]
pub fn check(directory: &Path) -> Vec<String> {
    let files = files();
    let there = names_in(directory).unwrap_or_default();
    let wrong = |(name, content): (&String, &String)| match std::fs::read_to_string(directory.join(name)) {
        Ok(found) if found == *content => None,
        Ok(_) => Some(format!("{name} differs from what the code writes")),
        Err(error) => Some(format!("{name}: {error}")),
    };
    let strays = there.iter().filter(|name| !files.contains_key(*name)).map(|name| format!("{name} is no fixture"));
    files.iter().filter_map(wrong).chain(strays).collect()
}

fn names_in(directory: &Path) -> io::Result<BTreeSet<String>> {
    let names = std::fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    Ok(names.collect::<io::Result<BTreeSet<_>>>()?.into_iter().filter(|name| name.ends_with(".hex") || name.ends_with(".json")).collect())
}

/// 32 bytes a line.
fn hex_lines(bytes: &[u8]) -> String {
    let line = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    bytes.chunks(32).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_fixtures_are_what_the_code_writes() {
        assert_eq!(check(&directory()), Vec::<String>::new());
    }

    #[test]
    fn the_committed_bytes_read_as_the_committed_json() {
        for (name, hex) in files().iter().filter(|(name, _)| name.ends_with(".hex")) {
            let committed = std::fs::read_to_string(directory().join(name)).unwrap();
            let digits: String = committed.split_whitespace().collect();
            let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
            let bytes: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
            assert_eq!(hex_lines(&bytes), *hex);
            let json = std::fs::read_to_string(directory().join(name.replace(".hex", ".json"))).unwrap();
            assert_eq!(to_json_text(&crate::decode(&bytes).unwrap()) + "\n", json, "{name}");
        }
    }
}

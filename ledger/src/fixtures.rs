//! Golden bytes: every sample account as `NAME.hex` with its JSON form as `NAME.json`, under `fixtures/accounts`; every
//! sample instruction as `NAME.json` under `fixtures/instructions`.
//!
//! They pin the layouts: a change of the code that changes them shows in review.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use serde_json::json;

use crate::{
    accounts::{inspect, samples},
    instructions::{self, AccountMeta, Instruction},
    to_json_text,
};

/// One directory of golden files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Golden {
    /// Where the repository keeps them.
    pub directory: PathBuf,
    /// Every file's name and content.
    pub files: BTreeMap<String, String>,
}

/// All of them, as the code writes them.
#[must_use]
pub fn all() -> [Golden; 2] {
    let of = |name: &str, files| Golden {
        directory: Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../fixtures")
            .join(name),
        files,
    };
    [
        of("accounts", account_files()),
        of("instructions", instruction_files()),
    ]
}

fn account_files() -> BTreeMap<String, String> {
    let pair = |(name, bytes): &(&str, Vec<u8>)| {
        let json = inspect(bytes).map_or_else(
            |error| format!("error: {error}"),
            |decoded| to_json_text(&decoded.account),
        );
        [
            (format!("{name}.hex"), hex_lines(bytes)),
            (format!("{name}.json"), json + "\n"),
        ]
    };
    samples::all().iter().flat_map(pair).collect()
}

fn instruction_files() -> BTreeMap<String, String> {
    let samples = instructions::samples::all().unwrap_or_default();
    samples
        .iter()
        .map(|(name, instruction)| (format!("{name}.json"), instruction_text(instruction)))
        .collect()
}

/// Each account on a line of its own.
fn instruction_text(instruction: &Instruction) -> String {
    let account = |meta: &AccountMeta| {
        let flags = match (meta.signer, meta.writable) {
            (true, true) => "signer, writable",
            (true, false) => "signer",
            (false, true) => "writable",
            (false, false) => "readonly",
        };
        json!({"pubkey": meta.pubkey.to_string(), "flags": flags})
    };
    let accounts: Vec<_> = instruction.accounts.iter().map(account).collect();
    let form = json!({
        "program_id": instruction.program_id.to_string(),
        "data": hex_lines(&instruction.data).lines().collect::<String>(),
        "accounts": accounts,
    });
    serde_json::to_string_pretty(&form).unwrap_or_default() + "\n"
}

impl Golden {
    /// Writes all of them, and removes files of the same kinds that are not among them.
    ///
    /// # Errors
    /// When a file cannot be written or removed.
    pub fn write(&self) -> io::Result<()> {
        std::fs::create_dir_all(&self.directory)?;
        for stray in names_in(&self.directory)?
            .iter()
            .filter(|name| !self.files.contains_key(*name))
        {
            std::fs::remove_file(self.directory.join(stray))?;
        }
        self.files
            .iter()
            .try_for_each(|(name, content)| std::fs::write(self.directory.join(name), content))
    }

    /// What differs from the code, for people; empty when nothing does.
    #[must_use]
    pub fn check(&self) -> Vec<String> {
        let there = names_in(&self.directory).unwrap_or_default();
        let wrong =
            |(name, content): (&String, &String)| match std::fs::read_to_string(self.directory.join(name)) {
                Ok(found) if found == *content => None,
                Ok(_) => Some(format!("{name} differs from what the code writes")),
                Err(error) => Some(format!("{name}: {error}")),
            };
        let strays = there
            .iter()
            .filter(|name| !self.files.contains_key(*name))
            .map(|name| format!("{name} is no fixture"));
        self.files.iter().filter_map(wrong).chain(strays).collect()
    }
}

fn names_in(directory: &Path) -> io::Result<BTreeSet<String>> {
    let names =
        std::fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    Ok(names
        .collect::<io::Result<BTreeSet<_>>>()?
        .into_iter()
        .filter(|name| name.ends_with(".hex") || name.ends_with(".json"))
        .collect())
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
        for golden in all() {
            assert_eq!(
                golden.check(),
                Vec::<String>::new(),
                "run make fixtures, and look at what changed"
            );
            assert!(!golden.files.is_empty());
        }
    }

    #[test]
    fn the_committed_bytes_read_as_the_committed_json() {
        let [Golden { directory, files }, _] = all();
        for (name, hex) in files.iter().filter(|(name, _)| name.ends_with(".hex")) {
            let committed = std::fs::read_to_string(directory.join(name)).unwrap();
            let digits: String = committed.split_whitespace().collect();
            let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
            let bytes: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
            assert_eq!(hex_lines(&bytes), *hex);
            let json = std::fs::read_to_string(directory.join(name.replace(".hex", ".json"))).unwrap();
            assert_eq!(
                to_json_text(&crate::decode(&bytes).unwrap()) + "\n",
                json,
                "{name}"
            );
        }
    }
}

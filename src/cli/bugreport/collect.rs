//! Gathering: from the daemon, from files, from other programs. What cannot be had is noted with its reason.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::future::join_all;
use hyper::StatusCode;
use serde::Serialize;
use warren_api::client::Client;

use super::archive::Entry;
use crate::{doctor::root::Root, programs};

/// How long one program may run.
const PATIENCE: Duration = Duration::from_secs(5);
/// Of one file; more of it is cut off.
const LONGEST: usize = 8 << 20;

/// What was gathered, secrets and all.
#[derive(Default)]
pub struct Gathered {
    /// What could be had.
    pub entries: Vec<Entry>,
    /// What could not.
    pub missing: Vec<Missing>,
}

/// Something that could not be had.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Missing {
    /// The file that it would be.
    pub path: String,
    /// Why it is not there.
    pub reason: String,
}

impl Gathered {
    /// One more, or the reason why not.
    pub fn add(&mut self, path: impl Into<String>, text: Result<String, String>) {
        let path = path.into();
        match text {
            Ok(text) => self.entries.push(Entry {
                path,
                text: cut(text),
            }),
            Err(reason) => self.missing.push(Missing { path, reason }),
        }
    }
}

impl Gathered {
    /// Whether it could not be had.
    pub fn lacks(&self, path: &str) -> bool {
        self.missing.iter().any(|missing| missing.path == path)
    }
}

fn cut(mut text: String) -> String {
    if text.len() > LONGEST {
        let end = (0..=LONGEST)
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(0);
        text.truncate(end);
        text.push_str("\n(cut off here)\n");
    }
    text
}

/// The daemon's answers, each as it came. An answer with an error status is told as such, with its text.
pub async fn answers(client: &Client, targets: &[(&str, &str)]) -> Vec<(String, Result<String, String>)> {
    let asked = targets.iter().map(|(path, target)| async move {
        let answer = client
            .get(target)
            .await
            .map_err(|error| error.to_string())
            .and_then(|reply| {
                let text = String::from_utf8_lossy(&reply.body).into_owned();
                // With this status the daemon says what is not well, or what it cannot plan.
                let tells = reply.status.is_success() || reply.status == StatusCode::SERVICE_UNAVAILABLE;
                if tells {
                    Ok(text)
                } else {
                    Err(format!("the daemon answered {}: {}", reply.status, text.trim()))
                }
            });
        ((*path).to_owned(), answer)
    });
    join_all(asked).await
}

/// The host's files.
pub fn files(root: &Root, files: &[(&str, &str)]) -> Vec<(String, Result<String, String>)> {
    let read = files.iter().map(|(path, file)| {
        (
            (*path).to_owned(),
            root.text(file).ok_or_else(|| format!("{file} cannot be read")),
        )
    });
    read.collect()
}

/// The newest of the journal in this state directory, where the daemon cannot be asked. Nothing else there is read.
pub fn journal(state: &Path) -> Result<String, String> {
    let directory = state.join("journal");
    let entries =
        std::fs::read_dir(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "jsonl"))
        .collect();
    files.sort();
    let mut text = String::new();
    for path in files.iter().rev() {
        let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        if !text.is_empty() && text.len() + bytes.len() > LONGEST {
            break;
        }
        text.insert_str(0, &String::from_utf8_lossy(&bytes));
    }
    Ok(text)
}

/// The outputs of programs, which are looked for in `search`.
pub async fn outputs(
    search: Option<&OsString>,
    programs: &[(&str, &[&str])],
) -> Vec<(String, Result<String, String>)> {
    let ran = programs.iter().map(|(path, words)| async move {
        (
            (*path).to_owned(),
            output(search, words, path.ends_with(".json")).await,
        )
    });
    join_all(ran).await
}

/// What a program that fails says is no JSON, whatever its first half is.
async fn output(search: Option<&OsString>, words: &[&str], is_json: bool) -> Result<String, String> {
    let (program, arguments) = words.split_first().ok_or("no program is named")?;
    let done = programs::run(program, arguments, PATIENCE, |command| {
        command.env("SYSTEMD_COLORS", "0").env("SYSTEMD_PAGER", "");
        if let Some(search) = search {
            command.env("PATH", search);
        }
    })
    .await?;
    let (said, complaint) = (
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr),
    );
    if done.status.success() {
        return Ok(said.into_owned());
    }
    if is_json || said.trim().is_empty() {
        return Err(format!(
            "`{}` failed ({}): {}",
            words.join(" "),
            done.status,
            complaint.trim()
        ));
    }
    // `systemctl status` of a unit that does not run is such a one.
    Ok(format!("{said}{complaint}({})\n", done.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_is_not_there_or_fails_is_noted_with_its_reason() {
        let nowhere = OsString::from("/nonexistent");
        assert_eq!(
            output(Some(&nowhere), &["ip", "link"], false).await,
            Err("ip is not installed".to_owned())
        );
        assert_eq!(
            output(None, &["sh", "-c", "echo text; exit 3"], false)
                .await
                .unwrap(),
            "text\n(exit status: 3)\n"
        );
        let error = output(None, &["sh", "-c", "echo text; echo complaint >&2; exit 4"], true)
            .await
            .unwrap_err();
        assert!(
            error.contains("exit status: 4") && error.ends_with("complaint"),
            "{error}"
        );
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        let mut gathered = Gathered::default();
        gathered.add("a", Ok("ü".repeat(LONGEST)));
        assert!(
            gathered.entries[0].text.len() < LONGEST + 20
                && gathered.entries[0].text.ends_with("(cut off here)\n")
        );
    }
}

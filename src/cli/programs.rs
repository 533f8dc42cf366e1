//! Other programs of this host, asked for what they know.

use std::{
    io::ErrorKind,
    process::{Output, Stdio},
    time::Duration,
};

use tokio::{process::Command, time::timeout};

/// What a program with these arguments says, in English, when it ends within this long; `with` says in what environment it runs.
///
/// # Errors
/// Why it did not run to its end.
pub async fn run(
    program: &str,
    arguments: &[&str],
    patience: Duration,
    with: impl FnOnce(&mut Command),
) -> Result<Output, String> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .env("LC_ALL", "C");
    with(&mut command);
    match timeout(patience, command.output()).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => Err(format!("{program} is not installed")),
        Ok(Err(error)) => Err(format!("{program} cannot be run: {error}")),
        Err(_elapsed) => Err(format!(
            "{program} did not end within {}",
            humantime::format_duration(patience)
        )),
    }
}

//! The system's own programs, in the calling thread's network namespace.

use std::{
    io::Write,
    process::{Command, Stdio},
};

/// Runs `ip` in the calling thread's network namespace, one command for each line.
pub fn ip(commands: &str) {
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(format!("{commands}\n").as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "ip: {commands}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Runs `tc` in the calling thread's network namespace.
pub fn tc(arguments: &str) {
    let output = Command::new("tc").args(arguments.split(' ')).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tc {arguments}: {said}");
}

/// What `tc` prints.
pub fn tc_shows(arguments: &str) -> String {
    let output = Command::new("tc").args(arguments.split(' ')).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Packets that the first queue on a link has dropped.
pub(super) fn tc_dropped(link: &str) -> u64 {
    let shown = tc_shows(&format!("-s qdisc show dev {link}"));
    let dropped = shown
        .split_once("(dropped ")
        .and_then(|(_, rest)| rest.split(',').next()?.parse().ok());
    dropped.unwrap_or_default()
}

/// What `ip` prints.
pub fn ip_shows(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

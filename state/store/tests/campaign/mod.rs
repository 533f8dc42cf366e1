//! Runs the test program again as a child under strace, to learn its file system calls, and to kill it or fail it at one of them.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
};

/// All points are tried where this is set, else a sample of them.
const WHOLE: &str = "WARREN_WHOLE_CAMPAIGN";
/// How many of the points are tried when not all are.
const SAMPLE: usize = 60;

/// Which calls count, and the variable that tells a child its directory.
pub struct Campaign {
    pub calls: &'static [&'static str],
    pub child: &'static str,
}

/// What a child came to.
pub struct Run {
    pub output: String,
    pub was_killed: bool,
    pub succeeded: bool,
    pub trace: String,
}

impl Campaign {
    /// Runs a child with these options of strace.
    pub fn run(&self, directory: &Path, options: &[String]) -> Run {
        let trace = directory.join("trace");
        let output = Command::new("strace")
            .args(["-f", "-qq", "-y", "-o"])
            .arg(&trace)
            .arg(format!("-etrace={}", self.calls.join(",")))
            .args(options)
            .arg(std::env::current_exe().unwrap())
            .env(self.child, directory)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .unwrap();
        Run {
            output: String::from_utf8_lossy(&output.stdout).into_owned(),
            was_killed: output.status.signal() == Some(9),
            succeeded: output.status.success(),
            trace: fs::read_to_string(&trace).unwrap_or_default(),
        }
    }

    /// Runs a child that dies at its n-th call of this kind.
    pub fn kill(&self, directory: &Path, (call, number): (&str, usize)) -> Run {
        self.run(
            directory,
            &[format!("-einject={call}:signal=SIGKILL:when={number}")],
        )
    }

    /// The calls in this child's trace whose lines have this in them, or an even sample of them: the call, and its number.
    /// Those that are named must be among them.
    pub fn points(&self, run: &Run, only_at: &str, expected: &[&str]) -> Vec<(&'static str, usize)> {
        let mut counts = BTreeMap::<&str, usize>::new();
        for line in run.trace.lines() {
            let call = self.calls.iter().find(|call| line.contains(&format!(" {call}(")));
            if let Some(call) = call.filter(|_| line.contains(only_at)) {
                *counts.entry(call).or_default() += 1;
            }
        }
        for call in expected {
            assert!(
                counts.contains_key(call),
                "the child does its work without {call}"
            );
        }
        let all: Vec<_> = counts
            .iter()
            .flat_map(|(call, most)| (1..=*most).map(move |number| (*call, number)))
            .collect();
        let step = if std::env::var_os(WHOLE).is_some() {
            1
        } else {
            all.len().div_ceil(SAMPLE)
        };
        all.into_iter().step_by(step).collect()
    }
}

//! Completions ask the daemon, in each shell. A shell that is not on the machine is skipped by name.
#![allow(missing_docs)]

use std::{
    fs,
    io::{BufRead, BufReader, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    path::Path,
    process::{Command, ExitCode, Output},
};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};

const USER: &str = "52Y498CmL6X7SjHvkEZziwQstXNUyuTcptXC81zTeikq";
/// What somebody typed, and what it becomes.
const TYPED: [(&str, &str); 6] = [
    ("explain doub", "doublezero0"),
    ("usage doub", "doublezero0"),
    ("events --tunnel doub", "doublezero0"),
    ("connect --device am", "ams-dz01"),
    ("multicast subscribe be", "bebop"),
    ("user get --pubkey 52Y", USER),
];

fn main() -> ExitCode {
    let lacks = |shell: &str| Command::new(shell).arg("--version").output().is_err();
    let trials = vec![
        Trial::test("bash_asks_the_daemon_for_names", || each(bash)).with_ignored_flag(lacks("bash")),
        Trial::test("zsh_asks_the_daemon_for_names", || each(zsh)).with_ignored_flag(lacks("zsh")),
        Trial::test("fish_asks_the_daemon_for_names", || each(fish)).with_ignored_flag(lacks("fish")),
        Trial::test(
            "without_a_daemon_nothing_is_known_and_nothing_is_said",
            without_a_daemon,
        ),
        Trial::test(
            "a_daemon_that_does_not_answer_is_not_waited_for",
            a_daemon_that_hangs,
        ),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn each(complete: fn(&str, &Path) -> Result<Output, Failed>) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    serve(folder.path())?;
    let program = folder.path().join("warren");
    let real = env!("CARGO_BIN_EXE_warren");
    fs::write(
        &program,
        format!(
            "#!/bin/sh\nexec {real} --sock-file '{}/w.sock' \"$@\"\n",
            folder.path().display()
        ),
    )?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    for (typed, wanted) in TYPED {
        let output = complete(typed, folder.path())?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() || !said.lines().any(|line| line.trim() == wanted) {
            return Err(format!("{typed:?}: {said:?} is not {wanted:?}; {output:?}").into());
        }
    }
    Ok(())
}

fn bash(typed: &str, programs: &Path) -> Result<Output, Failed> {
    let words: Vec<&str> = typed.split(' ').collect();
    let (last, before) = (
        words[words.len() - 1],
        words.get(words.len().wrapping_sub(2)).unwrap_or(&"warren"),
    );
    let script = format!(
        ". packaging/completions/warren.bash; COMP_WORDS=(warren {typed}) COMP_CWORD={}; _warren warren '{last}' '{before}'; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.len()
    );
    shell("bash", &["--norc", "-c", &script], programs)
}

fn fish(typed: &str, programs: &Path) -> Result<Output, Failed> {
    let script = format!("source packaging/completions/warren.fish; complete -C 'warren {typed}'");
    shell("fish", &["--no-config", "-c", &script], programs)
}

/// An interactive shell on a terminal of its own, since only that completes; a key shows what is on the line then.
const IN_ZSH: &str = r#"
zmodload zsh/zpty
zpty inner zsh -f -i
zpty -w inner 'PROMPT=; PS2=; unsetopt zle_bracketed_paste; autoload -Uz compinit; compinit -D -u'
zpty -w inner '. packaging/completions/_warren; bindkey "^I" complete-word'
zpty -w inner 'show() { print -r -- "LINE""<$BUFFER>"; BUFFER=; zle accept-line }; zle -N show; bindkey "^X" show; print READY""NOW'
zpty -r -m inner seen '*READYNOW*' || exit 1
zpty -w -n inner "warren $1"$'\t\x18'
zpty -r -m inner seen '*LINE<*>*' || exit 1
line=${${seen##*LINE<}%%>*}
print -r -- ${${(z)line}[-1]}
zpty -d inner
"#;

fn zsh(typed: &str, programs: &Path) -> Result<Output, Failed> {
    shell(
        "timeout",
        &["60", "zsh", "-f", "-c", IN_ZSH, "zsh", typed],
        programs,
    )
}

fn shell(program: &str, words: &[&str], programs: &Path) -> Result<Output, Failed> {
    let path = format!("{}:{}", programs.display(), std::env::var("PATH")?);
    let output = Command::new(program)
        .args(words)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("PATH", path)
        .env("HOME", programs)
        .env("TERM", "dumb")
        .output()?;
    Ok(output)
}

fn without_a_daemon() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    for kind in ["tunnel", "user", "device", "group"] {
        silent(&ask(folder.path(), kind)?)?;
    }
    Ok(())
}

/// It takes the connection and says nothing; the test ends because the program does.
fn a_daemon_that_hangs() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let _listener = UnixListener::bind(folder.path().join("w.sock"))?;
    silent(&ask(folder.path(), "tunnel")?)
}

fn ask(folder: &Path, kind: &str) -> Result<Output, Failed> {
    let socket = folder.join("w.sock");
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
    Ok(command
        .arg("--sock-file")
        .arg(socket)
        .args(["complete", kind])
        .output()?)
}

fn silent(output: &Output) -> Result<(), Failed> {
    if output.status.success() && output.stdout.is_empty() && output.stderr.is_empty() {
        Ok(())
    } else {
        Err(format!("{output:?}").into())
    }
}

/// A stand-in for a daemon that has a tunnel, for as long as the test runs.
fn serve(folder: &Path) -> Result<(), Failed> {
    let listener = UnixListener::bind(folder.join("w.sock"))?;
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let Ok(reading) = stream.try_clone() else { return };
            let mut request = BufReader::new(reading)
                .lines()
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty());
            let asked = request.next().unwrap_or_default();
            request.for_each(drop);
            let body = answer(asked.split(' ').nth(1).unwrap_or_default()).to_string();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _gone = stream.write_all((head + &body).as_bytes());
        }
    });
    Ok(())
}

fn answer(target: &str) -> Value {
    match target {
        "/v3/devices" => {
            let devices = ["ams-dz01", "fra-dz01", "$(touch x)"].map(device);
            json!({"schema": 1, "age_seconds": 1.0, "error": null, "devices": devices})
        }
        "/v2/status" => {
            json!({"services": [{"multicast_groups": {"publisher": ["other"], "subscriber": ["bebop"]}}]})
        }
        _ => json!({
            "schema": 1, "epoch": 1, "sequence": 1, "unix_ms": 0, "uptime_seconds": 3.0, "enabled": true, "converged": true, "stopping": false,
            "role": "client", "client_ip": "192.0.2.1", "client_ip_error": null, "device": null, "network": "localnet", "generation": 0,
            "ledger": {"endpoint": "http://l", "program_id": "p", "subscribed": true, "requests": 1, "bytes_received": 1, "reads_ok": 1,
                       "reads_failed": 0, "retries": 0, "last_error": null},
            "view": {"slot": 5, "age_seconds": 1.0, "stale": false, "held": null, "users": 1, "quarantined": {}},
            "tunnels": [{"id": USER, "name": "doublezero0", "user_type": "IBRL", "phase": "active", "since_unix_ms": 0, "since_seconds": 65.2,
                         "incarnation": 3, "local": "192.0.2.1", "remote": "192.0.2.2", "doublezero_ip": null, "session": "BGP Session Up",
                         "session_detail": null, "session_since_unix_ms": null, "learned_routes": 0, "repairs": 0, "attempts": 0, "failure": null}],
            "refused": [], "dataplane": {"backend": "netlink", "reason": null, "features": [], "missing": []}, "restarts": {}, "invariants_broken": {},
            "process": {"pid": 1, "uid": 0, "version": "0", "commit": "none", "date": "unknown", "capabilities": 12288},
        }),
    }
}

fn device(code: &str) -> Value {
    json!({"pubkey": USER, "code": code, "exchange": USER, "public_ip": "198.51.100.9", "status": "activated", "users": 1, "max_users": 9})
}

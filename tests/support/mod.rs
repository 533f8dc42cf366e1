//! What the tests of the two programs share.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

/// Nothing here takes this long, on however busy a machine.
pub const LONG: Duration = Duration::from_secs(60);

/// A running `warrend`; killed when it is dropped.
pub struct Daemon {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Daemon {
    /// Starts one with its state and its socket in the directory.
    pub fn start(directory: &Path, flags: &[&str]) -> Self {
        Self::of(warrend(directory).args(flags))
    }

    /// Starts it as it is ordered.
    pub fn of(command: &mut Command) -> Self {
        let mut child = command
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            BufReader::new(stderr)
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Self { child, lines }
    }

    /// Waits for a line of the log that contains the text, and returns it.
    pub fn line_with(&self, text: &str) -> String {
        let deadline = Instant::now() + LONG;
        let mut seen = Vec::new();
        while let Ok(line) = self
            .lines
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            if line.contains(text) {
                return line;
            }
            seen.push(line);
        }
        panic!("no line with {text:?} in\n{}", seen.join("\n"));
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Waits for its end and returns its exit code.
    pub fn end(&mut self) -> Option<i32> {
        let deadline = Instant::now() + LONG;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the daemon does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// `warrend` on a simulated dataplane and a ledger that refuses connections, with its files in the directory.
pub fn warrend(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warrend"));
    command.env_clear().args([
        "-env=localnet",
        "-dataplane=simulated",
        "-client-ip=192.0.2.1",
        "-ledger-url=http://127.0.0.1:1",
    ]);
    command.arg(format!("-state-dir={}", directory.join("state").display()));
    command.arg(format!("-sock-file={}", directory.join("w.sock").display()));
    command
}

/// Runs `warren` on the socket of that directory.
pub fn warren(directory: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
    command
        .env_clear()
        .arg("--sock-file")
        .arg(directory.join("w.sock"))
        .args(words)
        .output()
        .unwrap()
}

/// Asks over the socket and returns head and body.
pub fn ask(socket: &Path, request: &str) -> (String, String) {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
        .write_all(format!("{request} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n").as_bytes())
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Without what was waited for: that depends on how busy the machine is.
pub fn stderr(output: &Output) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    let lines = said.split_inclusive('\n');
    lines.filter(|line| !line.starts_with("waiting ")).collect()
}

//! A browser: Chromium, driven through `page/browser/drive.mjs` by commands and answers in lines of JSON.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// The longest that one command may take: a wait of the driver's own ends before.
const LONGEST: Duration = Duration::from_secs(90);

/// A running browser with one page or several; it goes with this.
pub struct Browser {
    child: Child,
    commands: Option<ChildStdin>,
    answers: Receiver<String>,
}

/// Why there is no browser to be driven here.
#[must_use]
pub fn missing() -> Option<String> {
    let runs = |program: &str| {
        let output = Command::new(program).arg("--version").output();
        output.is_ok_and(|output| output.status.success())
    };
    if !runs("chromium") {
        return Some("chromium is not installed (package chromium)".to_owned());
    }
    if !runs("node") {
        return Some("node is not installed (package nodejs)".to_owned());
    }
    let driver = page().join("node_modules/playwright-core");
    (!driver.exists()).then(|| "playwright-core is not installed (page/browser/setup installs it)".to_owned())
}

/// The folder of the page.
#[must_use]
pub fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("page")
}

impl Browser {
    /// Starts one; `enter` makes the command that runs the driver, in whatever namespace it is to run.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(mut command: Command, home: &Path) -> Result<Self> {
        let mut child = command
            .arg(page().join("browser/drive.mjs"))
            .env("HOME", home)
            .env("TMPDIR", home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run node")?;
        let commands = child.stdin.take();
        let stdout = child.stdout.take().context("no output")?;
        let (told, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if told.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            commands,
            answers,
        })
    }

    /// Opens a page and gives the status of the answer.
    ///
    /// # Errors
    /// When the browser cannot.
    pub fn open(&mut self, url: &str) -> Result<u64> {
        let status = self.tell(&json!({"do": "open", "url": url}))?;
        status.as_u64().context("no status")
    }

    /// Waits until an expression holds in the page.
    ///
    /// # Errors
    /// When it does not in time; what the page shows is in the error.
    pub fn until(&mut self, holds: &str, within: Duration) -> Result<()> {
        let ms = u64::try_from(within.min(LONGEST / 2).as_millis())?;
        self.tell(&json!({"do": "until", "holds": holds, "ms": ms}))
            .map(drop)
    }

    /// Waits until the page shows a text.
    ///
    /// # Errors
    /// When it does not in time.
    pub fn shows(&mut self, text: &str, within: Duration) -> Result<()> {
        self.until(
            &format!("document.body.innerText.includes({})", json!(text)),
            within,
        )
    }

    /// What an expression gives in the page.
    ///
    /// # Errors
    /// When it throws.
    pub fn value(&mut self, of: &str) -> Result<Value> {
        self.tell(&json!({"do": "value", "of": of}))
    }

    /// Lets the driver do something.
    ///
    /// # Errors
    /// When it could not, or says nothing.
    pub fn tell(&mut self, command: &Value) -> Result<Value> {
        let commands = self.commands.as_mut().context("the browser is gone")?;
        writeln!(commands, "{command}").context("the driver ended")?;
        let line = match self.answers.recv_timeout(LONGEST) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => bail!("no answer to {command}"),
            Err(RecvTimeoutError::Disconnected) => bail!("the driver ended"),
        };
        let mut answer: Value = serde_json::from_str(&line)?;
        match answer["error"].as_str() {
            Some(error) => bail!("{command}: {error}"),
            None => Ok(answer["value"].take()),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // At the end of its input it closes the browser; one that hangs is ended.
        drop(self.commands.take());
        for _ in 0..100 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

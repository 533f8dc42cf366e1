//! `warrend` as a real process on a client host.

use std::{
    fs,
    net::Ipv4Addr,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use warren_state::Pubkey;

use crate::{
    http::{self, Response},
    netns::Namespace,
    rpc::Rpc,
    wait::{Ask, scaled, until},
};

/// How `warrend` is started.
#[derive(Clone, Debug)]
pub struct DaemonConfig {
    /// The program.
    pub warrend: PathBuf,
    /// The ledger that it reads.
    pub rpc: Rpc,
    /// The program whose accounts it reads.
    pub program_id: Pubkey,
    /// The host's public address.
    pub client_ip: Ipv4Addr,
    /// `auto`, `netlink` or `userspace`.
    pub dataplane: String,
    /// How often it reads when nothing pushes.
    pub poll_interval: Duration,
    /// More arguments.
    pub more: Vec<String>,
}

/// A running or stopped `warrend`, with its files.
#[derive(Debug)]
pub struct Daemon {
    namespace: Arc<Namespace>,
    directory: PathBuf,
    config: DaemonConfig,
    child: Option<Child>,
}

impl Daemon {
    /// Starts the daemon and waits until it answers.
    ///
    /// # Errors
    /// When it ends or stays silent; the end of its log is in the error.
    pub fn start(namespace: Arc<Namespace>, directory: PathBuf, config: DaemonConfig) -> Result<Self> {
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let mut daemon = Self {
            namespace,
            directory,
            config,
            child: None,
        };
        daemon.resume()?;
        Ok(daemon)
    }

    /// Starts the daemon again on its old state, and waits until it answers; how long that took.
    ///
    /// # Errors
    /// As for [`Daemon::start`].
    pub fn resume(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        self.spawn()?;
        until("warrend answers", Duration::from_secs(20), || {
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                bail!("warrend ended with {status}:\n{}", self.log_tail());
            }
            Ok(match self.get("/v2/status") {
                Ok(answer) if answer.status == 200 => Ask::Yes(()),
                Ok(answer) => Ask::NotYet(format!("status {}: {}", answer.status, answer.text())),
                Err(error) => Ask::NotYet(format!("{error:#}")),
            })
        })
        .with_context(|| self.log_tail())?;
        Ok(begun.elapsed())
    }

    /// The arguments that it is started with.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let DaemonConfig {
            rpc,
            program_id,
            client_ip,
            dataplane,
            poll_interval,
            more,
            ..
        } = &self.config;
        let mut arguments = vec![
            "--env".to_owned(),
            "localnet".to_owned(),
            "--program-id".to_owned(),
            program_id.to_string(),
            "--solana-rpc-endpoint".to_owned(),
            rpc.url(),
            "--client-ip".to_owned(),
            client_ip.to_string(),
            "--state-dir".to_owned(),
            self.directory.join("state").display().to_string(),
            "--sock-file".to_owned(),
            self.socket().display().to_string(),
            "--owner".to_owned(),
            "any".to_owned(),
            "--dataplane".to_owned(),
            dataplane.clone(),
            "--reconciler-poll-interval".to_owned(),
            format!("{}s", poll_interval.as_secs()),
            "--log-format".to_owned(),
            "json".to_owned(),
            "--log-level".to_owned(),
            std::env::var("WARREN_E2E_LOG").unwrap_or_else(|_| "info".to_owned()),
        ];
        arguments.extend(more.iter().cloned());
        arguments
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.join("warrend.sock")
    }

    /// Where it keeps its state.
    #[must_use]
    pub fn state_directory(&self) -> PathBuf {
        self.directory.join("state")
    }

    /// Changes how it is started the next time.
    pub fn reconfigure(&mut self, change: impl FnOnce(&mut DaemonConfig)) {
        change(&mut self.config);
    }

    /// The process's id.
    ///
    /// # Errors
    /// When it is not running.
    pub fn pid(&self) -> Result<u32> {
        self.child
            .as_ref()
            .map(Child::id)
            .context("warrend is not running")
    }

    /// Reads from its API.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn get(&self, path: &str) -> Result<Response> {
        http::unix(&self.socket(), "GET", path, "", scaled(Duration::from_secs(5)))
    }

    /// Reads JSON from its API.
    ///
    /// # Errors
    /// When it does not answer 200 with JSON.
    pub fn json(&self, path: &str) -> Result<Value> {
        let answer = self.get(path)?;
        if answer.status != 200 {
            bail!("GET {path}: {} {}", answer.status, answer.text());
        }
        answer.json()
    }

    /// Posts to its API.
    ///
    /// # Errors
    /// When it does not answer 200.
    pub fn post(&self, path: &str) -> Result<Response> {
        let answer = self.post_body(path, "")?;
        if answer.status != 200 {
            bail!("POST {path}: {} {}", answer.status, answer.text());
        }
        Ok(answer)
    }

    /// Posts this body to its API, whatever it answers.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn post_body(&self, path: &str, body: &str) -> Result<Response> {
        http::unix(
            &self.socket(),
            "POST",
            path,
            body,
            scaled(Duration::from_secs(40)),
        )
        .with_context(|| self.log_tail())
    }

    /// Asks it to end, and waits.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        kill(Pid::from_raw(self.pid()?.try_into()?), Signal::SIGTERM)?;
        self.ended()
    }

    /// Kills it as a crash would.
    ///
    /// # Errors
    /// When it is not running.
    pub fn kill(&mut self) -> Result<()> {
        self.child.as_mut().context("warrend is not running")?.kill()?;
        let status = self.ended()?;
        if status.signal() == Some(Signal::SIGKILL as i32) {
            Ok(())
        } else {
            bail!("warrend had ended already, with {status}")
        }
    }

    /// Its whole log, of all its runs.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Waits until a line of its log has this: the log follows what happens, and may be written after the status that shows it.
    ///
    /// # Errors
    /// When there is none within the deadline.
    pub fn await_log(&self, part: &str, deadline: Duration) -> Result<()> {
        until(&format!("a line of the log with {part:?}"), deadline, || {
            Ok(Ask::holds(self.log().contains(part), || self.log_tail()))
        })
        .map(drop)
    }

    /// The lines of its log at these levels.
    #[must_use]
    pub fn log_lines_at(&self, levels: &[&str]) -> Vec<String> {
        let at = |line: &&str| {
            let entry: Value = serde_json::from_str(line).unwrap_or_default();
            entry["level"]
                .as_str()
                .is_none_or(|level| levels.contains(&level))
        };
        self.log().lines().filter(at).map(str::to_owned).collect()
    }

    fn spawn(&mut self) -> Result<()> {
        if self.child.is_some() {
            bail!("warrend is running already");
        }
        let output = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_path())?;
        let mut command = self.namespace.command(&self.config.warrend);
        command
            .args(self.arguments())
            .env_remove("DZ_LEDGER_RPC_URL")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        self.child = Some(
            command
                .spawn()
                .with_context(|| format!("cannot run {}", self.config.warrend.display()))?,
        );
        Ok(())
    }

    fn ended(&mut self) -> Result<ExitStatus> {
        let child = self.child.as_mut().context("warrend is not running")?;
        let (status, _) = until("warrend ends", Duration::from_secs(20), || {
            Ok(child
                .try_wait()?
                .map_or_else(|| Ask::NotYet("it is running".into()), Ask::Yes))
        })?;
        self.child = None;
        Ok(status)
    }

    fn log_path(&self) -> PathBuf {
        self.directory.join("warrend.log")
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        format!(
            "the end of warrend's log:\n{}",
            lines[lines.len().saturating_sub(25)..].join("\n")
        )
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A program that was built next to the one that is running: `warrend` beside `warren-devnet`, or beside a test's folder.
///
/// # Errors
/// When it is not there.
pub fn sibling(program: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find this program's own file")?;
    let beside = own
        .parent()
        .into_iter()
        .flat_map(|folder| [Some(folder), folder.parent()])
        .flatten()
        .map(|folder| folder.join(program));
    let found: Vec<PathBuf> = beside.filter(|path| is_file(path)).take(1).collect();
    found
        .into_iter()
        .next()
        .with_context(|| format!("{program} is not built: cargo build --workspace"))
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file())
}

//! Somebody on a client host who types `warren`.

use std::{
    ffi::OsStr,
    fs,
    io::Read,
    net::Ipv4Addr,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use warren_ledger::{Keypair, accounts::AccessPass};
use warren_state::Pubkey;

use crate::{
    controller::follow,
    daemon::{Daemon, sibling},
    netns::Namespace,
    site::Site,
    wait::scaled,
};

/// No command takes longer: it has deadlines of its own.
const PATIENCE: Duration = Duration::from_secs(100);
/// With this variable set, every command is printed with what it said and how it ended.
const TELL: &str = "WARREN_E2E_TELL";
/// Between two looks at a running command.
const PAUSE: Duration = Duration::from_millis(20);

/// Somebody with a keypair on a client host.
#[derive(Debug)]
pub struct Operator {
    /// The key that signs and pays, which owns the users that are made.
    pub payer: Pubkey,
    /// The keypair's file.
    pub keypair: PathBuf,
    /// The ledger that is asked.
    pub url: String,
    /// More variables of the environment.
    pub variables: Vec<(String, String)>,
    namespace: Arc<Namespace>,
    socket: PathBuf,
    program_id: Pubkey,
    home: PathBuf,
    name: &'static str,
    program: PathBuf,
}

/// How a command ended.
#[derive(Debug)]
pub struct Said {
    /// Its exit code.
    pub code: i32,
    /// What it printed.
    pub out: String,
    /// What it told of.
    pub err: String,
    /// How long it took.
    pub took: Duration,
}

impl Operator {
    /// Somebody on the first client host, with a balance and without a pass.
    ///
    /// # Errors
    /// When the ledger or the file system refuse.
    pub fn without_pass(site: &Site<'_>, daemon: &Daemon, name: &str) -> Result<Self> {
        let (_, keypair) = site.add_payer(name)?;
        Self::new(site, daemon, keypair)
    }

    /// Somebody on the first client host with this keypair.
    ///
    /// # Errors
    /// When there is no keypair, or the file system refuses.
    pub fn new(site: &Site<'_>, daemon: &Daemon, keypair: PathBuf) -> Result<Self> {
        let (key, _) = Keypair::read(&keypair)?;
        let home = keypair.with_extension("home");
        fs::create_dir_all(&home)?;
        Ok(Self {
            payer: key.pubkey(),
            keypair,
            url: site.network.rpc.url(),
            variables: Vec::new(),
            namespace: Arc::clone(&site.client().namespace),
            socket: daemon.socket(),
            program_id: site.network.program_id,
            home,
            name: "warren",
            program: sibling("warren")?,
        })
    }

    /// The same with a pass for the host's address, that is changed first.
    ///
    /// # Errors
    /// When the ledger or the file system refuse.
    pub fn with_pass(site: &Site<'_>, daemon: &Daemon, change: impl FnOnce(&mut AccessPass)) -> Result<Self> {
        let operator = Self::without_pass(site, daemon, "operator")?;
        operator.give_pass(site, site.client().address, change)?;
        Ok(operator)
    }

    /// The same with another keypair's file.
    #[must_use]
    pub fn with_keypair(self, keypair: PathBuf) -> Self {
        Self { keypair, ..self }
    }

    /// The same, who calls the program by another name, as its package's links do.
    #[must_use]
    pub fn who_types(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// The same with another build of the program.
    #[must_use]
    pub fn with_program(self, program: PathBuf) -> Self {
        Self { program, ..self }
    }

    /// Gives a pass.
    ///
    /// # Errors
    /// When the ledger refuses.
    pub fn give_pass(
        &self,
        site: &Site<'_>,
        client_ip: Ipv4Addr,
        change: impl FnOnce(&mut AccessPass),
    ) -> Result<Pubkey> {
        site.add_pass(client_ip, self.payer, change)
    }

    /// Types a command and waits for its end.
    ///
    /// # Errors
    /// When it cannot be run, or does not end.
    pub fn warren(&self, arguments: &[&str]) -> Result<Said> {
        self.start(arguments)?.wait(|| Ok(()))
    }

    /// The same, while the network's controller keeps the devices' ends equal to the ledger.
    ///
    /// # Errors
    /// When it cannot be run, does not end, or a device refuses.
    pub fn warren_with_devices(&self, site: &mut Site<'_>, arguments: &[&str]) -> Result<Said> {
        self.start(arguments)?.wait(|| follow_all(site))
    }

    /// The same, and it must end well.
    ///
    /// # Errors
    /// When it does not.
    pub fn succeeds(&self, site: &mut Site<'_>, arguments: &[&str]) -> Result<Said> {
        let said = self.warren_with_devices(site, arguments)?;
        ensure!(
            said.code == 0,
            "{} {} ended with {said}",
            self.name,
            arguments.join(" ")
        );
        Ok(said)
    }

    /// Types a command that runs on.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn start(&self, arguments: &[impl AsRef<OsStr>]) -> Result<Running> {
        let mut child = self
            .namespace
            .command(&self.program)
            .arg0(self.name)
            .arg("--sock-file")
            .arg(&self.socket)
            .args(["--program-id", &self.program_id.to_string()])
            .args(arguments)
            .env_clear()
            .env("HOME", &self.home)
            .env("DZ_LEDGER_RPC_URL", &self.url)
            .env("WARREN_KEYPAIR", &self.keypair)
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run warren")?;
        let typed = arguments
            .iter()
            .map(|argument| argument.as_ref().to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ");
        let typed = format!("{} {typed}", self.name);
        let (out, err) = (
            child.stdout.take().context("no pipe")?,
            child.stderr.take().context("no pipe")?,
        );
        Ok(Running {
            typed,
            child,
            readers: (collect(out), collect(err)),
            begun: Instant::now(),
        })
    }
}

/// The network's controller: makes the devices' ends equal to the ledger once.
///
/// # Errors
/// When the ledger does not answer, or a device refuses.
pub fn follow_all(site: &mut Site<'_>) -> Result<()> {
    let network = site.network;
    for (key, device) in &mut site.devices {
        follow(&network, *key, device)?;
    }
    Ok(())
}

/// A command that runs.
#[derive(Debug)]
pub struct Running {
    typed: String,
    child: Child,
    readers: (thread::JoinHandle<String>, thread::JoinHandle<String>),
    begun: Instant,
}

impl Running {
    /// Interrupts it, as Ctrl-C does.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn interrupt(&self) -> Result<()> {
        kill(Pid::from_raw(self.child.id().try_into()?), Signal::SIGINT).context("cannot interrupt")
    }

    /// Waits for its end, and does something else meanwhile.
    ///
    /// # Errors
    /// When it does not end, or the other thing fails.
    pub fn wait(mut self, mut meanwhile: impl FnMut() -> Result<()>) -> Result<Said> {
        let deadline = self.begun + scaled(PATIENCE);
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if Instant::now() >= deadline {
                self.child.kill()?;
                self.child.wait()?;
                bail!(
                    "warren did not end: {}",
                    self.readers.0.join().unwrap_or_default()
                );
            }
            meanwhile()?;
            thread::sleep(PAUSE);
        };
        let took = self.begun.elapsed();
        let (out, err) = (
            self.readers.0.join().unwrap_or_default(),
            self.readers.1.join().unwrap_or_default(),
        );
        let said = Said {
            code: status.code().unwrap_or(-1),
            out,
            err,
            took,
        };
        if std::env::var_os(TELL).is_some() {
            crate::cli::print(&format!("$ {}\n{said}", self.typed));
        }
        Ok(said)
    }
}

impl Said {
    /// The events of a command that was run with `--json`.
    ///
    /// # Errors
    /// When a line is not JSON.
    pub fn events(&self) -> Result<Vec<Value>> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}")))
            .collect()
    }

    /// Whether one of both texts holds each of these parts.
    ///
    /// # Errors
    /// Names the part that is missing.
    pub fn tells(&self, parts: &[&str]) -> Result<()> {
        for part in parts {
            ensure!(
                self.out.contains(part) || self.err.contains(part),
                "{part:?} is not in {self}"
            );
        }
        Ok(())
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "exit code {} after {:.1?}\n{}{}",
            self.code, self.took, self.out, self.err
        )
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = Vec::new();
        let _closed = pipe.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    })
}

//! BIRD or FRR's bgpd as the passive peer, run by hand.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use libtest_mimic::Failed;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Bird,
    Frr,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Bird, Self::Frr];

    pub fn name(self) -> &'static str {
        match self {
            Self::Bird => "bird",
            Self::Frr => "frr",
        }
    }

    pub fn program(self) -> &'static str {
        match self {
            Self::Bird => "/usr/sbin/bird",
            Self::Frr => "/usr/lib/frr/bgpd",
        }
    }
}

/// Killed when dropped.
pub struct Daemon {
    kind: Kind,
    namespace: String,
    directory: TempDir,
    child: Option<Child>,
    prefixes: Vec<String>,
}

impl Daemon {
    pub fn new(kind: Kind, namespace: &str) -> Result<Self, Failed> {
        let directory = tempfile::Builder::new().prefix("warren-bgp-").tempdir()?;
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
        let prefixes = vec!["203.0.113.0/24".to_owned(), "203.0.114.0/24".to_owned()];
        Ok(Self {
            kind,
            namespace: namespace.to_owned(),
            directory,
            child: None,
            prefixes,
        })
    }

    /// Announce this many more, from the next start.
    pub fn announce_many(&mut self, count: u32) {
        self.prefixes
            .extend((0..count).map(|n| format!("10.{}.{}.0/24", 64 + n / 256, n % 256)));
    }

    pub fn start(&mut self) -> Result<(), Failed> {
        fs::write(self.path("config"), self.config())?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, self.kind.program()]);
        match self.kind {
            Kind::Bird => {
                command
                    .arg("-f")
                    .arg("-c")
                    .arg(self.path("config"))
                    .arg("-s")
                    .arg(self.path("control"))
                    .arg("-P")
                    .arg(self.path("pid"));
            }
            Kind::Frr => {
                run(Command::new("chown")
                    .args(["-R", "frr:frr"])
                    .arg(self.directory.path()))?;
                let zebra = self.path("no-zebra");
                command
                    .args(["-Z", "-A", "127.0.0.1", "-p", "179"])
                    .arg("-f")
                    .arg(self.path("config"))
                    .arg("-i")
                    .arg(self.path("pid"));
                command
                    .arg("-z")
                    .arg(zebra)
                    .arg("--vty_socket")
                    .arg(self.directory.path());
            }
        }
        let output = fs::File::create(self.path("output"))?;
        self.child = Some(
            command
                .stdin(Stdio::null())
                .stdout(output.try_clone()?)
                .stderr(output)
                .spawn()?,
        );
        self.wait_until_it_answers()
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn signal(&self, signal: Signal) -> Result<(), Failed> {
        let pid = self.child.as_ref().map(Child::id).ok_or("not running")?;
        Ok(kill(Pid::from_raw(i32::try_from(pid)?), signal)?)
    }

    /// Whether the daemon has this prefix from us.
    pub fn knows(&self, prefix: &str) -> bool {
        match self.kind {
            Kind::Bird => self
                .ask(&format!("show route {prefix} protocol peer"))
                .contains(prefix),
            Kind::Frr => self
                .ask(&format!("show bgp ipv4 unicast {prefix}"))
                .contains("169.254.0.1 from 169.254.0.1"),
        }
    }

    /// Stop announcing this prefix.
    pub fn withdraw(&self, prefix: &str) -> Result<(), Failed> {
        match self.kind {
            Kind::Bird => {
                let config: String = self
                    .config()
                    .lines()
                    .filter(|line| !line.contains(prefix))
                    .fold(String::new(), |all, line| all + line + "\n");
                fs::write(self.path("config"), config)?;
                self.ask("configure");
            }
            Kind::Frr => {
                let network = format!("no network {prefix}");
                let lines = [
                    "configure terminal",
                    "router bgp 65001",
                    "address-family ipv4 unicast",
                    &network,
                ];
                run(self.vtysh().args(lines.iter().flat_map(|line| ["-c", line])))?;
            }
        }
        Ok(())
    }

    /// Whether the daemon says this about the session, in its log or when asked.
    pub fn shows(&self, text: &str) -> bool {
        let asked = match self.kind {
            Kind::Bird => self.ask("show protocols all peer"),
            Kind::Frr => self.ask("show bgp neighbors 169.254.0.1"),
        };
        (asked + &self.log()).to_lowercase().contains(text)
    }

    /// All that the daemon said.
    pub fn log(&self) -> String {
        ["output", "log"]
            .into_iter()
            .filter_map(|name| fs::read_to_string(self.path(name)).ok())
            .collect()
    }

    fn wait_until_it_answers(&mut self) -> Result<(), Failed> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            if let Some(status) = self
                .child
                .as_mut()
                .and_then(|child| child.try_wait().ok().flatten())
            {
                return Err(Failed::from(format!(
                    "{} ended with {status}: {}",
                    self.kind.name(),
                    self.log()
                )));
            }
            let (question, answer) = match self.kind {
                Kind::Bird => ("show status", "Daemon is up and running"),
                Kind::Frr => ("show bgp ipv4 unicast summary", "169.254.0.1"),
            };
            if self.ask(question).contains(answer) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(Failed::from(format!(
            "{} does not answer: {}",
            self.kind.name(),
            self.log()
        )))
    }

    fn ask(&self, question: &str) -> String {
        let mut command = match self.kind {
            Kind::Bird => {
                let mut command = Command::new("birdc");
                command
                    .arg("-s")
                    .arg(self.path("control"))
                    .args(question.split_whitespace());
                command
            }
            Kind::Frr => {
                let mut command = self.vtysh();
                command.args(["-c", question]);
                command
            }
        };
        command
            .stdin(Stdio::null())
            .output()
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default()
    }

    fn vtysh(&self) -> Command {
        let mut command = Command::new("vtysh");
        command.arg("--vty_socket").arg(self.directory.path());
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn config(&self) -> String {
        let mut config = format!("log {}\n", self.log_target());
        match self.kind {
            Kind::Bird => {
                config.push_str("router id 10.0.0.2;\nprotocol device {}\nprotocol static ours {\n ipv4;\n");
                for prefix in &self.prefixes {
                    let _ = writeln!(config, " route {prefix} blackhole;");
                }
                config.push_str(
                    "}\nprotocol bgp peer {\n local 169.254.0.0 as 65001;\n neighbor 169.254.0.1 as 65000;\n passive; hold time 3;\n",
                );
                config.push_str(" error wait time 1, 2; connect delay time 1;\n ipv4 { import all; export where proto = \"ours\"; next hop self; };\n}\n");
            }
            Kind::Frr => {
                config.push_str("debug bgp neighbor-events\nrouter bgp 65001\n bgp router-id 10.0.0.2\n no bgp ebgp-requires-policy\n no bgp network import-check\n");
                config.push_str(
                    " timers bgp 1 3\n neighbor 169.254.0.1 remote-as 65000\n neighbor 169.254.0.1 passive\n",
                );
                config.push_str(" address-family ipv4 unicast\n");
                for prefix in &self.prefixes {
                    let _ = writeln!(config, "  network {prefix}");
                }
                config.push_str(" exit-address-family\n");
            }
        }
        config
    }

    fn log_target(&self) -> String {
        let log = self.path("log");
        match self.kind {
            Kind::Bird => format!("\"{}\" all;", log.display()),
            Kind::Frr => format!("file {} debugging", log.display()),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

fn run(command: &mut Command) -> Result<(), Failed> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(Failed::from(format!(
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )))
}

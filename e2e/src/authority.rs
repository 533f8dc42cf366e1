//! `warren-capd` as a real process beside the ledger, with certificates of its own making on both sides.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, Issuer, KeyPair};
use serde_json::Value;

use crate::{
    daemon::sibling,
    http,
    sys::Placement as _,
    underlay::LEDGER_ADDRESS,
    wait::{Ask, scaled, until},
};

/// A running or killed authority, with its files.
#[derive(Debug)]
pub struct Authority {
    port: u16,
    faults: String,
    directory: PathBuf,
    child: Option<Child>,
}

impl Authority {
    /// Starts it at this port, where hosts reach the ledger too. `faults` is what goes wrong there on purpose.
    ///
    /// # Errors
    /// When it is not built, or does not answer.
    pub fn start(directory: PathBuf, port: u16, faults: &str) -> Result<Self> {
        fs::create_dir_all(&directory)?;
        certificates(&directory)?;
        let mut authority = Self {
            port,
            faults: faults.to_owned(),
            directory,
            child: None,
        };
        fs::write(authority.file("capd.toml"), authority.configuration())?;
        authority.resume()?;
        Ok(authority)
    }

    /// Starts it again on what it has on disk, and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub fn resume(&mut self) -> Result<()> {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.file("capd.log"))?;
        let child = self
            .command()?
            .args(["serve", "--faults", &self.faults])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .dies_with_us()
            .spawn()
            .context("warren-capd")?;
        self.child = Some(child);
        until("warren-capd answers", Duration::from_secs(20), || {
            let said = self.try_cap(&["list"])?;
            Ok(Ask::holds(said.status.success(), || {
                String::from_utf8_lossy(&said.stderr).into_owned()
            }))
        })
        .with_context(|| fs::read_to_string(self.file("capd.log")).unwrap_or_default())?;
        Ok(())
    }

    /// Kills it as a crash would.
    ///
    /// # Errors
    /// When it is not running.
    pub fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("warren-capd is not running")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// What `warrend` is told so that it knows the authority, and is known.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let file = |name: &str| self.file(name).display().to_string();
        vec![
            "--datacap-grpc-api".to_owned(),
            format!("https://{LEDGER_ADDRESS}:{}", self.port),
            "--datacap-ca-cert".to_owned(),
            file("ca.pem"),
            "--datacap-client-cert".to_owned(),
            file("host.pem"),
            "--datacap-client-key".to_owned(),
            file("host.key"),
        ]
    }

    /// Types `warren-capd cap …`; it must end well.
    ///
    /// # Errors
    /// When it does not.
    pub fn cap(&self, arguments: &[&str]) -> Result<String> {
        let said = self.try_cap(arguments)?;
        ensure!(
            said.status.success(),
            "warren-capd cap {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&said.stderr)
        );
        Ok(String::from_utf8(said.stdout)?)
    }

    /// Octets that it knows an account to have used; 0 while it does not know the account.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn used(&self, account: &str) -> Result<u64> {
        let listed: Value = serde_json::from_str(&self.cap(&["list", "--json"])?)?;
        let mut accounts = listed.as_array().into_iter().flatten();
        let Some(of) = accounts.find(|listed| listed["account"] == account) else {
            return Ok(0);
        };
        of["used"].as_u64().with_context(|| of.to_string())
    }

    /// Reports since its start that said nothing new: their answers were lost before.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn repeated(&self) -> Result<u64> {
        let page = http::unix(
            &self.file("capd.sock"),
            "GET",
            "/metrics",
            "",
            scaled(Duration::from_secs(5)),
        )?;
        let page = page.text();
        let mut lines = page.lines();
        let value = lines.find_map(|line| line.strip_prefix("warren_capd_reports_repeated_total "));
        Ok(value.context("no such metric")?.parse()?)
    }

    fn try_cap(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self.command()?.arg("cap").args(arguments).output()?)
    }

    fn command(&self) -> Result<Command> {
        let mut command = Command::new(sibling("warren-capd")?);
        command.arg("--config").arg(self.file("capd.toml"));
        Ok(command)
    }

    fn configuration(&self) -> String {
        let file = |name: &str| self.file(name);
        format!(
            "state_dir = {:?}\nsocket = {:?}\ngrpc = \"0.0.0.0:{}\"\n[tls]\ncert = {:?}\nkey = {:?}\nclient_ca = {:?}\n",
            file("capd"),
            file("capd.sock"),
            self.port,
            file("capd.pem"),
            file("capd.key"),
            file("ca.pem"),
        )
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _gone = self.kill();
    }
}

/// One issuer, and a certificate of it for each side.
fn certificates(directory: &Path) -> Result<()> {
    let mut params = CertificateParams::new(vec![])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    fs::write(directory.join("ca.pem"), issuer.pem())?;
    issue(directory, "capd", &LEDGER_ADDRESS.to_string(), &issuer)?;
    issue(directory, "host", "host", &issuer)
}

fn issue(directory: &Path, file: &str, name: &str, issuer: &Issuer<'_, KeyPair>) -> Result<()> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec![name.to_owned()])?.signed_by(&key, issuer)?;
    fs::write(directory.join(format!("{file}.pem")), certificate.pem())?;
    fs::write(directory.join(format!("{file}.key")), key.serialize_pem())?;
    Ok(())
}

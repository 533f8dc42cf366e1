//! The configuration file.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde::Deserialize;
use warren_metering::cap::{Calendar, Cap, Window, Zone};

use crate::faults::Faults;

/// All of it. What is not in the file is as here.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Where what is known is kept.
    pub(crate) state_dir: PathBuf,
    /// Where `warren-capd cap …` reaches the authority.
    pub(crate) socket: PathBuf,
    /// The gRPC service. It needs `[tls]`.
    pub(crate) grpc: Option<SocketAddr>,
    /// The sidecar's HTTP, without TLS: for this host.
    pub(crate) http: Option<SocketAddr>,
    /// The sidecar's HTTP over TLS.
    pub(crate) https: Option<SocketAddr>,
    pub(crate) tls: Option<Tls>,
    pub(crate) caps: Caps,
    #[serde(skip)]
    pub(crate) faults: Faults,
}

/// How the authority is known, and who may report.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
    /// Of the hosts' certificates: without it nobody is asked for one.
    pub(crate) client_ca: Option<PathBuf>,
    /// That nobody is asked for one has to be said.
    #[serde(default)]
    pub(crate) insecure_dev: bool,
}

/// What may be used.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Caps {
    /// Of those who are not named: `500GB/month`.
    default: Option<String>,
    /// By name. What `warren-capd cap set` says wins.
    accounts: BTreeMap<String, String>,
    time_zone: Option<String>,
    billing_day: Option<u8>,
    #[serde(skip)]
    pub(crate) of_all: Option<Cap>,
    #[serde(skip)]
    pub(crate) of: BTreeMap<String, Cap>,
    #[serde(skip)]
    pub(crate) calendar: Calendar,
}

impl Config {
    /// Reads the file.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is not a configuration", path.display()))
    }

    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut config: Self = toml::from_str(text)?;
        config.caps.check()?;
        anyhow::ensure!(
            config.tls.is_some() || (config.grpc.is_none() && config.https.is_none()),
            "grpc and https need [tls]"
        );
        if let Some(tls) = &config.tls {
            anyhow::ensure!(
                tls.client_ca.is_some() || tls.insecure_dev,
                "[tls] without client_ca lets anyone report: name the authority of the hosts' certificates, or say insecure_dev = true"
            );
        }
        anyhow::ensure!(
            config.grpc.is_some() || config.http.is_some() || config.https.is_some(),
            "nothing is served: name an address for grpc, http or https"
        );
        Ok(config)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state_dir: "/var/lib/warren-capd".into(),
            socket: "/run/warren-capd/warren-capd.sock".into(),
            grpc: None,
            http: None,
            https: None,
            tls: None,
            caps: Caps::default(),
            faults: Faults::default(),
        }
    }
}

impl Caps {
    fn check(&mut self) -> anyhow::Result<()> {
        self.of_all = self
            .default
            .as_deref()
            .map(cap)
            .transpose()
            .context("caps.default")?;
        for (name, text) in &self.accounts {
            let cap = cap(text).with_context(|| format!("caps.accounts.{name}"))?;
            self.of.insert(name.clone(), cap);
        }
        let zone = self.time_zone.as_deref().map_or(Ok(Zone::utc()), zone);
        let billing_day = self.billing_day.unwrap_or(1);
        anyhow::ensure!(
            (1..=28).contains(&billing_day),
            "caps.billing_day is from 1 to 28"
        );
        self.calendar = Calendar {
            zone: zone.context("caps.time_zone")?,
            billing_day,
        };
        Ok(())
    }
}

/// A cap as an authority may give one: the wire says when a window ends, so it has to.
pub(crate) fn cap(text: &str) -> anyhow::Result<Cap> {
    let cap: Cap = text.parse()?;
    anyhow::ensure!(
        matches!(
            cap.window,
            Window::Endless | Window::Day | Window::Week | Window::Month
        ),
        "{text:?}: an authority counts by the day, the week or the month, or without an end"
    );
    Ok(cap)
}

fn zone(name: &str) -> anyhow::Result<Zone> {
    if let Ok(zone) = Zone::fixed(name) {
        return Ok(zone);
    }
    anyhow::ensure!(
        !name.contains("..") && !name.starts_with('/'),
        "unknown time zone: {name:?}"
    );
    let path = Path::new("/usr/share/zoneinfo").join(name);
    let data = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Zone::from_tzif(name, &data)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packaged_configuration_is_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/capd/warren-capd.toml");
        let config = Config::read(&path).unwrap();
        assert_eq!(config.http.unwrap().to_string(), "127.0.0.1:7480");
    }

    #[test]
    fn what_would_let_everybody_report_or_means_nothing_is_refused() {
        let words = |text: &str| format!("{:#}", Config::parse(text).unwrap_err());
        assert!(words("").contains("nothing is served"));
        assert!(words("grpc = \"127.0.0.1:1\"").contains("[tls]"));
        let open = "grpc = \"127.0.0.1:1\"\n[tls]\ncert = \"c\"\nkey = \"k\"";
        assert!(words(open).contains("insecure_dev"));
        Config::parse(&format!("{open}\ninsecure_dev = true")).unwrap();
        Config::parse(&format!("{open}\nclient_ca = \"ca\"")).unwrap();
        let http = "http = \"127.0.0.1:1\"\n[caps]\n";
        assert!(words(&format!("{http}default = \"1GB/30d\"")).contains("by the day"));
        assert!(words(&format!("{http}[caps.accounts]\na = \"lots\"")).contains("caps.accounts.a"));
        assert!(words(&format!("{http}time_zone = \"../../etc/passwd\"")).contains("time_zone"));
        assert!(words(&format!("{http}typo = 1")).contains("typo"));
    }
}

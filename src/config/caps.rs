//! What is configured about caps.

use std::{collections::BTreeSet, path::PathBuf};

use serde::{Deserialize, Serialize};
use warren_metering::cap::{Calendar, Exempt, InvalidZone, Over, Policy, THROTTLED, Unsynced, Zone};
use warren_state::{Pubkey, Rate};

use super::{ConfigError, SecretUrl, Span, absolute, at_least};

/// Where the host keeps its time zones.
const ZONES: &str = "/usr/share/zoneinfo";
/// Two sources of caps at once.
const EXCLUSIVE: &str = "--datacap-url and --datacap-grpc-api are mutually exclusive";

/// What one source sets about caps.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CapsLayer {
    /// Where caps come from; what follows from the addresses, when it is not set.
    pub source: Option<Source>,
    /// The sidecar.
    pub url: Option<SecretUrl>,
    /// The service.
    pub grpc_api: Option<String>,
    /// How often what was used is reported.
    pub batch_interval: Option<Span>,
    /// How long what was said of a cap counts.
    pub cache_ttl: Option<Span>,
    /// The authority that the service's certificate is of.
    pub ca_cert: Option<PathBuf>,
    /// Our certificate.
    pub client_cert: Option<PathBuf>,
    /// Its key.
    pub client_key: Option<PathBuf>,
    /// The system's authorities are enough, and nobody asks who we are.
    pub insecure_dev: Option<bool>,
    /// Whom a cap is for.
    pub device_id: Option<DeviceKind>,
    /// The country, as it is reported.
    pub country_code: Option<String>,
    /// The platform, as it is reported.
    pub platform: Option<String>,
    /// What becomes of who is over the cap.
    pub over: Option<Over>,
    /// What becomes of who is not known.
    pub unsynced: Option<Unsynced>,
    /// Octets a second that a throttled one may send.
    pub throttled_up: Option<u64>,
    /// Octets a second that come to it.
    pub throttled_down: Option<u64>,
    /// Hysteresis.
    pub margin_percent: Option<u8>,
    /// Where days and months begin.
    pub time_zone: Option<String>,
    /// The first day of a billing month.
    pub billing_day: Option<u8>,
    /// Keys that pay and have no cap.
    pub exempt_owners: Option<BTreeSet<Pubkey>>,
    /// Tenants of whom nobody has.
    pub exempt_tenants: Option<BTreeSet<Pubkey>>,
}

/// Where caps come from. One of them, by its type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// There are none.
    #[default]
    None,
    /// An operator of this host sets them.
    Local,
    /// A sidecar.
    Http,
    /// A service.
    Grpc,
}

/// Whom a cap is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// The key that pays: all its tunnels together.
    #[default]
    Owner,
    /// The account that asks for the tunnel: each tunnel by itself.
    User,
    /// The address of the user's host.
    ClientIp,
}

/// Caps. Serialised, what nobody set is left out.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct CapsConfig {
    /// Where they come from.
    pub source: Source,
    /// The sidecar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<SecretUrl>,
    /// The service, as `https://HOST:PORT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc_api: Option<String>,
    /// How often what was used is reported.
    pub batch_interval: Span,
    /// How long what was said of a cap counts.
    pub cache_ttl: Span,
    /// How the service is known, and knows us; none is by the system's authorities and not at all.
    #[serde(flatten)]
    pub tls: Option<TlsPaths>,
    /// That this is so by intention.
    pub insecure_dev: bool,
    /// Whom a cap is for.
    pub device_id: DeviceKind,
    /// The country, as it is reported.
    pub country_code: String,
    /// The platform, as it is reported.
    pub platform: String,
    /// What becomes of who is over the cap.
    pub over: Over,
    /// What becomes of who is not known.
    pub unsynced: Unsynced,
    /// Octets a second that a throttled one may send.
    pub throttled_up: u64,
    /// Octets a second that come to it.
    pub throttled_down: u64,
    /// Hysteresis, in hundredths of the cap.
    pub margin_percent: u8,
    /// Where days and months begin.
    pub time_zone: String,
    /// The first day of a billing month.
    pub billing_day: u8,
    /// Keys that pay and have no cap.
    pub exempt_owners: BTreeSet<Pubkey>,
    /// Tenants of whom nobody has.
    pub exempt_tenants: BTreeSet<Pubkey>,
}

/// All three, or none.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TlsPaths {
    /// The authority that the service's certificate is of.
    pub ca_cert: PathBuf,
    /// Our certificate.
    pub client_cert: PathBuf,
    /// Its key.
    pub client_key: PathBuf,
}

impl CapsLayer {
    /// `upper` wins wherever it says something. An address takes the place of the one below, whichever of the two it is.
    #[must_use]
    pub fn over(lower: Self, upper: Self) -> Self {
        let names = upper.url.is_some() || upper.grpc_api.is_some();
        let (url, grpc_api) = if names {
            (upper.url, upper.grpc_api)
        } else {
            (lower.url, lower.grpc_api)
        };
        Self {
            source: upper.source.or(lower.source.filter(|_| !names)),
            url,
            grpc_api,
            batch_interval: upper.batch_interval.or(lower.batch_interval),
            cache_ttl: upper.cache_ttl.or(lower.cache_ttl),
            ca_cert: upper.ca_cert.or(lower.ca_cert),
            client_cert: upper.client_cert.or(lower.client_cert),
            client_key: upper.client_key.or(lower.client_key),
            insecure_dev: upper.insecure_dev.or(lower.insecure_dev),
            device_id: upper.device_id.or(lower.device_id),
            country_code: upper.country_code.or(lower.country_code),
            platform: upper.platform.or(lower.platform),
            over: upper.over.or(lower.over),
            unsynced: upper.unsynced.or(lower.unsynced),
            throttled_up: upper.throttled_up.or(lower.throttled_up),
            throttled_down: upper.throttled_down.or(lower.throttled_down),
            margin_percent: upper.margin_percent.or(lower.margin_percent),
            time_zone: upper.time_zone.or(lower.time_zone),
            billing_day: upper.billing_day.or(lower.billing_day),
            exempt_owners: upper.exempt_owners.or(lower.exempt_owners),
            exempt_tenants: upper.exempt_tenants.or(lower.exempt_tenants),
        }
    }

    /// Checks it.
    ///
    /// # Errors
    /// When there are two sources, or one lacks what it needs.
    pub fn resolve(self) -> Result<CapsConfig, ConfigError> {
        let source = source(self.source, self.url.is_some(), self.grpc_api.is_some())?;
        let tls = tls([self.ca_cert, self.client_cert, self.client_key])?;
        let insecure_dev = self.insecure_dev.unwrap_or(false);
        if source == Source::Grpc && tls.is_none() && !insecure_dev {
            return Err(invalid(
                "caps.source is grpc: give --datacap-ca-cert, --datacap-client-cert and --datacap-client-key, or insecure_dev = true in [caps]",
            ));
        }
        let config = CapsConfig {
            source,
            url: self.url,
            grpc_api: self.grpc_api,
            batch_interval: at_least(
                "datacap-batch-interval",
                self.batch_interval,
                30,
                std::time::Duration::from_secs(1),
            )?,
            cache_ttl: at_least(
                "datacap-cache-ttl",
                self.cache_ttl,
                300,
                std::time::Duration::from_secs(1),
            )?,
            tls,
            insecure_dev,
            device_id: self.device_id.unwrap_or_default(),
            country_code: self.country_code.unwrap_or_default(),
            platform: self.platform.unwrap_or_else(|| "linux".to_owned()),
            over: self.over.unwrap_or_default(),
            unsynced: self.unsynced.unwrap_or_default(),
            throttled_up: self.throttled_up.or(THROTTLED.up).unwrap_or_default(),
            throttled_down: self.throttled_down.or(THROTTLED.down).unwrap_or_default(),
            margin_percent: self.margin_percent.unwrap_or(1),
            time_zone: self.time_zone.unwrap_or_else(|| "UTC".to_owned()),
            billing_day: self.billing_day.unwrap_or(1),
            exempt_owners: self.exempt_owners.unwrap_or_default(),
            exempt_tenants: self.exempt_tenants.unwrap_or_default(),
        };
        if !(1..=28).contains(&config.billing_day) {
            return Err(invalid(format!(
                "caps.billing_day is {}: it must be from 1 to 28",
                config.billing_day
            )));
        }
        if config.margin_percent > 50 {
            return Err(invalid(format!(
                "caps.margin_percent is {}: it must be from 0 to 50",
                config.margin_percent
            )));
        }
        config.policy()?;
        Ok(config)
    }
}

impl CapsConfig {
    /// What holds for everybody.
    ///
    /// # Errors
    /// When there is no such time zone.
    pub fn policy(&self) -> Result<Policy, ConfigError> {
        Ok(Policy {
            over: self.over,
            unsynced: self.unsynced,
            throttled: Rate {
                up: Some(self.throttled_up),
                down: Some(self.throttled_down),
            },
            margin_percent: self.margin_percent,
            calendar: Calendar {
                zone: zone(&self.time_zone).map_err(|error| invalid(format!("caps.time_zone: {error}")))?,
                billing_day: self.billing_day,
            },
            exempt: Exempt {
                owners: self.exempt_owners.clone(),
                tenants: self.exempt_tenants.clone(),
            },
        })
    }
}

/// The one that is named, or that an address is given of.
fn source(named: Option<Source>, url: bool, grpc: bool) -> Result<Source, ConfigError> {
    match (named, url, grpc) {
        (_, true, true) => Err(invalid(EXCLUSIVE)),
        (None | Some(Source::Http), true, false) => Ok(Source::Http),
        (None | Some(Source::Grpc), false, true) => Ok(Source::Grpc),
        (Some(Source::Http), false, _) => Err(invalid("caps.source is http: --datacap-url must be set")),
        (Some(Source::Grpc), _, false) => Err(invalid("caps.source is grpc: --datacap-grpc-api must be set")),
        (Some(Source::None | Source::Local), true, false) => {
            Err(invalid("--datacap-url is set, but caps.source is something else"))
        }
        (Some(Source::None | Source::Local), false, true) => Err(invalid(
            "--datacap-grpc-api is set, but caps.source is something else",
        )),
        (named, false, false) => Ok(named.unwrap_or_default()),
    }
}

fn tls(paths: [Option<PathBuf>; 3]) -> Result<Option<TlsPaths>, ConfigError> {
    let set = |path: Option<PathBuf>| path.filter(|path| !path.as_os_str().is_empty());
    match paths.map(set) {
        [Some(ca), Some(cert), Some(key)] => Ok(Some(TlsPaths {
            ca_cert: absolute("datacap-ca-cert", ca)?,
            client_cert: absolute("datacap-client-cert", cert)?,
            client_key: absolute("datacap-client-key", key)?,
        })),
        [None, None, None] => Ok(None),
        [_, _, _] => Err(invalid(
            "--datacap-ca-cert, --datacap-client-cert and --datacap-client-key: give all three or none",
        )),
    }
}

/// A name is looked up where the host keeps its zones, and nowhere else.
fn zone(name: &str) -> Result<Zone, InvalidZone> {
    let is_name = |part: &str| !part.is_empty() && part != ".." && part != ".";
    match Zone::fixed(name) {
        Err(_) if name.split('/').all(is_name) => {
            let data =
                std::fs::read(PathBuf::from(ZONES).join(name)).map_err(|_| InvalidZone(name.to_owned()))?;
            Zone::from_tzif(name, &data)
        }
        fixed => fixed,
    }
}

fn invalid(text: impl Into<String>) -> ConfigError {
    ConfigError::Invalid(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(text: &str) -> CapsLayer {
        toml::from_str(text).unwrap()
    }

    fn resolve(text: &str) -> Result<CapsConfig, String> {
        let layer: CapsLayer = toml::from_str(text).map_err(|error| error.to_string())?;
        layer.resolve().map_err(|error| error.to_string())
    }

    #[test]
    fn there_is_one_source_or_none() {
        let source = |text| resolve(text).map(|config| config.source);
        assert_eq!(source(""), Ok(Source::None));
        assert_eq!(source("source = 'local'"), Ok(Source::Local));
        assert_eq!(source("url = 'https://c.example'"), Ok(Source::Http));
        assert_eq!(
            source("grpc_api = 'https://c.example:443'\ninsecure_dev = true"),
            Ok(Source::Grpc)
        );
        assert_eq!(
            source("url = 'https://c.example'\ngrpc_api = 'https://c.example'").unwrap_err(),
            "--datacap-url and --datacap-grpc-api are mutually exclusive"
        );
        for wrong in [
            "source = 'http'",
            "source = 'grpc'",
            "source = 'local'\nurl = 'https://c.example'",
            "source = 'file'",
        ] {
            assert!(resolve(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_flag_takes_the_place_of_whatever_a_variable_names() {
        let variable = layer("url = 'https://v.example'");
        let flag = layer("grpc_api = 'https://f.example'\ninsecure_dev = true");
        let config = CapsLayer::over(variable, flag).resolve().unwrap();
        assert_eq!((config.source, config.url), (Source::Grpc, None));
    }

    #[test]
    fn tls_paths_are_all_or_none_and_none_is_said() {
        let grpc = "grpc_api = 'https://c.example'\n";
        let all = "ca_cert = '/a'\nclient_cert = '/b'\nclient_key = '/c'";
        assert!(resolve(&format!("{grpc}{all}")).unwrap().tls.is_some());
        assert!(resolve(grpc).unwrap_err().contains("insecure_dev"));
        for some in [
            "ca_cert = '/a'",
            "client_key = '/c'",
            "ca_cert = '/a'\nclient_cert = '/b'",
            "ca_cert = '/a'\nclient_cert = ''\nclient_key = '/c'",
        ] {
            assert!(
                resolve(&format!("{grpc}{some}"))
                    .unwrap_err()
                    .contains("all three or none"),
                "{some}"
            );
        }
    }

    #[test]
    fn without_a_word_it_is_as_the_origin_has_it() {
        let config = resolve("").unwrap();
        assert_eq!(
            (config.batch_interval.0.as_secs(), config.cache_ttl.0.as_secs()),
            (30, 300)
        );
        assert_eq!(config.device_id, DeviceKind::Owner);
        let policy = config.policy().unwrap();
        assert_eq!((policy.unsynced, policy.throttled), (Unsynced::Open, THROTTLED));
    }

    #[test]
    fn a_configuration_is_read_back_from_what_it_writes_and_a_wrong_one_is_refused() {
        let all = "source = 'local'\ndevice_id = 'client_ip'\nover = 'block'\nunsynced = 'throttle'\nthrottled_up = 1\ntime_zone = '+02:00'\nbilling_day = 15\nexempt_owners = ['4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi']";
        for text in ["", all] {
            let config = resolve(text).unwrap();
            assert_eq!(
                resolve(&toml::to_string(&config).unwrap()).unwrap(),
                config,
                "{text}"
            );
        }
        for wrong in [
            "billing_day = 29",
            "margin_percent = 51",
            "time_zone = '../../etc/passwd'",
            "time_zone = 'Mars/Olympus'",
            "device_id = ''",
            "batch_interval = '0s'",
        ] {
            assert!(resolve(wrong).is_err(), "{wrong}");
        }
    }
}

//! What is configured about recorders.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ConfigError, SecretUrl, absolute};

/// What is kept of a ledger beside the file that is written, and how large each file becomes, where nothing else is said.
const USUAL_KEEP: u32 = 8;
const USUAL_MIB: u32 = 64;
/// Events in a request.
const USUAL_BATCH: u32 = 100;

/// What one source sets about recorders.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MeteringLayer {
    /// Where entries go.
    pub backend: Option<String>,
    /// What a start does when a recorder cannot write.
    pub on_failure: Option<OnFailure>,
    /// The recorder that writes a file, and its settings.
    pub file: FileLayer,
    /// The receiver of CloudEvents.
    pub http: HttpLayer,
    /// Several at once.
    pub tee: TeeLayer,
    /// The collector of IPFIX.
    pub ipfix: IpfixLayer,
}

/// What one source sets about the file.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileLayer {
    /// Its path; empty is `metering/ledger.jsonl` in the state directory.
    pub path: Option<PathBuf>,
    /// It is put aside before it is larger, in MiB; 0 is never.
    pub max_mib: Option<u32>,
    /// How many of those that were put aside are kept.
    pub keep: Option<u32>,
    /// When it is brought onto the disk.
    pub sync: Option<Sync>,
}

/// What one source sets about the receiver of CloudEvents.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpLayer {
    /// Where batches are posted.
    pub url: Option<SecretUrl>,
    /// A file with the bearer token.
    pub token_file: Option<PathBuf>,
    /// The most events in a request.
    pub batch: Option<u32>,
}

/// What one source sets about several recorders at once.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TeeLayer {
    /// Which.
    pub backends: Option<Vec<String>>,
}

/// What one source sets about IPFIX.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IpfixLayer {
    /// The collector's host and port.
    pub collector: Option<String>,
}

/// The recorders.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct MeteringConfig {
    /// Where entries go.
    pub backend: RecorderKind,
    /// What a start does when a recorder cannot write.
    pub on_failure: OnFailure,
    /// The recorder that writes a file, and its settings.
    pub file: FileConfig,
    /// The receiver of CloudEvents.
    pub http: HttpConfig,
    /// Several at once.
    pub tee: TeeConfig,
    /// The collector of IPFIX.
    pub ipfix: IpfixConfig,
}

/// Where entries go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RecorderKind {
    /// A file of lines.
    #[default]
    File,
    /// Standard error.
    Stderr,
    /// Nowhere.
    Nop,
    /// Several of them at once, each at its own pace.
    Tee,
    /// A receiver of CloudEvents.
    Http,
}

/// What a start does when a recorder cannot write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It fails.
    #[default]
    Stop,
    /// It goes on, and entries wait in the journal.
    Degrade,
}

/// When the file is brought onto the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sync {
    /// With each batch.
    #[default]
    Always,
    /// When the kernel does.
    Never,
}

/// The recorder that writes a file, and its settings.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct FileConfig {
    /// Its path; without one it is `metering/ledger.jsonl` in the state directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// It is put aside before it is larger, in MiB; 0 is never.
    pub max_mib: u32,
    /// How many of those that were put aside are kept.
    pub keep: u32,
    /// When it is brought onto the disk.
    pub sync: Sync,
}

/// The receiver of CloudEvents.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct HttpConfig {
    /// Where batches are posted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<SecretUrl>,
    /// A file with the bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// The most events in a request.
    pub batch: u32,
}

/// Several recorders at once.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct TeeConfig {
    /// Which.
    pub backends: Vec<RecorderKind>,
}

/// The collector of IPFIX.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct IpfixConfig {
    /// Its host and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collector: Option<String>,
}

impl MeteringLayer {
    /// `upper` wins wherever it says something.
    #[must_use]
    pub fn over(lower: Self, upper: Self) -> Self {
        Self {
            backend: upper.backend.or(lower.backend),
            on_failure: upper.on_failure.or(lower.on_failure),
            file: FileLayer {
                path: upper.file.path.or(lower.file.path),
                max_mib: upper.file.max_mib.or(lower.file.max_mib),
                keep: upper.file.keep.or(lower.file.keep),
                sync: upper.file.sync.or(lower.file.sync),
            },
            http: HttpLayer {
                url: upper.http.url.or(lower.http.url),
                token_file: upper.http.token_file.or(lower.http.token_file),
                batch: upper.http.batch.or(lower.http.batch),
            },
            tee: TeeLayer {
                backends: upper.tee.backends.or(lower.tee.backends),
            },
            ipfix: IpfixLayer {
                collector: upper.ipfix.collector.or(lower.ipfix.collector),
            },
        }
    }

    /// Checks it.
    ///
    /// # Errors
    /// When a backend is none, or lacks what it needs.
    pub fn resolve(self) -> Result<MeteringConfig, ConfigError> {
        let backend = backend("metering.backend", self.backend.as_deref().unwrap_or_default())?;
        let tee = self.tee.backends.unwrap_or_default();
        let tee: Vec<RecorderKind> = tee
            .iter()
            .map(|name| self::backend("metering.tee.backends", name))
            .collect::<Result<_, _>>()?;
        let config = MeteringConfig {
            backend,
            on_failure: self.on_failure.unwrap_or_default(),
            file: self.file.resolve()?,
            http: self.http.resolve()?,
            tee: TeeConfig { backends: tee },
            ipfix: IpfixConfig {
                collector: self.ipfix.collector.map(collector).transpose()?,
            },
        };
        config.check()?;
        Ok(config)
    }
}

impl FileLayer {
    fn resolve(self) -> Result<FileConfig, ConfigError> {
        let path = self.path.filter(|path| !path.as_os_str().is_empty());
        let keep = self.keep.unwrap_or(USUAL_KEEP);
        if !(1..=10_000).contains(&keep) {
            return Err(invalid(format!(
                "metering.file.keep is {keep}: it must be from 1 to 10000"
            )));
        }
        Ok(FileConfig {
            path: path
                .map(|path| absolute("metering.file.path", path))
                .transpose()?,
            max_mib: self.max_mib.unwrap_or(USUAL_MIB),
            keep,
            sync: self.sync.unwrap_or_default(),
        })
    }
}

impl HttpLayer {
    fn resolve(self) -> Result<HttpConfig, ConfigError> {
        let batch = self.batch.unwrap_or(USUAL_BATCH);
        if !(1..=10_000).contains(&batch) {
            return Err(invalid(format!(
                "metering.http.batch is {batch}: it must be from 1 to 10000"
            )));
        }
        Ok(HttpConfig {
            url: self.url,
            token_file: self
                .token_file
                .map(|path| absolute("metering.http.token_file", path))
                .transpose()?,
            batch,
        })
    }
}

impl MeteringConfig {
    /// The recorders, without those that record nothing.
    #[must_use]
    pub fn backends(&self) -> Vec<RecorderKind> {
        let mut backends = match self.backend {
            RecorderKind::Tee => self.tee.backends.clone(),
            one @ (RecorderKind::File | RecorderKind::Stderr | RecorderKind::Nop | RecorderKind::Http) => {
                vec![one]
            }
        };
        backends.retain(|backend| *backend != RecorderKind::Nop);
        backends
    }

    fn check(&self) -> Result<(), ConfigError> {
        let mut tee = self.tee.backends.clone();
        tee.sort_unstable();
        tee.dedup();
        match self.backend {
            RecorderKind::Tee if tee.is_empty() => {
                return Err(invalid(
                    "metering.backend is tee: metering.tee.backends must name some",
                ));
            }
            RecorderKind::Tee if tee.len() < self.tee.backends.len() || tee.contains(&RecorderKind::Tee) => {
                return Err(invalid("metering.tee.backends names one twice, or tee itself"));
            }
            RecorderKind::Tee
            | RecorderKind::File
            | RecorderKind::Stderr
            | RecorderKind::Nop
            | RecorderKind::Http => {}
        }
        if self.backends().contains(&RecorderKind::Http) && self.http.url.is_none() {
            return Err(invalid("metering.backend is http: metering.http.url must be set"));
        }
        Ok(())
    }
}

fn backend(setting: &str, name: &str) -> Result<RecorderKind, ConfigError> {
    Ok(match name {
        "" | "file" => RecorderKind::File,
        "stderr" => RecorderKind::Stderr,
        "nop" => RecorderKind::Nop,
        "tee" => RecorderKind::Tee,
        "http" => RecorderKind::Http,
        other => {
            return Err(invalid(format!(
                "{setting} {other:?} is not one of file|stderr|nop|tee|http"
            )));
        }
    })
}

fn collector(text: String) -> Result<String, ConfigError> {
    let port = text.rsplit_once(':').and_then(|(host, port)| {
        let port: u16 = port.parse().ok()?;
        (!host.is_empty() && port > 0).then_some(port)
    });
    match port {
        Some(_) => Ok(text),
        None => Err(invalid(format!(
            "metering.ipfix.collector {text:?} is no host and port"
        ))),
    }
}

fn invalid(text: impl Into<String>) -> ConfigError {
    ConfigError::Invalid(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<MeteringConfig, String> {
        let layer: MeteringLayer = toml::from_str(text).map_err(|error| error.to_string())?;
        layer.resolve().map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_word_it_is_a_file_in_the_state_directory_of_64_mib_with_8_kept() {
        for text in ["", "backend = ''", "backend = 'file'\nfile.path = ''"] {
            let config = resolve(text).unwrap();
            assert_eq!(
                (config.backends(), config.file.path),
                (vec![RecorderKind::File], None),
                "{text}"
            );
            assert_eq!(
                (config.file.max_mib, config.file.keep, config.file.sync),
                (64, 8, Sync::Always)
            );
            assert_eq!(config.on_failure, OnFailure::Stop);
        }
    }

    #[test]
    fn an_unknown_backend_is_refused_in_these_words() {
        assert_eq!(
            resolve("backend = 'pigeon'").unwrap_err(),
            "metering.backend \"pigeon\" is not one of file|stderr|nop|tee|http"
        );
        for wrong in ["FILE", "capture", " file"] {
            assert!(resolve(&format!("backend = '{wrong}'")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_lacks_what_it_needs_is_refused() {
        for (text, word) in [
            ("backend = 'http'", "metering.http.url"),
            ("backend = 'tee'", "metering.tee.backends"),
            ("backend = 'tee'\ntee.backends = ['file', 'file']", "twice"),
            ("backend = 'tee'\ntee.backends = ['tee']", "tee itself"),
            (
                "backend = 'tee'\ntee.backends = ['file', 'http']",
                "metering.http.url",
            ),
            ("file.keep = 0", "metering.file.keep"),
            ("http.batch = 0", "metering.http.batch"),
            ("ipfix.collector = 'here'", "no host and port"),
            ("on_failure = 'ignore'", "ignore"),
        ] {
            let error = resolve(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn a_configuration_is_read_back_from_what_it_writes() {
        for text in [
            "",
            "backend = 'tee'\ntee.backends = ['file', 'stderr']\nipfix.collector = 'localhost:4739'",
            "backend = 'nop'\non_failure = 'degrade'\nfile.sync = 'never'\nfile.path = '/x/y'",
        ] {
            let config = resolve(text).unwrap();
            assert_eq!(
                resolve(&toml::to_string(&config).unwrap()).unwrap(),
                config,
                "{text}"
            );
        }
        assert_eq!(resolve("backend = 'nop'").unwrap().backends(), []);
    }
}

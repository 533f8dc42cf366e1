//! The operator's settings: where the reference keeps them, and where this software does.
//!
//! The file is YAML. The first of these that is named or exists is used: `WARREN_CONFIG_FILE`, `DOUBLEZERO_CONFIG_FILE`,
//! `~/.config/warren/config.yml`, `~/.config/doublezero/cli/config.yml`. A file that is named but absent, or the last one,
//! reads as empty: so does the reference.
//!
//! Where the keypair comes from stands at [`keypair::find`](crate::keypair::find).

mod parse;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::Write as _,
    path::{Path, PathBuf},
};

use parse::Flaw;
use serde::Serialize;

/// A configuration file is small; anything larger is something else.
const LARGEST_FILE: u64 = 1024 * 1024;

/// The settings in the file, under the reference's names. Those that are unknown here are kept when it is written.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[allow(missing_docs)]
pub struct UserConfig {
    /// The ledger's URL; may hold a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_rpc_url: Option<String>,
    /// The ledger's websocket endpoint; may hold a secret.
    pub websocket_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keypair_path: Option<PathBuf>,
    /// The serviceability program, in base58.
    pub program_id: Option<String>,
    /// The tenant's code that `connect` uses where none is named.
    pub tenant: Option<String>,
    /// Names for addresses.
    pub address_labels: BTreeMap<String, String>,
    pub geo_program_id: Option<String>,
    /// The service that proves a host's address. A setting of this software's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_verifier_url: Option<String>,
    #[serde(flatten)]
    pub others: BTreeMap<String, serde_yaml::Value>,
}

/// Why the file cannot be used. Never holds its content: URLs may carry secrets.
#[derive(Debug, thiserror::Error)]
pub enum UserConfigError {
    /// The configuration file cannot be read.
    #[error("cannot read the configuration at {}", path.display())]
    Unreadable {
        /// The path of the file in question.
        path: PathBuf,
        /// The error of the system below.
        #[source]
        source: std::io::Error,
    },
    /// Not what it should be.
    #[error("the configuration at {} is not valid YAML with the known fields{}", path.display(), place(*line))]
    Invalid {
        /// The path of the file in question.
        path: PathBuf,
        /// Where in it, from 1, if known.
        line: Option<usize>,
    },
    /// A setting that makes no sense.
    #[error("{key} in {} {flaw}", path.display())]
    Setting {
        /// The path of the file in question.
        path: PathBuf,
        /// The setting.
        key: String,
        /// What is wrong with its value.
        flaw: &'static str,
    },
    /// The configuration file cannot be written.
    #[error("cannot write the configuration to {}", path.display())]
    Unwritable {
        /// The path of the file in question.
        path: PathBuf,
        /// The error of the system below.
        #[source]
        source: std::io::Error,
    },
}

fn place(line: Option<usize>) -> String {
    line.map(|line| format!(" (line {line})")).unwrap_or_default()
}

/// What decides where files are: gathered once by the binary, so that this module reads no environment.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ConfigSources {
    /// `--keypair`
    pub keypair_flag: Option<PathBuf>,
    /// `WARREN_KEYPAIR`: a file, or a keypair's text.
    pub warren_keypair: Option<OsString>,
    /// `DOUBLEZERO_KEYPAIR`: a file, or a keypair's text.
    pub doublezero_keypair: Option<OsString>,
    /// Whether standard input is no terminal, so that a keypair may come from it.
    pub stdin_is_piped: bool,
    /// `WARREN_CONFIG_FILE`
    pub warren_config_file: Option<OsString>,
    /// `DOUBLEZERO_CONFIG_FILE`
    pub doublezero_config_file: Option<OsString>,
    /// `HOME`
    pub home: Option<PathBuf>,
}

impl ConfigSources {
    /// The configuration file: to read, and to write.
    #[must_use]
    pub fn config_path(&self) -> Option<PathBuf> {
        let named = [&self.warren_config_file, &self.doublezero_config_file]
            .into_iter()
            .find_map(|name| non_empty(name.as_ref()));
        named.or_else(|| {
            let home = self.home.as_ref()?;
            let ours = home.join(".config/warren/config.yml");
            Some(if ours.exists() {
                ours
            } else {
                home.join(".config/doublezero/cli/config.yml")
            })
        })
    }
}

pub(crate) fn non_empty(name: Option<&OsString>) -> Option<PathBuf> {
    name.filter(|name| !name.is_empty()).map(PathBuf::from)
}

impl UserConfig {
    /// Reads the file; an absent or empty one has no settings.
    ///
    /// # Errors
    /// When it cannot be read, or is not what it should be.
    pub fn read(path: &Path) -> Result<Self, UserConfigError> {
        let unreadable = |source| UserConfigError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let text = match std::fs::metadata(path) {
            Ok(found) if found.len() > LARGEST_FILE => {
                return Err(UserConfigError::Invalid {
                    path: path.to_owned(),
                    line: None,
                });
            }
            Ok(_) => std::fs::read_to_string(path).map_err(unreadable)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unreadable(error)),
        };
        parse::parse(&text).map_err(|flaw| match flaw {
            Flaw::Form(line) => UserConfigError::Invalid {
                path: path.to_owned(),
                line,
            },
            Flaw::Key(key, flaw) => UserConfigError::Setting {
                path: path.to_owned(),
                key,
                flaw,
            },
        })
    }

    /// Writes the file as a whole, readable by its owner only: URLs may carry secrets.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), UserConfigError> {
        let unwritable = |source| UserConfigError::Unwritable {
            path: path.to_owned(),
            source,
        };
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(unwritable)?;
        }
        let text = serde_yaml::to_string(self).map_err(|error| unwritable(std::io::Error::other(error)))?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}.new", std::process::id()));
        let beside = PathBuf::from(beside);
        let written = create_private(&beside).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&beside, path)
        });
        written
            .inspect_err(|_| drop(std::fs::remove_file(&beside)))
            .map_err(unwritable)
    }
}

fn create_private(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("warren-config-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn file(&self, text: &str) -> PathBuf {
            let path = self.0.join("config.yml");
            std::fs::write(&path, text).unwrap();
            path
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_references_file_is_read_and_written_back_with_what_is_unknown_here() {
        let scratch = Scratch::new("round");
        let text = "json_rpc_url: http://localhost:8899/t0ken\nwebsocket_url: null\nkeypair_path: /home/bob/.config/doublezero/id.json\n\
                    program_id: null\ntenant: acme\naddress_labels:\n  '1111': system\ngeo_program_id: null\nlater_field: 7\n";
        let path = scratch.file(text);
        let config = UserConfig::read(&path).unwrap();
        assert_eq!(
            config.json_rpc_url.as_deref(),
            Some("http://localhost:8899/t0ken")
        );
        assert_eq!(
            (config.tenant.as_deref(), config.websocket_url.as_deref()),
            (Some("acme"), None)
        );
        assert_eq!(
            config.keypair_path.as_deref(),
            Some(Path::new("/home/bob/.config/doublezero/id.json"))
        );
        assert_eq!(config.address_labels["1111"], "system");
        config.write(&path).unwrap();
        assert_eq!(UserConfig::read(&path).unwrap(), config);
        assert!(std::fs::read_to_string(&path).unwrap().contains("later_field: 7"));
    }

    #[test]
    fn an_absent_or_empty_file_has_no_settings() {
        let scratch = Scratch::new("empty");
        assert_eq!(
            UserConfig::read(&scratch.0.join("absent.yml")).unwrap(),
            UserConfig::default()
        );
        assert_eq!(
            UserConfig::read(&scratch.file("")).unwrap(),
            UserConfig::default()
        );
        assert_eq!(
            UserConfig::read(&scratch.file("# nothing yet\n\n")).unwrap(),
            UserConfig::default()
        );
    }

    #[test]
    fn a_broken_file_is_an_error_with_its_line_that_repeats_no_secret() {
        let scratch = Scratch::new("broken");
        for text in [
            "json_rpc_url: http://h/t0ken\ntenant: [t0ken\n",
            "- t0ken\n",
            "t0ken",
        ] {
            let error = UserConfig::read(&scratch.file(text)).unwrap_err();
            let text = format!("{error} {:?}", std::error::Error::source(&error));
            let told = text.contains("tenant") || matches!(error, UserConfigError::Invalid { .. });
            assert!(
                told && text.contains("config.yml") && !text.contains("t0ken"),
                "{text}"
            );
        }
        assert!(
            matches!(
                UserConfig::read(&scratch.0),
                Err(UserConfigError::Unreadable { .. })
            ),
            "a directory is no file"
        );
    }

    #[test]
    fn the_configuration_is_ours_where_there_is_one_and_the_references_otherwise() {
        let scratch = Scratch::new("place");
        let mut all = ConfigSources {
            home: Some(scratch.0.clone()),
            ..ConfigSources::default()
        };
        assert_eq!(
            all.config_path(),
            Some(scratch.0.join(".config/doublezero/cli/config.yml"))
        );
        UserConfig::default()
            .write(&scratch.0.join(".config/warren/config.yml"))
            .unwrap();
        assert_eq!(
            all.config_path(),
            Some(scratch.0.join(".config/warren/config.yml"))
        );
        all.doublezero_config_file = Some("/theirs".into());
        assert_eq!(all.config_path(), Some("/theirs".into()));
        all.warren_config_file = Some("/ours".into());
        assert_eq!(all.config_path(), Some("/ours".into()));
    }
}

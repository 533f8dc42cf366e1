//! Which keypair is meant.

use std::{
    ffi::OsString,
    fmt,
    io::Read,
    path::{Path, PathBuf},
};

use super::{Keypair, KeypairError, OpenToOthers};
use crate::user_config::{ConfigSources, UserConfig, non_empty};

/// Where a keypair is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeypairPlace {
    /// A file, and who named it.
    File(PathBuf, NamedBy),
    /// The text of this variable of the environment.
    Variable(&'static str),
    /// It was piped in on standard input.
    Stdin,
}

/// Who named a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NamedBy {
    /// It was named on the command line.
    Flag,
    /// This variable of the environment.
    Variable(&'static str),
    /// It was named in the configuration file.
    Config,
    /// Nobody: it is the default.
    Default,
}

impl KeypairPlace {
    /// The file, if it is one.
    #[must_use]
    pub fn into_file(self) -> Option<PathBuf> {
        match self {
            Self::File(path, _) => Some(path),
            Self::Variable(_) | Self::Stdin => None,
        }
    }
}

impl fmt::Display for KeypairPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, by) => {
                let by = match by {
                    NamedBy::Flag => "--keypair",
                    NamedBy::Variable(name) => name,
                    NamedBy::Config => "the configuration",
                    NamedBy::Default => "default",
                };
                write!(f, "{} ({by})", path.display())
            }
            Self::Variable(name) => f.write_str(name),
            Self::Stdin => f.write_str("standard input"),
        }
    }
}

/// A keypair and where it was.
#[derive(Debug)]
pub struct FoundKeypair {
    /// The keypair that was found there.
    pub keypair: Keypair,
    /// The place that it was found in.
    pub place: KeypairPlace,
    /// Others may read its file.
    pub warning: Option<OpenToOthers>,
}

/// Where to look, in order: the command line's file, `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR` (each a file or a keypair's
/// text), standard input unless that is a terminal, the configuration's file, `~/.config/doublezero/id.json`.
///
/// The list ends with the first place that somebody named; only standard input may turn out to hold none.
#[must_use]
pub fn places(sources: &ConfigSources, config: &UserConfig) -> Vec<KeypairPlace> {
    if let Some(path) = &sources.keypair_flag {
        return vec![KeypairPlace::File(path.clone(), NamedBy::Flag)];
    }
    for (name, value) in variables(sources) {
        match value {
            Some(value) if is_text(value) => return vec![KeypairPlace::Variable(name)],
            value => {
                if let Some(path) = non_empty(value) {
                    return vec![KeypairPlace::File(path, NamedBy::Variable(name))];
                }
            }
        }
    }
    let mut places = vec![];
    if sources.stdin_is_piped {
        places.push(KeypairPlace::Stdin);
    }
    let default = || {
        Some((
            sources.home.as_ref()?.join(".config/doublezero/id.json"),
            NamedBy::Default,
        ))
    };
    let file = config
        .keypair_path
        .as_ref()
        .map(|path| (at_home(path, sources), NamedBy::Config))
        .or_else(default);
    places.extend(file.map(|(path, by)| KeypairPlace::File(path, by)));
    places
}

/// A path that begins with `~/`, as shells have it.
fn at_home(path: &Path, sources: &ConfigSources) -> PathBuf {
    let within = path.strip_prefix("~").ok().zip(sources.home.as_ref());
    within.map_or_else(|| path.to_owned(), |(within, home)| home.join(within))
}

/// Finds the keypair. A place that somebody named must hold one: unlike the reference, a file that is wrong or missing never
/// makes another keypair be used instead. Standard input that is empty, or no list of numbers, is passed over, as scripts
/// that are run without a terminal need. It is read to its end where its turn comes: pass an empty reader where that could
/// wait for ever.
///
/// # Errors
/// When the place that counts holds none, or there is no place at all.
pub fn find(
    sources: &ConfigSources,
    config: &UserConfig,
    stdin: &mut dyn Read,
) -> Result<FoundKeypair, KeypairError> {
    for place in places(sources, config) {
        match &place {
            KeypairPlace::File(path, _) => {
                let (keypair, warning) = Keypair::read(path)?;
                return Ok(FoundKeypair {
                    keypair,
                    place,
                    warning,
                });
            }
            KeypairPlace::Variable(name) => {
                let value = variables(sources)
                    .into_iter()
                    .find(|(found, _)| found == name)
                    .and_then(|(_, value)| value);
                let text = value
                    .map(|value| value.to_string_lossy().into_owned())
                    .unwrap_or_default();
                return Ok(FoundKeypair {
                    keypair: Keypair::read_from(text.as_bytes(), name)?,
                    place,
                    warning: None,
                });
            }
            KeypairPlace::Stdin => {
                let mut text = String::new();
                // What cannot be read, or is no text, is no keypair either.
                let read = (&mut *stdin)
                    .take(super::LARGEST_FILE + 1)
                    .read_to_string(&mut text);
                if read.is_ok() && text.trim_start().starts_with('[') {
                    return Ok(FoundKeypair {
                        keypair: Keypair::read_from(text.as_bytes(), "standard input")?,
                        place,
                        warning: None,
                    });
                }
            }
        }
    }
    Err(KeypairError::NoPlace)
}

fn variables(sources: &ConfigSources) -> [(&'static str, Option<&OsString>); 2] {
    [
        ("WARREN_KEYPAIR", sources.warren_keypair.as_ref()),
        ("DOUBLEZERO_KEYPAIR", sources.doublezero_keypair.as_ref()),
    ]
}

fn is_text(value: &OsString) -> bool {
    let text = value.to_string_lossy();
    text.trim().starts_with('[') && text.trim().ends_with(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> (ConfigSources, UserConfig) {
        let sources = ConfigSources {
            keypair_flag: Some("/flag".into()),
            warren_keypair: Some("/warren".into()),
            doublezero_keypair: Some("/doublezero".into()),
            stdin_is_piped: true,
            home: Some("/home/bob".into()),
            ..ConfigSources::default()
        };
        (
            sources,
            UserConfig {
                keypair_path: Some("/config".into()),
                ..UserConfig::default()
            },
        )
    }

    fn text(keypair: &Keypair) -> String {
        format!("{:?}", keypair.0.to_bytes())
    }

    #[test]
    fn the_keypair_is_looked_for_in_the_references_order_with_ours_first() {
        let (mut around, config) = all();
        let file = |path: &str, by| KeypairPlace::File(path.into(), by);
        assert_eq!(places(&around, &config), [file("/flag", NamedBy::Flag)]);
        around.keypair_flag = None;
        assert_eq!(
            places(&around, &config),
            [file("/warren", NamedBy::Variable("WARREN_KEYPAIR"))]
        );
        around.warren_keypair = Some("".into());
        assert_eq!(
            places(&around, &config),
            [file("/doublezero", NamedBy::Variable("DOUBLEZERO_KEYPAIR"))]
        );
        around.doublezero_keypair = None;
        assert_eq!(
            places(&around, &config),
            [KeypairPlace::Stdin, file("/config", NamedBy::Config)]
        );
        around.stdin_is_piped = false;
        assert_eq!(places(&around, &config), [file("/config", NamedBy::Config)]);
        let at_home = UserConfig {
            keypair_path: Some("~/k/id.json".into()),
            ..UserConfig::default()
        };
        assert_eq!(
            places(&around, &at_home),
            [file("/home/bob/k/id.json", NamedBy::Config)]
        );
        let default = file("/home/bob/.config/doublezero/id.json", NamedBy::Default);
        assert_eq!(places(&around, &UserConfig::default()), [default]);
        around.home = None;
        let error = find(&around, &UserConfig::default(), &mut std::io::empty()).unwrap_err();
        assert!(matches!(error, KeypairError::NoPlace), "{error}");
    }

    #[test]
    fn a_keypairs_text_may_stand_in_the_variable_or_come_by_standard_input() {
        let (mut around, config) = all();
        let [first, second] = [Keypair::from_seed([1; 32]), Keypair::from_seed([2; 32])];
        around.keypair_flag = None;
        around.warren_keypair = None;
        around.doublezero_keypair = Some(format!(" {}\n", text(&first)).into());
        let found = find(&around, &config, &mut std::io::empty()).unwrap();
        assert_eq!(
            (found.keypair.pubkey(), found.place),
            (first.pubkey(), KeypairPlace::Variable("DOUBLEZERO_KEYPAIR"))
        );
        around.doublezero_keypair = None;
        let found = find(&around, &config, &mut text(&second).as_bytes()).unwrap();
        assert_eq!(
            (found.keypair.pubkey(), found.place),
            (second.pubkey(), KeypairPlace::Stdin)
        );
    }

    #[test]
    fn a_named_place_without_a_keypair_is_an_error_and_never_another_keypair() {
        let (mut around, config) = all();
        let good = text(&Keypair::from_seed([1; 32]));
        around.keypair_flag = Some("/nonexistent/flag.json".into());
        around.doublezero_keypair = Some(good.clone().into());
        let error = find(&around, &config, &mut good.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/flag.json"), "{error}");
        around.keypair_flag = None;
        around.warren_keypair = Some("[1, 2, 3]".into());
        let error = find(&around, &config, &mut good.as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with("WARREN_KEYPAIR"), "{error}");
    }

    #[test]
    fn standard_input_without_a_keypair_is_passed_over_and_a_broken_one_is_not() {
        let (mut around, mut config) = all();
        (
            around.keypair_flag,
            around.warren_keypair,
            around.doublezero_keypair,
        ) = (None, None, None);
        config.keypair_path = Some("/nonexistent/config.json".into());
        for nothing in ["", " \n", "yes\n", "\u{0}"] {
            let error = find(&around, &config, &mut nothing.as_bytes()).unwrap_err();
            assert!(
                error.to_string().contains("/nonexistent/config.json"),
                "{nothing:?}: {error}"
            );
        }
        let error = find(&around, &config, &mut "[1,2".as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with("standard input"), "{error}");
    }
}

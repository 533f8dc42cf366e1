//! The daemon's configuration, as far as this process may read it.

use std::path::PathBuf;

use warren_config::{self as config, Config, DEFAULT_FILE, Layer, URL_VARIABLE, flags};

use super::{
    process,
    root::{self, Root},
};
use crate::{command::LedgerFlags, operator::which::url_to_keep};

/// Read by the unit, so that the ledger's URL need not stand where everybody may read it.
const UNIT_ENVIRONMENT: &str = "/etc/warren/environment";

/// What the unit gives the daemon on its command line.
const UNIT_FLAGS: &str = "WARREND_FLAGS";

/// A configuration, and where it is from.
#[derive(Debug)]
pub struct Found {
    /// What is in force, or would be.
    pub config: Config,
    /// For people.
    pub source: String,
}

/// The configuration of the running daemon, which is the process of that number here, from its arguments and its environment; without one, what it would start with.
///
/// # Errors
/// When there is no configuration: for people, without secrets.
pub fn find(
    root: &Root,
    pid: Option<u32>,
    overrides: &LedgerFlags,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Found, String> {
    let mut layer = started_with(root, pid)?;
    if let Some(url) = &overrides.url {
        let url = url_to_keep(url, "--url").map_err(|failure| failure.what)?;
        layer.ledger.urls = Some(vec![url.parse().map_err(|error| format!("--url: {error}"))?]);
    }
    if let Some(program) = &overrides.program_id {
        layer.ledger.program_id = Some(
            program
                .parse()
                .map_err(|error| format!("--program-id: {error}"))?,
        );
    }
    layer.ledger.ca_file = overrides.ca_file.clone().or(layer.ledger.ca_file);
    layer.ledger.env = overrides.env.clone().or(layer.ledger.env);
    let environment = |name: &str| match pid {
        Some(pid) => of_environ(&root.text(&format!("/proc/{pid}/environ"))?, name),
        None => None,
    };
    let unit = |name: &str| of_file(&root.text(UNIT_ENVIRONMENT)?, name);
    let config = config::load(layer, |name| {
        let own = variable(name).filter(|value| name == URL_VARIABLE && !value.is_empty());
        environment(name).or_else(|| unit(name)).or(own)
    });
    let source = match pid {
        Some(pid) => format!("the arguments of process {pid}"),
        None => "the configuration file and the environment".to_owned(),
    };
    config
        .map(|config| Found { config, source })
        .map_err(|error| error.to_string())
}

/// The configuration file, which may not be there.
pub fn file(root: &Root, pid: Option<u32>) -> PathBuf {
    started_with(root, pid)
        .ok()
        .and_then(|layer| layer.config)
        .unwrap_or_else(|| root.at(DEFAULT_FILE))
}

/// The file that holds the password of the BGP sessions, where one is named.
pub fn password_file(root: &Root, pid: Option<u32>) -> Option<PathBuf> {
    let flag = started_with(root, pid)
        .ok()
        .and_then(|layer| layer.bgp.password_file);
    flag.or_else(|| {
        let text = root::bytes(&file(root, pid)).ok()?;
        toml::from_str::<Layer>(&String::from_utf8_lossy(&text))
            .ok()?
            .bgp
            .password_file
    })
}

/// What the daemon's own arguments say, and where its file is.
fn started_with(root: &Root, pid: Option<u32>) -> Result<Layer, String> {
    let mut layer = match pid {
        Some(pid) => {
            flags::parse(process::arguments(root, pid))
                .map_err(|error| error.to_string())?
                .layer
        }
        None => {
            let flags = root
                .text(UNIT_ENVIRONMENT)
                .and_then(|text| of_file(&text, UNIT_FLAGS))
                .unwrap_or_default();
            flags::parse(flags.split_whitespace().map(str::to_owned))
                .map_err(|error| error.to_string())?
                .layer
        }
    };
    let file = root.at(DEFAULT_FILE);
    if layer.config.is_none() && file.exists() {
        layer.config = Some(file);
    }
    Ok(layer)
}

fn of_environ(environ: &str, name: &str) -> Option<String> {
    environ
        .split('\0')
        .find_map(|entry| entry.strip_prefix(name)?.strip_prefix('='))
        .map(str::to_owned)
}

/// systemd.exec(5) EnvironmentFile=.
fn of_file(text: &str, name: &str) -> Option<String> {
    let mut values = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
    values
        .next_back()
        .map(|value| value.trim().trim_matches(['"', '\'']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(found: &Result<Found, String>) -> String {
        found.as_ref().unwrap().config.ledger.urls[0].redacted()
    }

    #[test]
    fn the_running_daemons_arguments_and_environment_count_before_files_and_our_own_environment() {
        let files = [
            ("/etc/warren/warren.toml", "[ledger]\nurls = [\"http://file\"]\n"),
            (
                "/proc/7/cmdline",
                "warrend\0-env\0devnet\0-solana-rpc-endpoint\0http://flag\0",
            ),
        ];
        let (_directory, root) = root::with(&files);
        let own = |_: &str| Some("http://own".to_owned());
        let none = LedgerFlags::default();
        let found = find(&root, Some(7), &none, own);
        assert_eq!(
            (url(&found), found.unwrap().config.ledger.env),
            ("http://flag".to_owned(), config::Environment::Devnet)
        );
        assert_eq!(url(&find(&root, None, &none, |_| None)), "http://file");
        assert_eq!(url(&find(&root, None, &none, own)), "http://own");
        let (_directory, with_environ) = root::with(&[
            ("/proc/7/cmdline", "warrend\0"),
            ("/proc/7/environ", "A=b\0DZ_LEDGER_RPC_URL=http://environ\0"),
        ]);
        assert_eq!(url(&find(&with_environ, Some(7), &none, own)), "http://environ");
        let (_directory, with_unit) = root::with(&[(
            "/etc/warren/environment",
            "# x\nDZ_LEDGER_RPC_URL=\"http://unit\"\n",
        )]);
        assert_eq!(url(&find(&with_unit, None, &none, |_| None)), "http://unit");
        let flags = [(
            "/etc/warren/environment",
            "DZ_LEDGER_RPC_URL=http://unit\nWARREND_FLAGS='-env devnet -client-ip 192.0.2.1'\n",
        )];
        let (_directory, with_flags) = root::with(&flags);
        assert_eq!(
            find(&with_flags, None, &none, |_| None)
                .unwrap()
                .config
                .ledger
                .env,
            config::Environment::Devnet
        );
        let given = LedgerFlags {
            url: Some("http://given".into()),
            ..LedgerFlags::default()
        };
        assert_eq!(url(&find(&root, Some(7), &given, own)), "http://given");
    }

    #[test]
    fn without_an_endpoint_the_reason_is_told() {
        let (_directory, root) = root::with(&[]);
        let error = find(&root, None, &LedgerFlags::default(), |_| None).unwrap_err();
        assert!(error.contains("no ledger endpoint for testnet"), "{error}");
    }
}

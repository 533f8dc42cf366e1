//! Which program of which ledger is meant, from flags, variables and the operator's configuration. Each error names the flag,
//! the variable or the file and its key that it comes from.

use warren_config::{self as config, LedgerConfig, values};
use warren_ledger::{Endpoint, Environment, user_config::UserConfig};
use warren_state::Pubkey;

use crate::{USAGE, command::LedgerFlags, failure::Failure};

/// The ledger's websocket endpoint, after the flag.
const WS_VARIABLE: &str = "DZ_LEDGER_WS_RPC_URL";

/// What the operator keeps in a file, and which file that is.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The settings.
    pub config: UserConfig,
    /// The file, for people.
    pub file: String,
}

impl Kept {
    /// A setting's name for errors.
    pub fn key(&self, key: &str) -> String {
        format!("{key} in {}", self.file)
    }

    /// What stands in the file for one network is not for another.
    pub fn of_network(&self, program_id: Pubkey) -> Self {
        let is_of = |program: &str| self::program(program, "").is_ok_and(|program| program == program_id);
        let config = if self.config.program_id.as_deref().is_none_or(is_of) {
            self.config.clone()
        } else {
            UserConfig::default()
        };
        Self {
            config,
            file: self.file.clone(),
        }
    }
}

/// The program that is named: by its flag, the environment's, the configuration, or a ledger's URL that is an environment's name.
///
/// # Errors
/// When what is named is none.
pub fn named_program(flags: &LedgerFlags, kept: &Kept) -> Result<Option<Pubkey>, Failure> {
    if let Some(text) = &flags.program_id {
        return program(text, "--program-id").map(Some);
    }
    if let Some(name) = &flags.env {
        let environment: Environment = name.parse().map_err(|error| Failure {
            code: USAGE,
            what: format!("--env: {error}"),
            advice: None,
        })?;
        return Ok(Some(environment.program_id()));
    }
    if let Some(text) = kept.config.program_id.as_deref() {
        return program(text, &kept.key("program_id")).map(Some);
    }
    Ok(flags
        .url
        .as_deref()
        .and_then(moniker)
        .map(Environment::program_id))
}

fn program(text: &str, origin: &str) -> Result<Pubkey, Failure> {
    if let Some(environment) = moniker(text) {
        return Ok(environment.program_id());
    }
    let advice = "Write it in base58, or as mainnet-beta, testnet, devnet or localnet.";
    text.parse().map_err(|_| {
        Failure::new(
            format!("{origin}: {text:?} is neither an account's address nor a network's name"),
            advice,
        )
    })
}

/// A network by its name, as it may stand for the ledger's URL or for the program.
fn moniker(text: &str) -> Option<Environment> {
    if text == "localhost" {
        Some(Environment::Localnet)
    } else {
        text.parse().ok()
    }
}

/// The ledger's endpoints: the flag's, else the variable's, the configuration's, the daemon's where it runs on the same program,
/// the environment's.
///
/// # Errors
/// When what is named is none, or none is known.
pub fn endpoints(
    flags: &LedgerFlags,
    kept: &Kept,
    program_id: Pubkey,
    daemons: Option<&LedgerConfig>,
) -> Result<Vec<Endpoint>, Failure> {
    let places = [
        (flags.url.clone(), "--url".to_owned()),
        (variable(config::URL_VARIABLE), config::URL_VARIABLE.to_owned()),
        (kept.config.json_rpc_url.clone(), kept.key("json_rpc_url")),
    ];
    let of_program = |program_id| daemons_or_default(program_id, daemons);
    let Some((url, origin)) = first(places) else {
        return of_program(program_id).ok_or_else(no_endpoint);
    };
    match moniker(&url) {
        Some(environment) => {
            of_program(environment.program_id()).ok_or_else(|| without_url(environment, &origin))
        }
        None => Ok(vec![endpoint(&url, &origin)?]),
    }
}

fn daemons_or_default(program_id: Pubkey, daemons: Option<&LedgerConfig>) -> Option<Vec<Endpoint>> {
    let daemons = daemons.filter(|daemons| daemons.program_id == program_id);
    let urls = daemons.map(|daemons| daemons.urls.iter().map(|url| url.endpoint().clone()).collect());
    let default = || Environment::of_program(&program_id)?.default_rpc_url();
    urls.or_else(|| {
        default()
            .and_then(|url| Endpoint::http(url).ok())
            .map(|endpoint| vec![endpoint])
    })
}

/// The ledger's websocket endpoint, where that is named.
///
/// # Errors
/// When what is named is no URL.
pub fn watch_endpoint(flags: &LedgerFlags, kept: &Kept) -> Result<Option<Endpoint>, Failure> {
    let places = [
        (flags.ws.clone(), "--ws".to_owned()),
        (variable(WS_VARIABLE), WS_VARIABLE.to_owned()),
        (kept.config.websocket_url.clone(), kept.key("websocket_url")),
    ];
    first(places)
        .map(|(url, origin)| endpoint(&url, &origin))
        .transpose()
}

fn first(places: [(Option<String>, String); 3]) -> Option<(String, String)> {
    places
        .into_iter()
        .find_map(|(text, origin)| Some((text?, origin)))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn endpoint(url: &str, origin: &str) -> Result<Endpoint, Failure> {
    let parsed: values::SecretUrl = url.parse().map_err(|error| {
        Failure::new(
            format!("{origin}: {error}"),
            "Check it, or name another with --url.",
        )
    })?;
    Ok(parsed.endpoint().clone())
}

/// A URL as it may stand in the configuration: a network's name is written out.
///
/// # Errors
/// When it is none.
pub fn url_to_keep(url: &str, origin: &str) -> Result<String, Failure> {
    match moniker(url) {
        Some(environment) => environment
            .default_rpc_url()
            .map(str::to_owned)
            .ok_or_else(|| without_url(environment, origin)),
        None => endpoint(url, origin).map(|_| url.to_owned()),
    }
}

fn without_url(environment: Environment, origin: &str) -> Failure {
    let what = format!(
        "{origin}: no endpoint of {environment} is known here: those of public networks hold a token"
    );
    Failure::new(what, "Write the whole URL.")
}

fn no_endpoint() -> Failure {
    Failure::new(
        "no endpoint of the ledger is known here",
        "Name it with --url, in DZ_LEDGER_RPC_URL, or once and for all with `warren config set --url URL`.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(edit: impl FnOnce(&mut UserConfig)) -> Kept {
        let mut config = UserConfig::default();
        edit(&mut config);
        Kept {
            config,
            file: "/home/bob/config.yml".to_owned(),
        }
    }

    fn flags(edit: impl FnOnce(&mut LedgerFlags)) -> LedgerFlags {
        let mut flags = LedgerFlags::default();
        edit(&mut flags);
        flags
    }

    fn daemons(environment: Environment) -> LedgerConfig {
        let url = |text: &str| vec![text.parse().unwrap()];
        let mut layer = config::Layer::default();
        layer.ledger.env = Some("localnet".to_owned());
        let config = config::load(layer, |_| None).unwrap().ledger;
        LedgerConfig {
            program_id: environment.program_id(),
            urls: url("http://daemons/t0ken"),
            ..config
        }
    }

    fn shown(endpoints: Result<Vec<Endpoint>, Failure>) -> Result<String, String> {
        endpoints
            .map(|all| all.iter().map(Endpoint::shown).collect())
            .map_err(|failure| failure.what)
    }

    #[test]
    fn a_program_may_be_named_as_a_network_and_what_is_neither_is_told_by_its_place() {
        let named =
            |flags: &LedgerFlags, kept: &Kept| named_program(flags, kept).map_err(|failure| failure.what);
        let testnet = Some(Environment::Testnet.program_id());
        let none = LedgerFlags::default();
        assert_eq!(named(&none, &Kept::default()), Ok(None));
        for name in ["testnet", "t", &Environment::Testnet.program_id().to_string()] {
            assert_eq!(
                named(&none, &kept(|config| config.program_id = Some(name.to_owned()))),
                Ok(testnet),
                "{name}"
            );
            assert_eq!(
                named(
                    &flags(|flags| flags.program_id = Some(name.to_owned())),
                    &Kept::default()
                ),
                Ok(testnet),
                "{name}"
            );
        }
        let moon = kept(|config| config.program_id = Some("moon".to_owned()));
        assert!(
            named(&none, &moon)
                .unwrap_err()
                .starts_with("program_id in /home/bob/config.yml: \"moon\" is neither")
        );
        // A ledger by its network's name says which network, unless somebody else does.
        let by_url = flags(|flags| flags.url = Some("localhost".to_owned()));
        assert_eq!(
            named(&by_url, &Kept::default()),
            Ok(Some(Environment::Localnet.program_id()))
        );
        assert_eq!(
            named(
                &by_url,
                &kept(|config| config.program_id = Some("testnet".to_owned()))
            ),
            Ok(testnet)
        );
    }

    #[test]
    fn an_endpoint_that_nobody_names_is_the_daemons_and_only_then_the_environments() {
        let (local, other) = (Environment::Localnet.program_id(), Pubkey([7; 32]));
        let of = |program, daemons: Option<&LedgerConfig>| {
            shown(endpoints(
                &LedgerFlags::default(),
                &Kept::default(),
                program,
                daemons,
            ))
        };
        let running = daemons(Environment::Localnet);
        assert_eq!(of(local, Some(&running)).as_deref(), Ok("http://daemons/***"));
        assert_eq!(of(local, None).as_deref(), Ok("http://localhost:8899"));
        assert_eq!(
            of(other, Some(&running)).unwrap_err(),
            "no endpoint of the ledger is known here"
        );
    }

    #[test]
    fn a_url_may_be_a_networks_name_where_its_endpoint_is_known() {
        let kept = |url: &str| kept(|config| config.json_rpc_url = Some(url.to_owned()));
        let of = |url, daemons: Option<&LedgerConfig>| {
            shown(endpoints(
                &LedgerFlags::default(),
                &kept(url),
                Pubkey([7; 32]),
                daemons,
            ))
        };
        assert_eq!(of("localhost", None).as_deref(), Ok("http://localhost:8899"));
        assert_eq!(
            of("devnet", Some(&daemons(Environment::Devnet))).as_deref(),
            Ok("http://daemons/***")
        );
        let unknown = of("devnet", Some(&daemons(Environment::Testnet))).unwrap_err();
        assert!(
            unknown.starts_with("json_rpc_url in /home/bob/config.yml: no endpoint of devnet is known here"),
            "{unknown}"
        );
        let bad = of("h/t0ken", None).unwrap_err();
        assert!(
            bad.starts_with("json_rpc_url in /home/bob/config.yml: not a valid URL")
                && !bad.contains("t0ken"),
            "{bad}"
        );
        let by_flag = endpoints(
            &flags(|flags| flags.url = Some("::".to_owned())),
            &kept("localhost"),
            Pubkey([7; 32]),
            None,
        );
        assert!(shown(by_flag).unwrap_err().starts_with("--url: "));
        assert_eq!(
            url_to_keep("localhost", "--url").unwrap(),
            "http://localhost:8899"
        );
        assert!(url_to_keep("mainnet-beta", "--url").is_err());
    }

    #[test]
    fn what_stands_for_one_network_is_not_for_another_however_it_is_written() {
        let kept = kept(|config| {
            (config.program_id, config.json_rpc_url) =
                (Some("testnet".to_owned()), Some("http://t".to_owned()))
        });
        assert_eq!(
            kept.of_network(Environment::Testnet.program_id()).config,
            kept.config
        );
        assert_eq!(
            kept.of_network(Environment::Devnet.program_id()).config,
            UserConfig::default()
        );
        let failure = watch_endpoint(
            &LedgerFlags::default(),
            &Kept {
                config: UserConfig {
                    websocket_url: Some("w".into()),
                    ..kept.config
                },
                ..kept
            },
        );
        assert!(
            failure
                .unwrap_err()
                .what
                .starts_with("websocket_url in /home/bob/config.yml: ")
        );
    }
}

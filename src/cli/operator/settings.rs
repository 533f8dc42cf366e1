//! `warren config`.

use std::path::Path;

use serde_json::json;
use warren_api::{client::Client, v3::SCHEMA};
use warren_config::values::SecretUrl;
use warren_ledger::{
    Endpoint, Environment,
    keypair::{KeypairPlace, places},
    user_config::UserConfig,
};

use super::{
    Operator, read_config, sources,
    which::{Kept, named_program, url_to_keep},
};
use crate::{
    command::{ConfigCommand, LedgerFlags},
    connect::proof,
    failure::Failure,
    name, output,
};

/// The test network's geolocation program, which the reference tells where nothing else is said. Nothing here asks it.
const GEOLOCATION: &str = "3AG2BCA7gAm47Q6xZzPQcUUYvnBjxAvPKnPz919cxHF4";

/// What `set` changes beside the flags for the ledger and the keypair; an empty text takes a setting away.
#[derive(Clone, Debug, Default)]
struct Own {
    tenant: Option<String>,
    ip_verifier_url: Option<String>,
}

/// Runs one of them.
///
/// # Errors
/// When the file cannot be read or written, or a value cannot be used.
pub async fn run(
    flags: &LedgerFlags,
    daemon: &Client,
    command: ConfigCommand,
    as_json: bool,
) -> anyhow::Result<u8> {
    match command {
        ConfigCommand::Get => get(flags, daemon, as_json).await,
        ConfigCommand::Set {
            tenant,
            ip_verifier_url,
        } => set(
            flags,
            Own {
                tenant,
                ip_verifier_url,
            },
            as_json,
        ),
    }
}

async fn get(flags: &LedgerFlags, daemon: &Client, as_json: bool) -> anyhow::Result<u8> {
    let sources = sources(flags);
    let config = read_config(&sources)?.config;
    let operator = Operator::new(flags, daemon).await;
    let file = sources
        .config_path()
        .map_or_else(|| "none".to_owned(), |path| path.display().to_string());
    let keypair = places(&sources, &config)
        .last()
        .map_or_else(|| "none".to_owned(), ToString::to_string);
    let (network, program, url) = match &operator {
        Ok(operator) => (
            operator.network(),
            operator.program_id.to_string(),
            operator.endpoint.clone(),
        ),
        Err(failure) => (
            "not known".to_owned(),
            "not known".to_owned(),
            failure.what.clone(),
        ),
    };
    if name::is_reference() && !as_json {
        let keypair = places(&sources, &config)
            .into_iter()
            .next_back()
            .and_then(KeypairPlace::into_file);
        let url = config.json_rpc_url.clone().unwrap_or(url);
        return output::text(&as_the_reference(
            &file,
            &config,
            &url,
            keypair.as_deref(),
            &program,
        ));
    }
    let websocket = config
        .websocket_url
        .as_deref()
        .map_or_else(|| "follows from the RPC URL".to_owned(), redacted);
    let tenant = config.tenant.clone().unwrap_or_default();
    let verifier = operator
        .as_ref()
        .ok()
        .and_then(|operator| proof::shown(&proof::named(None, operator)));
    if as_json {
        return output::json(&json!({
            "schema": SCHEMA, "config_file": file, "network": network, "rpc_url": url, "websocket_url": websocket,
            "keypair": keypair, "program_id": program, "tenant": tenant, "ip_verifier_url": verifier,
        }));
    }
    let tenant = if tenant.is_empty() {
        "none".to_owned()
    } else {
        tenant
    };
    let verifier = verifier.map_or_else(String::new, |verifier| format!("IP Verifier URL: {verifier}\n"));
    output::text(&format!(
        "Config File: {file}\nNetwork: {network}\nRPC URL: {url}\nWebSocket URL: {websocket}\nKeypair Path: {keypair}\nProgram ID: {program}\nTenant: {tenant}\n{verifier}"
    ))
}

/// As the reference tells it: what the operator's own file says, as it stands there, and what is computed where it says nothing.
fn as_the_reference(
    file: &str,
    config: &UserConfig,
    url: &str,
    keypair: Option<&Path>,
    program: &str,
) -> String {
    let computed = |text: &str| format!("{text} (computed)");
    let derived = || {
        Endpoint::http(url).map_or_else(
            |_| url.to_owned(),
            |endpoint| endpoint.derived_websocket().secret_url().to_string(),
        )
    };
    let websocket = config
        .websocket_url
        .clone()
        .unwrap_or_else(|| computed(derived().trim_end_matches('/')));
    let program = config.program_id.clone().unwrap_or_else(|| computed(program));
    let geolocation = config
        .geo_program_id
        .clone()
        .unwrap_or_else(|| computed(GEOLOCATION));
    let tenant = config.tenant.as_deref().unwrap_or("(not set)");
    let keypair = keypair.map_or_else(String::new, |path| path.display().to_string());
    format!(
        "Config File: {file}\nRPC URL: {url}\nWebSocket URL: {websocket}\nKeypair Path: {keypair}\nProgram ID: {program}\n\
         Geolocation Program ID: {geolocation}\nTenant: {tenant}\n"
    )
}

fn set(flags: &LedgerFlags, own: Own, as_json: bool) -> anyhow::Result<u8> {
    // The keypair that is set is no place to look for the configuration.
    let sources = sources(&LedgerFlags {
        keypair: None,
        ..flags.clone()
    });
    let path = sources.config_path().ok_or_else(|| {
        Failure::new(
            "there is no home directory to keep a configuration in",
            "Name the file in WARREN_CONFIG_FILE.",
        )
    })?;
    let before = read_config(&sources)?.config;
    let after = changed(before.clone(), flags, own)?;
    if before == after && path.exists() {
        return told(&path, false, as_json);
    }
    after.write(&path)?;
    told(&path, true, as_json)
}

fn told(path: &std::path::Path, changed: bool, as_json: bool) -> anyhow::Result<u8> {
    if as_json {
        return output::json(&json!({ "schema": SCHEMA, "config_file": path, "changed": changed }));
    }
    output::text(&format!(
        "{} {}\n",
        if changed { "wrote" } else { "nothing to change in" },
        path.display()
    ))
}

fn changed(mut config: UserConfig, flags: &LedgerFlags, own: Own) -> Result<UserConfig, Failure> {
    if flags.env.is_some() || flags.program_id.is_some() {
        let program = named_program(flags, &Kept::default())?;
        // Another network has other endpoints.
        if flags.url.is_none() && config.program_id != program.map(|program| program.to_string()) {
            config.json_rpc_url = program
                .as_ref()
                .and_then(Environment::of_program)
                .and_then(Environment::default_rpc_url)
                .map(str::to_owned);
            config.websocket_url = None;
        }
        if config.program_id != program.map(|program| program.to_string()) {
            config.ip_verifier_url = None;
        }
        config.program_id = program.map(|program| program.to_string());
    }
    if flags.url.is_some() {
        // It follows from the RPC URL unless it is named too.
        config.websocket_url = None;
    }
    for (url, origin, place) in [
        (&flags.url, "--url", &mut config.json_rpc_url),
        (&flags.ws, "--ws", &mut config.websocket_url),
    ] {
        if let Some(url) = url {
            *place = Some(url_to_keep(url, origin)?);
        }
    }
    if let Some(keypair) = &flags.keypair {
        config.keypair_path = Some(std::path::absolute(keypair).unwrap_or_else(|_| keypair.clone()));
    }
    if let Some(tenant) = own.tenant {
        config.tenant = Some(tenant).filter(|tenant| !tenant.is_empty());
    }
    if let Some(url) = own.ip_verifier_url.as_deref() {
        proof::endpoint(url, "--ip-verifier-url")?;
        config.ip_verifier_url = Some(url.to_owned()).filter(|url| !url.is_empty());
    }
    Ok(config)
}

fn redacted(url: &str) -> String {
    url.parse::<SecretUrl>()
        .map_or_else(|_| "not a URL".to_owned(), |url| url.redacted())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(edit: impl FnOnce(&mut LedgerFlags)) -> LedgerFlags {
        let mut flags = LedgerFlags::default();
        edit(&mut flags);
        flags
    }

    #[test]
    fn what_is_not_named_stays_as_it_is() {
        let before = UserConfig {
            json_rpc_url: Some("http://a/t".into()),
            tenant: Some("acme".into()),
            ip_verifier_url: Some("http://v".into()),
            ..UserConfig::default()
        };
        assert_eq!(
            changed(before.clone(), &LedgerFlags::default(), Own::default()).unwrap(),
            before
        );
        let none = Own {
            tenant: Some(String::new()),
            ip_verifier_url: Some(String::new()),
        };
        let after = changed(before, &LedgerFlags::default(), none).unwrap();
        assert_eq!((after.tenant, after.ip_verifier_url), (None, None));
    }

    #[test]
    fn another_environment_takes_the_url_of_the_old_one_away() {
        let before = UserConfig {
            json_rpc_url: Some("http://old/t".into()),
            websocket_url: Some("ws://old".into()),
            ..UserConfig::default()
        };
        let after = changed(
            before.clone(),
            &flags(|flags| flags.env = Some("testnet".into())),
            Own::default(),
        )
        .unwrap();
        assert_eq!((after.json_rpc_url, after.websocket_url), (None, None));
        assert_eq!(
            after.program_id,
            Some(Environment::Testnet.program_id().to_string())
        );
        let local = changed(
            before.clone(),
            &flags(|flags| flags.env = Some("local".into())),
            Own::default(),
        )
        .unwrap();
        assert_eq!(local.json_rpc_url.as_deref(), Some("http://localhost:8899"));
        let named = flags(|flags| (flags.env, flags.url) = (Some("t".into()), Some("http://new".into())));
        assert_eq!(
            changed(before.clone(), &named, Own::default())
                .unwrap()
                .json_rpc_url
                .as_deref(),
            Some("http://new")
        );
        let url_only = changed(
            before,
            &flags(|flags| flags.url = Some("http://new".into())),
            Own::default(),
        )
        .unwrap();
        assert_eq!(url_only.websocket_url, None, "it belonged to the old URL");
    }

    #[test]
    fn a_service_that_proves_addresses_is_kept_for_its_network_only() {
        let own = |url: &str| Own {
            ip_verifier_url: Some(url.to_owned()),
            ..Own::default()
        };
        let before = changed(
            UserConfig::default(),
            &LedgerFlags::default(),
            own("https://verify.example"),
        )
        .unwrap();
        assert_eq!(before.ip_verifier_url.as_deref(), Some("https://verify.example"));
        let testnet = flags(|flags| flags.env = Some("testnet".into()));
        assert_eq!(
            changed(before.clone(), &testnet, Own::default())
                .unwrap()
                .ip_verifier_url,
            None
        );
        assert_eq!(
            changed(before, &testnet, own("http://other"))
                .unwrap()
                .ip_verifier_url
                .as_deref(),
            Some("http://other")
        );
        for bad in ["verify.example", "ftp://verify.example", "http://"] {
            let error = changed(UserConfig::default(), &LedgerFlags::default(), own(bad)).unwrap_err();
            assert!(error.what.starts_with("--ip-verifier-url: "), "{error}");
        }
    }

    #[test]
    fn values_that_cannot_be_used_change_nothing() {
        for bad in [
            flags(|f| f.env = Some("moon".into())),
            flags(|f| f.program_id = Some("x".into())),
            flags(|f| f.url = Some("h t".into())),
        ] {
            assert!(changed(UserConfig::default(), &bad, Own::default()).is_err());
        }
    }

    #[test]
    fn under_the_references_name_the_file_is_told_in_its_words() {
        let told = |config: &UserConfig, url: &str| {
            as_the_reference(
                "/home/bob/.config/doublezero/cli/config.yml",
                config,
                url,
                Some(Path::new("/home/bob/id.json")),
                "Prog",
            )
        };
        let bare = told(&UserConfig::default(), "http://localhost:8899");
        let expected = concat!(
            "Config File: /home/bob/.config/doublezero/cli/config.yml\nRPC URL: http://localhost:8899\n",
            "WebSocket URL: ws://localhost:8900 (computed)\nKeypair Path: /home/bob/id.json\nProgram ID: Prog (computed)\n",
            "Geolocation Program ID: 3AG2BCA7gAm47Q6xZzPQcUUYvnBjxAvPKnPz919cxHF4 (computed)\nTenant: (not set)\n",
        );
        assert_eq!(bare, expected);
        let kept = UserConfig {
            websocket_url: Some("wss://h/t".into()),
            program_id: Some("Own".into()),
            geo_program_id: Some("Geo".into()),
            tenant: Some("acme".into()),
            ..UserConfig::default()
        };
        let kept = told(&kept, "https://h/t0ken");
        for line in [
            "RPC URL: https://h/t0ken",
            "WebSocket URL: wss://h/t",
            "Program ID: Own",
            "Geolocation Program ID: Geo",
            "Tenant: acme",
        ] {
            assert!(kept.lines().any(|found| found == line), "{line} is not in {kept}");
        }
    }

    #[test]
    fn a_secret_of_a_url_is_not_shown() {
        assert!(!redacted("wss://host.example/0ddba11t0ken").contains("0ddba11"));
        assert_eq!(redacted("::"), "not a URL");
    }
}

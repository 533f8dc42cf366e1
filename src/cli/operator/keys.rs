//! `warren address`, `warren balance` and `warren keygen`.

use std::path::PathBuf;

use serde_json::json;
use warren_ledger::{
    Keypair,
    keypair::{KeypairPlace, places},
};

use super::{Operator, find_keypair, read_config, soon, surroundings};
use crate::{
    cli::{
        client::Client,
        command::LedgerFlags,
        failure::{Failure, cause},
        output,
    },
    http::v3::SCHEMA,
};

/// Prints the address of the keypair. Asks neither the daemon nor the ledger.
///
/// # Errors
/// When there is no keypair.
pub fn address(flags: &LedgerFlags, as_json: bool) -> anyhow::Result<u8> {
    let surroundings = surroundings(flags);
    let found = find_keypair(&surroundings, &read_config(&surroundings)?)?;
    let address = found.keypair.pubkey().to_string();
    if as_json {
        return output::json(&json!({ "schema": SCHEMA, "address": address, "keypair": found.place.to_string() }));
    }
    output::text(&(address + "\n"))
}

/// Prints the balance of the keypair.
///
/// # Errors
/// When there is no keypair, or the ledger does not answer.
pub async fn balance(flags: &LedgerFlags, daemon: &Client, as_json: bool) -> anyhow::Result<u8> {
    let operator = Operator::new(flags, daemon).await?;
    let payer = operator.keypair()?.keypair.pubkey();
    let balance = operator.ledger.balance(&payer, soon()).await.map_err(Failure::from)?;
    if as_json {
        return output::json(&json!({ "schema": SCHEMA, "address": payer.to_string(), "lamports": balance.0 }));
    }
    output::text(&format!("{balance} SOL\n"))
}

/// Makes a keypair and prints its address.
///
/// # Errors
/// When there is one already, or it cannot be written.
pub fn keygen(flags: &LedgerFlags, outfile: Option<PathBuf>, force: bool, as_json: bool) -> anyhow::Result<u8> {
    let path = outfile.map_or_else(|| default_place(flags), Ok)?;
    let keypair = Keypair::generate()?;
    keypair.write(&path, force).map_err(|error| {
        let advice = format!("To replace it, save a copy of {} and use --force; or name another file with --outfile.", path.display());
        let advice = matches!(error, warren_ledger::keypair::KeypairError::Exists(_)).then_some(advice);
        Failure { code: crate::cli::ERROR, what: cause(error), advice }
    })?;
    let address = keypair.pubkey().to_string();
    if as_json {
        return output::json(&json!({ "schema": SCHEMA, "address": address, "keypair": path }));
    }
    output::text(&format!("Pubkey: {address}\nkept in {}: whoever has this file owns what the address owns\n", path.display()))
}

/// Where the keypair would be looked for.
fn default_place(flags: &LedgerFlags) -> Result<PathBuf, Failure> {
    let surroundings = surroundings(flags);
    let config = read_config(&surroundings)?.config;
    let file = places(&surroundings, &config).into_iter().find_map(|place| match place {
        KeypairPlace::File(path, _) => Some(path),
        KeypairPlace::Variable(_) | KeypairPlace::Stdin => None,
    });
    file.ok_or_else(|| Failure::new("there is no place to keep a keypair", "Name a file with --outfile."))
}

//! `warren address`, `warren balance` and `warren keygen`.

use std::path::PathBuf;

use serde_json::json;
use warren_api::{client::Client, v3::SCHEMA};
use warren_ledger::{
    Keypair,
    keypair::{KeypairPlace, places},
    send::Lamports,
};

use super::{Operator, find_keypair, read_config, soon, sources};
use crate::{
    command::LedgerFlags,
    failure::{Failure, cause},
    name, output,
};

/// In one of the ledger's coins.
const LAMPORTS: f64 = 1e9;

/// Prints the address of the keypair. Asks neither the daemon nor the ledger.
///
/// # Errors
/// When there is no keypair.
pub fn address(flags: &LedgerFlags, as_json: bool) -> anyhow::Result<u8> {
    let sources = sources(flags);
    let found = find_keypair(&sources, &read_config(&sources)?)?;
    let address = found.keypair.pubkey().to_string();
    if as_json {
        return output::json(
            &json!({ "schema": SCHEMA, "address": address, "keypair": found.place.to_string() }),
        );
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
    let balance = operator
        .ledger
        .balance(&payer, soon())
        .await
        .map_err(Failure::from)?;
    if as_json {
        return output::json(
            &json!({ "schema": SCHEMA, "address": payer.to_string(), "lamports": balance.0 }),
        );
    }
    output::text(&told(balance, name::is_reference()))
}

fn told(balance: Lamports, as_the_reference: bool) -> String {
    if as_the_reference {
        format!("{} Credits\n", balance.0 as f64 / LAMPORTS)
    } else {
        format!("{balance} SOL\n")
    }
}

/// Makes a keypair and prints its address.
///
/// # Errors
/// When there is one already, or it cannot be written.
pub fn keygen(
    flags: &LedgerFlags,
    outfile: Option<PathBuf>,
    force: bool,
    as_json: bool,
) -> anyhow::Result<u8> {
    let path = outfile.map_or_else(|| default_place(flags), Ok)?;
    let keypair = Keypair::generate()?;
    keypair.write(&path, force).map_err(|error| {
        let advice = format!(
            "To replace it, save a copy of {} and use --force; or name another file with --outfile.",
            path.display()
        );
        let advice = matches!(error, warren_ledger::keypair::KeypairError::Exists(_)).then_some(advice);
        Failure {
            code: crate::ERROR,
            what: cause(error),
            advice,
        }
    })?;
    let address = keypair.pubkey().to_string();
    if as_json {
        return output::json(&json!({ "schema": SCHEMA, "address": address, "keypair": path }));
    }
    let kept = format!(
        "kept in {}: whoever has this file owns what the address owns\n",
        path.display()
    );
    output::text(&format!(
        "Pubkey: {address}\n{}",
        if name::is_reference() { "" } else { &kept }
    ))
}

/// Where the keypair would be looked for.
fn default_place(flags: &LedgerFlags) -> Result<PathBuf, Failure> {
    let sources = sources(flags);
    let config = read_config(&sources)?.config;
    let file = places(&sources, &config)
        .into_iter()
        .find_map(KeypairPlace::into_file);
    file.ok_or_else(|| {
        Failure::new(
            "there is no place to keep a keypair",
            "Name a file with --outfile.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balance_is_in_credits_under_the_references_name() {
        for (lamports, ours, theirs) in [
            (0, "0.000000000 SOL\n", "0 Credits\n"),
            (10_000_000_000, "10.000000000 SOL\n", "10 Credits\n"),
            (9_998_500_000, "9.998500000 SOL\n", "9.9985 Credits\n"),
        ] {
            assert_eq!(told(Lamports(lamports), true), theirs);
            assert_eq!(told(Lamports(lamports), false), ours);
        }
    }
}

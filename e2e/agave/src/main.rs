//! The real validator as a devnet ledger: one node, one process, in a workspace of its own so that nothing else compiles it.
use std::{path::PathBuf, time::Instant};

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use solana_pubkey::Pubkey;
use solana_sdk::{
    account::AccountSharedData,
    signature::{Keypair, Signer, read_keypair_file, write_keypair_file},
};
use solana_test_validator::{TestValidatorGenesis, UpgradeableProgramInfo};

/// Runs a single-node Agave ledger. Its RPC server listens on every address: run it in a network namespace of its own.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Port of the JSON-RPC server; the websocket server takes the next one.
    #[arg(long, default_value_t = 8899)]
    rpc_port: u16,
    /// The ledger's directory; it is made anew unless `--keep` is given.
    #[arg(long)]
    dir: PathBuf,
    /// Go on with the ledger that is in the directory, if there is one.
    #[arg(long)]
    keep: bool,
    /// Where the faucet's keypair is kept.
    #[arg(long)]
    faucet_keypair: PathBuf,
    /// A program to deploy at genesis.
    #[arg(long = "program", value_name = "ID=FILE.so")]
    programs: Vec<String>,
    /// An account to create at genesis, with the owner and the bytes that the JSON file gives:
    /// `[{"pubkey": …, "owner": …, "data": HEX}, …]`.
    #[arg(long)]
    accounts: Option<PathBuf>,
}

fn main() -> Result<()> {
    let begun = Instant::now();
    let arguments = Arguments::parse();
    let resume = arguments.keep && TestValidatorGenesis::ledger_exists(&arguments.dir);
    let faucet = faucet(&arguments, resume)?;
    if !resume && arguments.dir.exists() {
        std::fs::remove_dir_all(&arguments.dir).with_context(|| format!("cannot clear {}", arguments.dir.display()))?;
    }
    let mut genesis = TestValidatorGenesis::default();
    genesis.ledger_path(&arguments.dir).rpc_port(arguments.rpc_port);
    genesis.add_upgradeable_programs_with_path(&programs(&arguments.programs)?);
    if let Some(path) = &arguments.accounts {
        genesis.add_accounts(accounts(path)?);
    }
    let validator = genesis
        .start_with_mint_address(faucet.pubkey(), solana_net_utils::SocketAddrSpace::new(true))
        .map_err(|error| anyhow!("the validator did not start: {error}"))?;
    let ready = serde_json::json!({
        "rpc": validator.rpc_url(),
        "ws": validator.rpc_pubsub_url(),
        "faucet": faucet.pubkey().to_string(),
        "seconds": begun.elapsed().as_secs_f64(),
    });
    println!("{ready}");
    validator.join();
    Ok(())
}

fn faucet(arguments: &Arguments, resume: bool) -> Result<Keypair> {
    if resume {
        return read_keypair_file(&arguments.faucet_keypair).map_err(|error| anyhow!("cannot read the faucet's keypair: {error}"));
    }
    let keypair = Keypair::new();
    write_keypair_file(&keypair, &arguments.faucet_keypair).map_err(|error| anyhow!("cannot write the faucet's keypair: {error}"))?;
    Ok(keypair)
}

fn programs(arguments: &[String]) -> Result<Vec<UpgradeableProgramInfo>> {
    let one = |argument: &String| {
        let (id, path) = argument.split_once('=').with_context(|| format!("--program {argument}: expected ID=FILE.so"))?;
        Ok(UpgradeableProgramInfo {
            program_id: id.parse().with_context(|| format!("--program {argument}: not a program id"))?,
            loader: solana_sdk_ids::bpf_loader_upgradeable::id(),
            upgrade_authority: Pubkey::default(),
            program_path: path.into(),
        })
    };
    arguments.iter().map(one).collect()
}

fn accounts(path: &PathBuf) -> Result<Vec<(Pubkey, AccountSharedData)>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let entries: Vec<serde_json::Value> = serde_json::from_str(&text).with_context(|| format!("{} is not a JSON array", path.display()))?;
    let field = |entry: &serde_json::Value, name: &str| {
        entry.get(name).and_then(|value| value.as_str()).map(str::to_owned).with_context(|| format!("an account without {name:?}"))
    };
    let one = |entry: &serde_json::Value| {
        let data = field(entry, "data")?;
        let bytes = (0..data.len() / 2)
            .map(|at| u8::from_str_radix(&data[2 * at..2 * at + 2], 16).context("data is not hex"))
            .collect::<Result<Vec<_>>>()?;
        let lamports = 10_000_000_000;
        let account = solana_sdk::account::Account { lamports, data: bytes, owner: field(entry, "owner")?.parse()?, executable: false, rent_epoch: u64::MAX };
        Ok((field(entry, "pubkey")?.parse()?, account.into()))
    };
    entries.iter().map(one).collect()
}

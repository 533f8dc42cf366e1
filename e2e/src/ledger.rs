//! The ledger of the devnet.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use surfpool_core::{
    runloops::start_local_surfnet_runloop,
    surfnet::{
        locker::SurfnetSvmLocker,
        svm::{SurfnetSvm, SurfnetSvmConfig},
    },
};
use surfpool_types::{
    BlockProductionMode, RpcConfig, SimnetConfig, SimnetEvent, SurfpoolConfig, SvmFeatureConfig,
};

use serde_json::json;

use warren_state::Pubkey;

use crate::{
    program::write_file,
    rpc::{RawAccount, Rpc},
    sys::Placement as _,
    wait::{Ask, scaled, until},
};

/// How long the real validator may take, on a machine that is busy with other things.
const START: Duration = Duration::from_secs(120);

/// The usual port of JSON-RPC; the websocket is on the next one.
pub const RPC_PORT: u16 = 8899;

/// The epoch that surfpool starts in. The validator starts in epoch 0.
pub const FIRST_EPOCH: u64 = 1;

/// Starts surfpool in this process, bound to an address of the process's network. It lives as long as the process.
///
/// # Errors
/// When it does not start within half a minute.
pub fn start_surfpool(bind: Ipv4Addr, rpc: Rpc, slot_time: Duration) -> Result<()> {
    let config = config(bind, rpc.server.port(), slot_time)?;
    let simnet = config.simnets.first().context("no simnet configured")?;
    let svm_config = SurfnetSvmConfig {
        surfnet_id: simnet.surfnet_id.clone(),
        slot_time: simnet.slot_time,
        instruction_profiling_enabled: false,
        max_profiles: simnet.max_profiles,
        log_bytes_limit: simnet.log_bytes_limit,
        feature_config: SvmFeatureConfig::default(),
        skip_blockhash_check: false,
    };
    let (svm, events, geyser) = SurfnetSvm::new_with_db(None, svm_config)
        .map_err(|error| anyhow!("the ledger cannot start: {error}"))?;
    let (commands, command_queue) = crossbeam_channel::unbounded();
    let (failed, failure) = crossbeam_channel::bounded(1);
    thread::Builder::new().name("ledger".into()).spawn(move || {
        let run = start_local_surfnet_runloop(
            SurfnetSvmLocker::new(svm),
            config,
            commands,
            command_queue,
            geyser,
        );
        let ended = hiro_system_kit::nestable_block_on(run);
        let _ = failed.send(
            ended
                .err()
                .map_or_else(|| "it ended".to_owned(), |error| error.to_string()),
        );
    })?;
    let deadline = Instant::now() + scaled(Duration::from_secs(30));
    loop {
        if let Ok(reason) = failure.try_recv() {
            bail!("the ledger did not start: {reason}");
        }
        match events.recv_deadline(deadline.min(Instant::now() + Duration::from_millis(50))) {
            Ok(SimnetEvent::CoreStarted(_)) => break,
            Ok(SimnetEvent::Aborted(reason)) => bail!("the ledger did not start: {reason}"),
            Ok(_) | Err(_) if Instant::now() < deadline => {}
            Ok(_) | Err(_) => bail!("the ledger did not start in time"),
        }
    }
    thread::Builder::new()
        .name("ledger-events".into())
        .spawn(move || events.iter().for_each(drop))?;
    until("the ledger answers", Duration::from_secs(10), || {
        Ok(match rpc.slot() {
            Ok(_) => Ask::Yes(()),
            Err(error) => Ask::NotYet(format!("{error:#}")),
        })
    })?;
    // A pass can have run out only where an epoch is over.
    rpc.call("surfnet_timeTravel", json!([{"absoluteEpoch": FIRST_EPOCH}]))
        .context("the ledger does not leave its first epoch")?;
    Ok(())
}

fn config(bind: Ipv4Addr, port: u16, slot_time: Duration) -> Result<SurfpoolConfig> {
    let simnet = SimnetConfig {
        offline_mode: true,
        remote_rpc_url: None,
        slot_time: u64::try_from(slot_time.as_millis())?,
        block_production_mode: BlockProductionMode::Clock,
        instruction_profiling_enabled: false,
        ..SimnetConfig::default()
    };
    let rpc = RpcConfig {
        bind_host: bind.to_string(),
        bind_port: port,
        ws_port: port + 1,
        ..RpcConfig::default()
    };
    Ok(SurfpoolConfig {
        simnets: vec![simnet],
        rpc,
        ..SurfpoolConfig::default()
    })
}

/// The real validator, as a process. It takes accounts at its start only.
#[derive(Debug)]
pub struct AgaveLedger {
    child: Child,
}

impl AgaveLedger {
    /// Starts the program, tries once more when the first start fails, and waits until it answers. The users' program is there
    /// under each of these ids.
    ///
    /// # Errors
    /// When it is not built or does not come up.
    pub fn start(
        program: &Path,
        rpc: Rpc,
        accounts: &[RawAccount],
        ids: &[Pubkey],
        directory: &Path,
    ) -> Result<Self> {
        let attempt = || Self::attempt(program, rpc, accounts, ids, directory);
        attempt().or_else(|_| attempt())
    }

    fn attempt(
        program: &Path,
        rpc: Rpc,
        accounts: &[RawAccount],
        ids: &[Pubkey],
        directory: &Path,
    ) -> Result<Self> {
        let program = program
            .canonicalize()
            .with_context(|| format!("{} is not built (make test-agave builds it)", program.display()))?;
        let file = directory.join("accounts.json");
        fs::write(&file, genesis(accounts).to_string()).context("cannot write the accounts")?;
        let users_program = write_file(directory)?;
        let log = fs::File::create(directory.join("agave.log")).context("cannot write the ledger's log")?;
        // The validator keeps more than a core busy, so the rest of the devnet goes first.
        let mut child = Command::new("nice")
            .args(["-n", "19"])
            .arg(&program)
            .args(["--rpc-port", &rpc.server.port().to_string()])
            .arg("--dir")
            .arg(directory.join("ledger"))
            .arg("--faucet-keypair")
            .arg(faucet(directory))
            .arg("--accounts")
            .arg(&file)
            .args(
                ids.iter()
                    .map(|id| format!("--program={id}={}", users_program.display())),
            )
            .dies_with_us()
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let output = child.stdout.take().context("no pipe from the validator")?;
        let ledger = Self { child };
        let (said, line) = crossbeam_channel::bounded(1);
        thread::spawn(move || {
            // The validator's library prints lines of its own before ours, which is JSON.
            let mut lines = BufReader::new(output).lines().map_while(Result::ok);
            let _ = said.send(lines.find(|line| line.starts_with('{')).unwrap_or_default());
            lines.for_each(drop);
        });
        let ready = line
            .recv_timeout(scaled(START))
            .context("the validator did not start in time")?;
        if ready.is_empty() {
            bail!(
                "the validator ended: {}",
                fs::read_to_string(directory.join("agave.log")).unwrap_or_default()
            );
        }
        until("the validator answers", Duration::from_secs(30), || {
            Ok(match rpc.slot() {
                Ok(slot) if slot > 0 => Ask::Yes(()),
                Ok(slot) => Ask::NotYet(format!("slot {slot}")),
                Err(error) => Ask::NotYet(format!("{error:#}")),
            })
        })?;
        Ok(ledger)
    }
}

/// The keypair that has all money, of a validator with its files in this directory.
#[must_use]
pub fn faucet(directory: &Path) -> PathBuf {
    directory.join("faucet.json")
}

impl Drop for AgaveLedger {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn genesis(accounts: &[RawAccount]) -> serde_json::Value {
    let hex = |data: &[u8]| data.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    accounts
        .iter()
        .map(|account| json!({"pubkey": account.pubkey, "owner": account.owner, "data": hex(&account.data)}))
        .collect()
}

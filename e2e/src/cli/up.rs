//! `warren-devnet up`: starts everything, says so, and takes everything down again.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use warren_ledger::accounts::UserType;
use warren_state::Pubkey;

use super::{LedgerKind, edit::parse_kind, note, print};
use crate::{
    bgp::Flavour,
    controller,
    daemon::sibling,
    device::{Device, DeviceConfig},
    devnets,
    isolate::{Registry, isolate},
    ledger::{AgaveLedger, RPC_PORT, faucet, start_surfpool},
    netns::sweep,
    network::{DEVICE_ASN, Network, USER_ASN},
    program::funded,
    rpc::{RawAccount, Rpc},
    site::{TEST_ADDRESSES, allocated},
    underlay::{Host, Internet, LEDGER_ADDRESS},
    verifier::Verifier,
};

/// How often the device's tunnels are compared with the ledger.
const CONTROL_PERIOD: Duration = Duration::from_millis(100);

/// Start a devnet.
#[derive(Args, Debug)]
pub struct Up {
    /// Where the ledger is and how it is read.
    #[arg(long, value_enum, default_value = "surfpool")]
    ledger: LedgerKind,
    /// Also make an internet with a device host and client hosts, as network namespaces.
    #[arg(long)]
    topology: bool,
    /// How many client hosts.
    #[arg(long, default_value_t = 1, requires = "topology")]
    clients: u8,
    /// The device's BGP daemon.
    #[arg(long, value_enum, default_value = "bird")]
    bgp: Flavour,
    /// The device's dataplane: `auto`, `netlink` or `userspace`.
    #[arg(long, default_value = "auto")]
    dataplane: String,
    /// The program that owns the network's accounts.
    #[arg(long, default_value = "7CTniUa88iJKUHTrCkB4TjAoG6TD7AMivhQeuqN2LPtX")]
    program_id: Pubkey,
    /// The ledger's JSON-RPC port; its websocket is on the next one.
    #[arg(long, default_value_t = RPC_PORT)]
    port: u16,
    /// Time between slots.
    #[arg(long, default_value = "50ms", value_parser = crate::wait::parse_duration)]
    slot_time: Duration,
    /// Put an activated user for the first client host on the ledger from the start: ibrl, ibrl-with-allocated-ip, edge-filtering, multicast.
    /// The real validator takes accounts only at its start.
    #[arg(long, value_parser = parse_kind, requires = "topology")]
    user: Option<UserType>,
    /// Give this key a balance and a pass for any address from the start, as the real validator takes neither later. May be given
    /// several times.
    #[arg(long = "payer", value_name = "KEY")]
    payers: Vec<Pubkey>,
    /// Also run a verification service on this port, whose signature the network's program takes for a proof of address. It signs
    /// only public addresses, so without --topology it refuses everybody.
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "8080")]
    verifier: Option<u16>,
    /// The program asks for such a proof.
    #[arg(long, requires = "verifier")]
    require_proof: bool,
    /// The program of the real validator.
    #[arg(long, default_value = "e2e/agave/target/debug/warren-agave")]
    agave: PathBuf,
}

struct Devnet {
    state: devnets::StateFile,
    network: Option<Network>,
    device: Option<(Pubkey, Device)>,
    _clients: Vec<Host>,
    _verifier: Option<Verifier>,
    _agave: Option<AgaveLedger>,
    _directory: tempfile::TempDir,
    _internet: Option<Internet>,
}

impl Up {
    /// Runs until a signal.
    pub fn run(self) -> Result<()> {
        let begun = Instant::now();
        let internet = if self.topology {
            isolate(Registry::Shared)?;
            for name in sweep()? {
                note(&format!("removed the leftover namespace {name}"));
            }
            Some(Internet::start()?)
        } else {
            None
        };
        // Signals are kept from now on, so that one that comes early does not leave half a devnet.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("no runtime")?;
        runtime.block_on(async {
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut terminate = signal(SignalKind::terminate())?;
            let mut devnet = self.assemble(internet)?;
            let mut ready = devnet.state.value().clone();
            ready["seconds"] = json!(begun.elapsed().as_secs_f64());
            print(&ready.to_string());
            let mut control = tokio::time::interval(CONTROL_PERIOD);
            loop {
                tokio::select! {
                    _ = interrupt.recv() => return Ok(()),
                    _ = terminate.recv() => return Ok(()),
                    _ = control.tick() => devnet.control(),
                }
            }
        })
    }

    fn assemble(&self, internet: Option<Internet>) -> Result<Devnet> {
        let directory = tempfile::Builder::new()
            .prefix("warren-devnet-")
            .tempdir()
            .context("no temporary folder")?;
        let address = if internet.is_some() {
            LEDGER_ADDRESS
        } else {
            Ipv4Addr::LOCALHOST
        };
        let rpc = Rpc::at(address, self.port);
        let network = Network {
            rpc,
            program_id: self.program_id,
        };
        let clients: Vec<Host> = internet
            .iter()
            .flat_map(|net| (1..=self.clients).map(|n| net.host(&format!("c{n}"))))
            .collect::<Result<_>>()?;
        let device = internet
            .as_ref()
            .map(|net| self.device(net, &network, directory.path()))
            .transpose()?;
        let verifier = self
            .verifier
            .map(|port| Verifier::start(rpc, address, port))
            .transpose()?;
        let accounts = self.accounts(&network, device.as_ref(), &clients, verifier.as_ref());
        let agave = self.ledger(rpc, &accounts, internet.is_some(), directory.path())?;
        let ledger = (self.ledger != LedgerKind::None).then_some(network);
        let mut description = describe(
            ledger.as_ref(),
            self.program_id,
            internet.as_ref(),
            device.as_ref(),
            &clients,
        );
        if agave.is_some() {
            description["faucet"] = json!(faucet(directory.path()));
        }
        description["verifier"] = json!(
            verifier
                .as_ref()
                .map(|verifier| json!({ "url": verifier.url, "key": verifier.key }))
        );
        let state = devnets::StateFile::write(description)?;
        Ok(Devnet {
            state,
            network: ledger,
            device,
            _clients: clients,
            _verifier: verifier,
            _agave: agave,
            _directory: directory,
            _internet: internet,
        })
    }

    fn ledger(
        &self,
        rpc: Rpc,
        accounts: &[RawAccount],
        isolated: bool,
        directory: &Path,
    ) -> Result<Option<AgaveLedger>> {
        match self.ledger {
            LedgerKind::Surfpool => {
                let bind = if isolated {
                    Ipv4Addr::UNSPECIFIED
                } else {
                    Ipv4Addr::LOCALHOST
                };
                start_surfpool(bind, rpc, self.slot_time)?;
                rpc.write_program(self.program_id)?;
                accounts.iter().try_for_each(|account| rpc.set_account(account))?;
                Ok(None)
            }
            LedgerKind::Agave if !isolated => {
                bail!("the real validator listens on every address: --ledger agave needs --topology")
            }
            LedgerKind::Agave => {
                AgaveLedger::start(&self.agave, rpc, accounts, &[self.program_id], directory).map(Some)
            }
            LedgerKind::None => Ok(None),
        }
    }

    fn accounts(
        &self,
        network: &Network,
        device: Option<&(Pubkey, Device)>,
        clients: &[Host],
        verifier: Option<&Verifier>,
    ) -> Vec<RawAccount> {
        let mut accounts = network.foundation();
        if let Some(verifier) = verifier {
            let state = network.state_with_verifier(verifier.key, self.require_proof);
            accounts.retain(|account| account.pubkey != state.pubkey);
            accounts.push(state);
        }
        for payer in &self.payers {
            let (pubkey, pass) = network.new_pass(Ipv4Addr::UNSPECIFIED, *payer);
            accounts.extend([funded(*payer), network.raw(pubkey, pass.into())]);
        }
        if let Some((pubkey, device)) = device {
            let (_, account) = network.new_device(1, "ams-dz01", device.address);
            accounts.extend(network.device_resources(*pubkey, &account));
            accounts.push(network.raw(*pubkey, account.into()));
            if let (Some(kind), Some(client)) = (self.user, clients.first()) {
                let (user_key, user) = network.new_user(
                    0,
                    kind,
                    *pubkey,
                    client.address,
                    allocated(kind, 0, client.address),
                );
                accounts.push(network.raw(user_key, user.into()));
            }
        }
        accounts
    }

    fn device(&self, internet: &Internet, network: &Network, directory: &Path) -> Result<(Pubkey, Device)> {
        let config = DeviceConfig {
            role: "dev".into(),
            flavour: self.bgp,
            backend: self.dataplane.clone(),
            local_asn: DEVICE_ASN,
            user_asn: USER_ASN,
            test_addresses: TEST_ADDRESSES.to_vec(),
            is_graceful: true,
        };
        let device = Device::start(internet, &sibling("warren-devnet")?, directory, &config)?;
        Ok((network.new_device(1, "ams-dz01", device.address).0, device))
    }
}

impl Devnet {
    /// One pass of the controller; a failure is told once per kind and tried again.
    fn control(&mut self) {
        let (Some(network), Some((pubkey, device))) = (&self.network, &mut self.device) else {
            return;
        };
        match controller::follow(network, *pubkey, device) {
            Ok(changes) => {
                for (verb, names) in [("made", changes.added), ("removed", changes.removed)] {
                    names
                        .iter()
                        .for_each(|name| note(&format!("{verb} the device's end of {name}")));
                }
            }
            Err(error) => {
                note(&format!("{error:#}"));
                thread::sleep(Duration::from_secs(1));
            }
        }
    }
}

fn describe(
    network: Option<&Network>,
    program_id: Pubkey,
    internet: Option<&Internet>,
    device: Option<&(Pubkey, Device)>,
    clients: &[Host],
) -> Value {
    let client = |host: &Host| json!({"ns": host.namespace.name(), "ip": host.address});
    let namespaces: Vec<&str> = internet
        .map(Internet::namespace)
        .into_iter()
        .chain(device.map(|(_, device)| &*device.namespace))
        .chain(clients.iter().map(|host| &host.namespace))
        .map(crate::netns::Namespace::name)
        .collect();
    json!({
        "pid": std::process::id(),
        "rpc": network.map(|network| network.rpc.url()),
        "ws": network.map(|network| network.rpc.websocket_url()),
        "program_id": program_id,
        "namespaces": namespaces,
        "clients": clients.iter().map(client).collect::<Vec<_>>(),
        "device": device.map(|(pubkey, device)| json!({
            "pubkey": pubkey,
            "code": "ams-dz01",
            "ns": device.namespace.name(),
            "ip": device.address,
            "test_addresses": device.test_addresses,
        })),
    })
}

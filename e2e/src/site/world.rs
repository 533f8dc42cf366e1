//! One internet with one ledger.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering},
    },
};

use anyhow::{Context, Result};
use tempfile::TempDir;
use warren_state::Pubkey;

use super::{SLOT_TIME, Site, lock, program_id};
use crate::{
    authority::Authority,
    bgp::Flavour,
    daemon::sibling,
    isolate::{Registry, isolate},
    ledger::{AgaveLedger, RPC_PORT, start_surfpool},
    network::Network,
    proxy::Proxy,
    rpc::{RawAccount, Rpc},
    underlay::{Internet, LEDGER_ADDRESS},
    verifier::Verifier,
    wait::scaled,
};

/// How a world is set up.
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// The dataplane of client hosts and devices.
    pub dataplane: String,
    /// The BGP daemon of devices.
    pub flavour: Flavour,
    /// Who sees the namespaces.
    pub registry: Registry,
}

impl Default for WorldConfig {
    fn default() -> Self {
        Self {
            dataplane: "auto".into(),
            flavour: Flavour::Bird,
            registry: Registry::Private,
        }
    }
}

/// One internet with one ledger.
#[derive(Debug)]
pub struct World {
    /// The internet.
    pub internet: Internet,
    /// The ledger, as hosts reach it.
    pub ledger: Rpc,
    pub(super) config: WorldConfig,
    directory: TempDir,
    pub(super) devnet: PathBuf,
    pub(super) warrend: PathBuf,
    sites: AtomicU32,
    ports: AtomicU16,
    runs_ledger: AtomicBool,
    genesis: Mutex<Vec<RawAccount>>,
    programs: Mutex<Vec<Pubkey>>,
    agave: Mutex<Option<AgaveLedger>>,
}

impl World {
    /// Takes this process off the machine's network and starts internet and ledger. The process must have one thread.
    ///
    /// # Errors
    /// When the system does not allow it, or programs are missing.
    pub fn start(config: WorldConfig) -> Result<Self> {
        let world = Self::without_ledger(config)?;
        start_surfpool(Ipv4Addr::UNSPECIFIED, world.ledger, scaled(SLOT_TIME))?;
        world.runs_ledger.store(true, Ordering::Relaxed);
        Ok(world)
    }

    /// The same without ledger: what sites put on it is kept for [`World::start_agave`].
    ///
    /// # Errors
    /// As for [`World::start`].
    pub fn without_ledger(config: WorldConfig) -> Result<Self> {
        let (devnet, warrend) = (sibling("warren-devnet")?, sibling("warrend")?);
        isolate(config.registry)?;
        let internet = Internet::start()?;
        let ledger = Rpc::at(LEDGER_ADDRESS, RPC_PORT);
        let mut folder = tempfile::Builder::new();
        // The sockets of daemons are for everybody, as where they are installed.
        folder
            .prefix("warren-devnet-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755));
        let directory = folder.tempdir().context("no temporary folder")?;
        let (sites, ports) = (AtomicU32::new(0), AtomicU16::new(20_000));
        let (genesis, programs, agave) = (Mutex::default(), Mutex::default(), Mutex::default());
        let runs_ledger = AtomicBool::new(false);
        Ok(Self {
            internet,
            ledger,
            config,
            directory,
            devnet,
            warrend,
            sites,
            ports,
            runs_ledger,
            genesis,
            programs,
            agave,
        })
    }

    /// Starts the real validator, with everything that sites have put on the ledger so far. It takes no more later.
    ///
    /// # Errors
    /// When it is not built or does not start.
    pub fn start_agave(&self, program: &Path) -> Result<()> {
        let accounts = lock(&self.genesis).clone();
        let directory = self.directory.path().join("agave");
        fs::create_dir_all(&directory)?;
        let agave = AgaveLedger::start(program, self.ledger, &accounts, &lock(&self.programs), &directory)?;
        *lock(&self.agave) = Some(agave);
        self.runs_ledger.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Puts an account on the ledger, or keeps it for the ledger's start.
    pub(super) fn put(&self, account: RawAccount) -> Result<()> {
        if self.runs_ledger.load(Ordering::Relaxed) {
            return self.ledger.set_account(&account);
        }
        lock(&self.genesis).push(account);
        Ok(())
    }

    /// Puts the users' program on the ledger under this id, or keeps that for the ledger's start.
    fn put_program(&self, id: Pubkey) -> Result<()> {
        if self.runs_ledger.load(Ordering::Relaxed) {
            return self.ledger.write_program(id);
        }
        lock(&self.programs).push(id);
        Ok(())
    }

    /// Makes a site: a network of its own, with one device and one client host.
    ///
    /// # Errors
    /// When something of it does not start.
    pub fn site(&self) -> Result<Site<'_>> {
        self.site_with(self.config.flavour, true)
    }

    /// The same with a BGP daemon of this kind on its devices, which keeps routes of users that restart gracefully or not.
    ///
    /// # Errors
    /// When something of it does not start.
    pub fn site_with(&self, flavour: Flavour, is_graceful: bool) -> Result<Site<'_>> {
        let number = self.sites.fetch_add(1, Ordering::Relaxed);
        let network = Network {
            rpc: self.ledger,
            program_id: program_id(number),
        };
        let directory = self.directory.path().join(format!("site{number}"));
        fs::create_dir_all(&directory)?;
        self.put_program(network.program_id)?;
        network
            .foundation()
            .into_iter()
            .try_for_each(|account| self.put(account))?;
        let (devices, clients, daemon_arguments) = (Vec::new(), Vec::new(), Vec::new());
        let mut site = Site {
            network,
            devices,
            clients,
            daemon_arguments,
            world: self,
            number,
            directory,
            flavour,
            is_graceful,
        };
        site.add_device()?;
        site.add_client()?;
        Ok(site)
    }

    /// A proxy before the ledger, on ports of its own.
    ///
    /// # Errors
    /// When no port is to be had.
    pub fn proxy(&self) -> Result<Proxy> {
        Proxy::start(
            self.ledger,
            LEDGER_ADDRESS,
            self.ports.fetch_add(2, Ordering::Relaxed),
        )
    }

    /// A verification service beside the ledger, on a port of its own. A network names it with [`Network::set_verifier`].
    ///
    /// # Errors
    /// When no port is to be had.
    pub fn verifier(&self) -> Result<Verifier> {
        let port = self.ports.fetch_add(1, Ordering::Relaxed);
        let mut verifier = Verifier::start(self.ledger, Ipv4Addr::UNSPECIFIED, port)?;
        verifier.url = format!("http://{LEDGER_ADDRESS}:{port}");
        Ok(verifier)
    }

    /// An authority over caps beside the ledger, on a port and in a folder of its own; see [`Authority::start`].
    ///
    /// # Errors
    /// When it does not start.
    pub fn authority(&self, faults: &str) -> Result<Authority> {
        let port = self.ports.fetch_add(1, Ordering::Relaxed);
        Authority::start(self.directory().join(format!("capd{port}")), port, faults)
    }

    /// Where the files of everything are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Leaves the files in place, and says where they are.
    pub fn keep_files(&mut self) -> PathBuf {
        self.directory.disable_cleanup(true);
        self.directory.path().to_owned()
    }
}

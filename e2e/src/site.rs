//! A world to try things in: one ledger and one internet, and on them sites, each a network of its own with a device
//! and client hosts.

mod world;

use std::{
    net::Ipv4Addr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Result;
use warren_ledger::{
    Keypair,
    accounts::{AccessPass, Account, User, UserStatus, UserType},
};
use warren_state::{Pubkey, ServiceKind};

use crate::{
    bgp::Flavour,
    controller,
    daemon::{Daemon, DaemonConfig},
    device::{Device, DeviceConfig, Multicast, TunnelEnd},
    netns::Namespace,
    network::{DEVICE_ASN, Network, USER_ASN},
    program::funded,
    underlay::Host,
    wait::is_emulated,
};
pub use world::{World, WorldConfig};

/// Addresses on the loopback of every site's device.
pub const TEST_ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(8, 8, 8, 8), Ipv4Addr::new(45, 33, 200, 1)];
/// The link that unicast users get.
pub const LINK: &str = "doublezero0";
/// The link that multicast users get.
pub const MULTICAST_LINK: &str = "doublezero1";
/// The time between slots of the ledger. Each costs a millisecond of a processor.
pub const SLOT_TIME: Duration = Duration::from_millis(50);

/// What the devnet allocates to the first user with an address of its own, and to the first publisher.
const FIRST_ALLOCATED: Ipv4Addr = Ipv4Addr::new(45, 33, 100, 10);
const FIRST_PUBLISHER: Ipv4Addr = Ipv4Addr::new(148, 51, 120, 1);

/// A network of its own on the shared ledger, with hosts.
#[derive(Debug)]
pub struct Site<'w> {
    /// The network's accounts.
    pub network: Network,
    /// The devices, with the addresses of their accounts.
    pub devices: Vec<(Pubkey, Device)>,
    /// The client hosts.
    pub clients: Vec<Client>,
    /// More arguments for `warrend`.
    pub daemon_arguments: Vec<String>,
    world: &'w World,
    number: u32,
    directory: PathBuf,
    flavour: Flavour,
    is_graceful: bool,
}

/// A client host.
#[derive(Debug)]
pub struct Client {
    /// Its network.
    pub namespace: Arc<Namespace>,
    /// Its public address.
    pub address: Ipv4Addr,
    /// Another public address of it.
    pub spare_address: Ipv4Addr,
    /// The internet's address on its cable.
    pub gateway: Ipv4Addr,
    /// The internet's end of its cable.
    pub cable: String,
    /// More arguments for its `warrend`, after those of the site.
    pub daemon_arguments: Vec<String>,
    directory: PathBuf,
}

impl<'w> Site<'w> {
    /// The world that the site is in.
    #[must_use]
    pub fn world(&self) -> &'w World {
        self.world
    }

    /// The first device.
    pub fn device(&mut self) -> &mut Device {
        &mut self.devices[0].1
    }

    /// The first device's account.
    #[must_use]
    pub fn device_key(&self) -> Pubkey {
        self.devices[0].0
    }

    /// The first client host.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.clients[0]
    }

    /// Starts another device and puts its account on the ledger.
    ///
    /// # Errors
    /// When something of it does not start.
    pub fn add_device(&mut self) -> Result<()> {
        let index = self.devices.len() + 1;
        let role = format!("s{}d{index}", self.number);
        let config = DeviceConfig {
            role,
            flavour: self.flavour,
            backend: self.world.config.dataplane.clone(),
            local_asn: DEVICE_ASN,
            user_asn: USER_ASN,
            test_addresses: TEST_ADDRESSES.to_vec(),
            is_graceful: self.is_graceful,
        };
        let device = Device::start(&self.world.internet, &self.world.devnet, &self.directory, &config)?;
        let (pubkey, account) =
            self.network
                .new_device(index as u128, &format!("ams-dz{index:02}"), device.address);
        self.network
            .device_resources(pubkey, &account)
            .into_iter()
            .try_for_each(|resource| self.world.put(resource))?;
        self.world.put(self.network.raw(pubkey, account.into()))?;
        self.devices.push((pubkey, device));
        Ok(())
    }

    /// Connects another client host.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn add_client(&mut self) -> Result<()> {
        let role = format!("s{}c{}", self.number, self.clients.len() + 1);
        let Host {
            namespace,
            address,
            spare_address,
            gateway,
            cable,
        } = self.world.internet.host(&role)?;
        let (namespace, directory) = (Arc::new(namespace), self.directory.join(&role));
        self.clients.push(Client {
            namespace,
            address,
            spare_address,
            gateway,
            cable,
            daemon_arguments: Vec::new(),
            directory,
        });
        Ok(())
    }

    /// A user of the first device for the first client host, not yet on the ledger. With an allocated address for those
    /// kinds that have one.
    #[must_use]
    pub fn new_user(&self, number: u16, kind: UserType) -> (Pubkey, User) {
        self.new_user_of(self.client(), number, kind)
    }

    /// The same for any client host. Numbers must differ on one device.
    #[must_use]
    pub fn new_user_of(&self, client: &Client, number: u16, kind: UserType) -> (Pubkey, User) {
        let dz_ip = allocated(kind, number, client.address);
        self.network
            .new_user(number, kind, self.device_key(), client.address, dz_ip)
    }

    /// Makes the first device's end of a user's tunnel, so that only the host's end is missing.
    ///
    /// # Errors
    /// When the device refuses.
    pub fn prepare_device(&mut self, user: &User) -> Result<TunnelEnd> {
        let local = self.device().address;
        let end = tunnel_end(user, local);
        self.device().add_tunnel(end.clone())?;
        Ok(end)
    }

    /// Prepares the device and puts an activated user on the ledger.
    ///
    /// # Errors
    /// When the device or the ledger refuse.
    pub fn connect(&mut self, number: u16, kind: UserType) -> Result<Connection> {
        let (pubkey, user) = self.new_user(number, kind);
        self.connect_user(pubkey, user)
    }

    /// Prepares the device and puts this user on the ledger.
    ///
    /// # Errors
    /// When the device or the ledger refuse.
    pub fn connect_user(&mut self, pubkey: Pubkey, user: User) -> Result<Connection> {
        let end = self.prepare_device(&user)?;
        self.world.put(self.network.raw(pubkey, user.clone().into()))?;
        Ok(Connection { pubkey, user, end })
    }

    /// Makes the devices' ends of tunnels what the ledger says, as a network's controller does.
    ///
    /// # Errors
    /// When the ledger or a device refuse.
    pub fn follow(&mut self) -> Result<()> {
        let network = self.network;
        self.devices
            .iter_mut()
            .try_for_each(|(pubkey, device)| controller::follow(&network, *pubkey, device).map(drop))
    }

    /// A new key with a balance. Its file is in the site's directory, under this name.
    ///
    /// # Errors
    /// When the ledger or the file system refuse.
    pub fn add_payer(&self, name: &str) -> Result<(Keypair, PathBuf)> {
        let keypair = Keypair::generate()?;
        let path = self.directory.join(format!("{name}.json"));
        keypair.write(&path, true)?;
        self.world.put(funded(keypair.pubkey()))?;
        Ok((keypair, path))
    }

    /// Gives a payer a pass, see [`Network::new_pass`], that is changed first; 0.0.0.0 is for any address.
    ///
    /// # Errors
    /// When the ledger refuses.
    pub fn add_pass(
        &self,
        client_ip: Ipv4Addr,
        payer: Pubkey,
        change: impl FnOnce(&mut AccessPass),
    ) -> Result<Pubkey> {
        let (pubkey, mut pass) = self.network.new_pass(client_ip, payer);
        change(&mut pass);
        self.world.put(self.network.raw(pubkey, pass.into()))?;
        Ok(pubkey)
    }

    /// Puts any account of the site's network on the ledger, also before the ledger runs.
    ///
    /// # Errors
    /// When the ledger refuses.
    pub fn put(&self, pubkey: Pubkey, account: impl Into<Account>) -> Result<()> {
        self.world.put(self.network.raw(pubkey, account.into()))
    }

    /// How `warrend` is started on the first client host.
    #[must_use]
    pub fn daemon_config(&self) -> DaemonConfig {
        self.daemon_config_of(self.client())
    }

    fn daemon_config_of(&self, client: &Client) -> DaemonConfig {
        DaemonConfig {
            warrend: self.world.warrend.clone(),
            rpc: self.network.rpc,
            program_id: self.network.program_id,
            client_ip: client.address,
            dataplane: self.world.config.dataplane.clone(),
            poll_interval: Duration::from_secs(if is_emulated() { 5 } else { 2 }),
            more: self
                .daemon_arguments
                .iter()
                .chain(&client.daemon_arguments)
                .cloned()
                .collect(),
        }
    }

    /// Starts `warrend` on a client host and enables it.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn start_daemon_of(&self, client: &Client) -> Result<Daemon> {
        self.start_daemon_of_with(client, |_| {})
    }

    /// The same with a configuration that is changed first.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn start_daemon_of_with(
        &self,
        client: &Client,
        change: impl FnOnce(&mut DaemonConfig),
    ) -> Result<Daemon> {
        let mut config = self.daemon_config_of(client);
        change(&mut config);
        let daemon = Daemon::start(Arc::clone(&client.namespace), client.directory.clone(), config)?;
        daemon.post("/enable")?;
        Ok(daemon)
    }

    /// Starts `warrend` on the first client host and enables it.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn start_daemon(&self) -> Result<Daemon> {
        let daemon = self.start_daemon_with(self.daemon_config())?;
        daemon.post("/enable")?;
        Ok(daemon)
    }

    /// Starts `warrend` on the first client host, as it was left there.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn start_daemon_with(&self, config: DaemonConfig) -> Result<Daemon> {
        Daemon::start(
            Arc::clone(&self.client().namespace),
            self.client().directory.clone(),
            config,
        )
    }
}

/// A user with both ends of its tunnel.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The user's account.
    pub pubkey: Pubkey,
    /// As it was put on the ledger.
    pub user: User,
    /// The device's end.
    pub end: TunnelEnd,
}

impl Connection {
    /// What `/v2/status` calls its service.
    #[must_use]
    pub fn service(&self) -> &'static str {
        let kind = ServiceKind::ALL.get(usize::from(self.user.user_type.0));
        kind.map_or("unknown", |kind| kind.name())
    }

    /// Another status for the user.
    ///
    /// # Errors
    /// When the ledger refuses.
    pub fn set_status(&self, network: &Network, status: UserStatus) -> Result<()> {
        network
            .edit_user(self.pubkey, |user| user.status = status)
            .map(drop)
    }
}

/// The address inside that a new user gets.
#[must_use]
pub fn allocated(kind: UserType, number: u16, client: Ipv4Addr) -> Ipv4Addr {
    let inside = |base: Ipv4Addr| Ipv4Addr::from(u32::from(base) + u32::from(number));
    match kind {
        UserType::IBRL => client,
        UserType::MULTICAST => inside(FIRST_PUBLISHER),
        _ => inside(FIRST_ALLOCATED),
    }
}

/// The device's end of a user's tunnel; `device` is the device's public address.
#[must_use]
pub fn tunnel_end(user: &User, device: Ipv4Addr) -> TunnelEnd {
    let local = if user.tunnel_endpoint.is_unspecified() {
        device
    } else {
        user.tunnel_endpoint
    };
    let name = format!("tun{}", user.tunnel_id);
    let multicast = match (user.user_type, user.publishers.is_empty()) {
        (UserType::MULTICAST, true) => Multicast::Subscriber,
        (UserType::MULTICAST, false) => Multicast::Publisher,
        _ => Multicast::None,
    };
    TunnelEnd {
        name,
        local,
        remote: user.client_ip,
        overlay: user.tunnel_net.address,
        dz_ip: user.dz_ip,
        multicast,
    }
}

fn program_id(number: u32) -> Pubkey {
    let mut bytes = [0x5e; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    Pubkey(bytes)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

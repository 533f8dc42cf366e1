//! Names to addresses: as every program of this host resolves them, and past a tunnel where one is on the way to the name
//! servers.
//!
//! The system's resolver (`getaddrinfo`, so hosts file, nsswitch and local caches count) opens sockets of its own, which
//! cannot be bound. Where the host's routes lead into a tunnel of ours on the way to a name server, the servers are asked
//! by sockets of ours first, and the system after them. A name that nobody resolves keeps the addresses that it had.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hickory_resolver::{
    Resolver,
    config::{LookupIpStrategy, ResolveHosts, ResolverConfig, ResolverOpts},
    net::runtime::{RuntimeProvider, TokioRuntimeProvider, iocompat::AsyncIoTokioAsStd},
    system_conf::parse_resolv_conf,
};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::{
    net::{TcpSocket, UdpSocket, lookup_host},
    time::timeout,
};

use super::{Outlet, Routes, bare, socket::bind_to};

/// What the C library reads (resolv.conf(5)).
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Where systemd-resolved keeps the servers that its stub asks (systemd-resolved.service(8)).
const BEHIND_THE_STUB: &str = "/run/systemd/resolve/resolv.conf";
/// For an answer of the system's resolver, which by itself tries for half a minute.
const SYSTEM_PATIENCE: Duration = Duration::from_secs(10);
/// For a newer answer where an older one is at hand; the newer one counts the next time.
const NEWER_PATIENCE: Duration = Duration::from_secs(1);
/// For one answer of a name server, and how often each is asked.
const SERVER_PATIENCE: Duration = Duration::from_secs(2);
const SERVER_ATTEMPTS: usize = 2;
/// More names than these nobody configures.
const MOST_NAMES: usize = 64;

/// The resolver, and what it found before.
pub(super) struct Names {
    routes: Routes,
    /// The first is the host's; the second is taken for it where the first names stubs on this host only.
    files: [PathBuf; 2],
    found: Mutex<BTreeMap<String, Vec<IpAddr>>>,
}

impl Names {
    pub(super) fn new(routes: Routes) -> Self {
        Self { routes, files: [RESOLV_CONF, BEHIND_THE_STUB].map(PathBuf::from), found: Mutex::default() }
    }

    #[cfg(test)]
    pub(super) fn with_files(self, files: [PathBuf; 2]) -> Self {
        Self { files, ..self }
    }

    /// The addresses as they were found last; asks only when there are none.
    pub(super) async fn known(self: &Arc<Self>, host: &str) -> Vec<IpAddr> {
        match literal(host).or_else(|| self.remembered(host)) {
            Some(addresses) => addresses,
            None => self.find(host).await.unwrap_or_default(),
        }
    }

    /// The addresses now; those found before where no answer comes. Never an empty list.
    pub(super) async fn find(self: &Arc<Self>, host: &str) -> io::Result<Vec<IpAddr>> {
        if let Some(addresses) = literal(host) {
            return Ok(addresses);
        }
        let (names, name) = (Arc::clone(self), host.to_owned());
        let asking = tokio::spawn(async move { names.ask(&name).await });
        let Some(older) = self.remembered(host) else { return asking.await.map_err(io::Error::other)? };
        Ok(match timeout(NEWER_PATIENCE, asking).await {
            Ok(Ok(Ok(newer))) => newer,
            Ok(Ok(Err(_)) | Err(_)) | Err(_) => older,
        })
    }

    async fn ask(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let past = match self.servers_past_a_tunnel().await {
            Some((config, options)) => self.ask_servers(host, config, options).await.ok().filter(|found| !found.is_empty()),
            None => None,
        };
        let found = match past {
            Some(found) => found,
            None => ask_system(host).await?,
        };
        self.remember(host, found.clone());
        Ok(found)
    }

    /// The host's name servers, when a tunnel is on the way to one of them and can be passed.
    pub(super) async fn servers_past_a_tunnel(&self) -> Option<(ResolverConfig, ResolverOpts)> {
        self.routes.0.as_ref()?;
        let read = |file: &PathBuf| parse(&std::fs::read(file).ok()?);
        let stubs = |config: &ResolverConfig| config.name_servers().iter().all(|server| server.ip.is_loopback());
        let [of_host, behind] = self.files.each_ref().map(read);
        let servers = match of_host {
            Some((config, _)) if stubs(&config) => behind,
            other => other,
        }?;
        let outlet = self.routes.past_any(servers.0.name_servers().iter().map(|server| server.ip)).await;
        matches!(outlet, Outlet::Past { .. }).then_some(servers)
    }

    pub(super) async fn ask_servers(&self, host: &str, config: ResolverConfig, options: ResolverOpts) -> io::Result<Vec<IpAddr>> {
        let sockets = PastTunnels { routes: self.routes.clone(), tokio: TokioRuntimeProvider::default() };
        let mut resolver = Resolver::builder_with_config(config, sockets).with_options(options);
        let options = resolver.options_mut();
        (options.timeout, options.attempts) = (SERVER_PATIENCE, SERVER_ATTEMPTS);
        (options.ip_strategy, options.use_hosts_file) = (LookupIpStrategy::Ipv4AndIpv6, ResolveHosts::Always);
        let found = resolver.build().map_err(io::Error::other)?.lookup_ip(host).await.map_err(io::Error::other)?;
        Ok(found.iter().collect())
    }

    pub(super) fn remember(&self, host: &str, addresses: Vec<IpAddr>) {
        let mut found = self.lock();
        if found.len() >= MOST_NAMES {
            found.clear();
        }
        found.insert(host.to_owned(), addresses);
    }

    fn remembered(&self, host: &str) -> Option<Vec<IpAddr>> {
        self.lock().get(host).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<IpAddr>>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Options that it does not know are no news to anybody: they are not told.
fn parse(text: &[u8]) -> Option<(ResolverConfig, ResolverOpts)> {
    tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::default(), || parse_resolv_conf(text)).ok()
}

fn literal(host: &str) -> Option<Vec<IpAddr>> {
    bare(host).parse().ok().map(|address| vec![address])
}

async fn ask_system(host: &str) -> io::Result<Vec<IpAddr>> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("the name was not resolved within {SYSTEM_PATIENCE:?}"));
    let found: Vec<IpAddr> =
        timeout(SYSTEM_PATIENCE, lookup_host((host, 0))).await.map_err(|_| late())??.map(|address| address.ip()).collect();
    if found.is_empty() { Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address")) } else { Ok(found) }
}

/// For reqwest, which puts the port in.
pub(super) struct ForHttp(pub(super) Arc<Names>);

impl Resolve for ForHttp {
    fn resolve(&self, name: Name) -> Resolving {
        let names = Arc::clone(&self.0);
        Box::pin(async move {
            let found = names.find(name.as_str()).await?;
            Ok(Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

/// Sockets to name servers, each past the tunnels.
#[derive(Clone)]
struct PastTunnels {
    routes: Routes,
    tokio: TokioRuntimeProvider,
}

impl PastTunnels {
    async fn bind(self, socket: impl std::os::fd::AsFd + Send, server: SocketAddr) -> io::Result<()> {
        match self.routes.outlet(server.ip()).await {
            Outlet::Past { uplink, .. } => bind_to(&socket, &uplink),
            Outlet::Usual | Outlet::Only { .. } => Ok(()),
        }
    }
}

type Opening<T> = Pin<Box<dyn Send + Future<Output = io::Result<T>>>>;

impl RuntimeProvider for PastTunnels {
    type Handle = <TokioRuntimeProvider as RuntimeProvider>::Handle;
    type Timer = <TokioRuntimeProvider as RuntimeProvider>::Timer;
    type Udp = <TokioRuntimeProvider as RuntimeProvider>::Udp;
    type Tcp = <TokioRuntimeProvider as RuntimeProvider>::Tcp;

    fn create_handle(&self) -> Self::Handle {
        self.tokio.create_handle()
    }

    fn connect_tcp(&self, server: SocketAddr, local: Option<SocketAddr>, within: Option<Duration>) -> Opening<Self::Tcp> {
        let this = self.clone();
        Box::pin(async move {
            let socket = if server.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            if let Some(local) = local {
                socket.bind(local)?;
            }
            this.bind(&socket, server).await?;
            let late = |_| io::Error::from(io::ErrorKind::TimedOut);
            let stream = timeout(within.unwrap_or(SERVER_PATIENCE), socket.connect(server)).await.map_err(late)??;
            Ok(AsyncIoTokioAsStd(stream))
        })
    }

    fn bind_udp(&self, local: SocketAddr, server: SocketAddr) -> Opening<Self::Udp> {
        let this = self.clone();
        Box::pin(async move {
            let socket = UdpSocket::bind(local).await?;
            this.bind(&socket, server).await?;
            Ok(socket)
        })
    }
}

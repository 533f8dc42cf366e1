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
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::{net::lookup_host, time::timeout};

use super::{Outlet, Routes, bare, dns::Servers};

/// What the C library reads (resolv.conf(5)).
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Where systemd-resolved keeps the servers that its stub asks (systemd-resolved.service(8)).
const BEHIND_THE_STUB: &str = "/run/systemd/resolve/resolv.conf";
/// Names of the operator's own (hosts(5)).
const HOSTS: &str = "/etc/hosts";
/// For an answer of the system's resolver, which by itself tries for half a minute.
const SYSTEM_PATIENCE: Duration = Duration::from_secs(10);
/// For a newer answer where an older one is at hand; the newer one counts the next time.
const NEWER_PATIENCE: Duration = Duration::from_secs(1);
/// More names than these nobody configures.
const MOST_NAMES: usize = 64;

/// The resolver, and what it found before.
pub(super) struct Names {
    routes: Routes,
    /// The host's name servers; those that are taken for them where they are stubs on this host; names of the operator's own.
    files: [PathBuf; 3],
    found: Mutex<BTreeMap<String, Vec<IpAddr>>>,
}

impl Names {
    pub(super) fn new(routes: Routes) -> Self {
        Self {
            routes,
            files: [RESOLV_CONF, BEHIND_THE_STUB, HOSTS].map(PathBuf::from),
            found: Mutex::default(),
        }
    }

    #[cfg(test)]
    pub(super) fn with_files(self, files: [PathBuf; 3]) -> Self {
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
        let Some(older) = self.remembered(host) else {
            return asking.await.map_err(io::Error::other)?;
        };
        Ok(match timeout(NEWER_PATIENCE, asking).await {
            Ok(Ok(Ok(newer))) => newer,
            Ok(Ok(Err(_)) | Err(_)) | Err(_) => older,
        })
    }

    async fn ask(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let past = match self.servers_past_a_tunnel().await {
            Some(servers) if !self.is_of_this_host(host) => servers.ask(&self.routes, host).await.ok(),
            Some(_) | None => None,
        };
        let found = match past {
            Some(found) => found,
            None => ask_system(host).await?,
        };
        self.remember(host, found.clone());
        Ok(found)
    }

    /// The host's name servers, when a tunnel is on the way to one of them and can be passed.
    pub(super) async fn servers_past_a_tunnel(&self) -> Option<Servers> {
        self.routes.0.as_ref()?;
        let read = |file: &PathBuf| Some(Servers::parse(&std::fs::read_to_string(file).ok()?));
        let are_stubs = |servers: &Servers| servers.addresses.iter().all(|server| server.ip().is_loopback());
        let servers = match read(&self.files[0]) {
            Some(servers) if are_stubs(&servers) => read(&self.files[1]),
            other => other,
        }?;
        let outlet = self
            .routes
            .past_any(servers.addresses.iter().map(SocketAddr::ip))
            .await;
        matches!(outlet, Outlet::Past { .. }).then_some(servers)
    }

    /// Names that the system knows without asking anybody.
    pub(super) fn is_of_this_host(&self, host: &str) -> bool {
        let is_named = |line: &str| {
            let names = line
                .split('#')
                .next()
                .unwrap_or_default()
                .split_whitespace()
                .skip(1);
            names.into_iter().any(|name| name.eq_ignore_ascii_case(host))
        };
        let hosts = || std::fs::read_to_string(&self.files[2]).unwrap_or_default();
        host == "localhost" || host.ends_with(".localhost") || hosts().lines().any(is_named)
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

fn literal(host: &str) -> Option<Vec<IpAddr>> {
    bare(host).parse().ok().map(|address| vec![address])
}

async fn ask_system(host: &str) -> io::Result<Vec<IpAddr>> {
    let late = || {
        io::Error::new(
            io::ErrorKind::TimedOut,
            format!("the name was not resolved within {SYSTEM_PATIENCE:?}"),
        )
    };
    let found: Vec<IpAddr> = timeout(SYSTEM_PATIENCE, lookup_host((host, 0)))
        .await
        .map_err(|_| late())??
        .map(|address| address.ip())
        .collect();
    if found.is_empty() {
        Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
    } else {
        Ok(found)
    }
}

/// For reqwest, which puts the port in.
pub(super) struct ForHttp(pub(super) Arc<Names>);

impl Resolve for ForHttp {
    fn resolve(&self, name: Name) -> Resolving {
        let names = Arc::clone(&self.0);
        Box::pin(async move {
            let found = names.find(name.as_str()).await?;
            let found: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(found)
        })
    }
}

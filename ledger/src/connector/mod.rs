//! How this program's own requests connect: which certificates are trusted, how names become addresses, and through which
//! link of the host the sockets leave. Requests to the ledger, its websocket and the address service share one.
//!
//! The host's routes may lead the way into a tunnel of ours, because a session taught a route to the very address that is
//! asked. Such a tunnel may be broken, and only the ledger can say so. So each time the host is asked; where the way leads
//! into a tunnel, the socket is bound to the link that the host would use without it. Sockets that need no such thing are
//! not touched. A bound socket that does not connect is no reason to give up: then the usual way is gone, and that is told.

mod dns;
mod http;
mod names;
mod socket;
mod trust;

use std::{
    collections::BTreeMap,
    fmt, io,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

pub use http::{Http, HttpSettings};
use names::Names;
pub(crate) use socket::{ConnectionPath, Duplex, Traffic};
pub use trust::{Trust, TrustError};

/// A connection past a tunnel is made within this, or the usual way is tried.
const PAST_TIMEOUT: Duration = Duration::from_secs(3);
/// For this long after a way past a tunnel has failed, the usual way is tried first.
const PAST_AGAIN: Duration = Duration::from_secs(60);

/// What knows the host's routes and our tunnels.
#[async_trait]
pub trait Underlay: Send + Sync + 'static {
    /// How packets of this process leave towards an address. Whoever does not know says [`Outlet::Usual`].
    async fn outlet(&self, dst: Ipv4Addr) -> Outlet;
}

/// How packets leave towards an address; links are named as the kernel names them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outlet {
    /// As the host's routes say: over no tunnel of ours.
    Usual,
    /// The host's routes lead into a tunnel of ours; a socket bound to the uplink goes past it.
    Past {
        /// The name of the tunnel's link that is on the way.
        tunnel: String,
        /// The link to bind to.
        uplink: String,
    },
    /// Only a tunnel of ours leads there.
    Only {
        /// The name of the tunnel's link that is on the way.
        tunnel: String,
    },
}

/// Connects requests. Clones are the same one.
#[derive(Clone)]
pub struct Connector {
    inner: Arc<Inner>,
}

struct Inner {
    trust: Trust,
    routes: Routes,
    names: Arc<Names>,
    /// Whatever can be reached only over a tunnel of ours just now, and why.
    dependent: Mutex<BTreeMap<String, String>>,
}

/// The host's routes, where somebody knows them.
#[derive(Clone)]
struct Routes(Option<Arc<dyn Underlay>>);

impl Connector {
    /// One with these trust anchors. Without an underlay sockets always go as the host's routes say.
    #[must_use]
    pub fn new(trust: Trust, underlay: Option<Arc<dyn Underlay>>) -> Self {
        let routes = Routes(underlay);
        let names = Arc::new(Names::new(routes.clone()));
        Self {
            inner: Arc::new(Inner {
                trust,
                routes,
                names,
                dependent: Mutex::default(),
            }),
        }
    }

    /// The same, for whoever is known by other certificates.
    #[must_use]
    pub fn with_trust(&self, trust: Trust) -> Self {
        let Inner { routes, names, .. } = &*self.inner;
        Self {
            inner: Arc::new(Inner {
                trust,
                routes: routes.clone(),
                names: names.clone(),
                dependent: Mutex::default(),
            }),
        }
    }

    /// Whom connections of this program trust.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.inner.trust
    }

    /// Why requests go over a tunnel of ours just now, if they do.
    #[must_use]
    pub fn over_tunnel(&self) -> Option<String> {
        self.dependent()
            .iter()
            .next()
            .map(|(host, why)| format!("{host}: {why}"))
    }

    /// A host's addresses.
    ///
    /// # Errors
    /// When its name has none.
    pub(crate) async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.inner.names.find(host).await
    }

    /// How packets leave towards a host.
    async fn outlet(&self, host: &str) -> Outlet {
        if self.inner.routes.0.is_none() {
            return Outlet::Usual;
        }
        self.inner
            .routes
            .past_any(self.inner.names.known(host).await)
            .await
    }

    /// Requests to the host go over a tunnel: a reason that is new is told.
    fn depends(&self, host: &str, why: String) {
        let known = self.dependent().insert(host.to_owned(), why.clone());
        if known.as_ref() != Some(&why) {
            tracing::warn!(
                host,
                why,
                "this program's requests depend on one of its own tunnels"
            );
        }
    }

    fn depends_no_more(&self, host: &str) {
        if self.dependent().remove(host).is_some() {
            tracing::info!(
                host,
                "this program's requests no longer depend on one of its own tunnels"
            );
        }
    }

    fn dependent(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.inner
            .dependent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Routes {
    async fn outlet(&self, address: IpAddr) -> Outlet {
        match (&self.0, address) {
            (Some(underlay), IpAddr::V4(address)) => underlay.outlet(address).await,
            // Tunnels carry IPv4 only.
            (Some(_) | None, IpAddr::V4(_) | IpAddr::V6(_)) => Outlet::Usual,
        }
    }

    /// The first of the addresses that a tunnel is on the way to decides for all.
    async fn past_any(&self, addresses: impl IntoIterator<Item = IpAddr>) -> Outlet {
        for address in addresses {
            match self.outlet(address).await {
                Outlet::Usual => {}
                tunnelled @ (Outlet::Past { .. } | Outlet::Only { .. }) => return tunnelled,
            }
        }
        Outlet::Usual
    }
}

/// The system's trust anchors, and sockets that go as the host's routes say. Read once.
impl Default for Connector {
    fn default() -> Self {
        static SYSTEM: OnceLock<Connector> = OnceLock::new();
        SYSTEM.get_or_init(|| Self::new(Trust::system(), None)).clone()
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("trust", &self.inner.trust)
            .field("underlay", &self.inner.routes.0.is_some())
            .finish_non_exhaustive()
    }
}

/// The host of a URL as the resolver takes it: an IPv6 address without its brackets.
fn bare(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

#[cfg(test)]
mod tests;

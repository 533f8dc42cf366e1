//! HTTP requests that go the way.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, Url, redirect::Policy};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::http::Uri;

use super::{Connector, Outlet, PAST_AGAIN, PAST_TIMEOUT, bare, names::ForHttp};

/// How requests are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HttpSettings {
    /// One request, connecting included.
    pub timeout: Duration,
    /// Redirects that are followed.
    pub redirects: usize,
    /// Whether the proxies that the environment names are used (`HTTPS_PROXY`, `NO_PROXY` and so on).
    pub proxies: bool,
    /// Whether connections are kept for later requests.
    pub keeps_connections: bool,
}

/// An HTTP client that goes the way of this program's own requests.
pub struct Http {
    connector: Connector,
    settings: HttpSettings,
    usual: Client,
    past: Mutex<Past>,
    proxies: Option<Matcher>,
}

/// The client whose sockets are bound to an uplink, once it was needed.
#[derive(Default)]
struct Past {
    bound: Option<(String, Client)>,
    failed: Option<Instant>,
}

impl Connector {
    /// Sets up a client; connects to nothing yet.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn http(&self, settings: HttpSettings) -> Result<Http, reqwest::Error> {
        let usual = self.client(settings).connect_timeout(settings.timeout).build()?;
        let proxies = settings.proxies.then(Matcher::from_system);
        Ok(Http {
            connector: self.clone(),
            settings,
            usual,
            past: Mutex::default(),
            proxies,
        })
    }

    /// A client whose sockets have this address of the host as their source, and leave as the host's routes say for it; 0.0.0.0
    /// for any of IPv4.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn http_from(
        &self,
        source: Ipv4Addr,
        settings: HttpSettings,
        connect: Duration,
    ) -> Result<Client, reqwest::Error> {
        self.client(settings)
            .local_address(IpAddr::V4(source))
            .connect_timeout(connect)
            .build()
    }

    fn client(&self, settings: HttpSettings) -> ClientBuilder {
        let mut tls = self.inner.trust.config().as_ref().clone();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let builder = Client::builder()
            .use_preconfigured_tls(tls)
            .dns_resolver(Arc::new(ForHttp(Arc::clone(&self.inner.names))))
            // Whoever wants bodies packed bounds both sizes, and counts what comes over the wire.
            .no_gzip()
            .timeout(settings.timeout)
            .redirect(if settings.redirects == 0 {
                Policy::none()
            } else {
                Policy::limited(settings.redirects)
            })
            .pool_idle_timeout(Duration::from_secs(300))
            .tcp_keepalive(Duration::from_secs(60))
            .user_agent(concat!("warren/", env!("CARGO_PKG_VERSION")));
        let builder = if settings.keeps_connections {
            builder
        } else {
            builder.pool_max_idle_per_host(0)
        };
        if settings.proxies {
            builder
        } else {
            builder.no_proxy()
        }
    }
}

impl Http {
    /// Sends what `build` makes. It is called again where the way past a tunnel does not connect: nothing was sent then.
    ///
    /// # Errors
    /// As [`RequestBuilder::send`].
    pub async fn send(
        &self,
        url: &Url,
        build: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Response, reqwest::Error> {
        let (host, shown) = self.next_hop(url);
        match self.connector.outlet(&host).await {
            Outlet::Usual => {
                self.connector.depends_no_more(&shown);
                build(&self.usual).send().await
            }
            Outlet::Only { tunnel } => {
                self.connector
                    .depends(&shown, format!("only {tunnel} leads there"));
                build(&self.usual).send().await
            }
            Outlet::Past { tunnel, uplink } => self.send_past(&tunnel, &uplink, &shown, build).await,
        }
    }

    async fn send_past(
        &self,
        tunnel: &str,
        uplink: &str,
        shown: &str,
        build: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Response, reqwest::Error> {
        let failed_lately = self.past().failed.is_some_and(|at| at.elapsed() < PAST_AGAIN);
        if !failed_lately {
            let client = self.bound_to(uplink)?;
            match build(&client).send().await {
                Err(error) if error.is_connect() => {
                    tracing::debug!(shown, tunnel, uplink, error = %error.without_url(), "no connection outside the tunnel");
                    self.past().failed = Some(Instant::now());
                }
                done => {
                    self.connector.depends_no_more(shown);
                    return done;
                }
            }
        }
        let sent = build(&self.usual).send().await;
        match &sent {
            Ok(_) => self
                .connector
                .depends(shown, format!("{uplink} does not connect, {tunnel} does")),
            // Neither way works: both are tried again.
            Err(_) => self.past().failed = None,
        }
        sent
    }

    fn bound_to(&self, uplink: &str) -> Result<Client, reqwest::Error> {
        let mut past = self.past();
        if let Some((_, client)) = past.bound.as_ref().filter(|(name, _)| name == uplink) {
            return Ok(client.clone());
        }
        let connect = PAST_TIMEOUT.min(self.settings.timeout / 2);
        let client = self
            .connector
            .client(self.settings)
            .connect_timeout(connect)
            .interface(uplink)
            .build()?;
        past.bound = Some((uplink.to_owned(), client.clone()));
        Ok(client)
    }

    /// Whom the socket connects to: the proxy, where there is one; also for people.
    fn next_hop(&self, url: &Url) -> (String, String) {
        let proxy = self
            .proxies
            .as_ref()
            .and_then(|proxies| proxies.intercept(&url.as_str().parse::<Uri>().ok()?));
        let proxy = proxy.and_then(|proxy| Some((proxy.uri().host()?.to_owned(), proxy.uri().port_u16())));
        let (host, port) = proxy.unwrap_or_else(|| {
            (
                url.host_str().unwrap_or_default().to_owned(),
                url.port_or_known_default(),
            )
        });
        (
            bare(&host).to_owned(),
            format!("{host}:{}", port.unwrap_or_default()),
        )
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

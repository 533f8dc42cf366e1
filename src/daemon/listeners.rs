//! Where the API is served.

use std::{
    io,
    os::unix::net::UnixListener,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use axum::Router;
use tokio::runtime;
use warren_actors::Handle;
use warren_api::client::Client;
use warren_config::Config;

use super::beside;
use crate::http::{self, Api, server, socket};

/// The API must answer within this after its start.
const FIRST_ANSWER: Duration = Duration::from_secs(30);

/// Open listeners. The socket file lives as long as this.
pub struct Listening {
    socket: Arc<UnixListener>,
    metrics: Option<Arc<std::net::TcpListener>>,
    path: PathBuf,
    _file: socket::SocketFile,
}

/// Opens the socket and, when configured, the TCP port for metrics. Nothing is answered yet.
///
/// # Errors
/// When one of them cannot be had.
pub async fn open(config: &Config) -> anyhow::Result<Listening> {
    let path = config.api.sock_file.clone();
    let (listener, file) = socket::bind(&path)?;
    let metrics = match config.api.metrics_enable {
        true => Some(Arc::new(metrics_listener(&config.api.metrics_addr).await?)),
        false => None,
    };
    Ok(Listening {
        socket: Arc::new(listener),
        metrics,
        path,
        _file: file,
    })
}

impl Listening {
    /// Serves there, under the tree's supervision, and returns when the API answers.
    ///
    /// # Errors
    /// When it does not answer in time.
    pub async fn serve(&self, handle: &Handle, api: Api, there: &runtime::Handle) -> anyhow::Result<()> {
        let limits = server::Limits::default();
        if let Some(listener) = &self.metrics {
            tracing::info!(address = %listener.local_addr().context("metrics listener")?, "metrics are served");
            let (listener, router) = (Arc::clone(listener), http::metrics_router(api.clone()));
            let acceptor = move || listener.try_clone().and_then(tokio::net::TcpListener::from_std);
            supervise(handle, there, "metrics", acceptor, router, limits);
        }
        let listener = Arc::clone(&self.socket);
        let acceptor = move || listener.try_clone().and_then(tokio::net::UnixListener::from_std);
        supervise(handle, there, "api", acceptor, http::router(api), limits);
        let client = Client::new(&self.path);
        let started = Instant::now();
        while let Err(error) = client.get("/healthz").await {
            if started.elapsed() > FIRST_ANSWER {
                return Err(error).context("the API does not answer");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tracing::info!(socket = %self.path.display(), "the API answers");
        Ok(())
    }
}

/// Without a host it listens on every address, as Go does: of both families, or of IPv4 where there is no IPv6.
async fn metrics_listener(address: &str) -> anyhow::Result<std::net::TcpListener> {
    let bind = tokio::net::TcpListener::bind::<String>;
    let listener = match address.strip_prefix(':') {
        None => bind(address.to_owned()).await,
        Some(port) => match bind(format!("[::]:{port}")).await {
            Err(_) => bind(format!("0.0.0.0:{port}")).await,
            both => both,
        },
    };
    listener
        .with_context(|| format!("cannot listen on {address} for metrics"))?
        .into_std()
        .context("metrics listener")
}

/// Serves one listener, which is opened anew for each start. Connections of an earlier start still count.
fn supervise<D: server::Acceptor>(
    handle: &Handle,
    there: &runtime::Handle,
    name: &str,
    acceptor: impl Fn() -> io::Result<D> + Send + Sync + 'static,
    router: Router,
    limits: server::Limits,
) {
    let permits = server::Permits::new(limits, nix::unistd::geteuid().as_raw())
        .with_streams(server::Limits::of_streams());
    let (acceptor, there) = (Arc::new(acceptor), there.clone());
    let serve = move || {
        let (acceptor, router, permits) = (Arc::clone(&acceptor), router.clone(), permits.clone());
        let there = there.clone();
        // A socket belongs to the runtime on which it is made.
        let service = async move {
            let acceptor = acceptor().map_err(|error| error.to_string())?;
            server::serve(acceptor, router, permits).await;
            Ok(())
        };
        let supervised = async move { beside::run(&there, service).await? };
        Box::pin(supervised) as Pin<Box<dyn Future<Output = Result<(), String>> + Send>>
    };
    handle.spawn_supervised(name, Box::new(serve));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_metrics_address_without_a_host_is_every_address() {
        let listener = metrics_listener(":0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert!(address.ip().is_unspecified(), "{address}");
        std::net::TcpStream::connect(("127.0.0.1", address.port())).unwrap();
        let taken = metrics_listener(&format!(":{}", address.port()))
            .await
            .unwrap_err();
        assert!(taken.to_string().contains("for metrics"), "{taken}");
    }
}

//! Where it is served.

use std::{
    convert::Infallible, fs, io, net::SocketAddr, os::unix::fs::PermissionsExt, path::Path, pin::Pin,
    sync::Arc, time::Duration,
};

use anyhow::Context;
use axum::Router;
use hyper::{
    Request,
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tonic::{body::Body, codegen::Service as _};
use warren_datacap::data_cap_service_server::DataCapServiceServer;

use crate::{
    authority::Authority,
    config::{Config, Tls},
    faults::Connection,
    grpc, http,
};

/// Connections at a time, of each listener.
const CONNECTIONS: usize = 1024;
/// A caller that takes longer for a handshake or the head of a request is left.
const PATIENCE: Duration = Duration::from_secs(10);
/// After a failure to accept: there may be no file descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

type Answer = Pin<Box<dyn Future<Output = Result<hyper::Response<Body>, Infallible>> + Send>>;
/// What answers a request.
type Handler = Arc<dyn Fn(Request<Incoming>) -> Answer + Send + Sync>;

/// Serves until the process is told to end.
pub(crate) async fn serve(config: &Config, authority: &Authority) -> anyhow::Result<()> {
    let tls = config.tls.as_ref().map(acceptor).transpose()?;
    let sidecar = of_router(http::sidecar(authority.clone()));
    for (name, address, tls, handler) in [
        ("grpc", config.grpc, tls.clone(), of_grpc(authority)),
        ("https", config.https, tls, sidecar.clone()),
        ("http", config.http, None, sidecar),
    ] {
        if let Some(address) = address {
            let listener = listen(address).await?;
            tracing::info!(name, address = %listener.local_addr()?, "served");
            tokio::spawn(accept(listener, tls, handler));
        }
    }
    let control = open_socket(&config.socket)?;
    tokio::spawn(accept_local(control, of_router(http::control(authority.clone()))));
    let _without_systemd = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    end().await?;
    let _gone = fs::remove_file(&config.socket);
    Ok(())
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))
}

fn open_socket(path: &Path) -> anyhow::Result<UnixListener> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    }
    // The store is ours alone by now: whoever left the file is gone.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot replace {}", path.display()));
        }
        Ok(()) | Err(_) => {}
    }
    let listener =
        UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// What was acknowledged is on disk: nothing has to be finished.
async fn end() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        done = tokio::signal::ctrl_c() => done?,
    }
    Ok(())
}

fn acceptor(tls: &Tls) -> anyhow::Result<TlsAcceptor> {
    let cannot = |path: &Path| format!("cannot use {}", path.display());
    let certificates = certificates(&tls.cert)?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).with_context(|| cannot(&tls.key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let builder = match &tls.client_ca {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in self::certificates(path)? {
                roots.add(certificate).with_context(|| cannot(path))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(certificates, key)
        .with_context(|| cannot(&tls.cert))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = || format!("cannot read the certificates in {}", path.display());
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).with_context(read)?.collect();
    let found = found.with_context(read)?;
    anyhow::ensure!(!found.is_empty(), "there is no certificate in {}", path.display());
    Ok(found)
}

fn of_grpc(authority: &Authority) -> Handler {
    let service = DataCapServiceServer::new(grpc::Service(authority.clone()));
    Arc::new(move |request| {
        let mut service = service.clone();
        service.call(request)
    })
}

fn of_router(router: Router) -> Handler {
    Arc::new(move |request| {
        let answered = router.clone().call(request.map(axum::body::Body::new));
        Box::pin(async move { answered.await.map(|response| response.map(Body::new)) })
    })
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, handler: Handler) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(permit) = permits.clone().acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let (tls, handler) = (tls.clone(), handler.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let _without_delay = stream.set_nodelay(true);
            match tls {
                None => connection(stream, false, handler).await,
                Some(tls) => match timeout(PATIENCE, tls.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                        connection(stream, is_h2, handler).await;
                    }
                    Ok(Err(error)) => tracing::debug!(%error, "a caller was rejected"),
                    Err(_) => {}
                },
            }
        });
    }
}

async fn accept_local(listener: UnixListener, handler: Handler) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(connection(stream, false, handler.clone()))),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn connection<S>(stream: S, is_h2: bool, handler: Handler)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let this = Connection::default();
    let cut = this.0.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(this.clone());
        handler(request)
    });
    let io = TokioIo::new(stream);
    let served = async {
        if is_h2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.timer(TokioTimer::new()).keep_alive_interval(PATIENCE * 6);
            builder.serve_connection(io, service).await
        } else {
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            builder.serve_connection(io, service).await
        }
    };
    tokio::select! {
        _gone = served => {}
        () = cut.notified() => {}
    }
}

//! The forwarder's side of the control socket.

use std::{
    io, slice,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream, unix::UCred},
    sync::Notify,
    time::Instant,
};
use warren_state::{FaultClass, LinkName};

use super::{
    protocol::{LINE_MAX, Rejection, Request, Response, VERSION},
    tunnels::Tunnels,
};

/// More connections than this at once are closed at once.
const CLIENTS_MAX: usize = 16;

/// How often the forwarder checks whether anybody still needs it.
const IDLE_CHECK: Duration = Duration::from_millis(500);

/// How long to wait for what a host has sent to leave: a host that sends faster than its path carries always has
/// something under way.
const FLUSH: Duration = Duration::from_secs(1);

/// How often it checks whether everything has left.
const FLUSH_CHECK: Duration = Duration::from_millis(1);

/// Serves clients until there have been neither clients nor tunnels for `linger`, or one asks for the end.
pub async fn serve(listener: UnixListener, tunnels: Arc<Tunnels>, linger: Duration) {
    let shared = Arc::new(Shared {
        tunnels,
        clients: AtomicUsize::new(0),
        shutdown: Notify::new(),
    });
    let mut check = tokio::time::interval(IDLE_CHECK.min(linger.max(Duration::from_millis(10))));
    let mut needed = Instant::now();
    loop {
        tokio::select! {
            () = shared.shutdown.notified() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => shared.welcome(stream),
                Err(error) => tracing::warn!(%error, "control connection not accepted"),
            },
            _ = check.tick() => {}
        }
        if shared.clients.load(Relaxed) > 0 || shared.tunnels.len() > 0 {
            needed = Instant::now();
        } else if needed.elapsed() >= linger {
            tracing::info!("no tunnels and no clients");
            return;
        }
    }
}

struct Shared {
    tunnels: Arc<Tunnels>,
    clients: AtomicUsize,
    shutdown: Notify,
}

/// Counts a client for as long as it is served.
struct Guest(Arc<Shared>);

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.clients.fetch_sub(1, Relaxed);
    }
}

impl Shared {
    fn welcome(self: &Arc<Self>, stream: UnixStream) {
        match stream.peer_cred() {
            Ok(peer) if may_command(peer) => {}
            Ok(peer) => {
                return tracing::warn!(uid = peer.uid(), "control connection of another user refused");
            }
            Err(error) => return tracing::warn!(%error, "control connection without credentials refused"),
        }
        if self.clients.fetch_add(1, Relaxed) >= CLIENTS_MAX {
            self.clients.fetch_sub(1, Relaxed);
            return tracing::warn!("too many control connections");
        }
        let guest = Guest(Arc::clone(self));
        tokio::spawn(async move {
            if let Err(error) = guest.0.converse(stream).await {
                tracing::debug!(%error, "control connection ended");
            }
        });
    }

    async fn converse(&self, stream: UnixStream) -> io::Result<()> {
        let (reader, mut writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = (&mut reader).take(LINE_MAX).read_until(b'\n', &mut line).await?;
            if length == 0 || line.last() != Some(&b'\n') {
                return Ok(());
            }
            let (response, then) = match serde_json::from_slice(&line) {
                Ok(request) => self.answer(request).await,
                Err(error) => (
                    Rejection::new(FaultClass::Permanent, format!("not a request: {error}")).into(),
                    Then::Go,
                ),
            };
            let mut bytes = serde_json::to_vec(&response)?;
            bytes.push(b'\n');
            writer.write_all(&bytes).await?;
            match then {
                Then::Go => {}
                Then::HangUp => return Ok(()),
                Then::End => {
                    self.shutdown.notify_one();
                    return Ok(());
                }
            }
        }
    }

    async fn answer(&self, request: Request) -> (Response, Then) {
        let tunnels = &self.tunnels;
        let outcome = match request {
            Request::Hello { version: VERSION } => Ok(Response::Hello {
                version: VERSION,
                pid: std::process::id(),
                tunnels: tunnels.len(),
            }),
            Request::Hello { version } => {
                let detail = format!("the forwarder speaks version {VERSION} of the protocol, not {version}");
                return (Rejection::new(FaultClass::Conflict, detail).into(), Then::HangUp);
            }
            Request::Add(spec) => tunnels.add(&spec).map(|()| Response::Done),
            Request::Change(spec) => {
                self.flush(slice::from_ref(&spec.name)).await;
                tunnels.change(&spec).map(|()| Response::Done)
            }
            Request::Flush { names } => {
                self.flush(&names).await;
                Ok(Response::Done)
            }
            Request::Remove { name } => {
                self.flush(slice::from_ref(&name)).await;
                tunnels.remove(&name);
                Ok(Response::Done)
            }
            Request::Release { name } => {
                tunnels.release(&name);
                Ok(Response::Done)
            }
            Request::Shape { name, rate } => tunnels.shape(&name, rate).map(|()| Response::Done),
            Request::Rates => Ok(Response::Rates(tunnels.rates())),
            Request::Sent => Ok(Response::Sent(tunnels.sent())),
            Request::List => Ok(Response::Tunnels(tunnels.list())),
            Request::Counters => Ok(Response::Counters(tunnels.counters())),
            Request::Shutdown => return (Response::Done, Then::End),
        };
        (outcome.unwrap_or_else(Response::from), Then::Go)
    }

    async fn flush(&self, names: &[LinkName]) {
        let deadline = Instant::now() + FLUSH;
        let mut carrying = self.tunnels.named(names);
        loop {
            carrying.retain(|tunnel| self.tunnels.have_packets_under_way(tunnel));
            if carrying.is_empty() || Instant::now() >= deadline {
                return;
            }
            tokio::time::sleep(FLUSH_CHECK).await;
        }
    }
}

enum Then {
    Go,
    HangUp,
    End,
}

fn may_command(peer: UCred) -> bool {
    peer.uid() == 0 || peer.uid() == nix::unistd::geteuid().as_raw()
}

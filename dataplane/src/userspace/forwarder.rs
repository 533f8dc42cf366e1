//! The forwarder: a process of its own that holds the tunnels and carries their packets, so that they outlive the daemon.
//!
//! ```text
//!  warrend ── control socket (JSON lines) ──▶ control (tokio, one thread)
//!                                               │ add, change, remove
//!                                               ▼
//!  TUN devices ──▶ transmit ──▶ raw socket   [Tunnels]   raw socket ──▶ receive ──▶ TUN devices
//! ```
//!
//! A link lives exactly as long as its tunnel here: the devices are not persistent. When the forwarder dies, all links
//! vanish, and the daemon, which sees that, makes them again through a new forwarder.

use std::{
    fs::File,
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use nix::sys::stat::{Mode, umask};
use tokio::{net::UnixListener, sync::mpsc};

use super::{control, receive, sys, transmit, tunnels::Tunnels};

/// What a forwarder is told when it is started.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForwarderArgs {
    /// Where it listens.
    pub socket: PathBuf,
    /// How long it stays with neither tunnels nor clients.
    pub linger: Duration,
}

/// Why a forwarder did not start, or ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum ForwarderError {
    /// The command line is wrong.
    #[error("forwarder: {0}")]
    Usage(String),
    /// Another one has the socket.
    #[error("another forwarder runs on {}", .0.display())]
    AlreadyRunning(PathBuf),
    /// The system refused something.
    #[error("{what}")]
    System {
        /// What was attempted.
        what: &'static str,
        /// The answer.
        #[source]
        source: io::Error,
    },
}

impl ForwarderArgs {
    /// Reads `--socket PATH [--linger-ms N]`.
    ///
    /// # Errors
    /// `Usage`.
    pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, ForwarderError> {
        let mut args = args.into_iter();
        let mut socket = None;
        let mut linger = Duration::from_secs(2);
        while let Some(flag) = args.next() {
            let value = args
                .next()
                .ok_or_else(|| ForwarderError::Usage(format!("{flag} needs a value")))?;
            match flag.as_str() {
                "--socket" => socket = Some(PathBuf::from(value)),
                "--linger-ms" => {
                    let millis = value.parse().map_err(|_| {
                        ForwarderError::Usage(format!("not a number of milliseconds: {value:?}"))
                    })?;
                    linger = Duration::from_millis(millis);
                }
                _ => return Err(ForwarderError::Usage(format!("unknown argument {flag:?}"))),
            }
        }
        let socket = socket.ok_or_else(|| ForwarderError::Usage("--socket is missing".to_owned()))?;
        Ok(Self { socket, linger })
    }
}

/// Runs the forwarder in this process; what comes after `forwarder` on the command line is passed in. Detaches from the
/// session that started it, and returns when it has neither tunnels nor clients, or was told to shut down.
///
/// The caller should leave `main` when it returns: the threads that carry packets end with the process.
///
/// # Errors
/// When it cannot start, another one has the socket, or the raw socket has become unusable.
pub fn run_forwarder(args: impl IntoIterator<Item = String>) -> Result<(), ForwarderError> {
    let args = ForwarderArgs::parse(args)?;
    // A process group leader cannot become a session leader, and need not: it was detached by whoever started it.
    let _ = nix::unistd::setsid();
    umask(Mode::from_bits_truncate(0o077));
    let _lock = lock(&args.socket)?;
    sys::raise_open_files_limit().map_err(during("raise the limit of open files"))?;
    let socket = Arc::new(receive::open_socket().map_err(during("open the raw GRE socket"))?);
    let tunnels = Arc::new(Tunnels::new().map_err(during("create an epoll instance"))?);

    let (ended, mut end) = mpsc::channel(2);
    spawn_carrier("transmit", transmit::run, &tunnels, &socket, &ended)?;
    spawn_carrier("receive", receive::run, &tunnels, &socket, &ended)?;

    spawn_carrier(
        "waiting",
        |tunnels, _| tunnels.incoming.deliver(tunnels),
        &tunnels,
        &socket,
        &ended,
    )?;

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(during("start the control thread"))?;
    let result = runtime.block_on(async {
        let listener = listen(&args.socket).map_err(during("listen on the control socket"))?;
        tokio::select! {
            () = control::serve(listener, tunnels, args.linger) => Ok(()),
            carrier = end.recv() => {
                let (what, source) = carrier.unwrap_or(("carry packets", io::Error::other("a thread has panicked")));
                Err(ForwarderError::System { what, source })
            }
        }
    });
    // Before the lock goes, so that the socket of the next one is not what is deleted.
    let _ = std::fs::remove_file(&args.socket);
    result
}

type Carrier = fn(&Tunnels, &socket2::Socket) -> io::Result<std::convert::Infallible>;

fn spawn_carrier(
    name: &'static str,
    carrier: Carrier,
    tunnels: &Arc<Tunnels>,
    socket: &Arc<socket2::Socket>,
    ended: &mpsc::Sender<(&'static str, io::Error)>,
) -> Result<(), ForwarderError> {
    let (tunnels, socket, ended) = (
        Arc::clone(tunnels),
        Arc::clone(socket),
        EndNotice {
            name,
            sender: ended.clone(),
        },
    );
    let body = move || {
        let Err(error) = carrier(&tunnels, &socket);
        ended.tell(error);
    };
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map_err(during("start a thread"))?;
    Ok(())
}

/// Tells the control thread that a carrier has ended, be it by panic.
struct EndNotice {
    name: &'static str,
    sender: mpsc::Sender<(&'static str, io::Error)>,
}

impl EndNotice {
    fn tell(&self, error: io::Error) {
        let _ = self.sender.try_send((self.name, error));
    }
}

impl Drop for EndNotice {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tell(io::Error::other("the thread has panicked"));
        }
    }
}

/// The lock is held for as long as the file is open, and goes with the process.
fn lock(socket: &Path) -> Result<File, ForwarderError> {
    let mut path = socket.as_os_str().to_owned();
    path.push(".lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(during("open the lock file"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(ForwarderError::AlreadyRunning(socket.to_owned())),
        Err(std::fs::TryLockError::Error(source)) => Err(ForwarderError::System {
            what: "lock the lock file",
            source,
        }),
    }
}

/// The file of a forwarder that died is replaced: we hold the lock.
fn listen(socket: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(socket) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    UnixListener::bind(socket)
}

fn during(what: &'static str) -> impl FnOnce(io::Error) -> ForwarderError {
    move |source| ForwarderError::System { what, source }
}

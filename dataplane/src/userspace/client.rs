//! The daemon's side of the control socket: finds the forwarder, or starts one.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    process::{Child, Command},
    sync::Mutex,
    time::{Instant, sleep, timeout, timeout_at},
};
use warren_state::FaultClass;

use super::protocol::{LINE_MAX, Rejection, Request, Response, VERSION};

/// A forwarder that does not answer within this has hung.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A forwarder that was started must answer within this.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// How a forwarder is started and reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserspaceSettings {
    /// Where the forwarder listens. In a directory that only the daemon's user can write.
    pub socket: PathBuf,
    /// The program that is the forwarder, and all its arguments.
    pub program: PathBuf,
    /// The arguments.
    pub args: Vec<String>,
    /// Where its standard error goes; nowhere if not set.
    pub log: Option<PathBuf>,
}

impl UserspaceSettings {
    /// This very program, with `forwarder --socket PATH` for arguments.
    ///
    /// # Errors
    /// When the system does not tell where the program is.
    pub fn own_program(socket: impl Into<PathBuf>) -> io::Result<Self> {
        let socket = std::path::absolute(socket.into())?;
        let args = vec![
            "forwarder".to_owned(),
            "--socket".to_owned(),
            socket.to_string_lossy().into_owned(),
        ];
        Ok(Self {
            socket,
            program: std::env::current_exe()?,
            args,
            log: None,
        })
    }
}

/// A connection to the forwarder that is made when it is needed.
pub struct Client {
    settings: UserspaceSettings,
    connection: Mutex<Option<Connection>>,
}

/// Whether a forwarder is to be started when there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WithoutForwarder {
    /// Start a forwarder when there is none.
    Start,
    /// Then there are no tunnels, and nothing is to be done.
    Fine,
}

impl Client {
    /// Not connected yet.
    #[must_use]
    pub fn new(settings: UserspaceSettings) -> Self {
        Self {
            settings,
            connection: Mutex::new(None),
        }
    }

    /// Asks the forwarder; `None` when there is none and none was to be started.
    ///
    /// One request at a time. When the forwarder has died since the last request, the request goes to the next one: it
    /// has no tunnels, so nothing is done twice.
    ///
    /// # Errors
    /// The forwarder's refusal; `Transient` when it cannot be reached or started, or does not answer.
    pub async fn ask(
        &self,
        request: &Request,
        absent: WithoutForwarder,
    ) -> Result<Option<Response>, Rejection> {
        let mut kept = self.connection.lock().await;
        // Taken out while in use: a caller that gives up half-way leaves no connection with an answer under way.
        if let Some(mut connection) = kept.take() {
            match connection.exchange(request).await {
                Ok(response) => {
                    *kept = Some(connection);
                    return unpack(response).map(Some);
                }
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Err(transient("ask the forwarder", &error));
                }
                Err(error) => tracing::debug!(%error, "connection to the forwarder lost"),
            }
        }
        let mut connection = match (self.connect().await?, absent) {
            (Some(connection), _) => connection,
            (None, WithoutForwarder::Fine) => return Ok(None),
            (None, WithoutForwarder::Start) => self.start().await?,
        };
        let response = connection
            .exchange(request)
            .await
            .map_err(|error| transient("ask the forwarder", &error))?;
        *kept = Some(connection);
        unpack(response).map(Some)
    }

    /// `None` when nobody listens.
    async fn connect(&self) -> Result<Option<Connection>, Rejection> {
        let stream = match UnixStream::connect(&self.settings.socket).await {
            Ok(stream) => stream,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(transient("connect to the forwarder", &error)),
        };
        let mut connection = Connection::new(stream);
        match connection.exchange(&Request::Hello { version: VERSION }).await {
            Ok(Response::Hello {
                version: VERSION,
                pid,
                tunnels,
            }) => {
                tracing::debug!(pid, tunnels, "connected to the forwarder");
                Ok(Some(connection))
            }
            Ok(Response::Refused { class, detail }) => Err(Rejection { class, detail }),
            Ok(other) => Err(Rejection::new(
                FaultClass::Conflict,
                format!("not a known forwarder: {other:?}"),
            )),
            // It was about to end.
            Err(error) if error.kind() != io::ErrorKind::TimedOut => Ok(None),
            Err(error) => Err(transient("greet the forwarder", &error)),
        }
    }

    /// Starts a forwarder and waits until it answers.
    async fn start(&self) -> Result<Connection, Rejection> {
        let deadline = Instant::now() + START_TIMEOUT;
        let mut child = self.spawn()?;
        loop {
            if let Ok(Some(connection)) = timeout_at(deadline, self.connect()).await.unwrap_or(Ok(None)) {
                return Ok(connection);
            }
            if Instant::now() >= deadline {
                return Err(Rejection::new(
                    FaultClass::Transient,
                    format!("the forwarder does not answer: {}", self.how()),
                ));
            }
            match child.try_wait() {
                Ok(None) => sleep(Duration::from_millis(5)).await,
                Ok(Some(status)) => {
                    // Perhaps it was refused because another one was about to end.
                    sleep(Duration::from_millis(100)).await;
                    if self.connect().await?.is_none()
                        && Instant::now() + Duration::from_millis(100) >= deadline
                    {
                        return Err(Rejection::new(
                            FaultClass::Transient,
                            format!("the forwarder ended with {status}: {}", self.how()),
                        ));
                    }
                    child = self.spawn()?;
                }
                Err(error) => return Err(transient("wait for the forwarder", &error)),
            }
        }
    }

    /// The child becomes a session leader of its own by itself, and is not killed when it is dropped here.
    fn spawn(&self) -> Result<Child, Rejection> {
        let log = match &self.settings.log {
            Some(path) => open_log(path).map_err(|error| transient("open the forwarder's log", &error))?,
            None => Stdio::null(),
        };
        let mut command = Command::new(&self.settings.program);
        command
            .args(&self.settings.args)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(false);
        // These are between systemd and the daemon.
        for variable in [
            "NOTIFY_SOCKET",
            "WATCHDOG_PID",
            "WATCHDOG_USEC",
            "LISTEN_FDS",
            "LISTEN_PID",
            "LISTEN_FDNAMES",
        ] {
            command.env_remove(variable);
        }
        let child = command.spawn().map_err(|error| {
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
            ) {
                return Rejection::new(FaultClass::Permanent, format!("start {}: {error}", self.how()));
            }
            transient("start the forwarder", &error)
        })?;
        tracing::debug!(pid = child.id(), "forwarder started");
        Ok(child)
    }

    fn how(&self) -> String {
        format!(
            "{} {}",
            self.settings.program.display(),
            self.settings.args.join(" ")
        )
    }
}

struct Connection {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Connection {
    fn new(stream: UnixStream) -> Self {
        let (reader, writer) = stream.into_split();
        Self {
            reader: BufReader::new(reader),
            writer,
        }
    }

    async fn exchange(&mut self, request: &Request) -> io::Result<Response> {
        timeout(ANSWER_TIMEOUT, async {
            let mut line = serde_json::to_vec(request)?;
            line.push(b'\n');
            self.writer.write_all(&line).await?;
            line.clear();
            (&mut self.reader)
                .take(LINE_MAX)
                .read_until(b'\n', &mut line)
                .await?;
            if line.last() != Some(&b'\n') {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            serde_json::from_slice(&line).map_err(io::Error::from)
        })
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

fn open_log(path: &Path) -> io::Result<Stdio> {
    Ok(File::options().create(true).append(true).open(path)?.into())
}

fn unpack(response: Response) -> Result<Response, Rejection> {
    match response {
        Response::Refused { class, detail } => Err(Rejection { class, detail }),
        answer @ (Response::Hello { .. }
        | Response::Done
        | Response::Tunnels(_)
        | Response::Rates(_)
        | Response::Sent(_)
        | Response::Counters(_)) => Ok(answer),
    }
}

fn transient(what: &str, error: &io::Error) -> Rejection {
    Rejection::new(FaultClass::Transient, format!("{what}: {error}"))
}

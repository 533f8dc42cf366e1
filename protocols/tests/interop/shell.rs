//! The smallest shell around the machine: one blocking socket and the real clock.

use std::{
    collections::{BTreeSet, VecDeque},
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use ipnet::Ipv4Net;
use libtest_mimic::Failed;
use socket2::{Domain, Protocol, Socket, Type};
use warren_protocols::bgp::{ConnectionNumber, Input, Output, Session, SessionConfig};
use warren_state::{
    BgpSpec, Core, Monotonic, SessionDetail, SessionStatus, random::SplitMix64, standing::BgpStanding,
};

const PATIENCE: Duration = Duration::from_secs(60);

pub struct Shell {
    pub table: BTreeSet<Ipv4Net>,
    pub statuses: Vec<(SessionStatus, Option<SessionDetail>)>,
    pub synced: u32,
    session: Session,
    spec: BgpSpec,
    socket: Option<(ConnectionNumber, TcpStream)>,
    random: SplitMix64,
    started: Instant,
}

impl Shell {
    pub fn new(spec: BgpSpec) -> Self {
        Self {
            table: BTreeSet::new(),
            statuses: Vec::new(),
            synced: 0,
            session: Session::new(SessionConfig::new(spec.clone())),
            spec,
            socket: None,
            random: SplitMix64::new(u64::from(std::process::id())),
            started: Instant::now(),
        }
    }

    pub fn status(&self) -> SessionStatus {
        self.session.status()
    }

    pub fn detail(&self) -> Option<&str> {
        self.session.detail()
    }

    pub fn standing(&self) -> BgpStanding {
        self.session.standing()
    }

    /// Works until this is so; fails when it takes too long.
    pub fn run_until(&mut self, what: &str, mut so: impl FnMut(&Self) -> bool) -> Result<(), Failed> {
        let deadline = Instant::now() + PATIENCE;
        while !so(self) {
            if Instant::now() > deadline {
                return Err(Failed::from(format!(
                    "not within {PATIENCE:?}: {what}; {:?}; {:?}",
                    self.standing(),
                    self.statuses
                )));
            }
            self.read();
            if self
                .session
                .poll_timeout()
                .is_some_and(|due| due.at <= self.now())
            {
                self.input(Input::Timeout);
            }
        }
        Ok(())
    }

    pub fn input(&mut self, input: Input<'_>) {
        let now = self.now();
        let mut outputs = VecDeque::from(self.session.handle(now, input, &mut self.random));
        while let Some(output) = outputs.pop_front() {
            if let Some(answer) = self.carry_out(output) {
                let now = self.now();
                outputs.extend(self.session.handle(now, answer, &mut self.random));
            }
        }
    }

    fn carry_out(&mut self, output: Output) -> Option<Input<'static>> {
        match output {
            Output::Connect(number) => {
                return Some(match self.connect() {
                    Ok(stream) => {
                        self.socket = Some((number, stream));
                        Input::Connected(number)
                    }
                    Err(error) => Input::ConnectFailed(number, error.to_string().into()),
                });
            }
            Output::Send(bytes) => {
                if let Some((number, socket)) = &mut self.socket
                    && let Err(error) = socket.write_all(&bytes)
                {
                    return Some(Input::Disconnected(*number, error.to_string().into()));
                }
            }
            Output::Disconnect(_) => {
                if let Some((_, socket)) = self.socket.take() {
                    close_gently(socket);
                }
            }
            Output::Status(status, detail) => self.statuses.push((status, detail)),
            Output::Routes { announced, withdrawn } => {
                assert!(
                    withdrawn.iter().all(|prefix| self.table.remove(prefix)),
                    "withdrawn but never announced"
                );
                assert!(
                    announced.into_iter().all(|prefix| self.table.insert(prefix)),
                    "announced twice"
                );
            }
            Output::Synced => self.synced += 1,
            Output::Closed => {
                self.table.clear();
                self.synced = 0;
            }
            Output::Standing(_) | Output::Stopped => {}
        }
        None
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.bind(&SocketAddr::from((self.spec.local_address, 0)).into())?;
        socket.connect_timeout(
            &SocketAddr::from((self.spec.peer_address, 179)).into(),
            Duration::from_secs(1),
        )?;
        socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        Ok(socket.into())
    }

    fn read(&mut self) {
        let Some((number, socket)) = &mut self.socket else {
            std::thread::sleep(Duration::from_millis(20));
            return;
        };
        let number = *number;
        let mut buffer = [0; 16_384];
        match socket.read(&mut buffer) {
            Ok(0) => {
                self.socket = None;
                self.input(Input::Disconnected(number, "closed by the peer".into()));
            }
            Ok(count) => self.input(Input::Received(number, buffer[..count].into())),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) => {}
            Err(error) => {
                self.socket = None;
                self.input(Input::Disconnected(number, error.to_string().into()));
            }
        }
    }

    fn now(&self) -> Monotonic {
        Monotonic::from_elapsed(self.started.elapsed())
    }
}

/// Ends our direction and reads the rest: closing with bytes unread makes the kernel send a reset, at which the peer may
/// drop our last message.
fn close_gently(mut socket: TcpStream) {
    let _ = socket.shutdown(std::net::Shutdown::Write);
    let mut buffer = [0; 4_096];
    for _ in 0..20 {
        match socket.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
    }
}

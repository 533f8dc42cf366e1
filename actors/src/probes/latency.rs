//! The actor that measures the latency of devices: one ICMP socket for all of them around the protocol's machine.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::time::{Instant, timeout};
use warren_dataplane::Scope;
use warren_ledger::{AllDevices, Devices, Fetched, ReadError};
use warren_protocols::latency::{self as protocol, Output, Prober};
pub use warren_state::latency::LatencyStatus;
use warren_state::{
    backoff::{Backoff, Jitter, Waits},
    event::news,
    latency::PassReport,
    random::{Random, SplitMix64},
    table::Change,
};

pub use crate::settings::LatencyOptions;
use crate::{
    env::Env,
    probes::{
        latency_paths::Paths,
        latency_socket::{Message, Socket},
        latency_targets::targets,
    },
    shared_table::{Following, Wants},
    supervision::{
        background::{AbortOnDrop, cast_after},
        driver::Driver,
        spec::{Order, Spec, linked},
        wakeup::waker,
    },
};

pub(crate) const SPEC: Spec = Spec {
    enabled: |settings| settings.latency.is_some(),
    ..Spec::new("latency", Order::Source, |env, root| linked(Latency, env, root))
};

/// Messages taken in before others get their turn.
const AT_ONCE: usize = 256;
/// From a change to its publication, but for the end of a pass, which is published at once.
const PUBLISH: Duration = Duration::from_millis(200);
/// From one attempt to open the socket to the next.
const REOPEN: Duration = Duration::from_secs(30);
/// The dataplane is asked for its routes before each pass, and not waited for longer than this.
const OBSERVE: Duration = Duration::from_secs(1);
/// Waits after failed reads of the list.
const RETRIES: Waits = Waits {
    first: Duration::from_secs(1),
    longest: SOON,
    jitter: Jitter::around(10),
};
/// No list without targets is kept for longer than this, and no wait after a failure is longer.
const SOON: Duration = Duration::from_secs(30);

/// The actor.
pub(crate) struct Latency;

pub(crate) enum LatencyMessage {
    /// There is another view: the device in use may be another one.
    Woken,
    /// Read the list of devices.
    List,
    Listed(Result<Fetched<Devices>, ReadError>),
    Readable,
    Reopen,
    Publish,
    Alarm,
}

pub(crate) struct State {
    env: Arc<Env>,
    following: Following,
    options: LatencyOptions,
    driver: Driver<Prober>,
    random: SplitMix64,
    socket: Option<Arc<Socket>>,
    reader: Option<AbortOnDrop>,
    reading: Option<AbortOnDrop>,
    retries: Backoff,
    devices: Option<Arc<Devices>>,
    paths: Paths,
    /// What the machine does not know.
    status: LatencyStatus,
    /// As it was published last.
    told: Arc<LatencyStatus>,
    is_publishing: bool,
}

impl Actor for Latency {
    type Msg = LatencyMessage;
    type State = State;
    type Arguments = Arc<Env>;

    async fn pre_start(
        &self,
        myself: ActorRef<LatencyMessage>,
        env: Arc<Env>,
    ) -> Result<State, ActorProcessingErr> {
        let options = env.settings.latency.ok_or("latency probing is off")?;
        let watch = env.watchdog.watch(SPEC.name, myself.get_cell());
        let mut random = SplitMix64::new(env.settings.seed ^ env.epoch.0.rotate_left(17));
        let driver = Driver::new(
            Prober::new(options.settings),
            env.clock,
            random.next_u64(),
            env.recorder.machine(None),
            watch,
            waker(&myself, || LatencyMessage::Alarm),
        );
        let following = env.table.follow(
            Wants::Changes(|change| matches!(change, Change::View(_))),
            waker(&myself, || LatencyMessage::Woken),
        );
        myself.cast(LatencyMessage::Reopen)?;
        myself.cast(LatencyMessage::List)?;
        let told = env.tables().latency.unwrap_or_default();
        Ok(State {
            env,
            told,
            following,
            options,
            driver,
            random,
            socket: None,
            reader: None,
            reading: None,
            retries: Backoff::until_success(RETRIES),
            devices: None,
            paths: Paths::default(),
            status: LatencyStatus::default(),
            is_publishing: false,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<LatencyMessage>,
        message: LatencyMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            LatencyMessage::Woken => {
                state.following.answer();
                state.follow().await;
            }
            LatencyMessage::List => state.read_list(&myself),
            LatencyMessage::Listed(list) => state.listed(&myself, list).await,
            LatencyMessage::Readable => state.read(&myself).await,
            LatencyMessage::Reopen => {
                state.open(&myself);
                state.follow().await;
            }
            LatencyMessage::Publish => {
                state.publish();
                return Ok(());
            }
            LatencyMessage::Alarm => {
                let outputs = state.driver.alarm();
                state.carry_out(outputs).await;
            }
        }
        if !std::mem::replace(&mut state.is_publishing, true) {
            myself.send_after(PUBLISH, || LatencyMessage::Publish);
        }
        Ok(())
    }
}

impl State {
    fn read_list(&mut self, myself: &ActorRef<LatencyMessage>) {
        let (ledger, myself) = (self.env.ledger.clone(), myself.clone());
        let deadline = Instant::now() + self.env.settings.fetch_timeout;
        self.reading = Some(AbortOnDrop(tokio::spawn(async move {
            let list = ledger.get(AllDevices, deadline).await;
            let _gone = myself.cast(LatencyMessage::Listed(list));
        })));
    }

    async fn listed(&mut self, myself: &ActorRef<LatencyMessage>, list: Result<Fetched<Devices>, ReadError>) {
        let wait = match list {
            Ok(list) => {
                self.retries.forget();
                self.status.devices = list.value.len();
                self.status.devices_read_at = Some(self.env.clock.now() - list.age());
                self.status.devices_error = None;
                self.devices = Some(list.value);
                self.look_for_paths().await;
                let targets = self.follow().await;
                let interval = self.options.list_interval();
                if targets == 0 {
                    interval.min(SOON)
                } else {
                    interval
                }
            }
            // The last list holds: nothing is forgotten because a read failed.
            Err(error) => {
                self.status.devices_error = Some(error.to_string());
                self.retries.failed();
                self.retries.full_wait()
            }
        };
        let wait = RETRIES.jitter.of(wait, &mut self.random);
        myself.send_after(wait, || LatencyMessage::List);
    }

    /// Tells the machine the targets that follow from the list and the view; how many there are. Without a socket nothing
    /// is probed, and nobody is called unreachable.
    async fn follow(&mut self) -> usize {
        let (Some(devices), Some(_)) = (&self.devices, &self.socket) else {
            return 0;
        };
        let in_force = self.env.tables().view;
        let view = in_force.as_ref().map(|in_force| in_force.accepted.view.as_ref());
        let targets = targets(devices, view, &self.options);
        let count = targets.len();
        let outputs = self.driver.handle(protocol::Input::Targets(targets));
        self.carry_out(outputs).await;
        count
    }

    fn open(&mut self, myself: &ActorRef<LatencyMessage>) {
        match Socket::open(u16::try_from(self.random.next_u64() & 0xffff).unwrap_or(0)) {
            Ok(socket) => {
                // Nothing is under way yet, so no message can be an answer.
                let _nothing = self
                    .driver
                    .handle(protocol::Input::Identifier(socket.identifier()));
                self.status.socket = Some(socket.kind());
                self.status.socket_error = None;
                self.socket = Some(Arc::new(socket));
                self.listen(myself);
            }
            Err(error) => {
                self.close(myself, format!("no ICMP socket: {error}"));
            }
        }
    }

    fn close(&mut self, myself: &ActorRef<LatencyMessage>, reason: String) {
        (self.socket, self.reader) = (None, None);
        self.status.socket = None;
        self.status.socket_error = Some(reason);
        myself.send_after(REOPEN, || LatencyMessage::Reopen);
    }

    /// Rings when there is something to read.
    fn listen(&mut self, myself: &ActorRef<LatencyMessage>) {
        let Some(socket) = self.socket.clone() else { return };
        let readable = async move {
            let _asked_again_by_reading = socket.readable().await;
        };
        self.reader = Some(cast_after(myself, readable, LatencyMessage::Readable));
    }

    async fn read(&mut self, myself: &ActorRef<LatencyMessage>) {
        let Some(socket) = self.socket.clone() else { return };
        for _ in 0..AT_ONCE {
            match socket.receive() {
                Ok(Some(Message {
                    source,
                    waited,
                    bytes,
                })) => {
                    let at = self.env.clock.now() - waited;
                    let outputs = self.driver.handle(protocol::Input::Received {
                        source,
                        at,
                        bytes: (&bytes).into(),
                    });
                    self.carry_out(outputs).await;
                }
                Ok(None) => break,
                Err(error) => {
                    self.close(myself, format!("the ICMP socket failed: {error}"));
                    return;
                }
            }
        }
        self.listen(myself);
    }

    async fn carry_out(&mut self, outputs: Vec<Output>) {
        let mut outputs = std::collections::VecDeque::from(outputs);
        while let Some(output) = outputs.pop_front() {
            match output {
                Output::Send {
                    destination,
                    sequence,
                    message,
                } => {
                    if let Err(error) = self.send(destination, &message) {
                        tracing::debug!(%destination, %error, "cannot send an echo request");
                        outputs.extend(self.driver.handle(protocol::Input::NotSent { sequence }));
                    }
                }
                Output::PassBegins => self.look_for_paths().await,
                Output::Measured => {}
                Output::PassEnded => {
                    if let Some(PassReport {
                        number,
                        took,
                        targets,
                        reachable,
                        ..
                    }) = self.driver.core().last_pass()
                    {
                        tracing::debug!(number, ?took, targets, reachable, "latency measured");
                    }
                    self.publish();
                }
            }
        }
    }

    fn send(&self, destination: Ipv4Addr, message: &[u8]) -> std::io::Result<()> {
        let socket = self.socket.as_ref().ok_or(std::io::ErrorKind::NotConnected)?;
        socket.send(destination, self.paths.around_tunnels(destination), message)
    }

    /// A tunnel may have taught us a route to a device: that is not the way to measure. Looked for before each pass, and
    /// before new targets are probed.
    async fn look_for_paths(&mut self) {
        match timeout(OBSERVE, self.env.dataplane.observe(Scope::All)).await {
            Ok(Ok(observed)) => self.paths = Paths::of(&observed),
            Ok(Err(fault)) => tracing::debug!(%fault, "using the last pass's paths to devices"),
            Err(_late) => {
                tracing::debug!("the dataplane does not answer: using the last pass's paths to devices")
            }
        }
    }

    fn publish(&mut self) {
        self.is_publishing = false;
        let now = Arc::new(self.driver.core().status(self.status.clone()));
        let events = news::of_latency(&self.told, &now);
        self.told = now.clone();
        let change = Change::Latency(now);
        self.env
            .table
            .append_of(self.driver.number(), events, vec![change]);
    }
}

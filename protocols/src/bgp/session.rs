//! The session's machine.

use std::{mem, time::Duration};

use serde::{Deserialize, Serialize};
use warren_state::{
    Core, Deadline, Monotonic, SessionDetail, SessionStatus,
    random::Random,
    standing::{BgpCounters, BgpStanding, Notified, Paced},
};

use self::actions::send_keepalive;
use super::{
    backoff::{Attempts, Severity},
    codec::{Framer, MessageKind, Notification, Open},
    health::Health,
    interface::{ConnectionNumber, Input, Output, SessionConfig},
    state::{Event, State, Timer},
    table::{Refused, Table},
};

mod actions;
#[cfg(test)]
mod tests;

/// One BGP session.
///
/// ```text
///            Start                Connected              OPEN accepted              KEEPALIVE
///   idle ──────────▶ connecting ──────────▶ open_sent ────────────────▶ open_confirm ──────────▶ established
///    ▲                 ▲      │ failed,          │ refused, silent,            │                     │
///    │ Stop            │      ▼ too late         ▼ closed                      ▼                     ▼
///    └── anywhere    waiting ◀────────────────────────────────────────────────────────────────────────
///                  retry due (at once when the session was stable)
/// ```
///
/// Guarantees: it never panics, whatever the peer sends; between [`Output::Connect`]s there is exactly one end of the
/// connection before; routes are told only between established and [`Output::Closed`], and are within policy; an
/// input of an earlier connection changes nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    config: SessionConfig,
    state: State,
    connection: ConnectionNumber,
    framer: Framer,
    attempts: Attempts,
    health: Health,
    counters: BgpCounters,
    refused: Refused,
    last_sent: Option<Notified>,
    last_received: Option<Notified>,
    paced: Paced<BgpStanding>,
}

/// What a transition works with.
struct Context<'a> {
    now: Monotonic,
    random: &'a mut dyn Random,
    out: Vec<Output>,
}

/// Why a connection or an attempt ends.
struct Ending {
    why: SessionDetail,
    severity: Severity,
    /// What the peer is told.
    notify: Option<Notification>,
    /// Whether there is a connection, or an attempt at one, to be closed.
    close: bool,
}

/// Counters alone are told at most this often.
const COUNTED: Duration = Duration::from_secs(1);
/// More timers than this never fall due at once.
const MOST_TIMERS_AT_ONCE: usize = 16;

impl Session {
    /// A session that does nothing until [`Input::Start`].
    #[must_use]
    pub fn new(config: SessionConfig) -> Self {
        Self {
            state: State::Idle,
            connection: ConnectionNumber::default(),
            framer: Framer::default(),
            attempts: Attempts::new(&config.timers),
            health: Health::new(config.timers.report),
            counters: BgpCounters::default(),
            refused: Refused::new(),
            last_sent: None,
            last_received: None,
            paced: Paced::new(COUNTED),
            config,
        }
    }
}

impl Core for Session {
    const NAME: &'static str = "bgp";
    type Input<'a> = Input<'a>;
    type Effect = Output;
    const TIMEOUT: fn() -> Input<'static> = || Input::Timeout;

    fn handle(&mut self, now: Monotonic, input: Input<'_>, random: &mut dyn Random) -> Vec<Output> {
        let mut context = Context {
            now,
            random,
            out: Vec::new(),
        };
        match input {
            Input::Start => self.step(Event::Start, &mut context),
            Input::Connected(number) if self.is_current(number) => self.step(Event::Connected, &mut context),
            Input::ConnectFailed(number, why) | Input::Disconnected(number, why)
                if self.is_current(number) =>
            {
                self.step(Event::Lost(why), &mut context);
            }
            Input::Received(number, bytes) if self.is_current(number) => self.receive(&bytes, &mut context),
            Input::Connected(_)
            | Input::ConnectFailed(_, _)
            | Input::Disconnected(_, _)
            | Input::Received(_, _) => return Vec::new(),
            Input::Timeout => self.run_timers(&mut context),
            Input::Advertise(prefixes) => {
                let previous = mem::replace(&mut self.config.spec.advertise, prefixes);
                self.step(Event::Advertise { previous: &previous }, &mut context);
            }
            Input::Stop { cease } => self.step(Event::Stop { cease }, &mut context),
        }
        let mut out = context.out;
        if let Some(standing) = self.paced.look(now, self.standing()) {
            let end = out
                .iter()
                .position(|output| *output == Output::Stopped)
                .unwrap_or(out.len());
            out.insert(end, Output::Standing(standing));
        }
        out
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        let timer = self.next_timer().map(|(at, timer)| Deadline {
            at,
            name: timer.name(),
        });
        let standing = self.paced.poll_timeout().map(|at| Deadline {
            at,
            name: "bgp-standing",
        });
        timer.into_iter().chain(standing).min()
    }
}

impl Session {
    /// The status that users see.
    #[must_use]
    pub fn status(&self) -> SessionStatus {
        self.health.status()
    }

    /// Why it is that, for people.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.health.detail()
    }

    /// How the session stands.
    #[must_use]
    pub fn standing(&self) -> BgpStanding {
        BgpStanding {
            state: self.state.standing(),
            hold_time: self.state.peer().map(|peer| peer.hold),
            peer_router_id: self.state.peer().map(|peer| peer.router_id),
            prefixes: self.state.table().map_or(0, Table::len),
            last_sent: self.last_sent.clone(),
            last_received: self.last_received.clone(),
            counters: self.counters.clone(),
            refused: self.refused.clone(),
        }
    }

    fn is_current(&self, number: ConnectionNumber) -> bool {
        self.state.has_connection() && number == self.connection
    }

    /// Cuts the stream into messages and takes each. What follows the end of the connection is dropped.
    fn receive(&mut self, mut stream: &[u8], context: &mut Context<'_>) {
        let number = self.connection;
        while self.is_current(number) && !matches!(self.state, State::Connecting { .. }) {
            match self.framer.next(&mut stream) {
                Ok(Some(frame)) => self.take_message(frame.kind, &frame.body, context),
                Ok(None) => return,
                Err(notification) => return self.step(Event::Malformed(notification), context),
            }
        }
    }

    fn take_message(&mut self, kind: MessageKind, body: &[u8], context: &mut Context<'_>) {
        let event = match kind {
            MessageKind::Open => match Open::decode(body) {
                Ok(open) => Event::Open(open),
                Err(notification) => Event::Malformed(notification),
            },
            MessageKind::Update => {
                self.counters.updates_in += 1;
                Event::Update(body)
            }
            MessageKind::Notification => match Notification::decode(body) {
                Some(notification) => {
                    self.counters.notifications_in += 1;
                    self.last_received = Some(notification.told(context.now));
                    Event::Notification(notification)
                }
                None => Event::Lost("the peer's NOTIFICATION is too short".into()),
            },
            MessageKind::Keepalive => Event::Keepalive,
            MessageKind::RouteRefresh => Event::RouteRefresh,
        };
        self.step(event, context);
    }

    /// Every timer that is due, the earliest first.
    fn run_timers(&mut self, context: &mut Context<'_>) {
        for _ in 0..MOST_TIMERS_AT_ONCE {
            match self.next_timer() {
                Some((at, Timer::Report)) if at <= context.now => {
                    let connected = self.state.is_connected();
                    self.health.report(context.now, connected, &mut context.out);
                }
                Some((at, timer)) if at <= context.now => self.step(Event::Due(timer), context),
                Some(_) | None => return,
            }
        }
    }

    fn next_timer(&self) -> Option<(Monotonic, Timer)> {
        let report = self.health.report_at().map(|at| (at, Timer::Report));
        self.state.next_timer().into_iter().chain(report).min()
    }

    /// The transition table: every state with every event.
    fn step(&mut self, event: Event<'_>, cx: &mut Context<'_>) {
        use Event as E;
        use State as S;
        self.state = match (mem::replace(&mut self.state, S::Idle), event) {
            (S::Idle, E::Start) => {
                self.health.started(cx.now, &mut cx.out);
                self.connect(cx)
            }
            (S::Idle, E::Stop { .. }) => self.stopped(cx),
            (
                S::Idle,
                E::Connected | E::Lost(_) | E::Open(_) | E::Keepalive | E::Update(_) | E::RouteRefresh,
            ) => S::Idle,
            (S::Idle, E::Notification(_) | E::Malformed(_) | E::Advertise { .. } | E::Due(_)) => S::Idle,

            (S::Waiting { .. }, E::Due(Timer::Retry)) => self.connect(cx),
            (S::Waiting { .. }, E::Stop { .. }) => self.stopped(cx),
            (
                state @ S::Waiting { .. },
                E::Start | E::Connected | E::Lost(_) | E::Open(_) | E::Keepalive | E::Update(_),
            ) => state,
            (
                state @ S::Waiting { .. },
                E::RouteRefresh | E::Notification(_) | E::Malformed(_) | E::Advertise { .. },
            ) => state,
            (
                state @ S::Waiting { .. },
                E::Due(Timer::Attempt | Timer::Hold | Timer::Keepalive | Timer::Settle | Timer::Report),
            ) => state,

            (S::Connecting { .. }, E::Connected) => self.send_open(cx),
            (S::Connecting { .. }, E::Lost(why)) => self.end(S::Idle, Ending::lost(why), cx),
            (S::Connecting { .. }, E::Due(Timer::Attempt)) => self.end(S::Idle, Ending::no_connection(), cx),
            (S::Connecting { .. }, E::Stop { .. }) => self.close(cx),
            (
                state @ S::Connecting { .. },
                E::Start | E::Open(_) | E::Keepalive | E::Update(_) | E::RouteRefresh,
            ) => state,
            (state @ S::Connecting { .. }, E::Notification(_) | E::Malformed(_) | E::Advertise { .. }) => {
                state
            }
            (
                state @ S::Connecting { .. },
                E::Due(Timer::Retry | Timer::Hold | Timer::Keepalive | Timer::Settle | Timer::Report),
            ) => state,

            (S::OpenSent { .. }, E::Open(open)) => self.take_open(&open, cx),
            (S::OpenSent { .. }, E::Keepalive | E::Update(_) | E::RouteRefresh) => {
                self.end(S::Idle, Ending::ours(Notification::UNEXPECTED_IN_OPEN_SENT), cx)
            }
            (S::OpenSent { .. }, E::Due(Timer::Attempt)) => {
                self.end(S::Idle, Ending::ours(Notification::HOLD_TIMER_EXPIRED), cx)
            }
            (state @ S::OpenSent { .. }, E::Start | E::Connected | E::Advertise { .. }) => state,
            (
                state @ S::OpenSent { .. },
                E::Due(Timer::Retry | Timer::Hold | Timer::Keepalive | Timer::Settle | Timer::Report),
            ) => state,

            (S::OpenConfirm { peer, hold_timers }, E::Keepalive) => self.establish(peer, hold_timers, cx),
            (S::OpenConfirm { .. }, E::Open(_) | E::Update(_) | E::RouteRefresh) => self.end(
                S::Idle,
                Ending::ours(Notification::UNEXPECTED_IN_OPEN_CONFIRM),
                cx,
            ),
            (S::OpenConfirm { .. }, E::Due(Timer::Hold)) => {
                self.end(S::Idle, Ending::ours(Notification::HOLD_TIMER_EXPIRED), cx)
            }
            (
                S::OpenConfirm {
                    peer,
                    mut hold_timers,
                },
                E::Due(Timer::Keepalive),
            ) => {
                send_keepalive(&mut hold_timers, &peer, cx);
                S::OpenConfirm { peer, hold_timers }
            }
            (state @ S::OpenConfirm { .. }, E::Start | E::Connected | E::Advertise { .. }) => state,
            (
                state @ S::OpenConfirm { .. },
                E::Due(Timer::Retry | Timer::Attempt | Timer::Settle | Timer::Report),
            ) => state,

            (
                S::Established {
                    peer,
                    mut hold_timers,
                    table,
                },
                E::Keepalive,
            ) => {
                hold_timers.heard(cx.now, peer.hold);
                S::Established {
                    peer,
                    hold_timers,
                    table,
                }
            }
            (
                S::Established {
                    peer,
                    mut hold_timers,
                    table,
                },
                E::Update(body),
            ) => {
                hold_timers.heard(cx.now, peer.hold);
                self.take_update(body, peer, hold_timers, table, cx)
            }
            (
                S::Established {
                    peer,
                    mut hold_timers,
                    table,
                },
                E::Advertise { previous },
            ) => {
                self.send_difference(previous, &mut hold_timers, &peer, cx);
                S::Established {
                    peer,
                    hold_timers,
                    table,
                }
            }
            (
                S::Established {
                    peer,
                    hold_timers,
                    mut table,
                },
                E::Due(Timer::Settle),
            ) => {
                table.settle(&mut cx.out);
                S::Established {
                    peer,
                    hold_timers,
                    table,
                }
            }
            (
                S::Established {
                    peer,
                    mut hold_timers,
                    table,
                },
                E::Due(Timer::Keepalive),
            ) => {
                send_keepalive(&mut hold_timers, &peer, cx);
                S::Established {
                    peer,
                    hold_timers,
                    table,
                }
            }
            (state @ S::Established { .. }, E::Due(Timer::Hold)) => {
                self.end(state, Ending::ours(Notification::HOLD_TIMER_EXPIRED), cx)
            }
            (state @ S::Established { .. }, E::Open(_)) => {
                self.end(state, Ending::ours(Notification::UNEXPECTED_IN_ESTABLISHED), cx)
            }
            (state @ S::Established { .. }, E::Start | E::Connected | E::RouteRefresh) => state,
            (state @ S::Established { .. }, E::Due(Timer::Retry | Timer::Attempt | Timer::Report)) => state,

            (state @ (S::OpenSent { .. } | S::OpenConfirm { .. } | S::Established { .. }), E::Lost(why)) => {
                self.end(state, Ending::lost(why), cx)
            }
            (
                state @ (S::OpenSent { .. } | S::OpenConfirm { .. } | S::Established { .. }),
                E::Notification(notification),
            ) => self.end(state, Ending::theirs(&notification), cx),
            (
                state @ (S::OpenSent { .. } | S::OpenConfirm { .. } | S::Established { .. }),
                E::Malformed(notification),
            ) => self.end(state, Ending::ours(notification), cx),
            (
                state @ (S::OpenSent { .. } | S::OpenConfirm { .. } | S::Established { .. }),
                E::Stop { cease },
            ) => self.stop(state, cease, cx),
        };
    }
}

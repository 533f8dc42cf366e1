//! What transitions do: the messages that they send, and how a connection ends.

use std::{collections::BTreeSet, time::Duration};

use ipnet::Ipv4Net;
use warren_state::{SessionCause, SessionDetail};

use super::{Context, Ending, Session};
use crate::bgp::{
    backoff::{Attempts, Severity},
    codec::{Framer, Notification, Open, Update, keepalive, update},
    interface::Output,
    state::{HoldTimers, Peer, State, negotiate},
    table::Table,
};

impl Session {
    pub(super) fn connect(&mut self, cx: &mut Context<'_>) -> State {
        self.connection.0 += 1;
        self.framer = Framer::default();
        self.attempts.attempt();
        cx.out.push(Output::Connect(self.connection));
        State::Connecting {
            give_up_at: cx.now + self.config.timers.connect,
        }
    }

    pub(super) fn send_open(&mut self, cx: &mut Context<'_>) -> State {
        self.counters.connections += 1;
        self.health.connected();
        let spec = &self.config.spec;
        let hold = u16::try_from(self.config.timers.hold.as_secs()).unwrap_or(u16::MAX);
        let mut open = Open::new(spec.local_asn, hold, spec.local_address);
        if !self.config.timers.restart.is_zero() {
            open = open
                .with_restart_time(u16::try_from(self.config.timers.restart.as_secs()).unwrap_or(u16::MAX));
        }
        cx.send(open.encode());
        State::OpenSent {
            give_up_at: cx.now + self.config.timers.open,
        }
    }

    pub(super) fn take_open(&mut self, open: &Open, cx: &mut Context<'_>) -> State {
        match negotiate(open, &self.config) {
            Ok(peer) => {
                self.health.opened(&mut cx.out);
                let mut hold_timers = HoldTimers::default();
                hold_timers.heard(cx.now, peer.hold);
                send_keepalive(&mut hold_timers, &peer, cx);
                State::OpenConfirm { peer, hold_timers }
            }
            Err(notification) => self.end(State::Idle, Ending::ours(notification), cx),
        }
    }

    pub(super) fn establish(
        &mut self,
        peer: Peer,
        mut hold_timers: HoldTimers,
        cx: &mut Context<'_>,
    ) -> State {
        self.counters.established += 1;
        self.refused
            .values_mut()
            .for_each(|refused| refused.latest.clear());
        hold_timers.heard(cx.now, peer.hold);
        let all: Vec<Ipv4Net> = self.config.spec.advertise.iter().copied().collect();
        self.announce(&all, &peer, cx);
        self.counters.updates_out += 1;
        cx.send(update::encode_end_of_rib());
        hold_timers.spoke(cx.now, peer.hold, cx.random);
        self.health.up(&mut cx.out);
        State::Established {
            peer,
            hold_timers,
            table: Table::new(cx.now, &self.config.timers),
        }
    }

    pub(super) fn take_update(
        &mut self,
        body: &[u8],
        peer: Peer,
        hold_timers: HoldTimers,
        mut table: Table,
        cx: &mut Context<'_>,
    ) -> State {
        let taken = Update::decode(body, peer.four_octets).and_then(|update| {
            self.counters.attributes_discarded += u64::from(update.attributes_discarded);
            self.counters.updates_treated_as_withdraw += u64::from(update.malformed.is_some());
            table.take(&update, &self.config.spec, &mut self.refused, &mut cx.out)?;
            Ok(update.end_of_rib)
        });
        match taken {
            Ok(true) => table.settle(&mut cx.out),
            Ok(false) => table.postpone_settling(cx.now, &self.config.timers),
            Err(notification) => {
                return self.end(
                    State::Established {
                        peer,
                        hold_timers,
                        table,
                    },
                    Ending::ours(notification),
                    cx,
                );
            }
        }
        State::Established {
            peer,
            hold_timers,
            table,
        }
    }

    pub(super) fn send_difference(
        &mut self,
        previous: &BTreeSet<Ipv4Net>,
        hold_timers: &mut HoldTimers,
        peer: &Peer,
        cx: &mut Context<'_>,
    ) {
        let wanted = &self.config.spec.advertise;
        let gone: Vec<Ipv4Net> = previous.difference(wanted).copied().collect();
        let new: Vec<Ipv4Net> = wanted.difference(previous).copied().collect();
        if gone.is_empty() && new.is_empty() {
            return;
        }
        for message in update::encode_withdrawals(&gone) {
            self.counters.updates_out += 1;
            cx.send(message);
        }
        self.announce(&new, peer, cx);
        hold_timers.spoke(cx.now, peer.hold, cx.random);
    }

    fn announce(&mut self, prefixes: &[Ipv4Net], peer: &Peer, cx: &mut Context<'_>) {
        let spec = &self.config.spec;
        for message in
            update::encode_announcements(prefixes, spec.local_asn, spec.local_address, peer.four_octets)
        {
            self.counters.updates_out += 1;
            cx.send(message);
        }
    }

    fn notify(&mut self, notification: &Notification, cx: &mut Context<'_>) {
        self.counters.notifications_out += 1;
        self.last_sent = Some(notification.told(cx.now));
        cx.send(notification.encode());
    }

    /// The connection or the attempt at one is over; the next comes after the backoff.
    pub(super) fn end(&mut self, state: State, ending: Ending, cx: &mut Context<'_>) -> State {
        if let Some(notification) = ending.notify {
            self.notify(&notification, cx);
        }
        if ending.close {
            cx.out.push(Output::Disconnect(self.connection));
        }
        match state.table().map(Table::established_at) {
            Some(established_at) => {
                self.attempts.ended(established_at, cx.now);
                self.health.down(cx.now, ending.why, &mut cx.out);
                cx.out.push(Output::Closed);
            }
            None => self.health.failed_attempt(ending.why, &mut cx.out),
        }
        match self.attempts.wait(ending.severity, cx.random) {
            Duration::ZERO => self.connect(cx),
            wait => State::Waiting {
                retry_at: cx.now + wait,
            },
        }
    }

    pub(super) fn stop(&mut self, state: State, cease: bool, cx: &mut Context<'_>) -> State {
        if cease {
            self.notify(&Notification::ADMINISTRATIVE_SHUTDOWN, cx);
        }
        if state.table().is_some() {
            cx.out.push(Output::Disconnect(self.connection));
            self.health.down(cx.now, "stopped".into(), &mut cx.out);
            cx.out.push(Output::Closed);
            self.stopped(cx)
        } else {
            self.close(cx)
        }
    }

    pub(super) fn close(&mut self, cx: &mut Context<'_>) -> State {
        cx.out.push(Output::Disconnect(self.connection));
        self.stopped(cx)
    }

    pub(super) fn stopped(&mut self, cx: &mut Context<'_>) -> State {
        self.health.stopped();
        self.attempts = Attempts::new(&self.config.timers);
        cx.out.push(Output::Stopped);
        State::Idle
    }
}

pub(super) fn send_keepalive(hold_timers: &mut HoldTimers, peer: &Peer, cx: &mut Context<'_>) {
    cx.send(keepalive());
    hold_timers.spoke(cx.now, peer.hold, cx.random);
}

impl Context<'_> {
    pub(super) fn send(&mut self, message: Vec<u8>) {
        self.out.push(Output::Send(message));
    }
}

impl Ending {
    pub(super) fn lost(why: SessionDetail) -> Self {
        Self {
            why,
            severity: Severity::Passing,
            notify: None,
            close: false,
        }
    }

    pub(super) fn no_connection() -> Self {
        let why = SessionDetail::new(SessionCause::Silence, "the peer does not answer");
        Self {
            why,
            severity: Severity::Passing,
            notify: None,
            close: true,
        }
    }

    pub(super) fn ours(notification: Notification) -> Self {
        let cause = if notification == Notification::BAD_PEER_AS {
            SessionCause::OtherAsn
        } else {
            SessionCause::NotificationSent
        };
        Self {
            why: SessionDetail::new(cause, format!("sent NOTIFICATION: {notification}")),
            severity: Severity::of(&notification),
            notify: Some(notification),
            close: true,
        }
    }

    pub(super) fn theirs(notification: &Notification) -> Self {
        let refused = (notification.code, notification.subcode)
            == (Notification::BAD_PEER_AS.code, Notification::BAD_PEER_AS.subcode);
        let cause = if refused {
            SessionCause::OurAsnRefused
        } else {
            SessionCause::NotificationReceived
        };
        let why = SessionDetail::new(cause, format!("received NOTIFICATION: {notification}"));
        Self {
            why,
            severity: Severity::of(notification),
            notify: None,
            close: true,
        }
    }
}

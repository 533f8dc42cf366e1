//! One session with one peer.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use warren_state::{
    Incarnation, LinkName, LivenessMode, Monotonic,
    backoff::{Jitter, Waits},
    lifecycle::Usability,
    random::Random,
};

use super::{DownReason, Drop, LivenessSettings, Packet, Release, SessionReport, SessionState};

/// One session with one peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LivenessSession {
    pub(super) link: LinkName,
    pub(super) source: Ipv4Addr,
    pub(super) peer: Ipv4Addr,
    pub(super) mode: LivenessMode,
    /// The tunnel's incarnation that verdicts are for.
    pub(super) incarnation: Incarnation,
    pub(super) routes: BTreeSet<Ipv4Net>,
    pub(super) state: SessionState,
    pub(super) reason: DownReason,
    since: Monotonic,
    discriminator: u32,
    /// As last heard; gone once nothing was heard for a detection time.
    peer_discriminator: u32,
    heard: Option<Heard>,
    /// When the peer was heard first since the session was down.
    first_heard: Option<Monotonic>,
    /// Doublings of the interval while nothing is heard.
    backoff: u32,
    next_tx: Monotonic,
    last_tx: Option<Monotonic>,
    detect_at: Option<Monotonic>,
    /// Until then the first verdict waits for the handshake.
    undecided_until: Option<Monotonic>,
    pub(super) verdict: Option<Usability>,
}

/// What the peer last said of itself.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Heard {
    at: Monotonic,
    passive: bool,
    release: Release,
    tx: Duration,
    rx: Duration,
    detect_mult: u8,
}

impl LivenessSession {
    /// The first packet leaves at a random time within the first interval, so that many sessions do not start at once.
    pub(super) fn new(
        link: LinkName,
        source: Ipv4Addr,
        peer: Ipv4Addr,
        (mode, incarnation): (LivenessMode, Incarnation),
        now: Monotonic,
        settings: &LivenessSettings,
        random: &mut dyn Random,
    ) -> Self {
        let discriminator = (random.next_u64() as u32).max(1);
        let first = settings
            .tx_min
            .clamp(settings.floor, settings.ceiling)
            .mul_f64(random.fraction());
        Self {
            link,
            source,
            peer,
            mode,
            incarnation,
            routes: BTreeSet::new(),
            state: SessionState::Down,
            reason: DownReason::None,
            since: now,
            discriminator,
            peer_discriminator: 0,
            heard: None,
            first_heard: None,
            backoff: 0,
            next_tx: now + first,
            last_tx: None,
            detect_at: None,
            undecided_until: Some(
                now + first
                    + settings.rx_min.clamp(settings.floor, settings.ceiling)
                        * u32::from(settings.detect_mult),
            ),
            verdict: None,
        }
    }

    /// The next thing that is due.
    pub(super) fn deadline(&self) -> Monotonic {
        let others = [self.detect_at, self.undecided_until];
        others.into_iter().flatten().fold(self.next_tx, Monotonic::min)
    }

    /// Takes a packet in. The change of state is returned.
    pub(super) fn receive(
        &mut self,
        packet: &Packet,
        now: Monotonic,
        settings: &LivenessSettings,
    ) -> Result<Option<(SessionState, SessionState)>, Drop> {
        self.check(packet)?;
        let Packet {
            passive,
            release,
            detect_mult,
            ..
        } = *packet;
        let heard = Heard {
            at: now,
            passive,
            release,
            tx: packet.desired_min_tx,
            rx: packet.required_min_rx,
            detect_mult,
        };
        self.heard = Some(heard);
        self.first_heard = self.first_heard.or(Some(now));
        self.peer_discriminator = packet.my_discriminator;
        if self.backoff > 0 {
            self.backoff = 0;
            self.next_tx = self.next_tx.min(now + self.interval(settings));
        }
        let (next, reason) = self.next_state(packet);
        if next != SessionState::Down {
            self.detect_at = Some(now + self.detection_time(settings));
        }
        Ok(self.enter(next, reason, now, settings))
    }

    /// A packet that names no session of ours may start one. It may not change one that is up: a host that was started
    /// anew is let in once the detection time has passed.
    fn check(&self, packet: &Packet) -> Result<(), Drop> {
        let names_us = packet.your_discriminator == self.discriminator;
        let starts = packet.your_discriminator == 0
            && matches!(packet.state, SessionState::Down | SessionState::AdminDown);
        if names_us || starts && self.state != SessionState::Up {
            Ok(())
        } else {
            Err(Drop::WrongDiscriminator)
        }
    }

    /// RFC 5880 section 6.8.6. Beyond it, a peer that is up and names our session is answered with Init at once: that
    /// saves the round over Down, and peers of this network expect it.
    fn next_state(&self, packet: &Packet) -> (SessionState, DownReason) {
        use SessionState::{AdminDown, Down, Init, Up};
        match (self.state, packet.state) {
            (Down | Init | Up, AdminDown) => (Down, DownReason::RemoteAdmin),
            (Down, Down) => (Init, DownReason::None),
            (Down, Init) => (Up, DownReason::None),
            (Down, Up) => (Init, DownReason::None),
            (Init, Down) => (Init, DownReason::None),
            (Init | Up, Init | Up) => (Up, DownReason::None),
            (Up, Down) => (Down, DownReason::RemoteDown),
            (AdminDown, AdminDown | Down | Init | Up) => (AdminDown, self.reason),
        }
    }

    fn enter(
        &mut self,
        next: SessionState,
        reason: DownReason,
        now: Monotonic,
        settings: &LivenessSettings,
    ) -> Option<(SessionState, SessionState)> {
        let from = self.state;
        if from == next {
            return None;
        }
        (self.state, self.since, self.backoff) = (next, now, 0);
        self.reason = reason;
        if next == SessionState::Down {
            self.detect_at = None;
            self.first_heard = None;
        }
        // The peer hears of it at once, and no more often than the shortest interval.
        let soonest = self.last_tx.map_or(now, |at| (at + settings.floor).max(now));
        self.next_tx = self.next_tx.min(soonest);
        Some((from, next))
    }

    /// What has become of the session by now: the detection time may have passed.
    pub(super) fn pass_time(
        &mut self,
        now: Monotonic,
        settings: &LivenessSettings,
    ) -> Option<(SessionState, SessionState)> {
        if self.undecided_until.is_some_and(|at| now >= at) {
            self.undecided_until = None;
        }
        if self.detect_at.is_none_or(|at| now < at) {
            return None;
        }
        self.peer_discriminator = 0;
        self.enter(SessionState::Down, DownReason::Timeout, now, settings)
    }

    /// The packet to send, when it is time.
    pub(super) fn transmit(
        &mut self,
        now: Monotonic,
        settings: &LivenessSettings,
        random: &mut dyn Random,
    ) -> Option<Packet> {
        if now < self.next_tx {
            return None;
        }
        self.last_tx = Some(now);
        // Up to a tenth earlier, never later: hosts that started together drift apart.
        self.next_tx = now + Jitter::up_to(10).of(self.interval(settings), random);
        if self.state == SessionState::Down {
            self.backoff = self.backoff.saturating_add(1);
        }
        Some(Packet {
            state: self.state,
            detect_mult: settings.detect_mult.max(1),
            my_discriminator: self.discriminator,
            your_discriminator: self.peer_discriminator,
            desired_min_tx: settings.tx_min,
            required_min_rx: settings.rx_min,
            passive: self.mode == LivenessMode::Passive,
            release: settings.release,
        })
    }

    /// From one packet of ours to the next.
    fn interval(&self, settings: &LivenessSettings) -> Duration {
        let agreed = settings
            .tx_min
            .max(self.heard.map_or(Duration::ZERO, |heard| heard.rx))
            .clamp(settings.floor, settings.ceiling);
        match self.state {
            SessionState::Down => {
                let slower = Waits {
                    first: agreed,
                    longest: settings.backoff_max.max(agreed),
                    jitter: Jitter::NONE,
                };
                slower.full(self.backoff.saturating_add(1))
            }
            SessionState::AdminDown | SessionState::Init | SessionState::Up => agreed,
        }
    }

    /// The peer's multiplier times the agreed interval of its packets (RFC 5880 section 6.8.4).
    fn detection_time(&self, settings: &LivenessSettings) -> Duration {
        let Some(heard) = self.heard else {
            return settings.ceiling;
        };
        heard
            .tx
            .max(settings.rx_min)
            .clamp(settings.floor, settings.ceiling)
            * u32::from(heard.detect_mult)
    }

    /// Whether the routes may be there; none while that is not known yet. See rfc 0008.
    pub(super) fn judge(&self, now: Monotonic, settings: &LivenessSettings) -> Option<Usability> {
        if self.mode == LivenessMode::Passive || self.state == SessionState::Up {
            return Some(Usability::Usable);
        }
        match self.heard {
            Some(heard) if heard.passive => Some(Usability::Usable),
            Some(heard) if now.since(heard.at) >= settings.forget_after => Some(Usability::Usable),
            Some(_) if self.undecided_until.is_some() => None,
            Some(_) => Some(Usability::Unusable),
            None if self.undecided_until.is_some() => None,
            None => Some(Usability::Usable),
        }
    }

    /// When the peer was heard last.
    pub(super) fn heard_at(&self) -> Option<Monotonic> {
        self.heard.map(|heard| heard.at)
    }

    /// When the peer was heard first since the session was down.
    pub(super) fn first_heard(&self) -> Option<Monotonic> {
        self.first_heard
    }

    pub(super) fn report(&self, settings: &LivenessSettings) -> SessionReport {
        let mode = |heard: &Heard| {
            if heard.passive {
                LivenessMode::Passive
            } else {
                LivenessMode::Active
            }
        };
        SessionReport {
            link: self.link.clone(),
            source: self.source,
            peer: self.peer,
            routes: self.routes.iter().copied().collect(),
            mode: self.mode,
            state: self.state,
            reason: self.reason,
            since: self.since,
            peer_mode: self.heard.as_ref().map(mode),
            peer_release: self.heard.map(|heard| heard.release),
            verdict: self.verdict,
            detection_time: self.detection_time(settings),
        }
    }
}

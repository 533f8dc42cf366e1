//! A session under test, with the peer's side of the conversation.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use ipnet::Ipv4Net;
use warren_state::{Asn, BgpSpec, Core, ImportPolicy, Monotonic, SessionStatus, random::SplitMix64};

use super::{
    ConnectionNumber, Input, Output, Session, SessionConfig,
    codec::{Framer, MessageKind, Notification, Open, keepalive, update},
};

pub(crate) const LOCAL: Ipv4Addr = Ipv4Addr::new(169, 254, 0, 1);
pub(crate) const PEER: Ipv4Addr = Ipv4Addr::new(169, 254, 0, 0);
pub(crate) const PEER_ASN: Asn = Asn(65_001);

pub(crate) fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

pub(crate) fn spec() -> BgpSpec {
    BgpSpec {
        local_address: LOCAL,
        peer_address: PEER,
        local_asn: Asn(65_000),
        peer_asn: PEER_ASN,
        advertise: BTreeSet::from([net("10.1.2.3/32")]),
        install: None,
        policy: ImportPolicy {
            max_prefixes: 20_000,
            protected: BTreeSet::from([Ipv4Addr::new(198, 51, 100, 7)]),
        },
    }
}

/// The prefixes `10.0.0.0/24`, `10.0.1.0/24`, …
pub(crate) fn many(count: u32) -> Vec<Ipv4Net> {
    (0..count)
        .map(|n| Ipv4Net::new(Ipv4Addr::from(0x0a00_0000 + n * 256), 24).unwrap())
        .collect()
}

#[derive(Clone)]
pub(crate) struct Rig {
    pub(crate) session: Session,
    pub(crate) now: Monotonic,
    pub(crate) random: SplitMix64,
}

impl Rig {
    pub(crate) fn new(spec: BgpSpec) -> Self {
        Self {
            session: Session::new(SessionConfig::new(spec)),
            now: Monotonic::ZERO + Duration::from_secs(1_000),
            random: SplitMix64::new(7),
        }
    }

    pub(crate) fn started() -> Self {
        let mut rig = Self::new(spec());
        rig.input(Input::Start);
        rig
    }

    pub(crate) fn open_sent() -> Self {
        let mut rig = Self::started();
        rig.connected();
        rig
    }

    pub(crate) fn open_confirm() -> Self {
        let mut rig = Self::open_sent();
        rig.receive(&peer_open(90).encode());
        rig
    }

    pub(crate) fn established() -> Self {
        let mut rig = Self::open_confirm();
        rig.receive(&keepalive());
        assert_eq!(rig.session.status(), SessionStatus::Up);
        rig
    }

    pub(crate) fn input(&mut self, input: Input<'_>) -> Vec<Output> {
        let mut outputs = self.session.handle(self.now, input, &mut self.random);
        outputs.retain(|output| !matches!(output, Output::Standing(_)));
        outputs
    }

    /// The number of the connection in use: each `Connect` counts one up.
    pub(crate) fn number(&self) -> ConnectionNumber {
        self.session.connection()
    }

    pub(crate) fn connected(&mut self) -> Vec<Output> {
        self.input(Input::Connected(self.number()))
    }

    pub(crate) fn lost(&mut self) -> Vec<Output> {
        self.input(Input::Disconnected(
            self.number(),
            "connection reset by peer".into(),
        ))
    }

    pub(crate) fn refused(&mut self) -> Vec<Output> {
        self.input(Input::ConnectFailed(self.number(), "connection refused".into()))
    }

    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Vec<Output> {
        self.input(Input::Received(self.number(), bytes.into()))
    }

    pub(crate) fn receive_all(&mut self, messages: &[Vec<u8>]) -> Vec<Output> {
        self.receive(&messages.concat())
    }

    pub(crate) fn announce(&mut self, prefixes: &[Ipv4Net]) -> Vec<Output> {
        self.receive_all(&update::encode_announcements(prefixes, PEER_ASN, PEER, true))
    }

    /// Goes to the next deadline and runs it; gives its name.
    pub(crate) fn next_deadline(&mut self) -> (&'static str, Vec<Output>) {
        loop {
            let deadline = self.session.poll_timeout().unwrap();
            self.now = self.now.max(deadline.at);
            let outputs = self.input(Input::Timeout);
            if deadline.name != "bgp-standing" {
                return (deadline.name, outputs);
            }
        }
    }

    /// Runs every deadline for this long; connections asked for are refused when `refuse`.
    pub(crate) fn run_for(&mut self, span: Duration, refuse: bool) -> Vec<Output> {
        let end = self.now + span;
        let mut all = Vec::new();
        while let Some(deadline) = self.session.poll_timeout().filter(|deadline| deadline.at <= end) {
            self.now = self.now.max(deadline.at);
            let mut outputs = self.input(Input::Timeout);
            while refuse && outputs.iter().any(|output| matches!(output, Output::Connect(_))) {
                all.append(&mut outputs);
                outputs = self.refused();
            }
            all.append(&mut outputs);
        }
        self.now = end;
        all
    }
}

pub(crate) fn peer_open(hold: u16) -> Open {
    Open::new(PEER_ASN, hold, Ipv4Addr::new(10, 0, 0, 2))
}

pub(crate) fn statuses(outputs: &[Output]) -> Vec<SessionStatus> {
    let status = |output: &Output| {
        if let Output::Status(status, _) = output {
            Some(*status)
        } else {
            None
        }
    };
    outputs.iter().filter_map(status).collect()
}

/// The messages sent, by kind and body.
pub(crate) fn sent(outputs: &[Output]) -> Vec<(MessageKind, Vec<u8>)> {
    let bytes = |output: &Output| {
        if let Output::Send(bytes) = output {
            Some(bytes.clone())
        } else {
            None
        }
    };
    let stream: Vec<u8> = outputs.iter().filter_map(bytes).flatten().collect();
    let (mut stream, mut framer) = (stream.as_slice(), Framer::default());
    std::iter::from_fn(|| framer.next(&mut stream).unwrap())
        .map(|frame| (frame.kind, frame.body))
        .collect()
}

pub(crate) fn notifications(outputs: &[Output]) -> Vec<(u8, u8)> {
    sent(outputs)
        .into_iter()
        .filter(|(kind, _)| *kind == MessageKind::Notification)
        .map(|(_, body)| Notification::decode(&body).unwrap())
        .map(|notification| (notification.code, notification.subcode))
        .collect()
}

/// Folds routes as the shell would; fails when they are not exactly the difference.
pub(crate) fn fold_routes(table: &mut BTreeSet<Ipv4Net>, outputs: &[Output]) {
    for output in outputs {
        if let Output::Routes { announced, withdrawn } = output {
            assert!(!announced.is_empty() || !withdrawn.is_empty());
            for prefix in withdrawn {
                assert!(table.remove(prefix), "{prefix} was never announced");
            }
            for prefix in announced {
                assert!(table.insert(*prefix), "{prefix} was announced already");
            }
        }
        if *output == Output::Closed {
            table.clear();
        }
    }
}

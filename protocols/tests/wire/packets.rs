//! What the daemon's machines put on the wire, as whole IPv4 packets: the golden bytes of `fixtures/wire`.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use warren_protocols::liveness::{self, Liveness, LivenessSettings, Packet, Release, SessionState};
use warren_protocols::multicast::{
    Datagram, DatagramKind, Input, Multicast, MulticastSettings, Output,
    codec::{HEARTBEAT_PORT, Ipv4Packet, PIM_PROTOCOL, UDP_PROTOCOL, UdpDatagram},
};
use warren_state::{
    Core, Incarnation, LinkName, LivenessMode, Monotonic, MulticastSpec, lifecycle::WatchedRoute,
    random::SplitMix64,
};

/// A packet, and what tshark is to make of it.
pub struct Sample {
    /// Unique; says what it is.
    pub name: &'static str,
    /// The whole IPv4 packet.
    pub bytes: Vec<u8>,
    /// Fields by tshark's names, with their values; of a field that occurs more than once, all, with commas. (tshark names
    /// each group twice.)
    pub fields: Vec<(&'static str, String)>,
}

const LOCAL: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
const UPSTREAM: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 0);
const SOURCE: Ipv4Addr = Ipv4Addr::new(148, 51, 122, 203);
const ROOT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 0);
const FIRST: Ipv4Addr = Ipv4Addr::new(233, 84, 178, 5);
const SECOND: Ipv4Addr = Ipv4Addr::new(233, 84, 178, 6);

/// All of them, always the same: each machine's in a function of its own.
pub fn samples() -> Vec<Sample> {
    multicast().into_iter().chain(liveness()).collect()
}

const OURS: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 1);
const PEERS: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 2);

/// A session that finds its peer: what we send while nothing is heard, once the peer is heard, and once it hears us.
fn liveness() -> Vec<Sample> {
    let settings = LivenessSettings {
        release: Release {
            numbers: [0, 1, 0],
            channel: 4,
        },
        ..LivenessSettings::default()
    };
    let (mut machine, mut random, link) = (
        Liveness::new(settings),
        SplitMix64::new(1),
        LinkName::new("doublezero0").unwrap(),
    );
    let route = WatchedRoute {
        dst: PEERS.into(),
        link: link.clone(),
        source: OURS,
        mode: LivenessMode::Active,
        incarnation: Incarnation(1),
    };
    let mut sent = Vec::new();
    let mut give = |at, input: liveness::Input<'_>| {
        for output in machine.handle(Monotonic::ZERO + Duration::from_secs(at), input, &mut random) {
            if let liveness::Output::Send { bytes, .. } = output {
                sent.push(bytes);
            }
        }
        sent.clone()
    };
    give(
        0,
        liveness::Input::Watch {
            added: vec![route],
            removed: vec![],
        },
    );
    let mut ours = 0;
    for (at, state) in [(1, SessionState::Down), (3, SessionState::Init)] {
        let all = give(at, liveness::Input::Timeout);
        ours = all
            .last()
            .map_or(ours, |bytes| Packet::decode(bytes).unwrap().my_discriminator);
        let peers = Packet {
            state,
            detect_mult: 3,
            my_discriminator: 0x0102_0304,
            your_discriminator: if state == SessionState::Down { 0 } else { ours },
            desired_min_tx: Duration::from_secs(1),
            required_min_rx: Duration::from_secs(1),
            passive: true,
            release: Release::default(),
        };
        give(
            at,
            liveness::Input::Received {
                link: std::borrow::Cow::Borrowed(&link),
                source: PEERS,
                destination: OURS,
                bytes: peers.encode().to_vec().into(),
            },
        );
        give(at + 1, liveness::Input::Timeout);
    }
    let all = give(9, liveness::Input::Timeout);
    let of = |state| {
        all.iter()
            .find(|bytes| Packet::decode(bytes).unwrap().state == state)
            .unwrap()
            .clone()
    };
    let named = [
        ("liveness_down", SessionState::Down),
        ("liveness_init", SessionState::Init),
        ("liveness_up", SessionState::Up),
    ];
    named
        .into_iter()
        .map(|(name, state)| liveness_sample(name, of(state)))
        .collect()
}

fn liveness_sample(name: &'static str, payload: Vec<u8>) -> Sample {
    let hex = payload.iter().map(|byte| format!("{byte:02x}")).collect();
    let udp = UdpDatagram {
        source_port: liveness::PORT,
        destination_port: liveness::PORT,
        payload,
    };
    let (source, destination) = (OURS, PEERS);
    let bytes = Ipv4Packet {
        source,
        destination,
        ttl: 64,
        protocol: UDP_PROTOCOL,
        payload: udp.encode(source, destination),
    }
    .encode();
    let fields = vec![
        ("ip.src", source.to_string()),
        ("ip.dst", destination.to_string()),
        ("udp.srcport", "44880".to_owned()),
        ("udp.dstport", "44880".to_owned()),
        ("udp.length", "48".to_owned()),
        ("data.data", hex),
    ];
    Sample { name, bytes, fields }
}

/// One life of a tunnel's multicast services: two groups are subscribed, one is left, one is published, the tunnel stops.
fn multicast() -> Vec<Sample> {
    let (mut machine, mut random) = (Multicast::new(MulticastSettings::default()), SplitMix64::new(1));
    let now = Monotonic::ZERO;
    let mut run = |now, input| datagrams(machine.handle(now, input, &mut random));
    let started = run(now, run_input([], [FIRST, SECOND], false));
    let changed = run(now, run_input([], [SECOND], false));
    let announced = run(now, run_input([FIRST], [SECOND], true));
    let mut later = run(now + Duration::from_secs(60), Input::Timeout);
    later.retain(|datagram| datagram.kind == DatagramKind::Register);
    let stopped = run(now + Duration::from_secs(61), Input::Stop);

    let names = [
        "pim_hello",
        "pim_join",
        "pim_prune",
        "heartbeat",
        "pim_register",
        "pim_prune_all",
        "pim_goodbye",
    ];
    let all: Vec<Datagram> = [started, changed, announced, later, stopped].concat();
    assert_eq!(all.len(), names.len(), "{all:?}");
    names
        .into_iter()
        .zip(&all)
        .map(|(name, datagram)| Sample {
            name,
            bytes: packet(datagram),
            fields: fields(name),
        })
        .collect()
}

fn run_input<const P: usize, const S: usize>(
    publish: [Ipv4Addr; P],
    subscribe: [Ipv4Addr; S],
    announce: bool,
) -> Input {
    let spec = MulticastSpec {
        publish: BTreeSet::from(publish),
        subscribe: BTreeSet::from(subscribe),
        local_address: LOCAL,
        upstream: UPSTREAM,
        source: Some(SOURCE),
        rendezvous_point: ROOT,
    };
    Input::Run {
        spec: Box::new(spec),
        announce,
    }
}

fn datagrams(outputs: Vec<Output>) -> Vec<Datagram> {
    let datagram = |output| match output {
        Output::Send(datagram) => Some(datagram),
        Output::Standing(_) | Output::Stopped => None,
    };
    outputs.into_iter().filter_map(datagram).collect()
}

/// As the kernel sends it; a heartbeat's port is any.
fn packet(datagram: &Datagram) -> Vec<u8> {
    let (source, destination) = (datagram.source, datagram.destination);
    let (protocol, payload) = match datagram.kind {
        DatagramKind::Pim | DatagramKind::Register => (PIM_PROTOCOL, datagram.payload.clone()),
        DatagramKind::Heartbeat => {
            let udp = UdpDatagram {
                source_port: 40_000,
                destination_port: HEARTBEAT_PORT,
                payload: datagram.payload.clone(),
            };
            (UDP_PROTOCOL, udp.encode(source, destination))
        }
    };
    Ipv4Packet {
        source,
        destination,
        ttl: datagram.ttl,
        protocol,
        payload,
    }
    .encode()
}

fn fields(name: &str) -> Vec<(&'static str, String)> {
    let ip = |source: &str, destination: &str, ttl: &str| {
        vec![
            ("ip.src", source.to_owned()),
            ("ip.dst", destination.to_owned()),
            ("ip.ttl", ttl.to_owned()),
        ]
    };
    let with = |mut fields: Vec<(&'static str, String)>, more: &[(&'static str, &str)]| {
        fields.extend(more.iter().map(|(field, value)| (*field, (*value).to_owned())));
        fields
    };
    let to_routers = || ip("169.254.1.1", "224.0.0.13", "1");
    let hello = |hold| {
        with(
            to_routers(),
            &[
                ("pim.type", "0"),
                ("pim.optiontype", "1,20,19"),
                ("pim.holdtime", hold),
                ("pim.dr_priority", "1"),
            ],
        )
    };
    let join_prune = |more: &[(&'static str, &str)]| {
        let fields = with(
            to_routers(),
            &[("pim.type", "3"), ("pim.upstream_neighbor", "169.254.1.0")],
        );
        with(fields, more)
    };
    match name {
        "pim_hello" => hello("105"),
        "pim_goodbye" => hello("0"),
        "pim_join" => join_prune(&[
            ("pim.holdtime", "120"),
            ("pim.numgroups", "2"),
            ("pim.group", "233.84.178.5,233.84.178.5,233.84.178.6,233.84.178.6"),
            ("pim.numjoins", "1,1"),
            ("pim.numprunes", "0,0"),
            ("pim.source", "10.0.0.0,10.0.0.0"),
            ("pim.source_addr.flags", "0x07,0x07"),
        ]),
        "pim_prune" => join_prune(&[
            ("pim.holdtime", "5"),
            ("pim.group", "233.84.178.5,233.84.178.5"),
            ("pim.numjoins", "0"),
            ("pim.numprunes", "1"),
            ("pim.source", "10.0.0.0"),
        ]),
        "pim_prune_all" => join_prune(&[
            ("pim.holdtime", "5"),
            ("pim.group", "233.84.178.6,233.84.178.6"),
            ("pim.numprunes", "1"),
        ]),
        "heartbeat" => with(
            ip("148.51.122.203", "233.84.178.5", "32"),
            &[("udp.dstport", "5765"), ("data.data", "445a0001")],
        ),
        "pim_register" => with(
            ip("169.254.1.1,148.51.122.203", "10.0.0.0,233.84.178.5", "32,32"),
            &[
                ("pim.type", "1"),
                ("udp.srcport", "5765"),
                ("udp.dstport", "5765"),
                ("data.data", "445a0001"),
            ],
        ),
        other => panic!("{other} has no fields"),
    }
}

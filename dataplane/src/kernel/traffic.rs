//! Traffic control as rtnetlink writes it (linux/pkt_sched.h, linux/pkt_cls.h, linux/tc_act/tc_mirred.h).

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "the kernel's attributes are an open set"
)]

use netlink_packet_core::{
    DefaultNla, Emitable, NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL, NLM_F_REPLACE, NetlinkMessage, NlasIterator,
};
use netlink_packet_route::{
    RouteNetlinkMessage,
    tc::{TcAttribute, TcHandle, TcMessage, TcOption},
};

use super::{requests::Request, session};

/// The handle of our queues and the number of our filters: "wa" in ASCII.
pub const MAJOR: u16 = 0x7761;
pub const PRIORITY: u16 = MAJOR;
/// The handle of the bucket that is not alone, and the number of the filter that goes before the other one.
const BESIDE_SESSION: u16 = MAJOR + 1;
pub const SESSION_PRIORITY: u16 = PRIORITY - 1;
/// linux/if_ether.h `ETH_P_IP`, in network byte order.
const IPV4: u16 = 0x0800_u16.to_be();
/// The bands of a link's queue: the session's, and everything else's.
const SESSION: u16 = 1;
const REST: u16 = 2;

/// The handle of the queue of what comes in.
pub const INGRESS: u16 = 0xffff;
const TCA_OPTIONS: u16 = 2;
const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_RATE64: u16 = 4;
const TCA_TBF_BURST: u16 = 6;
const TCA_U32_SEL: u16 = 5;
const TCA_U32_ACT: u16 = 7;
const TCA_ACT_KIND: u16 = 1;
const TCA_ACT_OPTIONS: u16 = 2;
const TCA_MIRRED_PARMS: u16 = 2;
const TC_U32_TERMINAL: u8 = 1;
const TC_ACT_STOLEN: u32 = 4;
const TCA_EGRESS_REDIR: u32 = 1;
const TC_LINKLAYER_ETHERNET: u8 = 1;
/// linux/if_ether.h `ETH_P_ALL`, in network byte order.
const EVERY_PROTOCOL: u16 = 3_u16.to_be();
/// A bucket that no packet fits: everything is dropped, and counted by the kernel.
const NOTHING: (u64, u32) = (1, 1);

/// A queue on a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Queue {
    pub kind: String,
    pub major: u16,
    /// Octets a second, of a token bucket; 0 blocks.
    pub rate: Option<u64>,
}

impl Queue {
    pub fn decode(message: &RouteNetlinkMessage) -> Option<Self> {
        let RouteNetlinkMessage::NewQueueDiscipline(message) = message else {
            return None;
        };
        let (mut kind, mut rate) = (String::new(), None);
        for attribute in &message.attributes {
            match attribute {
                TcAttribute::Kind(name) => kind.clone_from(name),
                TcAttribute::Options(options) => rate = options.iter().find_map(bucket_rate),
                _ => {}
            }
        }
        let rate = rate.filter(|_| kind == "tbf");
        Some(Self {
            kind,
            major: message.header.handle.major,
            rate,
        })
    }

    /// Whether it carries our mark.
    pub fn is_ours(&self) -> bool {
        self.major == MAJOR && (self.kind == "tbf" || self.has_bands())
    }

    /// Whether the session has a band of its own in it; an earlier release put the bucket alone.
    pub fn has_bands(&self) -> bool {
        self.kind == "prio"
    }

    /// Whether it is our bucket of everything but the session.
    pub fn is_our_bucket(&self) -> bool {
        self.major == BESIDE_SESSION && self.kind == "tbf"
    }

    /// Whether nobody chose it.
    pub fn is_the_kernels(&self) -> bool {
        self.major == 0
    }
}

fn bucket_rate(option: &TcOption) -> Option<u64> {
    use netlink_packet_core::Nla;
    let TcOption::Other(options) = option else {
        return None;
    };
    let mut value = vec![0; options.value_len()];
    options.emit_value(&mut value);
    let of_kind = |kind: u16| {
        NlasIterator::new(&value)
            .map_while(Result::ok)
            .find(|attribute| attribute.kind() == kind)
            .map(|attribute| attribute.value().to_vec())
    };
    let large = of_kind(TCA_TBF_RATE64).and_then(|bytes| Some(u64::from_ne_bytes(bytes.try_into().ok()?)));
    let parms = of_kind(TCA_TBF_PARMS)?;
    let small = u32::from_ne_bytes(parms.get(8..12)?.try_into().ok()?);
    let rate = large.unwrap_or(u64::from(small));
    Some(if rate == NOTHING.0 { 0 } else { rate })
}

/// The number of a filter on this queue of this link.
pub fn filter_priority(message: &RouteNetlinkMessage, index: u32, queue: u16) -> Option<u16> {
    let RouteNetlinkMessage::NewTrafficFilter(message) = message else {
        return None;
    };
    let on_it = u32::try_from(message.header.index) == Ok(index) && message.header.parent.major == queue;
    on_it.then_some((message.header.info >> 16) as u16)
}

fn message(index: u32, handle: (u16, u16), parent: TcHandle) -> TcMessage {
    let mut message = TcMessage::default();
    message.header.index = i32::try_from(index).unwrap_or(i32::MAX);
    message.header.handle = TcHandle {
        major: handle.0,
        minor: handle.1,
    };
    message.header.parent = parent;
    message
}

fn request(message: RouteNetlinkMessage, flags: u16) -> Request {
    let mut request = NetlinkMessage::from(message);
    request.header.flags = flags;
    request
}

/// The queue of what goes out. Without the flag an older kernel tells those who listen, and not who asks (net/sched/sch_api.c
/// `qdisc_notify`).
pub fn root_queue(index: u32) -> Request {
    request(
        RouteNetlinkMessage::GetQueueDiscipline(message(index, (0, 0), TcHandle::ROOT)),
        NLM_F_ECHO,
    )
}

/// The queue of everything that goes out but the session's packets, where there is one.
pub fn queue_beside_session(index: u32) -> Request {
    request(
        RouteNetlinkMessage::GetQueueDiscipline(message(index, (0, 0), band(REST))),
        NLM_F_ECHO,
    )
}

/// The queue of what comes in, where there is one.
pub fn incoming_queue(index: u32) -> Request {
    request(
        RouteNetlinkMessage::GetQueueDiscipline(message(index, (0, 0), TcHandle::INGRESS)),
        NLM_F_ECHO,
    )
}

/// Makes our queue on what goes out over a link: the session's packets go first, everything else is in the other band.
pub fn put_bands(index: u32) -> Request {
    // linux/pkt_sched.h `struct tc_prio_qopt`: how many, and the band of each priority, from 0.
    let mut bands = i32::from(REST).to_ne_bytes().to_vec();
    bands.extend([(REST - 1) as u8; 16]);
    let mut message = message(index, (MAJOR, 0), TcHandle::ROOT);
    message.attributes = vec![
        TcAttribute::Kind("prio".to_owned()),
        TcAttribute::Other(DefaultNla::new(TCA_OPTIONS, bands)),
    ];
    request(
        RouteNetlinkMessage::NewQueueDiscipline(message),
        NLM_F_CREATE | NLM_F_REPLACE,
    )
}

/// Makes or changes our bucket on what goes out but the session's packets.
pub fn put_bucket_beside_session(index: u32, rate: u64, mtu: u32) -> Request {
    bucket(message(index, (BESIDE_SESSION, 0), band(REST)), rate, mtu)
}

/// Makes or changes our bucket on all that goes out.
pub fn put_bucket(index: u32, rate: u64, mtu: u32) -> Request {
    bucket(message(index, (MAJOR, 0), TcHandle::ROOT), rate, mtu)
}

/// What it holds for bursts is small: a change fills it, and no more than that is given away.
fn bucket(mut message: TcMessage, rate: u64, mtu: u32) -> Request {
    let (rate, burst) = if rate <= NOTHING.0 {
        NOTHING
    } else {
        let packets = u64::from(mtu.max(1500)) * 2;
        let burst = (rate / 50).clamp(packets, 4 << 20);
        (rate, u32::try_from(burst).unwrap_or(u32::MAX))
    };
    // A twentieth of a second's worth, and at a slow rate up to a quarter: what came in together is one packet until here.
    let waiting = (rate / 20)
        .max((rate / 4).min(64 << 10))
        .clamp(16 << 10, 16 << 20);
    let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
    let mut parms = Vec::with_capacity(36);
    parms.extend([0, TC_LINKLAYER_ETHERNET, 0, 0, 0, 0, 0, 0]);
    parms.extend(u32::try_from(rate).unwrap_or(u32::MAX).to_ne_bytes());
    parms.extend([0; 12]);
    parms.extend(burst.saturating_add(waiting).to_ne_bytes());
    parms.extend([0; 8]);
    let mut options = vec![DefaultNla::new(TCA_TBF_PARMS, parms)];
    if rate > u64::from(u32::MAX) {
        options.push(DefaultNla::new(TCA_TBF_RATE64, rate.to_ne_bytes().to_vec()));
    }
    options.push(DefaultNla::new(TCA_TBF_BURST, burst.to_ne_bytes().to_vec()));
    message.attributes = with_options("tbf", &options);
    request(
        RouteNetlinkMessage::NewQueueDiscipline(message),
        NLM_F_CREATE | NLM_F_REPLACE,
    )
}

pub fn delete_root_queue(index: u32) -> Request {
    request(
        RouteNetlinkMessage::DelQueueDiscipline(message(index, (MAJOR, 0), TcHandle::ROOT)),
        0,
    )
}

pub fn add_incoming_queue(index: u32) -> Request {
    let mut message = message(index, (INGRESS, 0), TcHandle::INGRESS);
    message.attributes = vec![TcAttribute::Kind("ingress".to_owned())];
    request(
        RouteNetlinkMessage::NewQueueDiscipline(message),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

pub fn delete_incoming_queue(index: u32) -> Request {
    request(
        RouteNetlinkMessage::DelQueueDiscipline(message(index, (INGRESS, 0), TcHandle::INGRESS)),
        0,
    )
}

/// The filters on a queue of a link.
pub fn filters(index: u32, queue: u16) -> Request {
    let parent = TcHandle {
        major: queue,
        minor: 0,
    };
    request(
        RouteNetlinkMessage::GetTrafficFilter(message(index, (0, 0), parent)),
        0,
    )
}

/// Leads the session's packets that go out into their band.
pub fn lead_session_first(index: u32) -> Request {
    let parent = TcHandle {
        major: MAJOR,
        minor: 0,
    };
    let class = u32::from(MAJOR) << 16 | u32::from(SESSION);
    session_filter(message(index, (0, 0), parent), PRIORITY, Some(class))
}

/// Lets the session's packets that come in by, before all others are led elsewhere.
pub fn let_session_by(index: u32) -> Request {
    session_filter(message(index, (0, 0), incoming()), SESSION_PRIORITY, None)
}

fn session_filter(mut message: TcMessage, priority: u16, class: Option<u32>) -> Request {
    message.header.info = u32::from(priority) << 16 | u32::from(IPV4);
    message.attributes = with_options(session::KIND, &session::options(class));
    request(
        RouteNetlinkMessage::NewTrafficFilter(message),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

fn band(minor: u16) -> TcHandle {
    TcHandle { major: MAJOR, minor }
}

/// Leads all that comes in over a link through a device.
pub fn lead_incoming_to(index: u32, device: u32) -> Request {
    // One key without a bit in its mask.
    let mut selector = vec![0; 32];
    (selector[0], selector[2]) = (TC_U32_TERMINAL, 1);
    let mut parms = vec![0; 28];
    parms[8..12].copy_from_slice(&TC_ACT_STOLEN.to_ne_bytes());
    parms[20..24].copy_from_slice(&TCA_EGRESS_REDIR.to_ne_bytes());
    parms[24..28].copy_from_slice(&device.to_ne_bytes());
    let action = [
        DefaultNla::new(TCA_ACT_KIND, b"mirred\0".to_vec()),
        DefaultNla::new(
            TCA_ACT_OPTIONS,
            bytes(&[DefaultNla::new(TCA_MIRRED_PARMS, parms)]),
        ),
    ];
    let options = [
        DefaultNla::new(TCA_U32_SEL, selector),
        DefaultNla::new(TCA_U32_ACT, bytes(&[DefaultNla::new(1, bytes(&action))])),
    ];
    let mut message = message(index, (0, 0), incoming());
    message.header.info = u32::from(PRIORITY) << 16 | u32::from(EVERY_PROTOCOL);
    message.attributes = with_options("u32", &options);
    request(
        RouteNetlinkMessage::NewTrafficFilter(message),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

fn incoming() -> TcHandle {
    TcHandle {
        major: INGRESS,
        minor: 0,
    }
}

fn with_options(kind: &str, options: &[DefaultNla]) -> Vec<TcAttribute> {
    vec![
        TcAttribute::Kind(kind.to_owned()),
        TcAttribute::Other(DefaultNla::new(TCA_OPTIONS, bytes(options))),
    ]
}

fn bytes(attributes: &[DefaultNla]) -> Vec<u8> {
    let mut bytes = vec![0; attributes.buffer_len()];
    attributes.emit(&mut bytes);
    bytes
}

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

use super::requests::Request;

/// The handle of our queues and the number of our filters: "wa" in ASCII.
pub const MAJOR: u16 = 0x7761;
pub const PRIORITY: u16 = MAJOR;

const INGRESS: u16 = 0xffff;
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
        self.major == MAJOR && self.kind == "tbf"
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

/// The number of a filter on what comes in over this link.
pub fn filter_priority(message: &RouteNetlinkMessage, index: u32) -> Option<u16> {
    let RouteNetlinkMessage::NewTrafficFilter(message) = message else {
        return None;
    };
    let on_it = u32::try_from(message.header.index) == Ok(index) && message.header.parent.major == INGRESS;
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

/// The queue of what comes in, where there is one.
pub fn incoming_queue(index: u32) -> Request {
    request(
        RouteNetlinkMessage::GetQueueDiscipline(message(index, (0, 0), TcHandle::INGRESS)),
        NLM_F_ECHO,
    )
}

/// Makes or changes our bucket on what goes out. What it holds for bursts is small: a change fills it, and no more than that is
/// given away.
pub fn put_bucket(index: u32, rate: u64, mtu: u32) -> Request {
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
    let mut message = message(index, (MAJOR, 0), TcHandle::ROOT);
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

pub fn incoming_filters(index: u32) -> Request {
    request(
        RouteNetlinkMessage::GetTrafficFilter(message(index, (0, 0), incoming())),
        0,
    )
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

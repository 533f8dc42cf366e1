//! Joins the TCP segments of one flow that arrived together, so that the host's stack handles one large segment in place
//! of dozens (what drivers do as generic receive offload). Pure: packets in, frames for TUN devices out.
//!
//! Only what can be cut again into exactly the packets that came is joined: consecutive data of one flow with the same
//! headers, checksums verified. Packets of one flow leave in the order in which they came.

use std::io::IoSlice;

use super::{
    inet::{self, Ipv4, PartialChecksum},
    offload::{self, HEADER_LEN, HEADERS_MAX, TcpLayout},
};

const ACK: u8 = 0x10;
const PSH: u8 = 0x08;

/// The packets of one batch, in the order in which they are to be written.
pub struct Coalescer<'a, T> {
    items: Vec<Item<'a, T>>,
}

struct Item<'a, T> {
    tunnel: T,
    packet: &'a [u8],
    state: State<'a>,
}

enum State<'a> {
    /// Goes out as it came.
    Whole { verified: bool },
    /// Goes out as it came, for the kernel to finish its checksum at (start, offset).
    Unfinished { checksum: (usize, usize) },
    /// The kernel has joined it before we got it, and has not finished its checksum.
    Joined {
        layout: TcpLayout,
        segment: Option<usize>,
    },
    /// The first of a run that may grow.
    Run(Run<'a>),
}

struct Run<'a> {
    layout: TcpLayout,
    /// The payloads after the first packet's.
    more: Vec<&'a [u8]>,
    payload_len: usize,
    next_sequence: u32,
    next_id: u16,
    /// Whether the last packet asked to be delivered at once.
    push: bool,
    open: bool,
}

impl<'a, T: Copy + PartialEq> Coalescer<'a, T> {
    /// Room for this many packets.
    #[must_use]
    pub fn with_capacity(packets: usize) -> Self {
        Self {
            items: Vec::with_capacity(packets),
        }
    }

    /// Takes the next packet for a tunnel whose link has this MTU.
    pub fn push(&mut self, tunnel: T, mtu: u16, packet: &'a [u8]) {
        let Some(layout) = TcpLayout::of(packet) else {
            return self.push_alone(tunnel, packet);
        };
        let packet = &packet[..layout.total];
        if layout.headers == layout.total {
            self.close_flow(tunnel, packet, layout);
            return self.push_alone(tunnel, packet);
        }
        match verify(packet, layout) {
            Checksum::Valid => self.append(tunnel, packet, layout),
            Checksum::Unfinished => {
                self.close_flow(tunnel, packet, layout);
                let segment = (layout.total > usize::from(mtu))
                    .then(|| usize::from(mtu).saturating_sub(layout.headers).max(1));
                self.items.push(Item {
                    tunnel,
                    packet,
                    state: State::Joined { layout, segment },
                });
            }
            Checksum::Wrong => {
                self.close_flow(tunnel, packet, layout);
                self.items.push(Item {
                    tunnel,
                    packet,
                    state: State::Whole { verified: false },
                });
            }
        }
    }

    /// Hands out every frame, in order: the tunnel, the parts to write, how many packets and how many bytes they carry.
    pub fn emit(&self, mut write: impl FnMut(T, &[IoSlice<'_>], u64, u64)) {
        for item in &self.items {
            match &item.state {
                State::Whole { verified } => {
                    let header = if *verified {
                        &offload::VERIFIED
                    } else {
                        &offload::PLAIN
                    };
                    write(
                        item.tunnel,
                        &[IoSlice::new(header), IoSlice::new(item.packet)],
                        1,
                        item.packet.len() as u64,
                    );
                }
                State::Unfinished {
                    checksum: (start, offset),
                } => {
                    let header = offload::unfinished(*start, *offset);
                    write(
                        item.tunnel,
                        &[IoSlice::new(&header), IoSlice::new(item.packet)],
                        1,
                        item.packet.len() as u64,
                    );
                }
                State::Joined { layout, segment } => {
                    let header = offload::unfinished_tcp4(layout.ip, layout.headers, *segment);
                    let payload = layout.total - layout.headers;
                    let packets = segment.map_or(1, |segment| payload.div_ceil(segment)) as u64;
                    let bytes = payload as u64 + packets * layout.headers as u64;
                    write(
                        item.tunnel,
                        &[IoSlice::new(&header), IoSlice::new(item.packet)],
                        packets,
                        bytes,
                    );
                }
                State::Run(run) if run.more.is_empty() => {
                    write(
                        item.tunnel,
                        &[IoSlice::new(&offload::VERIFIED), IoSlice::new(item.packet)],
                        1,
                        item.packet.len() as u64,
                    );
                }
                State::Run(run) => emit_run(item.tunnel, item.packet, run, &mut write),
            }
        }
    }

    /// It goes out as it came, after the kernel has done what it left undone of it.
    fn push_alone(&mut self, tunnel: T, packet: &'a [u8]) {
        let state = left_unfinished(packet).map_or(State::Whole { verified: false }, |checksum| {
            State::Unfinished { checksum }
        });
        self.items.push(Item {
            tunnel,
            packet,
            state,
        });
    }

    fn append(&mut self, tunnel: T, packet: &'a [u8], layout: TcpLayout) {
        let flags = packet[layout.ip + 13];
        let joinable = layout.ip == inet::IPV4_MIN && flags & !PSH == ACK;
        if let Some(item) = self.open_run(tunnel, packet, layout)
            && let State::Run(run) = &mut item.state
        {
            if joinable && run.takes(item.packet, packet, layout) {
                return run.extend(packet, layout);
            }
            run.open = false;
        }
        let state = if joinable {
            State::Run(Run::start(packet, layout))
        } else {
            State::Whole { verified: true }
        };
        self.items.push(Item {
            tunnel,
            packet,
            state,
        });
    }

    fn close_flow(&mut self, tunnel: T, packet: &[u8], layout: TcpLayout) {
        if let Some(Item {
            state: State::Run(run),
            ..
        }) = self.open_run(tunnel, packet, layout)
        {
            run.open = false;
        }
    }

    /// The latest run of the packet's flow, while it is open.
    fn open_run(&mut self, tunnel: T, packet: &[u8], layout: TcpLayout) -> Option<&mut Item<'a, T>> {
        let addresses = &packet[12..20];
        let ports = &packet[layout.ip..layout.ip + 4];
        self.items.iter_mut().rev().find(|item| match &item.state {
            State::Run(run) => {
                run.open
                    && item.tunnel == tunnel
                    && item.packet[run.layout.ip..run.layout.ip + 4] == *ports
                    && item.packet[12..20] == *addresses
            }
            State::Whole { .. } | State::Unfinished { .. } | State::Joined { .. } => false,
        })
    }
}

impl<'a> Run<'a> {
    fn start(packet: &[u8], layout: TcpLayout) -> Self {
        let payload_len = layout.total - layout.headers;
        let push = packet[layout.ip + 13] & PSH != 0;
        Self {
            layout,
            more: Vec::new(),
            payload_len,
            next_sequence: inet::be32(packet, layout.ip + 4)
                .unwrap_or(0)
                .wrapping_add(payload_len as u32),
            next_id: inet::be16(packet, 4).unwrap_or(0).wrapping_add(1),
            push,
            open: !push,
        }
    }

    fn takes(&self, first: &[u8], packet: &[u8], layout: TcpLayout) -> bool {
        const DONT_FRAGMENT: u8 = 0x40;
        let ip = layout.ip;
        let segment = self.layout.total - self.layout.headers;
        layout.ip == self.layout.ip
            && layout.headers == self.layout.headers
            && layout.total - layout.headers <= segment
            && self.layout.headers + self.payload_len + layout.total - layout.headers <= usize::from(u16::MAX)
            && inet::be32(packet, ip + 4) == Some(self.next_sequence)
            // Version, header length and TOS; fragment flags, TTL and protocol.
            && packet[..2] == first[..2]
            && packet[6..10] == first[6..10]
            && (packet[6] & DONT_FRAGMENT != 0 || inet::be16(packet, 4) == Some(self.next_id))
            // Acknowledgement, header length; window; urgent pointer and options.
            && packet[ip + 8..ip + 13] == first[ip + 8..ip + 13]
            && packet[ip + 14..ip + 16] == first[ip + 14..ip + 16]
            && packet[ip + 18..layout.headers] == first[ip + 18..layout.headers]
    }

    fn extend(&mut self, packet: &'a [u8], layout: TcpLayout) {
        let payload = &packet[layout.headers..layout.total];
        if self.more.is_empty() {
            self.more.reserve(48);
        }
        self.more.push(payload);
        self.payload_len += payload.len();
        self.next_sequence = self.next_sequence.wrapping_add(payload.len() as u32);
        self.next_id = self.next_id.wrapping_add(1);
        self.push = packet[layout.ip + 13] & PSH != 0;
        let is_short = payload.len() < self.layout.total - self.layout.headers;
        self.open = !self.push && !is_short;
    }
}

fn emit_run<T>(tunnel: T, first: &[u8], run: &Run<'_>, write: &mut impl FnMut(T, &[IoSlice<'_>], u64, u64)) {
    let TcpLayout { ip, headers, total } = run.layout;
    let mut joined = [0; HEADER_LEN + HEADERS_MAX];
    joined[..HEADER_LEN].copy_from_slice(&offload::unfinished_tcp4(ip, headers, Some(total - headers)));
    let filled = &mut joined[HEADER_LEN..][..headers];
    filled.copy_from_slice(&first[..headers]);
    let joined_total = (headers + run.payload_len) as u16;
    filled[2..4].copy_from_slice(&joined_total.to_be_bytes());
    inet::seal_ipv4(&mut filled[..ip]);
    if run.push {
        filled[ip + 13] |= PSH;
    }
    let pseudo = filled
        .first_chunk()
        .map_or_else(PartialChecksum::default, |fixed| {
            PartialChecksum::pseudo(fixed, inet::TCP, joined_total - ip as u16)
        });
    filled[ip + inet::TCP_CHECKSUM..][..2].copy_from_slice(&pseudo.fold());

    let mut parts = Vec::with_capacity(run.more.len() + 2);
    parts.push(IoSlice::new(&joined[..HEADER_LEN + headers]));
    parts.push(IoSlice::new(&first[headers..total]));
    parts.extend(run.more.iter().map(|payload| IoSlice::new(payload)));
    let packets = run.more.len() as u64 + 1;
    write(
        tunnel,
        &parts,
        packets,
        run.payload_len as u64 + packets * headers as u64,
    );
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Checksum {
    Valid,
    /// The field holds the sum of the pseudo header. So it is in packets that the kernel's own receive offload has joined
    /// (net/ipv4/tcp_offload.c, `tcp4_gro_complete`) before the raw socket got them, and in packets from a kernel tunnel
    /// on the same machine, which never were on a wire.
    Unfinished,
    Wrong,
}

fn verify(packet: &[u8], layout: TcpLayout) -> Checksum {
    let Some(fixed) = packet.first_chunk() else {
        return Checksum::Wrong;
    };
    let pseudo = PartialChecksum::pseudo(fixed, inet::TCP, (layout.total - layout.ip) as u16);
    if pseudo.add(&packet[layout.ip..]).fold() == [0xff, 0xff] {
        Checksum::Valid
    } else if packet[layout.ip + inet::TCP_CHECKSUM..][..2] == pseudo.fold() {
        Checksum::Unfinished
    } else {
        Checksum::Wrong
    }
}

/// Where the checksum of a whole TCP or UDP packet is (start, offset), if the field holds the sum of the pseudo header only.
fn left_unfinished(packet: &[u8]) -> Option<(usize, usize)> {
    let ip = Ipv4::parse(packet).filter(|ip| !ip.is_fragment)?;
    let offset = match ip.protocol {
        inet::TCP => inet::TCP_CHECKSUM,
        inet::UDP => inet::UDP_CHECKSUM,
        _ => return None,
    };
    let covered = packet.get(ip.header_len..ip.total_len)?;
    let pseudo = PartialChecksum::pseudo(packet.first_chunk()?, ip.protocol, covered.len() as u16);
    // The field is compared first: it takes the whole packet to be sure, but hardly any needs that.
    let is_unfinished =
        *covered.get(offset..offset + 2)? == pseudo.fold() && pseudo.add(covered).fold() != [0xff, 0xff];
    is_unfinished.then_some((ip.header_len, offset))
}

#[cfg(test)]
mod tests;

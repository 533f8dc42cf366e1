//! The filter that knows the packets of a tunnel's own session, as the forwarder does (`userspace/session.rs`): TCP from or to port 179
//! between the two addresses of one /31. A classic BPF program (linux/filter.h), so that it needs no address and none grows old in it.

use netlink_packet_core::DefaultNla;

const TCA_BPF_CLASSID: u16 = 3;
const TCA_BPF_OPS_LEN: u16 = 4;
const TCA_BPF_OPS: u16 = 5;

/// linux/filter.h `SKF_NET_OFF`: from the network header on, wherever the packet begins.
const NETWORK: u32 = 0xfff0_0000;

/// linux/bpf_common.h: load into A a word, half a word, an octet; A to X; A ^= X; compare; return.
const WORD: u16 = 0x20;
const HALF: u16 = 0x28;
const OCTET: u16 = 0x30;
const TO_X: u16 = 0x07;
const XOR_X: u16 = 0xac;
const IS: u16 = 0x15;
const HAS_BITS_OF: u16 = 0x45;
const RETURN: u16 = 0x06;

/// Of cls_bpf: the class that the filter names, and none.
const MATCHES: u32 = u32::MAX;
const DOES_NOT: u32 = 0;

/// An instruction; jumps are over so many of those that follow.
type Instruction = (u16, u8, u8, u32);

const PROGRAM: [Instruction; 17] = [
    // A header without options, which is all that BGP speakers send.
    (OCTET, 0, 0, NETWORK),
    (IS, 0, 14, 0x45),
    (OCTET, 0, 0, NETWORK + 9),
    (IS, 0, 12, libc::IPPROTO_TCP as u32),
    // Not a fragment: neither more of them nor an offset.
    (HALF, 0, 0, NETWORK + 6),
    (HAS_BITS_OF, 10, 0, 0x3fff),
    (WORD, 0, 0, NETWORK + 12),
    (TO_X, 0, 0, 0),
    (WORD, 0, 0, NETWORK + 16),
    (XOR_X, 0, 0, 0),
    (IS, 0, 5, 1),
    (HALF, 0, 0, NETWORK + 20),
    (IS, 2, 0, BGP),
    (HALF, 0, 0, NETWORK + 22),
    (IS, 0, 1, BGP),
    (RETURN, 0, 0, MATCHES),
    (RETURN, 0, 0, DOES_NOT),
];

/// RFC 4271 section 8.2.1.
const BGP: u32 = 179;

/// The kind of filter that runs it.
pub const KIND: &str = "bpf";

/// The filter's options; what it knows goes into the class, where one is named.
pub fn options(class: Option<u32>) -> Vec<DefaultNla> {
    let mut instructions = Vec::with_capacity(PROGRAM.len() * 8);
    for (code, then, otherwise, value) in PROGRAM {
        instructions.extend(code.to_ne_bytes());
        instructions.extend([then, otherwise]);
        instructions.extend(value.to_ne_bytes());
    }
    let length = (PROGRAM.len() as u16).to_ne_bytes().to_vec();
    let mut options = vec![
        DefaultNla::new(TCA_BPF_OPS_LEN, length),
        DefaultNla::new(TCA_BPF_OPS, instructions),
    ];
    options.extend(class.map(|class| DefaultNla::new(TCA_BPF_CLASSID, class.to_ne_bytes().to_vec())));
    options
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::userspace::session::{is_of_own_session, tests::tcp};

    /// What the program says of a packet; nothing where it reads beyond it, which is no match.
    fn run(packet: &[u8]) -> Option<bool> {
        let (mut at, mut a, mut x) = (0, 0u32, 0u32);
        loop {
            let (code, then, otherwise, value) = PROGRAM[at];
            let octets = |count: usize| {
                let from = value.wrapping_sub(NETWORK) as usize;
                let octets = packet.get(from..from + count)?;
                Some(octets.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet)))
            };
            let jump = |holds: bool| usize::from(if holds { then } else { otherwise });
            at += 1;
            match code {
                WORD => a = octets(4)?,
                HALF => a = octets(2)?,
                OCTET => a = octets(1)?,
                TO_X => x = a,
                XOR_X => a ^= x,
                IS => at += jump(a == value),
                HAS_BITS_OF => at += jump(a & value != 0),
                RETURN => return Some(value == MATCHES),
                other => panic!("{other:#x}"),
            }
        }
    }

    fn knows(packet: &[u8]) -> bool {
        run(packet) == Some(true)
    }

    proptest! {
        #[test]
        fn the_kernels_filter_knows_what_the_forwarder_does(
            ends in prop::sample::select(vec![([169, 254, 0, 1], [169, 254, 0, 0]), ([10, 0, 0, 2], [10, 0, 0, 3]), ([10, 0, 0, 1], [10, 0, 0, 2])]),
            ports in prop::sample::select(vec![(179, 40_000), (40_000, 179), (40_000, 180), (80, 443)]),
            changed in prop::option::of((0usize..24, any::<u8>())),
            length in 0usize..60,
        ) {
            let mut packet = tcp((ends.0, ports.0), (ends.1, ports.1), 60);
            if let Some((at, octet)) = changed {
                // With options, or shorter than its header says, it is nobody's.
                prop_assume!(at > 3);
                packet[at] = octet;
            }
            prop_assert_eq!(knows(&packet), is_of_own_session(&packet));
            let cut = &packet[..length];
            prop_assert_eq!(knows(cut), is_of_own_session(cut));
        }
    }

    #[test]
    fn it_knows_the_session() {
        let (ours, devices) = ([169, 254, 0, 1], [169, 254, 0, 0]);
        assert!(knows(&tcp((ours, 40_000), (devices, 179), 60)));
        assert!(knows(&tcp((devices, 179), (ours, 40_000), 60)));
        assert!(!knows(&tcp((ours, 40_000), (devices, 443), 60)));
    }
}

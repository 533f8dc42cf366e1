//! What went through tunnels, as IPFIX (RFC 7011): two records for each sample, one for each direction, with totals that only grow.

use warren_state::NodeId;

use super::entry::{Entry, EntryContent};

/// The number of the template.
pub const TEMPLATE: u16 = 256;

const VERSION: u16 = 10;
const TEMPLATE_SET: u16 = 2;
const HEADER: usize = 16;
const SET_HEADER: usize = 4;
/// What fits into one datagram nearly everywhere (section 10.3.3).
const LONGEST: usize = 1_400;
/// A template is sent again with each so many messages, and with the first of each batch (section 8.4: templates over UDP must
/// be sent again).
const TEMPLATE_EACH: u32 = 20;
const VARIABLE: u16 = 65_535;

/// Information elements (IANA's registry) and their lengths.
const FIELDS: [(u16, u16); 7] = [
    (323, 8),        // observationTimeMilliseconds
    (61, 1),         // flowDirection: 0 ingress, 1 egress
    (85, 8),         // octetTotalCount
    (86, 8),         // packetTotalCount
    (138, 8),        // observationPointId: the incarnation
    (83, VARIABLE),  // interfaceDescription: the tunnel
    (371, VARIABLE), // userName: the owner, empty where it is not known
];

/// The exporting process of one transport session: another session begins with another one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exporter {
    domain: u32,
    /// Data records sent so far, modulo 2^32: each message says how many there were before it (section 3.1).
    sequence: u32,
    since_template: u32,
}

impl Exporter {
    /// Nothing was sent yet; the observation domain is named after the installation.
    #[must_use]
    pub fn new(node: NodeId) -> Self {
        let folded = (0..4).fold(0, |domain, part| domain ^ low(node.0 >> (32 * part)));
        Self {
            domain: folded.max(1),
            sequence: 0,
            since_template: 0,
        }
    }

    /// The messages that tell these entries, the first of them with the template.
    pub fn messages(&mut self, entries: &[Entry], unix_seconds: u32) -> Vec<Vec<u8>> {
        let records: Vec<Vec<u8>> = entries.iter().flat_map(records).collect();
        let mut rest = &records[..];
        let mut messages = Vec::new();
        while !rest.is_empty() {
            let has_template = messages.is_empty() || self.since_template >= TEMPLATE_EACH;
            let template = if has_template { template() } else { vec![] };
            let count = fitting(rest, LONGEST - HEADER - SET_HEADER - template.len());
            let (now, later) = rest.split_at(count);
            messages.push(self.message(&template, now, unix_seconds));
            self.since_template = if has_template { 1 } else { self.since_template + 1 };
            rest = later;
        }
        messages
    }

    fn message(&mut self, template: &[u8], records: &[Vec<u8>], unix_seconds: u32) -> Vec<u8> {
        let data = records.concat();
        let mut message = Vec::with_capacity(LONGEST);
        put(
            &mut message,
            &[VERSION, short(HEADER + template.len() + SET_HEADER + data.len())],
        );
        message.extend(unix_seconds.to_be_bytes());
        message.extend(self.sequence.to_be_bytes());
        message.extend(self.domain.to_be_bytes());
        message.extend(template);
        put(&mut message, &[TEMPLATE, short(SET_HEADER + data.len())]);
        message.extend(data);
        self.sequence = self
            .sequence
            .wrapping_add(u32::try_from(records.len()).unwrap_or_default());
        message
    }
}

/// How many of them take no more than this, at least one.
fn fitting(records: &[Vec<u8>], most: usize) -> usize {
    let lengths = records.iter().scan(0, |sum, record| {
        *sum += record.len();
        Some(*sum)
    });
    lengths.take_while(|sum| *sum <= most).count().max(1)
}

fn template() -> Vec<u8> {
    let mut set = Vec::new();
    let length = short(SET_HEADER + 4 + 4 * FIELDS.len());
    put(&mut set, &[TEMPLATE_SET, length, TEMPLATE, short(FIELDS.len())]);
    for (element, length) in FIELDS {
        put(&mut set, &[element, length]);
    }
    set
}

fn records(entry: &Entry) -> Vec<Vec<u8>> {
    let EntryContent::UsageSample {
        tunnel,
        owner,
        incarnation,
        total,
        ..
    } = &entry.what
    else {
        return vec![];
    };
    let directions = [
        (0, total.rx_bytes, total.rx_packets),
        (1, total.tx_bytes, total.tx_packets),
    ];
    let record = |(direction, octets, packets): (u8, u64, u64)| {
        let mut record = Vec::new();
        record.extend(entry.at.to_be_bytes());
        record.push(direction);
        for number in [octets, packets, incarnation.0] {
            record.extend(number.to_be_bytes());
        }
        text(&mut record, &tunnel.to_string());
        text(
            &mut record,
            &owner.map(|owner| owner.to_string()).unwrap_or_default(),
        );
        record
    };
    directions.into_iter().map(record).collect()
}

/// A text of fewer than 255 octets, after its length (section 7).
fn text(record: &mut Vec<u8>, text: &str) {
    let bytes = &text.as_bytes()[..text.len().min(254)];
    record.push(u8::try_from(bytes.len()).unwrap_or_default());
    record.extend(bytes);
}

fn put(message: &mut Vec<u8>, numbers: &[u16]) {
    numbers
        .iter()
        .for_each(|number| message.extend(number.to_be_bytes()));
}

fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

fn low(number: u128) -> u32 {
    u32::try_from(number & u128::from(u32::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    fn samples(count: u64) -> Vec<Entry> {
        (0..count)
            .map(|n| {
                Entry::new(
                    Some(id(1, n + 1, 0)),
                    None,
                    1_000,
                    sample(1, Some(2), None, usage(n, 7)),
                )
            })
            .collect()
    }

    fn number(message: &[u8], from: usize) -> u32 {
        u32::from_be_bytes(message[from..from + 4].try_into().unwrap())
    }

    /// How many data records a message has, by its bytes.
    fn count(message: &[u8]) -> u32 {
        let mut at = HEADER;
        let mut records = 0;
        while at < message.len() {
            let set = u16::from_be_bytes([message[at], message[at + 1]]);
            let end = at + usize::from(u16::from_be_bytes([message[at + 2], message[at + 3]]));
            let mut record = at + SET_HEADER;
            while set == TEMPLATE && record < end {
                record += 33;
                for _ in 0..2 {
                    record += 1 + usize::from(message[record]);
                }
                records += 1;
            }
            at = end;
        }
        assert_eq!(at, message.len(), "the lengths of the sets are the message's");
        records
    }

    #[test]
    fn a_message_is_what_the_standard_says_octet_by_octet() {
        let mut exporter = Exporter::new(NodeId(7));
        let messages = exporter.messages(&samples(1), 0x0102_0304);
        let message = &messages[0];
        let (tunnel, owner) = (tunnel(1).to_string(), key(2).to_string());
        let record = 33 + 2 + tunnel.len() + owner.len();
        let mut expected = vec![0, 10];
        expected.extend(short(HEADER + 36 + SET_HEADER + 2 * record).to_be_bytes());
        expected.extend([1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 7]);
        expected.extend([0, 2, 0, 36, 1, 0, 0, 7]);
        expected.extend([1, 67, 0, 8, 0, 61, 0, 1, 0, 85, 0, 8, 0, 86, 0, 8, 0, 138, 0, 8]);
        expected.extend([0, 83, 255, 255, 1, 115, 255, 255]);
        expected.extend([1, 0]);
        expected.extend(short(SET_HEADER + 2 * record).to_be_bytes());
        for (direction, octets) in [(0, 0u64), (1, 7)] {
            expected.extend(1_000u64.to_be_bytes());
            expected.push(direction);
            for value in [octets, octets, 1] {
                expected.extend(value.to_be_bytes());
            }
            for text in [&tunnel, &owner] {
                expected.push(u8::try_from(text.len()).unwrap());
                expected.extend(text.as_bytes());
            }
        }
        assert_eq!(message, &expected);
    }

    #[test]
    fn a_messages_sequence_is_how_many_records_were_sent_before_it_also_where_it_wraps() {
        let mut exporter = Exporter::new(NodeId(7));
        exporter.sequence = u32::MAX - 100;
        let mut sent = exporter.sequence;
        for round in 1..40 {
            for (index, message) in exporter.messages(&samples(round), 0).iter().enumerate() {
                assert!(message.len() <= LONGEST);
                assert_eq!(
                    usize::from(u16::from_be_bytes([message[2], message[3]])),
                    message.len()
                );
                assert_eq!(number(message, 8), sent);
                sent = sent.wrapping_add(count(message));
                let has_template = message[HEADER..HEADER + 2] == [0, 2];
                assert!(has_template || index > 0, "the first of a batch has it");
            }
        }
        assert_eq!(sent, exporter.sequence);
        assert!(sent < 2_000, "it wrapped");
    }

    #[test]
    fn the_template_is_sent_again_within_a_long_batch() {
        let messages = Exporter::new(NodeId(7)).messages(&samples(400), 0);
        let with: Vec<usize> = (0..messages.len())
            .filter(|n| messages[*n][HEADER + 1] == 2)
            .collect();
        assert!(
            with.len() > 2 && with.windows(2).all(|pair| pair[1] - pair[0] <= 20),
            "{with:?}"
        );
    }
}

//! PIM sparse mode, version 2 (RFC 7761, 4.9): Hello, Join/Prune for (*,G) entries, and Register.

use std::net::Ipv4Addr;

use super::{DecodeError, Reader, checksum, expect};

const VERSION: u8 = 2;
const HELLO: u8 = 0;
const REGISTER: u8 = 1;
const JOIN_PRUNE: u8 = 3;

/// RFC 7761, 4.11: what a Hello without a hold time means.
const DEFAULT_HELLO_HOLD: u16 = 105;
const OPTION_HOLD: u16 = 1;
const OPTION_DR_PRIORITY: u16 = 19;
const OPTION_GENERATION_ID: u16 = 20;

/// A message of PIM version 2.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// Says that there is a router here, and for how long.
    Hello(Hello),
    /// Groups wanted and no longer wanted.
    JoinPrune(JoinPrune),
    /// A packet for the rendezvous point to send down its tree.
    Register(Register),
}

/// What a router says about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hello {
    /// For how many seconds it is to be believed; zero says goodbye.
    pub hold: u16,
    /// Differs each time the sender starts.
    pub generation_id: Option<u32>,
    /// Its claim to be the designated router.
    pub dr_priority: Option<u32>,
}

/// Groups wanted and no longer wanted, to one upstream neighbour.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JoinPrune {
    /// The router that is to act.
    pub upstream: Ipv4Addr,
    /// For how many seconds it is to keep what is joined.
    pub hold: u16,
    /// At most 255 of them are encoded; [`split`] sees to it.
    pub groups: Vec<Group>,
}

/// The entries of one group, each on the shared tree: a rendezvous point with the flags S, W and R.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// The group's address.
    pub address: Ipv4Addr,
    /// The roots whose trees are joined: at most 65535.
    pub joined: Vec<Ipv4Addr>,
    /// The roots whose trees are left: at most 65535.
    pub pruned: Vec<Ipv4Addr>,
}

/// A packet for the rendezvous point to send down its tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Register {
    /// The B bit.
    pub border: bool,
    /// The N bit: there is no data, only the source's presence.
    pub null: bool,
    /// The IPv4 packet.
    pub inner: Vec<u8>,
}

/// Bytes of a Join/Prune message before its groups.
const JOIN_PRUNE_HEADER: usize = 4 + 6 + 4;
/// Bytes of a group with one entry.
const ONE_ENTRY_GROUP: usize = 8 + 4 + 8;
/// The number of groups is one byte.
const MOST_GROUPS: usize = 255;

/// Splits groups over as many messages as a size (in bytes, from the PIM header on) and the one-byte count need, in order.
/// A size for less than one group is taken as one for one group.
pub fn split(
    groups: Vec<Group>,
    largest: usize,
    message: impl Fn(Vec<Group>) -> JoinPrune,
) -> Vec<JoinPrune> {
    let mut all: Vec<Vec<Group>> = Vec::new();
    let mut size = 0;
    for group in groups {
        let needs = ONE_ENTRY_GROUP - 8 + 8 * (group.joined.len() + group.pruned.len());
        match all.last_mut() {
            Some(last) if last.len() < MOST_GROUPS && size + needs <= largest => {
                size += needs;
                last.push(group);
            }
            Some(_) | None => {
                size = JOIN_PRUNE_HEADER + needs;
                all.push(vec![group]);
            }
        }
    }
    all.into_iter().map(message).collect()
}

impl Message {
    /// The bytes after the IPv4 header, checksum included.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Hello(hello) => seal(HELLO, hello.body(), usize::MAX),
            Self::JoinPrune(join_prune) => seal(JOIN_PRUNE, join_prune.body(), usize::MAX),
            // RFC 7761, 4.9: over the header and the flags only.
            Self::Register(register) => seal(REGISTER, register.body(), 8),
        }
    }

    /// Reads the bytes after the IPv4 header. Unknown Hello options and reserved bits are passed over.
    ///
    /// # Errors
    /// When it is not one whole message of version 2 with a right checksum, of a type and with addresses of the kinds
    /// known here.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader(bytes);
        let kind = reader.u8()?;
        expect("pim version", kind >> 4, u32::from(VERSION))?;
        reader.array::<3>()?;
        match kind & 0x0f {
            HELLO => checked(bytes, bytes.len())
                .and_then(|()| Hello::decode(reader))
                .map(Self::Hello),
            JOIN_PRUNE => checked(bytes, bytes.len())
                .and_then(|()| JoinPrune::decode(reader))
                .map(Self::JoinPrune),
            // RFC 7761, 4.9: one over the whole message is accepted too.
            REGISTER => checked(bytes, 8)
                .or_else(|_| checked(bytes, bytes.len()))
                .and_then(|()| Register::decode(reader))
                .map(Self::Register),
            other => Err(DecodeError::Unsupported {
                field: "pim type",
                value: u32::from(other),
            }),
        }
    }
}

impl Hello {
    fn body(self) -> Vec<u8> {
        let mut body = Vec::new();
        put_option(&mut body, OPTION_HOLD, &self.hold.to_be_bytes());
        if let Some(id) = self.generation_id {
            put_option(&mut body, OPTION_GENERATION_ID, &id.to_be_bytes());
        }
        if let Some(priority) = self.dr_priority {
            put_option(&mut body, OPTION_DR_PRIORITY, &priority.to_be_bytes());
        }
        body
    }

    fn decode(mut reader: Reader<'_>) -> Result<Self, DecodeError> {
        let mut hello = Self {
            hold: DEFAULT_HELLO_HOLD,
            generation_id: None,
            dr_priority: None,
        };
        while !reader.0.is_empty() {
            let (kind, length) = (reader.u16()?, reader.u16()?);
            let value = reader.bytes(usize::from(length))?;
            match (kind, value) {
                (OPTION_HOLD, &[a, b]) => hello.hold = u16::from_be_bytes([a, b]),
                (OPTION_GENERATION_ID, &[a, b, c, d]) => {
                    hello.generation_id = Some(u32::from_be_bytes([a, b, c, d]))
                }
                (OPTION_DR_PRIORITY, &[a, b, c, d]) => {
                    hello.dr_priority = Some(u32::from_be_bytes([a, b, c, d]))
                }
                (OPTION_HOLD | OPTION_GENERATION_ID | OPTION_DR_PRIORITY, _) => {
                    return Err(DecodeError::Unsupported {
                        field: "hello option length",
                        value: u32::from(length),
                    });
                }
                _ => {}
            }
        }
        Ok(hello)
    }
}

impl JoinPrune {
    fn body(&self) -> Vec<u8> {
        let groups = &self.groups[..self.groups.len().min(MOST_GROUPS)];
        let mut body = vec![1, 0];
        body.extend(self.upstream.octets());
        body.extend([0, groups.len() as u8]);
        body.extend(self.hold.to_be_bytes());
        for group in groups {
            group.put(&mut body);
        }
        body
    }

    fn decode(mut reader: Reader<'_>) -> Result<Self, DecodeError> {
        expect("unicast address family and encoding", reader.u16()?, 0x0100)?;
        let upstream = reader.address()?;
        reader.u8()?;
        let count = reader.u8()?;
        let hold = reader.u16()?;
        let groups = (0..count)
            .map(|_| Group::decode(&mut reader))
            .collect::<Result<_, _>>()?;
        reader.end()?;
        Ok(Self {
            upstream,
            hold,
            groups,
        })
    }
}

impl Group {
    /// The shared tree of this group is joined.
    #[must_use]
    pub fn join(address: Ipv4Addr, root: Ipv4Addr) -> Self {
        Self {
            address,
            joined: vec![root],
            pruned: Vec::new(),
        }
    }

    /// The shared tree of this group is left.
    #[must_use]
    pub fn prune(address: Ipv4Addr, root: Ipv4Addr) -> Self {
        Self {
            address,
            joined: Vec::new(),
            pruned: vec![root],
        }
    }

    fn put(&self, body: &mut Vec<u8>) {
        let most = usize::from(u16::MAX);
        let (joined, pruned) = (
            &self.joined[..self.joined.len().min(most)],
            &self.pruned[..self.pruned.len().min(most)],
        );
        body.extend([1, 0, 0, 32]);
        body.extend(self.address.octets());
        body.extend((joined.len() as u16).to_be_bytes());
        body.extend((pruned.len() as u16).to_be_bytes());
        for root in joined.iter().chain(pruned) {
            body.extend([1, 0, SPARSE | WILDCARD | TO_ROOT, 32]);
            body.extend(root.octets());
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        expect("group address family and encoding", reader.u16()?, 0x0100)?;
        reader.u8()?;
        expect("group mask length", reader.u8()?, 32)?;
        let address = reader.address()?;
        let (joined, pruned) = (reader.u16()?, reader.u16()?);
        let joined = (0..joined)
            .map(|_| decode_root(reader))
            .collect::<Result<_, _>>()?;
        let pruned = (0..pruned)
            .map(|_| decode_root(reader))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            address,
            joined,
            pruned,
        })
    }
}

const SPARSE: u8 = 4;
const WILDCARD: u8 = 2;
const TO_ROOT: u8 = 1;

fn decode_root(reader: &mut Reader<'_>) -> Result<Ipv4Addr, DecodeError> {
    expect("source address family and encoding", reader.u16()?, 0x0100)?;
    expect(
        "source flags",
        reader.u8()? & 7,
        u32::from(SPARSE | WILDCARD | TO_ROOT),
    )?;
    expect("source mask length", reader.u8()?, 32)?;
    reader.address()
}

impl Register {
    const BORDER: u8 = 0x80;
    const NULL: u8 = 0x40;

    /// A packet to be sent on, from a router inside the domain.
    #[must_use]
    pub fn data(inner: Vec<u8>) -> Self {
        Self {
            border: false,
            null: false,
            inner,
        }
    }

    fn body(&self) -> Vec<u8> {
        let border = if self.border { Self::BORDER } else { 0 };
        let null = if self.null { Self::NULL } else { 0 };
        let mut body = vec![border | null, 0, 0, 0];
        body.extend(&self.inner);
        body
    }

    fn decode(mut reader: Reader<'_>) -> Result<Self, DecodeError> {
        let [flags, _, _, _] = reader.array()?;
        Ok(Self {
            border: flags & Self::BORDER != 0,
            null: flags & Self::NULL != 0,
            inner: reader.0.to_vec(),
        })
    }
}

/// Puts the header before the body, with a checksum over at most this many bytes.
fn seal(kind: u8, body: Vec<u8>, covered: usize) -> Vec<u8> {
    let mut bytes = vec![(VERSION << 4) | kind, 0, 0, 0];
    bytes.extend(body);
    let check = checksum(&bytes[..bytes.len().min(covered)]);
    bytes[2..4].copy_from_slice(&check.to_be_bytes());
    bytes
}

fn checked(bytes: &[u8], covered: usize) -> Result<(), DecodeError> {
    let covered = bytes.get(..covered).ok_or(DecodeError::Short)?;
    if checksum(covered) == 0 {
        Ok(())
    } else {
        Err(DecodeError::Checksum("pim"))
    }
}

fn put_option(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend(kind.to_be_bytes());
    body.extend((value.len() as u16).to_be_bytes());
    body.extend(value);
}

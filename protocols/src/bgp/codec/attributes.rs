//! Path attributes, with the error handling of RFC 7606 section 7.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use warren_state::Asn;

use super::{Notification, open::IPV4_UNICAST, prefix, reader::Reader};

const OPTIONAL: u8 = 0x80;
const TRANSITIVE: u8 = 0x40;
const EXTENDED: u8 = 0x10;

/// What of the attributes matters to this speaker.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Attributes {
    /// ORIGIN was there and well-formed.
    pub origin: bool,
    /// Every AS of AS_PATH, in order.
    pub path: Option<Vec<Asn>>,
    /// Every AS of AS4_PATH from a two-octet peer.
    pub as4_path: Vec<Asn>,
    /// The NEXT_HOP attribute, where there is one.
    pub next_hop: Option<Ipv4Addr>,
    /// MP_REACH_NLRI for IPv4 unicast.
    pub reach: Option<(Ipv4Addr, Vec<Ipv4Net>)>,
    /// MP_UNREACH_NLRI for IPv4 unicast.
    pub unreach: Option<Vec<Ipv4Net>>,
    /// The first reason for which the prefixes are to be taken as withdrawn.
    pub malformed: Option<String>,
    /// How many attributes were ignored because they are malformed or repeated.
    pub discarded: u32,
}

/// What one attribute asks for.
enum Handling {
    Fine,
    Discard,
    Withdraw(&'static str),
    Reset(Notification),
}

/// Reads all attributes.
///
/// # Errors
/// What to tell the peer, where RFC 7606 leaves nothing but to reset the session.
pub(super) fn read(mut reader: Reader<'_>, four_octets: bool) -> Result<Attributes, Notification> {
    let mut attributes = Attributes::default();
    let mut seen = [false; 256];
    while !reader.is_empty() {
        let Some((flags, code, value)) = split(&mut reader) else {
            // RFC 7606 section 4: an attribute runs past the end of them all; NLRI are still where the lengths say.
            attributes
                .malformed
                .get_or_insert_with(|| "an attribute runs past the end of the attributes".to_owned());
            break;
        };
        let repeated = std::mem::replace(&mut seen[usize::from(code)], true);
        let verdict = if repeated {
            repeated_attribute(code)
        } else {
            attributes.read_one(flags, code, value, four_octets)
        };
        match verdict {
            Handling::Fine => {}
            Handling::Discard => attributes.discarded += 1,
            Handling::Withdraw(reason) => {
                attributes.malformed.get_or_insert_with(|| reason.to_owned());
            }
            Handling::Reset(notification) => return Err(notification),
        }
    }
    Ok(attributes)
}

fn split<'a>(reader: &mut Reader<'a>) -> Option<(u8, u8, Reader<'a>)> {
    let (flags, code) = (reader.u8()?, reader.u8()?);
    let length = if flags & EXTENDED == 0 {
        usize::from(reader.u8()?)
    } else {
        usize::from(reader.u16()?)
    };
    Some((flags, code, reader.sub(length)?))
}

/// RFC 7606 section 3 (g).
fn repeated_attribute(code: u8) -> Handling {
    match code {
        14 | 15 => Handling::Reset(Notification::MALFORMED_ATTRIBUTE_LIST),
        0..=13 | 16.. => Handling::Discard,
    }
}

impl Attributes {
    fn read_one(&mut self, flags: u8, code: u8, value: Reader<'_>, four_octets: bool) -> Handling {
        match expected_flags(code) {
            Some(expected) if flags & (OPTIONAL | TRANSITIVE) != expected => {
                return Handling::Withdraw("the flags of an attribute are wrong");
            }
            None if flags & OPTIONAL == 0 => {
                return Handling::Reset(
                    Notification::UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE.with_data(vec![flags, code]),
                );
            }
            Some(_) | None => {}
        }
        let length = value.rest().len();
        match code {
            1 => self.read_origin(value),
            2 => match read_path(value, four_octets) {
                Some(path) => {
                    self.path = Some(path);
                    Handling::Fine
                }
                None => Handling::Withdraw("AS_PATH is malformed"),
            },
            3 => self.read_next_hop(value),
            4 if length != 4 => Handling::Withdraw("MULTI_EXIT_DISC is malformed"),
            // LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST have no meaning from an external peer.
            5 | 9 | 10 => Handling::Discard,
            6 if length != 0 => Handling::Discard,
            7 if length != if four_octets { 8 } else { 6 } => Handling::Discard,
            8 if !is_list_of(4, length) => Handling::Withdraw("COMMUNITIES is malformed"),
            14 => self.read_reach(value),
            15 => self.read_unreach(value),
            16 if !is_list_of(8, length) => Handling::Withdraw("EXTENDED COMMUNITIES is malformed"),
            17 => self.read_as4_path(value, four_octets),
            18 if four_octets || length != 8 => Handling::Discard,
            32 if !is_list_of(12, length) => Handling::Withdraw("LARGE_COMMUNITY is malformed"),
            0..=255 => Handling::Fine,
        }
    }

    fn read_origin(&mut self, value: Reader<'_>) -> Handling {
        match value.rest() {
            [0..=2] => {
                self.origin = true;
                Handling::Fine
            }
            [..] => Handling::Withdraw("ORIGIN is malformed"),
        }
    }

    fn read_next_hop(&mut self, mut value: Reader<'_>) -> Handling {
        match (value.rest().len(), value.address()) {
            (4, Some(address)) => {
                self.next_hop = Some(address);
                Handling::Fine
            }
            (_, _) => Handling::Withdraw("NEXT_HOP is malformed"),
        }
    }

    /// RFC 6793 section 6: of meaning from a peer with two-octet AS only; malformed, it is ignored.
    fn read_as4_path(&mut self, value: Reader<'_>, four_octets: bool) -> Handling {
        match read_path(value, true) {
            Some(path) if !four_octets => {
                self.as4_path = path;
                Handling::Fine
            }
            Some(_) | None => Handling::Discard,
        }
    }

    fn read_reach(&mut self, mut value: Reader<'_>) -> Handling {
        match (value.u16(), value.u8()) {
            (Some(afi), Some(safi)) if (afi, safi) != (IPV4_UNICAST.afi, IPV4_UNICAST.safi) => {
                return Handling::Discard;
            }
            (Some(_), Some(_)) => {}
            (Some(_) | None, _) => return Handling::Reset(Notification::OPTIONAL_ATTRIBUTE_ERROR),
        }
        let hop = value
            .u8()
            .filter(|length| *length == 4)
            .and_then(|_| value.address());
        match (hop, value.u8().and_then(|_reserved| prefix::read_all(value))) {
            (Some(hop), Some(prefixes)) => {
                self.reach = Some((hop, prefixes));
                Handling::Fine
            }
            (Some(_) | None, _) => Handling::Reset(Notification::OPTIONAL_ATTRIBUTE_ERROR),
        }
    }

    fn read_unreach(&mut self, mut value: Reader<'_>) -> Handling {
        match (value.u16(), value.u8()) {
            (Some(afi), Some(safi)) if (afi, safi) != (IPV4_UNICAST.afi, IPV4_UNICAST.safi) => {
                return Handling::Discard;
            }
            (Some(_), Some(_)) => {}
            (Some(_) | None, _) => return Handling::Reset(Notification::OPTIONAL_ATTRIBUTE_ERROR),
        }
        match prefix::read_all(value) {
            Some(prefixes) => {
                self.unreach = Some(prefixes);
                Handling::Fine
            }
            None => Handling::Reset(Notification::OPTIONAL_ATTRIBUTE_ERROR),
        }
    }
}

/// The flags "optional" and "transitive" of the attributes that we know.
fn expected_flags(code: u8) -> Option<u8> {
    match code {
        1..=3 | 5 | 6 => Some(TRANSITIVE),
        4 | 9 | 10 | 14 | 15 => Some(OPTIONAL),
        7 | 8 | 16..=18 | 32 => Some(OPTIONAL | TRANSITIVE),
        0 | 11..=13 | 19..=31 | 33.. => None,
    }
}

fn is_list_of(size: usize, length: usize) -> bool {
    length != 0 && length.is_multiple_of(size)
}

/// RFC 4271 section 4.3 (b). RFC 7606 section 7.2: an unknown segment type, an empty segment or one that runs past the end
/// is malformed; so are confederation segments from an external peer (RFC 5065 section 5).
fn read_path(mut reader: Reader<'_>, four_octets: bool) -> Option<Vec<Asn>> {
    let mut path = Vec::new();
    while let Some(kind) = reader.u8() {
        let count = reader.u8()?;
        if !(1..=2).contains(&kind) || count == 0 {
            return None;
        }
        for _ in 0..count {
            path.push(if four_octets {
                Asn(reader.u32()?)
            } else {
                Asn(u32::from(reader.u16()?))
            });
        }
    }
    Some(path)
}

/// Our attributes, in the order of their codes: ORIGIN IGP, AS_PATH with our AS alone, NEXT_HOP.
pub(super) fn write(asn: Asn, next_hop: Ipv4Addr, four_octets: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(&[TRANSITIVE, 1, 1, 0]);
    let segment_start = [2, 1];
    if four_octets {
        out.extend_from_slice(&[TRANSITIVE, 2, 6]);
        out.extend_from_slice(&segment_start);
        out.extend_from_slice(&asn.0.to_be_bytes());
    } else {
        out.extend_from_slice(&[TRANSITIVE, 2, 4]);
        out.extend_from_slice(&segment_start);
        out.extend_from_slice(
            &u16::try_from(asn.0)
                .unwrap_or(super::open::AS_TRANS)
                .to_be_bytes(),
        );
    }
    out.extend_from_slice(&[TRANSITIVE, 3, 4]);
    out.extend_from_slice(&next_hop.octets());
    if !four_octets && asn.0 > u32::from(u16::MAX) {
        out.extend_from_slice(&[OPTIONAL | TRANSITIVE, 17, 6]);
        out.extend_from_slice(&segment_start);
        out.extend_from_slice(&asn.0.to_be_bytes());
    }
}

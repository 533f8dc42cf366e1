//! OPEN messages and their capabilities.

use std::{collections::BTreeSet, net::Ipv4Addr};

use warren_state::Asn;

use super::{
    Notification,
    frame::{self, MessageKind},
    reader::Reader,
};

/// Stands for an AS that does not fit into two octets (RFC 6793 section 9).
pub const AS_TRANS: u16 = 23_456;
/// Address family 1, subsequent family 1 (RFC 4760).
pub const IPV4_UNICAST: Family = Family { afi: 1, safi: 1 };

const VERSION: u8 = 4;
const CAPABILITIES: u8 = 2;
const MULTIPROTOCOL: u8 = 1;
const GRACEFUL_RESTART: u8 = 64;
const FOUR_OCTET_AS: u8 = 65;
/// The longest restart time that fits, in seconds.
const LONGEST_RESTART: u16 = 0x0fff;
/// A family whose forwarding goes on while the speaker restarts (RFC 4724 section 3, the bit F).
const FORWARDING_PRESERVED: u8 = 0x80;
const EXTENDED_LENGTH: u8 = 255;

/// What is announced over a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Family {
    /// The address family.
    pub afi: u16,
    /// The subsequent address family.
    pub safi: u8,
}

/// An OPEN message (RFC 4271 section 4.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Open {
    /// The field "My Autonomous System".
    pub two_octet_asn: u16,
    /// In seconds.
    pub hold_time: u16,
    /// The sender's BGP identifier, an IPv4 address in form.
    pub router_id: Ipv4Addr,
    /// The four-octet AS capability (RFC 6793), when it is there.
    pub four_octet_asn: Option<Asn>,
    /// The multiprotocol capabilities; none means IPv4 unicast.
    pub families: BTreeSet<Family>,
    /// For how many seconds the sender may be gone while its forwarding goes on (RFC 4724), when it says so.
    pub restart_time: Option<u16>,
}

impl Open {
    /// Ours: IPv4 unicast, four-octet AS, no graceful restart.
    #[must_use]
    pub fn new(asn: Asn, hold_time: u16, router_id: Ipv4Addr) -> Self {
        Self {
            two_octet_asn: u16::try_from(asn.0).unwrap_or(AS_TRANS),
            hold_time,
            router_id,
            four_octet_asn: Some(asn),
            families: BTreeSet::from([IPV4_UNICAST]),
            restart_time: None,
        }
    }

    /// With the promise that forwarding goes on for this many seconds (at most 4095) when the session breaks off without a
    /// NOTIFICATION, so that the peer keeps our routes meanwhile.
    #[must_use]
    pub fn with_restart_time(self, seconds: u16) -> Self {
        Self {
            restart_time: Some(seconds.min(LONGEST_RESTART)),
            ..self
        }
    }

    /// The AS number in the two-octet field; 23456 stands for a longer one.
    #[must_use]
    pub fn asn(&self) -> Asn {
        self.four_octet_asn.unwrap_or(Asn(u32::from(self.two_octet_asn)))
    }

    /// Whether the sender announces IPv4 unicast.
    #[must_use]
    pub fn speaks_ipv4_unicast(&self) -> bool {
        self.families.is_empty() || self.families.contains(&IPV4_UNICAST)
    }

    /// The whole message. No more than 40 families fit; what does not is left out.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut capabilities = Vec::new();
        for family in self.families.iter().take(40) {
            capabilities.extend_from_slice(&[MULTIPROTOCOL, 4]);
            capabilities.extend_from_slice(&family.afi.to_be_bytes());
            capabilities.extend_from_slice(&[0, family.safi]);
        }
        if let Some(seconds) = self.restart_time {
            capabilities.extend_from_slice(&[GRACEFUL_RESTART, 6]);
            capabilities.extend_from_slice(&seconds.to_be_bytes());
            capabilities.extend_from_slice(&IPV4_UNICAST.afi.to_be_bytes());
            capabilities.extend_from_slice(&[IPV4_UNICAST.safi, FORWARDING_PRESERVED]);
        }
        if let Some(asn) = self.four_octet_asn {
            capabilities.extend_from_slice(&[FOUR_OCTET_AS, 4]);
            capabilities.extend_from_slice(&asn.0.to_be_bytes());
        }
        let mut body = vec![VERSION];
        body.extend_from_slice(&self.two_octet_asn.to_be_bytes());
        body.extend_from_slice(&self.hold_time.to_be_bytes());
        body.extend_from_slice(&self.router_id.octets());
        if capabilities.is_empty() {
            body.push(0);
        } else {
            body.extend_from_slice(&[
                capabilities.len() as u8 + 2,
                CAPABILITIES,
                capabilities.len() as u8,
            ]);
            body.extend_from_slice(&capabilities);
        }
        frame::encode(MessageKind::Open, &body)
    }

    /// From a message's body.
    ///
    /// # Errors
    /// What to tell the peer.
    pub fn decode(body: &[u8]) -> Result<Self, Notification> {
        let mut reader = Reader::new(body);
        let malformed = || Notification::MALFORMED_OPEN;
        if reader.u8().ok_or_else(malformed)? != VERSION {
            return Err(
                Notification::UNSUPPORTED_VERSION.with_data(u16::from(VERSION).to_be_bytes().to_vec())
            );
        }
        let mut open = Self {
            two_octet_asn: reader.u16().ok_or_else(malformed)?,
            hold_time: reader.u16().ok_or_else(malformed)?,
            router_id: reader.address().ok_or_else(malformed)?,
            four_octet_asn: None,
            families: BTreeSet::new(),
            restart_time: None,
        };
        let (mut parameters, extended) = optional_parameters(&mut reader).ok_or_else(malformed)?;
        while let Some(kind) = parameters.u8() {
            let length = if extended {
                parameters.u16().map(usize::from)
            } else {
                parameters.u8().map(usize::from)
            };
            let value = length
                .and_then(|length| parameters.sub(length))
                .ok_or_else(malformed)?;
            if kind != CAPABILITIES {
                return Err(Notification::UNSUPPORTED_OPTIONAL_PARAMETER);
            }
            open.read_capabilities(value).ok_or_else(malformed)?;
        }
        Ok(open)
    }

    fn read_capabilities(&mut self, mut reader: Reader<'_>) -> Option<()> {
        while let Some(code) = reader.u8() {
            let length = usize::from(reader.u8()?);
            let mut value = reader.sub(length)?;
            match (code, length) {
                (MULTIPROTOCOL, 4) => {
                    let afi = value.u16()?;
                    let _reserved = value.u8()?;
                    self.families.insert(Family {
                        afi,
                        safi: value.u8()?,
                    });
                }
                (GRACEFUL_RESTART, 2..) => self.restart_time = Some(value.u16()? & LONGEST_RESTART),
                (FOUR_OCTET_AS, 4) => self.four_octet_asn = Some(Asn(value.u32()?)),
                (MULTIPROTOCOL | FOUR_OCTET_AS, _) => return None,
                // RFC 5492 section 3: a capability that is not understood is ignored.
                (_, _) => {}
            }
        }
        Some(())
    }
}

/// The optional parameters, and whether their lengths have two octets (RFC 9072).
fn optional_parameters<'a>(reader: &mut Reader<'a>) -> Option<(Reader<'a>, bool)> {
    let length = reader.u8()?;
    let extended = length == EXTENDED_LENGTH && reader.rest().first() == Some(&EXTENDED_LENGTH);
    let length = if extended {
        reader.u8()?;
        usize::from(reader.u16()?)
    } else {
        usize::from(length)
    };
    let parameters = reader.sub(length)?;
    reader.is_empty().then_some((parameters, extended))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_open_has_the_bytes_that_the_rfcs_draw() {
        let open = Open::new(Asn(4_200_000_001), 90, Ipv4Addr::new(169, 254, 0, 1));
        let mut golden = vec![0xff; 16];
        golden.extend_from_slice(&[0, 43, 1]);
        golden.extend_from_slice(&[4, 0x5b, 0xa0, 0, 90, 169, 254, 0, 1]);
        golden.extend_from_slice(&[14, 2, 12, 1, 4, 0, 1, 0, 1, 65, 4, 0xfa, 0x56, 0xea, 0x01]);
        assert_eq!(open.encode(), golden);
        assert_eq!(Open::decode(&golden[19..]).unwrap(), open);
        assert_eq!(
            Open::new(Asn(65_000), 90, Ipv4Addr::LOCALHOST).two_octet_asn,
            65_000
        );
    }

    /// RFC 4724 section 3: flags and time, then for each family its numbers and flags.
    #[test]
    fn a_restart_time_is_announced_with_forwarding_preserved() {
        let open = Open::new(Asn(65_000), 90, Ipv4Addr::new(169, 254, 0, 1)).with_restart_time(120);
        let bytes = open.encode();
        assert_eq!(
            bytes[28..],
            [
                22, 2, 20, 1, 4, 0, 1, 0, 1, 64, 6, 0, 120, 0, 1, 1, 0x80, 65, 4, 0, 0, 0xfd, 0xe8
            ]
        );
        assert_eq!(Open::decode(&bytes[19..]).unwrap(), open);
        assert_eq!(
            open.with_restart_time(u16::MAX).restart_time,
            Some(4095),
            "four bits are flags"
        );
    }

    #[test]
    fn an_open_of_a_speaker_with_many_capabilities_is_understood() {
        // As FRR sends it: one parameter for each capability, among them ones that we do not know.
        let body = [
            4, 0xfd, 0xe9, 0, 3, 10, 0, 0, 2, 28, 2, 6, 1, 4, 0, 1, 0, 1, 2, 2, 128, 0, 2, 2, 2, 0, 2, 6, 65,
            4, 0, 0, 0xfd, 0xe9, 2, 2, 6, 0,
        ];
        let open = Open::decode(&body).unwrap();
        assert_eq!(open.asn(), Asn(65_001));
        assert_eq!(open.hold_time, 3);
        assert!(open.speaks_ipv4_unicast());
    }

    #[test]
    fn extended_optional_parameters_are_understood() {
        let body = [
            4, 0xfd, 0xe9, 0, 90, 10, 0, 0, 2, 255, 255, 0, 9, 2, 0, 6, 65, 4, 0, 1, 0, 0,
        ];
        assert_eq!(Open::decode(&body).unwrap().asn(), Asn(65_536));
    }

    #[test]
    fn malformed_opens_are_refused_with_the_code_that_the_rfc_asks_for() {
        let fixed = [4, 0xfd, 0xe9, 0, 90, 10, 0, 0, 2];
        let with = |tail: &[u8]| [&fixed[..], tail].concat();
        for (body, code) in [
            (vec![3, 0xfd, 0xe9, 0, 90, 10, 0, 0, 2, 0], (2, 1)),
            (with(&[1]), (2, 0)),
            (with(&[0, 0]), (2, 0)),
            (with(&[2, 1, 0]), (2, 4)),
            (with(&[3, 2, 9, 0]), (2, 0)),
            (with(&[4, 2, 2, 65, 4]), (2, 0)),
            (with(&[6, 2, 4, 65, 2, 0, 1]), (2, 0)),
        ] {
            let error = Open::decode(&body).unwrap_err();
            assert_eq!((error.code, error.subcode), code, "{body:?}");
        }
    }
}

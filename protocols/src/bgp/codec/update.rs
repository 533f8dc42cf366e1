//! UPDATE messages (RFC 4271 section 4.3), with the error handling of RFC 7606.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use warren_state::Asn;

use super::{
    Notification,
    attributes::{self, Attributes},
    frame::{self, HEADER, LONGEST, MessageKind},
    prefix,
    reader::Reader,
};

/// A received UPDATE, reduced to what matters to this speaker.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Update {
    /// Prefixes that are gone.
    pub withdrawn: Vec<Ipv4Net>,
    /// Prefixes that are new or replaced.
    pub announced: Vec<Announced>,
    /// Every AS in the path of what is announced.
    pub path: Vec<Asn>,
    /// Why the prefixes in it are to be taken as withdrawn (RFC 7606 section 2), and which they are.
    pub malformed: Option<(String, Vec<Ipv4Net>)>,
    /// How many attributes were ignored because they are malformed or repeated.
    pub attributes_discarded: u32,
    /// Whether this is the End-of-RIB marker for IPv4 unicast (RFC 4724 section 2).
    pub end_of_rib: bool,
}

/// A prefix with its next hop.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Announced {
    /// The destination that is announced.
    pub prefix: Ipv4Net,
    /// The next hop of what is announced.
    pub next_hop: Ipv4Addr,
}

impl Update {
    /// From a message's body. `four_octets` tells whether both ends announced four-octet AS.
    ///
    /// # Errors
    /// What to tell the peer, where RFC 7606 leaves nothing but to reset the session.
    pub fn decode(body: &[u8], four_octets: bool) -> Result<Self, Notification> {
        let mut reader = Reader::new(body);
        let withdrawn = field(&mut reader).ok_or(Notification::MALFORMED_ATTRIBUTE_LIST)?;
        let attributes = field(&mut reader).ok_or(Notification::MALFORMED_ATTRIBUTE_LIST)?;
        let has_attributes = !attributes.is_empty();
        let withdrawn = prefix::read_all(withdrawn).ok_or(Notification::INVALID_NETWORK_FIELD)?;
        let announced = prefix::read_all(reader).ok_or(Notification::INVALID_NETWORK_FIELD)?;
        let attributes = attributes::read(attributes, four_octets)?;
        if !has_attributes && withdrawn.is_empty() && announced.is_empty() {
            return Ok(Self {
                end_of_rib: true,
                ..Self::default()
            });
        }
        Self::combine(withdrawn, announced, attributes)
    }

    fn combine(
        mut withdrawn: Vec<Ipv4Net>,
        plain: Vec<Ipv4Net>,
        attributes: Attributes,
    ) -> Result<Self, Notification> {
        let end_of_rib = withdrawn.is_empty() && plain.is_empty() && is_bare_unreach(&attributes);
        let malformed = malformed(&attributes, !plain.is_empty());
        withdrawn.extend(attributes.unreach.unwrap_or_default());
        let by_reach = attributes
            .reach
            .iter()
            .flat_map(|(hop, prefixes)| prefixes.iter().map(|prefix| (*prefix, Some(*hop))));
        let reachable: Vec<(Ipv4Net, Option<Ipv4Addr>)> = plain
            .iter()
            .map(|prefix| (*prefix, attributes.next_hop))
            .chain(by_reach)
            .collect();
        // RFC 7606 section 5.2: without a reachable prefix there is nothing to take as withdrawn; it may have been lost.
        if malformed.is_some() && reachable.is_empty() {
            return Err(Notification::MALFORMED_ATTRIBUTE_LIST);
        }
        let prefixes = || reachable.iter().map(|(prefix, _)| *prefix).collect();
        Ok(Self {
            withdrawn,
            announced: match malformed {
                Some(_) => Vec::new(),
                None => reachable
                    .iter()
                    .filter_map(|(prefix, hop)| {
                        hop.map(|next_hop| Announced {
                            prefix: *prefix,
                            next_hop,
                        })
                    })
                    .collect(),
            },
            malformed: malformed.map(|reason| (reason, prefixes())),
            path: attributes
                .path
                .into_iter()
                .flatten()
                .chain(attributes.as4_path)
                .collect(),
            attributes_discarded: attributes.discarded,
            end_of_rib,
        })
    }
}

/// A field with its length in front.
fn field<'a>(reader: &mut Reader<'a>) -> Option<Reader<'a>> {
    let length = reader.u16()?;
    reader.sub(usize::from(length))
}

fn is_bare_unreach(attributes: &Attributes) -> bool {
    let bare = Attributes {
        unreach: Some(Vec::new()),
        ..Attributes::default()
    };
    *attributes == bare
}

/// RFC 7606 section 3 (d): a missing mandatory attribute is treated as withdraw.
fn malformed(attributes: &Attributes, plain: bool) -> Option<String> {
    let reachable = plain || attributes.reach.is_some();
    let missing = |name: &str| Some(format!("{name} is missing"));
    match (&attributes.malformed, reachable) {
        (Some(reason), _) => Some(reason.clone()),
        (None, true) if !attributes.origin => missing("ORIGIN"),
        (None, true) if attributes.path.is_none() => missing("AS_PATH"),
        (None, true) if plain && attributes.next_hop.is_none() => missing("NEXT_HOP"),
        (None, true | false) => None,
    }
}

/// The whole messages that announce these prefixes with our attributes, as few as possible.
#[must_use]
pub fn encode_announcements(
    prefixes: &[Ipv4Net],
    asn: Asn,
    next_hop: Ipv4Addr,
    four_octets: bool,
) -> Vec<Vec<u8>> {
    let mut head = vec![0, 0];
    let mut encoded = Vec::new();
    attributes::write(asn, next_hop, four_octets, &mut encoded);
    head.extend_from_slice(&(encoded.len() as u16).to_be_bytes());
    head.extend_from_slice(&encoded);
    batches(prefixes, LONGEST - HEADER - head.len())
        .map(|batch| frame::encode(MessageKind::Update, &[head.as_slice(), &batch].concat()))
        .collect()
}

/// The whole messages that withdraw these prefixes, as few as possible.
#[must_use]
pub fn encode_withdrawals(prefixes: &[Ipv4Net]) -> Vec<Vec<u8>> {
    batches(prefixes, LONGEST - HEADER - 4)
        .map(|batch| {
            let mut body = (batch.len() as u16).to_be_bytes().to_vec();
            body.extend_from_slice(&batch);
            body.extend_from_slice(&[0, 0]);
            frame::encode(MessageKind::Update, &body)
        })
        .collect()
}

/// The End-of-RIB marker for IPv4 unicast: an UPDATE without anything (RFC 4724 section 2).
#[must_use]
pub fn encode_end_of_rib() -> Vec<u8> {
    frame::encode(MessageKind::Update, &[0; 4])
}

/// Encoded prefixes in pieces of at most `room` bytes.
fn batches(prefixes: &[Ipv4Net], room: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut rest = prefixes;
    std::iter::from_fn(move || {
        let mut batch = Vec::new();
        while let Some((first, others)) = rest.split_first()
            && batch.len() + prefix::encoded_length(*first) <= room
        {
            prefix::write(*first, &mut batch);
            rest = others;
        }
        (!batch.is_empty()).then_some(batch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Ipv4Addr = Ipv4Addr::new(169, 254, 0, 0);
    const ORIGIN: &[u8] = &[0x40, 1, 1, 0];
    const PATH: &[u8] = &[0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9];
    const HOP: &[u8] = &[0x40, 3, 4, 169, 254, 0, 0];
    const NLRI: &[u8] = &[24, 203, 0, 113];

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    fn body(withdrawn: &[u8], attributes: &[&[u8]], nlri: &[u8]) -> Vec<u8> {
        let attributes = attributes.concat();
        let mut body = (withdrawn.len() as u16).to_be_bytes().to_vec();
        body.extend_from_slice(withdrawn);
        body.extend_from_slice(&(attributes.len() as u16).to_be_bytes());
        body.extend_from_slice(&attributes);
        body.extend_from_slice(nlri);
        body
    }

    fn treated_as_withdraw(attributes: &[&[u8]]) -> bool {
        let update = Update::decode(&body(&[], attributes, NLRI), true).unwrap();
        match update.malformed {
            Some((_, prefixes)) => {
                assert_eq!(prefixes, [net("203.0.113.0/24")]);
                assert!(update.announced.is_empty());
                true
            }
            None => false,
        }
    }

    #[test]
    fn our_announcement_has_the_bytes_that_the_rfc_draws() {
        let messages = encode_announcements(
            &[net("10.1.2.3/32")],
            Asn(65_000),
            Ipv4Addr::new(169, 254, 0, 1),
            true,
        );
        let mut golden = vec![0xff; 16];
        golden.extend_from_slice(&[0, 48, 2, 0, 0, 0, 20]);
        golden.extend_from_slice(&[
            0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe8, 0x40, 3, 4, 169, 254, 0, 1, 32, 10, 1, 2, 3,
        ]);
        assert_eq!(messages, [golden]);
        let two_octets = encode_announcements(
            &[net("10.1.2.3/32")],
            Asn(70_000),
            Ipv4Addr::new(169, 254, 0, 1),
            false,
        );
        let update = Update::decode(&two_octets[0][19..], false).unwrap();
        assert_eq!(update.path, [Asn(23_456), Asn(70_000)]);
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same_in_as_few_messages_as_possible() {
        let prefixes: Vec<Ipv4Net> = (0..10_000_u32)
            .map(|n| Ipv4Net::new(Ipv4Addr::from(0x0a00_0000 + n * 256), 24).unwrap())
            .collect();
        let announced = encode_announcements(&prefixes, Asn(65_000), PEER, true);
        let withdrawn = encode_withdrawals(&prefixes);
        assert_eq!((announced.len(), withdrawn.len()), (10, 10));
        let decode = |message: &Vec<u8>| Update::decode(&message[19..], true).unwrap();
        assert!(
            announced
                .iter()
                .chain(&withdrawn)
                .all(|message| message.len() <= LONGEST)
        );
        let back: Vec<Ipv4Net> = announced
            .iter()
            .flat_map(|message| decode(message).announced)
            .map(|one| one.prefix)
            .collect();
        assert_eq!(back, prefixes);
        assert_eq!(
            withdrawn
                .iter()
                .flat_map(|message| decode(message).withdrawn)
                .collect::<Vec<_>>(),
            prefixes
        );
    }

    #[test]
    fn both_forms_of_end_of_rib_are_known() {
        assert!(
            Update::decode(&encode_end_of_rib()[19..], true)
                .unwrap()
                .end_of_rib
        );
        assert!(
            Update::decode(&body(&[], &[&[0x80, 15, 3, 0, 1, 1]], &[]), true)
                .unwrap()
                .end_of_rib
        );
        assert!(
            !Update::decode(&body(&[8, 10], &[], &[]), true)
                .unwrap()
                .end_of_rib
        );
    }

    #[test]
    fn prefixes_in_multiprotocol_attributes_are_understood() {
        let reach = [0x80, 14, 12, 0, 1, 1, 4, 169, 254, 0, 0, 0, 16, 10, 7];
        let unreach = [0x80, 15, 5, 0, 1, 1, 8, 11];
        let update = Update::decode(&body(&[], &[ORIGIN, PATH, &reach, &unreach], &[]), true).unwrap();
        assert_eq!(
            update.announced,
            [Announced {
                prefix: net("10.7.0.0/16"),
                next_hop: PEER
            }]
        );
        assert_eq!(update.withdrawn, [net("11.0.0.0/8")]);
        let ipv6 = [0x80, 14, 5, 0, 2, 1, 0, 0];
        let update = Update::decode(&body(&[], &[ORIGIN, PATH, HOP, &ipv6], NLRI), true).unwrap();
        assert_eq!(
            update.announced.len(),
            1,
            "families that were not negotiated are ignored"
        );
    }

    #[test]
    fn host_bits_are_cleared() {
        let update = Update::decode(&body(&[], &[ORIGIN, PATH, HOP], &[9, 10, 0xff]), true).unwrap();
        assert_eq!(update.announced[0].prefix, net("10.128.0.0/9"));
    }

    #[test]
    fn malformed_attributes_withdraw_the_prefixes_and_nothing_more() {
        assert!(!treated_as_withdraw(&[ORIGIN, PATH, HOP]));
        for (name, attributes) in [
            ("no origin", vec![PATH, HOP]),
            ("no path", vec![ORIGIN, HOP]),
            ("no next hop", vec![ORIGIN, PATH]),
            ("origin 3", vec![&[0x40, 1, 1, 3][..], PATH, HOP]),
            ("origin of two bytes", vec![&[0x40, 1, 2, 0, 0], PATH, HOP]),
            ("optional origin", vec![&[0xc0, 1, 1, 0], PATH, HOP]),
            (
                "unknown segment",
                vec![ORIGIN, &[0x40, 2, 6, 9, 1, 0, 0, 0, 1], HOP],
            ),
            (
                "confederation segment",
                vec![ORIGIN, &[0x40, 2, 6, 3, 1, 0, 0, 0, 1], HOP],
            ),
            ("empty segment", vec![ORIGIN, &[0x40, 2, 2, 2, 0], HOP]),
            (
                "segment past the end",
                vec![ORIGIN, &[0x40, 2, 6, 2, 2, 0, 0, 0, 1], HOP],
            ),
            (
                "next hop of three bytes",
                vec![ORIGIN, PATH, &[0x40, 3, 3, 1, 2, 3]],
            ),
            (
                "metric of two bytes",
                vec![ORIGIN, PATH, HOP, &[0x80, 4, 2, 0, 0]],
            ),
            (
                "communities of three bytes",
                vec![ORIGIN, PATH, HOP, &[0xc0, 8, 3, 0, 0, 0]],
            ),
            ("no communities", vec![ORIGIN, PATH, HOP, &[0xc0, 8, 0]]),
            (
                "extended communities of four bytes",
                vec![ORIGIN, PATH, HOP, &[0xc0, 16, 4, 0, 0, 0, 0]],
            ),
            (
                "large communities of four bytes",
                vec![ORIGIN, PATH, HOP, &[0xc0, 32, 4, 0, 0, 0, 0]],
            ),
            (
                "attribute past the end",
                vec![ORIGIN, PATH, HOP, &[0x80, 4, 200, 0]],
            ),
            ("half an attribute header", vec![ORIGIN, PATH, HOP, &[0x80]]),
        ] {
            assert!(treated_as_withdraw(&attributes), "{name}");
        }
    }

    #[test]
    fn attributes_that_do_not_matter_are_ignored_when_malformed_or_repeated() {
        for (name, extra) in [
            ("local preference", &[0x40, 5, 4, 0, 0, 0, 1][..]),
            ("originator", &[0x80, 9, 1, 0]),
            ("cluster list", &[0x80, 10, 1, 0]),
            ("atomic aggregate", &[0x40, 6, 1, 0]),
            ("aggregator", &[0xc0, 7, 1, 0]),
            (
                "four-octet path from a four-octet peer",
                &[0xc0, 17, 6, 2, 1, 0, 0, 0, 1],
            ),
            ("a second origin", ORIGIN),
        ] {
            let update = Update::decode(&body(&[], &[ORIGIN, PATH, HOP, extra], NLRI), true).unwrap();
            assert_eq!(
                (update.announced.len(), update.attributes_discarded),
                (1, 1),
                "{name}"
            );
        }
        let unknown = [0xc0, 200, 2, 1, 2];
        let update = Update::decode(&body(&[], &[ORIGIN, PATH, HOP, &unknown], NLRI), true).unwrap();
        assert_eq!((update.announced.len(), update.attributes_discarded), (1, 0));
    }

    #[test]
    fn only_what_leaves_the_prefixes_in_doubt_resets_the_session() {
        let reach = [0x80, 14, 12, 0, 1, 1, 4, 169, 254, 0, 0, 0, 16, 10, 7];
        for (name, bytes, code) in [
            ("withdrawn past the end", vec![0, 9, 0, 0], (3, 1)),
            ("attributes past the end", vec![0, 0, 0, 9], (3, 1)),
            ("too short", vec![0, 0], (3, 1)),
            (
                "withdrawn prefix of 33 bits",
                body(&[33, 1, 2, 3, 4, 5], &[], &[]),
                (3, 10),
            ),
            (
                "prefix of 33 bits",
                body(&[], &[ORIGIN, PATH, HOP], &[33, 1, 2, 3, 4, 5]),
                (3, 10),
            ),
            (
                "prefix past the end",
                body(&[], &[ORIGIN, PATH, HOP], &[24, 1, 2]),
                (3, 10),
            ),
            (
                "unknown well-known attribute",
                body(&[], &[ORIGIN, PATH, HOP, &[0x40, 99, 0]], NLRI),
                (3, 2),
            ),
            (
                "two multiprotocol attributes",
                body(&[], &[ORIGIN, PATH, &reach, &reach], &[]),
                (3, 1),
            ),
            (
                "multiprotocol next hop of 16 bytes",
                body(&[], &[ORIGIN, PATH, &[0x80, 14, 5, 0, 1, 1, 16, 0]], &[]),
                (3, 9),
            ),
            (
                "malformed without a prefix",
                body(&[8, 10], &[&[0x40, 1, 1, 9]], &[]),
                (3, 1),
            ),
        ] {
            let error = Update::decode(&bytes, true).unwrap_err();
            assert_eq!((error.code, error.subcode), code, "{name}");
        }
    }
}

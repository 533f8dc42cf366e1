use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::Ipv4Net;
use proptest::{collection::vec, prelude::*};
use warren_state::Asn;

use super::*;
use crate::bgp::{
    codec::{Announced, Frame, Update, open::Family, update},
    testing::{LOCAL, PEER, PEER_ASN, fold_routes},
};

fn prefix() -> impl Strategy<Value = Ipv4Net> {
    (any::<u32>(), 0_u8..=32)
        .prop_map(|(address, length)| Ipv4Net::new(Ipv4Addr::from(address), length).unwrap().trunc())
}

fn kind() -> impl Strategy<Value = MessageKind> {
    prop_oneof![
        1 => Just(MessageKind::Open),
        8 => Just(MessageKind::Update),
        1 => Just(MessageKind::Notification),
        4 => Just(MessageKind::Keepalive),
        1 => Just(MessageKind::RouteRefresh),
    ]
}

/// A message that may be fine: prefixes of any kind, some next hop, some path.
fn update() -> impl Strategy<Value = Vec<u8>> {
    let hop = prop_oneof![9 => Just(PEER), 1 => any::<u32>().prop_map(Ipv4Addr::from)];
    let asn = prop_oneof![9 => Just(PEER_ASN), 1 => Just(Asn(65_000))];
    (vec(prefix(), 1..40), hop, asn, any::<bool>()).prop_map(|(prefixes, hop, asn, withdraw)| {
        let messages = if withdraw {
            update::encode_withdrawals(&prefixes)
        } else {
            update::encode_announcements(&prefixes, asn, hop, true)
        };
        messages.concat()
    })
}

/// A stream that a broken or hostile peer may send.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let message = prop_oneof![
        6 => update(),
        1 => vec(any::<u8>(), 0..60),
        3 => (kind(), vec(any::<u8>(), 0..120)).prop_map(|(kind, body)| Frame { kind, body }.encode()),
        4 => (update(), any::<prop::sample::Index>(), 0_u8..8).prop_map(|(mut bytes, at, bit)| {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            bytes
        }),
        2 => (update(), any::<prop::sample::Index>()).prop_map(|(mut bytes, at)| {
            bytes.truncate(at.index(bytes.len()));
            bytes
        }),
    ];
    vec(message, 1..12).prop_map(|messages| messages.concat())
}

fn within_policy(prefix: Ipv4Net) -> bool {
    policy_of(prefix, PEER)
}

fn policy_of(prefix: Ipv4Net, next_hop: Ipv4Addr) -> bool {
    crate::bgp::policy::accept(&spec(), &Announced { prefix, next_hop }).is_ok()
}

fn check(outputs: &[Output], table: &mut BTreeSet<Ipv4Net>) {
    fold_routes(table, outputs);
    assert!(table.iter().copied().all(within_policy), "{table:?}");
}

proptest! {
    #[test]
    fn no_stream_however_cut_makes_the_session_panic_or_tell_routes_against_policy(bytes in stream(), cut in 1_usize..600) {
        for mut rig in [Rig::established(), Rig::open_confirm(), Rig::open_sent(), Rig::started()] {
            let mut table = BTreeSet::new();
            for chunk in bytes.chunks(cut) {
                let outputs = rig.receive(chunk);
                check(&outputs, &mut table);
            }
            prop_assert_eq!(rig.session.standing().prefixes, table.len());
        }
    }

    #[test]
    fn how_a_stream_is_cut_makes_no_difference(bytes in stream(), cut in 1_usize..600) {
        let (mut whole, mut cut_up) = (Rig::established(), Rig::established());
        let number = whole.number();
        let expected = whole.input(Input::Received(number, (&bytes).into()));
        let outputs: Vec<Output> = bytes.chunks(cut).flat_map(|chunk| cut_up.input(Input::Received(number, chunk.into()))).collect();
        prop_assert_eq!(outputs, expected);
        prop_assert_eq!(cut_up.session.standing(), whole.session.standing());
    }

    #[test]
    fn an_open_decodes_to_what_was_encoded(
        asn in any::<u32>(), two in any::<u16>(), hold in any::<u16>(), id in any::<u32>(), four in any::<bool>(),
        families in prop::collection::btree_set((any::<u16>(), any::<u8>()), 0..5), restart_time in prop::option::of(0_u16..4096),
    ) {
        let open = Open {
            two_octet_asn: two,
            hold_time: hold,
            router_id: id.into(),
            four_octet_asn: four.then_some(Asn(asn)),
            families: families.into_iter().map(|(afi, safi)| Family { afi, safi }).collect(),
            restart_time,
        };
        prop_assert_eq!(Open::decode(&open.encode()[19..]).unwrap(), open);
    }

    #[test]
    fn an_update_decodes_to_what_was_encoded(prefixes in vec(prefix(), 1..1500), asn in 1_u32.., four in any::<bool>()) {
        let asn = Asn(asn);
        let mut seen = Vec::new();
        for message in update::encode_announcements(&prefixes, asn, LOCAL, four) {
            let update = Update::decode(&message[19..], four).unwrap();
            prop_assert_eq!(update.path.last(), Some(&asn));
            prop_assert!(update.announced.iter().all(|one| one.next_hop == LOCAL));
            prop_assert_eq!((update.malformed, update.attributes_discarded), (None, 0));
            seen.extend(update.announced.into_iter().map(|one| one.prefix));
        }
        prop_assert_eq!(&seen, &prefixes);
        let withdrawn: Vec<Ipv4Net> =
            update::encode_withdrawals(&prefixes).iter().flat_map(|message| Update::decode(&message[19..], four).unwrap().withdrawn).collect();
        prop_assert_eq!(withdrawn, prefixes);
    }

    #[test]
    fn a_notification_decodes_to_what_was_encoded(code in any::<u8>(), subcode in any::<u8>(), data in vec(any::<u8>(), 0..200)) {
        let notification = Notification { code, subcode, data };
        prop_assert_eq!(Notification::decode(&notification.encode()[19..]), Some(notification.clone()));
        prop_assert!(!notification.to_string().contains(char::is_control));
    }

    #[test]
    fn timers_called_early_late_and_often_never_panic_and_always_move_on(jumps in vec(0_u64..40_000, 1..60)) {
        let mut rig = Rig::established();
        for jump in jumps {
            rig.now = rig.now + Duration::from_millis(jump);
            let outputs = rig.input(Input::Timeout);
            prop_assert!(rig.session.poll_timeout().is_some_and(|deadline| deadline.at > rig.now), "{outputs:?}");
            if outputs.iter().any(|output| matches!(output, Output::Connect(_))) {
                rig.connected();
            }
        }
    }
}

//! What decoding promises.

mod interfaces;

use std::net::Ipv4Addr;

use proptest::prelude::*;
use warren_state::Pubkey;

use super::{generate::Entropy, samples::key, *};
use interfaces::encode_interface;

fn user_of(bytes: &[u8]) -> User {
    match decode(bytes) {
        Ok(Account::User(user)) => user,
        other => panic!("not a user: {other:?}"),
    }
}

fn device_of(bytes: &[u8]) -> (Device, Decoded) {
    match inspect(bytes) {
        Ok(decoded) => match decoded.account.clone() {
            Account::Device(device) => (device, decoded),
            other => panic!("not a device: {other:?}"),
        },
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn every_kind_reads_back_what_was_written_with_nothing_left_and_nothing_defaulted() {
    for (name, account) in samples::full() {
        let decoded = inspect(&encode(&account)).unwrap();
        assert_eq!(decoded.account, account, "{name}");
        assert_eq!(
            (
                decoded.trailing,
                decoded.defaulted.as_slice(),
                decoded.notes.as_slice()
            ),
            (0, &[][..], &[][..]),
            "{name}"
        );
    }
}

#[test]
fn the_samples_cover_every_kind() {
    let seen: std::collections::BTreeSet<_> = samples::full()
        .iter()
        .map(|(_, account)| account.account_type())
        .collect();
    assert_eq!(seen, Account::TYPES.iter().copied().collect());
}

#[test]
fn a_users_fixed_offsets_are_where_the_filters_look() {
    let user = samples::user_multicast();
    let bytes = encode(&user.clone().into());
    assert_eq!(bytes[0], 7);
    assert_eq!(bytes[50], user.user_type.0);
    assert_eq!(bytes[51..83], user.tenant_pk.0);
    assert_eq!(
        bytes[USER_DEVICE_OFFSET..USER_DEVICE_OFFSET + 32],
        user.device_pk.0
    );
    assert_eq!(USER_DEVICE_OFFSET, 83);
    assert_eq!(bytes[115], user.cyoa.0);
    assert_eq!(USER_CLIENT_IP_OFFSET, 116);
    assert_eq!(bytes[116..120], user.client_ip.octets());
    assert_eq!(bytes[120..124], user.dz_ip.octets());
    assert_eq!(bytes[124..126], user.tunnel_id.to_le_bytes());
    assert_eq!(bytes[126..130], user.tunnel_net.address.octets());
    assert_eq!(bytes[130], user.tunnel_net.prefix_len);
    assert_eq!(bytes[131], user.status.0);
    assert_eq!(bytes[132..136], 1u32.to_le_bytes());
}

#[test]
fn the_fixed_sizes_of_the_facts_hold() {
    let size = |name: &str| {
        samples::full()
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, account)| encode(account).len())
    };
    assert_eq!(size("global_config"), Some(64));
    assert_eq!(size("program_config"), Some(26));
    assert_eq!(size("resource_extension_ip"), Some(88 + 4));
    assert_eq!(size("resource_extension_id"), Some(88 + 4));
    let seats = size("access_pass_edge_seat").unwrap() - size("access_pass_prepaid").unwrap();
    assert_eq!(seats, 4 + 52);
}

#[test]
fn a_user_of_the_old_layout_has_no_feeds_and_28_trailing_bytes() {
    let bytes = fixture("user_old_layout");
    let decoded = inspect(&bytes).unwrap();
    assert_eq!(decoded.trailing, 28);
    assert_eq!(user_of(&bytes).feed_pks, []);
    assert_eq!(
        (user_of(&bytes).bgp_rtt_ns, user_of(&bytes).access_pass),
        (1_250_000, Pubkey::default())
    );
}

#[test]
fn a_user_names_its_pass_after_its_feeds_and_none_where_the_writer_recorded_none() {
    let user = samples::user_multicast();
    let bytes = encode(&user.clone().into());
    assert_eq!(bytes[bytes.len() - 32..], user.access_pass.0);
    assert_eq!(bytes[bytes.len() - 64..bytes.len() - 32], user.feed_pks[0].0);
    let before = inspect(&fixture("user_without_pass")).unwrap();
    assert_eq!(
        before.account,
        User {
            access_pass: Pubkey::default(),
            ..user
        }
        .into()
    );
    assert_eq!(
        (before.trailing, before.defaulted.as_slice()),
        (0, &["access_pass"][..])
    );
}

#[test]
fn a_feed_without_a_state_is_active_and_so_is_one_that_is_cut_before_it() {
    let feed_of = |bytes: &[u8]| match decode(bytes) {
        Ok(Account::Feed(feed)) => feed,
        other => panic!("{other:?}"),
    };
    let old = feed_of(&fixture("feed_without_state"));
    assert_eq!(
        (old.status, old.groups.len(), old.feed_chain),
        (FeedStatus::ACTIVE, 2, FeedChain::UNSPECIFIED)
    );
    let whole = fixture("feed");
    assert_eq!(feed_of(&whole).status, FeedStatus::HALTED);
    // The state, who halted it, when it is retired, its chain.
    let state = whole.len() - 1 - 32 - 8 - 1;
    assert_eq!(whole[state], 2);
    assert_eq!(feed_of(&whole[..state]).status, FeedStatus::ACTIVE);
    assert_eq!(feed_of(&whole[..=state]).status, FeedStatus::HALTED);
}

#[test]
fn the_verifiers_key_is_the_states_last_field_and_zero_where_there_is_none() {
    let of = |bytes: &[u8]| match decode(bytes) {
        Ok(Account::GlobalState(state)) => state.ip_verifier_authority,
        other => panic!("{other:?}"),
    };
    let whole = fixture("global_state");
    assert_eq!(whole[whole.len() - 32..], of(&whole).0);
    assert_eq!(of(&fixture("global_state_without_verifier")), Pubkey::default());
}

#[test]
fn the_health_of_a_device_and_of_a_link_is_pending_where_it_is_absent() {
    let mut device = samples::device();
    (device.deprecated_interfaces, device.interfaces) = (vec![], vec![]);
    let bytes = encode(&device.into());
    // Health, the wanted state, seven counters, the list of interfaces.
    let before = bytes.len() - (1 + 1 + 7 * 2 + 4);
    let (read, _) = device_of(&bytes[..before]);
    assert_eq!((read.max_users, read.device_health), (128, DeviceHealth::PENDING));
    let whole = fixture("link");
    // Health, the wanted state, one topology, flags.
    let before = whole.len() - (1 + 1 + 4 + 32 + 4);
    match decode(&whole[..before]) {
        Ok(Account::Link(link)) => assert_eq!((link.side_z_iface.as_str(), link.health), ("Ethernet2", 1)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pass_without_caps_has_a_cap_of_one_each() {
    match decode(&fixture("access_pass_without_caps")) {
        Ok(Account::AccessPass(pass)) => assert_eq!((pass.max_unicast, pass.max_multicast), (1, 1)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unknown_number_stays_unknown_and_is_never_activated() {
    let user = user_of(&fixture("user_unknown_numbers"));
    assert_eq!((user.status.0, user.status.name()), (99, "unknown"));
    assert_eq!((user.user_type.0, user.user_type.name()), (42, "unknown"));
    assert_ne!(user.status, UserStatus::ACTIVATED);
}

#[test]
fn a_user_cut_inside_a_field_of_its_tunnel_is_an_error_and_cut_before_it_gets_the_default() {
    let bytes = encode(&samples::user_multicast().into());
    let endpoint = 136 + 32 + 4 + 64 + 32;
    assert_eq!(bytes[endpoint..endpoint + 4], [198, 51, 100, 2]);
    assert_eq!(user_of(&bytes[..endpoint]).tunnel_endpoint, Ipv4Addr::UNSPECIFIED);
    for cut in 1..4 {
        let error = decode(&bytes[..endpoint + cut]).unwrap_err();
        assert!(
            matches!(
                error,
                DecodeError::Truncated {
                    field: "tunnel_endpoint",
                    ..
                }
            ),
            "{error:?}"
        );
    }
    for cut in 0..132 {
        assert!(decode(&bytes[..cut]).is_err(), "{cut} bytes");
    }
    assert_eq!(user_of(&bytes[..132]).publishers, []);
}

#[test]
fn a_list_that_claims_more_than_the_account_holds_is_an_error_before_anything_is_allocated() {
    let mut bytes = encode(&samples::user().into());
    bytes[132..136].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(
        decode(&bytes),
        Err(DecodeError::TooLong {
            field: "publishers",
            at: 132,
            len: bytes.len()
        })
    );
}

#[test]
fn a_text_that_is_not_utf8_is_an_error() {
    let mut bytes = encode(&samples::multicast_group().into());
    let code = bytes.len() - 8 - 6;
    bytes[code] = 0xff;
    assert_eq!(
        decode(&bytes),
        Err(DecodeError::NotText {
            field: "code",
            at: code - 4
        })
    );
}

#[test]
fn no_bytes_no_type_and_a_reserved_type_are_errors() {
    assert_eq!(decode(&[]), Err(DecodeError::Empty));
    for tag in [0, 14, 19, 255] {
        assert_eq!(decode(&[tag; 300]), Err(DecodeError::UnknownType(tag)));
    }
}

#[test]
fn an_access_pass_of_an_unknown_type_is_an_error() {
    let mut bytes = encode(&samples::access_pass(PassType::Prepaid).into());
    bytes[34] = 5;
    assert_eq!(
        decode(&bytes),
        Err(DecodeError::UnknownVariant {
            field: "pass_type",
            value: 5,
            at: 34
        })
    );
}

#[test]
fn an_interfaces_size_and_what_an_allocator_has_left_are_in_the_json_form() {
    let json = to_json(&samples::device().into());
    let size = encode_interface(&samples::device().interfaces[1]).len();
    assert_eq!(json["interfaces"][1]["size"], size);
    let (_, addresses) = samples::full()
        .into_iter()
        .find(|(name, _)| *name == "resource_extension_ip")
        .unwrap();
    let json = to_json(&addresses);
    // Four bits of the bitmap's four bytes.
    assert_eq!(
        (&json["total"], &json["allocated"], &json["available"]),
        (&65_536.into(), &4.into(), &65_532.into())
    );
    let Account::ResourceExtension(mut numbers) = addresses else {
        panic!("an allocator")
    };
    numbers.allocator = Allocator::Id {
        start: 500,
        end: 510,
        first_free: 0,
    };
    numbers.bitmap = Bitmap(vec![0xff, 0xff]);
    let taken = Occupancy {
        total: 10,
        allocated: 10,
        available: 0,
    };
    assert_eq!(
        numbers.occupancy(),
        Some(taken),
        "bits past the range are none of it"
    );
    numbers.allocator = Allocator::Unknown(7);
    assert_eq!(numbers.occupancy(), None);
    assert!(to_json(&numbers.into()).get("total").is_none());
}

#[test]
fn the_json_form_has_dotted_addresses_base58_keys_and_named_numbers() {
    let json = to_json(&samples::user_multicast().into());
    assert_eq!(json["tag"], serde_json::json!({"value": 7, "name": "user"}));
    assert_eq!(json["client_ip"], "192.0.2.10");
    assert_eq!(json["tunnel_net"], "169.254.0.2/31");
    assert_eq!(
        json["status"],
        serde_json::json!({"value": 1, "name": "activated"})
    );
    assert_eq!(
        json["user_type"],
        serde_json::json!({"value": 3, "name": "multicast"})
    );
    assert_eq!(json["device_pk"], key(50).to_string());
    assert_eq!(json["subscribers"][1], key(81).to_string());
    assert_eq!(json["index"], 5);
    let pass = to_json(&samples::access_pass(PassType::SolanaValidator(key(60))).into());
    assert_eq!(
        pass["type"],
        serde_json::json!({"value": 1, "name": "solana_validator", "pubkey": key(60).to_string()})
    );
    assert_eq!(pass["last_access_epoch"], u64::MAX);
}

#[test]
fn the_json_text_writes_128_bit_numbers_exactly() {
    let permission = Permission {
        owner: key(1),
        bump: 0,
        status: 1,
        user_payer: Pubkey::default(),
        permissions: u128::MAX,
    };
    assert!(
        to_json_text(&permission.into()).contains("\"permissions\": 340282366920938463463374607431768211455")
    );
}

proptest! {
    #[test]
    fn whatever_is_written_reads_back_the_same(which in 0..Account::TYPES.len(), entropy in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut account = Account::generate(Account::TYPES[which], &mut Entropy::new(&entropy)).unwrap();
        if let Account::Device(device) = &mut account {
            let count = device.deprecated_interfaces.len().min(device.interfaces.len());
            device.deprecated_interfaces.truncate(count);
            device.interfaces.truncate(count);
        }
        let decoded = inspect(&encode(&account)).unwrap();
        prop_assert_eq!(&decoded.account, &account);
        prop_assert_eq!((decoded.trailing, decoded.defaulted.len()), (0, 0));
        prop_assert!(to_json(&account).is_object());
    }

    #[test]
    fn trailing_bytes_are_counted_and_change_nothing(which in 0..Account::TYPES.len(), junk in proptest::collection::vec(any::<u8>(), 1..80)) {
        prop_assume!(Account::TYPES[which] != AccountType::RESOURCE_EXTENSION);
        for (name, account) in samples::full().into_iter().filter(|(_, a)| a.account_type() == Account::TYPES[which]) {
            let decoded = inspect(&[encode(&account), junk.clone()].concat()).unwrap();
            prop_assert_eq!(&decoded.account, &account, "{}", name);
            prop_assert_eq!(decoded.trailing, junk.len());
        }
    }

    #[test]
    fn random_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..800), tag in 0u8..20) {
        if let Some(first) = bytes.first_mut() {
            *first = tag;
        }
        let _ = inspect(&bytes);
    }

    #[test]
    fn a_damaged_account_never_panics_and_holds_no_more_than_its_bytes_allow(
        which in 0..33usize, at in any::<prop::sample::Index>(), value in any::<u8>(), cut in any::<prop::sample::Index>(),
    ) {
        let all = samples::all();
        let mut bytes = all[which % all.len()].1.clone();
        let place = at.index(bytes.len());
        bytes[place] = value;
        bytes.truncate(cut.index(bytes.len()) + 1);
        if let Ok(decoded) = inspect(&bytes) {
            // Rebuilding interfaces may make the account longer than it was, by the size of the newer form only.
            prop_assert!(encode(&decoded.account).len() <= 4 * bytes.len() + 400);
        }
    }
}

fn fixture(name: &str) -> Vec<u8> {
    samples::all()
        .into_iter()
        .find(|(n, _)| *n == name)
        .map(|(_, bytes)| bytes)
        .unwrap()
}

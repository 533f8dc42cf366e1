use super::*;

const A: Ipv4Addr = Ipv4Addr::new(20, 0, 0, 5);
const B: Ipv4Addr = Ipv4Addr::new(20, 0, 0, 6);
const PRIVATE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);

fn on_host(address: Ipv4Addr) -> Chosen {
    Chosen {
        address,
        seen: Seen::Host,
    }
}

fn outside(address: Ipv4Addr) -> Chosen {
    Chosen {
        address,
        seen: Seen::Outside,
    }
}

fn tunnel(local: Ipv4Addr, works: bool) -> InPlace {
    InPlace {
        local: Some(local),
        works,
    }
}

/// The host has these addresses, and this one would be chosen.
fn look(guess: Chosen, host: &[Ipv4Addr], tunnels: &[InPlace], users: Option<bool>) -> AddressObservation {
    let host: BTreeSet<Ipv4Addr> = host.iter().copied().collect();
    AddressObservation {
        guess: Ok(guess),
        up: host.clone(),
        host,
        tunnels: tunnels.to_vec(),
        users,
    }
}

fn nothing() -> AddressObservation {
    AddressObservation {
        guess: Err("no route".to_owned()),
        host: BTreeSet::new(),
        up: BTreeSet::new(),
        tunnels: Vec::new(),
        users: None,
    }
}

fn address(addresses: &Addresses) -> Option<Ipv4Addr> {
    addresses.in_force().map(|chosen| chosen.address)
}

/// What is in force after several such looks, and what would be chosen instead.
fn after(in_force: Chosen, look: &AddressObservation) -> (Ipv4Addr, Option<Ipv4Addr>) {
    let mut addresses = Addresses::new(Some(in_force), None);
    for _ in 0..5 {
        addresses.look(look).unwrap();
    }
    (address(&addresses).unwrap(), addresses.other())
}

#[test]
fn another_guess_replaces_an_address_only_where_there_is_nothing_to_lose() {
    let (both, only_b) = ([A, B], [B]);
    let (up, down) = (tunnel(A, true), tunnel(A, false));
    let behind = tunnel(PRIVATE, true);
    let broken = tunnel(PRIVATE, false);
    let stays = |other| (A, Some(other));
    let moves = (B, None);
    let cases = [
        (
            "it is preferred still",
            on_host(A),
            look(on_host(A), &both, &[up], Some(true)),
            (A, None),
        ),
        (
            "its tunnel works",
            on_host(A),
            look(on_host(B), &both, &[up], Some(true)),
            stays(B),
        ),
        (
            "its tunnel is in place",
            on_host(A),
            look(on_host(B), &both, &[down], Some(true)),
            stays(B),
        ),
        (
            "its tunnel is in place, the ledger is silent",
            on_host(A),
            look(on_host(B), &both, &[down], None),
            stays(B),
        ),
        (
            "a tunnel from another address is in place",
            on_host(A),
            look(on_host(B), &both, &[tunnel(B, true)], Some(true)),
            stays(B),
        ),
        (
            "its tunnel is being removed",
            on_host(A),
            look(on_host(B), &both, &[down], Some(false)),
            stays(B),
        ),
        (
            "its user has no tunnel yet",
            on_host(A),
            look(on_host(B), &both, &[], Some(true)),
            stays(B),
        ),
        (
            "nobody has asked the ledger yet",
            on_host(A),
            look(on_host(B), &both, &[], None),
            stays(B),
        ),
        (
            "nobody uses it",
            on_host(A),
            look(on_host(B), &both, &[], Some(false)),
            moves,
        ),
        (
            "it has left the host",
            on_host(A),
            look(on_host(B), &only_b, &[up], Some(true)),
            moves,
        ),
        (
            "it has left the host, and others see another",
            on_host(A),
            look(outside(B), &[PRIVATE], &[up], Some(true)),
            moves,
        ),
        (
            "others saw it, the host has it now",
            outside(A),
            look(on_host(B), &both, &[up], Some(true)),
            stays(B),
        ),
        (
            "others see another, and it works",
            outside(A),
            look(outside(B), &[PRIVATE], &[behind], Some(true)),
            stays(B),
        ),
        (
            "others see another, and it does not work",
            outside(A),
            look(outside(B), &[PRIVATE], &[broken], Some(true)),
            moves,
        ),
        (
            "others see another, and there is no tunnel",
            outside(A),
            look(outside(B), &[PRIVATE], &[], Some(true)),
            moves,
        ),
        ("nothing is found any more", on_host(A), nothing(), (A, None)),
    ];
    for (name, in_force, look, expected) in cases {
        assert_eq!(after(in_force, &look), expected, "{name}");
    }
}

#[test]
fn at_a_start_what_was_in_force_counts_before_tunnels_in_place_and_these_before_the_guess() {
    let both = [A, B];
    let first = |remembered, look: AddressObservation| {
        let mut addresses = Addresses::new(None, remembered);
        addresses
            .look(&look)
            .map(|_| (address(&addresses).unwrap(), addresses.other()))
    };
    assert_eq!(
        first(None, look(on_host(B), &both, &[], None)),
        Ok((B, None)),
        "a guess is enough to begin with"
    );
    assert_eq!(
        first(None, look(on_host(B), &both, &[tunnel(A, false)], None)),
        Ok((A, Some(B))),
        "a tunnel is in place"
    );
    let adopted = AddressObservation {
        guess: Err("no route".to_owned()),
        ..look(on_host(B), &both, &[tunnel(A, false)], None)
    };
    assert_eq!(first(None, adopted), Ok((A, None)), "without any guess too");
    assert_eq!(
        first(
            None,
            look(on_host(B), &both, &[tunnel(A, false), tunnel(B, false)], None)
        ),
        Ok((B, None))
    );
    assert_eq!(
        first(None, look(on_host(B), &[B], &[tunnel(A, false)], None)),
        Ok((B, None)),
        "its address has left the host"
    );
    let translated = look(outside(B), &[PRIVATE], &[tunnel(PRIVATE, false)], None);
    assert_eq!(
        first(None, translated.clone()),
        Ok((B, None)),
        "a private address is nobody's public one"
    );
    assert_eq!(
        first(Some(outside(A)), translated),
        Ok((A, Some(B))),
        "the tunnel was made when others saw another"
    );
    assert_eq!(
        first(Some(outside(A)), look(outside(B), &[PRIVATE], &[], None)),
        Ok((B, None)),
        "without a tunnel nothing is lost"
    );
    assert_eq!(
        first(
            Some(on_host(A)),
            look(on_host(B), &both, &[tunnel(B, false)], None)
        ),
        Ok((A, Some(B))),
        "tunnels have other sources"
    );
    assert_eq!(
        first(Some(on_host(A)), look(on_host(B), &both, &[], None)),
        Ok((A, Some(B))),
        "a reboot took the tunnel"
    );
    assert_eq!(
        first(
            Some(on_host(A)),
            look(on_host(B), &[B], &[tunnel(A, false)], None)
        ),
        Ok((B, None)),
        "it has left the host"
    );
    assert_eq!(first(None, nothing()), Err("no route".to_owned()));
}

#[test]
fn a_change_is_seen_twice_in_a_row_first() {
    let gone = look(on_host(B), &[B], &[], None);
    let mut addresses = Addresses::new(Some(on_host(A)), None);
    assert_eq!(
        addresses.look(&gone),
        Ok(Outcome {
            again: true,
            ..Outcome::default()
        })
    );
    assert_eq!(
        addresses.look(&look(on_host(A), &[A, B], &[], None)),
        Ok(Outcome::default())
    );
    assert!(addresses.look(&gone).unwrap().again && address(&addresses) == Some(A));
    assert_eq!(addresses.look(&gone).unwrap().changed, Some(FoundBecause::Left));
    assert_eq!(address(&addresses), Some(B));
}

#[test]
fn that_another_would_be_chosen_is_told_once() {
    let other = look(on_host(B), &[A, B], &[tunnel(A, true)], Some(true));
    let mut addresses = Addresses::new(Some(on_host(A)), None);
    assert!(addresses.look(&other).unwrap().held.is_some());
    assert_eq!(addresses.look(&other), Ok(Outcome::default()));
    addresses
        .look(&look(on_host(A), &[A, B], &[tunnel(A, true)], Some(true)))
        .unwrap();
    assert_eq!(addresses.other(), None);
    assert!(addresses.look(&other).unwrap().held.is_some());
}

#[test]
fn an_address_that_was_away_for_a_moment_takes_its_tunnel_back() {
    let gone = look(on_host(B), &[B], &[tunnel(A, false)], None);
    let back = |users| look(on_host(B), &[A, B], &[tunnel(A, false)], users);
    let away = || {
        let mut addresses = Addresses::new(Some(on_host(A)), None);
        addresses.look(&gone).unwrap();
        addresses.look(&gone).unwrap();
        assert_eq!(address(&addresses), Some(B));
        addresses
    };
    let mut addresses = away();
    assert!(addresses.look(&back(None)).unwrap().changed.is_some());
    assert_eq!((address(&addresses), addresses.other()), (Some(A), Some(B)));
    let mut borne_out = away();
    for _ in 0..3 {
        borne_out.look(&back(Some(true))).unwrap();
    }
    assert_eq!(
        address(&borne_out),
        Some(B),
        "the ledger names a user of the new one"
    );
}

/// A pin as the store has it, before the host was looked at.
fn pinned(in_force: Option<Chosen>, address: Ipv4Addr) -> Addresses {
    let mut addresses = Addresses::new(in_force, None);
    addresses.pin(address, false);
    addresses
}

fn state(addresses: &Addresses) -> (Option<Ipv4Addr>, Source, Option<Ipv4Addr>) {
    (address(addresses), addresses.source(), addresses.pinned())
}

#[test]
fn a_pin_that_the_host_has_is_in_force_and_stays_whatever_is_preferred_and_whatever_leaves() {
    let mut addresses = pinned(None, A);
    assert_eq!(
        addresses
            .look(&look(on_host(B), &[A, B], &[], None))
            .unwrap()
            .changed,
        Some(FoundBecause::Pinned)
    );
    let mut told = Vec::new();
    for seen in [
        look(on_host(B), &[A, B], &[tunnel(B, true)], Some(true)),
        look(on_host(B), &[B], &[], None),
        nothing(),
    ] {
        for _ in 0..3 {
            let outcome = addresses.look(&seen).unwrap();
            told.extend(outcome.pin);
            assert_eq!(Outcome { pin: None, ..outcome }, Outcome::default());
            assert_eq!(
                (state(&addresses), addresses.other()),
                ((Some(A), Source::Pin, Some(A)), None)
            );
        }
    }
    assert_eq!((addresses.take_dropped(), addresses.pin_away()), (None, Some(A)));
    told.extend(addresses.look(&look(on_host(A), &[A, B], &[], None)).unwrap().pin);
    assert_eq!(told, [PinChange::Away, PinChange::Back], "once each");
    addresses.look(&look(on_host(B), &[A, B], &[], None)).unwrap();
    assert_eq!(addresses.pin_away(), None);
}

#[test]
fn a_pin_that_two_looks_do_not_find_at_a_start_is_dropped_with_the_reason() {
    let without = look(on_host(B), &[B], &[], None);
    let mut addresses = pinned(None, A);
    assert!(
        addresses
            .look(&without)
            .unwrap_err()
            .contains("looking for it once more")
    );
    assert_eq!(
        addresses.look(&without).unwrap().changed,
        Some(FoundBecause::Found)
    );
    assert_eq!(state(&addresses), (Some(B), Source::Discovered, None));
    assert_eq!(
        (addresses.take_dropped(), addresses.take_dropped()),
        (Some(Unusable::NotHere(A)), None)
    );
    let mut back = pinned(None, A);
    back.look(&without).unwrap_err();
    back.look(&look(on_host(B), &[A, B], &[], None)).unwrap();
    assert_eq!(
        state(&back),
        (Some(A), Source::Pin, Some(A)),
        "it came a moment later"
    );
    let down = AddressObservation {
        up: [B].into(),
        ..look(on_host(B), &[A, B], &[], None)
    };
    let mut addresses = pinned(None, A);
    addresses.look(&down).unwrap_err();
    addresses.look(&down).unwrap();
    assert_eq!(
        addresses.take_dropped(),
        Some(Unusable::NotHere(A)),
        "its link is down"
    );
    let mut private = pinned(None, PRIVATE);
    private.look(&look(on_host(B), &[PRIVATE, B], &[], None)).unwrap();
    assert_eq!(
        (address(&private), private.take_dropped()),
        (Some(B), Some(Unusable::NotPublic(PRIVATE)))
    );
}

#[test]
fn a_host_that_cannot_be_looked_at_keeps_its_pin_until_it_can() {
    let mut addresses = pinned(None, A);
    assert!(addresses.trust_pin() && !addresses.trust_pin(), "it is news once");
    assert_eq!(state(&addresses), (Some(A), Source::Pin, Some(A)));
    let without = look(on_host(B), &[B], &[], None);
    assert_eq!(
        addresses.look(&without),
        Ok(Outcome {
            again: true,
            ..Outcome::default()
        })
    );
    assert_eq!(address(&addresses), Some(A));
    addresses.look(&without).unwrap();
    assert_eq!(
        (state(&addresses), addresses.take_dropped()),
        ((Some(B), Source::Discovered, None), Some(Unusable::NotHere(A)))
    );
}

#[test]
fn a_new_pin_takes_the_place_of_what_is_in_force_at_once() {
    let mut addresses = Addresses::new(Some(on_host(A)), None);
    addresses.pin(B, true);
    assert_eq!(state(&addresses), (Some(B), Source::Pin, Some(B)));
    assert_eq!(
        addresses.look(&look(on_host(A), &[A, B], &[tunnel(A, true)], Some(false))),
        Ok(Outcome::default())
    );
}

#[test]
fn it_is_told_where_the_address_in_force_comes_from() {
    let both = [A, B];
    let mut found = Addresses::new(None, None);
    found.look(&look(on_host(A), &both, &[], None)).unwrap();
    assert_eq!(found.source(), Source::Discovered);
    let mut remembered = Addresses::new(None, Some(on_host(A)));
    remembered.look(&look(on_host(B), &both, &[], None)).unwrap();
    assert_eq!(remembered.source(), Source::Hint);
    remembered.look(&look(on_host(A), &both, &[], None)).unwrap();
    assert_eq!(
        remembered.source(),
        Source::Discovered,
        "it is found as well by now"
    );
    assert_eq!(state(&Addresses::named(B)), (Some(B), Source::Flag, None));
}

#[test]
fn private_and_reserved_addresses_are_not_public() {
    for special in [
        "10.1.2.3",
        "100.64.0.1",
        "100.127.255.255",
        "169.254.1.1",
        "172.31.0.1",
        "192.168.1.1",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1",
        "0.1.2.3",
        "127.0.0.1",
    ] {
        assert!(!is_public(special.parse().unwrap()), "{special}");
    }
    for public in [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.0",
        "172.32.0.1",
        "192.0.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "223.255.255.255",
    ] {
        assert!(is_public(public.parse().unwrap()), "{public}");
    }
}

use super::*;

/// What the command line says after `warren NOUN list`.
pub(super) fn filter<F: Args>(words: &[&str]) -> F {
    let command = F::augment_args(clap::Command::new("list"));
    let matches = command
        .try_get_matches_from(["list"].iter().chain(words))
        .unwrap_or_else(|error| panic!("{error}"));
    F::from_arg_matches(&matches).unwrap()
}

pub(super) fn passing<K: Kind>(known: &Known, filter: &impl Filter<K>) -> Vec<Pubkey> {
    filter.check(known).unwrap();
    sorted::<K>(known)
        .into_iter()
        .filter(|row| filter.admits(row))
        .map(|row| row.key)
        .collect()
}

#[test]
fn every_filter_of_devices_and_links_leaves_what_it_says() {
    let known = known();
    let (near, far) = (key(50), key(51));
    for (words, expected) in [
        (&[][..], vec![far, near]),
        (&["-c", "acme"], vec![near]),
        (&["--contributor", "acme", "--exchange=xfra"], vec![near]),
        (&["--location", &key(40).to_string()], vec![far, near]),
        (&["--device-type", "Hybrid", "--status", "drained"], vec![far]),
        (
            &[
                "--health",
                "ready-for-users",
                "--desired-status",
                "activated",
                "--code",
                "fra",
            ],
            vec![near],
        ),
        (&["--device-type", "edge"], vec![]),
    ] {
        assert_eq!(
            passing::<Device>(&known, &filter::<DeviceFilter>(words)),
            expected,
            "{words:?}"
        );
    }
    for words in [
        ["--contributor", "nobody"],
        ["--exchange", "nowhere"],
        ["--status", "tired"],
        ["--health", ""],
    ] {
        let refused = filter::<DeviceFilter>(&words).check(&known).unwrap_err();
        assert!(
            refused.what.contains(&format!("'{}'", words[1])) && refused.advice.is_some(),
            "{refused}"
        );
    }
    for (words, is_there) in [
        (
            &["--side-a", "fra-dz01", "--side-z", "ams-dz01", "--dzx"][..],
            true,
        ),
        (
            &[
                "--link-type",
                "DZX",
                "--status",
                "soft-drained",
                "--health",
                "ready-for-service",
            ],
            true,
        ),
        (
            &[
                "--topology",
                "LOWLATENCY",
                "--desired-status=activated",
                "--code=ams",
                "-c=acme",
            ],
            true,
        ),
        (&["--wan"], false),
        (&["--side-a", "ams-dz01"], false),
    ] {
        assert_eq!(
            !passing::<Link>(&known, &filter::<LinkFilter>(words)).is_empty(),
            is_there,
            "{words:?}"
        );
    }
    assert!(
        filter::<LinkFilter>(&["--topology", "none"])
            .check(&known)
            .is_err()
    );
}

#[test]
fn every_filter_of_users_and_passes_leaves_what_it_says() {
    let known = known();
    let (unicast, multicast) = (key(100), key(101));
    let payer = key(10).to_string();
    for (words, expected) in [
        (&[][..], vec![unicast, multicast]),
        (
            &["--prepaid", "--device=fra-dz01,x", "--location", "Frankfurt"],
            vec![unicast, multicast],
        ),
        (&["--solana-validator"], vec![]),
        (
            &["--client-ip", "192.0.2.10,192.0.2.11", "--user-type", "ibrl"],
            vec![unicast],
        ),
        (
            &[
                "--owner",
                &payer,
                "--user-payer",
                &payer,
                "--cyoa-type",
                "greoverdia",
            ],
            vec![unicast, multicast],
        ),
        (
            &["--dz-ip", "148.51.120.5", "--tunnel-id", "501,502"],
            vec![multicast],
        ),
        (
            &["--status", "banned,activated", "--multicast-group", "prices"],
            vec![multicast],
        ),
        (&["-t", "TENANT-A"], vec![unicast, multicast]),
        (&["--tenant", "tenant-b"], vec![]),
    ] {
        assert_eq!(
            passing::<User>(&known, &filter::<UserFilter>(words)),
            expected,
            "{words:?}"
        );
    }
    assert_eq!(
        filter::<UserFilter>(&["--client-ip", "192.0.2.1"]).only_host(),
        Some(Ipv4Addr::new(192, 0, 2, 1))
    );
    assert_eq!(
        filter::<UserFilter>(&["--client-ip", "192.0.2.1,192.0.2.2"]).only_host(),
        None
    );
    for (words, is_there) in [
        (
            &[
                "--prepaid",
                "--tenant",
                "tenant-a",
                "--client-ip=192.0.2.10",
                "--user-payer",
                &payer,
            ][..],
            true,
        ),
        (
            &[
                "--multicast-group-publisher",
                "shreds",
                "--not-multicast-group-publisher",
                "prices",
            ],
            true,
        ),
        (&["--multicast-group-subscriber", "prices"], true),
        (&["--not-multicast-group-subscriber", "prices"], false),
        (&["--multicast-group-publisher", "prices"], false),
        (&["--edge-seat"], false),
        (&["--solana-identity", &payer], false),
    ] {
        assert_eq!(
            !passing::<AccessPass>(&known, &filter::<PassFilter>(words)).is_empty(),
            is_there,
            "{words:?}"
        );
    }
}

#[test]
fn one_is_found_by_address_by_code_and_by_code_in_another_case() {
    let known = known();
    for text in ["fra-dz01", "FRA-DZ01", &key(50).to_string()] {
        assert_eq!(
            find::<Device>(&known, text)
                .unwrap_or_else(|failure| panic!("{failure}"))
                .key,
            key(50)
        );
    }
    for text in ["", "moon", &key(40).to_string()] {
        assert!(find::<Device>(&known, text).is_err(), "{text:?}");
    }
}

use warren_ledger::{
    accounts::{Cyoa, samples::key},
    instructions::{CreateSubscribeUser, DzPrefixCount, samples},
    proof::IpProof,
    send::fits,
};

use super::{creation::fitting, *};

#[test]
fn a_user_is_made_with_as_many_groups_as_fit_beside_its_proof() {
    let caller = samples::caller();
    let made = |prefixes, proof: Option<IpProof>| {
        let create = CreateSubscribeUser {
            user_type: UserType::MULTICAST,
            cyoa: Cyoa::GRE_OVER_DIA,
            client_ip: samples::CLIENT_IP,
            group: key(100),
            extra_groups: (101..108).map(key).collect(),
            publisher: true,
            subscriber: true,
            tunnel_endpoint: samples::ENDPOINT,
            device: key(samples::DEVICE),
            dz_prefixes: DzPrefixCount::new(prefixes).unwrap(),
            access_pass: samples::access_pass(),
            owner: None,
            feed: None,
            proof,
        };
        let check = proof.map(|proof| proof.ed25519_instruction(&key(9)));
        let made = fitting(create, check.as_ref(), &caller).unwrap();
        let all: Vec<_> = check.into_iter().chain([made.clone()]).collect();
        (1 + made.data.last().copied().unwrap(), fits(&all, caller.payer))
    };
    let proof = Some(samples::proof(UserType::MULTICAST));
    assert_eq!([made(1, None), made(13, None)], [(8, true); 2]);
    assert_eq!(
        [made(1, proof), made(2, proof), made(3, proof), made(5, proof)],
        [(8, true), (8, true), (7, true), (5, true)]
    );
}

fn asked(groups: &[&str], publish: &[&str], feeds: &[&str]) -> Result<Asked, Failure> {
    let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    Asked::new(
        None,
        own(groups),
        own(publish),
        vec![],
        Feeds {
            join: own(feeds),
            leave: vec![],
        },
    )
}

#[test]
fn groups_beside_feeds_are_an_error_of_usage() {
    assert_eq!(asked(&["mg01"], &[], &["f1"]).unwrap_err().code, crate::USAGE);
    assert_eq!(asked(&[], &["mg01"], &["f1"]).unwrap_err().code, crate::USAGE);
}

#[test]
fn nothing_named_is_all_that_the_pass_allows() {
    assert_eq!(asked(&[], &[], &[]).unwrap(), Asked::All);
    assert_eq!(
        asked(&["a"], &["b"], &[]).unwrap(),
        Asked::Groups(vec![
            ("a".into(), Roles::SUBSCRIBER),
            ("b".into(), Roles::PUBLISHER)
        ])
    );
}

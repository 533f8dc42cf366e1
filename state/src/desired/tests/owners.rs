//! Whose users are this host's.

use super::*;

#[test]
fn an_account_of_another_owner_that_names_this_host_counts_for_nothing_where_the_owner_is_pinned() {
    let mut scene = client([
        (
            1,
            User {
                owner: Pubkey([66; 32]),
                ..user()
            },
        ),
        (2, user()),
    ]);
    assert_eq!(
        scene.build().tunnels.len(),
        1,
        "without a pin the first of the two has the tunnel"
    );
    assert_eq!(scene.code(2), "duplicate");
    scene.owners = Owners::Only(user().owner);
    assert!(scene.build().tunnels.contains_key(&TunnelId(Pubkey([2; 32]))));
    assert_eq!((scene.code(1), scene.keeps(1)), ("other_owner", false));
}

#[test]
fn who_connected_this_host_last_has_its_users_and_the_network_has_them_too_and_nobody_else() {
    let (other, network) = (Pubkey([66; 32]), Pubkey([77; 32]));
    let mut scene = client([(
        1,
        User {
            owner: other,
            ..user()
        },
    )]);
    scene.view.authorities = Some([network].into());
    let mut judged = |owners, authorities: Option<Pubkey>| {
        scene.owners = owners;
        scene.view.authorities = authorities.map(|key| [key].into());
        let built = scene.build();
        let reason = built
            .refused
            .values()
            .next()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(
            built.tunnels.len() == 1 || reason.contains(&format!("made by {other}")),
            "{reason}"
        );
        (built.tunnels.len(), built.keep.len())
    };
    let (has_it, is_refused, stays_as_it_is) = ((1, 0), (0, 0), (0, 1));
    assert_eq!(judged(Owners::Any, Some(network)), has_it);
    assert_eq!(judged(Owners::Last(Some(other)), Some(network)), has_it);
    assert_eq!(judged(Owners::Last(Some(other)), None), has_it);
    assert_eq!(
        judged(Owners::Last(Some(user().owner)), Some(network)),
        is_refused
    );
    assert_eq!(
        judged(Owners::Last(Some(user().owner)), Some(other)),
        has_it,
        "the network's own"
    );
    assert_eq!(
        judged(Owners::Last(None), Some(other)),
        has_it,
        "the network's own, before anybody connected"
    );
    assert_eq!(
        judged(Owners::Last(None), Some(network)),
        stays_as_it_is,
        "nobody connected yet"
    );
    assert_eq!(
        judged(Owners::Last(Some(user().owner)), None),
        stays_as_it_is,
        "whose key it is cannot be read"
    );
    assert_eq!(judged(Owners::Only(user().owner), Some(other)), is_refused);
}

//! Whose users are this host's.

use warren_actors::{ClientSettings, RoleSettings, Snapshot, StopMode};
use warren_state::{OwnerChoice, Owners, Pubkey};

use crate::{
    ledger::{CLIENT_IP, user, user_key},
    world::{World, link},
};

const STRANGER: Pubkey = Pubkey([66; 32]);
const NETWORK: Pubkey = Pubkey([77; 32]);

fn own() -> Pubkey {
    user(0).owner
}

/// The ledger has a user of this host that this key made.
fn made_by(world: &World, owner: Pubkey) {
    world.ledger.edit(|view| {
        view.authorities = Some([NETWORK].into());
        view.users
            .insert(user_key(0), warren_state::view::User { owner, ..user(0) });
    });
}

fn refused(owner: Pubkey) -> impl Fn(&Snapshot) -> bool {
    move |snapshot| {
        let refusal = snapshot.refused.get(&user_key(0));
        refusal.is_some_and(|refusal| {
            refusal.code() == "other_owner"
                && refusal.to_string().contains(&format!("it was made by {owner}"))
        })
    }
}

async fn auto() -> World {
    let mut world = World::client();
    world.settings.owner = Some(OwnerChoice::Auto);
    world.enabled().await
}

#[tokio::test]
async fn before_anybody_connected_nobodys_user_is_taken_and_who_connects_has_it() {
    let world = auto().await;
    made_by(&world, own());
    world.until("it is refused", refused(own())).await;
    assert!(!world.kernel.has(&link()));
    world.handle().enable(None, Some(own())).await.unwrap();
    world.active(0).await;
    world.converged().await;
    assert!(world.handle().snapshot().refused.is_empty());
}

#[tokio::test]
async fn a_user_that_another_key_made_is_not_taken_and_one_of_the_network_is() {
    let world = auto().await;
    world.handle().enable(None, Some(own())).await.unwrap();
    made_by(&world, STRANGER);
    world.until("it is refused", refused(STRANGER)).await;
    assert!(!world.kernel.has(&link()));
    made_by(&world, NETWORK);
    world.active(0).await;
    let index = world.kernel.index(&link());
    made_by(&world, own());
    world
        .until("its owner is another one", |snapshot| {
            snapshot
                .view
                .as_ref()
                .is_some_and(|view| view.users[&user_key(0)].owner == own())
        })
        .await;
    world.converged().await;
    assert_eq!(world.kernel.index(&link()), index);
    made_by(&world, STRANGER);
    world.gone(0).await;
    world.handle().enable(None, Some(STRANGER)).await.unwrap();
    world.active(0).await;
}

#[tokio::test]
async fn who_connected_last_is_known_after_a_disable_and_a_restart() {
    let mut world = auto().await;
    world.handle().enable(None, Some(own())).await.unwrap();
    made_by(&world, own());
    world.active(0).await;
    let index = world.kernel.index(&link());
    world.handle().enable(None, None).await.unwrap();
    world.stop(StopMode::Detach).await;
    world.start().await;
    world.active(0).await;
    world.converged().await;
    assert_eq!(
        (world.kernel.index(&link()), world.handle().snapshot().owner),
        (index, Some(own()))
    );
}

#[tokio::test]
async fn a_tunnel_in_place_stays_where_nobody_is_known_to_have_connected_or_the_network_cannot_be_read() {
    let mut world = World::client().enabled().await;
    made_by(&world, STRANGER);
    world.active(0).await;
    let index = world.kernel.index(&link());
    world.stop(StopMode::Detach).await;
    world.settings.owner = Some(OwnerChoice::Auto);
    world.start().await;
    world.until("it is told", refused(STRANGER)).await;
    world.converged().await;
    assert_eq!(world.kernel.index(&link()), index);
    world.ledger.edit(|view| view.authorities = None);
    world
        .until("it is read", |snapshot| {
            snapshot
                .view
                .as_ref()
                .is_some_and(|view| view.authorities.is_none())
        })
        .await;
    world.handle().enable(None, Some(own())).await.unwrap();
    world
        .until("the reason is another one", |snapshot| {
            snapshot
                .refused
                .get(&user_key(0))
                .is_some_and(|refusal| refusal.to_string().contains("cannot be read"))
        })
        .await;
    world.converged().await;
    assert_eq!(
        world.kernel.index(&link()),
        index,
        "whether the network made it cannot be told"
    );
}

/// A new installation, one that was taken over, and what flags say.
#[tokio::test]
async fn a_new_installation_takes_its_own_users_only_and_others_go_on_as_before() {
    let rule = |installed: bool, owner: Option<OwnerChoice>, state: Option<&str>| {
        let state = state.map(str::to_owned);
        async move {
            let mut world = World::new(RoleSettings::Client(ClientSettings {
                client_ip: Some(CLIENT_IP),
                ..ClientSettings::default()
            }));
            (world.settings.owner, world.settings.installed) = (owner, installed);
            if let Some(text) = state {
                std::fs::write(world.directory.path().join("state.json"), text).unwrap();
            }
            world.start().await;
            world
                .until("it is published", |snapshot| snapshot.sequence.0 > 0)
                .await
                .owners
        }
    };
    assert_eq!(rule(true, None, None).await, Owners::Last(None));
    assert_eq!(rule(false, None, None).await, Owners::Any, "nobody installed it");
    assert_eq!(
        rule(true, None, Some(r#"{"reconciler_enabled":true}"#)).await,
        Owners::Any
    );
    assert_eq!(rule(true, Some(OwnerChoice::Any), None).await, Owners::Any);
    assert_eq!(
        rule(true, Some(OwnerChoice::Key(own())), None).await,
        Owners::Only(own())
    );
    assert_eq!(
        rule(
            false,
            Some(OwnerChoice::Auto),
            Some(r#"{"reconciler_enabled":true}"#)
        )
        .await,
        Owners::Last(None)
    );
    let gateway = World::gateway().enabled().await;
    assert_eq!(
        gateway
            .until("it is published", |snapshot| snapshot.sequence.0 > 0)
            .await
            .owners,
        Owners::Any
    );
}

//! Removals.

use std::sync::Arc;

use futures_util::future::join_all;
use warren_dataplane::Removal;
use warren_state::{Action, FaultClass, RemovalReport, Rule, RuleSelector, TableId};

use crate::world::*;

fn rule(priority: u32) -> Rule {
    Rule {
        priority,
        selector: RuleSelector::To("10.9.0.0/16".parse().unwrap()),
        table: TableId(100),
    }
}

pub async fn a_removal_counts_exactly(world: Arc<World>) {
    world.build(whole(1)).await;
    world.build(whole(2)).await;
    world.build(vec![step(1, Action::put(rule(100)))]).await;
    let rules = [rule(100), rule(101)].into();
    let report = world
        .dataplane()
        .remove(Removal {
            tunnel: tunnel(1),
            link: name(1),
            rules,
        })
        .await;
    // The link, two addresses, one route, one rule; the other rule was never there.
    assert_eq!(
        report,
        RemovalReport {
            removed: 5,
            already_gone: 1,
            failed: Vec::new()
        }
    );
    let after = world.all().await;
    assert!(!after.links.contains_key(&name(1)) && after.rules.is_empty());
    assert_eq!(after.links[&name(2)].addresses.len(), 2, "its neighbour is whole");
}

pub async fn a_removal_of_what_is_gone_is_done(world: Arc<World>) {
    let gone = RemovalReport {
        removed: 0,
        already_gone: 1,
        failed: Vec::new(),
    };
    assert_eq!(world.remove(1).await, gone);
    world.build(whole(1)).await;
    world.delete_link(1);
    assert_eq!(world.remove(1).await, gone);
    world.build(whole(1)).await;
    assert_eq!(world.remove(1).await.removed, 4, "and it can be made again");
}

pub async fn fifty_removals_at_once_leave_the_neighbour_alone(world: Arc<World>) {
    for n in 1..=51 {
        world.build(whole(n)).await;
    }
    let stranger = warren_state::LinkName::new("theirs").unwrap();
    world.foreign_link(&stranger);
    let before = world.all().await;
    let dataplane = world.dataplane();
    let remove = |tunnel, link| {
        dataplane.remove(Removal {
            tunnel,
            link,
            rules: Default::default(),
        })
    };
    let mut removals: Vec<_> = (1..=50).map(|n| remove(tunnel(n), name(n))).collect();
    // Among them two that must not be: another tunnel's link, and one that is not ours.
    removals.push(remove(tunnel(1), name(51)));
    removals.push(remove(tunnel(1), stranger.clone()));
    let mut reports = join_all(removals).await;
    for refused in reports.split_off(50) {
        assert_eq!(
            (refused.removed, refused.already_gone, refused.failed.len()),
            (0, 0, 1),
            "{refused:?}"
        );
        assert_eq!(refused.failed[0].class, FaultClass::Conflict);
    }
    for report in reports {
        assert_eq!(
            report,
            RemovalReport {
                removed: 4,
                already_gone: 0,
                failed: Vec::new()
            }
        );
    }
    let mut expected = before;
    expected
        .links
        .retain(|link, _| (1..=50).all(|n| *link != name(n)));
    assert!(expected.links.contains_key(&stranger) && expected.links.contains_key(&name(51)));
    assert_eq!(world.all().await, expected);
}

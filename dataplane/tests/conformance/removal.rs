//! Removals.

use std::sync::Arc;

use futures_util::future::join_all;
use warren_dataplane::Removal;
use warren_state::{Action, RemovalReport, Rule, RuleSelector, TableId};

use crate::world::*;

fn rule(dst: &str) -> Rule {
    Rule {
        selector: RuleSelector::To(dst.parse().unwrap()),
        table: TableId(100),
    }
}

pub async fn a_removal_counts_exactly(world: Arc<World>) {
    world.build(whole(1)).await;
    world.build(whole(2)).await;
    let there = rule("10.9.0.0/16");
    world.build(vec![step(1, Action::put(there))]).await;
    let rules = [there, rule("10.8.0.0/16")].into();
    let removal = Removal::Tunnel {
        tunnel: tunnel(1),
        rules,
    };
    let report = world.dataplane().remove(removal).await;
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
    assert!(!after.tunnels.contains_key(&tunnel(1)) && after.rules.is_empty());
    assert_eq!(
        after.tunnels[&tunnel(2)].addresses.len(),
        2,
        "its neighbour is whole"
    );
}

pub async fn rules_that_lead_into_no_tunnel_are_removed_without_one(world: Arc<World>) {
    world.build(whole(1)).await;
    let (stray, other) = (rule("10.9.0.0/16"), rule("10.8.0.0/16"));
    let add = |rule| step(1, Action::put(rule));
    world.build(vec![add(stray), add(other)]).await;
    let gone = rule("10.7.0.0/16");
    let report = world
        .dataplane()
        .remove(Removal::Rules([stray, gone].into()))
        .await;
    assert_eq!((report.removed, report.already_gone), (1, 1), "{report:?}");
    let after = world.all().await;
    assert_eq!(after.rules, [other].into());
    assert_eq!(after.tunnels[&tunnel(1)].routes.len(), 1, "no tunnel is touched");
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
    let removals = (1..=50).map(|n| {
        dataplane.remove(Removal::Tunnel {
            tunnel: tunnel(n),
            rules: Default::default(),
        })
    });
    // Among them one of a tunnel that is not there.
    let none = Removal::Tunnel {
        tunnel: tunnel(99),
        rules: Default::default(),
    };
    let (reports, none) = tokio::join!(join_all(removals), dataplane.remove(none));
    assert_eq!((none.removed, none.already_gone, none.failed.len()), (0, 1, 0));
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
    expected.tunnels.retain(|id, _| *id == tunnel(51));
    assert!(expected.foreign.contains_key(&stranger) && expected.tunnels.contains_key(&tunnel(51)));
    assert_eq!(world.all().await, expected);
}

//! Random hosts and random wishes.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{
    Address, AddressScope, Edit, Incarnation, LearnedRoutes, LinkAction, Part, Rate, RateWant, Route,
    RuleSelector, StepOutcome, TableId,
    model::{Interface, LinkKind, Model, Owner},
    testing::{address, learned, link, name, net, route, spec, tunnel},
};

/// One tunnel, as numbers.
#[derive(Clone, Debug)]
struct Recipe {
    present: bool,
    name: u8,
    ends: u8,
    mtu: u16,
    wide: bool,
    statics: u8,
    learned: u8,
    certainty: u8,
    rules: u8,
    rate: u8,
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let numbers = (
        any::<bool>(),
        0..4u8,
        0..5u8,
        prop_oneof![Just(1476u16), Just(1400)],
        any::<bool>(),
    );
    (numbers, 0..8u8, 0..8u8, 0..3u8, 0..8u8, 0..4u8).prop_map(
        |((present, name, ends, mtu, wide), statics, learned, certainty, rules, rate)| Recipe {
            present,
            name,
            ends,
            mtu,
            wide,
            statics,
            learned,
            certainty,
            rules,
            rate,
        },
    )
}

/// What somebody else does to the host.
#[derive(Clone, Debug)]
struct Deed {
    what: u8,
    link: u8,
    with: u8,
}

fn deed() -> impl Strategy<Value = Deed> {
    (0..12u8, 0..5u8, 0..5u8).prop_map(|(what, link, with)| Deed { what, link, with })
}

fn bits(mask: u8) -> impl Iterator<Item = u8> {
    (0..3).filter(move |bit| mask & (1 << bit) != 0)
}

fn dst(n: u8, bit: u8) -> String {
    format!("198.18.{}.0/24", n * 8 + bit)
}

fn rule(n: u8, bit: u8) -> Rule {
    Rule {
        selector: RuleSelector::To(net(&dst(n, bit))),
        table: TableId(100 + u32::from(n)),
    }
}

fn scoped(n: u8, wide: bool) -> Address {
    Address {
        scope: if wide {
            AddressScope::Universe
        } else {
            AddressScope::Link
        },
        ..address(n)
    }
}

fn rate(n: u8) -> Rate {
    Rate {
        up: Some(u64::from(n)).filter(|n| *n != 2),
        down: Some(u64::from(n) * 1000),
    }
}

fn wish(n: u8, recipe: &Recipe, incarnation: u64) -> TunnelWant {
    let mut spec = spec(n, &format!("t{}", recipe.name));
    let ends = link("x", recipe.ends);
    (spec.link.local, spec.link.remote, spec.link.mtu) = (ends.local, ends.remote, recipe.mtu);
    spec.addresses = BTreeSet::from([scoped(n, recipe.wide)]);
    spec.routes = bits(recipe.statics).map(|bit| route(n, &dst(n, bit))).collect();
    spec.rate = match recipe.rate {
        0 => RateWant::AsItIs,
        1 => RateWant::default(),
        other => RateWant::Be(rate(other)),
    };
    spec.rules = bits(recipe.rules).map(|bit| rule(n, bit)).collect();
    let routes: BTreeSet<Route> = bits(recipe.learned)
        .map(|bit| Route {
            source: (bit == 2).then(|| address(n).address),
            ..learned(n, &dst(n, bit + u8::from(recipe.mtu == 1400)))
        })
        .collect();
    let learned = match recipe.certainty {
        0 => LearnedRoutes::Unknown,
        1 => LearnedRoutes::Known(routes),
        _ => LearnedRoutes::AtLeast(routes),
    };
    TunnelWant {
        spec: spec.into(),
        incarnation: Incarnation(incarnation),
        learned,
    }
}

/// Names are given out once; endpoints may clash.
fn desire(recipes: &[Recipe], incarnation: u64) -> Desired {
    let mut names = BTreeSet::new();
    let present = (1u8..)
        .zip(recipes)
        .filter(|(_, recipe)| recipe.present && names.insert(recipe.name));
    Desired {
        tunnels: present
            .map(|(n, recipe)| (tunnel(n), wish(n, recipe, incarnation)))
            .collect(),
    }
}

fn host(recipes: &[Recipe], deeds: &[Deed]) -> Model {
    let mut model = Model::new();
    let steps = plan(&desire(recipes, 1), &model.observed()).steps;
    model.apply_all(&steps);
    for Deed { what, link: at, with } in deeds {
        let on = name(&format!("t{at}"));
        let ends = link("x", *with);
        match what {
            0 => model.delete_link(&on),
            1 => model.add_foreign(&on, LinkKind::Other("veth".into()), None),
            2 => model.add_foreign(
                &name(&format!("f{at}")),
                LinkKind::Gre,
                Some((ends.local, ends.remote)),
            ),
            3 => model.set_up(&on, false),
            4 => model.set_mtu(&on, 1300),
            5 => model.set_ends(&on, ends.local, ends.remote),
            6 => model.add_address(&on, scoped(*with, true)),
            7 => model.delete_address(&on, &scoped(*with, false)),
            8 => model.add_route(&on, learned(*with, &dst(*with, 2))),
            9 => model.add_rule(rule(*with, 1)),
            10 => model.set_rate(&on, rate(*with)),
            _ => model.rename(&on, &name(&format!("t{with}"))),
        };
    }
    model
}

fn foreign(model: &Model) -> Vec<&Interface> {
    model
        .links()
        .values()
        .filter(|have| have.owner == Owner::Foreign)
        .collect()
}

fn scene() -> impl Strategy<Value = (Desired, Model)> {
    let recipes = || proptest::collection::vec(recipe(), 4);
    (recipes(), recipes(), proptest::collection::vec(deed(), 0..8))
        .prop_map(|(wishes, before, deeds)| (desire(&wishes, 2), host(&before, &deeds)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn carrying_out_a_plan_leaves_nothing_to_plan_and_foreign_objects_alone((desired, mut model) in scene()) {
        let before = model.clone();
        let planned = plan(&desired, &model.observed());
        prop_assert_eq!(&planned, &plan(&desired, &model.observed()));
        model.remove_rules(&planned.stray_rules);
        for (step, outcome) in model.apply_all(&planned.steps) {
            prop_assert!(!matches!(outcome, StepOutcome::Failed(_)), "{}: {:?}", step, outcome);
        }
        let again = plan(&desired, &model.observed());
        prop_assert!(again.is_empty(), "first\n{}then\n{}", planned, again);
        prop_assert_eq!(foreign(&before), foreign(&model));
    }

    #[test]
    fn a_plan_that_is_cut_short_anywhere_is_finished_by_the_next((desired, mut model) in scene(), steps in 1..5usize) {
        for _ in 0..200 {
            let planned = plan(&desired, &model.observed());
            model.remove_rules(&planned.stray_rules);
            model.apply_all(&planned.steps[..steps.min(planned.steps.len())]);
        }
        prop_assert!(plan(&desired, &model.observed()).is_empty());
    }

    #[test]
    fn one_tunnels_plan_realises_that_tunnel_and_touches_no_foreign_object((desired, mut model) in scene()) {
        let before = model.clone();
        for want in desired.tunnels.values() {
            let planned = plan_tunnel(want, &model.observed());
            for (step, outcome) in model.apply_all(&planned.steps) {
                prop_assert!(!matches!(outcome, StepOutcome::Failed(_)), "{}: {:?}", step, outcome);
            }
            let again = plan_tunnel(want, &model.observed());
            prop_assert!(again.is_empty(), "first\n{}then\n{}", planned, again);
        }
        prop_assert_eq!(foreign(&before), foreign(&model));
    }

    #[test]
    fn removals_precede_changes_and_changes_precede_additions((desired, model) in scene()) {
        let planned = plan(&desired, &model.observed());
        let stage = |step: &PlannedStep| match step.action {
            Action::Link(LinkAction::Delete) | Action::Part(Edit::Delete, _) => 0,
            Action::Link(LinkAction::Change { .. }) => 1,
            Action::Link(LinkAction::Create { .. }) | Action::Part(Edit::Put, _) => 2,
        };
        let departs = |step: &PlannedStep| matches!(step.action, Action::Part(Edit::Delete, Part::Address(_)));
        let departures = planned.steps.iter().rposition(|step| !departs(step)).map_or(0, |last| last + 1);
        prop_assert!(planned.steps[..departures].iter().map(stage).is_sorted());
    }
}

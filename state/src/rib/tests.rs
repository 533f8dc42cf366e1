use std::time::Duration;

use super::*;
use crate::{
    ApplyReport, Edit, Fault, FaultClass, Generation, LivenessMode, StepOutcome,
    testing::{learned, name, net, route, spec, tunnel},
};

fn at(seconds: u64) -> Monotonic {
    Monotonic::from_elapsed(Duration::from_secs(seconds))
}

fn nets(texts: &[&str]) -> Vec<Ipv4Net> {
    texts.iter().map(|text| net(text)).collect()
}

fn plain() -> TunnelSpec {
    spec(1, "t0")
}

fn with_install(change: impl FnOnce(&mut InstallSpec)) -> TunnelSpec {
    let mut spec = plain();
    change(spec.bgp.as_mut().unwrap().install.as_mut().unwrap());
    spec
}

fn probing() -> TunnelSpec {
    with_install(|install| install.liveness = Some(LivenessMode::Active))
}

fn heard(spec: &TunnelSpec, announced: &[&str]) -> Rib {
    let mut rib = Rib::default();
    assert_eq!(rib.hear(spec, nets(announced), vec![]), None);
    rib
}

fn changes(rib: &mut Rib, spec: &TunnelSpec) -> Vec<String> {
    let written = |action: &Action| {
        let (edit, route) = action.route().unwrap();
        format!("{edit}{}", route.dst)
    };
    rib.take_changes(spec, 100).iter().map(written).collect()
}

fn exactly(routes: &[&str]) -> LearnedRoutes {
    LearnedRoutes::Known(routes.iter().map(|dst| learned(1, dst)).collect())
}

fn step(action: Action) -> PlannedStep {
    PlannedStep {
        tunnel: tunnel(1),
        link: name("t0"),
        action,
    }
}

fn applied(outcomes: &[(&str, Option<FaultClass>)]) -> ApplyReport {
    let fault = |class| Fault {
        class,
        operation: "put".to_owned(),
        detail: "taken".to_owned(),
    };
    let steps = outcomes.iter().map(|(dst, class)| {
        let outcome = class.map_or(StepOutcome::Done, |class| StepOutcome::Failed(fault(class)));
        (step(Action::put(learned(1, dst))), outcome)
    });
    ApplyReport {
        generation: Generation(1),
        steps: steps.collect(),
        managed: BTreeSet::new(),
        capabilities: Default::default(),
    }
}

const A: &str = "198.18.0.0/24";
const B: &str = "198.18.1.0/24";
const C: &str = "198.18.2.0/24";

#[test]
fn what_the_session_says_becomes_changes_that_are_taken_once_and_in_bounded_numbers() {
    let spec = plain();
    let mut rib = heard(&spec, &[A, B]);
    assert_eq!(rib.take_changes(&spec, 1), [Action::put(learned(1, A))]);
    assert_eq!(changes(&mut rib, &spec), [format!("+{B}")]);
    assert!(changes(&mut rib, &spec).is_empty());
    rib.hear(&spec, nets(&[A, C]), nets(&[B]));
    assert_eq!(changes(&mut rib, &spec), [format!("-{B}"), format!("+{C}")]);
}

#[test]
fn a_route_of_the_spec_is_not_the_sessions_to_change() {
    let mut spec = plain();
    spec.routes.insert(route(1, A));
    let mut rib = heard(&spec, &[A]);
    rib.hear(&spec, vec![], nets(&[A]));
    assert!(changes(&mut rib, &spec).is_empty());
}

#[test]
fn routes_that_stay_for_good_are_not_taken_back() {
    let spec = with_install(|install| install.retain = true);
    let mut rib = heard(&spec, &[A]);
    changes(&mut rib, &spec);
    rib.hear(&spec, vec![], nets(&[A]));
    rib.synced(&spec, at(120));
    rib.closed(&spec);
    assert!(changes(&mut rib, &spec).is_empty());
    assert_eq!((rib.stale_at(), rib.must_compare()), (None, false));
    assert!(matches!(rib.learned(), LearnedRoutes::AtLeast(_)));
}

#[test]
fn routes_that_are_not_installed_are_not_learned() {
    let mut spec = plain();
    spec.bgp.as_mut().unwrap().install = None;
    let mut rib = heard(&spec, &[A]);
    assert_eq!(*rib.learned(), LearnedRoutes::Unknown);
    assert_eq!(rib.take_touched(), Affected::default());
}

#[test]
fn routes_of_an_earlier_run_stay_until_the_table_is_there_or_their_time_is_over() {
    let spec = plain();
    let mut synced = Rib::default();
    synced.expect(Some(at(120)));
    synced.hear(&spec, nets(&[A]), vec![]);
    assert!(matches!(synced.learned(), LearnedRoutes::AtLeast(_)));
    synced.synced(&spec, at(500));
    assert_eq!(*synced.learned(), exactly(&[A]));
    assert_eq!((synced.stale_at(), synced.must_compare()), (None, true));
    synced.looks();
    assert!(!synced.must_compare());

    let mut silent = Rib::default();
    silent.expect(Some(at(120)));
    silent.pass(at(119));
    assert_eq!(*silent.learned(), LearnedRoutes::Unknown);
    silent.pass(at(120));
    assert_eq!(*silent.learned(), exactly(&[]));
    assert_eq!((silent.stale_at(), silent.must_compare()), (None, true));
}

#[test]
fn a_session_that_taught_nothing_flushes_nothing_and_one_that_did_flushes_all() {
    let spec = plain();
    let mut rib = Rib::default();
    rib.expect(Some(at(120)));
    rib.closed(&spec);
    assert_eq!(
        (rib.learned(), rib.stale_at()),
        (&LearnedRoutes::Unknown, Some(at(120)))
    );
    rib.hear(&spec, nets(&[A]), vec![]);
    rib.closed(&spec);
    assert_eq!((rib.learned(), rib.must_compare()), (&exactly(&[]), true));
}

#[test]
fn a_route_waits_for_its_host_and_goes_when_the_host_is_silent() {
    let spec = probing();
    let mut rib = heard(&spec, &[A, B]);
    assert_eq!(rib.counts().withheld, 2);
    assert!(changes(&mut rib, &spec).is_empty());
    rib.judge(
        &spec,
        vec![(net(A), Usability::Usable), (net(C), Usability::Usable)],
    );
    assert_eq!(changes(&mut rib, &spec), [format!("+{A}")]);
    rib.judge(&spec, vec![(net(A), Usability::Unusable)]);
    assert_eq!(changes(&mut rib, &spec), [format!("-{A}")]);
    let reasons: Vec<_> = rib
        .withheld_routes()
        .first
        .into_iter()
        .map(|(_, why)| why)
        .collect();
    assert_eq!(
        reasons,
        [
            "the host behind it does not answer",
            "waits for the host behind it to answer"
        ]
    );
    assert!(rib.withholds(&net(A)) && rib.has(&spec, &net(A)) && !rib.has(&spec, &net(C)));
}

#[test]
fn the_table_is_complete_once_each_route_has_its_first_verdict() {
    let spec = probing();
    let mut rib = heard(&spec, &[A, B]);
    rib.synced(&spec, at(120));
    assert_eq!((rib.stale_at(), rib.must_compare()), (Some(at(120)), false));
    rib.judge(&spec, vec![(net(A), Usability::Unusable)]);
    assert!(!rib.must_compare());
    rib.judge(&spec, vec![(net(B), Usability::Usable)]);
    assert_eq!((rib.learned(), rib.must_compare()), (&exactly(&[B]), true));

    // The last that was waited for is withdrawn: nothing is left to wait for but the next verdict or the time.
    let mut rib = heard(&spec, &[A]);
    rib.synced(&spec, at(120));
    rib.closed(&spec);
    assert_eq!((rib.learned(), rib.stale_at()), (&exactly(&[]), None));
}

#[test]
fn verdicts_are_of_no_account_where_routes_do_not_wait() {
    let spec = with_install(|install| install.liveness = Some(LivenessMode::Passive));
    let mut rib = heard(&spec, &[A]);
    changes(&mut rib, &spec);
    rib.judge(&spec, vec![(net(A), Usability::Unusable)]);
    assert!(changes(&mut rib, &spec).is_empty());
}

#[test]
fn what_is_kept_out_is_sorted_anew_with_what_keeps_it_out() {
    let mut spec = plain();
    spec.exclude = crate::Exclusion::of([A]).unwrap();
    spec.far_ends.insert(Ipv4Addr::new(198, 18, 1, 7));
    let mut rib = Rib::default();
    let captures = CapturingRoutes {
        count: 1,
        first: net(B),
        far_end: Ipv4Addr::new(198, 18, 1, 7),
    };
    assert_eq!(rib.hear(&spec, nets(&[A, B, C]), vec![]), Some(captures));
    assert_eq!(rib.hear(&spec, nets(&[B]), vec![]), None, "that is no news");
    let counts = RouteCounts {
        learned: 1,
        excluded: 1,
        capturing: 1,
        ..RouteCounts::default()
    };
    assert_eq!(rib.counts(), counts);
    assert_eq!(changes(&mut rib, &spec), [format!("+{C}")]);

    let open = plain();
    assert_eq!(rib.sort_anew(&open), None);
    assert_eq!((rib.counts().learned, rib.take_touched()), (3, Affected::All));
    assert_eq!(rib.sort_anew(&spec), Some(captures));
    assert_eq!(rib.counts(), counts);
}

#[test]
fn a_place_that_is_taken_is_told_once_and_forgotten_with_the_route() {
    let spec = plain();
    let mut rib = heard(&spec, &[A, B]);
    let newly = rib
        .applied(
            &spec,
            &applied(&[
                (A, Some(FaultClass::Conflict)),
                (B, Some(FaultClass::Conflict)),
                (C, Some(FaultClass::Conflict)),
            ]),
        )
        .unwrap();
    assert_eq!(
        (newly.count, newly.first),
        (2, net(A)),
        "the third was taken back meanwhile"
    );
    assert_eq!(
        rib.applied(&spec, &applied(&[(A, Some(FaultClass::Conflict))])),
        None
    );
    assert!(rib.tries_blocked(&step(Action::put(learned(1, A)))));
    assert!(!rib.tries_blocked(&step(Action::delete(learned(1, A)))));
    rib.applied(&spec, &applied(&[(A, None)]));
    assert_eq!(rib.blocked_routes().first, [(net(B), "taken".to_owned())]);
    rib.hear(&spec, vec![], nets(&[B]));
    assert_eq!(rib.blocked_routes(), BlockedRoutes::default());
}

#[test]
fn a_plan_that_does_not_put_a_route_has_settled_it() {
    let spec = plain();
    let mut rib = heard(&spec, &[A, B]);
    let taken = [(A, Some(FaultClass::Conflict)), (B, Some(FaultClass::Conflict))];
    rib.applied(&spec, &applied(&taken));
    let plan = crate::Plan {
        steps: vec![step(Action::put(learned(1, B)))],
        ..Default::default()
    };
    rib.unblock_settled(&plan);
    assert_eq!(rib.blocked_routes().count, 1);
    rib.closed(&spec);
    assert_eq!(rib.blocked_routes().count, 0);
}

#[test]
fn the_routes_are_lent_to_the_plan_and_come_back() {
    let spec = Arc::new(plain());
    let mut rib = heard(&spec, &[A]);
    let lent = rib.plan(&spec, Incarnation(7), TunnelWant::clone);
    assert_eq!((lent.incarnation, &lent.learned), (Incarnation(7), rib.learned()));
    assert!(rib.has(&spec, &net(A)) && rib.is_changing(&learned(1, A)));
    rib.told_all();
    assert!(!rib.is_changing(&learned(1, A)));
}

#[test]
fn a_step_is_taken_back_only_where_all_routes_are_known() {
    let spec = plain();
    let mut rib = heard(&spec, &[A, B]);
    rib.hear(&spec, vec![], nets(&[B]));
    let put = step(Action::put(learned(1, B)));
    assert!(!rib.has_taken_back(&put), "it may be one of an earlier run");
    rib.synced(&spec, at(1));
    assert!(rib.has_taken_back(&put));
    assert!(!rib.has_taken_back(&step(Action::put(learned(1, A)))));
    assert!(!rib.has_taken_back(&step(Action::put(route(1, B)))));
    assert!(!rib.has_taken_back(&step(Action::Part(Edit::Delete, learned(1, B).into()))));
}

#[test]
fn what_was_touched_is_taken_once() {
    let spec = plain();
    let mut rib = heard(&spec, &[A]);
    rib.hear(&spec, vec![], nets(&[B]));
    assert_eq!(
        rib.take_touched(),
        Affected::Some(nets(&[A, B]).into_iter().collect())
    );
    assert_eq!(rib.take_touched(), Affected::default());
    rib.touch_all();
    rib.hear(&spec, nets(&[C]), vec![]);
    assert_eq!(rib.take_touched(), Affected::All);
    assert_eq!(rib.destinations().collect::<Vec<_>>(), nets(&[A, C]));
}

#[test]
fn the_next_session_begins_without_what_the_last_one_taught() {
    let spec = probing();
    let mut rib = heard(&spec, &[A]);
    rib.judge(&spec, vec![(net(A), Usability::Usable)]);
    rib.begin_anew(Some(at(9)));
    assert_eq!(
        (rib.learned(), rib.stale_at()),
        (&LearnedRoutes::Unknown, Some(at(9)))
    );
    assert_eq!(
        (rib.counts(), rib.take_touched()),
        (RouteCounts::default(), Affected::All)
    );
    assert!(changes(&mut rib, &spec).is_empty());
}

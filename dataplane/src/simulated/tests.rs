//! The fault script does what it says.

use std::task::{Context, Poll, Waker};

use warren_state::{Action, Incarnation, LinkAction, LinkSpec, Pubkey, TunnelId};

use super::*;

fn link() -> LinkName {
    LinkName::new("doublezero0").expect("a valid name")
}

fn tunnel() -> TunnelId {
    TunnelId(Pubkey([1; 32]))
}

fn step(action: Action) -> PlannedStep {
    PlannedStep {
        tunnel: tunnel(),
        link: link(),
        action,
    }
}

fn create() -> PlannedStep {
    let spec = LinkSpec {
        name: link(),
        local: Ipv4Addr::new(192, 0, 2, 1),
        remote: Ipv4Addr::new(192, 0, 2, 2),
        ttl: 64,
        mtu: 1476,
    };
    step(Action::Link(LinkAction::Create {
        spec,
        incarnation: Incarnation(1),
    }))
}

fn busy() -> Fault {
    fault(FaultClass::Transient, "x", "busy")
}

async fn is_there(simulated: &Simulated) -> bool {
    simulated
        .observe(Scope::All)
        .await
        .expect("alive")
        .tunnels
        .contains_key(&tunnel())
}

#[tokio::test]
async fn a_failed_operation_changes_nothing_and_the_next_is_done() {
    let simulated = Simulated::new(FaultScript::default().at(1, InjectedFault::Fail(busy())));
    assert_eq!(
        simulated.apply(vec![create()]).await,
        vec![StepOutcome::Failed(busy())]
    );
    assert!(!is_there(&simulated).await);
    assert_eq!(simulated.apply(vec![create()]).await, vec![StepOutcome::Done]);
    assert_eq!(simulated.operations(), 2);
}

#[tokio::test]
async fn a_crash_leaves_what_was_done_and_a_restart_finds_it() {
    let simulated = Simulated::new(FaultScript::default().at(1, InjectedFault::Crash));
    let outcomes = simulated
        .apply(vec![create(), step(Action::Link(LinkAction::Delete))])
        .await;
    assert!(
        matches!(outcomes.as_slice(), [StepOutcome::Failed(_)]),
        "{outcomes:?}"
    );
    assert!(simulated.observe(Scope::All).await.is_err());
    let next = simulated.restart();
    assert!(is_there(&next).await);
    assert!(
        simulated.observe(Scope::All).await.is_err(),
        "the old life is over"
    );
}

#[tokio::test]
async fn a_hanging_call_never_returns_and_a_restart_goes_on() {
    let simulated = Simulated::new(FaultScript::default().at(1, InjectedFault::Hang));
    let mut call = simulated.apply(vec![create()]);
    assert!(matches!(
        call.as_mut().poll(&mut Context::from_waker(Waker::noop())),
        Poll::Pending
    ));
    let next = simulated.restart();
    assert!(is_there(&next).await);
    assert_eq!(next.apply(vec![create()]).await, vec![StepOutcome::AlreadySo]);
}

#[tokio::test]
async fn a_lost_notice_is_not_told_and_the_next_is() {
    let simulated = Simulated::new(FaultScript::default().at(1, InjectedFault::LoseNotice));
    let mut events = simulated.events().await.expect("alive");
    simulated.apply(vec![create()]).await;
    tokio::task::yield_now().await;
    assert!(events.try_recv().is_err());
    simulated
        .apply(vec![step(Action::Link(LinkAction::Delete))])
        .await;
    assert_eq!(events.recv().await, Some(Notice::Tunnel(tunnel())));
}

#[tokio::test]
async fn a_link_can_go_right_after_it_was_made() {
    let simulated = Simulated::new(FaultScript::default().at(1, InjectedFault::DeleteLink(link())));
    assert_eq!(simulated.apply(vec![create()]).await, vec![StepOutcome::Done]);
    assert!(!is_there(&simulated).await);
}

#[tokio::test]
async fn a_second_overrun_waits_for_the_virtual_clock() {
    let simulated = Simulated::default();
    let mut events = simulated.events().await.expect("alive");
    simulated.overrun();
    assert_eq!(events.recv().await, Some(Notice::Overrun));
    simulated.overrun();
    tokio::task::yield_now().await;
    assert!(events.try_recv().is_err());
    simulated.advance(Duration::from_secs(10));
    assert_eq!(events.recv().await, Some(Notice::Overrun));
}

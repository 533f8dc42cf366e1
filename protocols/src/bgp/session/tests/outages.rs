//! Sessions that are lost, and how they are sought again.

use super::*;

#[test]
fn a_stable_session_that_is_lost_is_sought_again_at_once_and_then_ever_more_slowly() {
    let mut rig = Rig::established();
    rig.receive(&keepalive());
    rig.now = rig.now + Duration::from_secs(60);
    let outputs = rig.lost();
    assert_eq!(
        outputs,
        [
            Output::Status(Status::Down, Some("connection reset by peer".into())),
            Output::Closed,
            Output::Connect(ConnectionNumber(2)),
        ]
    );
    let mut waits = Vec::new();
    for _ in 0..12 {
        rig.refused();
        waits.push(rig.run_until_retry());
    }
    assert!(waits[0] <= Duration::from_millis(200), "{waits:?}");
    assert!(
        waits.iter().all(|wait| *wait <= Duration::from_secs(5)),
        "{waits:?}"
    );
    assert!(waits[11] >= Duration::from_millis(2_500), "{waits:?}");
}

#[test]
fn a_session_that_flaps_does_not_spin() {
    let mut rig = Rig::established();
    let mut waits = Vec::new();
    for _ in 0..6 {
        rig.lost();
        let before = rig.now;
        rig.next_deadline();
        waits.push(rig.now.since(before));
        rig.connected();
        rig.receive(&peer_open(90).encode());
        rig.receive(&keepalive());
    }
    assert!(
        waits.iter().all(|wait| *wait >= Duration::from_millis(100)),
        "{waits:?}"
    );
    assert!(waits[5] >= Duration::from_secs(2), "{waits:?}");
}

#[test]
fn after_an_error_that_only_configuration_mends_the_wait_grows_to_thirty_seconds() {
    let mut rig = Rig::open_sent();
    let wrong = Open {
        four_octet_asn: Some(Asn(1)),
        ..peer_open(90)
    };
    let mut longest = Duration::ZERO;
    for _ in 0..12 {
        rig.receive(&wrong.encode());
        let retry = rig.run_until_retry();
        longest = longest.max(retry);
        rig.connected();
    }
    assert!(
        longest > Duration::from_secs(15) && longest <= Duration::from_secs(30),
        "{longest:?}"
    );
}

impl Rig {
    /// Runs other timers until the retry; gives the wait.
    pub(super) fn run_until_retry(&mut self) -> Duration {
        let before = self.now;
        while self.session.state.name() == "waiting" {
            self.next_deadline();
        }
        self.now.since(before)
    }
}

#[test]
fn thirty_seconds_without_tcp_are_unreachable_and_with_tcp_failed() {
    let mut rig = Rig::started();
    rig.refused();
    let outputs = rig.run_for(Duration::from_secs(29), true);
    assert!(!statuses(&outputs).contains(&Status::Unreachable));
    rig.run_for(Duration::from_secs(2), true);
    assert_eq!(rig.session.status(), Status::Unreachable);
    assert_eq!(rig.session.detail(), Some("connection refused"));

    let mut rig = Rig::open_sent();
    rig.run_for(Duration::from_secs(31), true);
    assert_eq!(
        rig.session.status(),
        Status::Failed,
        "TCP was connected, the OPEN never came"
    );
}

#[test]
fn what_is_said_of_an_outage_rests_on_that_outage_alone() {
    let mut rig = Rig::open_sent();
    rig.run_for(Duration::from_secs(31), true);
    assert_eq!(rig.session.status(), Status::Failed);
    rig.run_for(Duration::from_secs(60), true);
    assert_eq!(
        rig.session.status(),
        Status::Unreachable,
        "TCP has not been there for a while"
    );

    let mut rig = Rig::established();
    rig.run_for(Duration::from_secs(5), false);
    rig.lost();
    let outputs = rig.run_for(Duration::from_secs(40), true);
    assert_eq!(
        statuses(&outputs)
            .into_iter()
            .filter(|status| *status != Status::Down)
            .collect::<Vec<_>>(),
        [Status::Unreachable]
    );
}

#[test]
fn a_lost_session_stays_down_while_it_is_sought_and_does_not_flap_to_pending() {
    let mut rig = Rig::established();
    let mut seen = statuses(&rig.lost());
    rig.next_deadline();
    seen.extend(statuses(&rig.refused()));
    rig.next_deadline();
    seen.extend(statuses(&rig.connected()));
    assert!(seen.iter().all(|status| *status == Status::Down), "{seen:?}");
    assert_eq!(
        statuses(&rig.receive(&peer_open(90).encode())),
        [Status::Initializing]
    );
    assert_eq!(
        statuses(&rig.lost()),
        [Status::Down],
        "an attempt that comes to nothing falls back"
    );
}

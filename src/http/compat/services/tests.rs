use proptest::{collection::vec, prelude::*};
use warren_state::{Monotonic, Phase, ServiceKind, SessionStatus, Switch};

use super::*;
use crate::http::{
    compat::{status, v2_status},
    testing::{connected, gateway, key},
};

const NETWORK: &str = "testnet";

/// What happens to a daemon of the test.
#[derive(Clone, Debug)]
enum Step {
    Tunnel(u8, u8),
    Gone(u8),
    Account(u8, u8),
    Device(u8),
    Switch(bool),
    ClockSet(u16),
    Later,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u8..6, any::<u8>()).prop_map(|(tunnel, how)| Step::Tunnel(tunnel, how)),
        2 => (0_u8..6).prop_map(Step::Gone),
        2 => (0_u8..6, any::<u8>()).prop_map(|(user, how)| Step::Account(user, how)),
        1 => any::<u8>().prop_map(Step::Device),
        1 => any::<bool>().prop_map(Step::Switch),
        1 => (2_000_u16..).prop_map(Step::ClockSet),
        2 => Just(Step::Later),
    ]
}

fn take(snapshot: &mut Snapshot, step: Step) {
    let edit = |view: &mut Option<Arc<View>>, edit: &dyn Fn(&mut View)| {
        let mut new = View::clone(view.as_deref().unwrap());
        edit(&mut new);
        *view = Some(Arc::new(new));
    };
    match step {
        Step::Tunnel(number, how) => {
            let kind = if how % 2 == 0 {
                ServiceKind::Ibrl
            } else {
                ServiceKind::Multicast
            };
            let mut report = gateway::report(number.into(), kind);
            report.phase =
                [Phase::Pending, Phase::Active, Phase::Peering, Phase::Draining][usize::from(how / 2 % 4)];
            report.session = SessionStatus::ALL[usize::from(how) % 6];
            snapshot.tunnels.insert(report.tunnel, Arc::new(report));
        }
        Step::Gone(number) => drop(snapshot.tunnels.remove(&gateway::id(number.into()))),
        Step::Account(number, how) => edit(&mut snapshot.view, &|view| {
            let user = gateway::user(number.into());
            view.users.insert(
                gateway::id(number.into()).0,
                warren_state::view::User {
                    tenant: key(how % 2 * 4),
                    ..user
                },
            );
        }),
        Step::Device(how) => edit(&mut snapshot.view, &|view| {
            view.devices
                .values_mut()
                .for_each(|device| device.code = format!("dz{how}"));
        }),
        Step::Switch(enabled) => snapshot.switch = if enabled { Switch::On } else { Switch::Off },
        Step::ClockSet(milliseconds) => snapshot.unix_ms += u64::from(milliseconds),
        Step::Later => {
            let later = Duration::from_secs(1);
            (snapshot.at, snapshot.unix_ms) = (snapshot.at + later, snapshot.unix_ms + 1_000);
        }
    }
}

proptest! {
    #[test]
    fn whatever_changes_the_pieces_together_are_what_would_be_rendered_at_once(steps in vec(step(), 1..30)) {
        let (mut snapshot, mut services) = (connected(), Services::default());
        for step in steps {
            take(&mut snapshot, step.clone());
            services.follow(&snapshot, NETWORK);
            let expected = serde_json::to_string(&v2_status(&snapshot, NETWORK)).unwrap() + "\n";
            prop_assert_eq!(services.v2_status(), expected, "after {:?}", step);
            prop_assert_eq!(services.status(), status(&snapshot), "after {:?}", step);
        }
    }
}

fn places(services: &Services) -> Vec<*const u8> {
    services
        .unicast
        .values()
        .map(|piece| piece.text.as_ptr())
        .collect()
}

#[test]
fn only_what_changed_is_rendered_and_what_shows_no_change_is_the_same_bytes() {
    let (mut snapshot, mut services) = (gateway::snapshot(50), Services::default());
    services.follow(&snapshot, NETWORK);
    let (before, body) = (places(&services), services.v2_status());
    // The same again, later, from a view that was read anew.
    snapshot.at = snapshot.at + Duration::from_secs(60);
    snapshot.unix_ms += 60_300;
    snapshot.view = Some(Arc::new(View::clone(snapshot.view.as_deref().unwrap())));
    services.follow(&snapshot, NETWORK);
    assert_eq!(
        (places(&services), services.v2_status().as_ptr()),
        (before.clone(), body.as_ptr())
    );
    let id = gateway::id(7);
    let changed = TunnelReport {
        session: SessionStatus::Down,
        ..TunnelReport::clone(&snapshot.tunnels[&id])
    };
    snapshot.tunnels.insert(id, Arc::new(changed));
    services.follow(&snapshot, NETWORK);
    let kept = places(&services)
        .iter()
        .filter(|place| before.contains(place))
        .count();
    assert!(
        (49..=50).contains(&kept) && services.v2_status() != body,
        "{kept} of 50 are kept"
    );
}

#[test]
fn the_time_of_a_session_does_not_waver_with_the_clocks_and_follows_when_the_clock_of_the_wall_is_set() {
    let (mut snapshot, mut services) = (gateway::snapshot(1), Services::default());
    // Just before a whole second: a millisecond more or less would show.
    let since = Monotonic::from_elapsed(Duration::from_millis(60_000));
    (snapshot.at, snapshot.unix_ms) = (since, 1_760_464_780_999);
    services.follow(&snapshot, NETWORK);
    let body = services.status();
    assert!(
        std::str::from_utf8(&body)
            .unwrap()
            .contains("\"last_session_update\":1760464780")
    );
    snapshot.unix_ms += 1;
    services.follow(&snapshot, NETWORK);
    assert_eq!(services.status(), body);
    snapshot.unix_ms += 3_600_000;
    services.follow(&snapshot, NETWORK);
    assert!(
        std::str::from_utf8(&services.status())
            .unwrap()
            .contains("\"last_session_update\":1760468381")
    );
}

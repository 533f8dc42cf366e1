//! Of usage, caps, multicast and probes.

use super::*;

pub(super) fn of_what_is_measured() -> Vec<Event> {
    let detail = || "no space left on device".to_owned();
    let target = |number: u8, reachable| TargetChange {
        device: key(number),
        code: format!("ams{number}"),
        address: Ipv4Addr::new(203, 0, 113, number),
        reachable,
    };
    let impaired = |probe| Event::ProbeImpaired {
        probe,
        detail: "operation not permitted".to_owned(),
    };
    let probes = Probe::ALL.map(|probe| [impaired(probe), Event::ProbeMended { probe }]);
    let others = [
        Event::UsageImpaired { detail: detail() },
        Event::UsageMended,
        Event::UsageLost {
            detail: "expected a number at line 3".to_owned(),
        },
        Event::CapsImpaired {
            detail: "the authority answers 503".to_owned(),
        },
        Event::CapsMended,
        Event::CapsLost {
            detail: "expected a number at line 3".to_owned(),
        },
        Event::MulticastImpaired {
            tunnel: id(),
            detail: "network is unreachable".to_owned(),
        },
        Event::MulticastMended { tunnel: id() },
        Event::LatencyChanged {
            targets: vec![target(1, true), target(2, false)],
            more: 3,
        },
    ];
    others.into_iter().chain(probes.into_iter().flatten()).collect()
}

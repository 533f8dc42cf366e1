//! Which events tell of a difference.

use super::{Event, Probe};
use crate::{
    Owners, TunnelId,
    caps::CapsStanding,
    latency::LatencyStatus,
    liveness::LivenessStatus,
    standing::MulticastStanding,
    table::{Disk, UsageStatus},
};

/// What is to be told when the store says this, after it said that.
#[must_use]
pub fn of_disk(before: &Disk, now: &Disk) -> Vec<Event> {
    let problem = of_problem(
        before.problem.as_deref(),
        now.problem.as_deref(),
        |detail| Event::StoreImpaired { detail },
        Event::StoreMended,
    );
    let owner = now
        .owner
        .filter(|_| before.owner != now.owner)
        .map(|owner| Event::OwnerNamed { owner });
    let pin = now
        .pin
        .filter(|_| before.pin != now.pin)
        .map(|address| Event::Pinned { address });
    problem.into_iter().chain(owner).chain(pin).collect()
}

/// The same of whose users count.
#[must_use]
pub fn of_owners(before: Owners, now: Owners) -> Option<Event> {
    (before != now).then_some(Event::OwnersChanged { owners: now })
}

/// The same of what tunnels carry.
#[must_use]
pub fn of_usage(before: &UsageStatus, now: &UsageStatus) -> Option<Event> {
    of_problem(
        before.problem.as_deref(),
        now.problem.as_deref(),
        |detail| Event::UsageImpaired { detail },
        Event::UsageMended,
    )
}

/// The same of caps.
#[must_use]
pub fn of_caps(before: &CapsStanding, now: &CapsStanding) -> Option<Event> {
    of_problem(
        before.problem.as_deref(),
        now.problem.as_deref(),
        |detail| Event::CapsImpaired { detail },
        Event::CapsMended,
    )
}

/// The same of a tunnel's multicast services.
#[must_use]
pub fn of_multicast(tunnel: TunnelId, before: &MulticastStanding, now: &MulticastStanding) -> Option<Event> {
    of_problem(
        before.failing.as_deref(),
        now.failing.as_deref(),
        |detail| Event::MulticastImpaired { tunnel, detail },
        Event::MulticastMended { tunnel },
    )
}

/// The same of a probe: what was in its way, and what is.
#[must_use]
pub fn of_probe(probe: Probe, before: Option<&str>, now: Option<&str>) -> Option<Event> {
    of_problem(
        before,
        now,
        |detail| Event::ProbeImpaired { probe, detail },
        Event::ProbeMended { probe },
    )
}

/// The same of liveness, but for the hosts.
#[must_use]
pub fn of_liveness(before: &LivenessStatus, now: &LivenessStatus) -> Option<Event> {
    of_probe(
        Probe::Liveness,
        before.socket_error.as_deref(),
        now.socket_error.as_deref(),
    )
}

/// The same of latency.
#[must_use]
pub fn of_latency(before: &LatencyStatus, now: &LatencyStatus) -> Vec<Event> {
    let socket = of_probe(
        Probe::Latency,
        before.socket_error.as_deref(),
        now.socket_error.as_deref(),
    );
    let list = of_probe(
        Probe::DeviceList,
        before.devices_error.as_deref(),
        now.devices_error.as_deref(),
    );
    let targets = now.targets_changed(before);
    socket.into_iter().chain(list).chain(targets).collect()
}

/// What is in the way is told when it differs, and when nothing is any more.
fn of_problem(
    before: Option<&str>,
    now: Option<&str>,
    impaired: impl FnOnce(String) -> Event,
    mended: Event,
) -> Option<Event> {
    match now {
        Some(detail) if before != now => Some(impaired(detail.to_owned())),
        None if before.is_some() => Some(mended),
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::Pubkey;

    #[test]
    fn each_problem_that_comes_and_goes_has_an_event_for_both() {
        let (tunnel, detail) = (TunnelId(Pubkey([1; 32])), || "full".to_owned());
        let caps = CapsStanding {
            problem: Some(detail()),
            ..CapsStanding::default()
        };
        let usage = UsageStatus {
            problem: Some(detail()),
            ..UsageStatus::default()
        };
        let multicast = MulticastStanding {
            failing: Some(detail()),
            ..MulticastStanding::default()
        };
        let liveness = LivenessStatus {
            socket_error: Some(detail()),
            ..LivenessStatus::default()
        };
        let latency = LatencyStatus {
            socket_error: Some(detail()),
            devices_error: Some(detail()),
            ..LatencyStatus::default()
        };
        let (no_caps, no_usage, no_multicast, no_liveness, no_latency) = Default::default();
        let of_all = |came: bool| {
            let (before, now) = order_of(came, &caps, &no_caps);
            let caps = of_caps(before, now);
            let (before, now) = order_of(came, &usage, &no_usage);
            let usage = of_usage(before, now);
            let (before, now) = order_of(came, &multicast, &no_multicast);
            let multicast = of_multicast(tunnel, before, now);
            let (before, now) = order_of(came, &liveness, &no_liveness);
            let liveness = of_liveness(before, now);
            let (before, now) = order_of(came, &latency, &no_latency);
            let told = [caps, usage, multicast, liveness].into_iter().flatten();
            told.chain(of_latency(before, now)).collect::<Vec<Event>>()
        };
        let impaired = |probe| Event::ProbeImpaired {
            probe,
            detail: detail(),
        };
        assert_eq!(
            of_all(true),
            [
                Event::CapsImpaired { detail: detail() },
                Event::UsageImpaired { detail: detail() },
                Event::MulticastImpaired {
                    tunnel,
                    detail: detail()
                },
                impaired(Probe::Liveness),
                impaired(Probe::Latency),
                impaired(Probe::DeviceList),
            ]
        );
        let mended = |probe| Event::ProbeMended { probe };
        assert_eq!(
            of_all(false),
            [
                Event::CapsMended,
                Event::UsageMended,
                Event::MulticastMended { tunnel },
                mended(Probe::Liveness),
                mended(Probe::Latency),
                mended(Probe::DeviceList),
            ]
        );
        assert_eq!(of_caps(&caps, &caps), None);
    }

    fn order_of<'a, T>(came: bool, ill: &'a T, well: &'a T) -> (&'a T, &'a T) {
        if came { (well, ill) } else { (ill, well) }
    }

    #[test]
    fn what_the_store_says_is_told_once_it_differs_and_when_it_is_well_again() {
        let well = Disk::default();
        let problem = |text: &str| Disk {
            problem: Some(text.to_owned()),
            ..Disk::default()
        };
        assert_eq!(
            of_disk(&well, &problem("full")),
            [Event::StoreImpaired {
                detail: "full".to_owned()
            }]
        );
        assert_eq!(of_disk(&problem("full"), &problem("full")), []);
        assert_eq!(of_disk(&problem("full"), &well), [Event::StoreMended]);
        let (address, owner) = (Ipv4Addr::new(198, 51, 100, 7), Pubkey([7; 32]));
        let named = Disk {
            pin: Some(address),
            owner: Some(owner),
            ..Disk::default()
        };
        assert_eq!(
            of_disk(&well, &named),
            [Event::OwnerNamed { owner }, Event::Pinned { address }]
        );
        assert_eq!(
            of_disk(&named, &well),
            [],
            "a pin that is dropped has an event of its own, with the reason"
        );
        assert_eq!(of_owners(Owners::Any, Owners::Any), None);
    }
}

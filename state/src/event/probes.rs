//! What is measured, and targets that answer or do not any more: many at once are one event.

use std::{collections::BTreeMap, fmt, net::Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::Event;
use crate::{
    Pubkey,
    latency::{LatencyStatus, Measured, Target, TargetReport},
};

/// The most that an event names.
const NAMED: usize = 16;

/// What is measured beside the tunnels themselves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// How far devices are.
    Latency,
    /// Which devices there are to measure.
    DeviceList,
    /// Whether hosts behind learned routes are there.
    Liveness,
    /// Whether multicast flows.
    Groups,
}

named! {
    /// The name in events.
    Probe {
        Latency => "latency",
        DeviceList => "device_list",
        Liveness => "liveness",
        Groups => "groups",
    }
}

impl Probe {
    /// In words, that it cannot be measured.
    pub(super) fn impaired_in_words(self) -> &'static str {
        match self {
            Self::Latency => "latency cannot be measured",
            Self::DeviceList => "the list of devices to measure cannot be read",
            Self::Liveness => "hosts behind routes cannot be probed",
            Self::Groups => "it is not known whether multicast flows",
        }
    }

    /// In words, that it can be again.
    pub(super) fn mended_in_words(self) -> &'static str {
        match self {
            Self::Latency => "latency is measured again",
            Self::DeviceList => "the list of devices to measure is read again",
            Self::Liveness => "hosts behind routes are probed again",
            Self::Groups => "it is known again whether multicast flows",
        }
    }
}

/// An address that began to answer, or ceased to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TargetChange {
    /// The device's account.
    pub device: Pubkey,
    /// The device's code.
    pub code: String,
    /// Which of its addresses.
    pub address: Ipv4Addr,
    /// Whether it answers from now on.
    pub reachable: bool,
}

impl fmt::Display for TargetChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let does = if self.reachable {
            "answers"
        } else {
            "does not answer"
        };
        write!(f, "{} ({}) {does}", self.code, self.address)
    }
}

impl LatencyStatus {
    /// Targets whose last round had another outcome than the last one before; one that was measured for the first time is among
    /// them.
    #[must_use]
    pub fn targets_changed(&self, before: &Self) -> Option<Event> {
        let outcome = |report: &TargetReport| report.latest().map(Measured::is_reachable);
        let was: BTreeMap<&Target, Option<bool>> = before
            .targets
            .iter()
            .map(|report| (&report.target, outcome(report)))
            .collect();
        let mut changed = self.targets.iter().filter_map(|report| {
            let reachable = outcome(report)?;
            let target = &report.target;
            (was.get(target).copied().flatten() != Some(reachable)).then(|| TargetChange {
                device: target.device,
                code: target.code.clone(),
                address: target.address,
                reachable,
            })
        });
        let targets: Vec<TargetChange> = changed.by_ref().take(NAMED).collect();
        let more = changed.count();
        (!targets.is_empty()).then_some(Event::LatencyChanged { targets, more })
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::Monotonic;

    /// With these numbers of answers, in the rounds so far.
    fn status(rounds: &[&[u8]]) -> LatencyStatus {
        let report = |(number, rounds): (usize, &&[u8])| {
            let number = u8::try_from(number).unwrap();
            let mut report = TargetReport::new(Target {
                device: Pubkey([number; 32]),
                address: Ipv4Addr::new(192, 0, 2, number),
                code: format!("ams{number}"),
                interface: None,
                is_activated: true,
            });
            for answers in *rounds {
                let times = vec![Duration::from_millis(1); usize::from(*answers)];
                report.take_in(Monotonic::ZERO, 3, &times, 8);
            }
            Arc::new(report)
        };
        LatencyStatus {
            targets: rounds.iter().enumerate().map(report).collect(),
            ..LatencyStatus::default()
        }
    }

    #[test]
    fn a_target_is_told_when_its_outcome_is_another_one_and_many_are_one_event() {
        let before = status(&[&[], &[3], &[3], &[0], &[0]]);
        let now = status(&[&[0], &[3, 1], &[3, 0], &[0, 2], &[0, 0], &[]]);
        let told = now.targets_changed(&before);
        let Some(Event::LatencyChanged { targets, more: 0 }) = told else {
            panic!("{told:?}")
        };
        let told: Vec<(&str, bool)> = targets
            .iter()
            .map(|change| (change.code.as_str(), change.reachable))
            .collect();
        assert_eq!(told, [("ams0", false), ("ams2", false), ("ams3", true)]);
        assert_eq!(now.targets_changed(&now), None);
        let many = status(&[&[1][..]; 100]);
        let told = many.targets_changed(&LatencyStatus::default());
        assert!(
            matches!(&told, Some(Event::LatencyChanged { targets, more: 84 }) if targets.len() == 16),
            "{told:?}"
        );
    }
}

//! What latency says about a tunnel's device, and about the one that would be nearest.

use std::{net::Ipv4Addr, time::Duration};

use warren_actors::latency::LatencyStatus;
use warren_protocols::latency::{Measured, TargetReport};
use warren_state::Pubkey;

use crate::http::latency::signed;

/// Another device is nearer only when it is nearer by more than this.
const TIE: Duration = Duration::from_millis(5);

#[derive(PartialEq, Debug, Default)]
pub(super) struct Distance {
    pub(super) rtt_nanoseconds: Option<i64>,
    pub(super) loss_percentage: Option<f64>,
    /// A device's code, or empty.
    pub(super) nearest: String,
}

/// An address that answered, and how.
type Answer<'a> = (&'a TargetReport, &'a Measured);

impl Distance {
    /// For a tunnel to this device, at this address of it: what was measured to that address counts before what was measured
    /// to the device's others.
    pub(super) fn of(latency: Option<&LatencyStatus>, device: Option<Pubkey>, address: Ipv4Addr) -> Self {
        let Some(status) = latency else {
            return Self::default();
        };
        let answers: Vec<Answer<'_>> = status
            .targets
            .iter()
            .filter_map(|report| answer(report))
            .collect();
        let of_device = || {
            answers
                .iter()
                .filter(|(report, _)| Some(report.target.device) == device)
        };
        let in_use = of_device()
            .find(|(report, _)| report.target.address == address)
            .or_else(|| of_device().next());
        Self {
            rtt_nanoseconds: in_use
                .map(|(_, measured)| signed(measured.avg))
                .filter(|time| *time > 0),
            loss_percentage: in_use
                .map(|(_, measured)| measured.loss_percentage())
                .filter(|loss| *loss > 0.0),
            nearest: nearest(&answers, device)
                .map_or_else(String::new, |(report, _)| report.target.code.clone()),
        }
    }
}

fn answer(report: &TargetReport) -> Option<Answer<'_>> {
    Some((
        report,
        report.latest().filter(|measured| measured.is_reachable())?,
    ))
}

/// As the reference compares: by the mean time, among devices in service.
fn nearest<'a>(answers: &[Answer<'a>], current: Option<Pubkey>) -> Option<Answer<'a>> {
    let in_service = || {
        answers
            .iter()
            .copied()
            .filter(|(report, _)| report.target.is_activated)
    };
    let best = in_service().min_by_key(|(_, measured)| measured.avg)?;
    let own = in_service()
        .filter(|(report, _)| Some(report.target.device) == current)
        .min_by_key(|(_, measured)| measured.avg);
    Some(
        own.filter(|(_, measured)| measured.avg <= best.1.avg + TIE)
            .unwrap_or(best),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use warren_protocols::latency::Target;
    use warren_state::Monotonic;

    use super::*;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(9, 0, 0, 1);

    fn target(device: u8, address: u8, is_activated: bool, times: &[u64]) -> Arc<TargetReport> {
        let mut report = TargetReport::new(Target {
            device: Pubkey([device; 32]),
            address: Ipv4Addr::new(9, 0, 0, address),
            code: format!("d{device}"),
            interface: None,
            is_activated,
        });
        let times: Vec<Duration> = times.iter().map(|time| Duration::from_micros(*time)).collect();
        report.take_in(Monotonic::ZERO, 4, &times, 8);
        Arc::new(report)
    }

    fn distance(targets: Vec<Arc<TargetReport>>, device: u8) -> (Option<i64>, Option<f64>, String) {
        let status = LatencyStatus {
            is_ready: true,
            targets,
            ..LatencyStatus::default()
        };
        let Distance {
            rtt_nanoseconds,
            loss_percentage,
            nearest,
        } = Distance::of(Some(&status), Some(Pubkey([device; 32])), ADDRESS);
        (rtt_nanoseconds, loss_percentage, nearest)
    }

    #[test]
    fn the_address_in_use_counts_before_the_devices_others_and_these_before_none() {
        let other = target(1, 2, true, &[2_000; 4]);
        let in_use = target(1, 1, true, &[9_000, 9_000, 9_000]);
        assert_eq!(
            distance(vec![other.clone(), in_use], 1),
            (Some(9_000_000), Some(25.0), "d1".into())
        );
        let silent = target(1, 1, true, &[]);
        assert_eq!(
            distance(vec![other, silent], 1),
            (Some(2_000_000), None, "d1".into())
        );
    }

    #[test]
    fn the_current_device_stays_the_nearest_unless_another_is_nearer_by_more_than_five_milliseconds() {
        for (other, nearest) in [(10_000, "d1"), (5_000, "d1"), (4_999, "d2")] {
            let targets = vec![target(1, 1, true, &[10_000]), target(2, 2, true, &[other])];
            assert_eq!(distance(targets, 1).2, nearest, "{other}");
        }
    }

    #[test]
    fn devices_that_are_silent_or_out_of_service_are_never_the_nearest() {
        let targets = vec![
            target(2, 2, false, &[1_000]),
            target(3, 3, true, &[]),
            target(4, 4, true, &[80_000]),
        ];
        assert_eq!(distance(targets.clone(), 9), (None, None, "d4".into()));
        assert_eq!(
            distance(targets[..2].to_vec(), 2),
            (Some(1_000_000), Some(75.0), String::new())
        );
        assert_eq!(distance(vec![], 1), (None, None, String::new()));
    }
}

//! Whether another device has been nearer for long enough, by the daemon's measurements: pure.

use std::{collections::BTreeSet, fmt, time::Duration};

use warren_api::v3::{Round, TargetLatency, V3Latency};

/// What is worth a move.
#[derive(Clone, Copy, Debug)]
pub struct MoveThreshold {
    /// Nearer by this much at least, in each round.
    pub by: Duration,
    /// For this long.
    pub lasting: Duration,
}

/// A device that is worth it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NearerDevice {
    /// Its account.
    pub device: String,
    /// Its short name.
    pub code: String,
    /// By how much it was nearer in the round that speaks for it least; none where the device in use did not answer in any.
    pub least: Option<Duration>,
}

/// Why the host stays where it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StayReason {
    /// The device in use is not measured.
    Unmeasured,
    /// The daemon keeps no more rounds than these, which are shorter than what is asked for.
    NotKnown(Duration),
    /// No other device with room was nearer by that much all the time.
    NoneNearer,
}

/// The device that was nearer by the most.
///
/// # Errors
/// Why there is none.
pub fn find(
    latency: &V3Latency,
    current: &str,
    usable: &BTreeSet<String>,
    worth: MoveThreshold,
    now_ms: u64,
) -> Result<NearerDevice, StayReason> {
    let here = best(latency, current).ok_or(StayReason::Unmeasured)?;
    let start = now_ms.saturating_sub(milliseconds(worth.lasting));
    let slack = milliseconds(Duration::from_secs_f64(latency.interval_seconds.max(0.0))) * 3 / 2;
    let reaches_back = |target: &TargetLatency| {
        let oldest = target.history.first().map(|round| round.unix_ms);
        let newest = target.history.last().map(|round| round.unix_ms);
        oldest.is_some_and(|oldest| oldest <= start + slack)
            && newest.is_some_and(|newest| newest + 2 * slack >= now_ms)
    };
    if !reaches_back(here) {
        let known = here
            .history
            .first()
            .map_or(0, |round| now_ms.saturating_sub(round.unix_ms));
        return Err(StayReason::NotKnown(Duration::from_millis(known)));
    }
    let others: BTreeSet<&str> = latency
        .targets
        .iter()
        .map(|target| target.device_pk.as_str())
        .collect();
    let nearer = others
        .into_iter()
        .filter(|device| *device != current && usable.contains(*device));
    nearer
        .filter_map(|device| {
            let there = best(latency, device).filter(|there| reaches_back(there))?;
            let least = least(there, here, start, worth.by)?;
            Some(NearerDevice {
                device: device.to_owned(),
                code: there.device_code.clone(),
                least,
            })
        })
        .max_by_key(|nearer| {
            (
                nearer.least.unwrap_or(Duration::MAX),
                std::cmp::Reverse(nearer.code.clone()),
            )
        })
        .ok_or(StayReason::NoneNearer)
}

/// The address of a device that answers soonest.
fn best<'a>(latency: &'a V3Latency, device: &str) -> Option<&'a TargetLatency> {
    let targets = latency
        .targets
        .iter()
        .filter(|target| target.device_pk == device && !target.history.is_empty());
    targets.min_by_key(|target| (target.smoothed_ns.is_none(), target.smoothed_ns))
}

/// By how much it was nearer at least; none where it was not, or answered worse, in any round since then. The inner one is none where
/// the device in use never answered.
fn least(there: &TargetLatency, here: &TargetLatency, start: u64, by: Duration) -> Option<Option<Duration>> {
    let mut least: Option<Duration> = None;
    let mut rounds = there
        .history
        .iter()
        .filter(|round| round.unix_ms >= start)
        .peekable();
    rounds.peek()?;
    for round in rounds {
        let beside = here
            .history
            .iter()
            .min_by_key(|other| other.unix_ms.abs_diff(round.unix_ms))?;
        if round.received == 0 || round.loss_percentage > beside.loss_percentage {
            return None;
        }
        if beside.received > 0 {
            let gain = nanoseconds(beside)
                .checked_sub(nanoseconds(round))
                .filter(|gain| *gain >= by)?;
            least = Some(least.map_or(gain, |least| least.min(gain)));
        }
    }
    Some(least)
}

fn nanoseconds(round: &Round) -> Duration {
    Duration::from_nanos(round.avg_ns)
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX / 4)
}

impl fmt::Display for StayReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unmeasured => f.write_str("the device in use has not been measured"),
            Self::NotKnown(known) => {
                let known = Duration::from_secs(known.as_secs());
                write!(
                    f,
                    "the daemon has known the device in use for only {}",
                    humantime::format_duration(known)
                )
            }
            Self::NoneNearer => f.write_str("no device that has room was nearer by that much all the time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 100_000_000;
    const MINUTE: u64 = 60_000;

    fn round(minutes_ago: u64, milliseconds: u64, received: u8) -> Round {
        Round {
            unix_ms: NOW - minutes_ago * MINUTE,
            sent: 3,
            received,
            loss_percentage: f64::from(3 - received) * 100.0 / 3.0,
            min_ns: milliseconds * 1_000_000,
            avg_ns: milliseconds * 1_000_000,
            max_ns: milliseconds * 1_000_000,
        }
    }

    /// Rounds of five minutes over 70.
    fn target(device: &str, round_of: impl Fn(u64) -> Round) -> TargetLatency {
        TargetLatency {
            device_pk: device.to_owned(),
            device_code: format!("{device}-dz01"),
            device_ip: "198.51.100.9".to_owned(),
            interface_name: None,
            activated: true,
            reachable: Some(true),
            smoothed_ns: Some(1),
            jitter_ns: 0,
            history: (0..15).rev().map(|at| round_of(at * 5)).collect(),
        }
    }

    fn found(targets: Vec<TargetLatency>, usable: &[&str]) -> Result<NearerDevice, StayReason> {
        found_for(targets, usable, Duration::from_secs(3600))
    }

    fn found_for(
        targets: Vec<TargetLatency>,
        usable: &[&str],
        lasting: Duration,
    ) -> Result<NearerDevice, StayReason> {
        let latency = V3Latency {
            schema: 1,
            ready: true,
            interval_seconds: 300.0,
            last_pass: None,
            next_pass_in_seconds: None,
            socket: None,
            socket_error: None,
            devices: 2,
            devices_age_seconds: None,
            devices_error: None,
            targets,
        };
        let usable = usable.iter().map(|device| (*device).to_owned()).collect();
        let worth = MoveThreshold {
            by: Duration::from_millis(5),
            lasting,
        };
        find(&latency, "here", &usable, worth, NOW)
    }

    fn steady(device: &str, milliseconds: u64) -> TargetLatency {
        target(device, |ago| round(ago, milliseconds, 3))
    }

    #[test]
    fn the_device_that_was_nearer_by_the_most_all_the_time_is_found() {
        let all = || vec![steady("here", 20), steady("near", 14), steady("nearest", 9)];
        let nearest = found(all(), &["near", "nearest"]).unwrap();
        assert_eq!(
            (nearest.device.as_str(), nearest.least),
            ("nearest", Some(Duration::from_millis(11)))
        );
        assert_eq!(
            found(all(), &["near"]).unwrap().device,
            "near",
            "the other one has no room"
        );
        assert_eq!(
            found(vec![steady("here", 20), steady("near", 16)], &["near"]),
            Err(StayReason::NoneNearer)
        );
    }

    #[test]
    fn one_round_in_the_time_that_speaks_against_it_is_enough_and_none_before_it() {
        let but = |at: u64, other: Round| {
            target("near", move |ago| {
                if ago == at {
                    other.clone()
                } else {
                    round(ago, 9, 3)
                }
            })
        };
        let with = |near: TargetLatency| found(vec![steady("here", 20), near], &["near"]);
        assert_eq!(with(but(30, round(30, 18, 3))), Err(StayReason::NoneNearer));
        assert_eq!(
            with(but(30, round(30, 9, 2))),
            Err(StayReason::NoneNearer),
            "it lost more"
        );
        assert_eq!(with(but(30, round(30, 0, 0))), Err(StayReason::NoneNearer));
        assert!(with(but(70, round(70, 18, 3))).is_ok(), "before the time");
    }

    #[test]
    fn no_round_at_all_speaks_for_nothing() {
        let old = |device: &str, away| target(device, move |ago| round(ago + 6, away, 3));
        let latency = found_for(
            vec![old("here", 20), old("near", 9)],
            &["near"],
            Duration::from_secs(60),
        );
        assert_eq!(latency, Err(StayReason::NoneNearer));
    }

    #[test]
    fn a_device_that_does_not_answer_is_left_for_one_that_does() {
        let silent = target("here", |ago| round(ago, 0, 0));
        assert_eq!(
            found(vec![silent, steady("near", 9)], &["near"]).unwrap().least,
            None
        );
    }

    #[test]
    fn what_is_not_known_for_so_long_is_not_said() {
        let mut young = steady("here", 20);
        young.history.retain(|round| round.unix_ms >= NOW - 20 * MINUTE);
        assert_eq!(
            found(vec![young, steady("near", 9)], &["near"]),
            Err(StayReason::NotKnown(Duration::from_secs(1200)))
        );
        assert_eq!(
            found(vec![steady("near", 9)], &["near"]),
            Err(StayReason::Unmeasured)
        );
    }
}

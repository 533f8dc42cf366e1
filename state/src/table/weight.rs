//! What a step takes in memory, about: what is shared with what is true now counts too, for it may be all that still holds it. Of
//! views that counts what each does not share with the one before: the last of them is true now.

use std::{fmt, mem::size_of};

use super::{Change, Entry};
use crate::{
    event::Event,
    journal::JournalEntry,
    lifecycle::{BlockedRoutes, TunnelReport, WatchedRoute},
    standing::{BgpStanding, MulticastStanding},
};

/// Of what is only counted, and of names and short texts.
const SMALL: usize = 64;

impl Entry {
    /// In bytes, about; without the event, which is kept for itself.
    #[must_use]
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.changes.iter().map(Change::weight).sum::<usize>()
    }
}

impl JournalEntry {
    /// In bytes, about.
    #[must_use]
    pub fn weight(&self) -> usize {
        size_of::<Self>() + text(&self.event) + samples(&self.event)
    }
}

impl Change {
    fn weight(&self) -> usize {
        let beyond = match self {
            Self::Tunnel(report) => of_report(report),
            Self::Watch { added, removed, .. } => {
                added.len() * (size_of::<WatchedRoute>() + SMALL) + size_of_val(&removed[..])
            }
            Self::Liveness(status) => status.sessions.len() * 4 * SMALL + status.ends.len() * 16 * SMALL,
            Self::Latency(status) => status
                .targets
                .iter()
                .map(|target| 2 * SMALL + size_of_val(&target.history))
                .sum(),
            Self::View(view) => view
                .as_ref()
                .map_or(0, |in_force| in_force.accepted.own_users() * 4 * SMALL),
            Self::Excluded(_)
            | Self::Manual(_)
            | Self::Address(_)
            | Self::Disk(_)
            | Self::Journal(_)
            | Self::Usage(_)
            | Self::Ledger(_)
            | Self::Recorder(_) => 4 * SMALL,
            Self::Rates(rates) => rates.of.len() * SMALL,
            Self::Caps(standing) => standing.devices.len() * 8 * SMALL,
            Self::Hooks(standing) => standing.hooks.len() * 2 * SMALL,
            Self::Health(standing) => standing
                .values()
                .map(|one| (one.reasons.len() + one.coming.len() + 1) * SMALL)
                .sum(),
            Self::Session(_, standing) => {
                size_of::<BgpStanding>()
                    + standing
                        .refused
                        .values()
                        .map(|refused| SMALL + size_of_val(&refused.latest[..]))
                        .sum::<usize>()
            }
            Self::Applied(_, applied) => (applied.report.steps.len() + 4) * 4 * SMALL,
            Self::Multicast(..) => size_of::<MulticastStanding>() + 2 * SMALL,
            Self::Groups(_, groups) => (groups.received.len() + groups.sent.len() + 1) * 2 * SMALL,
            Self::Refused(_, refusal) => refusal.as_ref().map_or(0, |_| 4 * SMALL),
            Self::Held(_) | Self::Noticed(_) | Self::Counted(_) => SMALL,
            Self::TunnelDown(_)
            | Self::TunnelGone(_)
            | Self::NoTunnels
            | Self::Switch(_)
            | Self::Owners(_)
            | Self::Stale(_)
            | Self::Reconciler(_)
            | Self::OtherSource(..)
            | Self::LedgerRestarted(_)
            | Self::Restarted(_)
            | Self::Stopping => 0,
        };
        size_of::<Self>() + beyond
    }
}

fn of_report(report: &TunnelReport) -> usize {
    let blocked = |routes: &BlockedRoutes| {
        routes
            .first
            .iter()
            .map(|(_, why)| SMALL + why.len())
            .sum::<usize>()
    };
    let routes = [
        &report.blocked_routes,
        &report.withheld_routes,
        &report.capturing_routes,
    ]
    .map(blocked)
    .into_iter()
    .sum::<usize>();
    let failures = [&report.failure, &report.rate_failure].into_iter().flatten();
    let failure: usize = failures
        .map(|failure| failure.fault.operation.len() + failure.fault.detail.len())
        .sum();
    size_of::<TunnelReport>() + 4 * SMALL + routes + failure
}

/// What an event says, in characters: its data are about as much.
fn text(event: &Event) -> usize {
    struct Length(usize);
    impl fmt::Write for Length {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 += text.len();
            Ok(())
        }
    }
    let mut length = Length(0);
    let _always_ok = fmt::Write::write_fmt(&mut length, format_args!("{event}"));
    length.0
}

/// What it says of tunnels one by one, which its words leave out.
fn samples(event: &Event) -> usize {
    if let Event::UsageSampled { samples } = event {
        size_of_val(&samples[..])
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use crate::{
        Monotonic, Pubkey, Slot, View,
        guard::{GuardSettings, Verdict, ViewGuard},
        reconcile::Role,
        table::{Change, InForce},
        testing::user,
    };

    #[test]
    fn a_view_weighs_what_it_does_not_share_with_the_one_before() {
        let mut guard = ViewGuard::new(GuardSettings::default(), None);
        let mut view = View::default();
        view.users = (0..100).map(|n| (Pubkey([n; 32]), user(1))).collect();
        let mut weights = Vec::new();
        for joining in [100, 101, 101] {
            view.slot = Slot(view.slot.0 + 1);
            view.users.insert(Pubkey([joining; 32]), user(1));
            let Verdict::Accept(accepted) = guard.offer(Monotonic::ZERO, Ok(view.clone())) else {
                panic!("nobody went");
            };
            let role = Role::Client {
                client_ip: Ipv4Addr::LOCALHOST,
            };
            weights.push(Change::View(Some(InForce { role, accepted })).weight());
        }
        let user = weights[1] - weights[2];
        assert!(user > 0);
        assert_eq!(weights[0] - weights[2], 101 * user);
    }
}

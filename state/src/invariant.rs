//! What must hold at all times, by name. The simulator, the tests and `/metrics` share these names.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::event::Event;

/// A rule whose breach is a defect of ours, whatever happens around us.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Invariant {
    /// No object without our mark is changed or removed.
    ForeignUntouched,
    /// A tunnel is taken down only by an accepted view that says so, or by disable.
    RemovalHasProof,
    /// At most one link carries a tunnel's mark.
    OneLinkPerTunnel,
    /// A signal of an earlier incarnation or session changes nothing.
    LateSignalsIgnored,
    /// Only routes that the import policy admits are in the kernel.
    RoutesWithinPolicy,
    /// A tunnel has at most one dataplane operation under way.
    OneOperationAtATime,
    /// After a disable has converged, nothing of ours is there.
    DisabledMeansGone,
    /// A read that did not come into force removes nothing.
    HeldViewsRemoveNothing,
    /// Once a session is closed, its routes go (unless the service retains them).
    RoutesFollowTheSession,
    /// The switch in force is the one on disk.
    SwitchIsOnDisk,
    /// A link with the wrong endpoints is never used.
    EndpointsAreRight,
    /// Incarnations only go up.
    IncarnationsGoUp,
    /// A learned route that waits for the host behind it is not put into the kernel.
    WithheldRoutesStayOut,
    /// Once a tunnel is gone, none of its rules and routes is left, in whatever table.
    NothingIsLeftBehind,
    /// Multicast services run only over a link that is there, and announce only while the session is up.
    ServicesNeedTheirTunnel,
    /// A change of groups touches neither link nor session.
    GroupChangesAreIncremental,
    /// While the switch cannot be read no tunnel is taken down, and none is made that was not there.
    UnknownSwitchHolds,
    /// Any state of the table and what came after it, folded into it, is the table.
    ChangesFoldIntoTheTable,
    /// Whoever has read an event finds in the table, as of that event, what it tells.
    EventsTellTheTable,
}

named! {
    /// Its name in metrics, events and JSON; it never changes.
    Invariant {
        ForeignUntouched => "INV-01-foreign-untouched",
        RemovalHasProof => "INV-02-removal-has-proof",
        OneLinkPerTunnel => "INV-03-one-link-per-tunnel",
        LateSignalsIgnored => "INV-04-late-signals-ignored",
        RoutesWithinPolicy => "INV-05-routes-within-policy",
        OneOperationAtATime => "INV-06-one-operation-at-a-time",
        DisabledMeansGone => "INV-07-disabled-means-gone",
        HeldViewsRemoveNothing => "INV-08-held-views-remove-nothing",
        RoutesFollowTheSession => "INV-09-routes-follow-the-session",
        SwitchIsOnDisk => "INV-10-switch-is-on-disk",
        EndpointsAreRight => "INV-11-endpoints-are-right",
        IncarnationsGoUp => "INV-12-incarnations-go-up",
        WithheldRoutesStayOut => "INV-13-withheld-routes-stay-out",
        NothingIsLeftBehind => "INV-14-nothing-is-left-behind",
        ServicesNeedTheirTunnel => "INV-15-services-need-their-tunnel",
        GroupChangesAreIncremental => "INV-16-group-changes-are-incremental",
        UnknownSwitchHolds => "INV-17-unknown-switch-holds",
        ChangesFoldIntoTheTable => "INV-18-changes-fold-into-the-table",
        EventsTellTheTable => "INV-19-events-tell-the-table",
    }
}

impl Invariant {
    /// Checks a condition that must hold: in a build with debug assertions a breach panics, in a release it gives the
    /// event to record, which counts in the metrics.
    ///
    /// # Panics
    /// In builds with debug assertions, when the condition does not hold.
    #[must_use]
    pub fn check(self, holds: bool, detail: impl FnOnce() -> String) -> Option<Event> {
        if holds {
            return None;
        }
        let detail = detail();
        debug_assert!(holds, "{self} does not hold: {detail}");
        Some(Event::InvariantBroken { name: self, detail })
    }
}

impl Serialize for Invariant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Invariant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = Self::ALL.into_iter().find(|invariant| invariant.name() == name);
        known.ok_or_else(|| D::Error::custom(format_args!("no invariant is named {name:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbered_in_order() {
        for (index, invariant) in Invariant::ALL.into_iter().enumerate() {
            assert!(
                invariant.name().starts_with(&format!("INV-{:02}-", index + 1)),
                "{invariant}"
            );
        }
    }

    #[test]
    fn what_holds_gives_no_event() {
        assert_eq!(Invariant::ForeignUntouched.check(true, || unreachable!()), None);
    }

    #[test]
    #[should_panic(expected = "INV-02")]
    fn a_breach_panics_in_tests() {
        let _ = Invariant::RemovalHasProof.check(false, || "a tunnel went".to_owned());
    }
}

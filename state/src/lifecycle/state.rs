//! Where a tunnel is in its life, with what is known only there.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::{FailureReport, PhaseReason, RetireReason};
use crate::{Fault, Monotonic, Phase, PlannedStep, Rule};

/// What the machine waits for.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) enum State {
    /// Nothing was asked for yet.
    #[default]
    Pending,
    /// `Observe` is under way.
    Looking(Looking),
    /// `Apply` is under way.
    Applying(Applying),
    /// The kernel is as wanted.
    Settled(Settled),
    /// Something failed.
    Waiting(Waiting),
    /// `Remove` of what was half-built is under way.
    Compensating(Compensating),
    /// `Remove` is under way.
    Draining(Draining),
    /// A removal failed.
    DrainWaiting(DrainWaiting),
    /// Nothing is left to do.
    Ended(Ended),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Looking {
    pub(super) why: LookReason,
    pub(super) build: Build,
    /// When the operation is reported as overdue.
    pub(super) overdue_at: Monotonic,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Applying {
    pub(super) work: Work,
    pub(super) build: Build,
    pub(super) overdue_at: Monotonic,
}

/// Whether the session is up, where there is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Settled {
    Peering,
    Active,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) failure: FailureReport,
    /// No sooner is it tried again when something has changed.
    pub(super) earliest: Monotonic,
    pub(super) build: Build,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Compensating {
    /// Where it failed, and why.
    pub(super) phase: Phase,
    pub(super) fault: Fault,
    pub(super) build: Build,
    pub(super) overdue_at: Monotonic,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Draining {
    pub(super) removal: Removal,
    pub(super) overdue_at: Monotonic,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DrainWaiting {
    pub(super) removal: Removal,
    pub(super) failure: FailureReport,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Ended {
    /// Nothing of the tunnel is left.
    Removed,
    /// It stays behind as it was.
    Detached(Phase),
}

/// Why the machine looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum LookReason {
    /// To build or go on building.
    Build,
    /// Something else may have changed the tunnel.
    Check,
    /// Routes of the session are to be held against those in place.
    Routes,
}

/// How far the tunnel has come. It goes from look to work and back, and ends with the tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Build {
    pub(super) standing: BuildProgress,
    pub(super) progress: Progress,
    /// The dataplane cannot move the link: it is deleted and made anew.
    pub(super) anew: bool,
    /// A fault `Gone` led to another look already.
    pub(super) looked_again: bool,
}

/// How the tunnel stands until the operation that is under way says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) enum BuildProgress {
    /// Nothing was done yet.
    #[default]
    New,
    /// Such steps were taken last.
    Building(Stage),
    Settled(Settled),
    /// This phase failed last.
    Failed(Phase),
}

/// What steps are about that are taken together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Stage {
    Linking,
    Addressing,
    Routing,
}

/// How much of the spec is there. `made`: the link was made by us, and the tunnel was not usable since.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Progress {
    /// It was never fully realised.
    Unbuilt { made: bool },
    /// It was, and another link takes the place of one that something else took away.
    Mending { made: bool },
    /// It is realised, but for what something else may have changed.
    Built,
}

/// Steps that are being taken, stage by stage.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Work {
    pub(super) stage: Stage,
    pub(super) count: usize,
    pub(super) rest: VecDeque<(Stage, Vec<PlannedStep>)>,
    /// Steps that put back what something else changed.
    pub(super) repaired: Vec<PlannedStep>,
}

/// What is being taken down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Removal {
    pub(super) rules: BTreeSet<Rule>,
    pub(super) reason: Option<RetireReason>,
}

/// A removal that is asked for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Retirement {
    pub(super) reason: RetireReason,
}

impl State {
    /// The phase that follows from it.
    pub(super) fn phase(&self) -> Phase {
        match self {
            Self::Pending => Phase::Pending,
            Self::Looking(Looking { build, .. })
            | Self::Applying(Applying { build, .. })
            | Self::Compensating(Compensating { build, .. }) => build.phase(),
            Self::Settled(settled) => settled.phase(),
            Self::Waiting(_) => Phase::Failed,
            Self::Draining(_) | Self::DrainWaiting(_) => Phase::Draining,
            Self::Ended(Ended::Removed) => Phase::Removed,
            Self::Ended(Ended::Detached(phase)) => *phase,
        }
    }

    /// Why it has that phase.
    pub(super) fn reason(&self) -> Option<PhaseReason> {
        match self {
            Self::Waiting(Waiting { failure, .. }) => Some(PhaseReason::Fault(failure.fault.clone())),
            Self::Draining(Draining { removal, .. }) | Self::DrainWaiting(DrainWaiting { removal, .. }) => {
                removal.reason.clone().map(PhaseReason::Retired)
            }
            Self::Pending
            | Self::Looking(_)
            | Self::Applying(_)
            | Self::Settled(_)
            | Self::Compensating(_)
            | Self::Ended(_) => None,
        }
    }

    /// What failed, and when it is tried again.
    pub(super) fn failure(&self) -> Option<&FailureReport> {
        match self {
            Self::Waiting(Waiting { failure, .. }) | Self::DrainWaiting(DrainWaiting { failure, .. }) => {
                Some(failure)
            }
            Self::Pending
            | Self::Looking(_)
            | Self::Applying(_)
            | Self::Settled(_)
            | Self::Compensating(_)
            | Self::Draining(_)
            | Self::Ended(_) => None,
        }
    }

    /// When the operation that is under way is reported as overdue.
    pub(super) fn overdue_at(&self) -> Option<Monotonic> {
        match self {
            Self::Looking(Looking { overdue_at, .. })
            | Self::Applying(Applying { overdue_at, .. })
            | Self::Compensating(Compensating { overdue_at, .. })
            | Self::Draining(Draining { overdue_at, .. }) => Some(*overdue_at),
            Self::Pending | Self::Settled(_) | Self::Waiting(_) | Self::DrainWaiting(_) | Self::Ended(_) => {
                None
            }
        }
    }

    /// Whether the spec is realised, and the link is the one that the services began on.
    pub(super) fn is_built(&self) -> bool {
        match self {
            Self::Settled(_) => true,
            Self::Looking(Looking { build, .. })
            | Self::Applying(Applying { build, .. })
            | Self::Waiting(Waiting { build, .. })
            | Self::Compensating(Compensating { build, .. }) => build.progress == Progress::Built,
            Self::Pending | Self::Draining(_) | Self::DrainWaiting(_) | Self::Ended(_) => false,
        }
    }

    /// Whether the tunnel is being taken down, or was.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Draining(_) | Self::DrainWaiting(_) | Self::Ended(_) => true,
            Self::Pending
            | Self::Looking(_)
            | Self::Applying(_)
            | Self::Settled(_)
            | Self::Waiting(_)
            | Self::Compensating(_) => false,
        }
    }
}

impl Build {
    pub(super) fn phase(&self) -> Phase {
        match self.standing {
            BuildProgress::New => Phase::Pending,
            BuildProgress::Building(stage) => stage.phase(),
            BuildProgress::Settled(settled) => settled.phase(),
            BuildProgress::Failed(_) => Phase::Failed,
        }
    }

    /// How far the tunnel had come when it was last seen: a look that fails takes nothing away from it.
    pub(super) fn known_phase(&self) -> Phase {
        let last = match self.standing {
            BuildProgress::Failed(phase) => phase,
            BuildProgress::New | BuildProgress::Building(_) | BuildProgress::Settled(_) => self.phase(),
        };
        match last {
            Phase::Peering | Phase::Active => last,
            Phase::Addressing | Phase::Routing if self.progress.was_built() => last,
            Phase::Addressing
            | Phase::Routing
            | Phase::Pending
            | Phase::Linking
            | Phase::Draining
            | Phase::Removed
            | Phase::Failed => Phase::Linking,
        }
    }

    /// The spec is another one now.
    pub(super) fn must_change(&mut self) {
        let made = self.progress.was_made();
        self.progress = Progress::Unbuilt { made };
    }

    /// The link is about to go, or another one is about to be made.
    pub(super) fn loses_link(&mut self, makes: bool) {
        self.progress = match self.progress {
            Progress::Unbuilt { made } => Progress::Unbuilt { made: made && !makes },
            Progress::Mending { made } => Progress::Mending { made: made && !makes },
            Progress::Built => Progress::Mending { made: false },
        };
    }

    /// Another link was made.
    pub(super) fn made_link(&mut self) {
        self.progress = match self.progress {
            Progress::Unbuilt { .. } => Progress::Unbuilt { made: true },
            Progress::Mending { .. } | Progress::Built => Progress::Mending { made: true },
        };
    }

    /// All of the spec is there.
    pub(super) fn finished(self) -> Self {
        Self {
            standing: self.standing,
            progress: Progress::Built,
            anew: false,
            looked_again: false,
        }
    }
}

impl Progress {
    /// Whether the spec was fully realised once.
    pub(super) fn was_built(self) -> bool {
        match self {
            Self::Mending { .. } | Self::Built => true,
            Self::Unbuilt { .. } => false,
        }
    }

    /// Whether there is a link that was made by us, and the tunnel was not usable since.
    pub(super) fn was_made(self) -> bool {
        match self {
            Self::Unbuilt { made } | Self::Mending { made } => made,
            Self::Built => false,
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::Unbuilt { made: false }
    }
}

impl Settled {
    pub(super) fn phase(self) -> Phase {
        match self {
            Self::Peering => Phase::Peering,
            Self::Active => Phase::Active,
        }
    }

    pub(super) fn build(self) -> Build {
        Build {
            standing: BuildProgress::Settled(self),
            progress: Progress::Built,
            anew: false,
            looked_again: false,
        }
    }
}

impl Stage {
    pub(super) const ALL: [Self; 3] = [Self::Linking, Self::Addressing, Self::Routing];

    pub(super) fn phase(self) -> Phase {
        match self {
            Self::Linking => Phase::Linking,
            Self::Addressing => Phase::Addressing,
            Self::Routing => Phase::Routing,
        }
    }
}

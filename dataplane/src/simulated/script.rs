//! What goes wrong in a simulated kernel, and when.

use std::collections::BTreeMap;

use warren_state::{Fault, LinkName};

/// One thing that goes wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InjectedFault {
    /// The operation fails and changes nothing.
    Fail(Fault),
    /// The operation is done, and the daemon crashes before it learns of it: every later call fails until
    /// [`super::Simulated::restart`].
    Crash,
    /// The operation is done, and its call and every later change never return until [`super::Simulated::restart`].
    Hang,
    /// The operation is done, and nobody is told of the change.
    LoseNotice,
    /// The operation is done, and right after it somebody deletes this link.
    DeleteLink(LinkName),
}

/// Troubles by the number of the operation, counted from 1: each step that is taken, and each removal.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FaultScript(BTreeMap<u64, InjectedFault>);

impl FaultScript {
    /// Lets this go wrong at the n-th operation.
    #[must_use]
    pub fn at(mut self, operation: u64, trouble: InjectedFault) -> Self {
        self.0.insert(operation, trouble);
        self
    }

    pub(super) fn take(&mut self, operation: u64) -> Option<InjectedFault> {
        self.0.remove(&operation)
    }
}

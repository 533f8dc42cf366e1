//! What every machine without I/O has in common, so that one shell can drive any of them.

use crate::{Deadline, Monotonic, random::Random};

/// A machine: inputs go in, effects come out, and it says when it wants to be called again.
pub trait Core {
    /// What happens to it.
    type Input<'a>;
    /// What the shell is to do.
    type Effect;
    /// The input that says that the deadline has passed.
    const TIMEOUT: fn() -> Self::Input<'static>;

    /// Takes one input and says what is to be done, in order.
    fn handle(&mut self, now: Monotonic, input: Self::Input<'_>, random: &mut dyn Random) -> Vec<Self::Effect>;

    /// When to call with [`Core::TIMEOUT`], and what is due then.
    #[must_use]
    fn poll_timeout(&self) -> Option<Deadline>;
}

//! What every machine without I/O has in common, so that one shell can drive any of them, and write down what happens to it.

use serde::{Serialize, de::DeserializeOwned};

use crate::{Deadline, Monotonic, event::Event, random::Random, table::Change};

/// A machine: inputs go in, effects come out, and it says when it wants to be called again. All of it can be written down, and
/// goes on the same when it is read back; see [`crate::recording`].
pub trait Core: Serialize + DeserializeOwned {
    /// Its name in recordings.
    const NAME: &'static str;
    /// What happens to it.
    type Input<'a>: Serialize + DeserializeOwned;
    /// What the shell is to do.
    type Effect: Serialize;
    /// The input that says that the deadline has passed.
    const TIMEOUT: fn() -> Self::Input<'static>;

    /// Whether the machine has something of each of many tunnels: see [`Core::is_of_many`].
    const HAS_MANY: bool = false;

    /// Whether this input is one of those that come for each of many tunnels. Where there is room only for what there is one of,
    /// a recording leaves them out.
    #[must_use]
    fn is_of_many(_input: &Self::Input<'_>) -> bool {
        false
    }

    /// Whether this input has something of each of many tunnels: it is long, and need not be written down to see that.
    #[must_use]
    fn is_of_all(_input: &Self::Input<'_>) -> bool {
        false
    }

    /// Takes one input and says what is to be done, in order.
    fn handle(
        &mut self,
        now: Monotonic,
        input: Self::Input<'_>,
        random: &mut dyn Random,
    ) -> Vec<Self::Effect>;

    /// When to call with [`Core::TIMEOUT`], and what is due then.
    #[must_use]
    fn poll_timeout(&self) -> Option<Deadline>;

    /// What an effect puts into the table.
    #[must_use]
    fn told(_effect: &Self::Effect) -> Option<&Event> {
        None
    }

    /// What the machine makes of a change that is told in its name: the same when it is as the change says, with what the serialised
    /// form of the change leaves to the machine.
    #[must_use]
    fn vouch(&self, change: &Change) -> Change {
        change.clone()
    }
}

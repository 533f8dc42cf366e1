//! Recordings: what happened to every machine, written down so that it can be done again.
//!
//! A recording is a list of lines, each a [`Record`] as JSON. It has parts; each begins with a [`Record::Begin`], and
//! within it every machine with what it is at that point, so that a part is enough to go on from: the earlier ones may
//! be gone. A machine is a pure function of what it is, of the time, of its random numbers and of its inputs, so
//! [`Replayer`] does with the inputs what the daemon did, and compares what comes out with the lines that follow: the
//! effects, and what they put into the table. It writes each line again and compares the two byte for byte.

mod machine;
mod player;
#[cfg(test)]
mod tests;

use std::io;

use serde::{Deserialize, Serialize};

use crate::{Epoch, Monotonic, Sequence, event::Event, random::SplitMix64, table::Change};

pub use machine::{Track, omitted};
pub use player::{Failure, Outcome, Replayer};

/// The format that this version writes, and the only one that it plays.
pub const FORMAT: u32 = 3;

/// Numbers the machines of one run of the daemon: one that an actor makes when it is started again has a number of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MachineNumber(pub u64);

/// One line. What depends on the machine is of type `T`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record<T> {
    /// The first line of a part, with what it needs to be read alone.
    Begin {
        /// What a player must know to read it: [`FORMAT`] when it was written.
        format: u32,
        /// The version of the daemon: another one may behave differently.
        version: String,
        /// The run of the daemon.
        epoch: Epoch,
        /// Counts from 0.
        part: u64,
    },
    /// A machine's state: at its start, and again in each part before its first input there.
    Machine {
        /// The number that names the machine in this recording.
        number: MachineNumber,
        /// Its [`crate::Core::NAME`].
        name: String,
        /// What it works for, for people.
        of: Option<String>,
        /// Where its random numbers go on.
        random: SplitMix64,
        /// Its settings and its state, as they were then.
        machine: T,
    },
    /// The machine's state is too large to be written. Its inputs follow, for people to read.
    Unwritten {
        /// The number that names the machine in this recording.
        number: MachineNumber,
        /// Its [`crate::Core::NAME`].
        name: String,
        /// What it works for, for people.
        of: Option<String>,
        /// How much it would take.
        bytes: usize,
    },
    /// From here on only machines are recorded that there is one of, and of them only what is short: there are more machines than
    /// there is room for. Tunnels' machines, and steps of the table that are not of those recorded, are left out.
    Thinned {
        /// The most machines that are recorded whole.
        most: usize,
        /// The longest line, in bytes.
        longest: usize,
    },
    /// Something of a machine is left out: its lines until the next part are for reading only.
    Omitted {
        /// The number of the machine that it is about.
        machine: MachineNumber,
        /// When it happened, where it is an input.
        at: Option<Monotonic>,
    },
    /// Something happens to a machine.
    Input {
        /// To which.
        machine: MachineNumber,
        /// When.
        at: Monotonic,
        /// What.
        input: T,
    },
    /// What the machine's last input led to. There is no such line where that is nothing.
    Effects {
        /// The number of the machine that it came from.
        machine: MachineNumber,
        /// What, in order.
        effects: T,
    },
    /// A machine is no more.
    Gone {
        /// The number of the machine that it is about.
        machine: MachineNumber,
    },
    /// What the table says at the end of the recording.
    Table {
        /// The position of the table after this step.
        position: Sequence,
        /// Everything that the table says at this point.
        tables: T,
    },
    /// A step of the table.
    Step {
        /// The machine that it is about, if it is about one.
        by: Option<MachineNumber>,
        /// Whether the events are those of the machine's effects.
        told: bool,
        /// The position after it.
        position: Sequence,
        /// The wall clock, in milliseconds since 1970.
        unix_ms: u64,
        /// The events of this step, in order.
        events: Vec<Event>,
        /// The changes, in the order in which they apply.
        changes: Vec<Change>,
    },
    /// The recording ends here.
    Over {
        /// Why there is no more, in words for people.
        reason: String,
    },
}

impl<T: Serialize> Record<T> {
    /// The line, with its end.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        // All of it is plain data whose maps have texts as keys: a test writes every machine.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// The line, with its end; nothing where it would be longer than this. That costs no more than to write so much.
    #[must_use]
    pub fn line_within(&self, longest: usize) -> Option<Vec<u8>> {
        let mut line = Bounded {
            bytes: Vec::new(),
            longest,
        };
        serde_json::to_writer(&mut line, self).ok()?;
        line.bytes.push(b'\n');
        Some(line.bytes)
    }
}

/// Refuses what does not fit.
struct Bounded {
    bytes: Vec<u8>,
    longest: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() >= self.longest {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! A machine that is recorded, and one that is made from a recording.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
};

use serde_json::Value;

use super::{MachineNumber, Record};
use crate::{Core, Monotonic, event::Event, random::SplitMix64, table::Change};

/// Writes the lines of one machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Track {
    /// Unique within a recording.
    pub number: MachineNumber,
    /// What it works for, for people.
    pub of: Option<String>,
}

impl Track {
    /// What the machine is.
    #[must_use]
    pub fn machine<'a, C: Core>(&self, machine: &'a C, random: &SplitMix64) -> Record<&'a C> {
        let Self { number, of } = self.clone();
        Record::Machine {
            number,
            name: C::NAME.to_owned(),
            of,
            random: random.clone(),
            machine,
        }
    }

    /// The same as a line, or what stands for it where it would be longer than this.
    #[must_use]
    pub fn machine_within<C: Core>(&self, machine: &C, random: &SplitMix64, longest: usize) -> Vec<u8> {
        let line = self.machine(machine, random).line_within(longest);
        line.unwrap_or_else(|| self.unwritten::<C>(longest))
    }

    /// Stands for such a line that would be too long: it would take so much, or more than that.
    #[must_use]
    pub fn unwritten<C: Core>(&self, bytes: usize) -> Vec<u8> {
        let Self { number, of } = self.clone();
        Record::<()>::Unwritten {
            number,
            name: C::NAME.to_owned(),
            of,
            bytes,
        }
        .line()
    }

    /// What happens to it.
    #[must_use]
    pub fn input<'a, T>(&self, at: Monotonic, input: &'a T) -> Record<&'a T> {
        Record::Input {
            machine: self.number,
            at,
            input,
        }
    }

    /// What that led to; nothing where it led to nothing.
    #[must_use]
    pub fn effects<'a, T>(&self, effects: &'a [T]) -> Option<Record<&'a [T]>> {
        (!effects.is_empty()).then_some(Record::Effects {
            machine: self.number,
            effects,
        })
    }

    /// An input at this time, or what one led to, is left out.
    #[must_use]
    pub fn omitted(&self, at: Option<Monotonic>) -> Vec<u8> {
        omitted(self.number, at)
    }

    /// It is no more.
    #[must_use]
    pub fn gone(&self) -> Vec<u8> {
        Record::<()>::Gone { machine: self.number }.line()
    }
}

/// Something of this machine is left out.
#[must_use]
pub fn omitted(machine: MachineNumber, at: Option<Monotonic>) -> Vec<u8> {
    Record::<()>::Omitted { machine, at }.line()
}

/// A machine of any kind that does again what it did.
pub(super) trait Replayed {
    /// As it is now, as a line.
    fn line(&self) -> Vec<u8>;
    /// Does it again.
    fn input(&mut self, at: Monotonic, input: Value) -> Result<(), serde_json::Error>;
    /// What the last input led to, once.
    fn effects(&mut self) -> InputResult;
    /// The next events that its effects put into the table.
    fn told(&mut self, count: usize) -> Vec<Event>;
    /// What it makes of changes that are told in its name.
    fn vouch(&self, changes: &[Change]) -> Vec<Change>;
}

/// What an input led to.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum InputResult {
    Nothing,
    Effects(Vec<u8>),
    Panic,
}

/// Makes a machine of one kind.
pub(super) type Constructor = fn(Value, SplitMix64, Track) -> Result<Box<dyn Replayed>, serde_json::Error>;

struct Running<C> {
    core: C,
    random: SplitMix64,
    track: Track,
    led: InputResult,
    told: VecDeque<Event>,
    /// A machine that has panicked is in no state to go on.
    is_broken: bool,
}

pub(super) fn make<C: Core + 'static>(
    machine: Value,
    random: SplitMix64,
    track: Track,
) -> Result<Box<dyn Replayed>, serde_json::Error> {
    let core: C = serde_json::from_value(machine)?;
    Ok(Box::new(Running {
        core,
        random,
        track,
        led: InputResult::Nothing,
        told: VecDeque::new(),
        is_broken: false,
    }))
}

impl<C: Core> Replayed for Running<C> {
    fn line(&self) -> Vec<u8> {
        self.track.machine(&self.core, &self.random).line()
    }

    fn input(&mut self, at: Monotonic, input: Value) -> Result<(), serde_json::Error> {
        let input: C::Input<'static> = serde_json::from_value(input)?;
        if self.is_broken {
            return Ok(());
        }
        let (core, random) = (&mut self.core, &mut self.random);
        self.led = match catch_unwind(AssertUnwindSafe(|| core.handle(at, input, random))) {
            Ok(effects) => {
                self.told
                    .extend(effects.iter().filter_map(|effect| C::told(effect)).cloned());
                self.track
                    .effects(&effects)
                    .map_or(InputResult::Nothing, |record| InputResult::Effects(record.line()))
            }
            Err(_panic) => InputResult::Panic,
        };
        self.is_broken = self.led == InputResult::Panic;
        Ok(())
    }

    fn effects(&mut self) -> InputResult {
        std::mem::replace(&mut self.led, InputResult::Nothing)
    }

    fn told(&mut self, count: usize) -> Vec<Event> {
        let count = count.min(self.told.len());
        self.told.drain(..count).collect()
    }

    fn vouch(&self, changes: &[Change]) -> Vec<Change> {
        changes.iter().map(|change| self.core.vouch(change)).collect()
    }
}

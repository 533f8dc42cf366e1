//! Does again what a recording tells.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

use super::{
    FORMAT, MachineNumber, Record,
    machine::{Constructor, InputResult, Replayed, Track, make},
};
use crate::{
    Core, Epoch, Monotonic, NodeId, Sequence,
    event::Event,
    health::Health,
    hooks::Hooks,
    lifecycle::Lifecycle,
    polling::Polling,
    random::SplitMix64,
    reconcile::Reconciler,
    supervisor::Supervisor,
    table::{Bounds, Change, Table},
};

/// Does again what a recording tells, line by line, and holds it against what the recording says of it.
///
/// What happens between machines is in the recording: they need not be in step with each other, only with their own lines.
pub struct Replayer {
    makers: BTreeMap<&'static str, Constructor>,
    machines: BTreeMap<MachineNumber, Playing>,
    /// Where the recording has all of it from the start of the daemon.
    table: Option<Table>,
    part: Option<(Epoch, u64)>,
    outcome: Outcome,
}

enum Playing {
    Whole {
        machine: Box<dyn Replayed>,
        whose: String,
    },
    /// What it was is not in the recording.
    Unwritten,
}

/// What was found out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// Lines read.
    pub lines: u64,
    /// Versions of the daemon that wrote them.
    pub versions: Vec<String>,
    /// Machines that did it all again.
    pub machines: u64,
    /// Inputs that were given to them.
    pub inputs: u64,
    /// Inputs of machines whose beginning the recording does not have: they were read, not done again.
    pub only_read: u64,
    /// Steps of the table.
    pub steps: u64,
    /// Whether the whole table was compared at the end.
    pub table_compared: bool,
    /// Lines before which a machine panicked, then as now.
    pub panics: Vec<u64>,
    /// Why the recording ended; nothing where it was cut off.
    pub over: Option<String>,
}

/// Why a recording cannot be done again to its end.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It is no recording of this format.
    #[error("line {line} is not a record of a recording: {reason}")]
    Unreadable {
        /// Counts from 1.
        line: u64,
        /// The reason, in words for people.
        reason: String,
    },
    /// Something else came out.
    #[error("line {line} differs ({whose})\n  recorded: {recorded}\n  replayed: {replayed}")]
    Differs {
        /// Counts from 1.
        line: u64,
        /// Whose line it is, for people.
        whose: String,
        /// What it says.
        recorded: String,
        /// What it would say.
        replayed: String,
    },
}

impl Default for Replayer {
    fn default() -> Self {
        Self::new()
    }
}

impl Replayer {
    /// Knows the machines of this crate.
    #[must_use]
    pub fn new() -> Self {
        let empty = Self {
            makers: BTreeMap::new(),
            machines: BTreeMap::new(),
            table: None,
            part: None,
            outcome: Outcome::default(),
        };
        empty
            .with::<Reconciler>()
            .with::<Lifecycle>()
            .with::<Polling>()
            .with::<Supervisor>()
            .with::<Health>()
            .with::<Hooks>()
    }

    /// Knows this machine too.
    #[must_use]
    pub fn with<C: Core + 'static>(mut self) -> Self {
        self.makers.insert(C::NAME, make::<C>);
        self
    }

    /// What was found out so far.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Takes the next line, without its end.
    ///
    /// # Errors
    /// When it cannot be read, or does not say what comes out when it is done again. Nothing can be said of what follows.
    pub fn play(&mut self, line: &[u8]) -> Result<(), Failure> {
        self.outcome.lines += 1;
        let record: Record<Value> = serde_json::from_slice(line).map_err(|error| self.unreadable(&error))?;
        match record {
            Record::Begin {
                format,
                version,
                epoch,
                part,
            } => self.begin(format, version, epoch, part),
            Record::Machine {
                number,
                name,
                of,
                random,
                machine,
            } => self.machine(Track { number, of }, &name, random, machine, line),
            Record::Unwritten { number, .. } => {
                self.machines.entry(number).or_insert(Playing::Unwritten);
                Ok(())
            }
            Record::Thinned { .. } => Ok(()),
            Record::Omitted { machine, .. } => {
                self.machines.insert(machine, Playing::Unwritten);
                Ok(())
            }
            Record::Input { machine, at, input } => self.input(machine, at, input, line),
            Record::Effects { machine, .. } => self.effects(machine, line),
            Record::Gone { machine } => self
                .settle(machine, line)
                .map(|()| drop(self.machines.remove(&machine))),
            Record::Table { .. } => self.compare_table(line),
            Record::Step {
                by,
                told,
                position,
                unix_ms,
                events,
                changes,
            } => {
                let (whose, events, changes) = self.told(by, told, events, changes);
                let position = self.append(position, unix_ms, &events, &changes);
                self.outcome.steps += 1;
                self.compare(
                    &whose,
                    line,
                    &Record::<()>::Step {
                        by,
                        told,
                        position,
                        unix_ms,
                        events,
                        changes,
                    }
                    .line(),
                )
            }
            Record::Over { reason } => {
                self.outcome.over = Some(reason);
                Ok(())
            }
        }
    }

    fn begin(&mut self, format: u32, version: String, epoch: Epoch, part: u64) -> Result<(), Failure> {
        if format != FORMAT {
            return Err(self.unreadable(&format!(
                "its format is {format}, and this version knows {FORMAT}"
            )));
        }
        if !self.outcome.versions.contains(&version) {
            self.outcome.versions.push(version);
        }
        let goes_on = self
            .part
            .is_some_and(|(before, last)| before == epoch && last + 1 == part);
        if !goes_on {
            self.machines.clear();
            self.table = (part == 0).then(|| Table::new(NodeId::default(), epoch, Bounds::of_events(1)));
        }
        self.part = Some((epoch, part));
        self.outcome.over = None;
        Ok(())
    }

    /// The first line of a machine makes it; a later one must find it so. What is read back must be what was written.
    fn machine(
        &mut self,
        track: Track,
        name: &str,
        random: SplitMix64,
        machine: Value,
        line: &[u8],
    ) -> Result<(), Failure> {
        let number = track.number;
        self.settle(number, line)?;
        if !matches!(self.machines.get(&number), Some(Playing::Whole { .. })) {
            let Some(make) = self.makers.get(name) else {
                return Err(self.unreadable(&format!("no machine is named {name}")));
            };
            let whose = track
                .of
                .as_ref()
                .map_or_else(|| name.to_owned(), |of| format!("{name} of {of}"));
            let machine = make(machine, random, track).map_err(|error| self.unreadable(&error))?;
            self.outcome.machines += 1;
            self.machines.insert(number, Playing::Whole { machine, whose });
        }
        match self.machines.get(&number) {
            Some(Playing::Whole { machine, whose }) => self.compare(whose, line, &machine.line()),
            Some(Playing::Unwritten) | None => Ok(()),
        }
    }

    fn input(
        &mut self,
        number: MachineNumber,
        at: Monotonic,
        input: Value,
        line: &[u8],
    ) -> Result<(), Failure> {
        self.settle(number, line)?;
        let Some(Playing::Whole { machine, .. }) = self.machines.get_mut(&number) else {
            self.outcome.only_read += 1;
            return Ok(());
        };
        self.outcome.inputs += 1;
        machine.input(at, input).map_err(|error| self.unreadable(&error))
    }

    fn effects(&mut self, number: MachineNumber, line: &[u8]) -> Result<(), Failure> {
        let Some(Playing::Whole { machine, whose }) = self.machines.get_mut(&number) else {
            return Ok(());
        };
        let (led, whose) = (machine.effects(), whose.clone());
        match led {
            InputResult::Effects(again) => self.compare(&whose, line, &again),
            InputResult::Nothing => Err(self.differs(&whose, line, "nothing")),
            InputResult::Panic => Err(self.differs(&whose, line, "a panic")),
        }
    }

    /// Nothing more came out of the machine's last input than the recording says.
    fn settle(&mut self, number: MachineNumber, line: &[u8]) -> Result<(), Failure> {
        let Some(Playing::Whole { machine, whose }) = self.machines.get_mut(&number) else {
            return Ok(());
        };
        match machine.effects() {
            InputResult::Nothing => Ok(()),
            InputResult::Panic => {
                self.outcome.panics.push(self.outcome.lines);
                Ok(())
            }
            InputResult::Effects(again) => {
                let whose = format!("{whose}: the input before had no effect");
                Err(self.differs(&whose, line, &text(&again)))
            }
        }
    }

    /// What a step says when it is told again by whom it was told.
    fn told(
        &mut self,
        by: Option<MachineNumber>,
        told: bool,
        events: Vec<Event>,
        changes: Vec<Change>,
    ) -> (String, Vec<Event>, Vec<Change>) {
        match by.and_then(|number| self.machines.get_mut(&number)) {
            Some(Playing::Whole { machine, whose }) => {
                let (whose, changes) = (whose.clone(), machine.vouch(&changes));
                if !told {
                    return (whose, events, changes);
                }
                let events = machine.told(events.len());
                let changes = retold(&events, changes);
                (whose, events, changes)
            }
            Some(Playing::Unwritten) | None => ("the table".to_owned(), events, changes),
        }
    }

    fn append(&mut self, position: Sequence, unix_ms: u64, events: &[Event], changes: &[Change]) -> Sequence {
        let Some(table) = &mut self.table else {
            return position;
        };
        table.append(unix_ms, events.to_vec(), changes.to_vec());
        table.snapshot().0
    }

    fn compare_table(&mut self, line: &[u8]) -> Result<(), Failure> {
        let Some(table) = &self.table else { return Ok(()) };
        let (position, tables) = table.snapshot();
        self.compare(
            "the table",
            line,
            &Record::Table {
                position,
                tables: &tables,
            }
            .line(),
        )?;
        self.outcome.table_compared = true;
        Ok(())
    }

    fn compare(&self, whose: &str, line: &[u8], again: &[u8]) -> Result<(), Failure> {
        let same = again.strip_suffix(b"\n") == Some(line);
        if same {
            Ok(())
        } else {
            Err(self.differs(whose, line, &text(again)))
        }
    }

    fn differs(&self, whose: &str, line: &[u8], replayed: &str) -> Failure {
        Failure::Differs {
            line: self.outcome.lines,
            whose: whose.to_owned(),
            recorded: text(line),
            replayed: replayed.to_owned(),
        }
    }

    fn unreadable(&self, reason: &impl ToString) -> Failure {
        Failure::Unreadable {
            line: self.outcome.lines,
            reason: reason.to_string(),
        }
    }
}

impl fmt::Debug for Replayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Player")
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

/// What these events change by themselves, before what else changed with them.
fn retold(events: &[Event], changes: Vec<Change>) -> Vec<Change> {
    let others = changes
        .into_iter()
        .filter(|change| !change.is_told_by_its_event());
    events.iter().filter_map(Change::told_by).chain(others).collect()
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end().to_owned()
}

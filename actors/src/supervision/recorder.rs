//! Records what happens to every machine: into memory always, a little, and into a file when that is asked for.
//!
//! Nothing here makes an actor wait: the file has a thread of its own and a queue with a bound. What cannot be recorded is not,
//! the recording says so, and the daemon goes on.

mod file;
mod parts;
mod ring;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use warren_state::{
    Core, Epoch, Monotonic, Sequence,
    event::Event,
    random::SplitMix64,
    recording::{MachineNumber, Record, Track, omitted},
    table::{Change, Tables},
};

use crate::{
    lock::lock,
    settings::{RecordError, RecordSettings},
};
use file::RecordingWriter;
use parts::{Parts, put, put_after};
use ring::Ring;

/// With more machines than this, memory would hold no more than a moment of them, and is for those that there is one of.
const MOST_IN_MEMORY: usize = 256;
/// Then no line is longer than this. What is longer is not written, and costs no more than to write so much: a view, or an
/// observation, of thousands of tunnels.
const LONGEST: usize = 2048;

/// Where all machines are recorded.
pub(crate) struct Recorder {
    ring: Mutex<Ring>,
    file: Option<RecordingWriter>,
    machines: AtomicUsize,
    /// Those of them that there is one of.
    single: Mutex<BTreeSet<MachineNumber>>,
    numbers: AtomicU64,
}

/// What memory takes of a machine.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    All,
    /// What is short.
    Short,
    Nothing,
}

impl Extent {
    /// Lines in memory are no longer than this. What is longer would push out all else, and to write it down to see that is work.
    fn longest(self, ring: &Ring) -> Option<usize> {
        match self {
            Self::All => Some(ring.longest()),
            Self::Short => Some(LONGEST),
            Self::Nothing => None,
        }
    }
}

/// Who tells the table of something.
#[derive(Clone, Copy)]
pub(crate) enum Teller {
    /// This machine, by its effects.
    Effects(MachineNumber),
    /// Who looks after this machine, of it.
    Of(MachineNumber),
    /// Said by no machine: by the shell around them.
    Other,
}

/// The recording of one machine.
pub(crate) struct Recording {
    recorder: Arc<Recorder>,
    track: Track,
    /// The parts that have the machine as it was at some point.
    in_memory: Option<u64>,
    in_file: Option<u64>,
    /// The last input is left out of memory, and so is what it leads to.
    leaves_out: bool,
}

impl Recorder {
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn new(settings: Option<&RecordSettings>, epoch: Epoch) -> Result<Arc<Self>, RecordError> {
        let file = settings
            .map(|settings| RecordingWriter::start(settings, epoch))
            .transpose()?;
        Ok(Arc::new(Self {
            ring: Mutex::new(Ring::new(epoch)),
            file,
            machines: AtomicUsize::new(0),
            single: Mutex::default(),
            numbers: AtomicU64::new(0),
        }))
    }

    /// One that keeps what happened last in memory only.
    pub(crate) fn without_a_file(epoch: Epoch) -> Arc<Self> {
        Arc::new(Self {
            ring: Mutex::new(Ring::new(epoch)),
            file: None,
            machines: AtomicUsize::new(0),
            single: Mutex::default(),
            numbers: AtomicU64::new(0),
        })
    }

    /// One machine more; `of` says what it works for, where it does something for each tunnel. Without that it is one of those that
    /// memory keeps however many there are.
    pub(crate) fn machine(self: &Arc<Self>, of: Option<String>) -> Recording {
        let number = MachineNumber(self.numbers.fetch_add(1, Ordering::SeqCst));
        if of.is_none() {
            lock(&self.single).insert(number);
        }
        if self.machines.fetch_add(1, Ordering::SeqCst) == MOST_IN_MEMORY {
            self.follow_number();
        }
        Recording {
            recorder: self.clone(),
            track: Track { number, of },
            in_memory: None,
            in_file: None,
            leaves_out: false,
        }
    }

    fn follow_number(&self) {
        let mut ring = lock(&self.ring);
        let thinned = Record::<()>::Thinned {
            most: MOST_IN_MEMORY,
            longest: LONGEST,
        };
        ring.leave_out((!self.has_room()).then(|| thinned.line()));
    }

    /// A step of the table, which is at this position after it.
    pub(crate) fn step(
        &self,
        by: Teller,
        position: Sequence,
        unix_ms: u64,
        events: Vec<Event>,
        changes: Vec<Change>,
    ) {
        let (machine, told) = match by {
            Teller::Effects(machine) => (Some(machine), true),
            Teller::Of(machine) => (Some(machine), false),
            Teller::Other => (None, false),
        };
        let record = Record::<()>::Step {
            by: machine,
            told,
            position,
            unix_ms,
            events,
            changes,
        };
        if self.extent_of(by) != Extent::Nothing {
            let mut ring = lock(&self.ring);
            if let Some(longest) = self.extent_of(by).longest(&ring) {
                let line = record.line_within(longest);
                if line.is_none() {
                    ring.lose_a_step();
                }
                // What is said beside its effects changes nothing of the machine: without it, the rest can be done again.
                let instead = || machine.filter(|_| told).map(|machine| omitted(machine, None));
                if let Some(line) = line.or_else(instead) {
                    put(&mut *ring, line);
                }
            }
        }
        if let Some(file) = self.open_file() {
            put(&mut *file.queue(), record.line());
        }
    }

    /// The last minutes, to be done again as far as that goes.
    pub(crate) fn last(&self) -> Vec<u8> {
        lock(&self.ring).read()
    }

    /// Ends the recording in the file.
    pub(crate) fn end(&self, position: Sequence, tables: &Tables) {
        if let Some(file) = &self.file {
            put(&mut *file.queue(), Record::Table { position, tables }.line());
            file.end("the daemon stopped");
        }
    }

    /// Waits for what is on its way to the file, but not for ever; gives whether all is there.
    pub(crate) fn wait(&self) -> bool {
        self.file.as_ref().is_none_or(RecordingWriter::wait)
    }

    /// Whether anybody takes what is told so.
    pub(crate) fn takes(&self, by: Teller) -> bool {
        self.extent_of(by) != Extent::Nothing || self.open_file().is_some()
    }

    fn extent_of(&self, by: Teller) -> Extent {
        if self.has_room() {
            return Extent::All;
        }
        match by {
            Teller::Effects(machine) | Teller::Of(machine) if lock(&self.single).contains(&machine) => {
                Extent::Short
            }
            Teller::Effects(_) | Teller::Of(_) | Teller::Other => Extent::Nothing,
        }
    }

    fn has_room(&self) -> bool {
        self.machines.load(Ordering::SeqCst) <= MOST_IN_MEMORY
    }

    fn open_file(&self) -> Option<&RecordingWriter> {
        self.file.as_ref().filter(|file| file.is_open())
    }
}

impl Recording {
    /// Names the machine where the table is told of its effects.
    pub(crate) fn number(&self) -> MachineNumber {
        self.track.number
    }

    /// What happens to the machine, before it does: should it panic, the recording has why.
    pub(crate) fn input<C: Core>(
        &mut self,
        core: &C,
        random: &SplitMix64,
        at: Monotonic,
        input: &C::Input<'_>,
    ) {
        let recorder = self.recorder.clone();
        let (kept, file) = (self.extent() != Extent::Nothing, recorder.open_file());
        if kept {
            let mut ring = lock(&recorder.ring);
            let extent = self.extent();
            self.leaves_out = extent == Extent::Short && C::is_of_many(input);
            if let Some(longest) = extent.longest(&ring).filter(|_| !self.leaves_out) {
                let has_room = extent == Extent::All;
                let line = (has_room || !C::is_of_all(input))
                    .then(|| self.track.input(at, input).line_within(longest))
                    .flatten();
                let track = &self.track;
                let machine = |_| match has_room || !C::HAS_MANY {
                    true => track.machine_within(core, random, longest),
                    false => track.unwritten::<C>(longest),
                };
                match line {
                    Some(line) => put_after(&mut *ring, &mut self.in_memory, machine, line),
                    None => self.leave_out(&mut ring, Some(at)),
                }
            }
        }
        if let Some(file) = file {
            let (track, line) = (&self.track, self.track.input(at, input).line());
            let machine = |longest| track.machine_within(core, random, longest);
            put_after(&mut *file.queue(), &mut self.in_file, machine, line);
        }
    }

    /// In memory the machine is for reading only from here on, until it is written again with its next input.
    fn leave_out(&mut self, ring: &mut Ring, at: Option<Monotonic>) {
        self.in_memory = None;
        put(ring, self.track.omitted(at));
    }

    /// What came out.
    pub(crate) fn effects<C: Core>(&mut self, effects: &[C::Effect]) {
        let Some(record) = self.track.effects(effects) else {
            return;
        };
        let recorder = self.recorder.clone();
        if self.extent() != Extent::Nothing {
            let mut ring = lock(&recorder.ring);
            let longest = self.extent().longest(&ring).filter(|_| !self.leaves_out);
            match longest.map(|longest| record.line_within(longest)) {
                Some(Some(line)) => put(&mut *ring, line),
                Some(None) => self.leave_out(&mut ring, None),
                None => {}
            }
        }
        if let Some(file) = recorder.open_file() {
            put(&mut *file.queue(), record.line());
        }
    }

    /// While the ring is locked it stays as the ring says: that there is less room is said there before less is written.
    fn extent(&self) -> Extent {
        match (self.recorder.has_room(), &self.track.of) {
            (true, _) => Extent::All,
            (false, None) => Extent::Short,
            (false, Some(_)) => Extent::Nothing,
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if self.in_memory.is_some() {
            let mut ring = lock(&self.recorder.ring);
            if self.extent() != Extent::Nothing {
                put(&mut *ring, self.track.gone());
            }
        }
        if self.in_file.is_some()
            && let Some(file) = self.recorder.open_file()
        {
            put(&mut *file.queue(), self.track.gone());
        }
        lock(&self.recorder.single).remove(&self.track.number);
        if self.recorder.machines.fetch_sub(1, Ordering::SeqCst) == MOST_IN_MEMORY + 1 {
            self.recorder.follow_number();
        }
    }
}

//! Records what happens to every machine: into memory always, a little, and into a file when that is asked for.
//!
//! Nothing here makes an actor wait: the file has a thread of its own and a queue with a bound. What cannot be recorded is not,
//! the recording says so, and the daemon goes on.

mod file;
mod parts;
mod ring;
#[cfg(test)]
mod tests;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use warren_state::{
    Core, Epoch, Monotonic, Sequence,
    event::Event,
    random::SplitMix64,
    recording::{MachineNumber, Record, Track},
    table::{Change, Tables},
};

use crate::{
    lock::lock,
    settings::{RecordError, RecordSettings},
};
use file::RecordingWriter;
use parts::{put, put_after};
use ring::Ring;

/// With more machines than this, memory would hold no more than a moment, so nothing is kept.
const MOST_IN_MEMORY: usize = 256;

/// Where all machines are recorded.
pub(crate) struct Recorder {
    ring: Mutex<Ring>,
    file: Option<RecordingWriter>,
    machines: AtomicUsize,
    numbers: AtomicU64,
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
            numbers: AtomicU64::new(0),
        }))
    }

    /// One that keeps what happened last in memory only.
    pub(crate) fn without_a_file(epoch: Epoch) -> Arc<Self> {
        Arc::new(Self {
            ring: Mutex::new(Ring::new(epoch)),
            file: None,
            machines: AtomicUsize::new(0),
            numbers: AtomicU64::new(0),
        })
    }

    /// One machine more.
    pub(crate) fn machine(self: &Arc<Self>, of: Option<String>) -> Recording {
        if self.machines.fetch_add(1, Ordering::SeqCst) == MOST_IN_MEMORY {
            lock(&self.ring).clear();
        }
        let number = MachineNumber(self.numbers.fetch_add(1, Ordering::SeqCst));
        Recording {
            recorder: self.clone(),
            track: Track { number, of },
            in_memory: None,
            in_file: None,
        }
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
        let (by, told) = match by {
            Teller::Effects(machine) => (Some(machine), true),
            Teller::Of(machine) => (Some(machine), false),
            Teller::Other => (None, false),
        };
        self.put(
            Record::<()>::Step {
                by,
                told,
                position,
                unix_ms,
                events,
                changes,
            }
            .line(),
        );
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

    /// Whether anybody takes what is recorded.
    pub(crate) fn is_in_use(&self) -> bool {
        self.in_memory() || self.open_file().is_some()
    }

    fn in_memory(&self) -> bool {
        self.machines.load(Ordering::Relaxed) <= MOST_IN_MEMORY
    }

    fn open_file(&self) -> Option<&RecordingWriter> {
        self.file.as_ref().filter(|file| file.is_open())
    }

    fn put(&self, line: Vec<u8>) {
        if self.in_memory() {
            put(&mut *lock(&self.ring), line.clone());
        }
        if let Some(file) = self.open_file() {
            put(&mut *file.queue(), line);
        }
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
        if !recorder.is_in_use() {
            return;
        }
        let line = self.track.input::<C>(at, input);
        let machine = |longest| {
            let line = self.track.machine(core, random);
            if line.len() <= longest {
                line
            } else {
                self.track.unwritten::<C>(line.len())
            }
        };
        if recorder.in_memory() {
            put_after(
                &mut *lock(&recorder.ring),
                &mut self.in_memory,
                machine,
                line.clone(),
            );
        }
        if let Some(file) = recorder.open_file() {
            put_after(&mut *file.queue(), &mut self.in_file, machine, line);
        }
    }

    /// What came out.
    pub(crate) fn effects<C: Core>(&self, effects: &[C::Effect]) {
        if self.recorder.is_in_use()
            && let Some(line) = self.track.effects::<C>(effects)
        {
            self.recorder.put(line);
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if self.recorder.is_in_use() && (self.in_memory.is_some() || self.in_file.is_some()) {
            self.recorder.put(self.track.gone());
        }
        self.recorder.machines.fetch_sub(1, Ordering::SeqCst);
    }
}

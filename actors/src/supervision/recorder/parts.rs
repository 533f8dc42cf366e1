//! Recordings are written in parts, each of which can be done again by itself.

use warren_state::{
    Epoch,
    recording::{FORMAT, Record},
};

/// What lines are written to, in parts.
pub(super) trait Parts {
    /// Begins a new part where this one has no room for this many bytes.
    fn make_room(&mut self, bytes: usize);
    fn part(&self) -> u64;
    /// A machine that takes more is not written: its lines are for reading only.
    fn longest(&self) -> usize;
    fn write(&mut self, line: Vec<u8>);
}

pub(super) fn put(parts: &mut impl Parts, line: Vec<u8>) {
    parts.make_room(line.len());
    parts.write(line);
}

/// In each part the machine comes before its first input there.
pub(super) fn put_after(
    parts: &mut impl Parts,
    seen: &mut Option<u64>,
    machine: impl Fn(usize) -> Vec<u8>,
    line: Vec<u8>,
) {
    parts.make_room(line.len());
    if *seen != Some(parts.part()) {
        let machine = machine(parts.longest());
        parts.make_room(machine.len() + line.len());
        *seen = Some(parts.part());
        parts.write(machine);
    }
    parts.write(line);
}

/// The first line of a part.
pub(super) fn beginning(epoch: Epoch, part: u64) -> Vec<u8> {
    Record::<()>::Begin {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        epoch,
        part,
    }
    .line()
}

//! Which installation this is: a random number in a file of its own, `NUMBER CRC`, made when there is none.

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::Path,
};

use super::{StoreError, files::sync_directory, io_error, journal};
use warren_state::position::NodeId;

const NODE: &str = "node";
const TEMPORARY: &str = "node.new";
const RANDOM: &str = "/dev/urandom";

/// The number; one that is new is on disk when this returns.
///
/// # Errors
/// When there is none and none can be written: then the next start makes another one, and this start has that of nobody else.
pub(super) fn find(directory: &Path) -> (NodeId, Result<(), StoreError>) {
    if let Some(node) = fs::read_to_string(directory.join(NODE))
        .ok()
        .as_deref()
        .and_then(parse)
    {
        return (node, Ok(()));
    }
    // What it wrote to the journal goes on to be its own.
    match journal::find_node(directory).map_or_else(random, Ok) {
        Ok(node) => (node, write(directory, node)),
        Err(error) => (NodeId::default(), Err(error)),
    }
}

fn random() -> Result<NodeId, StoreError> {
    let path = Path::new(RANDOM);
    let mut octets = [0; 16];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut octets));
    read.map(|()| NodeId(u128::from_be_bytes(octets)))
        .map_err(|source| io_error("read", path, source))
}

fn write(directory: &Path, node: NodeId) -> Result<(), StoreError> {
    let (from, to) = (directory.join(TEMPORARY), directory.join(NODE));
    let written = File::create(&from).and_then(|mut file| {
        file.write_all(format(node).as_bytes())?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&from, &to)).map_err(|source| {
        let _left = fs::remove_file(&from);
        io_error("write", &to, source)
    })?;
    sync_directory(directory)
}

fn format(node: NodeId) -> String {
    format!("{node} {:08x}\n", crc32fast::hash(node.to_string().as_bytes()))
}

fn parse(text: &str) -> Option<NodeId> {
    let node = text.get(..32)?.parse().ok()?;
    (format(node) == text).then_some(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_keeps_its_number_and_a_damaged_one_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let (node, written) = find(dir.path());
        written.unwrap();
        assert_eq!(find(dir.path()).0, node);
        let whole = fs::read_to_string(dir.path().join(NODE)).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone().into_bytes();
            damaged[at] ^= 1;
            assert_eq!(parse(&String::from_utf8(damaged).unwrap()), None, "octet {at}");
            assert_eq!(parse(&whole[..at]), None, "cut to {at}");
        }
        let other = tempfile::tempdir().unwrap();
        assert_ne!(find(other.path()).0, node);
    }

    #[test]
    fn one_that_cannot_be_written_is_nobody_elses_either() {
        let (first, refused) = find(Path::new("/proc/self"));
        assert!(refused.is_err());
        assert_ne!(find(Path::new("/proc/self")).0, first);
    }
}

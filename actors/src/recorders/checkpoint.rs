//! What a recorder remembers of the journal, in a small file: it saves reading the journal from its beginning at a start, and what
//! is remembered outlives what the journal drops.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::Path,
};

use serde::{Deserialize, Serialize};
use warren_metering::recorder::Projection;
use warren_state::{NodeId, Position};

/// What the recorder makes its entries from, and the place in the journal up to which that was read.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    pub(super) position: Position,
    #[serde(rename = "book")]
    pub(super) projection: Projection,
}

/// One that cannot be read, or is of another installation, is none.
pub(super) fn read(path: &Path, node: NodeId) -> Option<Checkpoint> {
    let place: Checkpoint = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    (place.position.node == node).then_some(place)
}

/// Puts another one in its place, whole.
pub(super) fn write(path: &Path, place: &Checkpoint) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    make_directory(directory)?;
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(&serde_json::to_vec(place)?)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(directory)?.sync_all()
}

/// Makes a directory for its owner and group, and what is missing above it.
pub(super) fn make_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o750).create(directory)
}

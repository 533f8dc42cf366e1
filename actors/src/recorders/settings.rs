//! How recorders are configured.

use std::path::PathBuf;

use warren_ledger::Connector;
use warren_metering::recorder::Rotation;

use super::small::Captured;

/// All recorders.
#[derive(Clone, Debug, Default)]
pub struct RecordersSettings {
    /// Each under a name of its own, which its cursor has too.
    pub outputs: Vec<(String, Output)>,
    /// What a start does when one cannot write.
    pub on_failure: OnFailure,
    /// Where they keep what they remember of the journal.
    pub directory: PathBuf,
}

/// What a start does when a recorder cannot write. Later that is no reason to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnFailure {
    /// It fails.
    #[default]
    Stop,
    /// It goes on without; entries wait in the journal, within its bound.
    Degrade,
}

/// Where entries go.
#[derive(Clone, Debug)]
pub enum Output {
    /// A file of lines.
    File(FileSettings),
    /// Standard error.
    Stderr,
    /// Nowhere.
    Nop,
    /// Memory, for tests.
    Capture(Captured),
    /// A receiver of CloudEvents.
    Http(HttpOutput),
    /// A collector of IPFIX over UDP: its host and port.
    Ipfix(String),
}

/// A file of lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileSettings {
    /// Where it is written; rotated files lie beside it.
    pub path: PathBuf,
    /// Whether its directory is made when it is not there.
    pub makes_directory: bool,
    /// When it is put aside; never where whoever else does that.
    pub rotation: Option<Rotation>,
    /// When it is brought onto the disk.
    pub sync: Sync,
}

/// When a file is brought onto the disk (fsync).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sync {
    /// With each batch, before the cursor moves: a power cut loses nothing.
    #[default]
    Always,
    /// When the kernel does.
    Never,
}

/// A receiver of CloudEvents.
#[derive(Clone)]
pub struct HttpOutput {
    /// Where batches are posted.
    pub url: String,
    /// The bearer token that it asks for.
    pub token: Option<String>,
    /// The most events in a batch.
    pub batch: usize,
    /// How requests go.
    pub connector: Connector,
}

impl std::fmt::Debug for HttpOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpOutput")
            .field("batch", &self.batch)
            .finish_non_exhaustive()
    }
}

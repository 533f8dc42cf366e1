//! What goes wrong with files and the database.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Why the store could not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another daemon has it.
    #[error("{path} is in use by another warrend ({holder}): only one may run on a state directory")]
    Locked {
        /// The path of the state directory.
        path: PathBuf,
        /// Who has it, as far as the lock file tells.
        holder: String,
    },
    /// The file system refused.
    #[error("{operation} {path}")]
    Io {
        /// What was being attempted when it failed.
        operation: &'static str,
        /// The path that it was attempted on.
        path: PathBuf,
        /// The error of the system below.
        #[source]
        source: io::Error,
    },
    /// The database refused a read or a write.
    #[error("the store in {path} failed: {reason}")]
    Database {
        /// The path of the state directory.
        path: PathBuf,
        /// The reason, in words for people.
        reason: String,
    },
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

pub(crate) fn io_error(operation: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io {
        operation,
        path: path.to_owned(),
        source,
    }
}

pub(crate) fn database_error(directory: &Path, reason: String) -> StoreError {
    StoreError::Database {
        path: directory.to_owned(),
        reason,
    }
}

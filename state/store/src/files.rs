//! The state directory: its lock, and what brings its files onto the disk.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::Path,
};

use super::{StoreError, io_error};

const LOCK: &str = "lock";

/// Makes the directory when it is not there.
pub(super) fn create_directory(directory: &Path) -> Result<(), StoreError> {
    if directory.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(directory).map_err(|source| io_error("create", directory, source))?;
    directory
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .map_or(Ok(()), sync_directory)
}

/// Locks the directory against other processes until the file is closed. A lock file that is there serves also when nothing
/// can be written.
pub(super) fn lock(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join(LOCK);
    let writable = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let mut file = writable
        .or_else(|error| File::open(&path).map_err(|_| error))
        .map_err(|source| io_error("open", &path, source))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = (&mut file).take(64).read_to_string(&mut holder);
            return Err(StoreError::Locked {
                path: directory.to_owned(),
                holder: format!("process {}", holder.trim()),
            });
        }
        Err(TryLockError::Error(source)) => return Err(io_error("lock", &path, source)),
    }
    // Only for people: a full disk is no reason not to start.
    let _untold = file
        .set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

/// What the names in a directory say, in order; those that say nothing are passed over. A directory that is not there is empty.
///
/// # Errors
/// When it is there and cannot be read.
pub(super) fn names<T: Ord>(
    directory: &Path,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, StoreError> {
    let failed = |source| io_error("list", directory, source);
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        found.extend(name.to_str().and_then(&parse));
    }
    found.sort_unstable();
    Ok(found)
}

pub(super) fn sync_tree(directory: &Path) -> Result<(), StoreError> {
    let entries = fs::read_dir(directory).map_err(|source| io_error("list", directory, source))?;
    for entry in entries {
        let path = entry
            .map_err(|source| io_error("list", directory, source))?
            .path();
        match (path.is_dir(), File::open(&path)) {
            (true, _) => sync_tree(&path)?,
            (false, Ok(file)) => file
                .sync_all()
                .map_err(|source| io_error("sync", &path, source))?,
            // sled removes the snapshot that a newer one replaces.
            (false, Err(error)) if error.kind() == io::ErrorKind::NotFound => {}
            (false, Err(source)) => return Err(io_error("open", &path, source)),
        }
    }
    sync_directory(directory)
}

pub(super) fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    File::open(directory)
        .and_then(|handle| handle.sync_all())
        .map_err(|source| io_error("sync", directory, source))
}

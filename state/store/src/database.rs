//! sled: opening it, and bringing it back from what is whole.
//!
//! What sled 0.34 has on disk: `db` is the log, which alone has everything; a message whose checksum is wrong ends it there.
//! `snap.*` is an index into the log that makes opening quick, and `conf` the parameters, which for us are constants. A kill
//! while either is written leaves a file that sled refuses to open, although nothing is lost: it even takes a half-written
//! `snap.*.generating` for the newest snapshot.

use std::{
    fs, io,
    net::Ipv4Addr,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread::sleep,
    time::Duration,
};

use super::{
    SetAside, StoreError, database_error,
    files::{sync_directory, sync_tree},
    io_error,
    record::SwitchRecord,
};
use warren_state::{Pubkey, Switch};

pub(super) const STORE: &str = "store";
const RECOVERING: &str = "store.recovering";
const LOG: &str = "db";
const BLOBS: &str = "blobs";
const ENABLED: &[u8] = b"enabled";
const EPOCH: &[u8] = b"epoch";
const PIN: &[u8] = b"pin";
const OWNER: &[u8] = b"owner";
const OWN_USERS_ONLY: &[u8] = b"own_users_only";
/// The store holds a few short values; sled's default of 1 GiB is for databases.
const CACHE_BYTES: u64 = 1 << 20;
const LOCK_TRIES: u32 = 500;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The open database: it could be read, and written.
#[derive(Debug)]
pub(super) struct Database {
    sled: Handle,
    path: PathBuf,
    /// What it said.
    pub(super) stored: Stored,
    /// The epoch that was counted in it by opening it.
    pub(super) epoch: u64,
}

/// sled, closed such that a disk that fails then is no panic.
#[derive(Debug)]
pub(super) struct Handle(Option<sled::Db>);

/// What the database says; nothing where it has no value that makes sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Stored {
    /// What the operator said last, if it has the switch.
    pub(super) said: Option<SwitchRecord>,
    /// The last start that was counted.
    pub(super) epoch: Option<u64>,
}

pub(super) enum Failure {
    /// sled reports some damage as an error and panics on other.
    Damaged(String),
    /// An earlier handle of this process is not closed yet.
    Locked(StoreError),
    /// Everything else (a full disk, a missing permission, no file descriptor left): it may be in good order.
    Refused(StoreError),
}

/// Opens the database and counts a start in it: `count` gives its number from the last one that is stored.
///
/// A damaged one is brought back from its log; if that cannot be, an empty one takes its place. Either way the files as they
/// were are set aside.
///
/// # Errors
/// When the file system refuses. Then the database is left as it is.
pub(super) fn open(
    directory: &Path,
    count: &dyn Fn(Option<u64>) -> u64,
) -> Result<(Database, Option<SetAside>), StoreError> {
    let path = directory.join(STORE);
    drop_what_is_torn(&path);
    let reason = match attempt(&path, count) {
        Ok(database) => return Ok((database, None)),
        Err(Failure::Refused(error) | Failure::Locked(error)) => return Err(error),
        Err(Failure::Damaged(reason)) => reason,
    };
    let aside = from_log(directory)?;
    match attempt(&path, count) {
        Ok(database) => {
            let recovered = database.stored != Stored::default();
            return Ok((
                database,
                Some(SetAside {
                    path: aside,
                    reason,
                    recovered,
                }),
            ));
        }
        Err(Failure::Refused(error) | Failure::Locked(error)) => return Err(error),
        Err(Failure::Damaged(_)) => {
            fs::remove_dir_all(&path).map_err(|source| io_error("replace", &path, source))?
        }
    }
    match attempt(&path, count) {
        Ok(database) => Ok((
            database,
            Some(SetAside {
                path: aside,
                reason,
                recovered: false,
            }),
        )),
        Err(Failure::Refused(error) | Failure::Locked(error)) => Err(error),
        Err(Failure::Damaged(reason)) => Err(database_error(directory, reason)),
    }
}

impl Database {
    /// All of it or nothing. When this returns, it survives a power cut.
    pub(super) fn put_said(&self, said: SwitchRecord) -> Result<(), StoreError> {
        let mut switch = vec![match said.switch {
            Switch::On => 1,
            Switch::Off | Switch::Unknown => 0,
        }];
        switch.extend(said.sequence.to_be_bytes());
        self.put_all(&[
            (ENABLED, Some(switch)),
            (PIN, said.pin.map(|pin| pin.octets().to_vec())),
            (OWNER, said.owner.map(|owner| owner.0.to_vec())),
            (OWN_USERS_ONLY, said.own_users_only.then(|| vec![1])),
        ])
    }

    /// The value of a key; nothing also when it cannot be read.
    pub(super) fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        guarded(|| self.sled.tree()?.get(key))
            .ok()
            .flatten()
            .map(|value| value.to_vec())
    }

    /// When this returns, the value survives a power cut.
    pub(super) fn put(&self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.put_all(&[(key, Some(value.to_vec()))])
    }

    /// A key without a value is removed.
    fn put_all(&self, entries: &[(&[u8], Option<Vec<u8>>)]) -> Result<(), StoreError> {
        match guarded(|| self.sled.put_all(entries)) {
            Ok(()) => sync_tree(&self.path),
            Err(Failure::Damaged(reason)) => Err(database_error(&self.path, reason)),
            Err(Failure::Refused(error) | Failure::Locked(error)) => Err(error),
        }
    }
}

fn attempt(path: &Path, count: &dyn Fn(Option<u64>) -> u64) -> Result<Database, Failure> {
    patiently(|| open_at(path, count))
}

/// Only one process can have it. A thread of sled lets go of its files a moment after the database was closed.
pub(super) fn patiently<T>(open: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
    for _ in 0..LOCK_TRIES {
        match open() {
            Err(Failure::Locked(_)) => sleep(LOCK_PAUSE),
            done => return done,
        }
    }
    open()
}

fn open_at(path: &Path, count: &dyn Fn(Option<u64>) -> u64) -> Result<Database, Failure> {
    let (sled, stored, epoch) = guarded(|| {
        let sled = Handle::open(path)?;
        let tree = sled.tree()?;
        let stored = Stored {
            said: said(tree)?,
            epoch: tree.get(EPOCH)?.as_deref().and_then(number),
        };
        let epoch = count(stored.epoch);
        sled.put_all(&[(EPOCH, Some(epoch.to_be_bytes().to_vec()))])?;
        Ok((sled, stored, epoch))
    })?;
    sync_tree(path).map_err(Failure::Refused)?;
    Ok(Database {
        sled,
        path: path.to_owned(),
        stored,
        epoch,
    })
}

impl Handle {
    pub(super) fn open(path: &Path) -> sled::Result<Self> {
        let config = sled::Config::new()
            .path(path)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None);
        Ok(Self(Some(config.open()?)))
    }

    pub(super) fn tree(&self) -> sled::Result<&sled::Db> {
        self.0
            .as_ref()
            .ok_or_else(|| sled::Error::Unsupported("it is closed".to_owned()))
    }

    pub(super) fn put_all(&self, entries: &[(&[u8], Option<Vec<u8>>)]) -> sled::Result<()> {
        let tree = self.tree()?;
        let mut batch = sled::Batch::default();
        for (key, value) in entries {
            match value {
                Some(value) => batch.insert(*key, value.as_slice()),
                None => batch.remove(*key),
            }
        }
        tree.apply_batch(batch)?;
        tree.flush().map(drop)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let sled = self.0.take();
        let _closed_badly = catch_unwind(AssertUnwindSafe(|| drop(sled)));
    }
}

pub(super) fn guarded<T>(operation: impl FnOnce() -> sled::Result<T>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(operation)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(source))) if source.to_string().contains("could not acquire lock") => {
            Err(Failure::Locked(io_error("lock", Path::new(STORE), source)))
        }
        Ok(Err(sled::Error::Io(source))) if !is_damage(&source) => {
            Err(Failure::Refused(io_error("use", Path::new(STORE), source)))
        }
        Ok(Err(sled::Error::Unsupported(reason))) => {
            Err(Failure::Refused(database_error(Path::new(STORE), reason)))
        }
        Ok(Err(error)) => Err(Failure::Damaged(error.to_string())),
        Err(_panic) => Err(Failure::Damaged(
            "the database's own files contradict each other".to_owned(),
        )),
    }
}

fn is_damage(error: &io::Error) -> bool {
    // sled makes errors of its own for what it cannot read; they carry no number of the system's.
    error.raw_os_error().is_none()
        || matches!(
            error.kind(),
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
        )
}

fn said(tree: &sled::Db) -> sled::Result<Option<SwitchRecord>> {
    let Some((switch, sequence)) = tree.get(ENABLED)?.as_deref().and_then(switch) else {
        return Ok(None);
    };
    let pin = tree
        .get(PIN)?
        .and_then(|value| <[u8; 4]>::try_from(&*value).ok())
        .map(Ipv4Addr::from);
    let owner = tree
        .get(OWNER)?
        .and_then(|value| <[u8; 32]>::try_from(&*value).ok())
        .map(Pubkey);
    let own_users_only = tree.get(OWN_USERS_ONLY)?.is_some();
    Ok(Some(SwitchRecord {
        switch,
        sequence,
        pin,
        owner,
        own_users_only,
    }))
}

/// One octet, and since the record is kept beside it the number of its write.
fn switch(value: &[u8]) -> Option<(Switch, u64)> {
    let (first, sequence) = value.split_first()?;
    let switch = match first {
        0 => Switch::Off,
        1 => Switch::On,
        _ => return None,
    };
    let sequence = if sequence.is_empty() { 0 } else { number(sequence)? };
    Some((switch, sequence))
}

fn number(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}

/// What a kill leaves behind while sled writes a snapshot or its parameters: both are written anew. What cannot be removed
/// is met again when sled opens it.
pub(super) fn drop_what_is_torn(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let torn = if name.starts_with("snap.") {
            name.ends_with(".generating") || !has_checksum(&entry.path(), 12)
        } else {
            name == "conf" && !has_checksum(&entry.path(), 4)
        };
        if torn {
            let _met_again = fs::remove_file(entry.path());
        }
    }
}

/// Whether the last four octets are the checksum of all but the last `trailer`.
fn has_checksum(path: &Path, trailer: usize) -> bool {
    let Ok(bytes) = fs::read(path) else { return true };
    let body = bytes.len().checked_sub(trailer).and_then(|end| bytes.get(..end));
    let checksum = bytes.last_chunk().map(|checksum| u32::from_le_bytes(*checksum));
    body.is_some_and(|body| !body.is_empty() && checksum == Some(crc32fast::hash(body)))
}

/// Sets the database aside and puts a copy of its log alone into its place. Gives where the files are now.
pub(super) fn from_log(directory: &Path) -> Result<PathBuf, StoreError> {
    let (from, copy) = (directory.join(STORE), directory.join(RECOVERING));
    match fs::remove_dir_all(&copy) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_error("remove", &copy, error));
        }
        Ok(()) | Err(_) => {}
    }
    fs::create_dir(&copy).map_err(|source| io_error("create", &copy, source))?;
    copy_file(&from.join(LOG), &copy.join(LOG))?;
    fs::create_dir(copy.join(BLOBS)).map_err(|source| io_error("create", &copy.join(BLOBS), source))?;
    for blob in fs::read_dir(from.join(BLOBS)).into_iter().flatten().flatten() {
        copy_file(&blob.path(), &copy.join(BLOBS).join(blob.file_name()))?;
    }
    sync_tree(&copy)?;
    let free = (1..=u32::MAX)
        .map(|number| directory.join(format!("{STORE}.damaged-{number}")))
        .find(|path| !path.exists());
    let aside = free.unwrap_or_else(|| directory.join(format!("{STORE}.damaged")));
    fs::rename(&from, &aside).map_err(|source| io_error("set aside", &from, source))?;
    fs::rename(&copy, &from).map_err(|source| io_error("replace", &from, source))?;
    sync_directory(directory)?;
    Ok(aside)
}

fn copy_file(from: &Path, to: &Path) -> Result<(), StoreError> {
    match fs::copy(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("copy", from, error)),
        Ok(_) | Err(_) => Ok(()),
    }
}

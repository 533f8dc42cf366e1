//! The durable store: the few facts that must survive the daemon.
//!
//! A write is on disk before it is acknowledged: sled's `flush` hands the bytes to the kernel but does not wait for the
//! disk, so every write is followed by an fsync of the store's files and of their directory.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    net::Ipv4Addr,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    Epoch,
    address::{Chosen, Seen},
};

mod migrate;

pub use migrate::Origin;

const STORE: &str = "store";
const LOCK: &str = "lock";
const INITIALISED: &str = "initialised";
const ENABLED: &[u8] = b"enabled";
const EPOCH: &[u8] = b"epoch";
const CLIENT_IP: &[u8] = b"client_ip";
/// The store holds a few short values; sled's default of 1 GiB is for databases.
const CACHE_BYTES: u64 = 1 << 20;

/// Why the store could not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another daemon has it.
    #[error("{path} is in use by another warrend ({holder}): only one may run on a state directory")]
    Locked {
        /// The state directory.
        path: PathBuf,
        /// Who has it, as far as the lock file tells.
        holder: String,
    },
    /// The file system refused.
    #[error("{operation} {path}")]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The database refused a read or a write.
    #[error("the store in {path} failed: {reason}")]
    Database {
        /// The state directory.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// What was found when the store was opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opened {
    /// The enable switch.
    pub enabled: bool,
    /// Where its value comes from.
    pub origin: Origin,
    /// A damaged store that was moved out of the way.
    pub set_aside: Option<SetAside>,
}

/// A damaged store, kept for whoever wants to look at it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetAside {
    /// Where it is now.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// The open store. It is locked against other processes until it is dropped.
#[derive(Debug)]
pub struct Store {
    database: sled::Db,
    directory: PathBuf,
    _lock: File,
}

impl Store {
    /// Opens the store in the state directory, making both when they are not there.
    ///
    /// A store that is damaged is set aside under another name and the switch is off: no daemon that cannot know what
    /// its operator wanted builds tunnels. A first start takes the reference's state over (see [`Origin`]); its files
    /// are left as they are, so that a crash at any point only means that it is taken over again.
    ///
    /// # Errors
    /// When another process has the store, or the file system or the database refuses.
    pub fn open(directory: &Path) -> Result<(Self, Opened), StoreError> {
        create_directory(directory)?;
        let lock = lock(directory)?;
        let marker = directory.join(INITIALISED);
        let had_state = exists(&marker)?;
        let (mut database, mut set_aside) = match open_database(directory)? {
            Ok(database) => (database, None),
            Err(damage) => {
                let moved = move_aside(directory, damage)?;
                (reopen_database(directory)?, Some(moved))
            }
        };
        let stored = read_switch(&database);
        if had_state && set_aside.is_none() && stored != Ok(Some(true)) && stored != Ok(Some(false)) {
            drop(database);
            let damage = stored.err().unwrap_or_else(|| "the enable switch, which was stored once, is gone".to_owned());
            set_aside = Some(move_aside(directory, damage)?);
            database = reopen_database(directory)?;
        }
        let (enabled, origin) = match (&set_aside, read_switch(&database)) {
            (Some(_), _) => (false, Origin::SetAside),
            (None, Ok(Some(enabled))) => (enabled, Origin::Store),
            (None, Ok(None) | Err(_)) => migrate::legacy_state(directory)?,
        };
        let store = Self { database, directory: directory.to_owned(), _lock: lock };
        if origin == Origin::SetAside {
            // Epochs number incarnations, which are written on links that are still there: seconds since 1970 are more
            // than any count of starts.
            let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            store.put(EPOCH, &seconds.to_be_bytes())?;
        }
        if origin != Origin::Store {
            store.set_enabled(enabled)?;
        }
        if !had_state {
            File::create(&marker).and_then(|file| file.sync_all()).map_err(|source| io_error("create", &marker, source))?;
            sync_directory(directory)?;
        }
        Ok((store, Opened { enabled, origin, set_aside }))
    }

    /// The enable switch as it is on disk.
    ///
    /// # Errors
    /// When the database cannot be read, or holds something else.
    pub fn enabled(&self) -> Result<bool, StoreError> {
        match read_switch(&self.database) {
            Ok(Some(enabled)) => Ok(enabled),
            Ok(None) => Err(database_error(&self.directory, "the enable switch is not there".to_owned())),
            Err(reason) => Err(database_error(&self.directory, reason)),
        }
    }

    /// Sets the enable switch. When this returns, the value survives a power cut.
    ///
    /// # Errors
    /// When the value may not be on disk; the old or the new one is.
    pub fn set_enabled(&self, enabled: bool) -> Result<(), StoreError> {
        self.put(ENABLED, &[u8::from(enabled)])
    }

    /// Counts a start of the daemon and returns its number, which no earlier start had.
    ///
    /// # Errors
    /// When the number may not be on disk.
    pub fn begin_epoch(&self) -> Result<Epoch, StoreError> {
        let stored = self.database.get(EPOCH).map_err(|error| database_error(&self.directory, error.to_string()))?;
        let last = stored.and_then(|bytes| <[u8; 8]>::try_from(bytes.as_ref()).ok()).map_or(0, u64::from_be_bytes);
        let epoch = last + 1;
        self.put(EPOCH, &epoch.to_be_bytes())?;
        Ok(Epoch(epoch))
    }

    /// The public address that was in force last. What does not say one is none: it is only one hint among others.
    #[must_use]
    pub fn client_ip(&self) -> Option<Chosen> {
        let stored = self.database.get(CLIENT_IP).ok().flatten()?;
        let [seen, address @ ..] = <[u8; 5]>::try_from(stored.as_ref()).ok()?;
        let seen = match seen {
            0 => Seen::Host,
            1 => Seen::Outside,
            _ => return None,
        };
        Some(Chosen { address: Ipv4Addr::from(address), seen })
    }

    /// Remembers the public address in force. When this returns, it survives a power cut.
    ///
    /// # Errors
    /// When it may not be on disk.
    pub fn set_client_ip(&self, chosen: Chosen) -> Result<(), StoreError> {
        let seen = match chosen.seen {
            Seen::Host => 0,
            Seen::Outside => 1,
        };
        let [a, b, c, d] = chosen.address.octets();
        self.put(CLIENT_IP, &[seen, a, b, c, d])
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let failed = |error: sled::Error| database_error(&self.directory, error.to_string());
        self.database.insert(key, value).map_err(failed)?;
        self.database.flush().map_err(failed)?;
        sync_tree(&self.directory.join(STORE))
    }
}

fn read_switch(database: &sled::Db) -> Result<Option<bool>, String> {
    match database.get(ENABLED).map_err(|error| error.to_string())?.as_deref() {
        None => Ok(None),
        Some([0]) => Ok(Some(false)),
        Some([1]) => Ok(Some(true)),
        Some(other) => Err(format!("the enable switch is {other:?}, which is neither on nor off")),
    }
}

/// Opens the database. The inner error is damage: sled reports some as an error and panics on other. The outer error is
/// everything else (a full disk, a missing permission, no file descriptor left): the database may be in good order, and is
/// left as it is.
fn open_database(directory: &Path) -> Result<Result<sled::Db, String>, StoreError> {
    let config = sled::Config::new().path(directory.join(STORE)).cache_capacity(CACHE_BYTES).flush_every_ms(None);
    match catch_unwind(AssertUnwindSafe(|| config.open())) {
        Ok(Ok(database)) => Ok(Ok(database)),
        Ok(Err(sled::Error::Io(source))) if !is_damage(&source) => Err(io_error("open", &directory.join(STORE), source)),
        Ok(Err(error)) => Ok(Err(error.to_string())),
        Err(_panic) => Ok(Err("the database's own files contradict each other".to_owned())),
    }
}

fn is_damage(error: &io::Error) -> bool {
    // sled makes errors of its own for what it cannot read; they carry no number of the system's.
    error.raw_os_error().is_none() || matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

fn reopen_database(directory: &Path) -> Result<sled::Db, StoreError> {
    open_database(directory)?.map_err(|damage| database_error(directory, damage))
}

fn move_aside(directory: &Path, reason: String) -> Result<SetAside, StoreError> {
    let from = directory.join(STORE);
    let free = (1..=u32::MAX).map(|number| directory.join(format!("{STORE}.damaged-{number}"))).find(|path| !path.exists());
    let path = free.unwrap_or_else(|| directory.join(format!("{STORE}.damaged")));
    if exists(&from)? {
        fs::rename(&from, &path).map_err(|source| io_error("set aside", &from, source))?;
    }
    sync_directory(directory)?;
    Ok(SetAside { path, reason })
}

fn lock(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join(LOCK);
    let mut options = OpenOptions::new();
    let mut file =
        options.read(true).write(true).create(true).truncate(false).open(&path).map_err(|source| io_error("open", &path, source))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = (&mut file).take(64).read_to_string(&mut holder);
            return Err(StoreError::Locked { path: directory.to_owned(), holder: format!("process {}", holder.trim()) });
        }
        Err(TryLockError::Error(source)) => return Err(io_error("lock", &path, source)),
    }
    let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(|source| io_error("write", &path, source))?;
    Ok(file)
}

fn create_directory(directory: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(directory).map_err(|source| io_error("create", directory, source))?;
    directory.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_directory)
}

fn sync_tree(directory: &Path) -> Result<(), StoreError> {
    let entries = fs::read_dir(directory).map_err(|source| io_error("list", directory, source))?;
    for entry in entries {
        let path = entry.map_err(|source| io_error("list", directory, source))?.path();
        match (path.is_dir(), File::open(&path)) {
            (true, _) => sync_tree(&path)?,
            (false, Ok(file)) => file.sync_all().map_err(|source| io_error("sync", &path, source))?,
            // sled removes the snapshot that a newer one replaces.
            (false, Err(error)) if error.kind() == io::ErrorKind::NotFound => {}
            (false, Err(source)) => return Err(io_error("open", &path, source)),
        }
    }
    sync_directory(directory)
}

fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    File::open(directory).and_then(|handle| handle.sync_all()).map_err(|source| io_error("sync", directory, source))
}

fn exists(path: &Path) -> Result<bool, StoreError> {
    path.try_exists().map_err(|source| io_error("look for", path, source))
}

fn io_error(operation: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { operation, path: path.to_owned(), source }
}

fn database_error(directory: &Path, reason: String) -> StoreError {
    StoreError::Database { path: directory.to_owned(), reason }
}

#[cfg(test)]
mod tests;

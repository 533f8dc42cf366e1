//! Values by their keys, on disk: for whoever has many that change together.

use std::path::{Path, PathBuf};

use super::{
    SetAside, StoreError,
    database::{Failure, Handle, STORE, drop_what_is_torn, from_log, guarded, patiently},
    database_error,
    files::{create_directory, sync_tree},
};

/// A key and its value; none where it is removed.
pub type Entry<'a> = (&'a [u8], Option<Vec<u8>>);

/// A key and its value.
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// Values by their keys. One process has it at a time.
#[derive(Debug)]
pub struct KeyValueStore {
    sled: Handle,
    directory: PathBuf,
}

impl KeyValueStore {
    /// Opens the one in a directory, making both where they are not there. What a kill has torn is brought back from its log, and
    /// the files as they were are set aside.
    ///
    /// # Errors
    /// When it cannot be had, or cannot be brought back: an empty one never takes its place.
    pub fn open(directory: &Path) -> Result<(Self, Option<SetAside>), StoreError> {
        create_directory(directory)?;
        let path = directory.join(STORE);
        drop_what_is_torn(&path);
        let attempt = || {
            patiently(|| {
                let sled = guarded(|| {
                    let sled = Handle::open(&path)?;
                    sled.tree()?.iter().try_for_each(|entry| entry.map(drop))?;
                    Ok(sled)
                })?;
                sync_tree(&path).map_err(Failure::Refused)?;
                Ok(Self {
                    sled,
                    directory: directory.to_owned(),
                })
            })
        };
        let reason = match attempt() {
            Ok(key_values) => return Ok((key_values, None)),
            Err(Failure::Refused(error) | Failure::Locked(error)) => return Err(error),
            Err(Failure::Damaged(reason)) => reason,
        };
        let aside = from_log(directory)?;
        let key_values = attempt().map_err(|failure| refused(directory, failure))?;
        let aside = SetAside {
            path: aside,
            reason,
            recovered: true,
        };
        Ok((key_values, Some(aside)))
    }

    /// The value of a key.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = guarded(|| self.sled.tree()?.get(key));
        Ok(self.of(value)?.map(|value| value.to_vec()))
    }

    /// All there is, in the order of keys.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn all(&self) -> Result<Vec<KeyValue>, StoreError> {
        self.of(guarded(|| {
            let entries = self.sled.tree()?.iter();
            entries
                .map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec())))
                .collect()
        }))
    }

    /// All of it or nothing. When this returns, it survives a power cut.
    ///
    /// # Errors
    /// When it may not be on disk.
    pub fn put(&self, entries: &[Entry<'_>]) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        self.of(guarded(|| self.sled.put_all(entries)))?;
        sync_tree(&self.directory.join(STORE))
    }

    fn of<T>(&self, done: Result<T, Failure>) -> Result<T, StoreError> {
        done.map_err(|failure| refused(&self.directory, failure))
    }
}

fn refused(directory: &Path, failure: Failure) -> StoreError {
    match failure {
        Failure::Damaged(reason) => database_error(directory, reason),
        Failure::Refused(error) | Failure::Locked(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_was_put_together_is_there_together_after_a_start() {
        let directory = tempfile::tempdir().unwrap();
        let (key_values, _) = KeyValueStore::open(directory.path()).unwrap();
        key_values
            .put(&[(b"a", Some(vec![1])), (b"b", Some(vec![2]))])
            .unwrap();
        key_values.put(&[(b"a", None), (b"c", Some(vec![3]))]).unwrap();
        drop(key_values);
        let (key_values, aside) = KeyValueStore::open(directory.path()).unwrap();
        assert_eq!(aside, None);
        assert_eq!(
            key_values.all().unwrap(),
            [(b"b".to_vec(), vec![2]), (b"c".to_vec(), vec![3])]
        );
        assert_eq!(key_values.get(b"b").unwrap(), Some(vec![2]));
        assert_eq!(key_values.get(b"a").unwrap(), None);
    }

    #[test]
    fn a_snapshot_that_a_kill_has_torn_costs_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let (key_values, _) = KeyValueStore::open(directory.path()).unwrap();
        key_values.put(&[(b"a", Some(vec![1]))]).unwrap();
        drop(key_values);
        let store = directory.path().join(STORE);
        for entry in fs::read_dir(&store).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with("snap.") {
                fs::write(&path, b"torn").unwrap();
            }
        }
        fs::write(store.join("snap.0000000000000001.generating"), b"torn").unwrap();
        let (key_values, _) = KeyValueStore::open(directory.path()).unwrap();
        assert_eq!(key_values.get(b"a").unwrap(), Some(vec![1]));
    }
}

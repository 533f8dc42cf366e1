//! Keypairs in files as the ledger's tools write them: a JSON list of 64 numbers, the secret half first.

mod find;

use std::{
    fmt,
    io::{ErrorKind, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use solana_sdk::signer::{Signer as _, keypair::Keypair as Inner};
use warren_state::Pubkey;

pub use find::{FoundKeypair, KeypairPlace, NamedBy, find, places};

use crate::send::Signature;

/// A keypair's file is 64 numbers of three digits with commas; anything much larger is something else.
const LARGEST_FILE: u64 = 4096;

/// A keypair. Its secret half never shows in texts.
pub struct Keypair(Inner);

/// Why there is no keypair. Never holds a part of one.
#[derive(Debug, thiserror::Error)]
pub enum KeypairError {
    /// There is no file at this path.
    #[error("there is no keypair at {}: make one with `keygen`, or name another file", .0.display())]
    Missing(PathBuf),
    /// A file that cannot be read.
    #[error("cannot read the keypair at {}", path.display())]
    Unreadable {
        /// The path of the file in question.
        path: PathBuf,
        /// The error of the system below.
        #[source]
        source: std::io::Error,
    },
    /// The text is not a keypair: it says what is wrong.
    #[error("{origin} does not hold a keypair: {reason}")]
    Invalid {
        /// Where the text came from.
        origin: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is one already.
    #[error("there is a file at {} already: it was not overwritten", .0.display())]
    Exists(PathBuf),
    /// A file that cannot be written.
    #[error("cannot write the keypair to {}", path.display())]
    Unwritable {
        /// The path of the file in question.
        path: PathBuf,
        /// The error of the system below.
        #[source]
        source: std::io::Error,
    },
    /// The system gave no random numbers to make a key from.
    #[error("the system provides no random numbers")]
    NoRandomness(#[source] std::io::Error),
    /// No file is named, and there is no home directory to look in.
    #[error("no keypair is named, and there is no home directory: name one with --keypair")]
    NoPlace,
}

impl KeypairError {
    /// Whether it is about what this file holds, or that there is none.
    #[must_use]
    pub fn is_about(&self, file: &Path) -> bool {
        match self {
            Self::Missing(path)
            | Self::Unreadable { path, .. }
            | Self::Exists(path)
            | Self::Unwritable { path, .. } => path == file,
            Self::Invalid { origin, .. } => *origin == file.display().to_string(),
            Self::NoRandomness(_) | Self::NoPlace => false,
        }
    }
}

/// Others than the owner may read or write the file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the keypair at {} is accessible to others (mode {mode:04o}): run chmod 600 on it", path.display())]
pub struct OpenToOthers {
    /// The path of the file in question.
    pub path: PathBuf,
    /// The permission bits of the file, as in `chmod`.
    pub mode: u32,
}

impl Keypair {
    /// A new one.
    ///
    /// # Errors
    /// When the system provides no random numbers.
    pub fn generate() -> Result<Self, KeypairError> {
        let mut seed = [0; 32];
        std::fs::File::open("/dev/urandom")
            .and_then(|mut random| random.read_exact(&mut seed))
            .map_err(KeypairError::NoRandomness)?;
        Ok(Self::from_seed(seed))
    }

    /// The one with this secret half.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(Inner::new_from_array(seed))
    }

    /// Reads a file, and warns when others may read it too.
    ///
    /// # Errors
    /// When there is no file, it cannot be read, or it holds no keypair.
    pub fn read(path: &Path) -> Result<(Self, Option<OpenToOthers>), KeypairError> {
        let unreadable = |source: std::io::Error| {
            let path = path.to_owned();
            if source.kind() == ErrorKind::NotFound {
                KeypairError::Missing(path)
            } else {
                KeypairError::Unreadable { path, source }
            }
        };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o7777;
        let keypair = Self::read_from(file, &path.display().to_string()).map_err(|error| {
            if let KeypairError::Unreadable { source, .. } = error {
                unreadable(source)
            } else {
                error
            }
        })?;
        let warning = (mode & 0o077 != 0).then(|| OpenToOthers {
            path: path.to_owned(),
            mode,
        });
        Ok((keypair, warning))
    }

    /// Reads from anywhere; `origin` names it in errors.
    ///
    /// # Errors
    /// When it cannot be read, or is not a keypair.
    pub fn read_from(source: impl Read, origin: &str) -> Result<Self, KeypairError> {
        let mut text = Vec::new();
        let read = source.take(LARGEST_FILE + 1).read_to_end(&mut text);
        read.map_err(|source| KeypairError::Unreadable {
            path: origin.into(),
            source,
        })?;
        Self::parse(&text).map_err(|reason| KeypairError::Invalid {
            origin: origin.to_owned(),
            reason,
        })
    }

    fn parse(text: &[u8]) -> Result<Self, &'static str> {
        if text.len() as u64 > LARGEST_FILE {
            return Err("it is too large for one");
        }
        let bytes: Vec<u8> =
            serde_json::from_slice(text).map_err(|_| "it is not a JSON list of numbers from 0 to 255")?;
        let bytes: [u8; 64] = bytes.try_into().map_err(|_| "it is not a list of 64 numbers")?;
        let mut seed = [0; 32];
        seed.copy_from_slice(&bytes[..32]);
        let keypair = Self::from_seed(seed);
        if keypair.pubkey().0 == bytes[32..] {
            Ok(keypair)
        } else {
            Err("its public half does not belong to its secret half")
        }
    }

    /// Writes it where only the owner may read it, with the directories that are missing. An existing file is replaced, as
    /// a whole, only with `overwrite`.
    ///
    /// # Errors
    /// When there is a file already, or it cannot be written.
    pub fn write(&self, path: &Path, overwrite: bool) -> Result<(), KeypairError> {
        let unwritable = |source: std::io::Error| {
            let path = path.to_owned();
            if source.kind() == ErrorKind::AlreadyExists {
                KeypairError::Exists(path)
            } else {
                KeypairError::Unwritable { path, source }
            }
        };
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(unwritable)?;
        }
        let text = serde_json::to_string(&self.0.to_bytes().to_vec()).unwrap_or_default();
        if !overwrite {
            return write_new(path, &text).map_err(unwritable);
        }
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}.new", std::process::id()));
        let beside = PathBuf::from(beside);
        let written = write_new(&beside, &text).and_then(|()| std::fs::rename(&beside, path));
        written
            .inspect_err(|_| drop(std::fs::remove_file(&beside)))
            .map_err(unwritable)
    }

    /// The public half: the account's address.
    #[must_use]
    pub fn pubkey(&self) -> Pubkey {
        Pubkey(self.0.pubkey().to_bytes())
    }

    /// Signs. The same message gives the same signature.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign_message(message).into())
    }
}

impl fmt::Debug for Keypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keypair({})", self.pubkey())
    }
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of this test's own, removed at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("warren-keypair-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_keypair_that_was_written_reads_back_and_only_its_owner_may_read_it() {
        let scratch = Scratch::new("round");
        let path = scratch.0.join("new/deep/id.json");
        let keypair = Keypair::generate().unwrap();
        keypair.write(&path, false).unwrap();
        let (read, warning) = Keypair::read(&path).unwrap();
        assert_eq!((read.pubkey(), warning), (keypair.pubkey(), None));
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let theirs = solana_sdk::signer::keypair::read_keypair_file(&path).unwrap();
        assert_eq!(Pubkey(theirs.pubkey().to_bytes()), keypair.pubkey());
    }

    #[test]
    fn a_keypair_is_overwritten_only_when_asked_and_two_are_never_alike() {
        let scratch = Scratch::new("overwrite");
        let path = scratch.0.join("id.json");
        let [first, second] = [Keypair::generate().unwrap(), Keypair::generate().unwrap()];
        assert_ne!(first.pubkey(), second.pubkey());
        first.write(&path, false).unwrap();
        assert!(matches!(second.write(&path, false), Err(KeypairError::Exists(_))));
        assert_eq!(Keypair::read(&path).unwrap().0.pubkey(), first.pubkey());
        second.write(&path, true).unwrap();
        assert_eq!(Keypair::read(&path).unwrap().0.pubkey(), second.pubkey());
        assert_eq!(
            std::fs::read_dir(&scratch.0).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }

    #[test]
    fn a_file_that_others_may_read_is_warned_of() {
        let scratch = Scratch::new("open");
        let path = scratch.0.join("id.json");
        Keypair::generate().unwrap().write(&path, false).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let warning = Keypair::read(&path).unwrap().1.unwrap();
        assert!(
            warning.to_string().contains("0644") && warning.to_string().contains("chmod 600"),
            "{warning}"
        );
    }

    #[test]
    fn what_is_no_keypair_is_a_clear_error_that_repeats_nothing_of_it() {
        let mut wrong_half = Keypair::from_seed([5; 32]).0.to_bytes().to_vec();
        wrong_half[40] ^= 1;
        let texts = [
            "".into(),
            "[1,2,3]".into(),
            "\"s3cret\"".into(),
            "[777]".into(),
            "x".repeat(5000),
            format!("{wrong_half:?}"),
        ];
        for text in texts {
            let error = Keypair::read_from(text.as_bytes(), "standard input").unwrap_err();
            assert!(matches!(error, KeypairError::Invalid { .. }), "{error}");
            assert!(
                error.to_string().starts_with("standard input") && !error.to_string().contains("s3cret"),
                "{error}"
            );
        }
        let missing = Keypair::read(Path::new("/nonexistent/id.json")).unwrap_err();
        assert!(
            matches!(&missing, KeypairError::Missing(_)) && missing.to_string().contains("keygen"),
            "{missing}"
        );
    }

    #[test]
    fn the_secret_half_is_in_no_text() {
        let keypair = Keypair::from_seed([5; 32]);
        assert_eq!(format!("{keypair:?}"), format!("Keypair({})", keypair.pubkey()));
    }
}

//! A file of lines, which somebody else may rotate at any time.

use std::{
    fs::{self, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use warren_metering::recorder::{Failure, Identity, Seen, look, repair, torn};
use warren_state::event::Event;

use super::{
    checkpoint::make_directory,
    output::{Batch, Recorder, failure},
    settings::{FileSettings, Sync},
};
use crate::supervision::clock::Clock;

/// How much of the end of a file is looked at for the beginning of its last line.
const LONGEST_LINE: u64 = 1 << 20;
/// What was written last, this much of it, is written again where somebody cut the file: whoever copied it may have missed that.
const RECENT: usize = 256 << 10;
/// A file that is moved again and again while it is written to is no file to write to.
const TRIES: usize = 4;

pub(super) struct File {
    name: String,
    settings: FileSettings,
    held: Option<Held>,
    /// A file was made, and its name may not be on the disk.
    is_unsettled: bool,
    recent: Vec<u8>,
    told: Vec<Event>,
}

/// The open file. It is locked: no other process of ours writes to it.
struct Held {
    file: fs::File,
    identity: Identity,
    /// How long it was left.
    length: u64,
}

impl File {
    /// Opens it, and ends a line that was not finished.
    pub(super) fn open(name: &str, settings: FileSettings) -> Result<Self, Failure> {
        let mut file = Self {
            name: name.to_owned(),
            settings,
            held: None,
            is_unsettled: false,
            recent: Vec::new(),
            told: Vec::new(),
        };
        let opened = file.hold();
        file.held = Some(opened.map_err(|error| file.failed("open", &error))?);
        Ok(file)
    }

    fn hold(&mut self) -> io::Result<Held> {
        let path = &self.settings.path;
        let directory = directory_of(path);
        if self.settings.makes_directory {
            make_directory(directory)?;
        }
        self.is_unsettled |= !path.exists();
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::Error::other("another process writes to it")),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        if self.is_unsettled {
            fs::File::open(directory)?.sync_all()?;
            self.is_unsettled = false;
        }
        let mut held = Held::of(file)?;
        let torn_bytes = held.torn()?;
        if torn_bytes > 0 {
            held.append(&repair(torn_bytes, Clock::unix_ms()), Sync::Always)?;
            self.told.push(Event::RecorderRepaired {
                recorder: self.name.clone(),
                bytes: torn_bytes,
            });
        }
        Ok(held)
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        for _ in 0..TRIES {
            self.be_in_place(lines.len())?;
            let Some(held) = &mut self.held else {
                continue;
            };
            held.append(lines, self.settings.sync)?;
            // Whoever moved it meanwhile may have read it to its end already.
            if held.look(&self.settings.path)? == Seen::Same {
                self.remember(lines);
                return Ok(());
            }
        }
        Err(io::Error::other("something keeps moving it"))
    }

    /// The file at the path is the one that is held, and has room.
    fn be_in_place(&mut self, more: usize) -> io::Result<()> {
        let seen = self.held.as_ref().map(|held| held.look(&self.settings.path));
        match seen.transpose()? {
            Some(Seen::Same) => {}
            Some(Seen::Cut) => {
                let recent = std::mem::take(&mut self.recent);
                if let Some(held) = &mut self.held {
                    held.length = held.file.metadata()?.len();
                    // The copy may end within a line.
                    let told = repair(0, Clock::unix_ms());
                    held.append(&[&told[1..], &recent].concat(), self.settings.sync)?;
                }
                self.recent = recent;
            }
            Some(Seen::Moved) | None => {
                self.held = None;
                self.held = Some(self.hold()?);
            }
        }
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        let length = self.held.as_ref().map_or(0, |held| held.length);
        if let Some(rotation) = self
            .settings
            .rotation
            .filter(|rotation| rotation.is_due(length, more))
        {
            for (from, to) in rotation.moves(|number| self.numbered(number).exists()) {
                match fs::rename(self.numbered(from), self.numbered(to)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    Ok(()) | Err(_) => {}
                }
            }
            fs::File::open(directory_of(&self.settings.path))?.sync_all()?;
            self.held = None;
            self.held = Some(self.hold()?);
        }
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut path = self.settings.path.clone().into_os_string();
        if number > 0 {
            path.push(format!(".{number}"));
        }
        path.into()
    }

    fn remember(&mut self, lines: &[u8]) {
        self.recent.extend_from_slice(lines);
        let over = self.recent.len().saturating_sub(RECENT);
        let whole_lines = self.recent[over..].iter().position(|byte| *byte == b'\n');
        if over > 0 {
            self.recent
                .drain(..whole_lines.map_or(self.recent.len(), |at| over + at + 1));
        }
    }

    fn failed(&self, what: &str, error: &io::Error) -> Failure {
        let detail = format!("cannot {what} {}: {error}", self.settings.path.display());
        Failure {
            passes: is_of_the_disk(error),
            ..failure(detail)
        }
    }
}

impl Held {
    fn of(file: fs::File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            identity: identity(&metadata),
            length: metadata.len(),
            file,
        })
    }

    fn look(&self, path: &Path) -> io::Result<Seen> {
        let at_path = match fs::metadata(path) {
            Ok(metadata) => Some(identity(&metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(look(
            self.identity,
            at_path,
            self.file.metadata()?.len(),
            self.length,
        ))
    }

    /// How long its last line is, where that was not finished.
    fn torn(&self) -> io::Result<u64> {
        let from = self.length.saturating_sub(LONGEST_LINE);
        let mut end = vec![0; usize::try_from(self.length - from).unwrap_or_default()];
        self.file.read_exact_at(&mut end, from)?;
        Ok(torn(&end))
    }

    /// Appends with one write, as a rule. What a failed one left is cut off: then the same may be appended again, also where the disk
    /// did not take it although the kernel had (fsync).
    fn append(&mut self, lines: &[u8], sync: Sync) -> io::Result<()> {
        let written = self.file.write_all(lines).and_then(|()| match sync {
            Sync::Always => self.file.sync_data(),
            Sync::Never => Ok(()),
        });
        match written {
            Ok(()) => self.length += u64::try_from(lines.len()).unwrap_or_default(),
            Err(error) => {
                // Somebody else may have cut it shorter.
                let has_more = self
                    .file
                    .metadata()
                    .is_ok_and(|metadata| metadata.len() > self.length);
                let _torn_then = has_more.then(|| self.file.set_len(self.length));
                return Err(error);
            }
        }
        Ok(())
    }
}

impl Recorder for File {
    fn record(&mut self, batch: &Batch) -> Result<(), Failure> {
        self.write(&batch.lines).map_err(|error| {
            // Whatever is at its end is looked at when it is opened again.
            self.held = None;
            self.failed("write to", &error)
        })
    }

    fn reopen(&mut self) {
        self.held = None;
    }

    fn told(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.told)
    }
}

fn identity(metadata: &fs::Metadata) -> Identity {
    Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Whether the disk is at fault, and not what is configured.
fn is_of_the_disk(error: &io::Error) -> bool {
    let full = matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem
    );
    full || error.raw_os_error() == Some(nix::errno::Errno::EIO as i32)
}

//! What was carried, on disk: lines with a checksum, which say nothing to this room.
//!
//! The newest file of the log begins with everything and goes on with what changed. When it has grown to several times its beginning,
//! another one is begun under another name, takes its place, and the one before goes; so there is always one that is whole. A line
//! that was not finished ends the file: nothing is ever written behind one, for each start begins another file, and so does the next
//! write after one that failed (after an fsync that failed the kernel takes for written what is not).
//!
//! Beside the log is a file for each day with what was carried in its hours. The oldest go.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    StoreError, files, io_error,
    journal::line::{TRAILER, end, whole},
};

const DIRECTORY: &str = "usage";
const LOG: &str = ".log";
const DAY: &str = ".hours";
const TEMPORARY: &str = "new";
/// A log grows by this much, and by this many times its beginning, before another one is begun.
const GROWTH: (u64, u64) = (1 << 20, 4);

/// What is kept of the hours that are over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeepHours {
    /// Days before this one go, in days since 1970.
    pub from: u64,
    /// And the oldest, where all take more octets than this.
    pub bytes: u64,
}

/// The files of samples and of hourly sums in the state directory.
#[derive(Debug)]
pub struct UsageFiles {
    directory: PathBuf,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    /// The newest one, where it can be written to.
    file: Option<File>,
    number: u64,
    bytes: u64,
    /// What its beginning takes.
    beginning: u64,
}

impl UsageFiles {
    pub(super) fn new(state: &Path) -> Self {
        Self {
            directory: state.join(DIRECTORY),
            log: Mutex::default(),
        }
    }

    /// Gives each line of the newest log that can be read, in order, to `take`. Where none can, all are set aside.
    ///
    /// # Errors
    /// When there is one and nothing of it can be read.
    pub fn read(&self, mut take: impl FnMut(&[u8])) -> Result<(), StoreError> {
        let numbers = list(&self.directory, LOG)?;
        let mut log = self.log();
        log.number = numbers.last().copied().unwrap_or_default();
        log.file = None;
        let mut failed = None;
        for number in numbers.iter().rev() {
            let path = self.path(*number);
            match lines(&path, true, &mut take) {
                Ok(0) => {
                    let empty = io::Error::new(io::ErrorKind::InvalidData, "no line of it is whole");
                    failed.get_or_insert(io_error("read", &path, empty));
                }
                Ok(_) => return Ok(()),
                Err(error) => {
                    failed.get_or_insert(error);
                }
            }
        }
        let Some(error) = failed else { return Ok(()) };
        for number in numbers {
            let path = self.path(number);
            let _it_is_told = fs::rename(&path, path.with_extension("damaged"));
        }
        Err(error)
    }

    /// Whether the next write has to be [`begin`](Self::begin).
    #[must_use]
    pub fn wants_everything(&self) -> bool {
        let log = self.log();
        log.file.is_none() || log.bytes > log.beginning + GROWTH.0.max(GROWTH.1 * log.beginning)
    }

    /// Adds a line to the log. When this returns, it survives a power cut.
    ///
    /// # Errors
    /// When it may not be on disk, and [`begin`](Self::begin) is to be called next.
    pub fn append(&self, line: &[u8]) -> Result<(), StoreError> {
        let mut log = self.log();
        let path = self.path(log.number);
        let Some(file) = log.file.take() else {
            let none = io::Error::other("it was not begun");
            return Err(io_error("append to", &path, none));
        };
        let text = with_end(line);
        file.write_all_at(&text, log.bytes)
            .and_then(|()| file.sync_data())
            .map_err(|source| io_error("append to", &path, source))?;
        log.bytes += length(&text);
        log.file = Some(file);
        Ok(())
    }

    /// Begins another log with these lines; the one before goes. When this returns, they survive a power cut.
    ///
    /// # Errors
    /// When they may not be on disk; the one before is.
    pub fn begin(&self, everything: &[Vec<u8>]) -> Result<(), StoreError> {
        let mut log = self.log();
        log.file = None;
        files::create_directory(&self.directory)?;
        let (number, temporary) = (log.number + 1, self.directory.join(TEMPORARY));
        let path = self.path(number);
        let mut bytes = 0;
        let written = File::create(&temporary).and_then(|file| {
            for line in everything {
                let text = with_end(line);
                file.write_all_at(&text, bytes)?;
                bytes += length(&text);
            }
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            Ok(file)
        });
        let file = written.map_err(|source| io_error("begin", &path, source))?;
        log.number = number;
        files::sync_directory(&self.directory)?;
        (log.bytes, log.beginning, log.file) = (bytes, bytes, Some(file));
        for older in list(&self.directory, LOG)?
            .into_iter()
            .filter(|older| *older < number)
        {
            let _again_next_time = fs::remove_file(self.path(older));
        }
        Ok(())
    }

    /// Adds a line to a day's file. When this returns, it survives a power cut.
    ///
    /// # Errors
    /// When it may not be on disk.
    pub fn append_hour(&self, day: u64, line: &[u8]) -> Result<(), StoreError> {
        let _one_at_a_time = self.log();
        files::create_directory(&self.directory)?;
        let path = self.day(day);
        let is_new = !path.exists();
        let written = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .and_then(|mut file| {
                // What a write that was not finished left is a line for itself.
                let mut text = if is_new { Vec::new() } else { b"\n".to_vec() };
                text.extend(with_end(line));
                file.write_all(&text)?;
                file.sync_data()
            });
        written.map_err(|source| io_error("append to", &path, source))?;
        if is_new {
            files::sync_directory(&self.directory)
        } else {
            Ok(())
        }
    }

    /// Gives each line of each day from this one on to `take`, and each day before its lines.
    ///
    /// # Errors
    /// When a day cannot be read.
    pub fn read_hours(&self, from: u64, mut take: impl FnMut(Result<&[u8], u64>)) -> Result<(), StoreError> {
        for day in list(&self.directory, DAY)?.into_iter().filter(|day| *day >= from) {
            take(Err(day));
            match lines(&self.day(day), false, |line| take(Ok(line))) {
                // It went meanwhile.
                Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                read => {
                    read?;
                }
            }
        }
        Ok(())
    }

    /// Removes what is not kept.
    ///
    /// # Errors
    /// When the days cannot be listed. What cannot be removed is tried again.
    pub fn trim(&self, keep: KeepHours) -> Result<(), StoreError> {
        let days = list(&self.directory, DAY)?;
        let size = |day: &u64| fs::metadata(self.day(*day)).map_or(0, |metadata| metadata.len());
        let mut bytes: u64 = days.iter().map(size).sum();
        for day in days {
            if day >= keep.from && bytes <= keep.bytes {
                break;
            }
            bytes -= size(&day).min(bytes);
            let _again_next_time = fs::remove_file(self.day(day));
        }
        Ok(())
    }

    fn path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number:016}{LOG}"))
    }

    fn day(&self, day: u64) -> PathBuf {
        self.directory.join(format!("{day:016}{DAY}"))
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The numbers of such files, the oldest first.
fn list(directory: &Path, suffix: &str) -> Result<Vec<u64>, StoreError> {
    files::names(directory, |name| name.strip_suffix(suffix)?.parse().ok())
}

/// Gives the whole lines to `take`, up to the first that is not whole or past those, and says how many there were.
fn lines(path: &Path, stop_at_damage: bool, mut take: impl FnMut(&[u8])) -> Result<usize, StoreError> {
    let failed = |source| io_error("read", path, source);
    let mut reader = BufReader::new(File::open(path).map_err(failed)?);
    let (mut line, mut count) = (Vec::new(), 0);
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Ok(count);
        }
        match whole(&line) {
            Some(text) => {
                take(text);
                count += 1;
            }
            None if stop_at_damage => return Ok(count),
            None => {}
        }
    }
}

fn with_end(line: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(line.len() + TRAILER);
    text.extend_from_slice(line);
    end(&mut text, 0);
    text
}

fn length(text: &[u8]) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &UsageFiles) -> Vec<String> {
        let mut found = Vec::new();
        files
            .read(|line| found.push(String::from_utf8(line.to_vec()).unwrap()))
            .unwrap();
        found
    }

    fn text(number: u32) -> Vec<u8> {
        format!("{{\"n\":{number}}}").into_bytes()
    }

    fn named(directory: &Path, suffix: &str) -> Vec<PathBuf> {
        let numbers = list(&directory.join(DIRECTORY), suffix).unwrap();
        let path = |number| directory.join(DIRECTORY).join(format!("{number:016}{suffix}"));
        numbers.into_iter().map(path).collect()
    }

    #[test]
    fn what_was_written_is_read_back_wherever_the_last_line_was_cut() {
        let dir = tempfile::tempdir().unwrap();
        let files = UsageFiles::new(dir.path());
        assert!(files.wants_everything());
        files.begin(&[text(1), text(2)]).unwrap();
        files.append(&text(3)).unwrap();
        let before = fs::metadata(&named(dir.path(), LOG)[0]).unwrap().len();
        files.append(&text(4)).unwrap();
        let log = named(dir.path(), LOG).remove(0);
        let bytes = fs::read(&log).unwrap();
        for cut in usize::try_from(before).unwrap()..bytes.len() {
            fs::write(&log, &bytes[..cut]).unwrap();
            let next = UsageFiles::new(dir.path());
            assert_eq!(read(&next).len(), 3, "cut to {cut}");
            assert!(
                next.wants_everything(),
                "nothing is written behind a line that was cut"
            );
        }
        let next = UsageFiles::new(dir.path());
        assert_eq!(read(&next).len(), 3);
        next.begin(&[text(5)]).unwrap();
        next.append(&text(6)).unwrap();
        assert_eq!(read(&UsageFiles::new(dir.path())), ["{\"n\":5}", "{\"n\":6}"]);
        assert_eq!(named(dir.path(), LOG).len(), 1, "the one before is gone");
    }

    #[test]
    fn a_log_that_has_grown_gives_way_to_another() {
        let dir = tempfile::tempdir().unwrap();
        let files = UsageFiles::new(dir.path());
        files.begin(&[text(1)]).unwrap();
        let line = vec![b'1'; 200_000];
        let mut appended = 0;
        while !files.wants_everything() {
            files.append(&line).unwrap();
            appended += 1;
        }
        assert_eq!(appended, 6);
    }

    #[test]
    fn a_write_that_fails_is_followed_by_everything() {
        let dir = tempfile::tempdir().unwrap();
        let files = UsageFiles::new(dir.path());
        files.begin(&[text(1)]).unwrap();
        let log = named(dir.path(), LOG).remove(0);
        files.log().file = Some(File::open(&log).unwrap());
        files.append(&text(2)).unwrap_err();
        assert!(files.wants_everything());
        files.begin(&[text(1), text(2)]).unwrap();
        assert_eq!(read(&UsageFiles::new(dir.path())).len(), 2);
    }

    #[test]
    fn hours_are_kept_for_so_many_days_and_so_many_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let files = UsageFiles::new(dir.path());
        for day in 10..15 {
            files.append_hour(day, &text(1)).unwrap();
            files.append_hour(day, &text(2)).unwrap();
        }
        let days = || {
            let mut found = Vec::new();
            let take = |line: Result<&[u8], u64>| found.extend(line.err());
            files.read_hours(0, take).unwrap();
            found
        };
        files
            .trim(KeepHours {
                from: 12,
                bytes: u64::MAX,
            })
            .unwrap();
        assert_eq!(days(), [12, 13, 14]);
        let one = fs::metadata(&named(dir.path(), DAY)[0]).unwrap().len();
        files
            .trim(KeepHours {
                from: 12,
                bytes: 2 * one,
            })
            .unwrap();
        assert_eq!(days(), [13, 14]);
        // A line that was not finished costs itself.
        let day = named(dir.path(), DAY).remove(0);
        let mut torn = fs::read(&day).unwrap();
        torn.truncate(torn.len() - 3);
        fs::write(&day, torn).unwrap();
        files.append_hour(13, &text(3)).unwrap();
        let mut lines = Vec::new();
        files
            .read_hours(13, |line| lines.extend(line.ok().map(<[u8]>::to_vec)))
            .unwrap();
        assert_eq!(lines, [text(1), text(3), text(1), text(2)]);
    }
}

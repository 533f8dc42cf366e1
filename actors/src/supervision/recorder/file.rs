//! The recording in a file: a thread writes what is queued. The part that is being written is FILE, the one before is FILE.1.

use std::{
    fs::{File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use tracing::warn;
use warren_state::{Epoch, recording::Record};

use super::parts::{Parts, beginning};
use crate::{
    lock::lock,
    settings::{RecordError, RecordSettings},
};

/// How much may wait to be written, give or take one line: a disk that lets more pile up is too slow.
const MOST_QUEUED: usize = 16 << 20;
/// How much is written at once …
const AT_ONCE: usize = 64 << 10;
/// … or what there is after this.
const AT_LAST: Duration = Duration::from_millis(500);
/// How long the end may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A recording that is being written.
pub(super) struct RecordingWriter {
    queue: Mutex<Queue>,
    state: Arc<State>,
    ended: Mutex<Receiver<()>>,
}

/// What the actors see of it.
pub(super) struct Queue {
    epoch: Epoch,
    orders: Sender<Order>,
    state: Arc<State>,
    part: u64,
    /// In this part.
    bytes: usize,
    most: usize,
}

enum Order {
    Line(Vec<u8>),
    /// Another file, which begins so.
    Part(Vec<u8>),
    /// No more, and why.
    End(String),
    /// Until this comes, nothing is written.
    #[cfg(test)]
    Wait(Receiver<()>),
}

#[derive(Default)]
struct State {
    queued: AtomicUsize,
    is_over: AtomicBool,
}

/// What the thread has.
struct Writer {
    path: PathBuf,
    file: File,
    /// Whole lines that are in the file.
    written: u64,
    /// Whole lines that are not.
    pending: Vec<u8>,
    state: Arc<State>,
}

impl RecordingWriter {
    pub(super) fn start(settings: &RecordSettings, epoch: Epoch) -> Result<Self, RecordError> {
        let unwritable = |source| RecordError {
            file: settings.file.clone(),
            source,
        };
        let state = Arc::<State>::default();
        let mut writer = Writer::new(&settings.file, state.clone()).map_err(unwritable)?;
        let first = beginning(epoch, 0);
        let bytes = first.len();
        writer.pending = first;
        writer.flush().map_err(unwritable)?;
        let ((orders, taken), (end, ended)) = (channel(), channel());
        let body = move || {
            writer.follow(&taken);
            drop(end);
        };
        thread::Builder::new()
            .name("recording".to_owned())
            .spawn(body)
            .map_err(unwritable)?;
        let most = usize::try_from(settings.bytes / 2).unwrap_or(usize::MAX);
        let queue = Queue {
            epoch,
            orders,
            state: state.clone(),
            part: 0,
            bytes,
            most,
        };
        Ok(Self {
            queue: Mutex::new(queue),
            state,
            ended: Mutex::new(ended),
        })
    }

    pub(super) fn is_open(&self) -> bool {
        !self.state.is_over.load(Ordering::Relaxed)
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    /// Ends the recording and says in it why; what comes later is not recorded.
    pub(super) fn end(&self, reason: &str) {
        self.queue().end(reason);
    }

    /// Waits until it is written, but not for ever; gives whether it is.
    pub(super) fn wait(&self) -> bool {
        lock(&self.ended).recv_timeout(LAST_WORDS) != Err(RecvTimeoutError::Timeout)
    }

    /// Nothing is written until the other end says so.
    #[cfg(test)]
    pub(super) fn hold(&self) -> Sender<()> {
        let (go_on, wait) = channel();
        self.queue().orders.send(Order::Wait(wait)).unwrap();
        go_on
    }
}

impl Queue {
    fn end(&mut self, reason: &str) {
        if !self.state.is_over.swap(true, Ordering::SeqCst) {
            let _ended = self.orders.send(Order::End(reason.to_owned()));
        }
    }
}

impl Parts for Queue {
    fn make_room(&mut self, bytes: usize) {
        if self.bytes + bytes > self.most {
            self.part += 1;
            let first = beginning(self.epoch, self.part);
            self.bytes = first.len();
            let _ended = self.orders.send(Order::Part(first));
        }
    }

    fn part(&self) -> u64 {
        self.part
    }

    fn longest(&self) -> usize {
        self.most / 4
    }

    /// Where there is no room for what waits, the recording ends.
    fn write(&mut self, line: Vec<u8>) {
        if self.state.is_over.load(Ordering::Relaxed) {
            return;
        }
        self.bytes += line.len();
        let waiting = self.state.queued.fetch_add(line.len(), Ordering::SeqCst);
        if waiting > 0 && waiting + line.len() > MOST_QUEUED {
            warn!("the disk does not keep up with the recording: it ends, and the daemon continues");
            self.end("the disk did not keep up");
            return;
        }
        let _ended = self.orders.send(Order::Line(line));
    }
}

impl Writer {
    /// The file of that name before goes to the same with `.1`.
    fn new(path: &Path, state: Arc<State>) -> io::Result<Self> {
        let file = open(path)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            written: 0,
            pending: Vec::new(),
            state,
        })
    }

    /// Until the end, or the first failure.
    fn follow(mut self, orders: &Receiver<Order>) {
        if let Err(error) = self.take(orders) {
            self.state.is_over.store(true, Ordering::SeqCst);
            warn!(file = %self.path.display(), %error, "the recording ends; the daemon continues");
            let _as_far_as_it_goes = self.give_up(&error);
        }
    }

    fn take(&mut self, orders: &Receiver<Order>) -> io::Result<()> {
        loop {
            match orders.recv_timeout(AT_LAST) {
                Ok(Order::Line(line)) => {
                    self.state.queued.fetch_sub(line.len(), Ordering::SeqCst);
                    self.pending.extend_from_slice(&line);
                    if self.pending.len() >= AT_ONCE {
                        self.flush()?;
                    }
                }
                Ok(Order::Part(first)) => {
                    self.flush()?;
                    (self.file, self.written, self.pending) = (open(&self.path)?, 0, first);
                }
                Ok(Order::End(reason)) => {
                    self.pending.extend(Record::<()>::Over { reason }.line());
                    return self.flush();
                }
                #[cfg(test)]
                Ok(Order::Wait(until)) => drop(until.recv()),
                Err(RecvTimeoutError::Timeout) => self.flush()?,
                Err(RecvTimeoutError::Disconnected) => return self.flush(),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.pending)?;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Leaves whole lines, the last of which says why there are no more.
    fn give_up(&mut self, error: &io::Error) -> io::Result<()> {
        self.file.set_len(self.written)?;
        self.file.seek(SeekFrom::Start(self.written))?;
        self.file.write_all(
            &Record::<()>::Over {
                reason: format!("it could not be written: {error}"),
            }
            .line(),
        )
    }
}

/// A new file, for its owner alone.
fn open(path: &Path) -> io::Result<File> {
    let mut before = path.as_os_str().to_owned();
    before.push(".1");
    match std::fs::rename(path, &before) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

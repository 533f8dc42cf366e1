//! The book of caps that all share. It outlives every actor.

use std::{
    fmt, fs,
    fs::File,
    io::{self, Write},
    path::Path,
    sync::{Mutex, OnceLock},
};

use warren_metering::cap::{
    Authority, Calendar, Cap, CapBook, CapSnapshot, CappedTunnel, DeviceId, Looked, Policy, UnixSeconds,
    remote::Used,
};
use warren_state::event::Event;

use super::{link::Link, settings::CapsSettings};
use crate::{lock::lock, supervision::clock::Clock};

/// All caps of this host.
pub struct Caps {
    book: Mutex<CapBook>,
    settings: CapsSettings,
    /// One write at a time.
    writing: Mutex<()>,
    problem: Mutex<Option<String>>,
    /// The way to an authority elsewhere, once it is followed.
    link: OnceLock<Link>,
}

impl Caps {
    /// Goes on from what is on disk. What cannot be read is set aside: that is to be told.
    pub(crate) fn open(settings: &CapsSettings) -> (Self, Option<Event>) {
        let mut lost = None;
        let book = match fs::read(&settings.file) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                let aside = settings.file.with_extension("damaged");
                let _it_is_told = fs::rename(&settings.file, &aside);
                lost = Some(Event::CapsLost {
                    detail: format!("{error}; it is kept in {}", aside.display()),
                });
                CapBook::default()
            }),
            Err(_none) => CapBook::default(),
        };
        let caps = Self {
            book: Mutex::new(book),
            settings: settings.clone(),
            writing: Mutex::default(),
            problem: Mutex::default(),
            link: OnceLock::new(),
        };
        (caps, lost)
    }

    pub(crate) fn look(
        &self,
        tunnels: &[CappedTunnel],
        authority: Authority,
        policy: &Policy,
        now: UnixSeconds,
    ) -> Looked {
        lock(&self.book).look(tunnels, authority, policy, now)
    }

    pub(crate) fn take(&self, tunnels: &[CappedTunnel], now: UnixSeconds) {
        lock(&self.book).take(tunnels, self.calendar(), now);
    }

    /// What an authority elsewhere says.
    pub(crate) fn hear(&self, device: DeviceId, snapshot: CapSnapshot) {
        lock(&self.book).hear(device, snapshot, self.calendar(), now());
    }

    /// What was counted of each: it only grows.
    #[must_use]
    pub fn totals(&self) -> Vec<(DeviceId, u64)> {
        let book = lock(&self.book);
        book.totals()
            .map(|(device, total)| (device.clone(), total))
            .collect()
    }

    /// Sets a cap, or lifts it; says whether there was one to lift. When this returns, it survives a power cut.
    ///
    /// # Errors
    /// When it may not be on disk. Then it counts until the daemon ends.
    pub(crate) fn set(&self, device: &DeviceId, cap: Option<Cap>) -> io::Result<bool> {
        let changed = {
            let mut book = lock(&self.book);
            match cap {
                Some(cap) => {
                    book.set(device.clone(), cap, self.calendar(), now());
                    true
                }
                None => book.clear(device),
            }
        };
        if changed {
            self.write().map(|()| true)
        } else {
            Ok(false)
        }
    }

    /// Brings what is known to the disk; a disk that refuses is tried again, and told.
    pub(crate) fn keep(&self) {
        let problem = self.write().err().map(|error| error.to_string());
        *lock(&self.problem) = problem;
    }

    /// Why what is known is not on disk, or what is wrong with the authority.
    pub(crate) fn problem(&self) -> Option<String> {
        let of_disk = lock(&self.problem).clone();
        of_disk.or_else(|| self.link()?.status().problem)
    }

    /// Who reports to an authority elsewhere.
    pub(crate) fn link(&self) -> Option<&Link> {
        self.link.get()
    }

    pub(crate) fn follow(&self, link: Link) {
        let _one_is_enough = self.link.set(link);
    }

    fn write(&self) -> io::Result<()> {
        let _one_at_a_time = lock(&self.writing);
        let (text, used) = {
            let book = lock(&self.book);
            let used = book.totals().map(|(device, total)| Used {
                device: device.clone(),
                total,
            });
            (serde_json::to_vec(&*book)?, used.collect())
        };
        let path = &self.settings.file;
        let directory = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(directory)?;
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(directory)?.sync_all()?;
        // Only now: a start would otherwise count again what was reported and is not on disk.
        if let Some(link) = self.link() {
            link.used(now(), used);
        }
        Ok(())
    }

    fn calendar(&self) -> &Calendar {
        &self.settings.policy.calendar
    }
}

impl fmt::Debug for Caps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caps").finish_non_exhaustive()
    }
}

fn now() -> UnixSeconds {
    UnixSeconds(i64::try_from(Clock::unix_ms() / 1000).unwrap_or(i64::MAX))
}

//! The durable store: the few facts that must survive the daemon.
//!
//! The enable switch, what is said with it (a pinned address, who connected last) and the count of starts are kept twice: in the database, and in a small record beside it. A write
//! goes to the record under another name, to the database, and then the record takes its place; it is acknowledged when
//! all of it is on disk (sled's `flush` hands the bytes to the kernel but does not wait for the disk, so each is followed by
//! an fsync of the files and of their directory). Each write of the switch has a number: the database wins while it is whole,
//! that is, while the record has no newer number. A kill at any point leaves the last value that was acknowledged, or the
//! one that was about to be.
//!
//! Beside them are the [`journal`]: what happened, and [`usage`]: what was carried.
//!
//! When neither can be read the switch is [`Switch::Unknown`]. A store that cannot be written is no reason not to start: the
//! daemon goes on with what it could read, and tells what is wrong.

use std::{
    fs::File,
    net::Ipv4Addr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use warren_state::{
    Epoch, Pubkey, Switch,
    address::{Chosen, Seen},
    position::NodeId,
};

mod database;
mod error;
mod files;
pub mod journal;
pub mod key_value;
mod migrate;
mod node;
mod opening;
mod record;
mod secret;
pub mod usage;

use database::{Database, Stored};
use error::{chain, database_error, io_error};
use journal::{Journal, Recovered};
use record::{Facts, SwitchRecord};

pub use error::StoreError;
pub use migrate::Origin;
pub use opening::{Opened, SetAside};
pub use secret::secret;
pub use usage::UsageFiles;

const INITIALISED: &str = "initialised";
const CLIENT_IP: &[u8] = b"client_ip";

/// What an operator says. What is not named stays as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// What the operator says: on or off.
    pub enabled: bool,
    /// The address that the host goes by from now on.
    pub pin: Option<Ipv4Addr>,
    /// Who connects this host: the owner of its users.
    pub owner: Option<Pubkey>,
}

/// The open store. It is locked against other processes until it is dropped.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    state: Mutex<State>,
    journal: Arc<Journal>,
    usage: Arc<UsageFiles>,
    recovered: Recovered,
    _lock: File,
}

#[derive(Debug)]
struct State {
    facts: Facts,
    node: NodeId,
    /// None when the file system refuses it: the record alone goes on.
    database: Option<Database>,
    /// Why the switch is not known.
    unknown: Option<String>,
    problem: Option<String>,
    first_start: bool,
}

impl Store {
    /// The enable switch in force: as it is on disk, if it could be read.
    #[must_use]
    pub fn switch(&self) -> Switch {
        self.state().facts.said.switch
    }

    /// The address that an operator pinned.
    #[must_use]
    pub fn pin(&self) -> Option<Ipv4Addr> {
        self.state().facts.said.pin
    }

    /// Who connected this host last, as far as that is known.
    #[must_use]
    pub fn owner(&self) -> Option<Pubkey> {
        self.state().facts.said.owner
    }

    /// Whether this installation began with a daemon that asks whose users they are: then, where nothing else is configured,
    /// only those of [`Self::owner`] count. One that was taken over, or is older, goes on as before.
    #[must_use]
    pub fn own_users_only(&self) -> bool {
        self.state().facts.said.own_users_only
    }

    /// Why the switch is not known.
    #[must_use]
    pub fn unknown(&self) -> Option<String> {
        self.state().unknown.clone()
    }

    /// Why the store cannot be written, or only a part of it.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.state().problem.clone()
    }

    /// The number of this start of the daemon, which no earlier start had.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        Epoch(self.state().facts.epoch)
    }

    /// Which installation this is.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.state().node
    }

    /// What happened, on disk.
    #[must_use]
    pub fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// What was carried, on disk.
    #[must_use]
    pub fn usage(&self) -> &Arc<UsageFiles> {
        &self.usage
    }

    /// What was found of the journal when the store was opened.
    #[must_use]
    pub fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// Whether nothing was found, neither of ours nor of the reference: then [`Self::begin`] decides.
    #[must_use]
    pub fn is_first_start(&self) -> bool {
        self.state().first_start
    }

    /// Says for a first start what is on the host. Tunnels of ours prove that this is no first start: then the state is lost
    /// and the switch not known. Without them the switch is off, on disk, and `own_users_only` is noted: whether this is an
    /// installation that takes the users of who connects it alone, where nobody says otherwise.
    ///
    /// # Errors
    /// When the value may not be on disk.
    pub fn begin(&self, tunnels: Result<bool, String>, own_users_only: bool) -> Result<(), StoreError> {
        if !self.is_first_start() {
            return Ok(());
        }
        let reason = match tunnels {
            Ok(false) => {
                return self.write(|said| SwitchRecord {
                    switch: Switch::Off,
                    own_users_only,
                    ..said
                });
            }
            Ok(true) => format!(
                "{} is empty, but tunnels of an earlier run are on the host",
                self.directory.display()
            ),
            Err(reason) => {
                format!(
                    "{} is empty, and whether tunnels of an earlier run are on the host cannot be seen: {reason}",
                    self.directory.display()
                )
            }
        };
        let mut state = self.state();
        state.facts.said.switch = Switch::Unknown;
        state.unknown = Some(reason);
        Ok(())
    }

    /// Sets the enable switch. When this returns, the value survives a power cut.
    ///
    /// # Errors
    /// When the value may not be on disk; the old or the new one is. The old one stays in force.
    pub fn set_enabled(&self, enabled: bool) -> Result<(), StoreError> {
        self.set(Change {
            enabled,
            pin: None,
            owner: None,
        })
    }

    /// Sets the enable switch and what is said with it, all of it or nothing. When this returns, it survives a power cut.
    ///
    /// # Errors
    /// When it may not be on disk; the old or the new values are. The old ones stay in force.
    pub fn set(&self, change: Change) -> Result<(), StoreError> {
        self.write(|said| SwitchRecord {
            switch: change.enabled.into(),
            pin: change.pin.or(said.pin),
            owner: change.owner.or(said.owner),
            ..said
        })
    }

    /// Drops the pin. In this run it is gone, whatever becomes of the write.
    ///
    /// # Errors
    /// When the next start may find it again.
    pub fn drop_pin(&self, address: Ipv4Addr) -> Result<(), StoreError> {
        let said = self.state().facts.said;
        if said.pin != Some(address) {
            return Ok(());
        }
        // A switch that is not known is not written down as a value, and then the pin is not either.
        let written = if said.switch.is_unknown() {
            Ok(())
        } else {
            self.write(|said| SwitchRecord { pin: None, ..said })
        };
        self.state().facts.said.pin = None;
        written
    }

    fn write(&self, change: impl FnOnce(SwitchRecord) -> SwitchRecord) -> Result<(), StoreError> {
        let mut state = self.state();
        let before = state.facts.said;
        let next = SwitchRecord {
            sequence: before.sequence + 1,
            ..change(before)
        };
        let prepared = record::prepare(
            &self.directory,
            Facts {
                said: next,
                ..state.facts
            },
        )?;
        state.put_said(next);
        if let Err(error) = prepared.commit() {
            if !before.switch.is_unknown() {
                state.put_said(SwitchRecord {
                    sequence: next.sequence + 1,
                    ..before
                });
            }
            return Err(error);
        }
        state.facts.said = next;
        state.unknown = None;
        state.first_start = false;
        state.problem = state.problem.take().filter(|_| state.database.is_none());
        self.mark(&mut state);
        Ok(())
    }

    /// The public address that was last in force. Text that is not an address counts as none: it is only one hint among
    /// others.
    #[must_use]
    pub fn client_ip(&self) -> Option<Chosen> {
        let [seen, address @ ..] =
            <[u8; 5]>::try_from(self.state().database.as_ref()?.get(CLIENT_IP)?).ok()?;
        let seen = match seen {
            0 => Seen::Host,
            1 => Seen::Outside,
            _ => return None,
        };
        Some(Chosen {
            address: Ipv4Addr::from(address),
            seen,
        })
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

    /// Writes what is in the database alone.
    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let mut state = self.state();
        let lost = || {
            state
                .problem
                .clone()
                .unwrap_or_else(|| "it cannot be used".to_owned())
        };
        let database = state
            .database
            .as_ref()
            .ok_or_else(|| database_error(&self.directory, lost()))?;
        database.put(key, value).inspect_err(|error| {
            state.problem = Some(chain(error));
            state.database = None;
        })
    }

    /// Makes both places agree, on the start that was counted too. What cannot be written is reported.
    fn settle(&self, stored: Stored, first_start: bool) {
        let mut state = self.state();
        let facts = state.facts;
        let known = !facts.said.switch.is_unknown() && !first_start;
        if known && stored.said != Some(facts.said) {
            state.put_said(facts.said);
        }
        let unknown = SwitchRecord {
            switch: Switch::Unknown,
            sequence: facts.said.sequence,
            ..SwitchRecord::default()
        };
        let written = if known {
            facts
        } else {
            Facts {
                said: unknown,
                ..facts
            }
        };
        let recorded = record::prepare(&self.directory, written).and_then(record::Prepared::commit);
        if let Err(error) = recorded {
            state.problem = Some(chain(&error));
            if state.database.is_none() {
                // Counted nowhere: no later start may have the same number.
                state.facts.epoch = seconds();
            }
        } else if known {
            self.mark(&mut state);
        }
    }

    /// From now on a store that says nothing is one that lost something.
    fn mark(&self, state: &mut State) {
        let path = self.directory.join(INITIALISED);
        if path.exists() {
            return;
        }
        let created = File::create(&path)
            .and_then(|file| file.sync_all())
            .map_err(|source| io_error("create", &path, source));
        if let Err(error) = created.and_then(|()| files::sync_directory(&self.directory)) {
            state.problem = Some(chain(&error));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A database that fails once is not trusted again in this run; the record goes on without it, and has the newer number.
    fn put_said(&mut self, said: SwitchRecord) {
        let Some(Err(error)) = self.database.as_ref().map(|database| database.put_said(said)) else {
            return;
        };
        self.problem = Some(chain(&error));
        self.database = None;
    }
}

/// More than any count of starts or writes.
fn seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;

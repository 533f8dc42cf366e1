//! What is found at a start, in one place or the other, and what is made of it.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use warren_state::Switch;

use crate::{
    INITIALISED, Origin, State, Store, StoreError,
    database::{self, Stored},
    error::chain,
    files,
    journal::{Journal, Limits},
    migrate::{self, Legacy},
    node,
    record::{self, Facts, SwitchRecord},
    seconds,
    usage::UsageFiles,
};

/// What was found when the store was opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opened {
    /// The enable switch as it is on disk, or that it cannot be read.
    pub switch: Switch,
    /// Where its value comes from.
    pub origin: Origin,
    /// The address that an operator pinned.
    pub pin: Option<Ipv4Addr>,
    /// A damaged database that was moved out of the way.
    pub set_aside: Option<SetAside>,
    /// Why the store cannot be written, or only a part of it.
    pub problem: Option<String>,
}

/// A damaged database, kept for whoever wants to look at it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetAside {
    /// Where it is now.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
    /// Whether its log was whole enough to go on from.
    pub recovered: bool,
}

impl Store {
    /// Opens the store in the state directory, making both when they are not there, and counts a start of the daemon.
    ///
    /// A first start takes the reference's state over (see [`Origin`]); its files are left as they are, so that a crash at any
    /// point only means that it is taken over again.
    ///
    /// # Errors
    /// When another process has the store, or there is no state directory and none can be made. What is damaged, or cannot be
    /// read or written, is no error: see [`Opened`].
    pub fn open(directory: &Path) -> Result<(Self, Opened), StoreError> {
        files::create_directory(directory)?;
        let lock = files::lock(directory)?;
        let record = record::read(directory);
        let marked = directory.join(INITIALISED).try_exists().unwrap_or(true);
        let had_state = marked || matches!(record, record::Found::Unreadable(_));
        let known = match record {
            record::Found::Whole(facts) => Some(facts),
            record::Found::Absent | record::Found::Unreadable(_) => None,
        };
        let (node, kept) = node::find(directory);
        let (journal, recovered) = Journal::open(directory, node, Limits::default());
        // Positions of a start that is counted nowhere any more are in the journal.
        let journaled = Some(journal.last().epoch.0).filter(|epoch| *epoch > 0);
        let counted = known.map(|facts| facts.epoch).max(journaled);
        let count = |stored: Option<u64>| match stored.max(counted) {
            Some(last) => last + 1,
            None if had_state => seconds(),
            None => 1,
        };
        let (database, set_aside, problem) = match database::open(directory, &count) {
            Ok((database, set_aside)) => (Some(database), set_aside, None),
            Err(error) => (None, None, Some(chain(&error))),
        };
        let stored = database
            .as_ref()
            .map_or(Stored::default(), |database| database.stored);
        let found = newer(stored, known);
        let epoch = database
            .as_ref()
            .map_or_else(|| count(None), |database| database.epoch);
        let (decided, origin) = match found {
            Some((said, origin)) => (Ok(said), origin),
            None if had_state => (
                Err(lost(&record, set_aside.as_ref(), problem.as_deref())),
                Origin::Lost,
            ),
            None => match migrate::legacy_state(directory) {
                Legacy::Says { switch, pin, origin } => (
                    Ok(SwitchRecord {
                        switch,
                        pin,
                        ..SwitchRecord::default()
                    }),
                    origin,
                ),
                Legacy::Unreadable(reason) => (Err(reason), Origin::UnreadableFile),
            },
        };
        // A number that no earlier write has: what cannot be read now may be read again.
        let sequence = found.map_or_else(
            || if had_state { seconds() } else { 0 },
            |(said, _)| said.sequence,
        );
        let said = SwitchRecord {
            sequence,
            ..*decided.as_ref().unwrap_or(&SwitchRecord::default())
        };
        let facts = Facts { said, epoch };
        let first_start = origin == Origin::Fresh;
        let problem = problem.or(kept.err().map(|error| chain(&error)));
        let state = State {
            facts,
            node,
            database,
            unknown: decided.err(),
            problem,
            first_start,
        };
        let store = Self {
            directory: directory.to_owned(),
            state: Mutex::new(state),
            journal: Arc::new(journal),
            usage: Arc::new(UsageFiles::new(directory)),
            recovered,
            _lock: lock,
        };
        store.settle(stored, first_start);
        let problem = store.problem();
        Ok((
            store,
            Opened {
                switch: said.switch,
                origin,
                pin: said.pin,
                set_aside,
                problem,
            },
        ))
    }
}

/// What was written last, as far as it can be read. The database wins unless it lost a write that the record has.
fn newer(stored: Stored, record: Option<Facts>) -> Option<(SwitchRecord, Origin)> {
    let recorded = record
        .map(|facts| facts.said)
        .filter(|said| !said.switch.is_unknown());
    match (stored.said, recorded) {
        (Some(stored), Some(recorded)) if recorded.sequence > stored.sequence => {
            Some((recorded, Origin::Record))
        }
        (Some(stored), _) => Some((stored, Origin::Store)),
        (None, recorded) => recorded.map(|recorded| (recorded, Origin::Record)),
    }
}

fn lost(record: &record::Found, set_aside: Option<&SetAside>, problem: Option<&str>) -> String {
    let database = set_aside
        .map(|aside| aside.reason.as_str())
        .or(problem)
        .unwrap_or("it is empty");
    let record = match record {
        record::Found::Absent => "it is not there",
        record::Found::Unreadable(reason) => reason,
        record::Found::Whole(_) => "it does not know either",
    };
    format!("the database: {database}; the record beside it: {record}")
}

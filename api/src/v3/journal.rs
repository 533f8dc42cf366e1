//! `/v3/journal`: what happened, as it is kept on disk.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Entries of a page where nothing else is asked.
pub const JOURNAL_DEFAULT: usize = 200;

/// Entries of a page at most.
pub const JOURNAL_HIGHEST: usize = 5000;

/// What is asked of the journal.
#[derive(Deserialize, IntoParams, Default)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JournalQuery {
    /// What came after this position (`NODE.EPOCH.SEQUENCE`), since a time (milliseconds since 1970), or since this long ago (`3h`); without
    /// it the newest entries.
    pub since: Option<String>,
    /// Only these, with commas between them: topics as for `/v3/events`, or kinds of events.
    pub topics: Option<String>,
    /// Only what is about this tunnel: an account, or the name of a link that is in use.
    pub tunnel: Option<String>,
    /// Only what is of this level or above: `debug` (all of it, where nothing is said), `info`, `warn`, `error`.
    pub level: Option<String>,
    /// How many at most: 1 to 5000, by default 200.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 5000, default = 200)]
    pub limit: Option<String>,
}

/// What happened, the oldest first.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct JournalPage {
    /// Of this document.
    pub schema: u32,
    /// The position after which it begins; of the newest entries, none.
    pub from: Option<String>,
    /// Each with `v` (1), its position (`epoch`, `sequence`), `unix_ms`, `kind` and the fields of that kind, and what follows from them:
    /// `level` and `text`, the words for people.
    #[schema(value_type = Vec<Object>)]
    pub entries: Vec<serde_json::Value>,
    /// The position up to which all that was asked for is here: go on from there.
    pub next: String,
    /// Whether there is more after that already.
    pub more: bool,
    /// What is missing before the first entry: it is not kept any more, or cannot be read.
    pub missing: Option<MissingEntries>,
}

/// Entries that are not there.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct MissingEntries {
    /// The position before the first of them.
    pub after: String,
    /// That of the last one.
    pub to: String,
}

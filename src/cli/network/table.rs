//! Columns: one description of a kind is its table, wide and narrow, and its JSON.

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::Value;
use warren_state::Pubkey;

use super::{known::Known, words};
use crate::{name::Name, output};

/// An account, or a part of one, with all that it refers to.
pub(super) struct Row<'a, K> {
    pub(super) key: Pubkey,
    pub(super) it: &'a K,
    pub(super) known: &'a Known,
}

/// What stands in one place: in the table, and in the JSON.
pub(super) struct Cell {
    text: String,
    json: Json,
}

enum Json {
    Plain(Value),
    List(Vec<Record>),
}

impl Cell {
    /// The same text in both.
    pub(super) fn text(text: impl ToString) -> Self {
        Self::both(text.to_string(), text.to_string())
    }

    /// A number, or a truth: in JSON it stays one.
    pub(super) fn plain<T: ToString + Into<Value>>(value: T) -> Self {
        Self::both(value.to_string(), value)
    }

    /// One of the ledger's names.
    pub(super) fn name(name: &str) -> Self {
        Self::both(words::shown(name), words::in_json(name))
    }

    /// Different things.
    pub(super) fn both(text: String, json: impl Into<Value>) -> Self {
        Self {
            text,
            json: Json::Plain(json.into()),
        }
    }

    /// A list of its own, which a table has no room for.
    pub(super) fn list(records: Vec<Record>) -> Self {
        Self {
            text: String::new(),
            json: Json::List(records),
        }
    }
}

/// How much room there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Width {
    Wide,
    Narrow,
}

/// A column. Without a heading it is in the JSON only.
pub(super) struct Column<K: 'static> {
    key: &'static str,
    wide: Option<&'static str>,
    narrow: Option<&'static str>,
    is_ours: bool,
    cell: fn(&Row<'_, K>) -> Cell,
}

impl<K> Column<K> {
    /// In the JSON and, under the same name, in the wide table.
    pub(super) const fn new(key: &'static str, cell: fn(&Row<'_, K>) -> Cell) -> Self {
        Self {
            key,
            wide: Some(key),
            narrow: None,
            is_ours: false,
            cell,
        }
    }

    /// In the JSON only.
    pub(super) const fn hidden(key: &'static str, cell: fn(&Row<'_, K>) -> Cell) -> Self {
        Self {
            key,
            wide: None,
            narrow: None,
            is_ours: false,
            cell,
        }
    }

    /// Under another name in the table.
    pub(super) const fn titled(mut self, wide: &'static str) -> Self {
        self.wide = Some(wide);
        self
    }

    /// In the narrow table too.
    pub(super) const fn narrow(mut self) -> Self {
        self.narrow = self.wide;
        self
    }

    /// In the narrow table too, under a name of its own there.
    pub(super) const fn narrow_as(mut self, narrow: &'static str) -> Self {
        self.narrow = Some(narrow);
        self
    }

    /// The reference does not have it, so it is not there under its name.
    pub(super) const fn ours(mut self) -> Self {
        self.is_ours = true;
        self
    }

    fn title(&self, width: Width) -> Option<&'static str> {
        match width {
            Width::Wide => self.wide,
            Width::Narrow => self.narrow,
        }
    }
}

fn shown<K>(name: Name, columns: &'static [Column<K>]) -> impl Iterator<Item = &'static Column<K>> {
    columns
        .iter()
        .filter(move |column| !(column.is_ours && name.is_reference()))
}

/// The table of these rows.
pub(super) fn table<K>(
    name: Name,
    width: Width,
    columns: &'static [Column<K>],
    rows: &[Row<'_, K>],
) -> String {
    let (columns, head): (Vec<_>, Vec<_>) = shown(name, columns)
        .filter_map(|column| column.title(width).map(|title| (column, title)))
        .unzip();
    let cells = |row: &Row<'_, K>| columns.iter().map(|column| (column.cell)(row).text).collect();
    output::table_as(name, &head, &rows.iter().map(cells).collect::<Vec<_>>())
}

/// One row as a list: a line for each column.
pub(super) fn fields<K>(name: Name, columns: &'static [Column<K>], row: &Row<'_, K>) -> String {
    let titled =
        shown(name, columns).filter_map(|column| Some((column.title(Width::Wide)?, (column.cell)(row).text)));
    titled
        .map(|(title, text)| format!("{title}: {}\n", output::tame(&text)))
        .collect()
}

/// One row's JSON.
pub(super) fn record<K>(name: Name, columns: &'static [Column<K>], row: &Row<'_, K>) -> Record {
    Record(
        shown(name, columns)
            .map(|column| (column.key, (column.cell)(row).json))
            .collect(),
    )
}

/// The JSON of these rows.
pub(super) fn records<K>(name: Name, columns: &'static [Column<K>], rows: &[Row<'_, K>]) -> Vec<Record> {
    rows.iter().map(|row| record(name, columns, row)).collect()
}

/// A JSON object whose keys stand in the columns' order.
pub(super) struct Record(Vec<(&'static str, Json)>);

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(value) => value.serialize(serializer),
            Self::List(records) => records.serialize(serializer),
        }
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        self.0
            .iter()
            .try_for_each(|(key, value)| map.serialize_entry(key, value))?;
        map.end()
    }
}

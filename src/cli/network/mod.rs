//! What stands on the ledger: the network's devices, links, places, groups, feeds, tenants, contributors, users and passes, as
//! the reference lists them. Each kind is described once, by its columns: the table and the JSON follow from that.

pub mod devices;
pub mod feeds;
pub mod groups;
mod known;
pub mod links;
pub mod parties;
pub mod passes;
pub mod places;
pub mod stays_out;
mod table;
#[cfg(test)]
mod tests;
pub mod users;
mod words;

use std::net::Ipv4Addr;

use clap::{Args, Subcommand};
use warren_ledger::accounts::AccountType;
use warren_state::Pubkey;

use super::{
    USAGE,
    failure::Failure,
    name::{self, Name},
    operator::Operator,
    output::{self, OutputFormat},
};
use known::{Known, Named};
use table::{Column, Row, Width};

/// A kind of account that can be listed.
trait Kind: Named {
    /// Types that it refers to.
    const REFERS: &'static [AccountType];
    /// Its columns, in their order.
    const COLUMNS: &'static [Column<Self>];
    /// What lists are sorted by, before the account's address.
    type Order: Ord;

    /// What it is sorted by.
    fn order(row: &Row<'_, Self>) -> Self::Order;
}

/// Which accounts of a kind are listed.
trait Filter<K: Kind> {
    /// The only host whose users are asked for: the ledger sorts the others out.
    fn only_host(&self) -> Option<Ipv4Addr> {
        None
    }

    /// Whether only the columns are wanted that go onto a narrow terminal.
    fn is_narrow(&self) -> bool {
        false
    }

    /// Refuses what names nothing on the ledger.
    ///
    /// # Errors
    /// When something is named that is not there.
    fn check(&self, _known: &Known) -> Result<(), Failure> {
        Ok(())
    }

    /// Whether the account is listed.
    fn admits(&self, _row: &Row<'_, K>) -> bool {
        true
    }
}

/// Everything is listed.
struct All;

impl<K: Kind> Filter<K> for All {}

/// What to look at, of a kind that is only listed.
#[derive(Subcommand, Clone, Copy, Debug)]
pub enum Lists {
    /// List those that pass the filters.
    List,
}

/// What to look at, of a kind whose accounts have codes.
#[derive(Subcommand, Clone, Debug)]
pub enum ListOrGet<F: Args> {
    /// All of them, or those that pass the filters.
    List(F),
    /// Show one of them, by its account or code.
    Get {
        /// Its code or account.
        #[arg(long, value_name = "DEVICE")]
        code: String,
    },
}

/// Prints the accounts of a kind that pass the filter.
///
/// # Errors
/// When the ledger does not answer, or the filter names what is not there.
async fn list<K: Kind>(
    operator: &Operator,
    filter: &impl Filter<K>,
    form: OutputFormat,
) -> anyhow::Result<u8> {
    let known = Known::read(operator, K::TYPE, K::REFERS, filter.only_host()).await?;
    filter.check(&known)?;
    let rows: Vec<Row<'_, K>> = sorted(&known)
        .into_iter()
        .filter(|row| filter.admits(row))
        .collect();
    let width = if filter.is_narrow() {
        Width::Narrow
    } else {
        Width::Wide
    };
    known.tell_unreadable();
    let (name, columns) = (Name::called(), K::COLUMNS);
    output::result(
        form,
        || table::table(name, width, columns, &rows),
        &table::records(name, columns, &rows),
    )
}

/// Prints one account: its columns, and tables that belong to it, each under a title.
///
/// # Errors
/// When standard output cannot be written.
fn show<K>(
    row: &Row<'_, K>,
    columns: &'static [Column<K>],
    parts: &[(&str, String)],
    form: OutputFormat,
) -> anyhow::Result<u8> {
    let name = Name::called();
    let text = || {
        let parts = parts.iter().map(|(title, table)| format!("\n{title}:\n{table}"));
        table::fields(name, columns, row) + &parts.collect::<String>()
    };
    output::result(form, text, &table::record(name, columns, row))
}

fn sorted<K: Kind>(known: &Known) -> Vec<Row<'_, K>> {
    let mut rows: Vec<Row<'_, K>> = known.all::<K>().collect();
    rows.sort_by_cached_key(|row| (K::order(row), row.key));
    rows
}

/// The account with this address or code; codes count without case.
///
/// # Errors
/// When there is none.
fn find<'k, K: Kind>(known: &'k Known, text: &str) -> Result<Row<'k, K>, Failure> {
    let rows = || sorted::<K>(known).into_iter();
    let exact = rows().find(|row| known.means::<K>(text, &row.key));
    let found =
        exact.or_else(|| rows().find(|row| !text.is_empty() && row.it.code().eq_ignore_ascii_case(text)));
    found.ok_or_else(|| missing::<K>(format!("there is no {} {text:?}", K::WHAT)))
}

fn missing<K: Named>(what: String) -> Failure {
    Failure::new(
        what,
        format!("`{} {} list` shows all of them.", name::program(), K::WHAT),
    )
}

fn key(text: &str, flag: &str) -> Result<Pubkey, Failure> {
    text.parse().map_err(|_| Failure {
        code: USAGE,
        what: format!("{flag}: {text:?} is not an account's address"),
        advice: None,
    })
}

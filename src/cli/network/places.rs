//! `warren location` and `warren exchange`.

use warren_api::client::Client;

use warren_ledger::accounts::{AccountType, Device, Exchange, Location};
use warren_state::Pubkey;

use super::{All, Column, Kind, Known, Operator, OutputFormat, Row, list, table::Cell};
use crate::command::LedgerFlags;

/// `warren location list`.
///
/// # Errors
/// When the ledger does not answer.
pub async fn locations(flags: &LedgerFlags, daemon: &Client, form: OutputFormat) -> anyhow::Result<u8> {
    list::<Location>(&Operator::new(flags, daemon).await?, &All, form).await
}

/// `warren exchange list`.
///
/// # Errors
/// When the ledger does not answer.
pub async fn exchanges(flags: &LedgerFlags, daemon: &Client, form: OutputFormat) -> anyhow::Result<u8> {
    list::<Exchange>(&Operator::new(flags, daemon).await?, &All, form).await
}

impl Kind for Location {
    const REFERS: &'static [AccountType] = &[];
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("account", |row| Cell::text(row.key)),
        Column::new("code", |row| Cell::text(&row.it.code)),
        Column::new("name", |row| Cell::text(&row.it.name)),
        Column::new("country", |row| Cell::text(&row.it.country)),
        Column::new("lat", |row| Cell::plain(f64::from(row.it.lat))),
        Column::new("lng", |row| Cell::plain(f64::from(row.it.lng))),
        Column::new("status", |row| Cell::name(row.it.status.name())),
        Column::new("owner", |row| Cell::text(row.it.owner)),
    ];
    type Order = String;

    fn order(row: &Row<'_, Self>) -> Self::Order {
        row.it.code.clone()
    }
}

impl Kind for Exchange {
    const REFERS: &'static [AccountType] = &[AccountType::DEVICE];
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("account", |row| Cell::text(row.key)),
        Column::new("code", |row| Cell::text(&row.it.code)),
        Column::new("name", |row| Cell::text(&row.it.name)),
        Column::new("device1", |row| device(row.known, &row.it.device1_pk)),
        Column::new("device2", |row| device(row.known, &row.it.device2_pk)),
        Column::new("lat", |row| Cell::plain(f64::from(row.it.lat))),
        Column::new("lng", |row| Cell::plain(f64::from(row.it.lng))),
        Column::new("bgp_community", |row| Cell::plain(row.it.bgp_community)),
        Column::new("status", |row| Cell::name(row.it.status.name())),
        Column::new("owner", |row| Cell::text(row.it.owner)),
    ];
    type Order = String;

    fn order(row: &Row<'_, Self>) -> Self::Order {
        row.it.code.clone()
    }
}

fn device(known: &Known, key: &Pubkey) -> Cell {
    Cell::text(if key.is_zero() {
        "(none)".to_owned()
    } else {
        known.code::<Device>(key)
    })
}

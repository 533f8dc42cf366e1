//! `warren tenant` and `warren contributor`.

use warren_api::client::Client;

use warren_ledger::accounts::{AccountType, Contributor, Tenant, Topology};

use super::{All, Column, Kind, Operator, OutputFormat, Row, list, table::Cell};
use crate::command::LedgerFlags;

/// `warren tenant list`.
///
/// # Errors
/// When the ledger does not answer.
pub async fn tenants(flags: &LedgerFlags, daemon: &Client, form: OutputFormat) -> anyhow::Result<u8> {
    list::<Tenant>(&Operator::new(flags, daemon).await?, &All, form).await
}

/// `warren contributor list`.
///
/// # Errors
/// When the ledger does not answer.
pub async fn contributors(flags: &LedgerFlags, daemon: &Client, form: OutputFormat) -> anyhow::Result<u8> {
    list::<Contributor>(&Operator::new(flags, daemon).await?, &All, form).await
}

impl Kind for Tenant {
    const REFERS: &'static [AccountType] = &[AccountType::TOPOLOGY];
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("account", |row| Cell::text(row.key)),
        Column::new("code", |row| Cell::text(&row.it.code)),
        Column::new("vrf_id", |row| Cell::plain(row.it.vrf_id)),
        Column::new("metro_routing", |row| Cell::plain(row.it.metro_routing)),
        Column::new("route_liveness", |row| Cell::plain(row.it.route_liveness)),
        Column::new("include_topologies", |row| {
            Cell::text(
                row.known
                    .codes::<Topology>("", &row.it.include_topologies)
                    .join(", "),
            )
        }),
        Column::new("owner", |row| Cell::text(row.it.owner)),
    ];
    type Order = String;

    fn order(row: &Row<'_, Self>) -> Self::Order {
        row.it.code.clone()
    }
}

impl Kind for Contributor {
    const REFERS: &'static [AccountType] = &[];
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("account", |row| Cell::text(row.key)),
        Column::new("code", |row| Cell::text(&row.it.code)),
        Column::new("status", |row| Cell::name(row.it.status.name())),
        Column::new("owner", |row| Cell::text(row.it.owner)),
    ];
    type Order = String;

    fn order(row: &Row<'_, Self>) -> Self::Order {
        row.it.code.clone()
    }
}

//! `warren feed`.

use clap::Subcommand;
use warren_api::client::Client;
use warren_ledger::accounts::{AccountType, Exchange, Feed, MulticastGroup};

use super::{
    All, Column, Failure, Kind, Known, Named as _, Operator, OutputFormat, Row, list, missing, show, sorted,
    table::Cell,
};
use crate::command::LedgerFlags;

/// What to look at among feeds.
#[derive(Subcommand, Clone, Debug)]
pub enum FeedCommand {
    /// List those that pass the filters.
    List,
    /// Show one of them, by its account or code.
    Get {
        /// Its account or code.
        #[arg(long, visible_alias = "code", value_name = "FEED")]
        pubkey: String,
        /// Its exchange, by code or account: feeds of several exchanges may share a code.
        #[arg(long, value_name = "EXCHANGE")]
        exchange: Option<String>,
    },
}

/// Runs one of them.
///
/// # Errors
/// When the ledger does not answer, or there is no such feed.
pub async fn run(
    flags: &LedgerFlags,
    daemon: &Client,
    command: FeedCommand,
    form: OutputFormat,
) -> anyhow::Result<u8> {
    let operator = Operator::new(flags, daemon).await?;
    match command {
        FeedCommand::List => list::<Feed>(&operator, &All, form).await,
        FeedCommand::Get { pubkey, exchange } => {
            let known = Known::read(&operator, Feed::TYPE, Feed::REFERS, None).await?;
            show(&one(&known, &pubkey, exchange.as_ref())?, DETAILS, &[], form)
        }
    }
}

/// The one feed that is meant.
fn one<'k>(known: &'k Known, text: &str, exchange: Option<&String>) -> Result<Row<'k, Feed>, Failure> {
    known.must_have::<Exchange>("Exchange", exchange)?;
    let meant = |row: &Row<'_, Feed>| {
        known.means::<Feed>(text, &row.key) && known.passes::<Exchange>(exchange, &row.it.exchange)
    };
    let mut rows = sorted::<Feed>(known).into_iter().filter(meant);
    match (rows.next(), rows.next()) {
        (Some(row), None) => Ok(row),
        (Some(_), Some(_)) => Err(Failure::new(
            format!("several exchanges have a feed {text:?}"),
            "Name the exchange with --exchange.",
        )),
        (None, _) => Err(missing::<Feed>(format!("there is no feed {text:?}"))),
    }
}

impl Kind for Feed {
    const REFERS: &'static [AccountType] = &[AccountType::EXCHANGE, AccountType::MULTICAST_GROUP];
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("account", |row| Cell::text(row.key)),
        Column::new("code", |row| Cell::text(&row.it.code)),
        Column::new("name", |row| Cell::text(&row.it.name)),
        Column::new("exchange", exchange),
        Column::new("groups", |row| Cell::plain(row.it.groups.len())),
        Column::new("group_codes", |row| {
            Cell::text(row.known.codes::<MulticastGroup>("", &row.it.groups).join(", "))
        }),
        Column::new("owner", |row| Cell::text(row.it.owner)),
    ];
    type Order = (String, String);

    fn order(row: &Row<'_, Self>) -> Self::Order {
        (row.it.code.clone(), row.known.code::<Exchange>(&row.it.exchange))
    }
}

const DETAILS: &[Column<Feed>] = &[
    Column::new("account", |row| Cell::text(row.key)),
    Column::new("code", |row| Cell::text(&row.it.code)),
    Column::new("name", |row| Cell::text(&row.it.name)),
    Column::new("exchange", exchange),
    Column::new("groups", |row| Cell::plain(row.it.groups.len())),
    Column::new("owner", |row| Cell::text(row.it.owner)),
];

fn exchange(row: &Row<'_, Feed>) -> Cell {
    Cell::text(row.known.code::<Exchange>(&row.it.exchange))
}

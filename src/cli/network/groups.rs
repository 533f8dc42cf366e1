//! `warren multicast group`.

use clap::Subcommand;
use warren_api::client::Client;
use warren_ledger::accounts::{AccessPass, AccountType, Device, MulticastGroup, Tenant, User};
use warren_state::Pubkey;

use super::{
    All, Column, Kind, Known, Name, Named as _, Operator, OutputFormat, Row, Width,
    devices::location_name,
    find, list, show, sorted,
    table::{self, Cell},
    words,
};
use crate::command::LedgerFlags;

/// What to look at among groups.
#[derive(Subcommand, Clone, Debug)]
pub enum GroupCommand {
    /// List those that pass the filters.
    List,
    /// One of them: who may join it, and who has.
    Get {
        /// Its code or account.
        #[arg(long, value_name = "GROUP")]
        code: String,
    },
}

/// Runs one of them.
///
/// # Errors
/// When the ledger does not answer, or there is no such group.
pub async fn run(
    flags: &LedgerFlags,
    daemon: &Client,
    command: GroupCommand,
    form: OutputFormat,
) -> anyhow::Result<u8> {
    let operator = Operator::new(flags, daemon).await?;
    match command {
        GroupCommand::List => list::<MulticastGroup>(&operator, &All, form).await,
        GroupCommand::Get { code } => {
            let known = Known::read(&operator, MulticastGroup::TYPE, OF_ONE, None).await?;
            let row = find::<MulticastGroup>(&known, &code)?;
            let name = Name::called();
            let allowed = table::table(name, Width::Wide, ALLOWED, &allowed(&row));
            let users = table::table(name, Width::Wide, USERS, &rows(&known, &members(&row)));
            show(&row, DETAILS, &[("allowlist", allowed), ("users", users)], form)
        }
    }
}

/// Types that one group is told with.
const OF_ONE: &[AccountType] = &[
    AccountType::TENANT,
    AccountType::ACCESS_PASS,
    AccountType::USER,
    AccountType::DEVICE,
    AccountType::LOCATION,
];

impl Kind for MulticastGroup {
    const REFERS: &'static [AccountType] = &[];
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("account", |row| Cell::text(row.key)),
        Column::new("code", |row| Cell::text(&row.it.code)),
        Column::new("multicast_ip", |row| Cell::text(row.it.multicast_ip)),
        Column::new("max_bandwidth", |row| {
            Cell::text(words::bandwidth(row.it.max_bandwidth))
        }),
        Column::new("publishers", |row| Cell::plain(row.it.publisher_count)),
        Column::new("subscribers", |row| Cell::plain(row.it.subscriber_count)),
        Column::new("status", |row| Cell::name(row.it.status.name())),
        Column::new("owner", |row| Cell::text(row.it.owner)),
    ];
    type Order = String;

    fn order(row: &Row<'_, Self>) -> Self::Order {
        row.it.code.clone()
    }
}

const DETAILS: &[Column<MulticastGroup>] = &[
    Column::new("account", |row| Cell::text(row.key)),
    Column::new("code", |row| Cell::text(&row.it.code)),
    Column::hidden("tenant_pk", |row| Cell::text(row.it.tenant_pk)),
    Column::new("tenant", |row| {
        Cell::text(row.known.code_if_any::<Tenant>(&row.it.tenant_pk))
    }),
    Column::new("multicast_ip", |row| Cell::text(row.it.multicast_ip)),
    Column::new("max_bandwidth", |row| {
        Cell::text(words::bandwidth(row.it.max_bandwidth))
    }),
    Column::new("publisher_count", |row| Cell::plain(row.it.publisher_count)),
    Column::new("subscriber_count", |row| Cell::plain(row.it.subscriber_count)),
    Column::new("status", |row| Cell::name(row.it.status.name())),
    Column::new("owner", |row| Cell::text(row.it.owner)),
    Column::hidden("allowlist", |row| {
        Cell::list(table::records(Name::called(), ALLOWED, &allowed(row)))
    }),
    Column::hidden("users", |row| {
        Cell::list(table::records(
            Name::called(),
            USERS,
            &rows(row.known, &members(row)),
        ))
    }),
];

/// Those who may join; the row's address is the group's.
const ALLOWED: &[Column<AccessPass>] = &[
    Column::new("account", |row| Cell::text(row.key)),
    Column::new("mode", |row| {
        Cell::text(mode(
            &row.key,
            &row.it.mgroup_pub_allowlist,
            &row.it.mgroup_sub_allowlist,
            "P+S",
        ))
    }),
    Column::new("client_ip", |row| Cell::text(row.it.client_ip)),
    Column::new("user_payer", |row| Cell::text(row.it.user_payer)),
];

/// A user that has joined a group.
struct Member {
    group: Pubkey,
    user: User,
}

const USERS: &[Column<Member>] = &[
    Column::new("account", |row| Cell::text(row.key)),
    Column::new("multicast_mode", |Row { it, .. }| {
        Cell::text(mode(&it.group, &it.user.publishers, &it.user.subscribers, "PS"))
    }),
    Column::new("device", |row| {
        Cell::text(row.known.code::<Device>(&row.it.user.device_pk))
    }),
    Column::new("location", |row| {
        Cell::text(location(row.known, &row.it.user.device_pk))
    }),
    Column::new("cyoa_type", |row| Cell::name(row.it.user.cyoa.name())),
    Column::new("client_ip", |row| Cell::text(row.it.user.client_ip)),
    Column::new("tunnel_id", |row| Cell::plain(row.it.user.tunnel_id)),
    Column::new("tunnel_net", |row| Cell::text(row.it.user.tunnel_net)),
    Column::new("dz_ip", |row| Cell::text(row.it.user.dz_ip)),
    Column::new("status", |row| Cell::name(row.it.user.status.name())),
    Column::new("owner", |row| Cell::text(row.it.user.owner)),
];

fn mode(group: &Pubkey, publishers: &[Pubkey], subscribers: &[Pubkey], both: &'static str) -> &'static str {
    match (publishers.contains(group), subscribers.contains(group)) {
        (true, true) => both,
        (true, false) => "P",
        (false, true) => "S",
        (false, false) => "",
    }
}

fn allowed<'a>(row: &Row<'a, MulticastGroup>) -> Vec<Row<'a, AccessPass>> {
    let passes = sorted::<AccessPass>(row.known).into_iter();
    let allowed = passes.filter(|pass| {
        !mode(
            &row.key,
            &pass.it.mgroup_pub_allowlist,
            &pass.it.mgroup_sub_allowlist,
            "PS",
        )
        .is_empty()
    });
    allowed.map(|pass| Row { key: row.key, ..pass }).collect()
}

fn members(row: &Row<'_, MulticastGroup>) -> Vec<(Pubkey, Member)> {
    let users = sorted::<User>(row.known).into_iter();
    let joined =
        users.filter(|user| !mode(&row.key, &user.it.publishers, &user.it.subscribers, "PS").is_empty());
    joined
        .map(|user| {
            (
                user.key,
                Member {
                    group: row.key,
                    user: user.it.clone(),
                },
            )
        })
        .collect()
}

fn rows<'a>(known: &'a Known, members: &'a [(Pubkey, Member)]) -> Vec<Row<'a, Member>> {
    members
        .iter()
        .map(|(key, it)| Row { key: *key, it, known })
        .collect()
}

fn location(known: &Known, device: &Pubkey) -> String {
    known
        .get::<Device>(device)
        .map_or_else(String::new, |device| location_name(known, &device.location_pk))
}

//! `warren access-pass`.

use std::net::Ipv4Addr;

use clap::{Args, Subcommand};
use serde_json::json;
use warren_api::client::Client;
use warren_ledger::accounts::{AccessPass, AccountType, Feed, MulticastGroup, PassType, Tenant};
use warren_state::Pubkey;

use super::{Column, Filter, Kind, Known, Operator, OutputFormat, Row, key, list, show, table::Cell};
use crate::{command::LedgerFlags, connect::host, operator::soon};

const DZF_LOCKED: u8 = 1;
const ALLOW_MULTIPLE_IP: u8 = 2;

/// What to look at among access passes.
#[derive(Subcommand, Clone, Debug)]
pub enum PassCommand {
    /// The network's access passes, or those that pass the filters.
    List(Box<PassFilter>),
    /// The pass that applies to a host.
    Get {
        /// The host's address, instead of this one's.
        #[arg(long, value_name = "IP")]
        client_ip: Option<Ipv4Addr>,
        /// The payer, instead of the keypair.
        #[arg(long, value_name = "KEY")]
        user_payer: Option<String>,
    },
}

/// Which of the network's passes are listed.
#[derive(Args, Clone, Debug, Default)]
pub struct PassFilter {
    /// Prepaid ones.
    #[arg(long)]
    prepaid: bool,
    /// Validators'.
    #[arg(long)]
    solana_validator: bool,
    /// The one of this validator.
    #[arg(long, value_name = "KEY")]
    solana_identity: Option<String>,
    /// Seats at feeds.
    #[arg(long)]
    edge_seat: bool,
    /// Those for this host.
    #[arg(long, value_name = "IP")]
    client_ip: Option<Ipv4Addr>,
    /// Those that this one pays for.
    #[arg(long, value_name = "KEY")]
    user_payer: Option<String>,
    /// Those of the keypair.
    #[arg(long, conflicts_with = "user_payer")]
    mine: bool,
    /// Those that admit to this tenant, by its code or account.
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// Those whose host may send to this group, by its code or account.
    #[arg(long, value_name = "GROUP")]
    multicast_group_publisher: Option<String>,
    /// Those whose host may not.
    #[arg(long, value_name = "GROUP")]
    not_multicast_group_publisher: Option<String>,
    /// Those whose host may receive from this group, by its code or account.
    #[arg(long, value_name = "GROUP")]
    multicast_group_subscriber: Option<String>,
    /// Those whose host may not.
    #[arg(long, value_name = "GROUP")]
    not_multicast_group_subscriber: Option<String>,
    /// Print shorter headings, for a narrow terminal.
    #[arg(long)]
    narrow: bool,
}

/// Runs one of them.
///
/// # Errors
/// When the ledger does not answer, or there is no such pass.
pub async fn run(
    flags: &LedgerFlags,
    daemon: &Client,
    command: PassCommand,
    form: OutputFormat,
) -> anyhow::Result<u8> {
    let operator = Operator::new(flags, daemon).await?;
    match command {
        PassCommand::List(mut filter) => {
            if filter.mine {
                filter.user_payer = Some(operator.keypair()?.keypair.pubkey().to_string());
            }
            list::<AccessPass>(&operator, &*filter, form).await
        }
        PassCommand::Get {
            client_ip,
            user_payer,
        } => {
            let client_ip = host::client_ip(daemon, client_ip).await?;
            let payer = user_payer.map_or_else(
                || operator.keypair().map(|found| found.keypair.pubkey()),
                |text| key(&text, "--user-payer"),
            )?;
            let found = operator.ledger.access_pass(client_ip, &payer, soon()).await?;
            let (address, _) = found.ok_or_else(|| host::no_pass(&payer, client_ip))?;
            let known = Known::read(&operator, AccountType::ACCESS_PASS, OF_ONE, None).await?;
            let row = super::find::<AccessPass>(&known, &address.to_string())?;
            show(&row, DETAILS, &[], form)
        }
    }
}

impl Filter<AccessPass> for PassFilter {
    fn is_narrow(&self) -> bool {
        self.narrow
    }

    fn admits(&self, Row { it, known, .. }: &Row<'_, AccessPass>) -> bool {
        let has =
            |keys: &[Pubkey], text: &str| keys.iter().any(|key| known.means::<MulticastGroup>(text, key));
        let (publishes, subscribes) = (
            |text: &String| has(&it.mgroup_pub_allowlist, text),
            |text: &String| has(&it.mgroup_sub_allowlist, text),
        );
        (!self.prepaid || it.pass_type == PassType::Prepaid)
            && (!self.solana_validator || matches!(it.pass_type, PassType::SolanaValidator(_)))
            && (!self.edge_seat || matches!(it.pass_type, PassType::EdgeSeat(_)))
            && self
                .solana_identity
                .as_ref()
                .is_none_or(|text| is_validators(it, text))
            && self.client_ip.is_none_or(|ip| it.client_ip == ip)
            && self
                .user_payer
                .as_ref()
                .is_none_or(|text| it.user_payer.to_string() == *text)
            && self.tenant.as_ref().is_none_or(|text| {
                it.tenant_allowlist
                    .iter()
                    .any(|key| known.means::<Tenant>(text, key))
            })
            && self.multicast_group_publisher.as_ref().is_none_or(publishes)
            && !self.not_multicast_group_publisher.as_ref().is_some_and(publishes)
            && self.multicast_group_subscriber.as_ref().is_none_or(subscribes)
            && !self
                .not_multicast_group_subscriber
                .as_ref()
                .is_some_and(subscribes)
    }
}

/// Whether it is the pass of this validator.
pub(super) fn is_validators(pass: &AccessPass, text: &str) -> bool {
    if let PassType::SolanaValidator(key) = &pass.pass_type {
        key.to_string() == text
    } else {
        false
    }
}

/// Types that one pass is told with.
const OF_ONE: &[AccountType] = &[
    AccountType::MULTICAST_GROUP,
    AccountType::TENANT,
    AccountType::FEED,
];

type Of = Column<AccessPass>;

impl Kind for AccessPass {
    const REFERS: &'static [AccountType] = &[AccountType::MULTICAST_GROUP, AccountType::TENANT];
    const COLUMNS: &'static [Column<Self>] = &[
        Of::new("account", |row| Cell::text(row.key)).narrow(),
        Of::new("accesspass_type", |row| Cell::text(type_name(row.it))).narrow(),
        Of::new("client_ip", |row| Cell::text(row.it.client_ip)).narrow(),
        Of::new("user_payer", |row| Cell::text(row.it.user_payer)).narrow(),
        Of::new("tenant", tenant).narrow(),
        Of::new("multicast", multicast).narrow(),
        Of::new("last_access_epoch", last_epoch).narrow_as("lst_epch"),
        Of::new("remaining_epoch", remaining_epoch).narrow_as("rem_epch"),
        Of::new("flags", |row| Cell::text(flags(row.it))).narrow(),
        Of::new("connections", |row| Cell::plain(row.it.connection_count)).narrow_as("conns"),
        Of::new("unicast_users", unicast_users).narrow(),
        Of::new("multicast_users", multicast_users).narrow(),
        Of::new("status", |row| Cell::name(row.it.status.name())).narrow(),
        Of::new("owner", |row| Cell::text(row.it.owner)).narrow(),
    ];
    type Order = Ipv4Addr;

    fn order(row: &Row<'_, Self>) -> Self::Order {
        row.it.client_ip
    }
}

const DETAILS: &[Column<AccessPass>] = &[
    Of::new("account", |row| Cell::text(row.key)),
    Of::new("accesspass_type", |row| Cell::text(type_name(row.it))).titled("type"),
    Of::hidden("feed_seats", feed_seats),
    Of::new("client_ip", |row| Cell::text(row.it.client_ip)),
    Of::new("user_payer", |row| Cell::text(row.it.user_payer)),
    Of::new("tenant", tenant),
    Of::new("multicast_pub", |row| {
        Cell::text(
            row.known
                .codes::<MulticastGroup>("", &row.it.mgroup_pub_allowlist)
                .join(", "),
        )
    }),
    Of::new("multicast_sub", |row| {
        Cell::text(
            row.known
                .codes::<MulticastGroup>("", &row.it.mgroup_sub_allowlist)
                .join(", "),
        )
    }),
    Of::new("last_access_epoch", last_epoch),
    Of::new("remaining_epoch", remaining_epoch),
    Of::new("flags", |row| Cell::text(flags(row.it))),
    Of::new("connections", |row| Cell::plain(row.it.connection_count)),
    Of::new("unicast_users", unicast_users),
    Of::new("multicast_users", multicast_users),
    Of::new("status", |row| Cell::name(row.it.status.name())),
    Of::new("owner", |row| Cell::text(row.it.owner)),
];

fn type_name(pass: &AccessPass) -> String {
    match &pass.pass_type {
        PassType::Prepaid => "prepaid".to_owned(),
        PassType::SolanaValidator(key) => format!("solana_validator: {key}"),
        PassType::SolanaRpc(key) => format!("solana_rpc: {key}"),
        PassType::Others { type_name, key } => format!("others: {type_name} ({key})"),
        PassType::EdgeSeat(seats) => format!("edge_seat: {} feed(s)", seats.len()),
    }
}

/// As the list of users tells of it.
pub(super) fn in_short(pass: &AccessPass) -> String {
    match &pass.pass_type {
        PassType::Prepaid if pass.last_access_epoch == u64::MAX => "Prepaid: (MAX)".to_owned(),
        PassType::Prepaid => format!("Prepaid: (expires epoch {})", pass.last_access_epoch),
        PassType::SolanaValidator(key) => format!("SolanaValidator: ({key})"),
        PassType::SolanaRpc(key) => format!("SolanaRPC: ({key})"),
        PassType::Others { type_name, key } => format!("Others: {type_name} ({key})"),
        PassType::EdgeSeat(seats) => format!("EdgeSeat: ({} feed(s))", seats.len()),
    }
}

fn tenant(row: &Row<'_, AccessPass>) -> Cell {
    Cell::text(row.known.codes::<Tenant>("", &row.it.tenant_allowlist).join(", "))
}

fn multicast(row: &Row<'_, AccessPass>) -> Cell {
    let mut groups = row
        .known
        .codes::<MulticastGroup>("P:", &row.it.mgroup_pub_allowlist);
    groups.extend(
        row.known
            .codes::<MulticastGroup>("S:", &row.it.mgroup_sub_allowlist),
    );
    Cell::text(groups.join(", "))
}

fn last_epoch(row: &Row<'_, AccessPass>) -> Cell {
    epochs(row, |last| last)
}

fn remaining_epoch(row: &Row<'_, AccessPass>) -> Cell {
    epochs(row, |last| last.saturating_sub(row.known.epoch))
}

fn epochs(row: &Row<'_, AccessPass>, told: impl FnOnce(u64) -> u64) -> Cell {
    Cell::text(if row.it.last_access_epoch == u64::MAX {
        "MAX".to_owned()
    } else {
        told(row.it.last_access_epoch).to_string()
    })
}

fn flags(pass: &AccessPass) -> String {
    let flags = [
        (DZF_LOCKED, "dzf_locked"),
        (ALLOW_MULTIPLE_IP, "allow_multiple_ip"),
    ];
    flags
        .into_iter()
        .filter(|(bit, _)| pass.flags & bit != 0)
        .map(|(_, name)| name)
        .collect::<Vec<_>>()
        .join(", ")
}

fn unicast_users(row: &Row<'_, AccessPass>) -> Cell {
    Cell::text(format!("{} / {}", row.it.unicast_user_count, row.it.max_unicast))
}

fn multicast_users(row: &Row<'_, AccessPass>) -> Cell {
    Cell::text(format!(
        "{} / {}",
        row.it.multicast_user_count, row.it.max_multicast
    ))
}

fn feed_seats(row: &Row<'_, AccessPass>) -> Cell {
    let PassType::EdgeSeat(seats) = &row.it.pass_type else {
        return Cell::both(String::new(), json!([]));
    };
    let seats = seats.iter().map(|seat| {
        let feed = row.known.code::<Feed>(&seat.feed);
        json!({ "feed": feed, "feed_pk": seat.feed.to_string(), "users": seat.current, "max_users": seat.max_users })
    });
    Cell::both(String::new(), seats.collect::<Vec<_>>())
}

//! `warren user`.

use std::net::Ipv4Addr;

use clap::{Args, Subcommand};
use warren_api::client::Client;
use warren_ledger::accounts::{
    AccessPass, AccountType, BgpStatus, Cyoa, Device, Location, MulticastGroup, PassType, Tenant, User,
    UserStatus,
};
use warren_state::Pubkey;

use super::{
    Column, Failure, Filter, Kind, Known, Operator, OutputFormat, Row, devices::location_name, find, list,
    passes, show, table::Cell, words,
};
use crate::{command::LedgerFlags, connect::host, output};

/// What to look at among users.
#[derive(Subcommand, Clone, Debug)]
pub enum UserCommand {
    /// The network's users, or those that pass the filters. Several values of a filter are separated by commas.
    List(Box<UserFilter>),
    /// One user.
    Get {
        /// Its account.
        #[arg(long, value_name = "USER")]
        pubkey: String,
    },
}

/// Which of the network's users are listed.
#[derive(Args, Clone, Debug, Default)]
pub struct UserFilter {
    /// Those with a prepaid pass.
    #[arg(long)]
    prepaid: bool,
    /// Those with a validator's pass.
    #[arg(long)]
    solana_validator: bool,
    /// Those of these validators.
    #[arg(long, value_delimiter = ',', value_name = "KEY,...")]
    solana_identity: Vec<String>,
    /// Those on these devices, by their codes or accounts.
    #[arg(long, value_delimiter = ',', value_name = "DEVICE,...")]
    device: Vec<String>,
    /// Those at these locations, by their codes or names.
    #[arg(long, value_delimiter = ',', value_name = "LOCATION,...")]
    location: Vec<String>,
    /// Those of these hosts.
    #[arg(long, value_delimiter = ',', value_name = "IP,...")]
    client_ip: Vec<Ipv4Addr>,
    /// This host's.
    #[arg(long, conflicts_with = "client_ip")]
    here: bool,
    /// Those that these made.
    #[arg(long, value_delimiter = ',', value_name = "KEY,...")]
    owner: Vec<String>,
    /// Those whose passes these pay for.
    #[arg(long, value_delimiter = ',', value_name = "KEY,...")]
    user_payer: Vec<String>,
    /// Those of these services.
    #[arg(long, value_delimiter = ',', value_name = "SERVICE,...")]
    user_type: Vec<String>,
    /// Those that reach their device in these ways.
    #[arg(long, value_delimiter = ',', value_name = "WAY,...")]
    cyoa_type: Vec<String>,
    /// Those with these addresses in the overlay.
    #[arg(long, value_delimiter = ',', value_name = "IP,...")]
    dz_ip: Vec<Ipv4Addr>,
    /// Those of these tunnels.
    #[arg(long, value_delimiter = ',', value_name = "ID,...")]
    tunnel_id: Vec<u16>,
    /// Those with these statuses.
    #[arg(long, value_delimiter = ',', value_name = "STATUS,...")]
    status: Vec<String>,
    /// Those that are in these groups, by their codes or accounts.
    #[arg(long, value_delimiter = ',', value_name = "GROUP,...")]
    multicast_group: Vec<String>,
    /// Those of these tenants, by their codes or accounts; without it the configuration's.
    #[arg(short, long, value_delimiter = ',', value_name = "TENANT,...")]
    tenant: Vec<String>,
    /// Those of all tenants.
    #[arg(long, conflicts_with = "tenant")]
    all_tenants: bool,
    /// Print only the columns that fit a narrow terminal.
    #[arg(long)]
    narrow: bool,
}

/// Runs one of them.
///
/// # Errors
/// When the ledger does not answer, or there is no such user.
pub async fn run(
    flags: &LedgerFlags,
    daemon: &Client,
    command: UserCommand,
    form: OutputFormat,
) -> anyhow::Result<u8> {
    let operator = Operator::new(flags, daemon).await?;
    match command {
        UserCommand::List(mut filter) => {
            if filter.here {
                filter.client_ip = vec![host::client_ip(daemon, None).await?];
            }
            filter.take_tenant(operator.config.tenant.as_deref());
            list::<User>(&operator, &*filter, form).await
        }
        UserCommand::Get { pubkey } => {
            super::key(&pubkey, "--pubkey")?;
            let known = Known::read(&operator, AccountType::USER, User::REFERS, None).await?;
            show(&find::<User>(&known, &pubkey)?, DETAILS, &[], form)
        }
    }
}

impl UserFilter {
    /// The configuration's tenant, where none is named.
    fn take_tenant(&mut self, configured: Option<&str>) {
        let Some(tenant) =
            configured.filter(|tenant| !tenant.is_empty() && !self.all_tenants && self.tenant.is_empty())
        else {
            return;
        };
        self.tenant = vec![tenant.to_owned()];
        if !super::name::is_reference() {
            output::note(&format!(
                "only users of the configuration's tenant {tenant:?} are shown; --all-tenants shows all"
            ));
        }
    }

    fn admits_pass(&self, pass: Option<&AccessPass>) -> bool {
        let of_type = |wanted: fn(&PassType) -> bool| pass.is_some_and(|pass| wanted(&pass.pass_type));
        (!self.prepaid || of_type(|of| matches!(of, PassType::Prepaid)))
            && (!self.solana_validator || of_type(|of| matches!(of, PassType::SolanaValidator(_))))
            && any(&self.solana_identity, |text| {
                pass.is_some_and(|pass| passes::is_validators(pass, text))
            })
            && any(&self.user_payer, |text| {
                pass.is_some_and(|pass| pass.user_payer.to_string() == *text)
            })
    }

    fn admits_place(&self, Row { it, known, .. }: &Row<'_, User>) -> bool {
        let location = known
            .get::<Device>(&it.device_pk)
            .and_then(|device| known.get::<Location>(&device.location_pk));
        any(&self.device, |text| known.means::<Device>(text, &it.device_pk))
            && any(&self.location, |text| {
                location.is_some_and(|place| place.code == *text || place.name == *text)
            })
    }
}

/// Whether one of a filter's values fits; a filter without values lets all pass.
fn any<T>(values: &[T], fits: impl Fn(&T) -> bool) -> bool {
    values.is_empty() || values.iter().any(fits)
}

impl Filter<User> for UserFilter {
    fn only_host(&self) -> Option<Ipv4Addr> {
        if let [only] = self.client_ip[..] {
            Some(only)
        } else {
            None
        }
    }

    fn is_narrow(&self) -> bool {
        self.narrow
    }

    fn check(&self, _known: &Known) -> Result<(), Failure> {
        for text in &self.status {
            words::must_be("status", UserStatus::NAMES, Some(text))?;
        }
        for text in &self.cyoa_type {
            words::must_be("CYOA type", Cyoa::NAMES, Some(text))?;
        }
        Ok(())
    }

    fn admits(&self, row: &Row<'_, User>) -> bool {
        let Row { it, known, .. } = row;
        let groups = || it.publishers.iter().chain(&it.subscribers);
        any(&self.client_ip, |ip| it.client_ip == *ip)
            && any(&self.owner, |text| it.owner.to_string() == *text)
            && any(&self.user_type, |text| {
                host::service_name(it.user_type).eq_ignore_ascii_case(text)
            })
            && any(&self.cyoa_type, |text| words::passes(Some(text), it.cyoa.name()))
            && any(&self.dz_ip, |ip| it.dz_ip == *ip)
            && any(&self.tunnel_id, |id| it.tunnel_id == *id)
            && any(&self.status, |text| words::passes(Some(text), it.status.name()))
            && any(&self.multicast_group, |text| {
                groups().any(|key| known.means::<MulticastGroup>(text, key))
            })
            && any(&self.tenant, |text| is_tenant(known, text, &it.tenant_pk))
            && self.admits_place(row)
            && self.admits_pass(known.pass_of(it))
    }
}

fn is_tenant(known: &Known, text: &str, key: &Pubkey) -> bool {
    key.to_string() == text
        || known
            .get::<Tenant>(key)
            .is_some_and(|tenant| tenant.code.eq_ignore_ascii_case(text))
}

type Of = Column<User>;

impl Kind for User {
    const REFERS: &'static [AccountType] = &[
        AccountType::DEVICE,
        AccountType::LOCATION,
        AccountType::MULTICAST_GROUP,
        AccountType::TENANT,
        AccountType::ACCESS_PASS,
    ];
    const COLUMNS: &'static [Column<Self>] = &[
        Of::new("account", |row| Cell::text(row.key)).narrow(),
        Of::new("tenant", tenant).narrow(),
        Of::new("user_type", |row| {
            Cell::text(host::service_name(row.it.user_type))
        })
        .narrow(),
        Of::hidden("device_pk", |row| Cell::text(row.it.device_pk)),
        Of::new("multicast", groups).titled("groups").narrow(),
        Of::hidden("publishers", |row| keys(&row.it.publishers)),
        Of::hidden("subscribers", |row| keys(&row.it.subscribers)),
        Of::new("device_name", device).titled("device").narrow(),
        Of::hidden("location_code", |row| {
            location(row, |known, key| known.code::<Location>(key))
        }),
        Of::new("location_name", |row| location(row, location_name)).titled("location"),
        Of::new("cyoa_type", |row| Cell::name(row.it.cyoa.name())),
        Of::new("client_ip", |row| Cell::text(row.it.client_ip)).narrow(),
        Of::new("dz_ip", |row| Cell::text(row.it.dz_ip)).narrow(),
        Of::new("accesspass", pass),
        Of::new("tunnel_id", |row| Cell::plain(row.it.tunnel_id)).narrow(),
        Of::new("tunnel_net", |row| Cell::text(row.it.tunnel_net)),
        Of::new("tunnel_endpoint", |row| Cell::text(row.it.tunnel_endpoint)),
        Of::new("status", |row| Cell::name(row.it.status.name())).narrow(),
        Of::new("bgp_status", |row| Cell::name(row.it.bgp_status.name())).narrow(),
        Of::hidden("bgp_rtt_ns", |row| Cell::plain(row.it.bgp_rtt_ns)),
        Of::new("bgp_rtt", rtt).titled("rtt"),
        Of::new("owner", |row| Cell::text(row.it.owner)).narrow(),
    ];
    type Order = (String, u16);

    fn order(row: &Row<'_, Self>) -> Self::Order {
        (row.known.code::<Device>(&row.it.device_pk), row.it.tunnel_id)
    }
}

const DETAILS: &[Column<User>] = &[
    Of::new("account", |row| Cell::text(row.key)),
    Of::new("user_type", |row| {
        Cell::text(host::service_name(row.it.user_type))
    }),
    Of::new("tenant", tenant),
    Of::hidden("device_pk", |row| Cell::text(row.it.device_pk)),
    Of::new("device", device),
    Of::new("cyoa_type", |row| Cell::name(row.it.cyoa.name())),
    Of::new("client_ip", |row| Cell::text(row.it.client_ip)),
    Of::new("tunnel_id", |row| Cell::plain(row.it.tunnel_id)),
    Of::new("tunnel_net", |row| Cell::text(row.it.tunnel_net)),
    Of::new("dz_ip", |row| Cell::text(row.it.dz_ip)),
    Of::new("tunnel_endpoint", |row| Cell::text(row.it.tunnel_endpoint)),
    Of::new("validator_pubkey", |row| Cell::text(row.it.validator_pubkey)),
    Of::new("accesspass", pass),
    Of::new("publishers", |row| {
        Cell::text(
            row.known
                .codes::<MulticastGroup>("", &row.it.publishers)
                .join(", "),
        )
    }),
    Of::new("subscribers", |row| {
        Cell::text(
            row.known
                .codes::<MulticastGroup>("", &row.it.subscribers)
                .join(", "),
        )
    }),
    Of::new("status", |row| Cell::name(row.it.status.name())),
    Of::new("bgp_status", |row| Cell::name(row.it.bgp_status.name())),
    Of::hidden("last_bgp_reported_at", |row| {
        Cell::plain(row.it.last_bgp_reported_at)
    }),
    Of::new("last_bgp_reported_at_str", |row| {
        slot(row.it.last_bgp_reported_at)
    })
    .titled("last_bgp_reported_at"),
    Of::hidden("last_bgp_up_at", |row| Cell::plain(row.it.last_bgp_up_at)),
    Of::new("last_bgp_up_at_str", |row| slot(row.it.last_bgp_up_at)).titled("last_bgp_up_at"),
    Of::hidden("bgp_rtt_ns", |row| Cell::plain(row.it.bgp_rtt_ns)),
    Of::new("bgp_rtt_str", rtt).titled("bgp_rtt"),
    Of::new("owner", |row| Cell::text(row.it.owner)),
];

fn tenant(row: &Row<'_, User>) -> Cell {
    Cell::text(row.known.code_if_any::<Tenant>(&row.it.tenant_pk))
}

fn device(row: &Row<'_, User>) -> Cell {
    Cell::text(row.known.code::<Device>(&row.it.device_pk))
}

fn location(row: &Row<'_, User>, told: fn(&Known, &Pubkey) -> String) -> Cell {
    let device = row.known.get::<Device>(&row.it.device_pk);
    Cell::text(device.map_or_else(String::new, |device| told(row.known, &device.location_pk)))
}

/// Its groups, in the ledger's order.
fn groups(row: &Row<'_, User>) -> Cell {
    let mut groups = row.known.codes::<MulticastGroup>("P:", &row.it.publishers);
    groups.extend(row.known.codes::<MulticastGroup>("S:", &row.it.subscribers));
    Cell::text(groups.join(","))
}

fn keys(keys: &[Pubkey]) -> Cell {
    Cell::text(
        keys.iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    )
}

fn pass(row: &Row<'_, User>) -> Cell {
    Cell::text(
        row.known
            .pass_of(row.it)
            .map_or_else(|| "none".to_owned(), passes::in_short),
    )
}

fn rtt(row: &Row<'_, User>) -> Cell {
    let is_known = row.it.bgp_status != BgpStatus::UNKNOWN && row.it.bgp_rtt_ns > 0;
    Cell::text(if is_known {
        words::milliseconds(row.it.bgp_rtt_ns)
    } else {
        "-".to_owned()
    })
}

fn slot(slot: u64) -> Cell {
    Cell::text(if slot == 0 {
        "-".to_owned()
    } else {
        format!("slot {slot}")
    })
}

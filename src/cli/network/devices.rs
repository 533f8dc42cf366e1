//! `warren device`.

use clap::Args;
use warren_api::client::Client;
use warren_ledger::accounts::{
    AccountType, Contributor, Cyoa, DesiredStatus, Device, DeviceHealth, DeviceStatus, DeviceType, Exchange,
    InterfaceV2, Location,
};
use warren_state::Pubkey;

use super::{
    Column, Filter, Kind, Known, ListOrGet, Name, Named as _, Operator, OutputFormat, Row, Width, find, list,
    show,
    table::{self, Cell},
    words,
};
use crate::{command::LedgerFlags, failure::Failure};

/// Which of the network's devices are listed.
#[derive(Args, Clone, Debug, Default)]
pub struct DeviceFilter {
    /// Those of this contributor, by its code or account.
    #[arg(short, long, value_name = "CONTRIBUTOR")]
    contributor: Option<String>,
    /// Those of this exchange, by its code or account.
    #[arg(long, value_name = "EXCHANGE")]
    exchange: Option<String>,
    /// Those at this location, by its code or account.
    #[arg(long, value_name = "LOCATION")]
    location: Option<String>,
    /// Those of this kind: hybrid, transit or edge.
    #[arg(long, value_name = "KIND")]
    device_type: Option<String>,
    /// Those with this status.
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Those with this health.
    #[arg(long, value_name = "HEALTH")]
    health: Option<String>,
    /// Those whose desired status is this.
    #[arg(long, value_name = "STATUS")]
    desired_status: Option<String>,
    /// Those whose code contains this.
    #[arg(long, value_name = "TEXT")]
    code: Option<String>,
    /// Print only the columns that fit a narrow terminal.
    #[arg(long)]
    narrow: bool,
}

/// Runs one of them.
///
/// # Errors
/// When the ledger does not answer, or there is no such device.
pub async fn run(
    flags: &LedgerFlags,
    daemon: &Client,
    command: ListOrGet<DeviceFilter>,
    form: OutputFormat,
) -> anyhow::Result<u8> {
    let operator = Operator::new(flags, daemon).await?;
    match command {
        ListOrGet::List(filter) => list::<Device>(&operator, &filter, form).await,
        ListOrGet::Get { code } => get(&operator, &code, form).await,
    }
}

async fn get(operator: &Operator, code: &str, form: OutputFormat) -> anyhow::Result<u8> {
    let known = Known::read(operator, Device::TYPE, Device::REFERS, None).await?;
    let row = find::<Device>(&known, code)?;
    let table = table::table(Name::called(), Width::Wide, INTERFACES, &interfaces(&row));
    show(&row, DETAILS, &[("interfaces", table)], form)
}

impl Filter<Device> for DeviceFilter {
    fn is_narrow(&self) -> bool {
        self.narrow
    }

    fn check(&self, known: &Known) -> Result<(), Failure> {
        known.must_have::<Contributor>("Contributor", self.contributor.as_ref())?;
        known.must_have::<Exchange>("Exchange", self.exchange.as_ref())?;
        known.must_have::<Location>("Location", self.location.as_ref())?;
        words::must_be("device type", DeviceType::NAMES, self.device_type.as_ref())?;
        words::must_be("status", DeviceStatus::NAMES, self.status.as_ref())?;
        words::must_be("health", DeviceHealth::NAMES, self.health.as_ref())?;
        words::must_be(
            "desired status",
            DesiredStatus::NAMES,
            self.desired_status.as_ref(),
        )
    }

    fn admits(&self, Row { it, known, .. }: &Row<'_, Device>) -> bool {
        known.passes::<Contributor>(self.contributor.as_ref(), &it.contributor)
            && known.passes::<Exchange>(self.exchange.as_ref(), &it.exchange_pk)
            && known.passes::<Location>(self.location.as_ref(), &it.location_pk)
            && words::passes(self.device_type.as_ref(), it.device_type.name())
            && words::passes(self.status.as_ref(), it.status.name())
            && words::passes(self.health.as_ref(), it.device_health.name())
            && words::passes(self.desired_status.as_ref(), it.desired_status.name())
            && self.code.as_ref().is_none_or(|text| it.code.contains(text))
    }
}

type Of = Column<Device>;

impl Kind for Device {
    const REFERS: &'static [AccountType] = &[
        AccountType::CONTRIBUTOR,
        AccountType::LOCATION,
        AccountType::EXCHANGE,
    ];
    const COLUMNS: &'static [Column<Self>] = &[
        Of::new("account", |row| Cell::text(row.key)).narrow(),
        Of::new("code", |row| Cell::text(&row.it.code)).narrow(),
        Of::hidden("bump_seed", |row| Cell::plain(row.it.bump)),
        Of::hidden("location_pk", |row| Cell::text(row.it.location_pk)),
        Of::new("contributor_code", contributor)
            .titled("contributor")
            .narrow(),
        Of::new("location_code", location).titled("location").narrow(),
        Of::hidden("location_name", |row| {
            Cell::text(location_name(row.known, &row.it.location_pk))
        }),
        Of::hidden("exchange_pk", |row| Cell::text(row.it.exchange_pk)),
        Of::new("exchange_code", exchange).titled("exchange").narrow(),
        Of::hidden("exchange_name", |row| Cell::text(exchange_name(row))),
        Of::new("device_type", device_type).narrow(),
        Of::new("public_ip", |row| Cell::text(row.it.public_ip)).narrow(),
        Of::new("dz_prefixes", prefixes),
        Of::new("cyoa_ips", cyoa_ips).narrow(),
        Of::new("users", |row| Cell::plain(row.it.users_count)).narrow(),
        Of::new("max_users", |row| Cell::plain(row.it.max_users)).narrow(),
        Of::new("free_unicast", free_unicast).narrow().ours(),
        Of::new("free_subscribers", free_subscribers).narrow().ours(),
        Of::new("free_publishers", free_publishers).narrow().ours(),
        Of::hidden("unicast_users_count", |row| {
            Cell::plain(row.it.unicast_users_count)
        }),
        Of::hidden("max_unicast_users", |row| Cell::plain(row.it.max_unicast_users)),
        Of::hidden("multicast_subscribers_count", |row| {
            Cell::plain(row.it.multicast_subscribers_count)
        }),
        Of::hidden("max_multicast_subscribers", |row| {
            Cell::plain(row.it.max_multicast_subscribers)
        }),
        Of::hidden("multicast_publishers_count", |row| {
            Cell::plain(row.it.multicast_publishers_count)
        }),
        Of::hidden("max_multicast_publishers", |row| {
            Cell::plain(row.it.max_multicast_publishers)
        }),
        Of::new("status", |row| Cell::name(row.it.status.name())).narrow(),
        Of::new("health", |row| Cell::name(row.it.device_health.name())).narrow(),
        Of::hidden("desired_status", |row| Cell::name(row.it.desired_status.name())),
        Of::new("mgmt_vrf", |row| Cell::text(&row.it.mgmt_vrf)),
        Of::hidden("metrics_publisher_pk", |row| Cell::text(row.it.metrics_publisher)),
        Of::hidden("reference_count", |row| Cell::plain(row.it.refcount)),
        Of::new("owner", |row| Cell::text(row.it.owner)),
    ];
    type Order = (String, String);

    fn order(row: &Row<'_, Self>) -> Self::Order {
        (exchange_name(row), row.it.code.clone())
    }
}

const DETAILS: &[Column<Device>] = &[
    Of::new("account", |row| Cell::text(row.key)),
    Of::new("code", |row| Cell::text(&row.it.code)),
    Of::hidden("contributor_pk", |row| Cell::text(row.it.contributor)),
    Of::new("contributor", contributor),
    Of::hidden("location_pk", |row| Cell::text(row.it.location_pk)),
    Of::new("location", location),
    Of::hidden("exchange_pk", |row| Cell::text(row.it.exchange_pk)),
    Of::new("exchange", exchange),
    Of::new("device_type", device_type),
    Of::new("public_ip", |row| Cell::text(row.it.public_ip)),
    Of::new("dz_prefixes", prefixes),
    Of::new("cyoa_ips", cyoa_ips),
    Of::new("metrics_publisher", |row| Cell::text(row.it.metrics_publisher)),
    Of::new("mgmt_vrf", |row| Cell::text(&row.it.mgmt_vrf)),
    Of::hidden("interfaces", |row| {
        Cell::list(table::records(Name::called(), INTERFACES, &interfaces(row)))
    }),
    Of::new("max_users", |row| Cell::plain(row.it.max_users)),
    Of::new("users_count", |row| Cell::plain(row.it.users_count)),
    Of::new("reference_count", |row| Cell::plain(row.it.refcount)),
    Of::new("max_unicast_users", |row| Cell::plain(row.it.max_unicast_users)),
    Of::new("unicast_users_count", |row| {
        Cell::plain(row.it.unicast_users_count)
    }),
    Of::new("max_multicast_subscribers", |row| {
        Cell::plain(row.it.max_multicast_subscribers)
    }),
    Of::new("multicast_subscribers_count", |row| {
        Cell::plain(row.it.multicast_subscribers_count)
    }),
    Of::new("max_multicast_publishers", |row| {
        Cell::plain(row.it.max_multicast_publishers)
    }),
    Of::new("multicast_publishers_count", |row| {
        Cell::plain(row.it.multicast_publishers_count)
    }),
    Of::new("reserved_seats", |row| Cell::plain(row.it.reserved_seats)),
    Of::new("free_unicast", free_unicast).ours(),
    Of::new("free_subscribers", free_subscribers).ours(),
    Of::new("free_publishers", free_publishers).ours(),
    Of::new("desired_status", |row| Cell::name(row.it.desired_status.name())),
    Of::new("status", |row| Cell::name(row.it.status.name())),
    Of::new("health", |row| Cell::name(row.it.device_health.name())),
    Of::new("owner", |row| Cell::text(row.it.owner)),
];

const INTERFACES: &[Column<InterfaceV2>] = &[
    Column::new("name", |row| Cell::text(&row.it.name)),
    Column::new("status", |row| Cell::name(row.it.status.name())),
    Column::new("interface_type", |row| Cell::name(row.it.itype.name())),
    Column::new("cyoa", |row| Cell::name(row.it.cyoa.name())),
    Column::new("dia", |row| Cell::name(row.it.dia.name())),
    Column::new("loopback", |row| Cell::name(row.it.loopback.name())),
    Column::new("ip_net", |row| Cell::text(row.it.ip_net)),
    Column::new("vlan_id", |row| Cell::plain(row.it.vlan)),
    Column::new("bandwidth", |row| Cell::text(words::bandwidth(row.it.bandwidth))),
    Column::hidden("bandwidth_bps", |row| Cell::plain(row.it.bandwidth)),
    Column::new("cir", |row| Cell::text(words::bandwidth(row.it.cir))),
    Column::hidden("cir_bps", |row| Cell::plain(row.it.cir)),
    Column::new("mtu", |row| Cell::plain(row.it.mtu)),
    Column::new("routing", |row| Cell::name(row.it.routing_mode.name())),
    Column::new("seg_idx", |row| Cell::plain(row.it.node_segment)),
    Column::new("tunnel_endpoint", |row| Cell::plain(row.it.ute)),
];

fn interfaces<'a>(row: &Row<'a, Device>) -> Vec<Row<'a, InterfaceV2>> {
    row.it
        .interfaces
        .iter()
        .map(|interface| Row {
            key: row.key,
            it: &interface.body,
            known: row.known,
        })
        .collect()
}

fn contributor(row: &Row<'_, Device>) -> Cell {
    Cell::text(row.known.code::<Contributor>(&row.it.contributor))
}

fn location(row: &Row<'_, Device>) -> Cell {
    Cell::text(row.known.code::<Location>(&row.it.location_pk))
}

fn exchange(row: &Row<'_, Device>) -> Cell {
    Cell::text(row.known.code::<Exchange>(&row.it.exchange_pk))
}

fn device_type(row: &Row<'_, Device>) -> Cell {
    Cell::name(row.it.device_type.name())
}

fn exchange_name(row: &Row<'_, Device>) -> String {
    let exchange = row.known.get::<Exchange>(&row.it.exchange_pk);
    exchange.map_or_else(
        || row.it.exchange_pk.to_string(),
        |exchange| exchange.name.clone(),
    )
}

/// The name of a location; its address where it is not known.
pub(super) fn location_name(known: &Known, key: &Pubkey) -> String {
    known
        .get::<Location>(key)
        .map_or_else(|| key.to_string(), |location| location.name.clone())
}

fn prefixes(row: &Row<'_, Device>) -> Cell {
    Cell::text(
        row.it
            .dz_prefixes
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(","),
    )
}

/// The addresses of the interfaces that users reach it by.
fn cyoa_ips(row: &Row<'_, Device>) -> Cell {
    let interfaces = row.it.interfaces.iter().map(|interface| &interface.body);
    let addresses = interfaces
        .filter(|body| body.cyoa != Cyoa::NONE)
        .map(|body| body.ip_net.address.to_string());
    Cell::text(addresses.collect::<Vec<_>>().join(","))
}

fn free_unicast(row: &Row<'_, Device>) -> Cell {
    free(row.it, row.it.unicast_users_count, row.it.max_unicast_users)
}

fn free_subscribers(row: &Row<'_, Device>) -> Cell {
    free(
        row.it,
        row.it.multicast_subscribers_count,
        row.it.max_multicast_subscribers,
    )
}

fn free_publishers(row: &Row<'_, Device>) -> Cell {
    free(
        row.it,
        row.it.multicast_publishers_count,
        row.it.max_multicast_publishers,
    )
}

/// How many more users of a kind the program would let in now. A limit of zero for a kind means no limit.
fn free(device: &Device, count: u16, limit: u16) -> Cell {
    let total = device
        .max_users
        .saturating_sub(device.users_count.saturating_add(device.reserved_seats));
    let of_kind = if limit == 0 {
        total
    } else {
        limit.saturating_sub(count)
    };
    let takes_users = device.status == DeviceStatus::ACTIVATED && !device.dz_prefixes.is_empty();
    Cell::plain(if takes_users { total.min(of_kind) } else { 0 })
}

//! `warren link`.

use clap::{Args, Subcommand};
use warren_api::client::Client;
use warren_ledger::accounts::{AccountType, Contributor, Device, Link, LinkStatus, LinkType, Topology};

use super::{Column, Filter, Kind, Known, Operator, OutputFormat, Row, list, table::Cell, words};
use crate::{command::LedgerFlags, failure::Failure};

/// Topologies leave a drained link out.
const UNICAST_DRAINED: u32 = 1;
const HEALTH: [&str; 4] = ["unknown", "pending", "ready_for_service", "impaired"];
const DESIRED: [(u8, &str); 4] = [
    (0, "pending"),
    (1, "activated"),
    (6, "hard_drained"),
    (7, "soft_drained"),
];

/// What to look at among links.
#[derive(Subcommand, Clone, Debug)]
pub enum LinkCommand {
    /// All of them, or those that pass the filters.
    List(LinkFilter),
}

/// Which of the network's links are listed.
#[derive(Args, Clone, Debug, Default)]
pub struct LinkFilter {
    /// Those of this contributor, by its code or account.
    #[arg(short, long, value_name = "CONTRIBUTOR")]
    contributor: Option<String>,
    /// Those that begin at this device, by its code or account.
    #[arg(long, value_name = "DEVICE")]
    side_a: Option<String>,
    /// Those that end at this device, by its code or account.
    #[arg(long, value_name = "DEVICE")]
    side_z: Option<String>,
    /// Those of this kind: WAN or DZX.
    #[arg(long, value_name = "KIND")]
    link_type: Option<String>,
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
    /// Those of this topology, by its name or account.
    #[arg(long, value_name = "TOPOLOGY")]
    topology: Option<String>,
    /// Those between sites.
    #[arg(long)]
    wan: bool,
    /// Those within an exchange.
    #[arg(long)]
    dzx: bool,
    /// Print only the columns that fit a narrow terminal.
    #[arg(long)]
    narrow: bool,
}

/// Lists links.
///
/// # Errors
/// When the ledger does not answer, or the filter names what is not there.
pub async fn run(
    flags: &LedgerFlags,
    daemon: &Client,
    command: LinkCommand,
    form: OutputFormat,
) -> anyhow::Result<u8> {
    let LinkCommand::List(filter) = command;
    list::<Link>(&Operator::new(flags, daemon).await?, &filter, form).await
}

impl Filter<Link> for LinkFilter {
    fn is_narrow(&self) -> bool {
        self.narrow
    }

    fn check(&self, known: &Known) -> Result<(), Failure> {
        known.must_have::<Contributor>("Contributor", self.contributor.as_ref())?;
        known.must_have::<Device>("Side A device", self.side_a.as_ref())?;
        known.must_have::<Device>("Side Z device", self.side_z.as_ref())?;
        known.must_have::<Topology>("Topology", self.topology.as_ref())?;
        words::must_be("link type", LinkType::NAMES, self.link_type.as_ref())?;
        words::must_be("status", LinkStatus::NAMES, self.status.as_ref())?;
        words::must_be("health", &HEALTH, self.health.as_ref())?;
        words::must_be(
            "desired status",
            &DESIRED.map(|(_, name)| name),
            self.desired_status.as_ref(),
        )
    }

    fn admits(&self, Row { it, known, .. }: &Row<'_, Link>) -> bool {
        known.passes::<Contributor>(self.contributor.as_ref(), &it.contributor)
            && known.passes::<Device>(self.side_a.as_ref(), &it.side_a)
            && known.passes::<Device>(self.side_z.as_ref(), &it.side_z)
            && words::passes(self.link_type.as_ref(), it.link_type.name())
            && words::passes(self.status.as_ref(), it.status.name())
            && words::passes(self.health.as_ref(), health(it))
            && words::passes(self.desired_status.as_ref(), desired(it))
            && self.code.as_ref().is_none_or(|text| it.code.contains(text))
            && self.topology.as_ref().is_none_or(|text| {
                it.link_topologies
                    .iter()
                    .any(|key| known.means::<Topology>(text, key))
            })
            && (!self.wan || it.link_type == LinkType::WAN)
            && (!self.dzx || it.link_type == LinkType::DZX)
    }
}

type Of = Column<Link>;

impl Kind for Link {
    const REFERS: &'static [AccountType] = &[
        AccountType::CONTRIBUTOR,
        AccountType::DEVICE,
        AccountType::TOPOLOGY,
    ];
    const COLUMNS: &'static [Column<Self>] = &[
        Of::new("account", |row| Cell::text(row.key)).narrow(),
        Of::new("code", |row| Cell::text(&row.it.code)).narrow(),
        Of::new("contributor_code", |row| {
            Cell::text(row.known.code::<Contributor>(&row.it.contributor))
        })
        .titled("contributor")
        .narrow(),
        Of::hidden("side_a_pk", |row| Cell::text(row.it.side_a)),
        Of::new("side_a_name", |row| {
            Cell::text(row.known.code::<Device>(&row.it.side_a))
        }),
        Of::new("side_a_iface_name", |row| Cell::text(&row.it.side_a_iface)).narrow(),
        Of::hidden("side_z_pk", |row| Cell::text(row.it.side_z)),
        Of::new("side_z_name", |row| {
            Cell::text(row.known.code::<Device>(&row.it.side_z))
        }),
        Of::new("side_z_iface_name", |row| Cell::text(&row.it.side_z_iface)).narrow(),
        Of::new("link_type", |row| Cell::name(row.it.link_type.name())).narrow(),
        Of::new("bandwidth", |row| {
            Cell::both(words::bandwidth(row.it.bandwidth), row.it.bandwidth)
        })
        .narrow(),
        Of::new("mtu", |row| Cell::plain(row.it.mtu)),
        Of::new("delay_ns", |row| span(row.it.delay_ns))
            .titled("delay_ms")
            .narrow(),
        Of::new("jitter_ns", |row| span(row.it.jitter_ns))
            .titled("jitter_ms")
            .narrow_as("jtr_ms"),
        Of::new("delay_override_ns", |row| span(row.it.delay_override_ns))
            .titled("delay_override_ms")
            .narrow_as("dly_ovrd_ms"),
        Of::new("tunnel_id", |row| Cell::plain(row.it.tunnel_id)).narrow_as("tnl_id"),
        Of::new("tunnel_net", |row| Cell::text(row.it.tunnel_net)),
        Of::hidden("desired_status", |row| Cell::name(desired(row.it))),
        Of::new("status", |row| Cell::name(row.it.status.name())).narrow(),
        Of::new("health", |row| Cell::name(health(row.it))).narrow(),
        Of::new("owner", |row| Cell::text(row.it.owner)),
        Of::new("link_topologies", |row| {
            Cell::text(
                row.known
                    .codes::<Topology>("", &row.it.link_topologies)
                    .join(", "),
            )
        })
        .narrow_as("topos"),
        Of::new("unicast_drained", |row| {
            Cell::plain(row.it.flags & UNICAST_DRAINED != 0)
        })
        .narrow(),
    ];
    type Order = (String, String, String);

    fn order(row: &Row<'_, Self>) -> Self::Order {
        (
            row.known.code::<Device>(&row.it.side_a),
            row.known.code::<Device>(&row.it.side_z),
            row.it.code.clone(),
        )
    }
}

fn span(nanoseconds: u64) -> Cell {
    Cell::both(words::milliseconds(nanoseconds), nanoseconds)
}

fn health(link: &Link) -> &'static str {
    HEALTH.get(usize::from(link.health)).copied().unwrap_or("unknown")
}

fn desired(link: &Link) -> &'static str {
    DESIRED
        .into_iter()
        .find(|(number, _)| *number == link.desired)
        .map_or("unknown", |(_, name)| name)
}

//! What a tunnel should be: plain data, the same for every backend.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::Ipv4Addr,
    sync::Arc,
};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{Asn, Exclusion, Incarnation, LinkName, RateWant, ServiceKind, TunnelId};

/// The MTU of a tunnel of which nothing else is said, and the largest that is taken from an underlay: what 1500 bytes leave,
/// as the reference has it. The other end sends no more, whatever this host's own network takes.
pub const USUAL_MTU: u16 = 1476;

/// The smallest MTU of a tunnel: every host takes packets of this size (RFC 791 section 3.1). Below it an underlay that is still
/// narrower gets fragments.
pub const SMALLEST_MTU: u16 = 576;

/// Everything that one tunnel consists of. Two equal specs ask for the same tunnel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TunnelSpec {
    /// Who asks for it.
    pub id: TunnelId,
    /// The service that it carries.
    pub kind: ServiceKind,
    /// The GRE link that the tunnel is made of.
    pub link: LinkSpec,
    /// The user's address in the overlay, when it has one of its own.
    pub dz_ip: Option<Ipv4Addr>,
    /// Addresses on the link.
    pub addresses: BTreeSet<Address>,
    /// Routes that do not come from the session.
    pub routes: BTreeSet<Route>,
    /// The policy rules that lead traffic into the tunnel.
    pub rules: BTreeSet<Rule>,
    /// The BGP session over the link.
    pub bgp: Option<BgpSpec>,
    /// What is said to the device about multicast groups.
    pub multicast: Option<MulticastSpec>,
    /// What the session may not teach us. Routes of the spec itself are not affected.
    #[serde(default, skip_serializing_if = "Exclusion::is_empty")]
    pub exclude: Exclusion,
    /// The far ends of all tunnels of this host, when routes of the session are installed: a route that contains one of them
    /// would send that tunnel's packets into this one, and stays out.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub far_ends: BTreeSet<Ipv4Addr>,
    /// How much may go through it.
    #[serde(default, skip_serializing_if = "RateWant::is_unlimited")]
    pub rate: RateWant,
}

/// Why a route that the session taught us stays out of the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeptOut {
    /// An operator excludes it.
    Excluded,
    /// It leads to this far end of a tunnel.
    LeadsTo(Ipv4Addr),
}

/// A part of what a tunnel should be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpecPart {
    /// The service that the user asks for.
    Service,
    /// Name, ends, TTL or MTU of the link.
    Link,
    /// The addresses on the link.
    Addresses,
    /// The routes that do not come from the session.
    Routes,
    /// The policy rules of the tunnel.
    Rules,
    /// Whether there is a session, and between whom.
    Session,
    /// Which groups are joined and announced.
    Multicast,
    /// What the session may not teach us: an operator's list.
    Exclusion,
    /// The same: the far ends of this host's tunnels.
    FarEnds,
    /// How much may go through it.
    Rate,
}

impl SpecPart {
    /// The name in events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Link => "link",
            Self::Addresses => "addresses",
            Self::Routes => "routes",
            Self::Rules => "rules",
            Self::Session => "session",
            Self::Multicast => "multicast",
            Self::Exclusion => "exclusion",
            Self::FarEnds => "far_ends",
            Self::Rate => "rate",
        }
    }
}

impl TunnelSpec {
    /// The parts that it has.
    #[must_use]
    pub fn parts(&self) -> BTreeSet<SpecPart> {
        let has = [
            (true, SpecPart::Service),
            (true, SpecPart::Link),
            (!self.addresses.is_empty(), SpecPart::Addresses),
            (!self.routes.is_empty(), SpecPart::Routes),
            (!self.rules.is_empty(), SpecPart::Rules),
            (self.bgp.is_some(), SpecPart::Session),
            (self.multicast.is_some(), SpecPart::Multicast),
            (!self.exclude.is_empty(), SpecPart::Exclusion),
            (!self.far_ends.is_empty(), SpecPart::FarEnds),
            (
                self.rate.rate().is_some_and(|rate| !rate.is_unlimited()),
                SpecPart::Rate,
            ),
        ];
        has.into_iter()
            .filter_map(|(has, part)| has.then_some(part))
            .collect()
    }

    /// The parts in which the two differ.
    #[must_use]
    pub fn differs_from(&self, other: &Self) -> BTreeSet<SpecPart> {
        let differs = [
            (self.kind != other.kind, SpecPart::Service),
            (self.link != other.link, SpecPart::Link),
            (
                self.addresses != other.addresses || self.dz_ip != other.dz_ip,
                SpecPart::Addresses,
            ),
            (self.routes != other.routes, SpecPart::Routes),
            (self.rules != other.rules, SpecPart::Rules),
            (self.bgp != other.bgp, SpecPart::Session),
            (self.multicast != other.multicast, SpecPart::Multicast),
            (self.exclude != other.exclude, SpecPart::Exclusion),
            (self.far_ends != other.far_ends, SpecPart::FarEnds),
            (self.rate != other.rate, SpecPart::Rate),
        ];
        differs
            .into_iter()
            .filter_map(|(differs, part)| differs.then_some(part))
            .collect()
    }

    /// Whether a route that the session taught us stays out, and why. Whether it leads to a far end is decided by containment:
    /// the route of the underlay that it would win against may come and go.
    #[must_use]
    pub fn keeps_out(&self, dst: &Ipv4Net) -> Option<KeptOut> {
        let within = self.far_ends.range(dst.network()..=dst.broadcast()).next();
        within
            .map(|end| KeptOut::LeadsTo(*end))
            .or_else(|| self.exclude.covers(dst).then_some(KeptOut::Excluded))
    }
}

/// The multicast part of a tunnel. The routes to the groups are among the tunnel's routes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MulticastSpec {
    /// Groups that applications of this host send to.
    pub publish: BTreeSet<Ipv4Addr>,
    /// Groups that applications of this host receive.
    pub subscribe: BTreeSet<Ipv4Addr>,
    /// Our address on the link.
    pub local_address: Ipv4Addr,
    /// The device's address on the link: the upstream neighbour of PIM joins.
    pub upstream: Ipv4Addr,
    /// The source of what is published: the user's overlay address. A host that only subscribes has none.
    pub source: Option<Ipv4Addr>,
    /// The root of the shared trees, and where Register messages go.
    pub rendezvous_point: Ipv4Addr,
}

/// Whether a route waits for its peer's liveness.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LivenessMode {
    /// Sessions observe; routes do not depend on them.
    Passive,
    /// A route is in place while the host behind it answers.
    Active,
}

/// A point-to-point GRE link (RFC 2784, no key, no checksum, no sequence numbers).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct LinkSpec {
    /// The name of the tunnel's interface, once it has one.
    pub name: LinkName,
    /// The outer source address.
    pub local: Ipv4Addr,
    /// The outer destination address.
    pub remote: Ipv4Addr,
    /// The outer time to live.
    pub ttl: u8,
    /// The largest inner packet, in bytes.
    pub mtu: u16,
}

/// An address on a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Address {
    /// The host's address, host bits included.
    pub address: Ipv4Addr,
    /// The prefix length, from 0 to 32.
    pub prefix_len: u8,
    /// Where the address is valid.
    pub scope: AddressScope,
}

/// Where an address is valid.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressScope {
    /// Everywhere; eligible as a source for any destination.
    Universe,
    /// On the link only; never chosen as a source for destinations beyond it.
    Link,
}

/// A routing table's number (254 is main).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TableId(pub u32);

impl TableId {
    /// linux/rtnetlink.h `RT_TABLE_MAIN`.
    pub const MAIN: Self = Self(254);
}

/// Who put a route there; the mark of ownership on routes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteProtocol {
    /// Part of the tunnel's spec.
    Static,
    /// Learned from the tunnel's session.
    Bgp,
}

named! {
    /// The name, as routing tools print it.
    RouteProtocol {
        Static => "static",
        Bgp => "bgp",
    }
}

/// A route over a tunnel's link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Route {
    /// The number of the routing table.
    pub table: TableId,
    /// The prefix that the route leads to.
    pub dst: Ipv4Net,
    /// The next hop, on the link.
    pub via: Ipv4Addr,
    /// The preferred source address.
    pub source: Option<Ipv4Addr>,
    /// Who put it there.
    pub protocol: RouteProtocol,
}

/// A policy rule: packets that match look into a table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Rule {
    /// What a packet must have for the rule to count. Rules on the destination are looked at before those on the source.
    pub selector: RuleSelector,
    /// The table to look into.
    pub table: TableId,
}

/// What a rule matches on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleSelector {
    /// The destination.
    To(Ipv4Net),
    /// The source.
    From(Ipv4Net),
}

/// The BGP session of a tunnel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BgpSpec {
    /// Our address on the link; also the router id.
    pub local_address: Ipv4Addr,
    /// The peer's address on the link.
    pub peer_address: Ipv4Addr,
    /// The AS number that we announce in our OPEN.
    pub local_asn: Asn,
    /// The AS that the peer must announce in its OPEN.
    pub peer_asn: Asn,
    /// The prefixes that we announce to the peer.
    pub advertise: BTreeSet<Ipv4Net>,
    /// Where received routes go; `None` installs nothing.
    pub install: Option<InstallSpec>,
    /// Which routes are accepted.
    pub policy: ImportPolicy,
}

/// Where routes from the session go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InstallSpec {
    /// The number of the routing table.
    pub table: TableId,
    /// The preferred source of the installed routes.
    pub source: Ipv4Addr,
    /// Routes stay in the kernel when they are withdrawn or the session closes, and go with the link only
    /// (as a user of IBRL with an allocated address has it).
    pub retain: bool,
    /// Whether the hosts behind the routes are probed, and what follows from it.
    pub liveness: Option<LivenessMode>,
}

impl InstallSpec {
    /// Whether routes wait for the hosts behind them to answer.
    #[must_use]
    pub fn withholds(&self) -> bool {
        self.liveness == Some(LivenessMode::Active) && !self.retain
    }
}

/// Import policy of a session. On top of it, a default route and a next hop other than the peer are never accepted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ImportPolicy {
    /// More prefixes than this close the session (Cease, RFC 4486 subcode 1).
    pub max_prefixes: u32,
    /// A prefix that contains one of these addresses is refused: the tunnel's own endpoints. For those of other tunnels,
    /// which come and go while the session goes on, see [`TunnelSpec::far_ends`].
    pub protected: BTreeSet<Ipv4Addr>,
}

/// The tunnels that the view, our role and the enable switch ask for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Desired {
    /// The tunnels to have, by identity.
    pub tunnels: BTreeMap<TunnelId, TunnelWant>,
}

/// A desired tunnel, with what is known at run time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TunnelWant {
    /// What it should be.
    pub spec: Arc<TunnelSpec>,
    /// The incarnation that a link made from now on carries.
    pub incarnation: Incarnation,
    /// The routes that the session taught us.
    pub learned: LearnedRoutes,
}

/// Routes learned from a session. "Nothing known yet" is not "no routes".
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LearnedRoutes {
    /// The session has not told us yet: BGP routes that are in place stay.
    #[default]
    Unknown,
    /// Exactly these: others with our protocol number on the link go.
    Known(BTreeSet<Route>),
    /// At least these: none that is in place is removed (the session is still sending its first table, or the
    /// service retains routes).
    AtLeast(BTreeSet<Route>),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} via {}", self.dst, self.via)?;
        if let Some(source) = self.source {
            write!(f, " src {source}")?;
        }
        write!(f, " proto {} table {}", self.protocol.name(), self.table.0)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.selector {
            RuleSelector::To(net) => write!(f, "to {net} lookup {}", self.table.0),
            RuleSelector::From(net) => write!(f, "from {net} lookup {}", self.table.0),
        }
    }
}

impl fmt::Display for LinkSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} gre {} -> {} ttl {} mtu {}",
            self.name, self.local, self.remote, self.ttl, self.mtu
        )
    }
}

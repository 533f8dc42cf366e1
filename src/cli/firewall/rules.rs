//! Rules of a packet filter, as far as they are understood here, and what they do to a packet. What is not understood may match
//! or not: a verdict that rests on it is not certain.

use std::{fmt, net::Ipv4Addr};

use ipnet::Ipv4Net;

/// Chains call each other no deeper (nftables allows 16, include/net/netfilter/nf_tables.h).
const DEPTH: usize = 16;

/// Every rule that IPv4 packets of this host meet.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ruleset {
    /// In no particular order.
    pub chains: Vec<Chain>,
}

/// A chain of rules.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chain {
    /// `ip` or `inet`.
    pub family: String,
    /// The table that it is in.
    pub table: String,
    /// The name that the kernel has it under.
    pub name: String,
    /// Where packets meet it, when not only by a call.
    pub base: Option<Base>,
    /// The rules, in the order in which a packet meets them.
    pub rules: Vec<Rule>,
}

/// Where packets meet a chain, and what becomes of those that no rule decides on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Base {
    /// `input`, `output`, `prerouting` or `postrouting`.
    pub hook: String,
    /// Whether it drops what no rule accepts.
    pub drops: bool,
}

/// A rule of a chain, as far as it is understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// As its tool shows it.
    pub text: String,
    /// All of them must match.
    pub tests: Vec<Test>,
    /// What becomes of a packet that the rule matches.
    pub action: Action,
}

/// One condition, or its opposite.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Test {
    /// What is looked at.
    pub field: Field,
    /// The values, of which one must match.
    pub values: Vec<Value>,
    /// None of them instead.
    pub negated: bool,
}

/// A part of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    /// The source address.
    Source,
    /// The destination address.
    Destination,
    /// The protocol above IP.
    Protocol,
    SourcePort,
    DestinationPort,
    /// The interface that it came in by.
    LinkIn,
    /// The interface that it leaves by.
    LinkOut,
    /// What connection tracking thinks of it.
    State,
    /// Something that is not understood here.
    Unknown,
}

/// What a part is held against.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// An address or a network.
    Net(Ipv4Net),
    /// Numbers, both ends included.
    Range(u32, u32),
    /// A word; one with `*` at its end matches all that begin so.
    OpenEnum(String),
    /// Something that is not understood here.
    Unknown,
}

/// What a rule does with a packet that matches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Lets it go on to the next base chain.
    Accept,
    /// Throws it away, with or without a word to the sender.
    Drop,
    /// Goes through another chain, and on here after it.
    Jump(String),
    /// Goes through another chain instead of the rest of this one.
    Goto(String),
    /// Ends this chain.
    Return,
    /// Counts, logs, marks …
    Nothing,
    /// Something that is not understood here.
    Unknown,
}

/// A packet that a tunnel needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Whether it comes in; otherwise it leaves.
    pub comes_in: bool,
    /// By this interface, where it is known.
    pub link: Option<String>,
    /// The address that the packet comes from.
    pub source: Ipv4Addr,
    /// The address that the packet goes to.
    pub destination: Ipv4Addr,
    /// The protocol above IP.
    pub protocol: Protocol,
}

/// The protocol above IP, with what filters look at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// Generic routing encapsulation.
    Gre,
    /// TCP, from a port to a port.
    Tcp(u16, u16),
    /// UDP that nobody here asked for, from whoever sends it and to any port.
    UnaskedUdp,
}

/// What becomes of a packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PacketVerdict {
    /// Every chain on the way lets it pass.
    Passes,
    /// This may stop it: a condition is not understood here.
    May(RuleLocation),
    /// A rule or policy that certainly drops it.
    Stopped(RuleLocation),
}

/// A rule, or a chain's policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleLocation {
    /// `ip` or `inet`.
    pub family: String,
    /// The number of the routing table.
    pub table: String,
    pub chain: String,
    /// The rule; the chain's policy otherwise.
    pub rule: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Certainty {
    No,
    Maybe,
    Yes,
}

enum Step {
    Accepted,
    Stopped(RuleLocation),
    GoesOn,
}

/// What is in doubt on the way through a base chain.
#[derive(Default)]
struct Doubt {
    /// Something before may have accepted the packet.
    accepted: bool,
    /// The first that may stop it.
    stopped: Option<RuleLocation>,
}

impl Ruleset {
    /// What becomes of the packet: every base chain on its way must let it pass.
    #[must_use]
    pub fn fate(&self, packet: &Packet) -> PacketVerdict {
        let hooks = if packet.comes_in {
            ["prerouting", "input"]
        } else {
            ["output", "postrouting"]
        };
        let mut may = None;
        for chain in self.chains.iter().filter(|chain| {
            chain
                .base
                .as_ref()
                .is_some_and(|base| hooks.contains(&base.hook.as_str()))
        }) {
            match self.through(chain, packet) {
                PacketVerdict::Stopped(place) => return PacketVerdict::Stopped(place),
                PacketVerdict::May(place) => may = may.or(Some(place)),
                PacketVerdict::Passes => {}
            }
        }
        may.map_or(PacketVerdict::Passes, PacketVerdict::May)
    }

    fn through(&self, chain: &Chain, packet: &Packet) -> PacketVerdict {
        let mut doubt = Doubt::default();
        let stopped = match self.walk(chain, packet, &mut doubt, DEPTH) {
            Step::Accepted => None,
            Step::Stopped(place) => Some(place),
            Step::GoesOn => chain
                .base
                .as_ref()
                .is_some_and(|base| base.drops)
                .then(|| chain.place(None)),
        };
        match (stopped, doubt.stopped) {
            (Some(place), _) if !doubt.accepted => PacketVerdict::Stopped(place),
            (_, Some(place)) | (Some(place), None) => PacketVerdict::May(place),
            (None, None) => PacketVerdict::Passes,
        }
    }

    fn walk(&self, chain: &Chain, packet: &Packet, doubt: &mut Doubt, depth: usize) -> Step {
        for rule in &chain.rules {
            let certainty = rule.matches(packet);
            if certainty == Certainty::No {
                continue;
            }
            let (step, ends) = match &rule.action {
                Action::Nothing => continue,
                Action::Accept => (Step::Accepted, false),
                Action::Drop => (Step::Stopped(chain.place(Some(rule))), false),
                Action::Return => (Step::GoesOn, true),
                Action::Unknown => {
                    doubt.accepted = true;
                    continue;
                }
                Action::Jump(name) | Action::Goto(name) => {
                    let ends = matches!(rule.action, Action::Goto(_));
                    match self.named(chain, name).filter(|_| depth > 0) {
                        Some(target) => (self.walk(target, packet, doubt, depth - 1), ends),
                        None => {
                            doubt.accepted = true;
                            continue;
                        }
                    }
                }
            };
            match (step, certainty) {
                (Step::GoesOn, Certainty::Yes) if ends => return Step::GoesOn,
                (Step::GoesOn, Certainty::Maybe) if ends => doubt.accepted = true,
                (Step::GoesOn, _) => {}
                (step, Certainty::Yes) => return step,
                (Step::Accepted, _) => doubt.accepted = true,
                (Step::Stopped(place), _) => doubt.stopped = doubt.stopped.take().or(Some(place)),
            }
        }
        Step::GoesOn
    }

    fn named(&self, from: &Chain, name: &str) -> Option<&Chain> {
        self.chains
            .iter()
            .find(|chain| (&chain.family, &chain.table) == (&from.family, &from.table) && chain.name == name)
    }
}

impl Chain {
    fn place(&self, rule: Option<&Rule>) -> RuleLocation {
        let (family, table, chain) = (self.family.clone(), self.table.clone(), self.name.clone());
        RuleLocation {
            family,
            table,
            chain,
            rule: rule.map(|rule| rule.text.clone()),
        }
    }
}

impl Rule {
    fn matches(&self, packet: &Packet) -> Certainty {
        self.tests
            .iter()
            .map(|test| test.holds(packet))
            .min()
            .unwrap_or(Certainty::Yes)
    }
}

impl Test {
    /// One that may hold or not.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            field: Field::Unknown,
            values: Vec::new(),
            negated: false,
        }
    }

    fn holds(&self, packet: &Packet) -> Certainty {
        let certainty = match packet.part(self.field) {
            Some(Part::Unknown) => Certainty::Maybe,
            Some(part) => self
                .values
                .iter()
                .map(|value| part.is(value))
                .max()
                .unwrap_or(Certainty::Maybe),
            // A packet that has no such part does not match, whatever is asked of it.
            None => return Certainty::No,
        };
        match (certainty, self.negated) {
            (Certainty::Yes, true) => Certainty::No,
            (Certainty::No, true) => Certainty::Yes,
            (certainty, _) => certainty,
        }
    }
}

enum Part<'a> {
    Address(Ipv4Addr),
    Number(u32),
    /// The protocol's number and name.
    Named(u32, &'static str),
    OpenEnum(&'a str),
    Unknown,
}

impl Packet {
    fn part(&self, field: Field) -> Option<Part<'_>> {
        let link = |here: bool| here.then(|| self.link.as_deref().map_or(Part::Unknown, Part::OpenEnum));
        match (field, self.protocol) {
            (Field::Source | Field::SourcePort | Field::DestinationPort, Protocol::UnaskedUdp) => {
                Some(Part::Unknown)
            }
            (Field::Protocol, Protocol::UnaskedUdp) => Some(Part::Named(17, "udp")),
            (Field::State, Protocol::UnaskedUdp) => Some(Part::OpenEnum("new")),
            (Field::Source, _) => Some(Part::Address(self.source)),
            (Field::Destination, _) => Some(Part::Address(self.destination)),
            (Field::Protocol, Protocol::Gre) => Some(Part::Named(47, "gre")),
            (Field::Protocol, Protocol::Tcp(..)) => Some(Part::Named(6, "tcp")),
            (Field::SourcePort, Protocol::Tcp(port, _))
            | (Field::DestinationPort, Protocol::Tcp(_, port)) => Some(Part::Number(u32::from(port))),
            (Field::SourcePort | Field::DestinationPort, Protocol::Gre) => None,
            (Field::LinkIn, _) => link(self.comes_in),
            (Field::LinkOut, _) => link(!self.comes_in),
            // This host speaks first, and what comes in answers it.
            (Field::State, _) => Some(Part::OpenEnum(if self.comes_in { "established" } else { "new" })),
            (Field::Unknown, _) => Some(Part::Unknown),
        }
    }
}

impl Part<'_> {
    fn is(&self, value: &Value) -> Certainty {
        let holds = match (self, value) {
            (Self::Address(address), Value::Net(net)) => net.contains(address),
            (Self::Number(number) | Self::Named(number, _), Value::Range(low, high)) => {
                (low..=high).contains(&number)
            }
            (Self::Named(_, name), Value::OpenEnum(word)) => word == name,
            (Self::OpenEnum(own), Value::OpenEnum(word)) => match word.strip_suffix('*') {
                Some(beginning) => own.starts_with(beginning),
                None => own == word,
            },
            (_, _) => return Certainty::Maybe,
        };
        if holds { Certainty::Yes } else { Certainty::No }
    }
}

impl fmt::Display for RuleLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            family,
            table,
            chain,
            rule,
        } = self;
        match rule {
            Some(rule) => write!(f, "table {family} {table}, chain {chain}: `{rule}`"),
            None => write!(
                f,
                "table {family} {table}, chain {chain}: its policy is to drop what no rule accepts"
            ),
        }
    }
}

#[cfg(test)]
mod tests;

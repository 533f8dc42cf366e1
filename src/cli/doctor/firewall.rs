//! Whether this host's own firewall keeps the tunnel from working: told by what the kernel refuses to send, by what the
//! tunnel's link counts, and, where they may be read, by the rules.

use std::net::Ipv4Addr;

use warren_state::{SessionCause, SessionStatus};

use super::{
    check::Check,
    icmp::Echo,
    net::Link,
    path::{Seen, Target},
};
use crate::firewall::{Packet, PacketVerdict, Protocol, RuleLocation, Ruleset};

const FIREWALL: &str = "firewall";
/// A port that a connection to the device comes from.
const OWN_PORT: u16 = 40_000;
const BGP_PORT: u16 = 179;

/// What is known of a tunnel's packets on this host.
pub struct Facts<'a> {
    /// The tunnel.
    pub target: &'a Target,
    /// What was seen of the way.
    pub seen: &'a Seen,
    /// The interface that the tunnel's packets leave by.
    pub uplink: Option<&'a Link>,
    /// The tunnel's link before something was sent through it, and after.
    pub link: Option<(&'a Link, &'a Link)>,
    /// Every rule, or why they cannot be read.
    pub rules: &'a Result<Ruleset, String>,
}

/// What was found.
pub struct Diagnosis {
    /// For the operator.
    pub check: Check,
    /// Whether this host itself stops the tunnel, so that nothing can be said of the device.
    pub stops: bool,
}

/// Works out the checks from what was gathered; changes and asks nothing.
pub fn judge(facts: &Facts<'_>) -> Diagnosis {
    if matches!(facts.seen.inside, Some(Echo::Reply(_))) {
        return Diagnosis {
            check: Check::pass(FIREWALL, "packets leave and come in through the tunnel"),
            stops: false,
        };
    }
    let stopped = facts.by_rule().or_else(|| facts.by_signs());
    match (stopped, facts.is_up()) {
        (Some(Stop { what, place }), false) => Diagnosis {
            check: Check::fail(FIREWALL, facts.told(what, place.as_ref()), fix(place.as_ref())),
            stops: true,
        },
        (Some(Stop { what, place }), true) => Diagnosis {
            check: Check::warn(FIREWALL, facts.told(what, place.as_ref()), fix(place.as_ref())),
            stops: false,
        },
        (None, _) => Diagnosis {
            check: facts.unsuspicious(),
            stops: false,
        },
    }
}

/// That this host stops packets.
struct Stop {
    what: String,
    place: Option<RuleLocation>,
}

impl Facts<'_> {
    fn is_up(&self) -> bool {
        self.session() == Some(SessionStatus::Up)
    }

    fn session(&self) -> Option<SessionStatus> {
        self.target.tunnel.as_ref()?.session.known()
    }

    /// The first of the tunnel's packets that a rule stops for certain.
    fn by_rule(&self) -> Option<Stop> {
        let rules = self.rules.as_ref().ok()?;
        self.packets()
            .into_iter()
            .find_map(|(what, packet)| match rules.fate(&packet) {
                PacketVerdict::Stopped(place) => Some(Stop {
                    what,
                    place: Some(place),
                }),
                PacketVerdict::May(_) | PacketVerdict::Passes => None,
            })
    }

    /// The first rule that may stop one of them.
    fn suspect(&self) -> Option<(String, RuleLocation)> {
        let rules = self.rules.as_ref().ok()?;
        self.packets()
            .into_iter()
            .find_map(|(what, packet)| match rules.fate(&packet) {
                PacketVerdict::May(place) => Some((what, place)),
                PacketVerdict::Stopped(_) | PacketVerdict::Passes => None,
            })
    }

    fn by_signs(&self) -> Option<Stop> {
        let stop = |what: String| {
            Some(Stop {
                what,
                place: self.suspect().map(|(_, place)| place),
            })
        };
        if matches!(self.seen.inside, Some(Echo::Forbidden(_))) {
            return stop(format!(
                "this host refuses to send to {} inside the tunnel",
                self.peer()
            ));
        }
        let cause = self
            .target
            .tunnel
            .as_ref()
            .and_then(|tunnel| tunnel.session_cause.as_ref()?.known());
        if cause == Some(SessionCause::ForbiddenHere) {
            return stop(format!(
                "this host does not let the daemon connect to {} inside the tunnel",
                self.peer()
            ));
        }
        let (before, after) = self.link?;
        let silent = self.seen.inside == Some(Echo::Silence) && !self.is_up() && !self.is_heard();
        let never_left = cause == Some(SessionCause::Silence) && after.sent == 0;
        if never_left || silent && after.sent == before.sent {
            return stop(format!("packets to {} do not enter {}", self.peer(), after.name));
        }
        if silent && after.unsent > before.unsent {
            return stop(format!(
                "packets enter {}, but this host does not send them on as GRE to {}",
                after.name, self.target.address
            ));
        }
        None
    }

    /// Packets that come in may be answers that this host drops, or packets that the device sends of its own accord.
    fn comes_in_unheard(&self) -> Option<&Link> {
        let (before, after) = self.link?;
        let silent = self.seen.inside == Some(Echo::Silence) && !self.is_up() && !self.is_heard();
        Some(after).filter(|after| silent && self.rules.is_err() && after.received > before.received)
    }

    /// Whether the daemon hears the device, whatever becomes of a ping.
    fn is_heard(&self) -> bool {
        matches!(
            self.session(),
            Some(SessionStatus::Initializing | SessionStatus::Failed)
        )
    }

    fn told(&self, what: String, place: Option<&RuleLocation>) -> String {
        match (place, self.rules) {
            (Some(place), _) => format!("this host's own firewall is in the way: {what} ({place})"),
            (None, Ok(_)) => format!(
                "this host itself is in the way: {what}, but no nftables or iptables rule is seen that does it"
            ),
            (None, Err(reason)) => {
                format!("this host's own firewall is in the way: {what}; its rules cannot be read ({reason})")
            }
        }
    }

    fn unsuspicious(&self) -> Check {
        match (self.suspect(), self.rules) {
            (Some((what, place)), _) if !self.is_up() => Check::warn(
                FIREWALL,
                format!("this host's own firewall may be in the way: perhaps {what} ({place})"),
                fix(Some(&place)),
            ),
            (_, Err(reason)) if self.comes_in_unheard().is_some() => Check::warn(
                FIREWALL,
                format!(
                    "packets from the device arrive through {}, but none is an answer: this host's own firewall may drop answers, or what is \
                     sent does not arrive; its rules cannot be read ({reason})",
                    self.target.name
                ),
                "`warren doctor` as root checks the rules; `warren firewall --print nft` prints what tunnels need",
            ),
            (_, Ok(_)) => Check::pass(FIREWALL, "no rule of this host stops what the tunnel needs"),
            (_, Err(reason)) if self.is_up() => Check::skip(
                FIREWALL,
                format!("the session is up; rules cannot be read ({reason})"),
            ),
            (_, Err(reason)) => Check::skip(
                FIREWALL,
                format!(
                    "no sign of one in the way; its rules cannot be read ({reason}): `warren doctor` as root looks at them"
                ),
            ),
        }
    }

    fn peer(&self) -> String {
        self.target
            .peer
            .map_or_else(|| "the device".to_owned(), |peer| peer.to_string())
    }

    /// What the tunnel needs, in the order in which it needs it.
    fn packets(&self) -> Vec<(String, Packet)> {
        let Some(tunnel) = &self.target.tunnel else {
            return Vec::new();
        };
        let uplink = self.uplink.map(|link| link.name.clone());
        let mut packets = Vec::new();
        if let Some(local) = tunnel
            .local
            .as_ref()
            .and_then(|local| local.parse::<Ipv4Addr>().ok())
        {
            let outside = both(
                uplink,
                (local, self.target.address),
                (Protocol::Gre, Protocol::Gre),
            );
            packets.extend(named(
                [
                    "GRE to the device does not leave",
                    "GRE from the device is dropped on arrival",
                ],
                outside,
            ));
        }
        if let Some((local, peer)) = self.target.local.zip(self.target.peer) {
            let bgp = (
                Protocol::Tcp(OWN_PORT, BGP_PORT),
                Protocol::Tcp(BGP_PORT, OWN_PORT),
            );
            let inside = both(tunnel.name.clone(), (local, peer), bgp);
            let names = [
                "BGP (TCP port 179) to the device does not enter the tunnel",
                "BGP answers from the device are dropped",
            ];
            packets.extend(named(names, inside));
        }
        packets
    }
}

fn named(names: [&str; 2], packets: [Packet; 2]) -> impl Iterator<Item = (String, Packet)> {
    names.map(str::to_owned).into_iter().zip(packets)
}

/// A packet that leaves, and its answer.
fn both(
    link: Option<String>,
    (here, there): (Ipv4Addr, Ipv4Addr),
    (out, back): (Protocol, Protocol),
) -> [Packet; 2] {
    [
        Packet {
            comes_in: false,
            link: link.clone(),
            source: here,
            destination: there,
            protocol: out,
        },
        Packet {
            comes_in: true,
            link,
            source: there,
            destination: here,
            protocol: back,
        },
    ]
}

/// In the form of the tool that made the rule.
fn fix(place: Option<&RuleLocation>) -> String {
    let command = match place {
        Some(place) if place.chain.starts_with("ufw") => "`warren firewall --print ufw | sh`",
        Some(place) if place.table == "filter" && ["INPUT", "OUTPUT"].contains(&place.chain.as_str()) => {
            "`warren firewall --print iptables | iptables-restore --noflush`"
        }
        Some(_) | None => "`warren firewall --print nft | nft -f -`",
    };
    format!(
        "remove that rule, or let through what tunnels need: {command}, as root (without the part after the pipe it is only printed)"
    )
}

#[cfg(test)]
mod tests;

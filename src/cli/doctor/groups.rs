//! Whether this host's own firewall drops what comes to groups out of a tunnel: PIM joins do not open it, since nobody here asks the senders.

use std::net::Ipv4Addr;

use super::{check::Check, path::Target};
use crate::firewall::{Packet, PacketVerdict, Protocol, Ruleset};

const GROUPS: &str = "multicast firewall";

/// Judges; nothing of a tunnel without groups.
pub fn judge(target: &Target, rules: &Result<Ruleset, String>) -> Option<Check> {
    let tunnel = target.tunnel.as_ref()?;
    let groups: Vec<Ipv4Addr> = tunnel
        .multicast
        .iter()
        .flat_map(|multicast| &multicast.joined)
        .filter_map(|group| group.parse().ok())
        .collect();
    if groups.is_empty() {
        return None;
    }
    let rules = match rules {
        Ok(rules) => rules,
        Err(reason) => {
            let detail =
                format!("its rules cannot be read ({reason}): `warren doctor` as root looks at them");
            return Some(Check::skip(GROUPS, detail));
        }
    };
    let packet = |group: Ipv4Addr| Packet {
        comes_in: true,
        link: tunnel.name.clone(),
        source: Ipv4Addr::UNSPECIFIED,
        destination: group,
        protocol: Protocol::UnaskedUdp,
    };
    let fates: Vec<(Ipv4Addr, PacketVerdict)> = groups
        .iter()
        .map(|group| (*group, rules.fate(&packet(*group))))
        .collect();
    let stopped = fates.iter().find_map(|(group, fate)| match fate {
        PacketVerdict::Stopped(place) => Some((group, place)),
        PacketVerdict::May(_) | PacketVerdict::Passes => None,
    });
    if let Some((group, place)) = stopped {
        let name = tunnel.name.as_deref().unwrap_or(&target.name);
        return Some(Check::fail(
            GROUPS,
            format!(
                "UDP to {group} that comes out of {name} is dropped by this host's own firewall ({place})"
            ),
            format!(
                "accept it before that rule: `nft insert rule inet filter input iifname {name} ip daddr {group} accept`, or `iptables -I INPUT -i {name} -d {group} -j ACCEPT`"
            ),
        ));
    }
    let may = fates
        .iter()
        .any(|(_, fate)| matches!(fate, PacketVerdict::May(_)));
    Some(Check::pass(
        GROUPS,
        if may {
            "traffic to the groups is accepted on some ports at least"
        } else {
            "no rule of this host stops traffic to the groups"
        },
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        doctor::check::Outcome,
        firewall::{Action, Base, Chain, Field, Rule, Test, Value},
        samples,
    };

    fn target(groups: &[&str]) -> Target {
        let mut tunnel = samples::tunnel();
        tunnel["multicast"] = json!({
            "joined": groups, "joined_total": groups.len(), "announced": [], "announced_total": 0, "last_said_unix_ms": null,
            "failing": null, "hellos": 0, "joins": 0, "prunes": 0, "heartbeats": 0, "registers": 0, "unsent": 0,
        });
        Target {
            name: "doublezero0".into(),
            address: Ipv4Addr::new(192, 0, 2, 2),
            tunnel: Some(serde_json::from_value(tunnel).unwrap()),
            peer: None,
            local: None,
        }
    }

    /// An input chain that drops what these conditions do not let in.
    fn input(accepts: &[(Field, Value)]) -> Ruleset {
        let rules = accepts.iter().map(|(field, value)| Rule {
            text: "accept".into(),
            tests: vec![Test {
                field: *field,
                values: vec![value.clone()],
                negated: false,
            }],
            action: Action::Accept,
        });
        let chain = Chain {
            family: "inet".into(),
            table: "filter".into(),
            name: "input".into(),
            base: Some(Base {
                hook: "input".into(),
                drops: true,
            }),
            rules: rules.collect(),
        };
        Ruleset { chains: vec![chain] }
    }

    fn outcome(accepts: &[(Field, Value)]) -> Outcome {
        judge(&target(&["233.84.178.1"]), &Ok(input(accepts)))
            .unwrap()
            .outcome
    }

    #[test]
    fn what_nobody_here_asked_for_is_dropped_by_a_firewall_that_only_lets_answers_in() {
        let answers = (Field::State, Value::OpenEnum("established".into()));
        assert_eq!(outcome(&[answers.clone()]), Outcome::Fail);
        let groups = (Field::Destination, Value::Net("224.0.0.0/4".parse().unwrap()));
        assert_eq!(outcome(&[answers.clone(), groups]), Outcome::Pass);
        let link = (Field::LinkIn, Value::OpenEnum("doublezero0".into()));
        assert_eq!(outcome(&[link]), Outcome::Pass);
        // Which port a group has is not known here, nor who sends: those rules may let it in.
        assert_eq!(
            outcome(&[(Field::DestinationPort, Value::Range(7733, 7733))]),
            Outcome::Pass
        );
        assert_eq!(
            outcome(&[(Field::Source, Value::Net("203.0.113.0/24".parse().unwrap()))]),
            Outcome::Pass
        );
        assert_eq!(
            outcome(&[(Field::Protocol, Value::OpenEnum("tcp".into()))]),
            Outcome::Fail
        );
    }

    #[test]
    fn nothing_is_said_without_groups_and_nothing_is_guessed_without_rules() {
        assert!(judge(&target(&[]), &Ok(input(&[]))).is_none());
        let unreadable = judge(&target(&["233.84.178.1"]), &Err("no".to_owned())).unwrap();
        assert_eq!(unreadable.outcome, Outcome::Skip);
    }
}

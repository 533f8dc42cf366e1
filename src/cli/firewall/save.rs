//! Rules as iptables-save(8) tells them.

use ipnet::Ipv4Net;

use super::rules::{Action, Base, Chain, Field, Rule, Ruleset, Test, Value};

/// Reads the tables in which packets are dropped.
pub fn parse(text: &str) -> Ruleset {
    let mut chains: Vec<Chain> = Vec::new();
    let mut table = String::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('*') {
            name.clone_into(&mut table);
        } else if table == "nat" {
            continue;
        } else if let Some(declared) = line.strip_prefix(':') {
            chains.extend(chain(&table, declared));
        } else if let Some(rest) = line.strip_prefix("-A ") {
            let (name, words) = rest.split_once(' ').unwrap_or((rest, ""));
            if let Some(chain) = chains
                .iter_mut()
                .find(|chain| chain.table == table && chain.name == name)
            {
                chain.rules.push(rule(line, words));
            }
        }
    }
    Ruleset { chains }
}

fn chain(table: &str, declared: &str) -> Option<Chain> {
    let mut words = declared.split_whitespace();
    let (name, policy) = (words.next()?, words.next()?);
    let hook = ["INPUT", "OUTPUT", "PREROUTING", "POSTROUTING", "FORWARD"]
        .into_iter()
        .find(|hook| *hook == name);
    let base = hook.filter(|_| policy != "-").map(|hook| Base {
        hook: hook.to_lowercase(),
        drops: policy == "DROP",
    });
    Some(Chain {
        family: "ip".to_owned(),
        table: table.to_owned(),
        name: name.to_owned(),
        base,
        rules: Vec::new(),
    })
}

fn rule(text: &str, words: &str) -> Rule {
    let mut rule = Rule {
        text: text.to_owned(),
        tests: Vec::new(),
        action: Action::Nothing,
    };
    let mut negated = false;
    let mut words = words.split_whitespace();
    while let Some(word) = words.next() {
        let mut take = |field, value: fn(&str) -> Vec<Value>| {
            let values = value(words.next().unwrap_or_default());
            rule.tests.push(Test {
                field,
                values,
                negated,
            });
        };
        match word {
            "!" => {
                negated = true;
                continue;
            }
            "-s" => take(Field::Source, nets),
            "-d" => take(Field::Destination, nets),
            "-p" => take(Field::Protocol, words_of),
            "-i" => take(Field::LinkIn, links),
            "-o" => take(Field::LinkOut, links),
            "--sport" | "--sports" => take(Field::SourcePort, ports),
            "--dport" | "--dports" => take(Field::DestinationPort, ports),
            "--state" | "--ctstate" => take(Field::State, words_of),
            "-j" => rule.action = action(words.next().unwrap_or_default()),
            "-g" => rule.action = Action::Goto(words.next().unwrap_or_default().to_owned()),
            "-m" => match words.next().unwrap_or_default() {
                "tcp" | "udp" | "multiport" | "conntrack" | "state" => {}
                "comment" => break_off(&mut words, &mut rule),
                _ => rule.tests.push(Test::unknown()),
            },
            // A target's options, and those of extensions that are not understood.
            _ => {}
        }
        negated = false;
    }
    rule
}

/// A comment may hold anything: what comes after it is found by its end.
fn break_off(words: &mut std::str::SplitWhitespace<'_>, rule: &mut Rule) {
    let rest: Vec<&str> = words.collect();
    let mut pairs = rest.windows(2).rev();
    match pairs
        .find(|pair| pair[0] == "-j" || pair[0] == "-g")
        .map(|pair| (pair[0], pair[1]))
    {
        Some(("-g", target)) => rule.action = Action::Goto(target.to_owned()),
        Some((_, target)) => rule.action = action(target),
        None => {}
    }
    if rest.len() > 4
        && rest
            .iter()
            .any(|word| word.starts_with("--") && !["--comment", "--reject-with"].contains(word))
    {
        rule.tests.push(Test::unknown());
    }
}

fn action(target: &str) -> Action {
    match target {
        "ACCEPT" => Action::Accept,
        "DROP" | "REJECT" => Action::Drop,
        "RETURN" => Action::Return,
        "NFQUEUE" | "QUEUE" | "TARPIT" => Action::Unknown,
        target if target.chars().all(|letter| letter.is_ascii_uppercase()) => Action::Nothing,
        chain => Action::Jump(chain.to_owned()),
    }
}

fn nets(word: &str) -> Vec<Value> {
    vec![word.parse::<Ipv4Net>().map_or(Value::Unknown, Value::Net)]
}

fn words_of(word: &str) -> Vec<Value> {
    let one = |word: &str| {
        word.parse().map_or_else(
            |_| Value::OpenEnum(word.to_lowercase()),
            |number| Value::Range(number, number),
        )
    };
    word.split(',').map(one).collect()
}

fn links(word: &str) -> Vec<Value> {
    vec![Value::OpenEnum(word.strip_suffix('+').map_or_else(
        || word.to_owned(),
        |beginning| format!("{beginning}*"),
    ))]
}

fn ports(word: &str) -> Vec<Value> {
    let one = |word: &str| {
        let (low, high) = word.split_once(':').unwrap_or((word, word));
        low.parse()
            .ok()
            .zip(high.parse().ok())
            .map_or(Value::Unknown, |(low, high)| Value::Range(low, high))
    };
    word.split(',').map(one).collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::firewall::{Packet, PacketVerdict, Protocol};

    const SAVED: &str = "*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:ufw-user-output - [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A OUTPUT -p tcp -m tcp --dport 443 -j ACCEPT
-A OUTPUT -j ufw-user-output
-A ufw-user-output -d 169.254.0.0/16 -p tcp -m multiport --dports 22,170:180 -m comment --comment \"no -j ACCEPT here\" -j REJECT --reject-with icmp-port-unreachable
-A ufw-user-output -p gre -m limit --limit 3/min -j DROP
COMMIT
";

    #[test]
    fn what_iptables_saves_is_understood() {
        let rules = parse(SAVED);
        let (here, there) = (Ipv4Addr::new(169, 254, 0, 1), Ipv4Addr::new(169, 254, 0, 0));
        let packet = |comes_in, protocol| Packet {
            comes_in,
            link: Some("doublezero0".into()),
            source: if comes_in { there } else { here },
            destination: if comes_in { here } else { there },
            protocol,
        };
        let PacketVerdict::Stopped(place) = rules.fate(&packet(false, Protocol::Tcp(40_000, 179))) else {
            panic!("it passes")
        };
        assert_eq!(
            (place.chain.as_str(), place.table.as_str()),
            ("ufw-user-output", "filter")
        );
        assert!(place.rule.unwrap().contains("-d 169.254.0.0/16"));
        assert!(
            matches!(rules.fate(&packet(false, Protocol::Gre)), PacketVerdict::May(_)),
            "a limit is not understood"
        );
        assert_eq!(
            rules.fate(&packet(true, Protocol::Tcp(179, 40_000))),
            PacketVerdict::Passes,
            "an answer"
        );
        assert_eq!(
            rules.fate(&packet(false, Protocol::Tcp(40_000, 443))),
            PacketVerdict::Passes
        );
    }
}

//! Rules as `nft -j list ruleset` tells them (libnftables-json(5)), with their words from `nft -a list ruleset`.

use std::{collections::BTreeMap, net::Ipv4Addr};

use ipnet::Ipv4Net;
use serde_json::Value as Json;

use super::rules::{Action, Base, Chain, Field, Rule, Ruleset, Test, Value};

/// By family, table and handle.
type Words = BTreeMap<(String, String, u64), String>;
type Sets = BTreeMap<(String, String, String), Vec<Value>>;

/// Reads both.
///
/// # Errors
/// When the first is no such document.
pub fn parse(json: &str, text: &str) -> Result<Ruleset, String> {
    let document: Json =
        serde_json::from_str(json).map_err(|error| format!("what nft says is not understood: {error}"))?;
    let objects = document["nftables"]
        .as_array()
        .ok_or("what nft says is not understood")?;
    let (words, sets) = (words(text), sets(objects));
    let mut chains: Vec<Chain> = objects
        .iter()
        .filter_map(|object| chain(object.get("chain")?))
        .collect();
    for object in objects {
        let Some(found) = object.get("rule") else { continue };
        let is_in = |chain: &&mut Chain| {
            (&chain.family, &chain.table, &chain.name)
                == (
                    &text_of(found, "family"),
                    &text_of(found, "table"),
                    &text_of(found, "chain"),
                )
        };
        if let Some(chain) = chains.iter_mut().find(is_in) {
            chain.rules.extend(rules(found, &words, &sets));
        }
    }
    Ok(Ruleset { chains })
}

fn text_of(object: &Json, name: &str) -> String {
    object[name].as_str().unwrap_or_default().to_owned()
}

/// IPv4 packets meet chains of these families only, and chains that translate drop nothing.
fn chain(object: &Json) -> Option<Chain> {
    let family = text_of(object, "family");
    if !["ip", "inet"].contains(&family.as_str()) {
        return None;
    }
    let hook = object["hook"].as_str().filter(|_| object["type"] != "nat");
    let base = hook.map(|hook| Base {
        hook: hook.to_owned(),
        drops: object["policy"] == "drop",
    });
    Some(Chain {
        family,
        table: text_of(object, "table"),
        name: text_of(object, "name"),
        base,
        rules: Vec::new(),
    })
}

fn sets(objects: &[Json]) -> Sets {
    let sets = objects.iter().filter_map(|object| object.get("set"));
    let key = |set: &Json| {
        (
            text_of(set, "family"),
            text_of(set, "table"),
            text_of(set, "name"),
        )
    };
    sets.map(|set| {
        (
            key(set),
            set["elem"].as_array().into_iter().flatten().map(value).collect(),
        )
    })
    .collect()
}

/// The words of each rule, without its counter.
fn words(text: &str) -> Words {
    let mut words = Words::new();
    let mut table = (String::new(), String::new());
    for line in text.lines() {
        let line = line.trim();
        let parts: Vec<&str> = line.split_whitespace().collect();
        if let ["table", family, name, ..] = parts[..] {
            table = (family.to_owned(), name.to_owned());
        }
        let Some((rule, handle)) = line.rsplit_once(" # handle ") else {
            continue;
        };
        if let Ok(handle) = handle.parse() {
            words.insert((table.0.clone(), table.1.clone(), handle), without_counter(rule));
        }
    }
    words
}

fn without_counter(rule: &str) -> String {
    let mut kept = Vec::new();
    let mut words = rule.split_whitespace();
    while let Some(word) = words.next() {
        if word == "counter" {
            let mut after = words.clone();
            if after.next() == Some("packets") {
                words.nth(3);
                continue;
            }
        }
        kept.push(word);
    }
    kept.join(" ")
}

/// A rule with a verdict map is as many rules as the map has entries.
fn rules(object: &Json, words: &Words, sets: &Sets) -> Vec<Rule> {
    let place = (text_of(object, "family"), text_of(object, "table"));
    let handle = object["handle"].as_u64().unwrap_or_default();
    let known = words.get(&(place.0.clone(), place.1.clone(), handle)).cloned();
    let text = known
        .clone()
        .unwrap_or_else(|| format!("rule with handle {handle}"));
    let mut tests = Vec::new();
    for statement in object["expr"].as_array().into_iter().flatten() {
        if let Some(found) = statement.get("match") {
            tests.extend(matching(found, &place, sets));
        } else if let Some(map) = statement.get("vmap") {
            return by_map(map, &text, &tests);
        } else if let Some(extension) = statement.get("xt") {
            match extended(extension, known.as_deref()) {
                Extended::Tests(more) => tests.extend(more),
                Extended::Does(action) => return vec![Rule { text, tests, action }],
            }
        } else if let Some(action) = verdict(statement) {
            return vec![Rule { text, tests, action }];
        } else if statement.get("limit").is_some() {
            tests.push(Test::unknown());
        }
    }
    vec![Rule {
        text,
        tests,
        action: Action::Nothing,
    }]
}

fn by_map(map: &Json, text: &str, tests: &[Test]) -> Vec<Rule> {
    let Some(entries) = map["data"]["set"].as_array() else {
        return vec![Rule {
            text: text.to_owned(),
            tests: tests.to_vec(),
            action: Action::Unknown,
        }];
    };
    let field = field(&map["key"]).0;
    let rule = |entry: &Json| {
        let test = Test {
            field,
            values: vec![value(&entry[0])],
            negated: false,
        };
        let action = verdict(&entry[1]).unwrap_or(Action::Unknown);
        Rule {
            text: text.to_owned(),
            tests: [tests, &[test]].concat(),
            action,
        }
    };
    entries.iter().map(rule).collect()
}

fn verdict(statement: &Json) -> Option<Action> {
    let (name, what) = statement.as_object()?.iter().next()?;
    let target = || what["target"].as_str().unwrap_or_default().to_owned();
    Some(match name.as_str() {
        "accept" => Action::Accept,
        "drop" | "reject" => Action::Drop,
        "jump" => Action::Jump(target()),
        "goto" => Action::Goto(target()),
        "return" => Action::Return,
        "queue" => Action::Unknown,
        _ => return None,
    })
}

enum Extended {
    Tests(Vec<Test>),
    Does(Action),
}

/// What iptables has beside nftables' own expressions. Its words tell what the document does not.
fn extended(extension: &Json, words: Option<&str>) -> Extended {
    let name = extension["name"].as_str().unwrap_or_default();
    match (extension["type"].as_str(), name) {
        (Some("target"), "REJECT") => Extended::Does(Action::Drop),
        (Some("target"), "NFQUEUE" | "TARPIT") => Extended::Does(Action::Unknown),
        (Some("target"), _) | (_, "comment") => Extended::Tests(vec![]),
        (_, "conntrack" | "state") => Extended::Tests(vec![states(words).unwrap_or_else(Test::unknown)]),
        (_, _) => Extended::Tests(vec![Test::unknown()]),
    }
}

fn states(words: Option<&str>) -> Option<Test> {
    let (_, rest) = words?.split_once("ct state ")?;
    let list = rest.split_whitespace().next()?;
    let values: Vec<Value> = list
        .split(',')
        .map(|state| Value::OpenEnum(state.to_owned()))
        .collect();
    (list != "!=").then_some(Test {
        field: Field::State,
        values,
        negated: false,
    })
}

fn matching(found: &Json, place: &(String, String), sets: &Sets) -> Vec<Test> {
    let (field, protocol) = field(&found["left"]);
    let right = &found["right"];
    let values = match right.as_str().and_then(|name| name.strip_prefix('@')) {
        Some(name) => sets
            .get(&(place.0.clone(), place.1.clone(), name.to_owned()))
            .cloned()
            .unwrap_or(vec![Value::Unknown]),
        None => match right["set"].as_array().or_else(|| right.as_array()) {
            Some(values) => values.iter().map(value).collect(),
            None => vec![value(right)],
        },
    };
    let negated = found["op"] == "!=";
    let field = if negated || ["==", "in"].iter().any(|op| found["op"] == *op) {
        field
    } else {
        Field::Unknown
    };
    // A field of a protocol is asked of packets of that protocol only.
    let implied = protocol.map(|word| Test {
        field: Field::Protocol,
        values: vec![Value::OpenEnum(word)],
        negated: false,
    });
    implied
        .into_iter()
        .chain([Test {
            field,
            values,
            negated,
        }])
        .collect()
}

/// What is looked at, and the protocol that this implies.
fn field(left: &Json) -> (Field, Option<String>) {
    if let Some(payload) = left.get("payload") {
        let name = payload["field"].as_str().unwrap_or_default();
        return match payload["protocol"].as_str().unwrap_or_default() {
            "ip" => (of_ip(name), None),
            "th" => (of_ports(name), None),
            "ip6" => (Field::Unknown, Some("ipv6".to_owned())),
            protocol => (of_ports(name), Some(protocol.to_owned())),
        };
    }
    let key = |kind: &str| left[kind]["key"].as_str().unwrap_or_default();
    let field = match (key("meta"), key("ct")) {
        ("iifname" | "iif", _) => Field::LinkIn,
        ("oifname" | "oif", _) => Field::LinkOut,
        ("l4proto", _) => Field::Protocol,
        (_, "state") => Field::State,
        (_, _) => Field::Unknown,
    };
    (field, None)
}

fn of_ip(name: &str) -> Field {
    match name {
        "saddr" => Field::Source,
        "daddr" => Field::Destination,
        "protocol" => Field::Protocol,
        _ => Field::Unknown,
    }
}

fn of_ports(name: &str) -> Field {
    match name {
        "sport" => Field::SourcePort,
        "dport" => Field::DestinationPort,
        _ => Field::Unknown,
    }
}

fn value(json: &Json) -> Value {
    if let Some(number) = json.as_u64().and_then(|number| u32::try_from(number).ok()) {
        return Value::Range(number, number);
    }
    if let Some(word) = json.as_str() {
        let address = word
            .parse::<Ipv4Addr>()
            .map(|address| Value::Net(Ipv4Net::from(address)));
        return address.unwrap_or_else(|_| Value::OpenEnum(word.replace("\\*", "*")));
    }
    if let Some(prefix) = json.get("prefix") {
        let address = prefix["addr"].as_str().and_then(|address| address.parse().ok());
        let length = prefix["len"]
            .as_u64()
            .and_then(|length| u8::try_from(length).ok());
        let net = address
            .zip(length)
            .and_then(|(address, length)| Ipv4Net::new(address, length).ok());
        return net.map_or(Value::Unknown, Value::Net);
    }
    if let [low, high] = json["range"].as_array().map(Vec::as_slice).unwrap_or_default()
        && let (Value::Range(low, _), Value::Range(_, high)) = (value(low), value(high))
    {
        return Value::Range(low, high);
    }
    Value::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::{Packet, PacketVerdict, Protocol};

    /// `nft add table ip hunt`, and what iptables and ufw make of theirs, as nft 1.0.6 tells of them.
    const JSON: &str = r#"{"nftables": [
        {"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
        {"table": {"family": "ip", "name": "filter", "handle": 1}},
        {"chain": {"family": "ip", "table": "filter", "name": "OUTPUT", "handle": 1, "type": "filter", "hook": "output", "prio": 0, "policy": "accept"}},
        {"chain": {"family": "ip", "table": "filter", "name": "INPUT", "handle": 3, "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}},
        {"chain": {"family": "ip", "table": "filter", "name": "ufw-user-output", "handle": 5}},
        {"chain": {"family": "ip6", "table": "filter", "name": "OUTPUT", "handle": 1, "type": "filter", "hook": "output", "prio": 0, "policy": "drop"}},
        {"set": {"family": "ip", "name": "bad", "table": "filter", "type": "ipv4_addr", "handle": 10, "elem": ["10.0.0.1", {"prefix": {"addr": "169.254.0.0", "len": 16}}]}},
        {"rule": {"family": "ip", "table": "filter", "chain": "OUTPUT", "handle": 6, "expr": [{"counter": {"packets": 0, "bytes": 0}}, {"jump": {"target": "ufw-user-output"}}]}},
        {"rule": {"family": "ip", "table": "filter", "chain": "INPUT", "handle": 4, "expr": [{"xt": {"type": "match", "name": "conntrack"}}, {"counter": {"packets": 0, "bytes": 0}}, {"accept": null}]}},
        {"rule": {"family": "ip", "table": "filter", "chain": "ufw-user-output", "handle": 7, "expr": [
            {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": "@bad"}},
            {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": {"set": [22, {"range": [170, 180]}]}}},
            {"counter": {"packets": 3, "bytes": 180}}, {"xt": {"type": "target", "name": "REJECT"}}]}},
        {"rule": {"family": "ip", "table": "filter", "chain": "ufw-user-output", "handle": 8, "expr": [
            {"vmap": {"key": {"meta": {"key": "l4proto"}}, "data": {"set": [["udp", {"accept": null}], ["gre", {"drop": null}]]}}}]}}
    ]}"#;
    const TEXT: &str = r"table ip filter { # handle 1
	chain OUTPUT { # handle 1
		type filter hook output priority filter; policy accept;
		counter packets 0 bytes 0 jump ufw-user-output # handle 6
	}

	chain INPUT { # handle 3
		type filter hook input priority filter; policy drop;
		ct state related,established counter packets 0 bytes 0 accept # handle 4
	}

	chain ufw-user-output { # handle 5
		ip daddr @bad tcp dport { 22, 170-180 } counter packets 3 bytes 180 reject # handle 7
		meta l4proto vmap { udp : accept, gre : drop } # handle 8
	}
}
";

    fn packet(comes_in: bool, protocol: Protocol) -> Packet {
        let ends = (Ipv4Addr::new(169, 254, 0, 1), Ipv4Addr::new(169, 254, 0, 0));
        let (source, destination) = if comes_in { (ends.1, ends.0) } else { ends };
        Packet {
            comes_in,
            link: Some("doublezero0".into()),
            source,
            destination,
            protocol,
        }
    }

    fn stopped(rules: &Ruleset, packet: &Packet) -> String {
        match rules.fate(packet) {
            PacketVerdict::Stopped(place) => place.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_rule_that_stops_a_packet_is_named_with_its_table_its_chain_and_its_words() {
        let rules = parse(JSON, TEXT).unwrap();
        assert_eq!(
            stopped(&rules, &packet(false, Protocol::Tcp(40_000, 179))),
            "table ip filter, chain ufw-user-output: `ip daddr @bad tcp dport { 22, 170-180 } reject`"
        );
        assert_eq!(
            stopped(&rules, &packet(false, Protocol::Gre)),
            "table ip filter, chain ufw-user-output: `meta l4proto vmap { udp : accept, gre : drop }`"
        );
        assert_eq!(
            rules.fate(&packet(false, Protocol::Tcp(40_000, 443))),
            PacketVerdict::Passes,
            "chains of IPv6 do not count"
        );
        assert_eq!(
            rules.fate(&packet(true, Protocol::Tcp(179, 40_000))),
            PacketVerdict::Passes,
            "iptables' own match is read from its words"
        );
    }

    #[test]
    fn without_its_words_iptables_own_match_is_not_understood_and_nothing_is_certain() {
        let rules = parse(JSON, "").unwrap();
        assert!(
            matches!(rules.fate(&packet(true, Protocol::Tcp(179, 40_000))), PacketVerdict::May(place) if place.rule.is_none())
        );
        assert!(parse("nonsense", "").is_err() && parse("{}", "").is_err());
    }
}

//! `warren firewall --print`: what this host's firewall has to let through, in the form of the tool that keeps its rules.

use std::net::Ipv4Addr;

use futures_util::future::join_all;
use serde_json::{Value, json};
use warren_api::{
    client::Client,
    v3::{self, TunnelReply},
};
use warren_protocols::{liveness, multicast::codec as multicast};

use super::{Ruleset, read};
use crate::{command::Tool, output};

/// IP protocol numbers (IANA): nftables and iptables take them whether or not /etc/protocols is there.
const ICMP: u8 = 1;
const IGMP: u8 = 2;
const TCP: u8 = 6;
const UDP: u8 = multicast::UDP_PROTOCOL;
const GRE: u8 = 47;
const PIM: u8 = multicast::PIM_PROTOCOL;
const BGP_PORT: u16 = 179;
/// The interfaces of tunnels that are not known yet.
const LINKS: &str = "doublezero";

/// Prints the rules that this host's tunnels need. Nothing is changed.
///
/// # Errors
/// When the daemon does not answer, or standard output cannot be written.
pub async fn run(client: &Client, tool: Tool, as_json: bool) -> anyhow::Result<u8> {
    let status = client.status().await?;
    let targets: Vec<String> = status
        .tunnels
        .iter()
        .map(|tunnel| format!("/v3/tunnels/{}", tunnel.id))
        .collect();
    let specs = join_all(targets.iter().map(|target| client.read::<TunnelReply>(target))).await;
    let tunnels: Vec<Ends> = specs.iter().flatten().filter_map(ends).collect();
    let rules = read().await;
    let lines = lines(tool, &needs(&tunnels), rules.as_ref().ok(), tunnels.is_empty());
    if as_json {
        return output::json(
            &json!({ "schema": v3::SCHEMA, "tool": tool.name(), "tunnels": tunnels.len(), "lines": lines }),
        );
    }
    output::text(&(lines.join("\n") + "\n"))
}

/// What of a tunnel a firewall sees.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Ends {
    link: String,
    /// Outside: this host's end and the device's.
    outer: (Ipv4Addr, Ipv4Addr),
    /// Inside, where there is a session.
    inner: Option<(Ipv4Addr, Ipv4Addr)>,
    probes_hosts: bool,
    /// Groups of these are sent to, and received from.
    publishes: Vec<Ipv4Addr>,
    subscribes: Vec<Ipv4Addr>,
}

fn ends(reply: &TunnelReply) -> Option<Ends> {
    let address = |value: &Value| value.as_str()?.parse::<Ipv4Addr>().ok();
    let groups = |name: &str| {
        reply.spec["multicast"][name]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(address)
            .collect()
    };
    let bgp = &reply.spec["bgp"];
    Some(Ends {
        link: reply.tunnel.name.clone()?,
        outer: (
            reply.tunnel.local.as_ref()?.parse().ok()?,
            reply.tunnel.remote.as_ref()?.parse().ok()?,
        ),
        inner: address(&bgp["local_address"]).zip(address(&bgp["peer_address"])),
        probes_hosts: !bgp["install"]["liveness"].is_null(),
        publishes: groups("publish"),
        subscribes: groups("subscribe"),
    })
}

/// Packets that are to pass.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Need {
    comes_in: bool,
    link: Option<String>,
    source: Option<Ipv4Addr>,
    destination: Option<Ipv4Addr>,
    protocol: u8,
    source_port: Option<u16>,
    destination_port: Option<u16>,
}

/// What all tunnels need; without any, what those need that may come.
fn needs(tunnels: &[Ends]) -> Vec<Need> {
    let mut needs: Vec<Need> = tunnels.iter().flat_map(of_tunnel).collect();
    if tunnels.is_empty() {
        let link = Some(format!("{LINKS}*"));
        needs.extend(both(&Need::of(GRE)));
        needs.extend(both(&Need {
            link: link.clone(),
            destination_port: Some(BGP_PORT),
            ..Need::of(TCP)
        }));
        needs.extend(both(&Need {
            link,
            destination_port: Some(liveness::PORT),
            ..Need::of(UDP)
        }));
    }
    needs
}

fn of_tunnel(tunnel: &Ends) -> Vec<Need> {
    let (local, device) = tunnel.outer;
    let on = |protocol| Need {
        link: Some(tunnel.link.clone()),
        ..Need::of(protocol)
    };
    let mut needs = both(&Need {
        source: Some(local),
        destination: Some(device),
        ..Need::of(GRE)
    })
    .to_vec();
    if let Some((own, peer)) = tunnel.inner {
        let to_peer = |protocol| Need {
            source: Some(own),
            destination: Some(peer),
            ..on(protocol)
        };
        needs.extend(both(&Need {
            destination_port: Some(BGP_PORT),
            ..to_peer(TCP)
        }));
        needs.extend(both(&to_peer(ICMP)));
    }
    if tunnel.probes_hosts {
        // Both ends speak from this port to this port, and either may be the first.
        needs.extend(both(&Need {
            source_port: Some(liveness::PORT),
            destination_port: Some(liveness::PORT),
            ..on(UDP)
        }));
    }
    if !tunnel.publishes.is_empty() || !tunnel.subscribes.is_empty() {
        needs.extend([PIM, IGMP].iter().flat_map(|protocol| both(&on(*protocol))));
    }
    if !tunnel.publishes.is_empty() {
        needs.push(Need {
            destination_port: Some(multicast::HEARTBEAT_PORT),
            ..on(UDP)
        });
    }
    needs.extend(tunnel.publishes.iter().map(|group| Need {
        destination: Some(*group),
        ..on(UDP)
    }));
    needs.extend(tunnel.subscribes.iter().map(|group| Need {
        comes_in: true,
        destination: Some(*group),
        ..on(UDP)
    }));
    needs
}

impl Need {
    /// What leaves, of this protocol.
    fn of(protocol: u8) -> Self {
        Self {
            comes_in: false,
            link: None,
            source: None,
            destination: None,
            protocol,
            source_port: None,
            destination_port: None,
        }
    }
}

/// It, and what answers it.
fn both(need: &Need) -> [Need; 2] {
    let answer = Need {
        comes_in: !need.comes_in,
        source: need.destination,
        destination: need.source,
        source_port: need.destination_port,
        destination_port: need.source_port,
        ..need.clone()
    };
    [need.clone(), answer]
}

fn lines(tool: Tool, needs: &[Need], rules: Option<&Ruleset>, is_general: bool) -> Vec<String> {
    let mut lines = vec![match tool {
        Tool::Nft => "# What warrend's tunnels need. As root: warren firewall --print nft | nft -f -".to_owned(),
        Tool::Iptables => {
            "# What warrend's tunnels need. As root: warren firewall --print iptables | iptables-restore --noflush".to_owned()
        }
        Tool::Ufw => "# What warrend's tunnels need. As root: warren firewall --print ufw | sh".to_owned(),
    }];
    if is_general {
        lines.push(
            "# There are no tunnels yet: these rules are for any device. Print them again once there is one."
                .to_owned(),
        );
    }
    lines.extend(match tool {
        Tool::Nft => nft(needs, rules),
        Tool::Iptables => iptables(needs),
        Tool::Ufw => ufw(needs),
    });
    lines
}

/// A chain that drops is not overruled by another one that accepts: the rules go into each chain that these packets meet.
fn nft(needs: &[Need], rules: Option<&Ruleset>) -> Vec<String> {
    let chains = |hook: &str| {
        let is_met = |family: &str| ["ip", "inet"].contains(&family);
        let met = rules
            .into_iter()
            .flat_map(|rules| &rules.chains)
            .filter(move |chain| is_met(&chain.family));
        let hooked = met.filter(|chain| chain.base.as_ref().is_some_and(|base| base.hook == hook));
        hooked
            .map(|chain| (chain.family.clone(), chain.table.clone(), chain.name.clone()))
            .collect::<Vec<_>>()
    };
    let (mut inputs, mut outputs) = (chains("input"), chains("output"));
    let mut lines = Vec::new();
    if inputs.is_empty() && outputs.is_empty() {
        lines.push(match rules {
            Some(_) => "# This host has no chain that such packets meet: nothing stops them, and this changes nothing.".to_owned(),
            None => "# This host's rules cannot be read: as root, the rules go into the chains that are there.".to_owned(),
        });
        for (chains, hook) in [(&mut inputs, "input"), (&mut outputs, "output")] {
            chains.push(("inet".to_owned(), "filter".to_owned(), hook.to_owned()));
            lines.push("add table inet filter".to_owned());
            lines.push(format!(
                "add chain inet filter {hook} {{ type filter hook {hook} priority 0; }}"
            ));
        }
    }
    for need in needs {
        for (family, table, chain) in if need.comes_in { &inputs } else { &outputs } {
            lines.push(format!(
                "insert rule {family} {table} {chain} {} accept comment \"warren\"",
                nft_words(need)
            ));
        }
    }
    lines
}

fn nft_words(need: &Need) -> String {
    let mut words = Vec::new();
    words.extend(
        need.link
            .as_ref()
            .map(|link| format!("{} \"{link}\"", if need.comes_in { "iifname" } else { "oifname" })),
    );
    words.extend(need.source.map(|address| format!("ip saddr {address}")));
    words.extend(need.destination.map(|address| format!("ip daddr {address}")));
    let ports = ports(need);
    match (name(need.protocol).filter(|_| !ports.is_empty()), need.protocol) {
        (Some(name), _) => words.extend(
            ports
                .iter()
                .map(|(side, port)| format!("{name} {side}port {port}")),
        ),
        (None, protocol) => words.push(format!("ip protocol {protocol}")),
    }
    words.join(" ")
}

fn iptables(needs: &[Need]) -> Vec<String> {
    let rules = needs.iter().map(|need| {
        let chain = if need.comes_in { "INPUT" } else { "OUTPUT" };
        let mut words = vec![format!("-I {chain} 1")];
        words.extend(need.link.as_ref().map(|link| {
            format!(
                "{} {}",
                if need.comes_in { "-i" } else { "-o" },
                link.replace('*', "+")
            )
        }));
        words.extend(need.source.map(|address| format!("-s {address}")));
        words.extend(need.destination.map(|address| format!("-d {address}")));
        words.push(name(need.protocol).map_or_else(
            || format!("-p {}", need.protocol),
            |name| format!("-p {name} -m {name}"),
        ));
        words.extend(
            ports(need)
                .iter()
                .map(|(side, port)| format!("--{side}port {port}")),
        );
        words.join(" ") + " -m comment --comment warren -j ACCEPT"
    });
    ["*filter".to_owned()]
        .into_iter()
        .chain(rules)
        .chain(["COMMIT".to_owned()])
        .collect()
}

/// What ufw has no words for goes into a file of its own.
fn ufw(needs: &[Need]) -> Vec<String> {
    let (known, unknown): (Vec<&Need>, Vec<&Need>) = needs
        .iter()
        .partition(|need| ![ICMP, PIM].contains(&need.protocol));
    let mut lines: Vec<String> = known.into_iter().map(ufw_words).collect();
    if !unknown.is_empty() {
        lines.push(
            "# ufw has no words for ICMP and PIM. Into /etc/ufw/before.rules, above its COMMIT:".to_owned(),
        );
        let rules = iptables(&unknown.into_iter().cloned().collect::<Vec<_>>());
        lines.extend(
            rules
                .iter()
                .filter_map(|rule| rule.strip_prefix("-I "))
                .map(|rule| {
                    let rule = rule.replacen("INPUT 1", "ufw-before-input", 1).replacen(
                        "OUTPUT 1",
                        "ufw-before-output",
                        1,
                    );
                    format!("# -A {rule}")
                }),
        );
    }
    lines
}

fn ufw_words(need: &Need) -> String {
    let side = if need.comes_in { "in" } else { "out" };
    let link = need
        .link
        .as_ref()
        .map_or_else(String::new, |link| format!(" on {}", link.replace('*', "+")));
    let end = |address: Option<Ipv4Addr>, port: Option<u16>| {
        let address = address.map_or_else(|| "any".to_owned(), |address| address.to_string());
        port.map_or_else(|| address.clone(), |port| format!("{address} port {port}"))
    };
    let protocol = match need.protocol {
        GRE => "gre",
        IGMP => "igmp",
        other => name(other).unwrap_or("any"),
    };
    let (from, to) = (
        end(need.source, need.source_port),
        end(need.destination, need.destination_port),
    );
    format!("ufw prepend allow {side}{link} proto {protocol} from {from} to {to} comment warren")
}

fn ports(need: &Need) -> Vec<(&'static str, u16)> {
    let (source, destination) = (
        need.source_port.map(|port| ("s", port)),
        need.destination_port.map(|port| ("d", port)),
    );
    source.into_iter().chain(destination).collect()
}

/// Of a protocol with ports.
fn name(protocol: u8) -> Option<&'static str> {
    match protocol {
        TCP => Some("tcp"),
        UDP => Some("udp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{firewall::rules_of_chain, samples};

    fn tunnel(multicast: Value) -> Ends {
        let spec = json!({
            "bgp": {"local_address": "169.254.0.1", "peer_address": "169.254.0.0", "install": {"liveness": "passive"}},
            "multicast": multicast,
        });
        let reply = json!({"schema": 1, "tunnel": samples::tunnel(), "spec": spec, "events": []});
        ends(&serde_json::from_value(reply).unwrap()).unwrap()
    }

    fn printed(tool: Tool, tunnels: &[Ends], rules: Option<&Ruleset>) -> String {
        lines(tool, &needs(tunnels), rules, tunnels.is_empty()).join("\n")
    }

    #[test]
    fn every_tool_is_told_of_gre_to_the_device_and_of_bgp_and_liveness_inside() {
        let tunnels = [tunnel(Value::Null)];
        let nft = printed(Tool::Nft, &tunnels, Some(&rules_of_chain("output", "10.0.0.0/8")));
        for rule in [
            "insert rule ip hunt o ip saddr 192.0.2.1 ip daddr 192.0.2.2 ip protocol 47 accept comment \"warren\"",
            "insert rule ip hunt o oifname \"doublezero0\" ip saddr 169.254.0.1 ip daddr 169.254.0.0 tcp dport 179 accept comment \"warren\"",
            "insert rule ip hunt o oifname \"doublezero0\" udp sport 44880 udp dport 44880 accept comment \"warren\"",
        ] {
            assert!(nft.lines().any(|line| line == rule), "{rule}\n{nft}");
        }
        assert!(
            !nft.contains("iifname"),
            "nothing is in the way of what comes in: {nft}"
        );
        let iptables = printed(Tool::Iptables, &tunnels, None);
        for rule in [
            "-I INPUT 1 -s 192.0.2.2 -d 192.0.2.1 -p 47 -m comment --comment warren -j ACCEPT",
            "-I INPUT 1 -i doublezero0 -s 169.254.0.0 -d 169.254.0.1 -p tcp -m tcp --sport 179 -m comment --comment warren -j ACCEPT",
        ] {
            assert!(iptables.lines().any(|line| line == rule), "{rule}\n{iptables}");
        }
        let ufw = printed(Tool::Ufw, &tunnels, None);
        for rule in [
            "ufw prepend allow in proto gre from 192.0.2.2 to 192.0.2.1 comment warren",
            "ufw prepend allow out on doublezero0 proto tcp from 169.254.0.1 to 169.254.0.0 port 179 comment warren",
            "# -A ufw-before-input -i doublezero0 -s 169.254.0.0 -d 169.254.0.1 -p 1 -m comment --comment warren -j ACCEPT",
        ] {
            assert!(ufw.lines().any(|line| line == rule), "{rule}\n{ufw}");
        }
    }

    #[test]
    fn multicast_needs_pim_igmp_heartbeats_and_the_groups() {
        let tunnels = [tunnel(
            json!({"publish": ["233.84.178.1"], "subscribe": ["233.84.178.2"]}),
        )];
        let nft = printed(Tool::Nft, &tunnels, None);
        for part in [
            "output oifname \"doublezero0\" ip protocol 103 accept",
            "output oifname \"doublezero0\" ip protocol 2 accept",
            "output oifname \"doublezero0\" udp dport 5765 accept",
            "output oifname \"doublezero0\" ip daddr 233.84.178.1 ip protocol 17 accept",
            "input iifname \"doublezero0\" ip daddr 233.84.178.2 ip protocol 17 accept",
        ] {
            assert!(nft.contains(part), "{part}\n{nft}");
        }
        assert!(!printed(Tool::Nft, &[tunnel(Value::Null)], None).contains("ip protocol 103"));
    }

    #[test]
    fn without_tunnels_the_rules_are_for_any_device_and_say_so() {
        let nft = printed(Tool::Nft, &[], None);
        assert!(
            nft.contains("# There are no tunnels yet") && nft.contains("add chain inet filter input"),
            "{nft}"
        );
        assert!(
            nft.contains("insert rule inet filter output oifname \"doublezero*\" tcp dport 179 accept"),
            "{nft}"
        );
    }
}

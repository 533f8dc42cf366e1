//! The way to each device: ICMP, GRE, BGP inside the tunnel, and how large packets may be.

use std::{net::Ipv4Addr, time::Duration};

use futures_util::future::join_all;
use serde::Deserialize;
use warren_api::{
    open_enum::OpenEnum,
    v3::{Status, Tunnel, TunnelReply},
};
use warren_state::{SessionCause, SessionStatus};

use super::{
    check::Check,
    firewall, groups,
    icmp::{Echo, echo},
    net::{Kernel, Link, Route},
};
use crate::{firewall::Ruleset, notes};

const ICMP: &str = "icmp";
const GRE: &str = "gre";
const BGP: &str = "bgp";
const MTU: &str = "mtu";
const PATH: &str = "path";
/// A host has two tunnels; a gateway has too many to look at.
pub const TARGETS: usize = 4;
/// Of devices without a tunnel.
const NEAREST: usize = 3;
/// What a tunnel puts before a packet (20 bytes of IP, 4 of GRE).
const HEADERS: u32 = 24;
/// A tunnel's largest packet, where the underlay takes that.
const WHOLE: u32 = 1500;
const SMALL: usize = 84;
/// A session that is down for longer does not come back by itself at once.
const LONG: Duration = Duration::from_secs(30);

/// A device to look at.
#[derive(Clone, Debug)]
pub struct Target {
    /// The interface, or the device's code.
    pub name: String,
    /// Its address on the underlay.
    pub address: Ipv4Addr,
    /// The tunnel, where there is one.
    pub tunnel: Option<Tunnel>,
    /// The device's address inside the tunnel.
    pub peer: Option<Ipv4Addr>,
    /// Ours.
    pub local: Option<Ipv4Addr>,
}

/// One row of `/v2/latency`.
#[derive(Clone, Deserialize, Debug)]
pub struct Measured {
    /// The device's short name, such as `ams-dz01`.
    #[serde(default)]
    pub device_code: String,
    /// The address that was probed.
    pub device_ip: Ipv4Addr,
    /// The shortest round trip.
    #[serde(default)]
    pub min_latency_ns: i64,
    /// Whether anything came back.
    #[serde(default)]
    pub reachable: bool,
}

/// `/v2/latency`, as far as it is needed.
#[derive(Clone, Deserialize, Debug, Default)]
pub struct Latency {
    /// By device and endpoint.
    #[serde(default)]
    pub results: Vec<Measured>,
}

/// The devices of the tunnels that should be there, else the nearest ones.
pub fn targets(status: &Status, specs: &[TunnelReply], latency: Option<&Latency>) -> Vec<Target> {
    let inner = |id: &str, end: &str| {
        let spec = &specs.iter().find(|reply| reply.tunnel.id == id)?.spec;
        spec["bgp"][end].as_str()?.parse().ok()
    };
    let desired = status.tunnels.iter().filter_map(|tunnel| {
        let address = tunnel.remote.as_deref()?.parse().ok()?;
        let name = tunnel.name.clone().unwrap_or_else(|| tunnel.id.clone());
        let (peer, local) = (
            inner(&tunnel.id, "peer_address"),
            inner(&tunnel.id, "local_address"),
        );
        Some(Target {
            name,
            address,
            peer,
            local,
            tunnel: Some(tunnel.clone()),
        })
    });
    let targets: Vec<Target> = desired.take(TARGETS).collect();
    if !targets.is_empty() {
        return targets;
    }
    let mut measured: Vec<Measured> = latency.map(|latency| latency.results.clone()).unwrap_or_default();
    measured.sort_by_key(|measured| (!measured.reachable, measured.min_latency_ns, measured.device_ip));
    let nearest = measured.into_iter().take(NEAREST);
    nearest
        .map(|found| Target {
            name: found.device_code,
            address: found.device_ip,
            tunnel: None,
            peer: None,
            local: None,
        })
        .collect()
}

/// What was seen of the way to one device.
pub struct Seen {
    /// The way that the kernel knows.
    pub route: Option<Route>,
    /// A small packet.
    pub small: Echo,
    /// The size of the largest packet that is expected to pass in one piece.
    pub whole: u32,
    /// One of that size, forbidden to be fragmented; asked for only when the small one was answered.
    pub large: Option<Echo>,
    /// One through the tunnel.
    pub inside: Option<Echo>,
}

/// Looks at all of them, side by side, and judges.
pub async fn look(kernel: &Kernel, links: &[Link], targets: &[Target], status: &Status) -> Vec<Check> {
    if targets.is_empty() {
        return vec![Check::skip(
            PATH,
            "there is no device to try: no tunnel is due, and no latencies are known",
        )];
    }
    let (seen, rules) = tokio::join!(
        join_all(targets.iter().map(|target| see(kernel, links, target))),
        crate::firewall::read()
    );
    let after = kernel.links().await.unwrap_or_else(|_| links.to_vec());
    let host = Host {
        links,
        after: &after,
        rules: &rules,
    };
    targets
        .iter()
        .zip(&seen)
        .flat_map(|(target, seen)| judge(target, &host, seen, status))
        .collect()
}

pub struct Host<'a> {
    /// Its interfaces before something was sent.
    pub links: &'a [Link],
    pub after: &'a [Link],
    /// The rules of its firewall.
    pub rules: &'a Result<Ruleset, String>,
}

async fn see(kernel: &Kernel, links: &[Link], target: &Target) -> Seen {
    let route = kernel.route(target.address).await;
    let whole = whole(target, links, route.as_ref());
    let outside = async {
        let small = echo(target.address, SMALL, false).await;
        let large = match small {
            Echo::Reply(_) => Some(echo(target.address, whole as usize, true).await),
            Echo::Silence | Echo::TooLarge | Echo::NoRoute(_) | Echo::NotAllowed(_) | Echo::Forbidden(_) => {
                None
            }
        };
        (small, large)
    };
    let inside = async {
        match target.peer {
            Some(peer) => Some(echo(peer, SMALL, false).await),
            None => None,
        }
    };
    let ((small, large), inside) = tokio::join!(outside, inside);
    Seen {
        route,
        whole,
        small,
        large,
        inside,
    }
}

/// The largest packet of the tunnel that is there, headers included; else of the one that would be made for this way.
fn whole(target: &Target, links: &[Link], route: Option<&Route>) -> u32 {
    let name = target.tunnel.as_ref().and_then(|tunnel| tunnel.name.as_ref());
    let link = links.iter().find(|link| Some(&link.name) == name);
    let taken =
        route.and_then(|route| Some(takes(links.iter().find(|link| link.index == route.link)?, route)));
    link.map_or(taken.unwrap_or(WHOLE).min(WHOLE), |link| link.mtu + HEADERS)
}

/// What the interface, or the route over it, takes in one piece.
fn takes(link: &Link, route: &Route) -> u32 {
    route
        .mtu
        .filter(|mtu| *mtu > 0)
        .map_or(link.mtu, |of_route| of_route.min(link.mtu))
}

/// Works out the checks from what was gathered; changes and asks nothing.
pub fn judge(target: &Target, host: &Host<'_>, seen: &Seen, status: &Status) -> Vec<Check> {
    let links = host.links;
    let subject = format!("{} {}", target.name, target.address);
    let uplink = seen
        .route
        .as_ref()
        .and_then(|route| links.iter().find(|link| link.index == route.link));
    let is_up = target
        .tunnel
        .as_ref()
        .is_some_and(|tunnel| tunnel.session == SessionStatus::Up);
    let mut checks = vec![icmp(target, uplink, seen, is_up)];
    if let Some(tunnel) = &target.tunnel {
        let named = |links: &'_ [Link]| {
            links
                .iter()
                .position(|link| Some(&link.name) == tunnel.name.as_ref())
        };
        let link = named(links).map(|at| &links[at]);
        let later = named(host.after).map(|at| &host.after[at]);
        let facts = firewall::Facts {
            target,
            seen,
            uplink,
            link: link.zip(later),
            rules: host.rules,
        };
        let firewall = firewall::judge(&facts);
        if firewall.stops {
            let own = "cannot be determined while this host's own firewall is in the way";
            checks.extend([
                Check::skip(GRE, own),
                Check::skip(BGP, format!("{own}: {}", notes::session(status, tunnel))),
            ]);
        } else {
            checks.push(gre(later.or(link), seen.inside.as_ref(), tunnel.session.known()));
            checks.push(bgp(status, tunnel));
        }
        checks.push(firewall.check);
        checks.extend(groups::judge(target, host.rules));
    } else {
        checks.push(Check::skip(
            GRE,
            "only an existing tunnel can show whether GRE passes",
        ));
    }
    checks.push(mtu(uplink, seen));
    checks
        .into_iter()
        .map(|check| check.of(subject.clone()))
        .collect()
}

fn icmp(target: &Target, uplink: Option<&Link>, seen: &Seen, is_up: bool) -> Check {
    let address = target.address;
    let by = uplink.map_or_else(String::new, |link| format!(" by {}", link.name));
    if let Some(link) =
        uplink.filter(|link| link.is_ours || link.ends.is_some_and(|(_, remote)| remote == address))
    {
        let detail = format!(
            "the route to {address} leads into {}: a tunnel cannot carry itself",
            link.name
        );
        return Check::fail(
            ICMP,
            detail,
            format!("ip route add {address}/32 via YOUR-GATEWAY, so that it leaves by the underlay"),
        );
    }
    match &seen.small {
        Echo::Reply(after) => Check::pass(
            ICMP,
            format!(
                "answered after {}{by}",
                humantime::format_duration(rounded(*after))
            ),
        ),
        Echo::NoRoute(why) => Check::fail(
            ICMP,
            format!("this host has no route to {address}: {why}"),
            "look at `ip route get` for it: a default route may be missing",
        ),
        Echo::NotAllowed(why) => Check::skip(
            ICMP,
            format!(
                "this user may open neither a ping nor a raw socket ({why}): run it as root, or widen net.ipv4.ping_group_range"
            ),
        ),
        Echo::Forbidden(why) => Check::warn(
            ICMP,
            format!("this host does not send ICMP to {address} ({why}): its own firewall blocks it"),
            "check its rules for outgoing packets (`nft list ruleset`, `iptables -S OUTPUT`)",
        ),
        Echo::TooLarge => Check::warn(
            ICMP,
            "even a small packet is too large for the path",
            "check the MTU of the outgoing interface",
        ),
        Echo::Silence if is_up => Check::pass(
            ICMP,
            format!("no answer{by}, but the session through the tunnel is up: ICMP is filtered"),
        ),
        Echo::Silence => Check::warn(
            ICMP,
            format!(
                "no answer{by}: the device is down, or something on the path drops ICMP, and perhaps GRE with it"
            ),
            format!("try `traceroute {address}`, and check the firewalls on the path"),
        ),
    }
}

fn gre(link: Option<&Link>, inside: Option<&Echo>, session: Option<SessionStatus>) -> Check {
    let Some(link) = link else {
        return Check::skip(GRE, "the tunnel's link is not there yet");
    };
    let counted = format!(
        "{} packets came in and {} went out through {}",
        link.received, link.sent, link.name
    );
    if let Some(Echo::Reply(after)) = inside {
        let after = humantime::format_duration(rounded(*after));
        return Check::pass(
            GRE,
            format!("the device answers through the tunnel after {after}; {counted}"),
        );
    }
    // Each of these needs answers that came through the tunnel.
    if matches!(
        session,
        Some(SessionStatus::Up | SessionStatus::Initializing | SessionStatus::Failed)
    ) {
        return Check::pass(GRE, format!("the device's BGP answers through it; {counted}"));
    }
    let fix = "let IP protocol 47 pass to and from the device in every firewall, security group and NAT on the path; and the device must have its end of the tunnel";
    match (link.received, link.sent) {
        (0, 0) => Check::skip(GRE, format!("nothing was sent yet: {counted}")),
        (0, _) => Check::fail(GRE, format!("nothing ever came back: {counted}"), fix),
        (_, _) if session == Some(SessionStatus::Pending) => Check::warn(
            GRE,
            format!("the device does not answer inside the tunnel yet; {counted}"),
            fix,
        ),
        (_, _) => Check::fail(
            GRE,
            format!("it used to pass, but the device no longer answers inside the tunnel; {counted}"),
            fix,
        ),
    }
}

/// The daemon's own session tells what a connection of ours would: a second one to the device's port would disturb it.
fn bgp(status: &Status, tunnel: &Tunnel) -> Check {
    let detail = notes::session(status, tunnel);
    match tunnel.session.known() {
        Some(SessionStatus::Up) => {
            Check::pass(BGP, format!("TCP port 179 answers inside the tunnel: {detail}"))
        }
        Some(SessionStatus::Unreachable) => Check::fail(
            BGP,
            format!("TCP port 179 does not answer inside the tunnel: {detail}"),
            "if GRE passes, the device lacks this neighbour: ask its operator, or try another device",
        ),
        Some(SessionStatus::Pending | SessionStatus::Down | SessionStatus::Failed) if refuses(tunnel) => {
            Check::fail(
                BGP,
                format!("TCP port 179 answers inside the tunnel, but {detail}"),
                "ask the device's operator what it expects of this host; `warren explain` has the last reason",
            )
        }
        Some(SessionStatus::Failed) => Check::fail(
            BGP,
            format!("TCP port 179 answers inside the tunnel, but {detail}"),
            "ask the device's operator whether it knows this host's AS number and address; `warren explain` has the last reason",
        ),
        Some(SessionStatus::Down) if lasts(status, tunnel) >= LONG => Check::fail(
            BGP,
            detail,
            "the device ended it or went away: `warren explain` has the reason; ask its operator, or try another device",
        ),
        Some(SessionStatus::Pending | SessionStatus::Initializing | SessionStatus::Down) | None => {
            Check::warn(
                BGP,
                detail,
                "wait a little; if it stays so, `warren explain` says why",
            )
        }
    }
}

/// Whether the device and this host do not agree on what each other is.
fn refuses(tunnel: &Tunnel) -> bool {
    matches!(
        tunnel.session_cause.as_ref().and_then(OpenEnum::known),
        Some(SessionCause::OurAsnRefused | SessionCause::OtherAsn)
    )
}

fn lasts(status: &Status, tunnel: &Tunnel) -> Duration {
    tunnel.session_since_unix_ms.map_or(Duration::ZERO, |since| {
        Duration::from_millis(status.unix_ms.saturating_sub(since))
    })
}

fn mtu(uplink: Option<&Link>, seen: &Seen) -> Check {
    let (Some(link), Some(route)) = (uplink, &seen.route) else {
        return Check::skip(MTU, "no interface leads there");
    };
    let (mtu, whole) = (takes(link, route), seen.whole);
    let fix = format!(
        "raise the MTU to {whole} or more on the path, or set `[tunnel] mtu` to what passes, less {HEADERS}; otherwise large packets inside the tunnel are fragmented or lost"
    );
    if mtu < whole {
        return Check::warn(
            MTU,
            format!(
                "{} takes {mtu} bytes there, and a tunnel's largest packet has {whole}",
                link.name
            ),
            fix,
        );
    }
    match &seen.large {
        Some(Echo::Reply(_)) => Check::pass(
            MTU,
            format!(
                "{} takes {mtu} bytes, and a packet of {whole} reached the device in one piece",
                link.name
            ),
        ),
        Some(Echo::Silence | Echo::TooLarge) => Check::warn(
            MTU,
            format!(
                "{} takes {mtu} bytes, but a packet of {whole} does not reach the device in one piece",
                link.name
            ),
            fix,
        ),
        Some(Echo::NoRoute(_) | Echo::NotAllowed(_) | Echo::Forbidden(_)) | None => Check::pass(
            MTU,
            format!(
                "{} takes {mtu} bytes; the path beyond it could not be tested",
                link.name
            ),
        ),
    }
}

fn rounded(time: Duration) -> Duration {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(micros)
}

#[cfg(test)]
mod tests;

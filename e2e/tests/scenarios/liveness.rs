//! Route liveness between client hosts, over a device that tells each of the others.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use warren_e2e::{
    capture::{self, Capture, complete_checksums, decode},
    daemon::Daemon,
    netns::Namespace,
    observe::{await_device_session, await_session_up, bgp_routes},
    site::{Connection, LINK, Site},
    wait::{Ask, is_emulated, scaled, stays, until},
};
use warren_ledger::accounts::UserType;

use crate::{Scenario, support::SOON};

pub const ALL: &[Scenario] = &[(
    "liveness_takes_routes_to_silent_hosts_away_from_active_hosts_only",
    matrix,
)];

/// Why this cannot run here, if it cannot.
pub fn missing() -> Option<String> {
    let nft = std::process::Command::new("nft")
        .arg("--version")
        .output()
        .is_err();
    nft.then(|| "nft is not installed (package nftables)".to_owned())
        .or_else(capture::missing)
}

const PORT: u16 = 44_880;
const ACTIVE: &str = "--route-liveness-enable-active=true";
const PASSIVE: &str = "--route-liveness-enable-passive=true";
const SILENT: &str = "--route-liveness-enable-passive=false";

struct Member {
    daemon: Daemon,
    connection: Connection,
    client: Arc<Namespace>,
}

impl Member {
    fn join(site: &mut Site<'_>, at: usize, mode: &str) -> Result<Self> {
        if site.clients.len() <= at {
            site.add_client()?;
        }
        complete_checksums(&site.clients[at].namespace, "eth0")?;
        // Quick, so that a test need not wait; the defaults are for a packet a second.
        let quick = [
            "--route-liveness-tx-min=100ms",
            "--route-liveness-rx-min=100ms",
            "--route-liveness-backoff-max=500ms",
        ];
        let slow = ["--route-liveness-backoff-max=2s"];
        let timers: &[&str] = if is_emulated() { &slow } else { &quick };
        site.clients[at].daemon_arguments =
            [mode].iter().chain(timers).map(|&word| word.to_owned()).collect();
        let (pubkey, user) = site.new_user_of(&site.clients[at], u16::try_from(at)?, UserType::IBRL);
        let connection = site.connect_user(pubkey, user)?;
        let daemon = site.start_daemon_of(&site.clients[at])?;
        let member = Self {
            daemon,
            connection,
            client: Arc::clone(&site.clients[at].namespace),
        };
        await_session_up(&member.daemon, SOON)?;
        await_device_session(site.device(), &member.connection.end, SOON)?;
        // What is captured on the tunnel itself is whole too.
        complete_checksums(&member.client, LINK)?;
        Ok(member)
    }

    fn reaches(&self, other: &Self) -> Result<bool> {
        let destination = other.connection.user.dz_ip.to_string();
        Ok(bgp_routes(&self.client)?
            .iter()
            .any(|route| route["dst"] == destination && route["dev"] == LINK))
    }

    /// Drops what arrives of liveness, or no longer.
    fn block(&self, blocked: bool) -> Result<()> {
        let rules = if blocked {
            format!(
                "table inet test {{ chain input {{ type filter hook input priority 0; udp dport {PORT} drop; }}; }}\n"
            )
        } else {
            "delete table inet test\n".to_owned()
        };
        self.client.nft(&rules)
    }
}

/// Which of the ordered pairs have a route, as lines of `1→2`.
fn routes(members: &[Member]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (from, member) in members.iter().enumerate() {
        for (to, other) in members.iter().enumerate().filter(|(to, _)| *to != from) {
            if member.reaches(other)? {
                found.push(format!("{}→{}", from + 1, to + 1));
            }
        }
    }
    Ok(found)
}

fn await_all_but(members: &[Member], missing: &[&str], when: &str) -> Result<()> {
    let all = (1..=members.len()).flat_map(|from| {
        (1..=members.len())
            .filter(move |to| *to != from)
            .map(move |to| format!("{from}→{to}"))
    });
    let expected: Vec<String> = all.filter(|pair| !missing.contains(&pair.as_str())).collect();
    until(when, SOON, || {
        let found = routes(members)?;
        Ok(Ask::holds(found == expected, || {
            format!(
                "{found:?} instead of {expected:?}; {}",
                members[0].daemon.log_tail()
            )
        }))
    })?;
    stays(when, Duration::from_millis(500), || {
        let found = routes(members)?;
        ensure!(found == expected, "{found:?} instead of {expected:?}");
        Ok(())
    })
}

/// Hosts 1 and 3 are active, 2 is passive, 4 does not speak it at all.
fn matrix(site: &mut Site<'_>) -> Result<()> {
    let files = site
        .world()
        .directory()
        .join(format!("liveness-{}", site.client().namespace.name()));
    std::fs::create_dir_all(&files)?;
    let outside = Capture::start(
        &site.client().namespace,
        "eth0",
        &format!("udp port {PORT}"),
        files.join("eth0.pcap"),
    )?;
    let modes = [ACTIVE, PASSIVE, ACTIVE, SILENT];
    let members: Vec<Member> = modes
        .iter()
        .enumerate()
        .map(|(at, mode)| Member::join(site, at, mode))
        .collect::<Result<_>>()?;
    let inside = Capture::start(
        &members[0].client,
        LINK,
        &format!("udp port {PORT}"),
        files.join("tunnel.pcap"),
    )?;
    await_all_but(&members, &[], "all routes are in place")?;
    members[0].block(true)?;
    await_all_but(
        &members,
        &["1→3", "3→1"],
        "host 1 hears nothing: only routes between active hosts go",
    )?;
    members[0].block(false)?;
    await_all_but(&members, &[], "host 1 hears again")?;
    members[1].block(true)?;
    stays(
        "host 2 is passive: nothing changes",
        scaled(Duration::from_secs(1)),
        || {
            let found = routes(&members)?;
            ensure!(found.len() == 12, "{found:?}");
            Ok(())
        },
    )?;
    members[1].block(false)?;
    members[2].block(true)?;
    await_all_but(&members, &["1→3", "3→1"], "host 3 hears nothing")?;
    members[2].block(false)?;
    await_all_but(&members, &[], "host 3 hears again")?;
    packets_are_right(&members, &outside.finish()?, &inside.finish()?)
}

fn packets_are_right(members: &[Member], outside: &std::path::Path, inside: &std::path::Path) -> Result<()> {
    let stray = decode(outside, &[])?;
    ensure!(
        stray.is_empty(),
        "{} packets of liveness outside of the tunnel",
        stray.len()
    );
    let packets = decode(inside, &["ip.src", "udp.dstport", "udp.length", "udp.payload"])?;
    let own = members[0].connection.user.dz_ip.to_string();
    let sent = packets
        .iter()
        .filter(|packet| packet.field("ip.src") == own)
        .count();
    ensure!(
        sent > 0 && sent < packets.len(),
        "{sent} of {} packets are host 1's own",
        packets.len()
    );
    for packet in &packets {
        let [port, length, payload] = packet.fields(["udp.dstport", "udp.length", "udp.payload"]);
        ensure!(
            port == PORT.to_string() && length == "48" && payload.len() == 80,
            "{packet:?}"
        );
        // Version 1; the length is in the fourth byte.
        ensure!(
            payload.starts_with("20") && payload.get(6..8) == Some("28"),
            "{packet:?}"
        );
    }
    Ok(())
}

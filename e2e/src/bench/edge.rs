//! How long the rules of edge filtering take.

use std::{
    collections::BTreeSet,
    fs,
    net::Ipv4Addr,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use warren_e2e::{
    netns::Namespace,
    observe::{await_session_up, link, routes_of_table, rules},
    site::{LINK, Site},
};
use warren_ledger::accounts::{Net, UserStatus, UserType};

use super::{
    report::Row,
    samples::Samples,
    stage::{SOON, Stage, watch},
};

const PREFIXES: u16 = 300;
const DEVICES: u16 = 60;
const ROUNDS: usize = 11;

/// From the change of the ledger until all rules are in the kernel, and until none is left.
pub(super) fn measure(stage: &Stage) -> Result<Vec<Row>> {
    let world = stage.world()?;
    let mut site = world.site()?;
    fill(&site)?;
    let connection = site.connect(1, UserType::EDGE_FILTERING)?;
    let daemon = stage.daemon(&site, |config| config.poll_interval = Duration::from_secs(600))?;
    await_session_up(&daemon, SOON)?;
    let client = &site.client().namespace;
    let all = usize::from(PREFIXES) * 2;
    let complete = || Ok(count(client)? == all && routes_of_table(client, 101)?.len() == 1);
    watch("the rules are there", Instant::now(), complete)?;
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        connection.set_status(&site.network, UserStatus::BANNED)?;
        let nothing = || Ok(count(client)? == 0 && link(client, LINK)?.is_none());
        down.push(watch("the rules are gone", begun, nothing)?);
        let begun = Instant::now();
        connection.set_status(&site.network, UserStatus::ACTIVATED)?;
        up.push(watch("the rules are there", begun, complete)?);
    }
    let found: BTreeSet<String> = rules(client)?;
    ensure!(found.len() == all, "{} rules of {all}", found.len());
    let (up, down) = (Samples::new(up), Samples::new(down));
    let how = |samples: &Samples| {
        format!(
            "from the change of the ledger, pushed; median of {}, longest {:.0} ms; looking included",
            samples.count(),
            samples.max()
        )
    };
    Ok(vec![
        Row::new(
            "edge filtering with 300 prefixes (600 rules), up",
            up.percentile(50),
            "ms",
        )
        .note(how(&up)),
        Row::new(
            "edge filtering with 300 prefixes (600 rules), down",
            down.percentile(50),
            "ms",
        )
        .note(how(&down)),
    ])
}

/// How many rules there are beside the kernel's own three.
fn count(client: &Namespace) -> Result<usize> {
    let text = client.ip_output(&["rule", "show"])?;
    Ok(text.lines().count().saturating_sub(3))
}

fn fill(site: &Site<'_>) -> Result<()> {
    let per_device = PREFIXES / DEVICES;
    let prefix = |n: u16| {
        Net::new(
            Ipv4Addr::from(u32::from(Ipv4Addr::new(45, 40, 0, 0)) + (u32::from(n) << 8)),
            24,
        )
    };
    let of = |device: u16| {
        (0..per_device)
            .map(|n| prefix(device * per_device + n))
            .collect::<Vec<_>>()
    };
    site.network
        .edit_device(site.device_key(), |device| device.dz_prefixes = of(0))?;
    for n in 1..DEVICES {
        let (pubkey, mut device) = site.network.new_device(
            u128::from(n) + 1,
            &format!("far-dz{n:03}"),
            super::stage::elsewhere(n.into()),
        );
        device.dz_prefixes = of(n);
        site.network.put(pubkey, device)?;
    }
    Ok(())
}

/// Seconds of processor time that a process has taken; the path is that of [`super::stage::process`].
pub(super) fn processor_time(process: &Path) -> Result<f64> {
    /// `USER_HZ` of x86 and ARM.
    const TICKS: f64 = 100.0;
    let stat = fs::read_to_string(process.join("stat")).context("the process is gone")?;
    // The second field is the name in parentheses, which may hold spaces; utime and stime are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(") ").context("a process without a name")?;
    let ticks: Vec<f64> = fields
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse().ok())
        .collect();
    Ok(ticks.iter().sum::<f64>() / TICKS)
}

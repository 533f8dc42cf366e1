//! Many routes from one peer into the kernel.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use ipnet::Ipv4Net;
use warren_e2e::{daemon::Daemon, netns::Namespace, observe::bgp_routes, site::Site};

use super::{
    report::Row,
    samples::Samples,
    stage::{Stage, process, watch},
};

/// How many routes.
pub(super) const ROUTES: usize = 10_000;
/// How often the peer announces them.
const ROUNDS: usize = 11;
/// In milliseconds.
const BUDGET: f64 = 250.0;

/// From the moment when BIRD is told to announce until all routes are in the kernel, and from the moment when it is
/// told to withdraw them until they are gone.
pub(super) fn measure(stage: &Stage) -> Result<Vec<Row>> {
    let world = stage.world()?;
    let mut site = world.site()?;
    let (daemon, _connection) = stage.connected(&mut site, Duration::from_secs(600))?;
    let host = process(daemon.pid()?)?;
    let few = announce(&mut site, &daemon)?;
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        tell(&site, "disable")?;
        down.push(watch("the routes leave the kernel", begun, || {
            Ok(prefixes(&host)? <= few)
        })?);
        let begun = Instant::now();
        tell(&site, "enable")?;
        up.push(watch("the routes come into the kernel", begun, || {
            Ok(prefixes(&host)? >= few + ROUTES)
        })?);
    }
    let routes = bgp_routes(&site.client().namespace)?.len();
    ensure!(routes >= ROUTES, "{routes} routes of BGP in the kernel");
    let (up, down) = (Samples::new(up), Samples::new(down));
    let how = |samples: &Samples| {
        format!(
            "median of {}, longest {:.0} ms; birdc included",
            samples.count(),
            samples.max()
        )
    };
    Ok(vec![
        Row::new("10,000 routes from BIRD into the kernel", up.percentile(50), "ms")
            .at_most(BUDGET)
            .note(how(&up)),
        Row::new(
            "10,000 routes withdrawn by BIRD out of the kernel",
            down.percentile(50),
            "ms",
        )
        .note(how(&down)),
    ])
}

/// Makes the device announce them for the first time; how many prefixes the host had before.
pub(super) fn announce(site: &mut Site<'_>, daemon: &Daemon) -> Result<usize> {
    let host = process(daemon.pid()?)?;
    let own = prefixes(&host)?;
    site.device().speaker.announce(Vec::new())?;
    watch("the device's few routes leave", Instant::now(), || {
        Ok(bgp_routes(&site.client().namespace)?.is_empty())
    })?;
    let few = prefixes(&host)?;
    ensure!(
        few < own,
        "the routes to the device's addresses were not in the kernel"
    );
    let base = u32::from(Ipv4Addr::new(20, 0, 0, 0));
    let prefix = |n: u32| Ipv4Net::new(Ipv4Addr::from(base + (n << 8)), 24);
    let announced = (0..u32::try_from(ROUTES)?)
        .map(prefix)
        .collect::<Result<Vec<_>, _>>()?;
    site.device().speaker.announce(announced)?;
    watch("the routes are in the kernel", Instant::now(), || {
        Ok(prefixes(&host)? >= few + ROUTES)
    })?;
    Ok(few)
}

/// `enable` or `disable` what the device announces.
fn tell(site: &Site<'_>, what: &str) -> Result<()> {
    let (_, device) = site.devices.first().context("the site has no device")?;
    let output = device
        .namespace
        .command("birdc")
        .arg("-s")
        .arg(control(&device.namespace, site)?)
        .args([what, "announced"])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success() && text.contains(&format!("announced: {what}d")),
        "birdc {what}: {text}"
    );
    Ok(())
}

/// How many prefixes the main table of the process's namespace holds, without taking the lock of routing.
pub(super) fn prefixes(process: &Path) -> Result<usize> {
    let text = fs::read_to_string(process.join("net/fib_triestat"))
        .context("the kernel does not tell its routes")?;
    let main = text.split_once("Main:").map_or(text.as_str(), |(_, main)| main);
    let line = main
        .lines()
        .find_map(|line| line.trim().strip_prefix("Prefixes:"))
        .context("the kernel does not count its routes")?;
    Ok(line.trim().parse()?)
}

/// BIRD's control socket, in the folder of the device.
fn control(namespace: &Namespace, site: &Site<'_>) -> Result<PathBuf> {
    let role = namespace.name().rsplit('-').next().unwrap_or_default();
    let folders = fs::read_dir(site.world().directory())?.filter_map(Result::ok);
    let found = folders
        .map(|folder| folder.path().join(role).join("bird.ctl"))
        .find(|path| path.exists());
    found.with_context(|| format!("no BIRD of {role} listens"))
}

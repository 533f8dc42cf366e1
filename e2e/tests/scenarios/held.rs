//! State that is damaged, lost or cannot be written: no tunnel is lost because of it.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use warren_e2e::{observe::await_gone, site::Site};
use warren_ledger::accounts::UserType;

use crate::{
    Scenario,
    support::{Connected, SOON, connected, without_loss},
};

pub const ALL: &[Scenario] = &[
    (
        "a_torn_or_damaged_store_costs_no_packet_and_not_the_switch",
        damaged,
    ),
    (
        "a_switch_that_cannot_be_read_holds_the_tunnel_until_the_operator_says_what_is_wanted",
        held,
    ),
    (
        "a_full_disk_and_a_disk_that_is_read_only_cost_no_packet",
        unwritable,
    ),
];

fn damaged(site: &mut Site<'_>) -> Result<()> {
    let mut host = connected(site, UserType::IBRL)?;
    type Damage = fn(&Path) -> std::io::Result<()>;
    let damages: [Damage; 4] = [
        |state| {
            fs::write(
                state.join("store/snap.0000000000000000.generating"),
                b"\x00\x01\x02",
            )
        },
        |state| fs::write(state.join("store/db"), b"garbage".repeat(999)),
        |state| fs::remove_dir_all(state.join("store")),
        |state| fs::write(state.join("switch"), b"garbage"),
    ];
    let before = host.fingerprint(site)?.0;
    let pings = host.pings()?;
    for damage in damages {
        host.daemon.kill()?;
        damage(&host.daemon.state_directory())?;
        host.daemon.resume()?;
        host.await_working(site)?;
        let status = host.daemon.json("/v3/status")?;
        ensure!(
            status["switch_unknown"].is_null() && status["enabled"] == true,
            "{status}"
        );
    }
    without_loss(pings)?;
    ensure!(host.fingerprint(site)?.0 == before, "another link was made");
    Ok(())
}

fn held(site: &mut Site<'_>) -> Result<()> {
    let mut host = connected(site, UserType::IBRL)?;
    let before = host.fingerprint(site)?.0;
    let pings = host.pings()?;
    host.daemon.terminate()?;
    lose(&host.daemon.state_directory())?;
    host.daemon.resume()?;
    is_held(&host)?;
    host.await_working(site)?;
    host.daemon.terminate()?;
    host.daemon.resume()?;
    is_held(&host)?;
    host.await_working(site)?;
    host.daemon.post("/enable?wait=30s")?;
    let status = host.daemon.json("/v3/status")?;
    ensure!(
        status["switch_unknown"].is_null() && status["enabled"] == true,
        "{status}"
    );
    without_loss(pings)?;
    ensure!(host.fingerprint(site)?.0 == before, "another link was made");
    host.daemon.kill()?;
    fs::remove_dir_all(host.daemon.state_directory())?;
    host.daemon.resume()?;
    is_held(&host)?;
    host.await_working(site)?;
    ensure!(
        host.fingerprint(site)?.0 == before,
        "the lost state directory took the link along"
    );
    host.daemon.post("/disable?wait=30s")?;
    await_gone(&host.client, &host.daemon, SOON)?;
    Ok(())
}

/// All that remembers the switch.
fn lose(state: &Path) -> Result<()> {
    fs::write(state.join("switch"), b"")?;
    fs::remove_dir_all(state.join("store"))?;
    Ok(())
}

fn is_held(host: &Connected) -> Result<()> {
    ensure!(
        host.daemon.json("/v2/status")?["reconciler_enabled"] == true,
        "something is being taken down"
    );
    let status = host.daemon.json("/v3/status")?;
    let reason = status["switch_unknown"].as_str().unwrap_or_default();
    ensure!(
        reason.starts_with("held: the switch cannot be read: "),
        "{status}"
    );
    Ok(())
}

fn unwritable(site: &mut Site<'_>) -> Result<()> {
    let mut host = connected(site, UserType::IBRL)?;
    let before = host.fingerprint(site)?.0;
    let state = host.daemon.state_directory();
    host.daemon.terminate()?;
    let disk = Disk::over(&state)?;
    host.daemon.resume()?;
    host.await_working(site)?;
    let pings = host.pings()?;
    disk.fill()?;
    for _ in 0..2 {
        host.daemon.kill()?;
        host.daemon.resume()?;
        host.await_working(site)?;
    }
    let status = host.daemon.json("/v3/status")?;
    ensure!(
        status["enabled"] == true && status["store_problem"].is_string(),
        "the disk is full: {status}"
    );
    ensure!(
        host.daemon.post("/disable").is_err(),
        "a full disk acknowledged a switch"
    );
    host.daemon.kill()?;
    disk.make_read_only()?;
    host.daemon.resume()?;
    host.await_working(site)?;
    without_loss(pings)?;
    ensure!(host.fingerprint(site)?.0 == before, "another link was made");
    host.daemon.terminate()?;
    drop(disk);
    host.daemon.resume().map(drop)
}

/// A small file system in the state directory's place, with what is in it; gone when it is dropped.
struct Disk<'a> {
    place: &'a Path,
}

impl<'a> Disk<'a> {
    fn over(place: &'a Path) -> Result<Self> {
        let kept = place.with_extension("kept");
        fs::rename(place, &kept)?;
        fs::create_dir(place)?;
        run("mount", &["-t", "tmpfs", "-o", "size=8m", "warren-test"], place)?;
        let disk = Self { place };
        let from = kept.join(".").display().to_string();
        run("cp", &["-a", &from], place)?;
        Ok(disk)
    }

    fn fill(&self) -> Result<()> {
        // It ends where there is no room.
        fs::write(self.place.join("filler"), vec![0; 16 << 20])
            .err()
            .context("there is more room than there should be")?;
        Ok(())
    }

    fn make_read_only(&self) -> Result<()> {
        fs::remove_file(self.place.join("filler"))?;
        run("mount", &["-o", "remount,ro"], self.place)
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _gone = run("umount", &["-l"], self.place);
    }
}

fn run(program: &str, arguments: &[&str], place: &Path) -> Result<()> {
    let status = Command::new(program)
        .args(arguments)
        .arg(place)
        .status()
        .with_context(|| program.to_owned())?;
    ensure!(
        status.success(),
        "{program} {arguments:?} {}: {status}",
        place.display()
    );
    Ok(())
}

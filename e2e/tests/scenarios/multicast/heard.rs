//! Whether multicast flows, as status, health, metrics and the command line tell it.

use serde_json::Value;
use warren_e2e::daemon::sibling;

use super::*;

/// A group is dead a minute after its last packet.
const SILENCE: Duration = Duration::from_secs(100);

pub(super) fn heard(site: &mut Site<'_>) -> Result<()> {
    let [first, second, _] = set_up(site, 2)?;
    let mut publisher = Party::connect(site, 0, |user| user.publishers = vec![first])?;
    let subscriber = Party::connect(site, 1, |user| user.subscribers = vec![first, second])?;
    subscriber.await_joined(site, &[1, 2])?;
    let receiver = Receiver::join(&subscriber.client, group(1))?;
    let sender = stream(&publisher, 1)?;
    await_flow(&sender, &receiver, &|| subscriber.daemon.log_tail())?;
    let before = seen(&subscriber, 1)?.packets_in;
    let received = await_group(&subscriber, 1, |seen| {
        seen.packets_in > before + 50 && seen.freshness == "ok" && seen.last.is_some()
    })?;
    // No more came than had been sent by then, heartbeats beside them.
    let all = sender.sent();
    ensure!(
        received.packets_in <= u64::from(all) + 50,
        "{received:?}, and {all} were sent"
    );
    let sent = await_group(&publisher, 1, |seen| {
        seen.packets_out > 50 && seen.freshness == "ok"
    })?;
    ensure!(
        sent.packets_in == 0,
        "{sent:?}: what it sends does not come to it"
    );
    let silent = seen(&subscriber, 2)?;
    ensure!((silent.packets_in, silent.last) == (0, None), "{silent:?}");
    told(&subscriber, &["status"], "233.84.178.1 receives  ", "  OK ")?;
    told(&subscriber, &["explain"], "  233.84.178.1 receives: ", "; OK ")?;
    told(&publisher, &["top", "--once"], "233.84.178.1 sends  ", "  OK ")?;
    await_health(&subscriber, "all is well", |health| {
        health["verdict"] == "healthy"
    })?;

    // The application ends, and the host whose heartbeats go on too.
    sender.finish()?;
    publisher.edit(site, |user| user.status = UserStatus::BANNED)?;
    until("the group is dead", SILENCE, || {
        let seen = seen(&subscriber, 1)?;
        Ok(Ask::holds(seen.freshness == "dead", || format!("{seen:?}")))
    })?;
    told(&subscriber, &["status"], "233.84.178.1 receives  ", "  DEAD 1m")?;
    await_health(&subscriber, "nobody hears the group any more", |health| {
        let reasons = health["reasons"].as_array();
        reasons.is_some_and(|reasons| reasons.iter().any(|reason| reason["code"] == "groups_not_heard"))
    })
}

/// What the picture says of a group.
#[derive(Clone, Debug)]
struct Seen {
    packets_in: u64,
    packets_out: u64,
    last: Option<u64>,
    freshness: String,
}

fn seen(party: &Party, n: u8) -> Result<Seen> {
    let picture = party.daemon.json("/v3/picture")?;
    let groups = picture["paths"][0]["groups"].as_array().context("no groups")?;
    let found = groups
        .iter()
        .find(|one| one["group"] == group(n).to_string())
        .with_context(|| format!("no group {n} in {picture}"))?;
    Ok(Seen {
        packets_in: found["packets_in"].as_u64().unwrap_or(0),
        packets_out: found["packets_out"].as_u64().unwrap_or(0),
        last: found["last_seen_unix_ms"].as_u64(),
        freshness: found["freshness"].as_str().unwrap_or_default().to_owned(),
    })
}

fn await_group(party: &Party, n: u8, holds: impl Fn(&Seen) -> bool) -> Result<Seen> {
    until(&format!("packets of group {n} are counted"), SOON, || {
        let seen = seen(party, n)?;
        Ok(Ask::holds(holds(&seen), || {
            format!("{seen:?}; {}", party.daemon.log_tail())
        }))
    })?;
    seen(party, n)
}

fn await_health(party: &Party, what: &str, holds: impl Fn(&Value) -> bool) -> Result<()> {
    until(what, SOON * 3, || {
        let health = party.daemon.json("/v3/health?for=failover")?;
        Ok(Ask::holds(holds(&health), || health.to_string()))
    })
    .map(drop)
}

/// The command line has a line with both.
fn told(party: &Party, words: &[&str], first: &str, then: &str) -> Result<()> {
    let mut command = party.client.command(sibling("warren")?);
    command
        .arg("--sock-file")
        .arg(party.daemon.socket())
        .args(words)
        .env_clear()
        .env("LANG", "C");
    let output = command.output().context("cannot run warren")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let is_told = said.lines().any(|line| {
        line.split_once(first)
            .is_some_and(|(_, rest)| rest.contains(then))
    });
    ensure!(
        is_told,
        "{words:?} has no line with {first:?} and {then:?}: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

//! Who follows the daemon's streams: the command line, and readers that know nothing of this project's code.

mod terminal;

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use warren_e2e::{
    daemon::{Daemon, sibling},
    observe::{await_gone, await_working, link_index},
    proxy::Fault,
    readers::Proxy,
    site::{Connection, LINK, Site},
    wait::{Ask, until},
};
use warren_ledger::accounts::{UserStatus, UserType};
use warren_state::stream::merge;

use self::terminal::{topped, watched, watched_on_a_terminal};
use crate::{
    Scenario,
    support::{SOON, connected},
};

pub const ALL: &[Scenario] = &[
    (
        "events_are_followed_over_a_connect_a_drift_a_restart_and_a_ban_and_none_is_missing",
        followed,
    ),
    (
        "events_that_were_are_told_by_span_position_topic_and_tunnel",
        told,
    ),
    (
        "a_watched_status_is_a_block_for_each_change_over_a_restart",
        watched,
    ),
    (
        "a_watched_status_is_painted_over_on_a_terminal_and_never_cleared",
        watched_on_a_terminal,
    ),
    (
        "top_fills_a_terminal_of_any_size_and_leaves_it_as_it_was_however_it_is_ended",
        topped,
    ),
    (
        "whoever_waits_for_a_daemon_to_be_enabled_waits_on_over_a_restart_of_it",
        waited,
    ),
    ("curl_reads_the_state_and_what_changes", by_curl),
];

/// Those that need a reader from elsewhere.
pub const PYTHON: &[Scenario] = &[(
    "httpx_sse_has_the_state_that_the_daemon_has_over_a_restart",
    by_httpx_sse,
)];
/// Those that need a browser.
pub const BROWSER: &[Scenario] = &[(
    "a_browsers_event_source_draws_who_is_connected_over_a_restart",
    by_a_browser,
)];

/// Why `PYTHON` cannot run here.
pub fn without_python() -> Option<String> {
    let python = Command::new(python()).args(["-c", "import httpx_sse"]).output();
    let runs = python.is_ok_and(|output| output.status.success());
    (!runs).then(|| "httpx-sse is not installed (e2e/readers/setup installs it)".to_owned())
}

/// Why `BROWSER` cannot run here.
pub fn without_browser() -> Option<String> {
    let browser = Command::new(BROWSER_PROGRAM).arg("--version").output();
    let runs = browser.is_ok_and(|output| output.status.success());
    (!runs).then(|| "chromium is not installed (package chromium)".to_owned())
}

const BROWSER_PROGRAM: &str = "chromium";
/// The reading whose two outputs are one.
const TOGETHER: &str = "words";

fn python() -> PathBuf {
    root().join("target/httpx-sse/bin/python")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("/"))
}

/// A program that runs on, and what it says.
struct Reading {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Reading {
    /// `warren` with these arguments, where this daemon is.
    fn warren(site: &Site<'_>, daemon: &Daemon, name: &str, arguments: &[&str]) -> Result<Self> {
        let mut command = site.client().namespace.command(sibling("warren")?);
        command
            .arg("--sock-file")
            .arg(daemon.socket())
            .args(["--program-id", &site.network.program_id.to_string()])
            .args(arguments)
            .env_clear()
            .env("HOME", daemon.state_directory());
        Self::start(command, daemon, name)
    }

    fn start(command: Command, daemon: &Daemon, name: &str) -> Result<Self> {
        Self::start_with(command, daemon, name, Stdio::null())
    }

    fn start_with(mut command: Command, daemon: &Daemon, name: &str, stdin: Stdio) -> Result<Self> {
        let place = |what: &str| daemon.state_directory().with_file_name(format!("{name}.{what}"));
        let (out, err) = (place("out"), place("err"));
        let stdout = File::create(&out)?;
        // As on a terminal, where what became of the stream stands between what it told.
        let (stderr, err) = if name == TOGETHER {
            (stdout.try_clone()?, out.clone())
        } else {
            (File::create(&err)?, err)
        };
        let child = command
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .with_context(|| format!("cannot run {name}"))?;
        Ok(Self { child, out, err })
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.out).unwrap_or_default()
    }

    fn told(&self) -> String {
        fs::read_to_string(&self.err).unwrap_or_default()
    }

    fn await_line(&mut self, part: &str) -> Result<()> {
        until(&format!("a line with {part:?}"), SOON, || {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}: {}{}", self.said(), self.told());
            }
            Ok(Ask::holds(self.said().contains(part), || self.said()))
        })
        .map(drop)
    }

    fn await_end(&mut self) -> Result<()> {
        let (status, _) = until("its end", SOON, || {
            Ok(match self.child.try_wait()? {
                Some(status) => Ask::Yes(status),
                None => Ask::NotYet(self.told()),
            })
        })?;
        ensure!(status.success(), "{status}: {}", self.told());
        Ok(())
    }

    fn lines(&self) -> Result<Vec<Value>> {
        let said = self.said();
        // The last one may be on its way.
        let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| Ok(serde_json::from_str(line)?))
            .collect()
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

fn await_readers(daemon: &Daemon, count: u64) -> Result<()> {
    until(&format!("{count} readers"), SOON, || {
        let status = daemon.json("/v3/status")?;
        let readers = &status["streams"]["readers"];
        Ok(Ask::holds(readers.as_u64() == Some(count), || {
            readers.to_string()
        }))
    })
    .map(drop)
}

fn ban(site: &Site<'_>, connection: &Connection) -> Result<()> {
    connection.set_status(&site.network, UserStatus::BANNED)
}

fn followed(site: &mut Site<'_>) -> Result<()> {
    let mut daemon = site.start_daemon()?;
    let follow = ["events", "--follow"];
    let mut words = Reading::warren(site, &daemon, TOGETHER, &follow)?;
    let mut data = Reading::warren(site, &daemon, "data", &[&follow[..], &["--json"]].concat())?;
    await_readers(&daemon, 2)?;
    let connection = site.connect(0, UserType::IBRL)?;
    await_working(site, &daemon, &connection, SOON)?;
    let client = Arc::clone(&site.client().namespace);
    let before = link_index(&client, LINK)?;
    client.ip(&format!("link del {LINK}\n"))?;
    until("another link is there", SOON, || {
        let is_new = link_index(&client, LINK).is_ok_and(|index| index != before);
        Ok(Ask::holds(is_new, || "no new link".into()))
    })?;
    await_working(site, &daemon, &connection, SOON)?;
    daemon.terminate()?;
    daemon.resume()?;
    await_working(site, &daemon, &connection, SOON)?;
    await_readers(&daemon, 2)?;
    ban(site, &connection)?;
    await_gone(&client, &daemon, SOON)?;
    for reading in [&mut words, &mut data] {
        reading
            .await_line("-> removed")
            .or_else(|_| reading.await_line("\"to\":\"removed\""))?;
    }
    let told = words.told();
    for part in [
        "waiting for warrend to come back",
        "warrend is back",
        "this is start 2 of the daemon",
    ] {
        ensure!(told.contains(part), "{part:?} is not in {told}");
    }
    ensure!(!told.contains("not known"), "{told}");
    let lines = data.lines()?;
    nothing_is_missing(&daemon, &lines)?;
    let kinds: BTreeSet<&str> = lines.iter().filter_map(|line| line["kind"].as_str()).collect();
    for kind in [
        "phase_changed",
        "repaired",
        "stopping",
        "started",
        "adopted",
        "tunnel_drained",
    ] {
        ensure!(kinds.contains(kind), "{kind}: {kinds:?}");
    }
    if std::env::var_os("WARREN_E2E_TELL").is_some() {
        println!("$ warren events --follow\n{told}");
    }
    Ok(())
}

/// What is on disk of what came after the first line is in the lines, each once and in order.
fn nothing_is_missing(daemon: &Daemon, lines: &[Value]) -> Result<()> {
    let place = |line: &Value| Some((line["epoch"].as_u64()?, line["sequence"].as_u64()?));
    let told: Vec<(u64, u64)> = lines.iter().filter_map(place).collect();
    ensure!(told.is_sorted() && told.len() == lines.len(), "{told:?}");
    let first = *told.first().context("nothing was told")?;
    let page = daemon.json("/v3/journal?limit=500")?;
    let kept = page["entries"].as_array().context("no entries")?;
    let missing: Vec<&Value> = kept
        .iter()
        .filter(|entry| place(entry).is_some_and(|at| at >= first && !told.contains(&at)))
        .collect();
    ensure!(missing.is_empty() && kept.len() > 5, "{missing:?}");
    let once: BTreeSet<&(u64, u64)> = told.iter().collect();
    ensure!(once.len() == told.len(), "some came twice: {told:?}");
    Ok(())
}

fn told(site: &mut Site<'_>) -> Result<()> {
    let mut host = connected(site, UserType::IBRL)?;
    let run = |name: &str, more: &[&str]| -> Result<Vec<Value>> {
        let arguments = [&["events", "--json"], more].concat();
        let mut reading = Reading::warren(site, &host.daemon, name, &arguments)?;
        reading.await_end()?;
        reading.lines()
    };
    let all = run("all", &[])?;
    ensure!(
        all.iter().any(|line| line["kind"] == "started") && all.len() > 5,
        "{all:?}"
    );
    // Something may have happened since.
    ensure!(run("span", &["--since", "1h"])?.starts_with(&all));
    ensure!(run("none", &["--since", "0s"])?.is_empty());
    let middle = all[all.len() / 2]["position"].as_str().context("no position")?;
    let rest = run("rest", &["--since", middle])?;
    ensure!(rest.starts_with(&all[all.len() / 2 + 1..]), "{rest:?}");
    let sessions = run("sessions", &["--topic", "session"])?;
    let is_of_a_session = |line: &&Value| {
        line["kind"]
            .as_str()
            .is_some_and(|kind| kind.starts_with("session"))
    };
    ensure!(sessions == all.iter().filter(is_of_a_session).cloned().collect::<Vec<_>>());
    ensure!(!sessions.is_empty());
    let of_it = run("tunnel", &["--tunnel", LINK])?;
    let id = host.connection.pubkey.to_string();
    ensure!(
        !of_it.is_empty() && of_it.iter().all(|line| line["tunnel"] == id),
        "{of_it:?}"
    );
    let mut wrong = Reading::warren(site, &host.daemon, "wrong", &["events", "--topic", "rainbows"])?;
    ensure!(
        wrong.await_end().is_err() && wrong.told().contains("is not a topic"),
        "{}",
        wrong.told()
    );
    // Of earlier starts there is what is kept on disk.
    host.daemon.terminate()?;
    host.daemon.resume()?;
    let mut later = Reading::warren(site, &host.daemon, "later", &["events"])?;
    later.await_end()?;
    ensure!(
        later.said().matches("started for the users").count() == 2,
        "{}",
        later.said()
    );
    host.daemon.terminate()?;
    let mut nobody = Reading::warren(site, &host.daemon, "nobody", &["events", "--follow"])?;
    let (status, _) = until("its end", SOON, || {
        Ok(match nobody.child.try_wait()? {
            Some(status) => Ask::Yes(status),
            None => Ask::NotYet(nobody.told()),
        })
    })?;
    ensure!(status.code() == Some(3), "{status}: {}", nobody.told());
    Ok(())
}

fn waited(site: &mut Site<'_>) -> Result<()> {
    let proxy = site.world().proxy()?;
    proxy.set(Fault::Down);
    let connection = site.connect(0, UserType::IBRL)?;
    let mut config = site.daemon_config();
    config.rpc = proxy.rpc;
    let mut daemon = site.start_daemon_with(config)?;
    let words = ["enable", "--wait", "90s", "--json"];
    let mut enable = Reading::warren(site, &daemon, "enable", &words)?;
    until("it is enabled", SOON, || {
        let status = daemon.json("/v2/status")?;
        let enabled = &status["reconciler_enabled"];
        Ok(Ask::holds(*enabled == true, || status.to_string()))
    })?;
    daemon.kill()?;
    daemon.resume()?;
    // It follows the one that is there now, which does not know yet what to do.
    await_readers(&daemon, 1)?;
    ensure!(
        enable.child.try_wait()?.is_none(),
        "{}{}",
        enable.said(),
        enable.told()
    );
    proxy.set(Fault::None);
    enable.await_end()?;
    let said: Value = serde_json::from_str(enable.said().trim())?;
    ensure!(said["enabled"] == true && said["converged"] == true, "{said}");
    await_working(site, &daemon, &connection, SOON)
}

fn by_curl(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site, UserType::IBRL)?;
    let mut command = host.client.command("curl");
    command.args(["-sN", "--unix-socket"]).arg(host.daemon.socket());
    command.arg("http://warrend/v3/events");
    let mut reading = Reading::start(command, &host.daemon, "curl")?;
    reading.await_line("event: snapshot\nid: ")?;
    ensure!(
        reading.said().contains("\"phase\":\"active\""),
        "{}",
        reading.said()
    );
    host.daemon.post("/disable")?;
    reading.await_line("event: event\nid: ")?;
    reading.await_line("\"kind\":\"tunnel_drained\"")?;
    Ok(())
}

fn by_httpx_sse(site: &mut Site<'_>) -> Result<()> {
    let mut daemon = site.start_daemon()?;
    let mut command = site.client().namespace.command(python());
    command
        .arg(root().join("e2e/readers/follow.py"))
        .arg(daemon.socket());
    let mut reading = Reading::start(command, &daemon, "httpx-sse")?;
    await_readers(&daemon, 1)?;
    let connection = site.connect(0, UserType::IBRL)?;
    await_working(site, &daemon, &connection, SOON)?;
    daemon.terminate()?;
    daemon.resume()?;
    await_working(site, &daemon, &connection, SOON)?;
    await_readers(&daemon, 1)?;
    daemon.post("/disable?wait=30s")?;
    reading.await_end()?;
    let said: Value = serde_json::from_str(reading.said().trim())?;
    ensure!(
        said["began"] == serde_json::json!(["snapshot:", "resumed:journal"]),
        "{}",
        said["began"]
    );
    let events = said["events"].as_array().context("no events")?;
    let kinds: BTreeSet<&str> = events.iter().filter_map(|event| event[1].as_str()).collect();
    for kind in ["phase_changed", "stopping", "started", "adopted", "switched"] {
        ensure!(kinds.contains(kind), "{kind}: {kinds:?}");
    }
    // What it made of the frames is what the daemon says where it is.
    let mut is = Value::Null;
    let answer = daemon.get("/v3/events?follow=false")?.text();
    for data in answer.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let mut data: Value = serde_json::from_str(data)?;
        if data["state"].is_object() {
            is = data["state"].take();
        }
        data.get("patch")
            .into_iter()
            .for_each(|patch| merge(&mut is, patch));
    }
    let same = |name: &str| is[name] == said["state"][name];
    for name in [
        "enabled",
        "switch",
        "converged",
        "tunnels",
        "refused",
        "client_ip",
        "owners",
    ] {
        ensure!(same(name), "{name}: {} and {}", is[name], said["state"][name]);
    }
    Ok(())
}

fn by_a_browser(site: &mut Site<'_>) -> Result<()> {
    let mut daemon = site.start_daemon()?;
    let client = Arc::clone(&site.client().namespace);
    let page = fs::read_to_string(root().join("e2e/readers/page.html"))?;
    let proxy = client.enter(|| Proxy::start(&daemon.socket(), page))?;
    let mut command = client.command(BROWSER_PROGRAM);
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ])
        .arg(format!(
            "--user-data-dir={}",
            daemon.state_directory().with_file_name("browser").display()
        ))
        .arg("--remote-debugging-port=0")
        .arg(proxy.url())
        .env("HOME", daemon.state_directory());
    let browser = Reading::start(command, &daemon, "browser")?;
    let draws = |what: &str, holds: &dyn Fn(&Value) -> bool| {
        until(what, Duration::from_secs(45), || {
            let report: Value = proxy
                .report()
                .as_deref()
                .map_or(Ok(Value::Null), serde_json::from_str)?;
            Ok(Ask::holds(holds(&report), || {
                format!("{report} {}", browser.told())
            }))
        })
    };
    let open = |report: &Value| report["open"].as_array().map_or(0, Vec::len);
    draws("an empty page", &|report| {
        report["starts"][0] == "snapshot" && open(report) == 0
    })?;
    let connection = site.connect(0, UserType::IBRL)?;
    await_working(site, &daemon, &connection, SOON)?;
    draws("tunnel and session", &|report| open(report) == 2)?;
    daemon.terminate()?;
    daemon.resume()?;
    await_working(site, &daemon, &connection, SOON)?;
    draws("the same after it came back", &|report| {
        report["starts"].as_array().is_some_and(|starts| starts.len() > 1) && open(report) == 2
    })?;
    ban(site, &connection)?;
    draws("nobody", &|report| {
        open(report) == 0
            && report["seen"]
                .as_array()
                .is_some_and(|seen| seen.contains(&"drained".into()))
    })?;
    Ok(())
}

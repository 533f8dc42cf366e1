//! How well a tunnel is held to a rate, what its neighbour notices of that, and how far a cap is overrun.

use std::{
    fs,
    net::Ipv4Addr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use warren_e2e::{
    daemon::Daemon,
    netns::Namespace,
    observe::{await_session_of, await_working},
    ping,
    site::{Connection, Site, TEST_ADDRESSES, allocated, tunnel_end},
    transfer::{End, Transfer},
    wait::{Ask, until},
};
use warren_ledger::accounts::UserType;

use super::{
    report::Row,
    stage::{SOON, Stage},
};

/// What is held to: 50 and 1 Mbit/s, in octets a second.
const RATES: [u32; 2] = [6_250_000, 125_000];
/// A figure is of this long.
const TIME: Duration = Duration::from_secs(10);
/// Until a stream has found its speed.
const WARM: Duration = Duration::from_secs(2);
/// How often usage is looked at where no cap is near: the daemon's own setting.
const INTERVAL: f64 = 5.0;
/// Of a cap this many seconds at full speed are left.
const LEFT: f64 = 3.0;
/// More than anybody uses, in octets.
const ENDLESS: u64 = 1_000_000_000_000_000;
/// Until what a link carried is counted for sure.
const COUNTED: Duration = Duration::from_secs(12);
/// The neighbour is looked at alone and beside a held stream, by turns, so that what else the machine does counts for both.
const TURNS: usize = 7;
const TURN: Duration = Duration::from_secs(3);
/// What the neighbour is offered where it does not take all that there is: 20 Mbit/s.
const OFFERED: u32 = 2_500_000;
/// Overshoots are measured so often, and the largest counts.
const CAPS: usize = 2;

/// A held tunnel and its neighbour, between the same two hosts.
struct Pair<'w> {
    site: Site<'w>,
    daemon: Daemon,
    held: Connection,
    neighbour: Connection,
    client: Arc<Namespace>,
    device: Arc<Namespace>,
    files: TempDir,
}

pub(super) fn measure(stage: &Stage) -> Result<Vec<Row>> {
    let world = stage.world()?;
    let mut pair = Pair::connect(stage, world.site()?)?;
    let mut rows = Vec::new();
    for rate in RATES {
        pair.hold(rate)?;
        rows.extend(pair.held_to(rate)?);
        rows.push(pair.beside(
            rate,
            Transfer::tcp(pair.neighbours(true), pair.neighbours(false))?,
            "TCP stream",
        )?);
        let rain = Transfer::udp(pair.neighbours(true), pair.neighbours(false), OFFERED)?;
        rows.push(pair.beside(rate, rain, "UDP, 20 Mbit/s offered")?);
    }
    rows.push(pair.overshoot("idle before", false)?);
    rows.push(pair.overshoot("at full speed before", true)?);
    let backend = pair.daemon.json("/v3/status")?["dataplane"]["backend"].clone();
    let backend = backend.as_str().unwrap_or("?").to_owned();
    let named = rows.into_iter().map(|row| Row {
        what: format!("{}, {backend}", row.what),
        ..row
    });
    Ok(named.collect())
}

impl<'w> Pair<'w> {
    fn connect(stage: &Stage, mut site: Site<'w>) -> Result<Self> {
        let held = site.connect(1, UserType::IBRL)?;
        site.add_device()?;
        let neighbour = neighbour(&mut site)?;
        let files = tempfile::tempdir()?;
        let file = files.path().join("warren.toml");
        configure(&files, RATES[0])?;
        site.daemon_arguments = vec!["--config".to_owned(), file.display().to_string()];
        let daemon = stage.daemon(&site, |config| config.poll_interval = Duration::from_secs(2))?;
        await_working(&mut site, &daemon, &held, SOON)?;
        await_session_of(&daemon, neighbour.service(), SOON)?;
        let (client, device) = (
            Arc::clone(&site.client().namespace),
            Arc::clone(&site.device().namespace),
        );
        Ok(Self {
            site,
            daemon,
            held,
            neighbour,
            client,
            device,
            files,
        })
    }

    /// The tunnel is held to this rate, each way.
    fn hold(&mut self, rate: u32) -> Result<()> {
        configure(&self.files, rate)?;
        self.daemon.terminate()?;
        self.daemon.resume()?;
        await_working(&mut self.site, &self.daemon, &self.held, SOON)?;
        self.set_cap(Some(1))?;
        // The first octets after that are too many.
        ping::first_reply(&self.client, self.held.user.dz_ip, TEST_ADDRESSES[0], SOON)?;
        self.await_held(|held| held["up"] == rate && held["down"] == rate)
    }

    fn held_to(&self, rate: u32) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for (up, way) in [(true, "sent"), (false, "received")] {
            let stream = self.stream(up)?;
            thread::sleep(WARM);
            let speed = stream.speed(TIME);
            drop(stream);
            rows.push(
                off(
                    &format!("one TCP stream {way}"),
                    rate,
                    speed,
                    f64::from(rate),
                    10.0,
                )
                .note(mbit(speed)),
            );
            let rain = Transfer::udp(self.end(up), self.end(!up), rate.saturating_mul(2))?;
            thread::sleep(WARM);
            let speed = rain.speed(TIME);
            drop(rain);
            rows.push(
                off(
                    &format!("UDP {way}, twice as much offered"),
                    rate,
                    speed,
                    f64::from(rate),
                    3.0,
                )
                .note(mbit(speed)),
            );
        }
        Ok(rows)
    }

    /// What the neighbour gets of this transfer beside a stream that is held, against what it gets alone.
    fn beside(&self, rate: u32, neighbours: Transfer, what: &str) -> Result<Row> {
        thread::sleep(WARM);
        let (mut alone, mut beside, mut parts) = (vec![neighbours.speed(TURN)], Vec::new(), Vec::new());
        for turn in 0..TURNS {
            let held = self.stream(true)?;
            thread::sleep(WARM);
            beside.push(neighbours.speed(TURN));
            drop(held);
            thread::sleep(WARM);
            alone.push(neighbours.speed(TURN));
            parts.push(beside[turn] / f64::midpoint(alone[turn], alone[turn + 1]));
        }
        let what = format!("neighbour's {what}, beside a held TCP stream");
        let less = (100.0 - median(parts) * 100.0).max(0.0);
        Ok(Row::new(
            format!("{what}, held to {}", mbit(f64::from(rate))),
            less,
            "% less",
        )
        .at_most(5.0)
        .note(format!(
            "{} alone, {} beside it, each beside what was alone before and after it, medians of {TURNS}",
            mbit(median(alone)),
            mbit(median(beside))
        )))
    }

    /// How much more than the cap is carried, when this many seconds at full speed are left of it: the most of all runs.
    fn overshoot(&self, how: &str, is_running: bool) -> Result<Row> {
        let mut runs = Vec::new();
        for _ in 0..CAPS {
            runs.push(self.overshot(is_running)?);
        }
        let (seconds, octets, speed) = runs
            .into_iter()
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .unwrap_or_default();
        let what = format!("overshoot of a cap, {how}");
        Ok(Row::new(what, seconds, "s of full speed")
            .at_most(INTERVAL + 1.0)
            .note(format!(
                "{:.1} MB more than allowed, at {}, the most of {CAPS}",
                octets / 1e6,
                mbit(speed)
            )))
    }

    /// In seconds at full speed, in octets, and the speed.
    fn overshot(&self, is_running: bool) -> Result<(f64, f64, f64)> {
        self.set_cap(None)?;
        self.await_held(Value::is_null)?;
        let running = self.stream(true)?;
        self.set_cap(Some(ENDLESS))?;
        thread::sleep(COUNTED);
        let speed = running.speed(TIME);
        let running = Some(running).filter(|_| is_running);
        if running.is_none() {
            thread::sleep(COUNTED);
        }
        let used = if is_running {
            self.next_used()?
        } else {
            figure(&self.cap()?, "used")?
        };
        let limit = used + speed * LEFT;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "octets")]
        self.set_cap(Some(limit as u64))?;
        let running = running.map_or_else(|| self.stream(true), Ok)?;
        let (begun, before) = (Instant::now(), running.received());
        self.await_held(|held| !held.is_null())?;
        #[allow(clippy::cast_precision_loss, reason = "a figure")]
        let speed = (running.received() - before) as f64 / begun.elapsed().as_secs_f64();
        drop(running);
        thread::sleep(COUNTED);
        let more = figure(&self.cap()?, "used")? - limit;
        Ok((more / speed, more, speed))
    }

    /// What was used, as soon as it was counted anew.
    fn next_used(&self) -> Result<f64> {
        let before = figure(&self.cap()?, "used")?;
        let counted = until("use is counted", SOON, || {
            let used = figure(&self.cap()?, "used")?;
            Ok(if used > before {
                Ask::Yes(used)
            } else {
                Ask::NotYet(format!("{used}"))
            })
        })?;
        Ok(counted.0)
    }

    fn stream(&self, up: bool) -> Result<Transfer> {
        Transfer::tcp(self.end(up), self.end(!up))
    }

    fn neighbours(&self, is_client: bool) -> End<'_> {
        let end = &self.neighbour.end;
        if is_client {
            End {
                namespace: &self.client,
                address: Ipv4Addr::from(u32::from(end.overlay) + 1),
            }
        } else {
            End {
                namespace: &self.site.devices[1].1.namespace,
                address: end.overlay,
            }
        }
    }

    fn end(&self, is_client: bool) -> End<'_> {
        if is_client {
            End {
                namespace: &self.client,
                address: self.held.user.dz_ip,
            }
        } else {
            End {
                namespace: &self.device,
                address: TEST_ADDRESSES[0],
            }
        }
    }

    fn set_cap(&self, octets: Option<u64>) -> Result<()> {
        let cap = octets.map(|octets| format!("{octets}B"));
        let body = json!({"device": self.held.pubkey.to_string(), "cap": cap});
        let answer = self.daemon.post_body("/v3/caps", &body.to_string())?;
        ensure!(answer.status == 200, "{}", answer.text());
        Ok(())
    }

    fn cap(&self) -> Result<Value> {
        let caps = self.daemon.json("/v3/caps")?;
        let device = self.held.pubkey.to_string();
        let all = caps["caps"].as_array().context("no caps")?;
        let one = all.iter().find(|cap| cap["device"] == *device);
        one.cloned().with_context(|| caps.to_string())
    }

    fn await_held(&self, holds: impl Fn(&Value) -> bool) -> Result<()> {
        let link = self.held.pubkey.to_string();
        until("the rate is as it should be", SOON, || {
            let status = self.daemon.json("/v3/status")?;
            let tunnels = status["tunnels"].as_array().context("no tunnels")?;
            let tunnel = tunnels.iter().find(|tunnel| tunnel["id"] == *link);
            let is_so = tunnel.is_some_and(|tunnel| holds(&tunnel["held_to"]));
            Ok(Ask::holds(is_so, || format!("{tunnel:?}")))
        })
        .map(drop)
    }
}

/// Another tunnel of the same host, to another device.
fn neighbour(site: &mut Site<'_>) -> Result<Connection> {
    let (kind, client) = (UserType::MULTICAST, site.client().address);
    let (key, device) = (site.devices[1].0, site.devices[1].1.address);
    let (pubkey, user) = site
        .network
        .new_user(2, kind, key, client, allocated(kind, 2, client));
    let end = tunnel_end(&user, device);
    site.devices[1].1.add_tunnel(end.clone())?;
    site.put(pubkey, user.clone())?;
    Ok(Connection { pubkey, user, end })
}

fn configure(files: &TempDir, rate: u32) -> Result<()> {
    let text = format!(
        "[caps]\nsource = 'local'\ndevice_id = 'user'\nthrottled_up = {rate}\nthrottled_down = {rate}\n"
    );
    Ok(fs::write(files.path().join("warren.toml"), text)?)
}

/// How far a speed is from what it should be, in hundredths of that.
fn off(what: &str, rate: u32, speed: f64, wanted: f64, most: f64) -> Row {
    let hundredths = (speed - wanted).abs() / wanted * 100.0;
    Row::new(
        format!("{what}, held to {}", mbit(f64::from(rate))),
        hundredths,
        "% off",
    )
    .at_most(most)
}

fn median(mut speeds: Vec<f64>) -> f64 {
    speeds.sort_by(f64::total_cmp);
    speeds.get(speeds.len() / 2).copied().unwrap_or_default()
}

fn mbit(octets_a_second: f64) -> String {
    format!("{:.2} Mbit/s", octets_a_second * 8.0 / 1e6)
}

fn figure(of: &Value, name: &str) -> Result<f64> {
    of[name].as_f64().with_context(|| format!("{of} has no {name}"))
}

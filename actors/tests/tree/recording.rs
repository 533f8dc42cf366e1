//! What a tree of actors records is done again, byte for byte.

use std::path::Path;

use warren_actors::{Password, RecordSettings, StopMode};
use warren_protocols::player;
use warren_state::{
    health::{HealthVerdict, Purpose},
    recording::{Failure, Outcome},
    view::UserStatus,
};

use crate::{
    caps, flood, health, hooks, latency,
    world::{World, gateway_link, id, link},
};

const PASSWORD: &str = "hunter2hunter2";

fn play(recording: &[u8]) -> Result<Outcome, Failure> {
    let mut player = player();
    let lines = recording
        .strip_suffix(b"\n")
        .expect("its last line is whole")
        .split(|byte| *byte == b'\n');
    lines.map(|line| player.play(line)).collect::<Result<(), _>>()?;
    Ok(player.outcome().clone())
}

fn records(mut world: World, file: &Path, bytes: u64) -> World {
    world.settings.record = Some(RecordSettings {
        file: file.to_owned(),
        bytes,
    });
    world
}

/// A connection, drift, a provisioner and a reconciler that fail, and a ban.
async fn live(world: &mut World) {
    world.ledger.add_user(0);
    world.active(0).await;
    world.has_routes(2).await;
    world.kernel.meddle(&link(), |model| model.delete_link(&link()));
    world
        .until("it was mended", |snapshot| {
            snapshot
                .tunnels
                .get(&id(0))
                .is_some_and(|report| report.repairs > 0)
        })
        .await;
    world.active(0).await;
    world.kernel.faults.lock().unwrap().panic_on_link = Some((link(), 1));
    world
        .kernel
        .meddle(&link(), |model| model.set_mtu(&link(), 1_476));
    world.restarted("provisioner", 1).await;
    world.active(0).await;
    world.kernel.faults.lock().unwrap().panic_on_all = 1;
    world.restarted("reconciler", 1).await;
    world.converged().await;
    world.ledger.set_status(0, UserStatus::Banned);
    world.gone(0).await;
    world.converged().await;
    world.stop(StopMode::Detach).await;
}

async fn recorded() -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("recording");
    let mut world = records(World::client(), &file, 256 << 20);
    world.settings.bgp.password = Some(Password::new(PASSWORD));
    world.settings.resync_interval = std::time::Duration::from_millis(200);
    let mut world = world.enabled().await;
    live(&mut world).await;
    std::fs::read(&file).unwrap()
}

#[tokio::test]
async fn a_recorded_life_of_a_daemon_is_done_again_with_the_same_effects_and_table() {
    let recording = recorded().await;
    let outcome = play(&recording).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(outcome.table_compared && outcome.only_read == 0, "{outcome:?}");
    // The reconciler and the provisioner twice each, their sessions, and the polling of the ledger.
    assert!(
        outcome.machines >= 7 && outcome.inputs > 40 && outcome.steps > 40,
        "{outcome:?}"
    );
    assert_eq!(outcome.over.as_deref(), Some("the daemon stopped"));
    assert!(!String::from_utf8_lossy(&recording).contains(PASSWORD));
}

#[tokio::test]
async fn one_input_that_is_altered_shows_at_the_first_line_that_follows_from_it() {
    let text = String::from_utf8(recorded().await).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let up =
        |line: &String| line.starts_with("{\"input\"") && line.contains("\"Status\":[\"BGP Session Up\"");
    let altered = lines
        .iter()
        .position(up)
        .expect("a provisioner is told that its session is up");
    lines[altered] = lines[altered].replace("BGP Session Up", "BGP Session Down");
    let (number, _) = lines[altered]["{\"input\":{\"machine\":".len()..]
        .split_once(',')
        .unwrap();
    let effects = format!("{{\"effects\":{{\"machine\":{number},");
    let follows = altered
        + lines[altered..]
            .iter()
            .position(|line| line.starts_with(&effects))
            .expect("it led to something");
    let Err(Failure::Differs {
        line,
        whose,
        recorded,
        replayed,
    }) = play(format!("{}\n", lines.join("\n")).as_bytes())
    else {
        panic!("it differs")
    };
    assert_eq!(
        (line, whose),
        (follows as u64 + 1, format!("lifecycle of {}", id(0)))
    );
    assert!(
        recorded != replayed && recorded.contains("BGP Session Up"),
        "{recorded}\n{replayed}"
    );
}

/// A connection of a client that probes, that gives hooks what happens, one of which fails, and whose owner's cap is used up.
async fn watched() -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("recording");
    let programs = hooks::Hooks::new();
    programs.add("all", "cat >> OUT/all");
    programs.add("fails", "exit 3");
    let mut world = records(caps::world(), &file, 256 << 20);
    latency::probes(&mut world);
    world.settings.liveness = Some(flood::probing(0));
    world.settings.health = health::settings();
    world.settings.hooks = programs.settings("switch,tunnel", |_| {});
    let mut world = world.enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    world.has_routes(2).await;
    if latency::has_socket(&world).await {
        world
            .until("devices are measured", |snapshot| {
                latency::reachable(snapshot).len() > 1
            })
            .await;
    }
    world
        .until("hosts are probed", |snapshot| {
            let status = snapshot.liveness.clone().unwrap_or_default();
            !status.sessions.is_empty() && status.counters.values().any(|end| end.sent > 0)
        })
        .await;
    world
        .until("a hook has failed", |snapshot| {
            snapshot.hooks.hooks.values().any(|hook| hook.failures > 0)
        })
        .await;
    world
        .until("all is well", |snapshot| {
            health::verdict(snapshot, Purpose::General) == HealthVerdict::Healthy
        })
        .await;
    caps::hold(&world).await;
    world.ledger.set_status(0, UserStatus::Banned);
    world.gone(0).await;
    world.converged().await;
    world.stop(StopMode::Detach).await;
    std::fs::read_to_string(&file).unwrap()
}

/// In the line that begins so, the first digit after this is another one.
fn alter(recording: &str, line: &str, after: &str) -> Option<(usize, String)> {
    let mut lines: Vec<String> = recording.lines().map(str::to_owned).collect();
    let number = lines
        .iter()
        .position(|text| text.starts_with(line) && text.contains(after))?;
    let from = lines[number].find(after)? + after.len();
    let at = from + lines[number][from..].find(|letter: char| letter.is_ascii_digit())?;
    let digit = if lines[number].as_bytes()[at] == b'1' {
        "2"
    } else {
        "1"
    };
    lines[number].replace_range(at..=at, digit);
    Some((number + 1, lines.join("\n") + "\n"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_at_the_end_is_compared_whole_with_probes_health_hooks_and_caps_in_it() {
    let recording = watched().await;
    let outcome = play(recording.as_bytes()).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(outcome.table_compared && outcome.only_read == 0, "{outcome:?}");
    for machine in ["health", "hooks", "latency", "liveness"] {
        assert!(
            recording.contains(&format!("\"name\":\"{machine}\"")),
            "{machine}"
        );
    }
    // Each row of the table at the end, as something else appended it or its machine knows it.
    let rows = [
        "latency", "liveness", "health", "hooks", "caps", "usage", "tunnels",
    ];
    for row in rows {
        let last = recording.lines().count() - 1;
        let altered = alter(&recording, "{\"table\"", &format!("\"{row}\":"));
        let (line, altered) = altered.unwrap_or_else(|| panic!("{row} is there"));
        let failure = play(altered.as_bytes()).unwrap_err();
        assert!(
            matches!(&failure, Failure::Differs { line: at, .. } if *at == line as u64) && line == last,
            "{row}: {failure}"
        );
    }
    // What a machine knows is compared where it is told.
    for change in ["Health", "Hooks"] {
        let (line, altered) = alter(&recording, "{\"step\"", &format!("\"{change}\":")).unwrap();
        let failure = play(altered.as_bytes()).unwrap_err();
        assert!(
            matches!(&failure, Failure::Differs { line: at, .. } if *at == line as u64),
            "{change}: {failure}"
        );
    }
}

/// Steps of the table do not have what was measured: it is in the machine, and the table at the end has it from there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_came_at_another_time_shows_in_the_table() {
    let recording = watched().await;
    play(recording.as_bytes()).unwrap_or_else(|failure| panic!("{failure}"));
    let step = recording.lines().find(|line| line.contains("{\"Latency\":"));
    let step = step.expect("it is published");
    assert!(step.len() < 1_024 && !step.contains("history"), "{step}");
    let Some(prober) = recording
        .lines()
        .find_map(|line| {
            line.strip_prefix("{\"machine\":")?
                .split_once(",\"name\":\"latency\"")
        })
        .map(|(number, _)| number.to_owned())
    else {
        panic!("the prober is there")
    };
    let number = prober.trim_start_matches("{\"number\":");
    let input = format!("{{\"input\":{{\"machine\":{number},");
    // Where the system allows no ICMP socket, nothing is received.
    let Some((line, altered)) = alter(
        &recording,
        &input,
        "\"Received\":{\"source\":\"127.0.80.1\",\"at\":",
    ) else {
        return;
    };
    let failure = play(altered.as_bytes()).unwrap_err();
    assert!(
        matches!(&failure, Failure::Differs { line: at, .. } if *at > line as u64),
        "{failure}"
    );
}

#[tokio::test]
async fn each_part_of_a_long_recording_can_be_done_again_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("recording");
    let mut world = records(World::gateway(), &file, 512 << 10).enabled().await;
    for number in 1..=20 {
        world.ledger.add_user(number);
    }
    for number in 1..=20 {
        world.active(number).await;
    }
    // Until the second file has begun, and is neither nearly empty nor nearly full.
    let (older, few) = (directory.path().join("recording.1"), 64 << 10..320 << 10);
    let is_enough = || older.exists() && std::fs::metadata(&file).is_ok_and(|file| few.contains(&file.len()));
    for number in (1..=20).cycle().take(1_000) {
        if is_enough() {
            break;
        }
        let link = gateway_link(number);
        let before = world.kernel.index(&link);
        world.kernel.meddle(&link, |model| model.delete_link(&link));
        world
            .eventually("it is back", || {
                world
                    .kernel
                    .index(&link)
                    .is_some_and(|index| Some(index) != before)
            })
            .await;
    }
    world.converged().await;
    world.stop(StopMode::Detach).await;
    let newer = std::fs::read(&file).unwrap();
    let older = std::fs::read(&older).expect("it did not fit into one file");
    for recording in [&older, &newer, &[&*older, &*newer].concat()] {
        let outcome = play(recording).unwrap_or_else(|failure| panic!("{failure}"));
        assert!(
            outcome.machines > 0 && outcome.inputs > 0 && outcome.only_read == 0,
            "{outcome:?}"
        );
    }
    assert!(
        newer.len() <= 512 << 10 && older.len() <= 512 << 10,
        "{} and {}",
        newer.len(),
        older.len()
    );
}

#[tokio::test]
async fn what_happened_last_is_in_memory_and_can_be_done_again() {
    let world = World::connected().await;
    world.converged().await;
    let outcome = play(&world.handle().recording()).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(
        outcome.inputs > 10 && outcome.only_read == 0 && outcome.steps > 10,
        "{outcome:?}"
    );
}

/// There is no room for the tunnels' machines: what is there is of those that there is one of, in short lines.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_gateway_of_many_tunnels_memory_holds_what_was_decided() {
    const TUNNELS: u16 = 300;
    let world = World::gateway().enabled().await;
    world.has_users(1..=TUNNELS);
    world.all_active(TUNNELS).await;
    world.converged().await;
    let before = world.handle().recording().len();
    world.ledger.add_user(TUNNELS + 1);
    world.active(TUNNELS + 1).await;
    world.converged().await;
    let recording = world.handle().recording();
    let outcome = play(&recording).unwrap_or_else(|failure| panic!("{failure}"));
    let text = String::from_utf8(recording).unwrap();
    let thinned = text.find("{\"thinned\"").expect("it says what is left out");
    let after = &text[thinned..];
    assert!(after.lines().all(|line| line.len() <= 2_048), "{after}");
    for part in ["\"name\":\"reconciler\"", "\"assign\"", "plan_committed"] {
        assert!(after.to_lowercase().contains(part), "{part}: {after}");
    }
    assert!(!after.contains("\"name\":\"lifecycle\""), "{after}");
    assert!(outcome.only_read > 0, "{outcome:?}");
    let grown = text.len().saturating_sub(before);
    assert!(grown < 64 << 10, "one user more is {grown} bytes");
}

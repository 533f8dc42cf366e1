//! Programs of the operator are given what happens.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use warren_actors::{HooksSettings, StopMode};
use warren_state::{
    event::Event,
    hooks::{HookFailure, HookSettings},
    stream::Filter,
};

use crate::world::World;

/// A directory of hooks, and one for what they write.
pub struct Hooks {
    directory: TempDir,
    out: TempDir,
}

impl Hooks {
    pub fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            out: tempfile::tempdir().unwrap(),
        }
    }

    /// `OUT` in the script is a folder of its own.
    pub fn add(&self, name: &str, script: &str) {
        let path = self.directory.path().join(name);
        let script = script.replace("OUT", self.out.path().to_str().unwrap());
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn written(&self, name: &str) -> String {
        fs::read_to_string(self.out.path().join(name)).unwrap_or_default()
    }

    fn events(&self, name: &str) -> Vec<Value> {
        let text = self.written(name);
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn kinds(&self, name: &str) -> Vec<String> {
        let kind = |event: &Value| event["kind"].as_str().unwrap().to_owned();
        self.events(name).iter().map(kind).collect()
    }

    pub fn settings(&self, topics: &str, change: impl FnOnce(&mut HookSettings)) -> Option<HooksSettings> {
        let mut machine = HookSettings {
            filter: Filter::parse(Some(topics), None).unwrap(),
            ..HookSettings::default()
        };
        change(&mut machine);
        Some(HooksSettings {
            directory: self.directory.path().to_owned(),
            machine,
        })
    }
}

fn failures(world: &World) -> Vec<(String, HookFailure, Option<String>)> {
    let of = |event: &Event| match event {
        Event::HookFailed {
            hook,
            failure,
            detail,
        } => Some((hook.clone(), failure.clone(), detail.clone())),
        _ => None,
    };
    world.told().iter().filter_map(|entry| of(&entry.event)).collect()
}

#[tokio::test]
async fn hooks_get_what_happens_in_order_to_the_end_with_little_around_them() {
    let hooks = Hooks::new();
    hooks.add("all", "cat >> OUT/all");
    hooks.add(
        "around",
        "env > OUT/env; ls -l /proc/self/fd > OUT/fds; grep CapAmb /proc/self/status > OUT/caps; pwd > OUT/pwd",
    );
    let mut world = World::client();
    world.settings.hooks = hooks.settings("daemon,switch,phase_changed", |_| ());
    world.start().await;
    let _not_closed = fs::File::open("/dev/null").unwrap();
    world.handle().set_enabled(true).await.unwrap();
    world.ledger.add_user(0);
    world.active(0).await;
    world
        .eventually("the tunnel is told", || {
            hooks.written("all").contains("\"to\":\"active\"")
        })
        .await;
    let snapshot = world
        .until("their runs are counted", |snapshot| {
            let hooks = &snapshot.hooks.hooks;
            hooks.len() == 2 && hooks.values().all(|hook| hook.runs > 3 && hook.failures == 0)
        })
        .await;
    assert_eq!(snapshot.hooks.problem, None);
    world.stop(StopMode::Detach).await;
    let kinds = hooks.kinds("all");
    assert_eq!((kinds[0].as_str(), kinds[1].as_str()), ("started", "switched"));
    assert_eq!(kinds.last().map(String::as_str), Some("stopping"));
    let sequences: Vec<u64> = hooks
        .events("all")
        .iter()
        .map(|event| event["sequence"].as_u64().unwrap())
        .collect();
    assert!(
        sequences.windows(2).all(|pair| pair[0] < pair[1]),
        "{sequences:?}"
    );
    assert!(
        hooks
            .events("all")
            .iter()
            .all(|event| event["dropped"].is_null() && event["text"].is_string())
    );
    let environment = hooks.written("env");
    let mut names: Vec<&str> = environment
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0))
        .filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["LANG", "PATH", "WARREN_EVENT", "WARREN_HOOK"]);
    assert_eq!(hooks.written("pwd"), "/\n");
    assert_eq!(hooks.written("caps"), "CapAmb:\t0000000000000000\n");
    // The last one is that of the listing itself.
    let open = hooks
        .written("fds")
        .lines()
        .filter(|line| line.contains("->"))
        .count();
    assert_eq!(open, 4, "{}", hooks.written("fds"));
}

/// Its number, as it wrote it down.
fn pids(hooks: &Hooks) -> Vec<String> {
    hooks
        .written("pids")
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

fn lives(pid: &str) -> bool {
    let status = fs::read_to_string(PathBuf::from("/proc").join(pid).join("stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

#[tokio::test]
async fn one_that_hangs_is_killed_with_all_that_it_started_and_nobody_waits_for_it() {
    let hooks = Hooks::new();
    hooks.add("hangs", "sleep 1000 & echo $! $$ >> OUT/pids; wait");
    hooks.add("quick", "cat >> OUT/quick");
    let mut world = World::client();
    world.settings.hooks = hooks.settings("switch", |machine| {
        machine.deadline = Duration::from_millis(500);
        machine.rest = Duration::from_millis(10);
        machine.longest_rest = Duration::from_millis(10);
    });
    let mut world = world.enabled().await;
    for enabled in [false, true, false, true] {
        world.handle().set_enabled(enabled).await.unwrap();
    }
    world
        .eventually("the quick one has all", || hooks.kinds("quick").len() == 5)
        .await;
    world
        .eventually("it is told", || !failures(&world).is_empty())
        .await;
    let expected = ("hangs".to_owned(), HookFailure::Deadline { seconds: 0 }, None);
    assert_eq!(failures(&world)[0], expected);
    world.eventually("it ran twice", || pids(&hooks).len() >= 4).await;
    let first: Vec<String> = pids(&hooks).into_iter().take(2).collect();
    world
        .eventually("nothing of the first is left", || {
            !first.iter().any(|pid| lives(pid))
        })
        .await;
    world.stop(StopMode::Detach).await;
    let left = || pids(&hooks).iter().any(|pid| lives(pid));
    let until = tokio::time::Instant::now() + crate::world::PATIENCE;
    while left() && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!left(), "nothing is left after the end");
}

#[tokio::test]
async fn failures_are_told_once_with_what_the_hook_said_and_no_hook_is_given_that() {
    let hooks = Hooks::new();
    hooks.add(
        "fails",
        "echo first >&2; echo no such host >&2; test -e OUT/mended || exit 7",
    );
    hooks.add("all", "cat >> OUT/all");
    let mut world = World::client();
    world.settings.hooks = hooks.settings("switch,hooks,hook_failed", |machine| {
        machine.rest = Duration::from_millis(1);
        machine.longest_rest = Duration::from_millis(1);
    });
    let mut world = world.enabled().await;
    for enabled in [false, true] {
        world.handle().set_enabled(enabled).await.unwrap();
    }
    world
        .until("all runs failed", |snapshot| {
            snapshot
                .hooks
                .hooks
                .get("fails")
                .is_some_and(|hook| hook.failures == 3)
        })
        .await;
    let said = Some("no such host".to_owned());
    assert_eq!(
        failures(&world),
        [("fails".to_owned(), HookFailure::Exit { status: 7 }, said)]
    );
    fs::write(hooks.out.path().join("mended"), "").unwrap();
    world.handle().set_enabled(false).await.unwrap();
    world
        .until("that it is well again is told", |snapshot| {
            snapshot.events.get("hook_mended") == Some(&1)
        })
        .await;
    world.stop(StopMode::Detach).await;
    assert_eq!(hooks.kinds("all"), ["switched"; 4], "nothing about hooks");
}

#[tokio::test]
async fn what_waits_is_bounded_and_the_hook_and_the_operator_are_told_of_the_loss() {
    let hooks = Hooks::new();
    hooks.add(
        "slow",
        "cat >> OUT/slow; while ! test -e OUT/go; do sleep 0.01; done",
    );
    let mut world = World::client();
    world.settings.hooks = hooks.settings("switch", |machine| {
        machine.waiting = 3;
        machine.deadline = Duration::from_secs(60);
    });
    let mut world = world.enabled().await;
    world
        .eventually("it runs", || hooks.kinds("slow").len() == 1)
        .await;
    for number in 0..10 {
        world.handle().set_enabled(number % 2 == 1).await.unwrap();
    }
    world
        .until("the rest waits", |snapshot| {
            let slow = snapshot.hooks.hooks.get("slow");
            slow.is_some_and(|slow| (slow.waiting, slow.dropped) == (3, 7))
        })
        .await;
    fs::write(hooks.out.path().join("go"), "").unwrap();
    world
        .eventually("all is given", || hooks.kinds("slow").len() == 4)
        .await;
    let dropped: Vec<Option<u64>> = hooks
        .events("slow")
        .iter()
        .map(|event| event["dropped"].as_u64())
        .collect();
    assert_eq!(dropped, [None, Some(7), None, None]);
    world
        .until("that is told, once", |snapshot| {
            snapshot.events.get("hook_dropped") == Some(&1)
        })
        .await;
    world.stop(StopMode::Detach).await;
}

#[tokio::test]
async fn what_somebody_else_could_have_written_is_not_run_and_that_is_told() {
    let hooks = Hooks::new();
    hooks.add("hook", "cat >> OUT/hook");
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let file = hooks.directory.path().join("hook");
    mode(&file, 0o777);
    let mut world = World::client();
    world.settings.hooks = hooks.settings("switch", |machine| machine.rest = Duration::from_millis(1));
    let mut world = world.enabled().await;
    world
        .eventually("that is told", || !failures(&world).is_empty())
        .await;
    assert_eq!(failures(&world)[0].1, HookFailure::Refused);
    mode(&file, 0o755);
    mode(hooks.directory.path(), 0o777);
    let (mut enabled, until) = (true, tokio::time::Instant::now() + crate::world::PATIENCE);
    while world.handle().snapshot().hooks.problem.is_none() {
        assert!(
            tokio::time::Instant::now() < until,
            "the directory is not refused"
        );
        enabled = !enabled;
        world.handle().set_enabled(enabled).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(world.handle().snapshot().events.get("hooks_refused"), Some(&1));
    world.stop(StopMode::Detach).await;
    assert!(
        hooks.written("hook").lines().count() <= 1 + 60,
        "those between both changes at most"
    );
}

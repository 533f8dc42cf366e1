//! Somebody outside who follows a daemon by the frames of its streams.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};
use warren_actors::{
    StopMode,
    streams::{Asked, Since, Stream, StreamKind},
};
use warren_state::{
    Position, Sequence,
    stream::{Filter, merge},
};

use crate::world::{PATIENCE, World, id};

struct Follower {
    stream: Stream,
    text: String,
    state: Value,
    at: Option<Position>,
    /// Each frame's name, and the kind of what happened.
    seen: Vec<String>,
}

impl Follower {
    fn of(world: &World, sort: StreamKind, since: Option<Position>) -> Self {
        let asked = Asked {
            sort,
            filter: Filter::default(),
            since: since.map(Since::Position),
            ends: false,
            uid: None,
        };
        let stream = world.handle().streams().open(asked, Box::new(|| ()));
        Self {
            stream,
            text: String::new(),
            state: Value::Null,
            at: None,
            seen: Vec::new(),
        }
    }

    /// The next frame's data; nothing at the end.
    async fn frame(&mut self) -> Option<Value> {
        let frame = loop {
            if let Some((frame, rest)) = self.text.split_once("\n\n") {
                let frame = frame.to_owned();
                self.text = rest.to_owned();
                break frame;
            }
            let more = timeout(PATIENCE, self.stream.next()).await.expect("in time")?;
            self.text.push_str(std::str::from_utf8(&more).unwrap());
        };
        let field = |name: &str| {
            frame
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap_or_default()
        };
        let data: Value = serde_json::from_str(field("data: ")).unwrap();
        if let Ok(position) = field("id: ").parse() {
            self.at = Some(position);
        }
        match field("event: ") {
            "snapshot" => self.state = data["state"].clone(),
            "event" | "change" => merge(
                &mut self.state,
                data.get("patch").unwrap_or(&Value::Object(Default::default())),
            ),
            _ => {}
        }
        self.seen.push(
            format!(
                "{} {}",
                field("event: "),
                data["kind"].as_str().unwrap_or_default()
            )
            .trim()
            .to_owned(),
        );
        Some(data)
    }

    /// Frames up to the first of which that is so; the stream may not end before.
    async fn frame_with(&mut self, what: &str, mut is_it: impl FnMut(&Value) -> bool) {
        let until = Instant::now() + PATIENCE;
        loop {
            match timeout_at(until, self.frame()).await {
                Ok(Some(data)) if is_it(&data) => return,
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => panic!("{what}: never; {:?}", self.seen),
            }
        }
    }

    async fn until(&mut self, what: &str, is_so: impl Fn(&Value) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is_so(&self.state) {
            let more = timeout_at(until, self.frame()).await;
            assert!(matches!(more, Ok(Some(_))), "{what}: never; {:?}", self.seen);
        }
    }
}

/// The frames that whoever begins at the first event of this start is given, up to what is true.
pub async fn kinds_of(world: &World) -> Vec<String> {
    let snapshot = world.handle().snapshot();
    let begin = Position {
        node: snapshot.node,
        epoch: snapshot.epoch,
        sequence: Sequence(0),
    };
    let mut follower = Follower::of(world, StreamKind::Events, Some(begin));
    follower
        .frame_with("what is true", |data| data["state"].is_object())
        .await;
    follower.seen
}

fn phase(state: &Value) -> Option<&str> {
    state["tunnels"][id(0).to_string()]["phase"].as_str()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_follows_a_daemon_has_what_is_true_hears_of_a_drain_in_one_sum_and_of_the_end() {
    let mut world = World::client().enabled().await;
    let mut events = Follower::of(&world, StreamKind::Events, None);
    let mut open = Follower::of(&world, StreamKind::Connections, None);
    // A stream begins with its first frame.
    open.frame_with("who is connected", |data| data["open"] == 0)
        .await;
    world.ledger.add_user(0);
    events
        .until("it is active", |state| phase(state) == Some("active"))
        .await;
    world.converged().await;
    let now = || warren_state::stream::snapshot(&world.handle().since(Sequence(0)).tables, None);
    events
        .until("its copy is what is true", |state| *state == now())
        .await;
    world.handle().set_enabled(false).await.unwrap();
    events.until("it is gone", |state| phase(state).is_none()).await;
    let drained = events
        .seen
        .iter()
        .position(|seen| seen == "event tunnel_drained")
        .expect("it is told");
    assert!(
        !events.seen[drained..]
            .iter()
            .any(|seen| seen == "event session_changed"),
        "{:?}",
        events.seen
    );
    let mut sum = 0;
    open.frame_with("the sum of what ended", |frame| {
        assert_ne!(frame["state"], -1, "a single end: {frame}");
        sum = frame["open_sessions"].as_u64().unwrap_or(0);
        sum > 0
    })
    .await;
    assert_eq!(sum, 2, "the tunnel and its session");
    let at = events.at.expect("a position");
    world.stop(StopMode::Detach).await;
    let until = Instant::now() + PATIENCE;
    while let Some(_frame) = timeout_at(until, events.frame()).await.expect("it ends") {}
    assert_eq!(events.seen.last().map(String::as_str), Some("shutdown"));
    assert!(
        events.seen.iter().any(|seen| seen == "event stopping"),
        "{:?}",
        events.seen
    );
    // The next start tells what it was not there to hear, from the journal, and then what is true.
    world.start().await;
    let mut again = Follower::of(&world, StreamKind::Events, Some(at));
    again
        .frame_with("what is true", |data| data["state"].is_object())
        .await;
    assert_eq!(again.seen[0], "resumed");
    let (stopping, started) = ("event stopping".to_owned(), "event started".to_owned());
    let place = |what: &String| {
        again
            .seen
            .iter()
            .position(|seen| seen == what)
            .unwrap_or_else(|| panic!("{what}: {:?}", again.seen))
    };
    assert!(place(&stopping) < place(&started), "{:?}", again.seen);
    // What was open then is not kept: it is told anew.
    let mut open = Follower::of(&world, StreamKind::Connections, Some(at));
    open.frame().await;
    open.frame().await;
    assert_eq!(open.seen, ["reset", "snapshot"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_reader_was_told_is_published_once_they_ask_however_rarely_that_is_due() {
    let mut world = World::client();
    world.settings.publish_interval = Duration::from_secs(3600);
    let world = world.enabled().await;
    let mut events = Follower::of(&world, StreamKind::Events, None);
    events.frame().await.expect("the state");
    world.ledger.add_user(0);
    let mut was_older = false;
    while phase(&events.state) != Some("active") {
        events.frame().await.expect("more");
        let at = events.at.expect("a position");
        was_older |= world.handle().snapshot().sequence < at.sequence;
        timeout(PATIENCE, world.handle().published_up_to(at))
            .await
            .expect("in time");
        assert!(world.handle().snapshot().sequence >= at.sequence);
    }
    assert!(was_older, "or there is nothing to wait for");
    // Nobody waits for what has not come about, here or elsewhere.
    let at = events.at.expect("a position");
    for position in [
        Position {
            sequence: Sequence(u64::MAX),
            ..at
        },
        Position::default(),
    ] {
        timeout(PATIENCE, world.handle().published_up_to(position))
            .await
            .expect("at once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lives_of_tunnels_are_told_to_the_end() {
    let world = World::client().enabled().await;
    let mut lives = Follower::of(&world, StreamKind::Status, None);
    world.ledger.add_user(0);
    let mut phases: Vec<String> = Vec::new();
    let told = async {
        while phases.last().map(String::as_str) != Some("removed") {
            let data = lives.frame().await.expect("more");
            let first = data["tunnels"].as_array().into_iter().flatten();
            let told = first.chain([&data]).filter_map(|one| one["phase"].as_str());
            phases.extend(told.map(str::to_owned));
            if phases.last().map(String::as_str) == Some("active") {
                world.handle().set_enabled(false).await.unwrap();
            }
        }
    };
    timeout(PATIENCE + Duration::from_secs(5), told)
        .await
        .expect("to the end");
    assert!(phases.contains(&"active".to_owned()), "{phases:?}");
}

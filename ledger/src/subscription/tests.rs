//! The subscription against a websocket server of ours.

mod connections;

use std::{net::SocketAddr, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{WebSocketStream, accept_async, tungstenite::Message};

use super::*;
use crate::{
    LedgerSource, RpcSettings, RpcSource,
    accounts::{BgpStatus, User, UserStatus, UserType, encode, samples, samples::key},
    testing::{CLIENT_IP, FakeLedger, PROGRAM, config_key, device, user},
};

const LONG: Duration = Duration::from_secs(20);

/// Accepts one subscriber at a time.
struct Server {
    listener: TcpListener,
}

/// One subscriber's connection: the ids of its subscriptions, by what they are about.
struct Connection {
    socket: WebSocketStream<TcpStream>,
    subscribed: BTreeMap<String, u64>,
}

impl Server {
    async fn start() -> Self {
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        }
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    async fn accept(&self) -> Connection {
        let (stream, _) = timeout(LONG, self.listener.accept())
            .await
            .expect("a connection")
            .unwrap();
        Connection {
            socket: accept_async(stream).await.unwrap(),
            subscribed: BTreeMap::new(),
        }
    }
}

impl Connection {
    /// Answers requests until all of these are subscribed to.
    async fn serve_until(&mut self, wanted: &[&str]) {
        while !wanted.iter().all(|name| self.subscribed.contains_key(*name)) {
            let request = self.request().await;
            let id = self.subscribed.len() as u64 + 100;
            let about = match request["method"].as_str().unwrap() {
                "accountSubscribe" => request["params"][0].as_str().unwrap().to_owned(),
                method => method.to_owned(),
            };
            self.subscribed.insert(about, id);
            self.send(json!({"jsonrpc": "2.0", "id": request["id"], "result": id}))
                .await;
        }
    }

    async fn request(&mut self) -> Value {
        loop {
            let message = timeout(LONG, self.socket.next())
                .await
                .expect("a request")
                .expect("an open connection")
                .unwrap();
            if let Message::Text(text) = message {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    async fn user_changed(&mut self, pubkey: Pubkey, user: &User) {
        let id = self.subscribed["programSubscribe"];
        let value = json!({"pubkey": pubkey, "account": shown(&encode(&user.clone().into()))});
        let result = json!({"context": {"slot": 1}, "value": value});
        self.send(json!({"jsonrpc": "2.0", "method": "programNotification", "params": {"result": result, "subscription": id}})).await;
    }

    async fn account_changed(&mut self, pubkey: Pubkey, data: &[u8]) {
        let id = self.subscribed[&pubkey.to_string()];
        let result = json!({"context": {"slot": 1}, "value": shown(data)});
        self.send(json!({"jsonrpc": "2.0", "method": "accountNotification", "params": {"result": result, "subscription": id}})).await;
    }

    async fn send(&mut self, message: Value) {
        self.socket
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }
}

fn shown(data: &[u8]) -> Value {
    let data = json!([BASE64_STANDARD.encode(data), "base64"]);
    json!({"lamports": 1, "owner": PROGRAM, "executable": false, "rentEpoch": 0, "space": 1, "data": data})
}

struct World {
    ledger: FakeLedger,
    server: Server,
    source: RpcSource,
}

/// A connected user, read once, so that its accounts have been seen.
async fn world(heartbeat: Duration) -> World {
    let ledger = FakeLedger::start().await;
    ledger.put(key(9), &user(UserType::IBRL).into());
    ledger.put(key(50), &device().into());
    let server = Server::start().await;
    let mut settings = RpcSettings::new(vec![Endpoint::http(&ledger.url()).unwrap()], PROGRAM);
    settings.watch_endpoint =
        Some(Endpoint::websocket(&format!("ws://{}/s3cret", server.address())).unwrap());
    settings.heartbeat = heartbeat;
    let world = World {
        ledger,
        server,
        source: RpcSource::new(settings).unwrap(),
    };
    world.read().await;
    world
}

impl World {
    async fn read(&self) {
        self.source
            .read(&Query::Client(CLIENT_IP), Instant::now() + LONG)
            .await
            .unwrap();
    }

    fn watch(&self) -> mpsc::Receiver<()> {
        self.source.watch(Query::Client(CLIENT_IP))
    }

    async fn until(&self, what: &str, done: impl Fn(&crate::LedgerHealth) -> bool) {
        let deadline = Instant::now() + LONG;
        while !done(&self.source.health()) {
            assert!(Instant::now() < deadline, "{what}: {:?}", self.source.health());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn woken(wakes: &mut mpsc::Receiver<()>) {
    timeout(LONG, wakes.recv())
        .await
        .expect("a wake-up")
        .expect("a watcher");
}

fn all_of(user: Pubkey, device: Pubkey) -> [String; 4] {
    [
        "programSubscribe".into(),
        config_key().to_string(),
        user.to_string(),
        device.to_string(),
    ]
}

async fn subscribed(world: &World, wakes: &mut mpsc::Receiver<()>) -> Connection {
    let mut connection = world.server.accept().await;
    let names = all_of(key(9), key(50));
    connection
        .serve_until(&names.each_ref().map(String::as_str))
        .await;
    woken(wakes).await;
    connection
}

#[tokio::test]
async fn a_subscription_wakes_once_when_made_and_then_when_something_that_matters_changes() {
    let world = world(LONG).await;
    let mut wakes = world.watch();
    let mut connection = subscribed(&world, &mut wakes).await;
    assert!(world.source.health().subscribed);
    connection
        .user_changed(
            key(9),
            &User {
                status: UserStatus::BANNED,
                ..user(UserType::IBRL)
            },
        )
        .await;
    woken(&mut wakes).await;
    connection.user_changed(key(10), &user(UserType::MULTICAST)).await;
    woken(&mut wakes).await;
}

#[tokio::test]
async fn a_read_of_another_question_forgets_nothing_of_the_one_that_is_watched() {
    let world = world(LONG).await;
    let mut wakes = world.watch();
    let mut connection = subscribed(&world, &mut wakes).await;
    let another = Query::Client(std::net::Ipv4Addr::new(192, 0, 2, 99));
    assert!(
        world
            .source
            .read(&another, Instant::now() + LONG)
            .await
            .unwrap()
            .users
            .is_empty()
    );
    connection
        .user_changed(
            key(9),
            &User {
                bgp_rtt_ns: 1,
                ..user(UserType::IBRL)
            },
        )
        .await;
    world
        .until("what the watched question saw is known", |health| {
            health.notices_ignored == 1
        })
        .await;
    assert_eq!(
        (wakes.try_recv().is_err(), world.source.health().wakes),
        (true, 1)
    );
}

#[tokio::test]
async fn churn_of_telemetry_and_counters_is_swallowed() {
    let world = world(LONG).await;
    let mut wakes = world.watch();
    let mut connection = subscribed(&world, &mut wakes).await;
    for rtt in 0..20 {
        let telemetry = User {
            bgp_status: BgpStatus::DOWN,
            bgp_rtt_ns: rtt,
            last_bgp_up_at: rtt,
            ..user(UserType::IBRL)
        };
        connection.user_changed(key(9), &telemetry).await;
        let busier = crate::accounts::Device {
            users_count: 100 + rtt as u16,
            ..device()
        };
        connection.account_changed(key(50), &encode(&busier.into())).await;
    }
    world
        .until("all notices are ignored", |health| health.notices_ignored == 40)
        .await;
    assert!(wakes.try_recv().is_err());
    assert_eq!(world.source.health().wakes, 1);
}

#[tokio::test]
async fn a_device_that_moves_and_a_user_that_is_closed_wake_although_no_filter_matches_them() {
    let world = world(LONG).await;
    let mut wakes = world.watch();
    let mut connection = subscribed(&world, &mut wakes).await;
    let moved = crate::accounts::Device {
        public_ip: [198, 51, 100, 99].into(),
        ..device()
    };
    connection.account_changed(key(50), &encode(&moved.into())).await;
    woken(&mut wakes).await;
    connection.account_changed(key(9), &[]).await;
    woken(&mut wakes).await;
}

#[tokio::test]
async fn a_change_that_both_subscriptions_tell_of_wakes_once_and_again_only_after_a_read_that_missed_it() {
    let world = world(LONG).await;
    let mut wakes = world.watch();
    let mut connection = subscribed(&world, &mut wakes).await;
    let banned = User {
        status: UserStatus::BANNED,
        ..user(UserType::IBRL)
    };
    connection.user_changed(key(9), &banned).await;
    woken(&mut wakes).await;
    connection
        .account_changed(key(9), &encode(&banned.clone().into()))
        .await;
    world
        .until("the second notice is through", |health| {
            health.notices_ignored == 1
        })
        .await;
    assert!(wakes.try_recv().is_err());
    world.read().await;
    connection.account_changed(key(9), &encode(&banned.into())).await;
    woken(&mut wakes).await;
}

#[tokio::test]
async fn notices_that_nobody_has_taken_yet_coalesce() {
    let world = world(LONG).await;
    let mut wakes = world.watch();
    let mut connection = subscribed(&world, &mut wakes).await;
    for n in 0..50 {
        connection.user_changed(key(100 + n), &user(UserType::IBRL)).await;
    }
    connection.user_changed(key(9), &user(UserType::IBRL)).await;
    world
        .until("the last notice is through", |health| health.notices_ignored == 1)
        .await;
    woken(&mut wakes).await;
    assert!(wakes.try_recv().is_err());
}

#[tokio::test]
async fn accounts_that_a_later_read_names_are_subscribed_to_and_those_no_longer_named_are_left() {
    let world = world(LONG).await;
    let mut wakes = world.watch();
    let mut connection = subscribed(&world, &mut wakes).await;
    world.ledger.put(
        key(9),
        &User {
            device_pk: key(51),
            ..user(UserType::IBRL)
        }
        .into(),
    );
    world.ledger.put(key(51), &device().into());
    world.read().await;
    let request = connection.request().await;
    assert_eq!(
        (&request["method"], &request["params"][0]),
        (
            &json!("accountUnsubscribe"),
            &json!(connection.subscribed[&key(50).to_string()])
        )
    );
    connection
        .send(json!({"jsonrpc": "2.0", "id": request["id"], "result": true}))
        .await;
    connection.serve_until(&[&key(51).to_string()]).await;
    woken(&mut wakes).await;
}

#[test]
fn a_closed_user_differs_from_what_was_seen() {
    assert_ne!(
        relevant_digest(&[]),
        relevant_digest(&encode(&samples::user().into()))
    );
}

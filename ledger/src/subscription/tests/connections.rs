use super::*;

#[tokio::test]
async fn a_server_that_goes_away_is_connected_to_again_and_that_wakes() {
    let world = world(LONG).await;
    let mut wakes = world.watch();
    let connection = subscribed(&world, &mut wakes).await;
    drop(connection);
    world.until("the loss shows", |health| !health.subscribed).await;
    let _connection = subscribed(&world, &mut wakes).await;
    world
        .until("it is back", |health| {
            health.subscribed && health.subscriptions == 2
        })
        .await;
}

#[tokio::test]
async fn a_black_hole_is_noticed_by_the_ping_that_nobody_answers() {
    let world = world(Duration::from_secs(2)).await;
    let mut wakes = world.watch();
    let silent = subscribed(&world, &mut wakes).await;
    let _connection = subscribed(&world, &mut wakes).await;
    let health = world.source.health();
    assert!(
        health
            .last_watch_error
            .as_ref()
            .is_some_and(|error| error.contains("answer to a ping")),
        "{health:?}"
    );
    drop(silent);
}

#[tokio::test]
async fn a_quiet_server_is_pinged_and_that_costs_next_to_nothing() {
    let world = world(Duration::from_secs(3)).await;
    let mut wakes = world.watch();
    let mut quiet = subscribed(&world, &mut wakes).await;
    assert!(
        !quiet.subscribed.contains_key("slotSubscribe"),
        "nothing is subscribed to that comes by itself"
    );
    let bytes = |health: crate::LedgerHealth| health.watch_bytes_received + health.watch_bytes_sent;
    let before = bytes(world.source.health());
    assert!(
        before > 500,
        "the handshake and the subscriptions are counted: {before}"
    );
    const PINGS: u64 = 2;
    for _ in 0..PINGS {
        let message = timeout(LONG, quiet.socket.next())
            .await
            .expect("a ping")
            .expect("an open connection")
            .unwrap();
        assert!(message.is_ping(), "{message:?}");
        // The answer leaves with the next look at the socket.
        quiet.socket.flush().await.unwrap();
    }
    world
        .until("the last answer is counted", |health| {
            bytes(health.clone()) >= before + PINGS * 8
        })
        .await;
    let cost = bytes(world.source.health()) - before;
    // A ping of 6 bytes, an answer of 2, and one more ping may be under way.
    assert!(cost <= (PINGS + 1) * 8, "{cost} bytes for {PINGS} pings");
    let health = world.source.health();
    assert_eq!((health.subscribed, health.subscriptions), (true, 1), "{health:?}");
}

#[tokio::test]
async fn a_server_that_names_a_time_is_left_alone_until_then_while_another_is_asked() {
    let servers = [Server::start().await, Server::start().await];
    let endpoints = servers
        .each_ref()
        .map(|server| Endpoint::websocket(&format!("ws://{}", server.address())).unwrap());
    let settings = Settings {
        endpoints: endpoints.to_vec(),
        program: PROGRAM,
        commitment: CommitmentConfig::confirmed(),
        timeout: LONG,
        heartbeat: LONG,
        connector: Connector::default(),
    };
    let _wakes = start(settings, Query::Client(CLIENT_IP), Arc::default(), Arc::default());
    let [busy, other] = servers;
    let (stream, _) = timeout(LONG, busy.listener.accept())
        .await
        .expect("a first try")
        .unwrap();
    refuse(stream).await;
    for _ in 0..3 {
        let (stream, _) = timeout(LONG, other.listener.accept())
            .await
            .expect("another server is asked")
            .unwrap();
        drop(stream);
    }
    assert!(
        busy.listener.accept().now_or_never().is_none(),
        "its time has not come"
    );
}

/// Answers a handshake with HTTP 429 and an hour's wait.
pub(super) async fn refuse(mut stream: TcpStream) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let _request = stream.read(&mut [0; 4096]).await.unwrap();
    stream
        .write_all(b"HTTP/1.1 429 No\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_does_not_hold_the_watcher_and_no_secret_shows() {
    let ledger = FakeLedger::start().await;
    let server = Server::start().await;
    let mut settings = RpcSettings::new(vec![Endpoint::http(&ledger.url()).unwrap()], PROGRAM);
    settings.watch_endpoint =
        Some(Endpoint::websocket(&format!("ws://{}/s3cret", server.address())).unwrap());
    settings.request_timeout = Duration::from_millis(100);
    let source = RpcSource::new(settings).unwrap();
    let _wakes = source.watch(Query::Client(CLIENT_IP));
    let (_mute, _) = timeout(LONG, server.listener.accept())
        .await
        .expect("a first try")
        .unwrap();
    let (_again, _) = timeout(LONG, server.listener.accept())
        .await
        .expect("a second try")
        .unwrap();
    let health = source.health();
    assert!(
        health
            .last_watch_error
            .as_ref()
            .is_some_and(|error| error.contains("no answer within")),
        "{health:?}"
    );
    assert!(!format!("{health:?}").contains("s3cret"));
}

#[tokio::test]
async fn the_watcher_ends_when_its_receiver_is_dropped() {
    let world = world(LONG).await;
    let mut wakes = world.watch();
    let mut connection = subscribed(&world, &mut wakes).await;
    drop(wakes);
    let closed = async {
        while connection
            .socket
            .next()
            .await
            .is_some_and(|message| message.is_ok_and(|message| !message.is_close()))
        {}
    };
    timeout(LONG, closed).await.expect("the connection is closed");
    world.until("it shows", |health| !health.subscribed).await;
}

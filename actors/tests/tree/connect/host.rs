//! The host's own address.

use super::*;

#[tokio::test]
async fn a_host_whose_address_cannot_be_found_says_why_and_goes_on_looking() {
    let world = World::new(RoleSettings::Client(ClientSettings::default()));
    *world.kernel.sources.lock().unwrap() = Some(Ipv4Addr::new(10, 0, 0, 5));
    let world = world.enabled().await;
    world.ledger.add_user(0);
    let snapshot = world
        .until("status says why", |snapshot| snapshot.client_ip_error.is_some())
        .await;
    assert!(
        snapshot.client_ip_error.as_ref().unwrap().contains("10.0.0.5"),
        "{snapshot:?}"
    );
    assert!(world.handle().plan().await.is_err());
    *world.kernel.sources.lock().unwrap() = Some(Ipv4Addr::new(20, 0, 0, 9));
    let snapshot = world
        .until("it is found", |snapshot| snapshot.client_ip().is_some())
        .await;
    assert_eq!(snapshot.client_ip(), Some(Ipv4Addr::new(20, 0, 0, 9)));
    assert_eq!(snapshot.client_ip_error, None);
}

/// A client with this source towards the Internet, which is looked at often; the ledger is read on wake-ups only.
pub(super) fn client_at(source: Ipv4Addr) -> World {
    let mut world = World::new(RoleSettings::Client(ClientSettings {
        recheck_interval: Duration::from_millis(20),
        ..ClientSettings::default()
    }));
    world.settings.poll_interval = Duration::from_secs(3_600);
    world.settings.guard.confirm_after = Duration::from_secs(3_600);
    *world.kernel.sources.lock().unwrap() = Some(source);
    world
}

#[tokio::test]
async fn after_a_change_of_address_one_empty_list_takes_no_tunnel_and_a_second_one_does() {
    let world = client_at(Ipv4Addr::new(20, 0, 0, 5)).enabled().await;
    world.ledger.add_user(5);
    world.active(5).await;
    *world.kernel.sources.lock().unwrap() = Some(Ipv4Addr::new(20, 0, 0, 6));
    world.ledger.edit(|view| view.users.clear());
    world
        .until("the view is held", |snapshot| {
            snapshot.held == Some(HoldReason::EmptyAtFirst)
        })
        .await;
    assert_eq!(phase(&world.handle().snapshot(), 5), Some(Phase::Active));
    assert!(world.kernel.has(&link()));
    world.ledger.wake();
    world.gone(5).await;
}

#[tokio::test]
async fn a_change_of_the_hosts_network_leads_to_its_new_address_without_waiting_for_the_next_look() {
    let mut world = client_at(Ipv4Addr::new(20, 0, 0, 5));
    world.settings.role = RoleSettings::Client(ClientSettings {
        recheck_interval: Duration::from_secs(3_600),
        ..ClientSettings::default()
    });
    let world = world.enabled().await;
    world
        .until("it is found", |snapshot| {
            snapshot.client_ip() == Some(Ipv4Addr::new(20, 0, 0, 5))
        })
        .await;
    *world.kernel.sources.lock().unwrap() = Some(Ipv4Addr::new(20, 0, 0, 6));
    world
        .kernel
        .meddle(&warren_state::LinkName::new("eth0").unwrap(), |_| true);
    world
        .until("the new one is", |snapshot| {
            snapshot.client_ip() == Some(Ipv4Addr::new(20, 0, 0, 6))
        })
        .await;
}

/// A service on loopback that says this host's address, as text over HTTP.
pub async fn address_service(says: Arc<Mutex<Ipv4Addr>>) -> (String, AbortHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let serve = async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _request = stream.read(&mut [0; 1_024]).await;
            let body = says.lock().unwrap().to_string();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _gone = stream.write_all(answer.as_bytes()).await;
        }
    };
    (url, tokio::spawn(serve).abort_handle())
}

#[tokio::test]
async fn an_address_that_only_a_service_knows_is_asked_for_again_when_the_hosts_network_changes() {
    let says = Arc::new(Mutex::new(Ipv4Addr::new(20, 0, 0, 5)));
    let (url, service) = address_service(says.clone()).await;
    let mut world = client_at(Ipv4Addr::new(10, 0, 0, 5));
    let settings = ClientSettings {
        recheck_interval: Duration::from_secs(3_600),
        service_url: Some(url),
        ..ClientSettings::default()
    };
    world.settings.role = RoleSettings::Client(settings);
    let world = world.enabled().await;
    world
        .until("the service tells it", |snapshot| {
            snapshot.client_ip() == Some(Ipv4Addr::new(20, 0, 0, 5))
        })
        .await;
    *says.lock().unwrap() = Ipv4Addr::new(20, 0, 0, 6);
    world
        .kernel
        .meddle(&warren_state::LinkName::new("eth0").unwrap(), |_| true);
    world
        .until("it tells the new one", |snapshot| {
            snapshot.client_ip() == Some(Ipv4Addr::new(20, 0, 0, 6))
        })
        .await;
    service.abort();
    world
        .kernel
        .meddle(&warren_state::LinkName::new("eth0").unwrap(), |_| true);
    let looks = world.kernel.looks.load(Ordering::SeqCst);
    world
        .eventually("it looks on", || {
            world.kernel.looks.load(Ordering::SeqCst) > looks
        })
        .await;
    assert_eq!(
        world.handle().snapshot().client_ip(),
        Some(Ipv4Addr::new(20, 0, 0, 6)),
        "no answer changes nothing"
    );
}

#[tokio::test]
async fn another_address_that_only_one_look_in_a_row_finds_does_not_replace_the_known_one() {
    let source = Ipv4Addr::new(20, 0, 0, 5);
    let world = client_at(source);
    world.ledger.add_user(5);
    let world = world.enabled().await;
    world.active(5).await;
    let reads = world.ledger.reads.load(Ordering::SeqCst);
    for _ in 0..3 {
        *world.kernel.stray_source.lock().unwrap() = Some(Ipv4Addr::new(20, 0, 0, 6));
        let looks = world.kernel.looks.load(Ordering::SeqCst);
        world
            .eventually("it looks on", || {
                world.kernel.looks.load(Ordering::SeqCst) >= looks + 3
            })
            .await;
    }
    assert_eq!(world.handle().snapshot().client_ip(), Some(source));
    assert_eq!(
        world.ledger.reads.load(Ordering::SeqCst),
        reads,
        "nobody asked for the users of another address"
    );
}

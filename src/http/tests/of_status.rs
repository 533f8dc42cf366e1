use super::*;

/// The session of the first tunnel and the multicast services of the other one have something to tell.
pub(super) fn standing() -> Snapshot {
    let mut snapshot = connected();
    let default = RefusedRoutes {
        count: 3,
        latest: vec!["0.0.0.0/0".parse().unwrap()],
    };
    let cease = NotificationCode { code: 6, subcode: 1 };
    let session = BgpStanding {
        state: BgpState::Established,
        last_received: Some(Notified {
            at: snapshot.at,
            what: cease,
            text: None,
        }),
        counters: BgpCounters {
            updates_in: 7,
            ..BgpCounters::default()
        },
        refused: [(RouteRefusal::DefaultRoute, default)].into(),
        ..BgpStanding::default()
    };
    snapshot.sessions.insert(TunnelId(key(1)), Arc::new(session));
    let joined = Groups {
        count: 1,
        first: vec![[233, 84, 178, 1].into()],
    };
    let multicast = MulticastStanding {
        joined,
        failing: Some("no such device".to_owned()),
        ..MulticastStanding::default()
    };
    snapshot.multicast.insert(TunnelId(key(0)), Arc::new(multicast));
    let received = GroupTraffic {
        packets: 12,
        since: snapshot.at,
        last: Some(snapshot.at),
    };
    let groups = GroupsTraffic {
        received: [([233, 84, 178, 1].into(), received)].into(),
        ..GroupsTraffic::default()
    };
    snapshot.groups.insert(TunnelId(key(0)), Arc::new(groups));
    snapshot
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_sessions_and_multicast_stand_is_in_status_and_in_metrics_and_goes_with_the_tunnel() {
    let served = serve(FakeDaemon::new(standing())).await;
    let reply: v3::TunnelReply = served.client.read("/v3/tunnels/doublezero0").await.unwrap();
    let bgp = reply.tunnel.bgp.unwrap();
    assert_eq!((bgp.state, bgp.updates_in), (BgpState::Established.into(), 7));
    assert_eq!(
        (
            bgp.refused["default_route"].count,
            &bgp.refused["default_route"].latest
        ),
        (3, &vec!["0.0.0.0/0".to_owned()])
    );
    let last = bgp.last_received.unwrap();
    assert_eq!(
        (last.code, last.subcode, last.text.as_str()),
        (6, 1, "Cease / Maximum Number of Prefixes Reached")
    );
    assert_eq!((last.unix_ms, reply.tunnel.multicast), (standing().unix_ms, None));
    let status: v3::Status = served.client.read("/v3/status").await.unwrap();
    assert_eq!(
        (status.node.len(), status.position),
        (32, format!("{}.0.0", status.node))
    );
    let multicast = status.tunnels[0].multicast.as_ref().unwrap();
    assert_eq!(
        (&multicast.joined, multicast.failing.as_deref()),
        (&vec!["233.84.178.1".to_owned()], Some("no such device"))
    );
    let counted = &multicast.groups[0];
    assert_eq!(
        (counted.packets_in, counted.packets_out, counted.last_in_unix_ms),
        (Some(12), None, Some(standing().unix_ms))
    );
    let page = body(&served, "/metrics").await;
    for series in [
        r#"warren_multicast_group_packets_total{direction="in",group="233.84.178.1",tunnel="doublezero1"} 12"#,
        r#"warren_multicast_group_last_packet_timestamp_seconds{direction="in",group="233.84.178.1",tunnel="doublezero1"} 1760464786"#,
        r#"warren_bgp_updates_total{direction="in",tunnel="doublezero0"} 7"#,
        r#"warren_bgp_refused_prefixes_total{reason="default_route",tunnel="doublezero0"} 3"#,
        r#"warren_bgp_last_notification_timestamp_seconds{code="6",direction="in",subcode="1",tunnel="doublezero0"} 1760464786"#,
        r#"warren_multicast_groups{role="joined",tunnel="doublezero1"} 1"#,
        r#"warren_multicast_messages_total{kind="hello",tunnel="doublezero1"} 0"#,
    ] {
        assert!(page.lines().any(|line| line == series), "{page}\nlacks {series}");
    }
    let gone = Snapshot {
        tunnels: Default::default(),
        ..standing()
    };
    let page = metrics::render(&gone, &api(Arc::new(FakeDaemon::new(Snapshot::default())))).unwrap();
    assert!(
        !page.contains("warren_bgp_") && !page.contains("warren_multicast_groups"),
        "{page}"
    );
}

#[tokio::test]
async fn what_tunnels_carry_is_in_status_and_in_metrics_and_goes_with_the_tunnel() {
    let mut book = UsageBook::default();
    let tunnel = *standing().tunnels.keys().next().unwrap();
    let reading = |bytes| Reading {
        tunnel,
        run: CounterRun::default(),
        carried: Traffic {
            rx_bytes: bytes,
            rx_packets: 3,
            tx_bytes: 2 * bytes,
            tx_packets: 4,
        },
    };
    for (second, bytes) in [(1, 1_000), (3, 5_000)] {
        let at = Monotonic::from_elapsed(Duration::from_secs(second));
        let readings = [reading(bytes)];
        let look = CounterReading {
            begun: at,
            begun_ms: 1_760_000_000_000,
            ended: at,
            of: None,
            readings: &readings,
        };
        book.take(&look, |_| Payer::default());
        let batch = book.changes(false);
        book.written(batch.sequence);
    }
    let daemon = FakeDaemon::new(standing());
    *daemon.usage.lock().unwrap() = book.clone();
    let served = serve(daemon).await;
    let status: v3::Status = served.client.read("/v3/status").await.unwrap();
    let carried = status.tunnels[0].carried.as_ref().unwrap();
    assert_eq!((carried.rx_bytes, carried.tx_packets), (5_000, 4));
    assert_eq!(
        carried.read_unix_ms, 1_760_000_000_000,
        "of that look, and not of now"
    );
    assert_eq!(
        (carried.rx_bytes_per_second, carried.tx_bytes_per_second),
        (2_000, 4_000)
    );
    assert_eq!(status.tunnels[1].carried, None);
    let page = body(&served, "/metrics").await;
    for series in [
        r#"warren_tunnel_rx_bytes_total{tunnel="doublezero1"} 5000"#,
        r#"warren_tunnel_tx_packets_total{tunnel="doublezero1"} 4"#,
        r#"warren_tunnel_usage_gap_seconds{tunnel="doublezero1"} 0"#,
        "warren_usage_failing 0",
    ] {
        assert!(page.lines().any(|line| line == series), "{page}\nlacks {series}");
    }
    let gone = Snapshot {
        tunnels: Default::default(),
        ..standing()
    };
    let after = FakeDaemon::new(Snapshot::default());
    *after.usage.lock().unwrap() = book;
    let page = metrics::render(&gone, &api(Arc::new(after))).unwrap();
    assert!(!page.contains("warren_tunnel_rx_bytes"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_is_waited_for_up_to_the_position_that_a_reader_names() {
    let daemon = FakeDaemon::new(Snapshot::default());
    let asked = Arc::clone(&daemon.asked_up_to);
    let served = serve(daemon).await;
    served.client.status().await.unwrap();
    assert_eq!(*asked.lock().unwrap(), [], "nobody else waits");
    served.client.status_since(Some(start())).await.unwrap();
    assert_eq!(*asked.lock().unwrap(), [start()]);
    let nonsense = served.client.get("/v3/status?at_least=yesterday").await.unwrap();
    assert_eq!(nonsense.status, 400);
    assert!(
        String::from_utf8_lossy(&nonsense.body).contains("yesterday"),
        "{nonsense:?}"
    );
}

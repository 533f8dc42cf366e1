use std::sync::Arc;

use warren_api::v3;

use warren_state::Phase;

use crate::http::testing::{FakeDaemon, gateway, raw, serve};

fn status_of(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_follow_each_other_without_a_gap_and_status_holds_the_first_one() {
    let served = serve(FakeDaemon::new(gateway::snapshot(250))).await;
    let mut status: v3::Status = served.client.read("/v3/status").await.unwrap();
    assert_eq!((status.tunnels.len(), status.tunnels_total), (100, 250));
    assert_eq!(status.phases, [(Phase::Active.into(), 250)].into());
    let mut seen: Vec<String> = status.tunnels.iter().map(|tunnel| tunnel.id.clone()).collect();
    let mut next = status.tunnels_next.take();
    let mut sizes = vec![];
    while let Some(after) = next {
        let page: v3::TunnelPage = served
            .client
            .read(&format!("/v3/tunnels?limit=60&after={after}"))
            .await
            .unwrap();
        assert_eq!(page.total, 250);
        sizes.push(page.tunnels.len());
        seen.extend(page.tunnels.into_iter().map(|tunnel| tunnel.id));
        next = page.next;
    }
    assert_eq!(sizes, [60, 60, 30]);
    let all: Vec<String> = (0..250).map(|number| gateway::id(number).to_string()).collect();
    assert_eq!(seen, all, "in the order of the accounts' bytes, each once");
    let whole = served.client.status().await.unwrap();
    assert_eq!(
        (whole.tunnels.len(), whole.tunnels_next),
        (250, None),
        "the command line sees all of them"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_one_phase_has_those_alone_and_what_makes_no_sense_is_400_with_the_reason() {
    let mut snapshot = gateway::snapshot(20);
    for number in [3, 17] {
        Arc::make_mut(snapshot.tunnels.get_mut(&gateway::id(number)).unwrap()).phase = Phase::Peering;
    }
    let served = serve(FakeDaemon::new(snapshot)).await;
    let ids = |page: &v3::TunnelPage| {
        page.tunnels
            .iter()
            .map(|tunnel| tunnel.id.clone())
            .collect::<Vec<_>>()
    };
    let (third, last) = (gateway::id(3).to_string(), gateway::id(17).to_string());
    let page: v3::TunnelPage = served
        .client
        .read("/v3/tunnels?phase=peering&limit=1")
        .await
        .unwrap();
    assert_eq!(
        (ids(&page), page.next.as_ref()),
        (vec![third.clone()], Some(&third))
    );
    let page: v3::TunnelPage = served
        .client
        .read(&format!("/v3/tunnels?phase=peering&limit=1&after={third}"))
        .await
        .unwrap();
    assert_eq!(
        (ids(&page), page.next),
        (vec![last.clone()], None),
        "there is no third one"
    );
    let page: v3::TunnelPage = served
        .client
        .read(&format!("/v3/tunnels?after={}", gateway::id(19)))
        .await
        .unwrap();
    assert_eq!((ids(&page), page.next, page.total), (vec![], None, 20));
    for (query, says) in [
        ("limit=0", "from 1 to 500"),
        ("limit=501", "from 1 to 500"),
        ("limit=ten", "from 1 to 500"),
        ("limit=-1", "from 1 to 500"),
        ("after=x", "after is the account of a tunnel"),
        ("phase=well", "pending, linking"),
        ("page=2", "page"),
    ] {
        let answer = raw(
            &served.path,
            &format!("GET /v3/tunnels?{query} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"),
        );
        assert_eq!(status_of(&answer), "400", "{query}: {answer}");
        let said: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert!(
            said["status"] == "error" && said["description"].as_str().unwrap().contains(says),
            "{query}: {said}"
        );
    }
}

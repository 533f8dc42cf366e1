//! Measures status of a gateway with many tunnels through a real socket, while one tunnel changes every 100 ms: `/v2/status` as it is
//! served, beside the same rendered for each request as it was before, and pages of `/v3/tunnels`. Also how late the runtime is meanwhile.
//!
//! `cargo run --release --example status_at_scale -- 10000 20`: this many tunnels, for this many seconds each.

#![allow(clippy::print_stdout)]

mod published;

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::Context;
use axum::{Router, routing::get};
use warren::http::{self, Api, Engine, compat, server, socket};
use warren_actors::Snapshot;
use warren_api::{client::Client, compat::V2Status};
use warren_state::{
    Monotonic, Pubkey, Sequence, ServiceKind, SessionStatus, Slot, Switch, View,
    lifecycle::TunnelReport,
    reconcile::Role,
    standing::BgpStanding,
    view::{Device, Exchange, RawNet, User, UserStatus},
};

use published::{Published, api, id, report};

const DEVICE: Pubkey = Pubkey([200; 32]);
const CHANGE: Duration = Duration::from_millis(100);

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args()
        .skip(1)
        .filter_map(|word| word.parse::<u32>().ok());
    let (tunnels, seconds) = (words.next().unwrap_or(10_000), words.next().unwrap_or(20));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(tunnels, Duration::from_secs(seconds.into())))
}

async fn measure(tunnels: u32, span: Duration) -> anyhow::Result<()> {
    let engine = Arc::new(Published::new(snapshot(tunnels)));
    let path = std::env::temp_dir().join(format!("warren-status-{}.sock", std::process::id()));
    let (listener, _file) = socket::bind(&path)?;
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let api = api(engine.clone())?;
    let before = Router::new()
        .route("/before", get(before))
        .with_state(api.clone());
    let slots = server::Permits::new(server::Limits::default(), nix::unistd::geteuid().as_raw())
        .with_streams(server::Limits::of_streams());
    let served = tokio::spawn(server::serve(
        listener,
        before.fallback_service(http::router(api)),
        slots,
    ));
    let changing = tokio::spawn(change(engine, tunnels));
    let middle = format!("/v3/tunnels?after={}", id(tunnels / 2));
    let most = format!("/v3/tunnels?limit=500&after={}", id(tunnels / 2));
    for target in [
        "/before",
        "/v2/status",
        "/status",
        "/v3/status",
        "/v3/tunnels",
        &middle,
        &most,
    ] {
        println!("{}", hammered(&path, target, span).await?);
    }
    changing.abort();
    served.abort();
    Ok(())
}

/// Requests one after the other, and how late a task is that wants to run every millisecond.
async fn hammered(path: &Path, target: &str, span: Duration) -> anyhow::Result<String> {
    let late = Arc::new(Mutex::new(Vec::new()));
    let seen = late.clone();
    let beat = tokio::spawn(async move {
        loop {
            let due = tokio::time::Instant::now() + Duration::from_millis(1);
            tokio::time::sleep_until(due).await;
            if let Ok(mut seen) = seen.lock() {
                seen.push(due.elapsed());
            }
        }
    });
    let client = Client::new(path);
    let (mut took, mut bytes, begun) = (Vec::new(), 0, Instant::now());
    while begun.elapsed() < span {
        let asked = Instant::now();
        let reply = client.get(target).await?;
        took.push(asked.elapsed());
        anyhow::ensure!(reply.status.is_success(), "{target}: {}", reply.status);
        bytes = reply.body.len();
        // As often as a poller that is in a hurry; the socket is not all that is measured.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    beat.abort();
    let mut late = late.lock().ok().context("a beat failed")?.clone();
    Ok(format!(
        "{target}: {} requests of {bytes} bytes, p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms; the runtime is late by p99 {:.2} ms, at most {:.2} ms",
        took.len(),
        at(&mut took, 50),
        at(&mut took, 99),
        at(&mut took, 100),
        at(&mut late, 99),
        at(&mut late, 100),
    ))
}

/// In milliseconds.
fn at(samples: &mut [Duration], percent: usize) -> f64 {
    samples.sort_unstable();
    let place = (samples.len() * percent / 100).min(samples.len().saturating_sub(1));
    samples
        .get(place)
        .map_or(0.0, |sample| sample.as_secs_f64() * 1_000.0)
}

/// What `/v2/status` did for each request.
async fn before(axum::extract::State(api): axum::extract::State<Api>) -> axum::Json<V2Status> {
    axum::Json(compat::v2_status(
        &api.engine.snapshot(),
        api.config.ledger.env.moniker(),
    ))
}

async fn change(engine: Arc<Published>, tunnels: u32) {
    for round in 0_u32.. {
        tokio::time::sleep(CHANGE).await;
        let mut next = Snapshot::clone(&engine.snapshot());
        let number = round.wrapping_mul(7_919) % tunnels;
        let session = if round % 2 == 0 {
            SessionStatus::Down
        } else {
            SessionStatus::Up
        };
        next.tunnels.insert(
            id(number),
            Arc::new(TunnelReport {
                session,
                ..report(number)
            }),
        );
        (next.at, next.unix_ms, next.sequence) = (
            next.at + CHANGE,
            next.unix_ms + 100,
            Sequence(next.sequence.0 + 1),
        );
        if let Ok(mut published) = engine.0.lock() {
            *published = Arc::new(next);
        }
    }
}

fn snapshot(tunnels: u32) -> Snapshot {
    let device = Device {
        code: "dz1".into(),
        exchange: Pubkey([3; 32]),
        public_ip: Ipv4Addr::new(198, 51, 100, 9),
        status: 1,
        prefixes: vec![],
    };
    let view = View {
        slot: Slot(7),
        users: (0..tunnels).map(|number| (id(number).0, user(number))).collect(),
        devices: BTreeMap::from([(DEVICE, device)]),
        exchanges: BTreeMap::from([(
            Pubkey([3; 32]),
            Exchange {
                code: "xams".into(),
                name: "Amsterdam".into(),
            },
        )]),
        ..View::default()
    };
    Snapshot {
        at: Monotonic::from_elapsed(Duration::from_secs(3_600)),
        unix_ms: 1_760_464_786_000,
        switch: Switch::On,
        role: Some(Role::Gateway { device: DEVICE }),
        view: Some(Arc::new(view)),
        tunnels: (0..tunnels)
            .map(|number| (id(number), Arc::new(report(number))))
            .collect(),
        sessions: (0..tunnels)
            .map(|number| (id(number), Arc::new(BgpStanding::default())))
            .collect(),
        converged: true,
        ..Snapshot::default()
    }
}

fn user(number: u32) -> User {
    let address = Ipv4Addr::from(0x1400_0000 + number);
    User {
        owner: Pubkey([9; 32]),
        kind: Ok(ServiceKind::Ibrl),
        tenant: Pubkey::default(),
        device: DEVICE,
        client_ip: address,
        dz_ip: address,
        tunnel_number: 500,
        tunnel_net: RawNet::default(),
        status: UserStatus::Activated,
        publishers: vec![],
        subscribers: vec![],
        tunnel_endpoint: Ipv4Addr::UNSPECIFIED,
    }
}

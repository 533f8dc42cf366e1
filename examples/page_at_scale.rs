//! Shows this many tunnels on a socket, of which this many change each second, for a page to be looked at or measured with.
//!
//! `cargo run --release --example page_at_scale -- /tmp/many.sock 10000 60`, and then `warren --sock-file /tmp/many.sock web`.

mod published;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use warren::http::{self, server, socket};
use warren_actors::Snapshot;
use warren_state::{
    Monotonic, Phase, Pubkey, SessionStatus, Slot, Switch, View, event::Event, lifecycle::TunnelReport,
    reconcile::Role, table::Change,
};

use published::{Published, api, report};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let path = PathBuf::from(words.first().context("where: a socket")?);
    let number = |place: usize, otherwise: u32| {
        words
            .get(place)
            .and_then(|word| word.parse().ok())
            .unwrap_or(otherwise)
    };
    let (tunnels, rate) = (number(1, 10_000), number(2, 60));
    let engine = Arc::new(Published::new(snapshot(tunnels)));
    let all = (0..tunnels).map(|number| Change::Tunnel(Arc::new(changed(number, 0))));
    engine.2.append(vec![], all.collect());
    let (listener, _file) = socket::bind(&path)?;
    let permits = server::Permits::new(server::Limits::default(), nix::unistd::geteuid().as_raw());
    let permits = permits.with_streams(server::Limits::of_streams());
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let served = server::serve(listener, http::router(api(engine.clone())?), permits);
    tokio::select! {
        () = served => {}
        () = change(&engine, tunnels, rate) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}

/// One after the other, for ever.
async fn change(engine: &Published, tunnels: u32, rate: u32) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate.max(1));
    for round in 1_u32.. {
        ticks.tick().await;
        let report = changed(round.wrapping_mul(7919) % tunnels, round);
        let events = (round % rate.max(1) == 0).then_some(Event::StoreMended);
        engine.2.append(
            events.into_iter().collect(),
            vec![Change::Tunnel(Arc::new(report))],
        );
    }
}

/// Most of them work.
fn changed(number: u32, round: u32) -> TunnelReport {
    let (phase, session) = match (number + round) % 17 {
        0 => (Phase::Peering, SessionStatus::Initializing),
        1 => (Phase::Linking, SessionStatus::Pending),
        _ => (Phase::Active, SessionStatus::Up),
    };
    TunnelReport {
        phase,
        session,
        learned_routes: 1 + (round % 5) as usize,
        ..report(number)
    }
}

fn snapshot(tunnels: u32) -> Snapshot {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_millis()).unwrap_or(0);
    let reports = (0..tunnels).map(|number| changed(number, 0));
    Snapshot {
        at: Monotonic::from_elapsed(Duration::from_secs(3_600)),
        unix_ms: now,
        switch: Switch::On,
        role: Some(Role::Gateway {
            device: Pubkey([200; 32]),
        }),
        view: Some(Arc::new(View {
            slot: Slot(7),
            ..View::default()
        })),
        tunnels: reports.map(|report| (report.tunnel, Arc::new(report))).collect(),
        converged: true,
        ..Snapshot::default()
    }
}

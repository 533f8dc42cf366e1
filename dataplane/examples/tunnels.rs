//! How long tunnels take: `tunnels --backend netlink|userspace --count 1000 [--routes 10000]`.
//!
//! Makes the tunnels (link, mark, two addresses, up) in a network namespace of its own, observes them, puts routes over
//! the first, takes all tunnels down, and prints one JSON line. Needs the rights to make a namespace.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr
)]

use std::{
    net::Ipv4Addr,
    process::{Command, ExitCode},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use ipnet::Ipv4Net;
use nix::sched::{CloneFlags, unshare};
use warren_dataplane::{
    Dataplane, Removal, Scope,
    select::{self, Settings},
    userspace::{UserspaceSettings, run_forwarder},
};
use warren_state::{
    Action, Address, AddressScope, BackendChoice, Incarnation, LinkAction, LinkName, LinkSpec, PlannedStep,
    Pubkey, Route, RouteProtocol, StepOutcome, TableId, TunnelId,
};

struct Options {
    backend: BackendChoice,
    count: u16,
    routes: u32,
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    if std::env::args().nth(1).as_deref() == Some("forwarder") {
        let ended = run_forwarder(args.skip(1));
        return ended.map_or_else(|error| fail(&error.to_string()), |()| ExitCode::SUCCESS);
    }
    let mut options = Options {
        backend: BackendChoice::Auto,
        count: 1000,
        routes: 10_000,
    };
    while let Some(flag) = args.next() {
        let value = args.next().unwrap_or_default();
        let understood = match flag.as_str() {
            "--backend" => value.parse().map(|backend| options.backend = backend).is_ok(),
            "--count" => value.parse().map(|count| options.count = count).is_ok(),
            "--routes" => value.parse().map(|routes| options.routes = routes).is_ok(),
            _ => false,
        };
        if !understood {
            return fail(
                "usage: tunnels --backend auto|netlink|userspace|simulated --count 1..=16000 [--routes N]",
            );
        }
    }
    if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
        return fail(&format!("no network namespace: {error}"));
    }
    // Before the runtime: its threads inherit the namespace.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure(&options))
}

fn fail(text: &str) -> ExitCode {
    eprintln!("{text}");
    ExitCode::FAILURE
}

async fn measure(options: &Options) -> ExitCode {
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
    if !up.is_ok_and(|status| status.success()) {
        return fail("the loopback does not come up");
    }
    let directory = std::env::temp_dir().join(format!("warren-tunnels-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let settings = Settings {
        userspace: UserspaceSettings::own_program(directory.join("forwarder.sock")).unwrap(),
    };
    let dataplane = match select::open(options.backend, settings) {
        Ok(dataplane) => dataplane,
        Err(fault) => return fail(&fault.to_string()),
    };

    let (up, ()) = timed(build(&dataplane, options.count)).await;
    let (observe_all, observed) = timed(async { dataplane.observe(Scope::All).await.unwrap() }).await;
    assert_eq!(observed.ours().count(), usize::from(options.count));
    let (observe_one, _) = timed(async { dataplane.observe(Scope::of(tunnel(0))).await.unwrap() }).await;
    let routes: Vec<_> = (0..options.routes).map(route).collect();
    let (put, outcomes) = timed(dataplane.apply(routes.clone())).await;
    assert!(
        outcomes.iter().all(|outcome| *outcome == StepOutcome::Done),
        "{:?}",
        outcomes.last()
    );
    let (put_again, outcomes) = timed(dataplane.apply(routes)).await;
    assert!(
        outcomes.iter().all(|outcome| *outcome == StepOutcome::AlreadySo),
        "{:?}",
        outcomes.last()
    );
    let (observe_routes, observed) = timed(async { dataplane.observe(Scope::All).await.unwrap() }).await;
    assert_eq!(observed.tunnels[&tunnel(0)].routes.len(), options.routes as usize);
    let (one_down, report) = timed(remove(&dataplane, 0)).await;
    assert_eq!(report, 3 + u64::from(options.routes));
    let (down, counts) = timed(join_all((1..options.count).map(|n| remove(&dataplane, n)))).await;
    assert!(counts.iter().all(|count| *count == 3), "{counts:?}");
    let left = dataplane.observe(Scope::All).await.unwrap().ours().count();
    std::fs::remove_dir_all(&directory).unwrap();

    let line = serde_json::json!({
        "backend": dataplane.capabilities().backend, "tunnels": options.count, "routes": options.routes, "left": left,
        "up_ms": ms(up), "observe_all_ms": ms(observe_all), "observe_one_ms": ms(observe_one),
        "put_routes_ms": ms(put), "put_routes_again_ms": ms(put_again), "observe_all_with_routes_ms": ms(observe_routes),
        "one_down_ms": ms(one_down), "rest_down_ms": ms(down),
    });
    println!("{line}");
    ExitCode::SUCCESS
}

/// As the provisioners do: each tunnel on its own, all at once.
async fn build(dataplane: &Arc<dyn Dataplane>, count: u16) {
    let built = join_all((0..count).map(|n| dataplane.apply(steps(n)))).await;
    for outcomes in built {
        assert!(
            outcomes.iter().all(|outcome| *outcome == StepOutcome::Done),
            "{outcomes:?}"
        );
    }
}

async fn remove(dataplane: &Arc<dyn Dataplane>, n: u16) -> u64 {
    let report = dataplane
        .remove(Removal::Tunnel {
            tunnel: tunnel(n),
            rules: Default::default(),
        })
        .await;
    assert!(report.is_complete(), "{report:?}");
    report.removed
}

async fn timed<T>(work: impl Future<Output = T>) -> (Duration, T) {
    let start = Instant::now();
    let result = work.await;
    (start.elapsed(), result)
}

fn ms(span: Duration) -> f64 {
    (span.as_secs_f64() * 10_000.0).round() / 10.0
}

fn tunnel(n: u16) -> TunnelId {
    let [high, low] = n.to_be_bytes();
    let mut key = [1; 32];
    (key[0], key[1]) = (high, low);
    TunnelId(Pubkey(key))
}

fn name(n: u16) -> LinkName {
    LinkName::new(format!("wrn{n}")).unwrap()
}

fn steps(n: u16) -> Vec<PlannedStep> {
    let [high, low] = n.to_be_bytes();
    let link = LinkSpec {
        name: name(n),
        local: Ipv4Addr::new(192, 0, 2, 1),
        remote: Ipv4Addr::new(198, 18, high, low),
        ttl: 64,
        mtu: 1476,
    };
    let overlay = Address {
        address: overlay(n, 1),
        prefix_len: 31,
        scope: AddressScope::Link,
    };
    let own = Address {
        address: Ipv4Addr::new(100, 64, high, low),
        prefix_len: 32,
        scope: AddressScope::Universe,
    };
    [
        Action::Link(LinkAction::Create {
            spec: link,
            incarnation: Incarnation(1),
        }),
        Action::put(overlay),
        Action::put(own),
    ]
    .into_iter()
    .map(|action| PlannedStep {
        tunnel: tunnel(n),
        link: name(n),
        action,
    })
    .collect()
}

fn overlay(n: u16, end: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(169, 254, 0, 0)) + 2 * u32::from(n) + end)
}

fn route(i: u32) -> PlannedStep {
    let dst = Ipv4Net::new(
        Ipv4Addr::from(u32::from(Ipv4Addr::new(11, 0, 0, 0)) + (i << 8)),
        24,
    )
    .unwrap();
    let source = Some(Ipv4Addr::new(100, 64, 0, 0));
    let route = Route {
        table: TableId::MAIN,
        dst,
        via: overlay(0, 0),
        source,
        protocol: RouteProtocol::Bgp,
    };
    PlannedStep {
        tunnel: tunnel(0),
        link: name(0),
        action: Action::put(route),
    }
}

//! Measures a reconcile pass with nothing to do over many tunnels of a gateway: a view that changes nothing, and a full
//! observation that shows no drift; what it takes to have a decoded view share with the one before; and what one user that
//! joins costs the guard and the reconciler. In processor time.
//!
//! `cargo run --release -p warren-state --example noop_pass -- 10000`

#![allow(clippy::print_stdout)]

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc, time::Duration};

use warren_state::{
    Asn, Core, Incarnation, Monotonic, Observed, ObservedLink, ObservedTunnel, Pubkey, ServiceKind, Slot,
    Switch, TunnelSpec, View,
    guard::{AcceptedView, GuardSettings, Verdict, ViewGuard},
    random::SplitMix64,
    reconcile::{Effect, Input, Reconciler, ReconcilerSettings, Role},
    view::{Device, GlobalConfig, RawIp, RawNet, User, UserStatus},
};

const DEVICE: Pubkey = Pubkey([200; 32]);
const PASSES: u32 = 40;

fn main() {
    let tunnels = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(10_000);
    let view = Arc::new(view(tunnels));
    let mut random = SplitMix64::new(1);
    let mut machine = Reconciler::new(
        Some(Role::Gateway { device: DEVICE }),
        ReconcilerSettings::default(),
        Incarnation(1),
    );
    let now = Monotonic::ZERO;
    let accepted = || Input::View(AcceptedView::new(Arc::clone(&view), now));
    machine.handle(now, Input::Switch(Switch::On), &mut random);
    machine.handle(now, accepted(), &mut random);
    let asked = machine.handle(
        now,
        Input::Observed(Ok(Arc::new(Observed::default()))),
        &mut random,
    );
    let ways = asked
        .into_iter()
        .filter_map(|effect| {
            if let Effect::MeasureUnderlay(ways) = effect {
                Some(ways)
            } else {
                None
            }
        })
        .flatten();
    let effects = machine.handle(
        now,
        Input::Underlay(ways.map(|way| (way, Some(1500))).collect()),
        &mut random,
    );
    let observed = Arc::new(realised(&effects));
    machine.handle(now, Input::Observed(Ok(Arc::clone(&observed))), &mut random);
    let by_view = measure(|| machine.handle(now, accepted(), &mut random).len());
    let by_look = measure(|| {
        machine
            .handle(now, Input::Observed(Ok(Arc::clone(&observed))), &mut random)
            .len()
    });
    let decoded: Vec<View> = (0..PASSES).map(|_| self::view(tunnels)).collect();
    let mut decoded = decoded.into_iter();
    let sharing = measure(|| {
        let shared = decoded.next().map(|decoded| decoded.sharing(&view));
        usize::from(shared.is_none())
    });
    let mut guard = ViewGuard::new(
        GuardSettings::default(),
        Some(AcceptedView::new(view.clone(), now)),
    );
    let (mut joined, mut number) = (View::clone(&view), tunnels);
    let joining = measure(|| {
        let (key, user) = user(number);
        (number, joined.slot) = (number + 1, Slot(joined.slot.0 + 1));
        joined.users.insert(key, user);
        let Verdict::Accept(accepted) = guard.offer(now, Ok(joined.clone())) else {
            return 1;
        };
        let effects = machine.handle(now, Input::View(accepted), &mut random);
        usize::from(effects.is_empty())
    });
    let ms = |span: Duration| span.as_secs_f64() * 1_000.0;
    println!(
        r#"{{"tunnels": {tunnels}, "view_ms": {:.3}, "observation_ms": {:.3}, "share_ms": {:.3}, "join_ms": {:.4}}}"#,
        ms(by_view),
        ms(by_look),
        ms(sharing),
        ms(joining),
    );
}

/// The mean processor time of a pass; others on the machine do not count.
fn measure(mut pass: impl FnMut() -> usize) -> Duration {
    let start = processor_time();
    for _ in 0..PASSES {
        assert_eq!(pass(), 0);
    }
    (processor_time() - start) / PASSES
}

/// Of this thread so far, as of the last tick of the clock (proc_pid_schedstat(5)).
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(
        text.split(' ')
            .next()
            .and_then(|first| first.parse().ok())
            .unwrap_or_default(),
    )
}

fn realised(effects: &[Effect]) -> Observed {
    let specs = effects.iter().filter_map(|effect| match effect {
        Effect::Assign {
            spec, incarnation, ..
        } => Some((spec, *incarnation)),
        Effect::Observe
        | Effect::ResolveSources(_)
        | Effect::MeasureUnderlay(_)
        | Effect::Retire { .. }
        | Effect::RemoveRules(_)
        | Effect::Recheck(_)
        | Effect::Sighted(..)
        | Effect::Detach(_)
        | Effect::Record(_)
        | Effect::Finished => None,
    });
    let tunnels = specs.map(|(spec, incarnation)| (spec.id, tunnel(spec, incarnation)));
    Observed {
        tunnels: tunnels.collect(),
        ..Observed::default()
    }
}

fn tunnel(spec: &TunnelSpec, incarnation: Incarnation) -> ObservedTunnel {
    let link = ObservedLink {
        name: spec.link.name.clone(),
        usable: true,
        local: Some(spec.link.local),
        remote: Some(spec.link.remote),
        ttl: Some(spec.link.ttl),
        mtu: u32::from(spec.link.mtu),
        up: true,
    };
    ObservedTunnel {
        incarnation,
        link,
        addresses: spec.addresses.clone(),
        routes: spec.routes.clone(),
        rate: warren_state::Rate::UNLIMITED,
    }
}

fn view(users: u32) -> View {
    let device = Device {
        code: "ams1".into(),
        exchange: Pubkey::default(),
        public_ip: Ipv4Addr::new(203, 0, 113, 1),
        status: 1,
        prefixes: vec![],
    };
    View {
        users: (0..users).map(user).collect(),
        devices: BTreeMap::from([(DEVICE, device)]),
        config: Some(GlobalConfig {
            local_asn: Asn(0),
            remote_asn: Asn(0),
        }),
        ..View::default()
    }
}

fn user(n: u32) -> (Pubkey, User) {
    let mut key = [1; 32];
    key[..4].copy_from_slice(&n.wrapping_mul(0x9e37_79b9).to_be_bytes());
    let client_ip = Ipv4Addr::from(0x0b00_0000 + n);
    let user = User {
        owner: Pubkey::default(),
        kind: Ok(ServiceKind::Ibrl),
        tenant: Pubkey::default(),
        device: DEVICE,
        client_ip,
        dz_ip: client_ip,
        tunnel_number: u16::try_from(n).unwrap_or(u16::MAX),
        tunnel_net: RawNet {
            address: RawIp(Ipv4Addr::from(0x0a00_0000 + 2 * n)),
            prefix_len: 31,
        },
        status: UserStatus::Activated,
        publishers: vec![],
        subscribers: vec![],
        tunnel_endpoint: Ipv4Addr::UNSPECIFIED,
    };
    (Pubkey(key), user)
}

//! Latency of devices whose addresses are on loopback.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use warren_actors::{
    Snapshot, StopMode,
    latency::{LatencyOptions, LatencyStatus},
};
use warren_ledger::accounts::{Device, DeviceStatus, samples};
use warren_protocols::latency::LatencySettings;
use warren_state::{
    Pubkey,
    event::{Event, Probe},
};

use crate::{
    ledger::{Answer, DEVICE},
    world::World,
};

/// Passes each second, of one echo in 50 ms after the other; the list is read ten times a second.
pub fn options() -> LatencyOptions {
    LatencyOptions {
        settings: LatencySettings {
            period: Duration::from_secs(1),
            spacing: Duration::from_millis(50),
            ..LatencySettings::default()
        },
        list_interval: Some(Duration::from_millis(100)),
        probe_tunnel_endpoints: true,
        probe_all_devices: false,
    }
}

fn device(address: Ipv4Addr) -> Device {
    Device {
        public_ip: address,
        status: DeviceStatus::ACTIVATED,
        code: address.to_string(),
        users_count: 0,
        max_users: 1,
        reserved_seats: 0,
        interfaces: vec![],
        ..samples::device()
    }
}

fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 80, number)
}

/// Two devices can take users and one, which this host's user would be on, is full.
pub fn probes(world: &mut World) {
    world.settings.latency = Some(options());
    let full = Device {
        users_count: 1,
        ..device(address(9))
    };
    let devices = [
        (Pubkey([1; 32]), device(address(1))),
        (Pubkey([2; 32]), device(address(2))),
        (DEVICE, full),
    ];
    world.ledger.devices.lock().unwrap().extend(devices);
}

async fn probing() -> World {
    let mut world = World::client();
    probes(&mut world);
    world.enabled().await
}

pub fn reachable(snapshot: &Snapshot) -> Vec<Ipv4Addr> {
    let status = snapshot.latency.clone().unwrap_or_default();
    let answered = status.targets.iter().filter(|report| report.is_reachable());
    let mut addresses: Vec<Ipv4Addr> = answered.map(|report| report.target.address).collect();
    addresses.sort();
    addresses
}

/// Where the system allows no ICMP socket at all, there is nothing to see but that this is told.
pub async fn has_socket(world: &World) -> bool {
    let told = |status: &Arc<LatencyStatus>| status.socket.is_some() || status.socket_error.is_some();
    let snapshot = world
        .until("the socket is told of", |snapshot| {
            snapshot.latency.as_ref().is_some_and(told)
        })
        .await;
    snapshot
        .latency
        .as_ref()
        .is_some_and(|status| status.socket.is_some())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_that_can_take_users_and_the_one_in_use_are_measured_and_others_are_forgotten() {
    let mut world = probing().await;
    if !has_socket(&world).await {
        return;
    }
    let ready = |snapshot: &Snapshot| snapshot.latency.as_ref().is_some_and(|status| status.is_ready);
    let snapshot = world.until("the first pass is over", ready).await;
    assert_eq!(reachable(&snapshot), [1, 2].map(address));
    let status = snapshot.latency.clone().unwrap();
    assert_eq!((status.devices, status.last_pass.unwrap().targets), (3, 2));
    assert!(
        status
            .targets
            .iter()
            .all(|report| report.latest().unwrap().received == 3 && report.smoothed > Some(Duration::ZERO))
    );
    world.ledger.add_user(0);
    world
        .until("the device in use is measured although it is full", |snapshot| {
            reachable(snapshot) == [1, 2, 9].map(address)
        })
        .await;
    world.ledger.devices.lock().unwrap().remove(&Pubkey([2; 32]));
    world
        .until("a device that is gone is forgotten", |snapshot| {
            reachable(snapshot) == [1, 9].map(address)
        })
        .await;
    world.stop(StopMode::Detach).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_fails_or_panics_makes_nobody_forgotten_and_does_not_restart_the_prober() {
    let world = probing().await;
    if !has_socket(&world).await {
        return;
    }
    world
        .until("both are measured", |snapshot| {
            reachable(snapshot) == [1, 2].map(address)
        })
        .await;
    for (answer, text) in [
        (Answer::Failure, "connection refused"),
        (Answer::Panic, "reading the ledger panicked"),
    ] {
        *world.ledger.list_answer.lock().unwrap() = answer;
        let fails = |snapshot: &Snapshot| {
            snapshot
                .latency
                .as_ref()
                .is_some_and(|status| status.devices_error.as_deref() == Some(text))
        };
        let snapshot = world.until("the list cannot be read", fails).await;
        assert_eq!(reachable(&snapshot), [1, 2].map(address));
        assert_eq!(snapshot.restarts.get("latency"), None);
    }
    *world.ledger.list_answer.lock().unwrap() = Answer::View;
    world.ledger.devices.lock().unwrap().remove(&Pubkey([2; 32]));
    world
        .until("the list is read again", |snapshot| {
            reachable(snapshot) == [address(1)]
        })
        .await;
    let told: Vec<Event> = world.told().iter().map(|entry| entry.event.clone()).collect();
    let of_the_list: Vec<String> = told
        .iter()
        .filter(|event| {
            matches!(
                event,
                Event::ProbeImpaired {
                    probe: Probe::DeviceList,
                    ..
                } | Event::ProbeMended {
                    probe: Probe::DeviceList
                }
            )
        })
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        of_the_list,
        [
            "the list of devices to measure cannot be read: connection refused",
            "the list of devices to measure cannot be read: reading the ledger panicked",
            "the list of devices to measure is read again",
        ]
    );
    let mut answered = 0;
    for event in &told {
        if let Event::LatencyChanged { targets, .. } = event {
            answered += targets.iter().filter(|target| target.reachable).count();
        }
    }
    assert!(answered >= 2, "{told:?}");
}

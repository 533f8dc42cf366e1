use warren_ledger::accounts::{Account, Interface, Net, samples};

use super::*;

const MS: i64 = 1_000_000;

fn key(number: u8) -> Pubkey {
    Pubkey([number; 32])
}

/// An activated device with room for ten, at 192.0.2.NUMBER.
fn device(number: u8) -> Device {
    let found = samples::full().into_iter().find_map(|(_, account)| {
        if let Account::Device(device) = account {
            Some(device)
        } else {
            None
        }
    });
    Device {
        code: format!("dz{number:02}"),
        public_ip: ip(number),
        status: DeviceStatus::ACTIVATED,
        users_count: 3,
        reserved_seats: 0,
        max_users: 10,
        max_unicast_users: 0,
        max_multicast_publishers: 0,
        max_multicast_subscribers: 0,
        interfaces: vec![],
        ..found.unwrap()
    }
}

fn ip(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, number)
}

fn network(devices: &[(u8, Device)]) -> BTreeMap<Pubkey, Device> {
    devices
        .iter()
        .map(|(number, device)| (key(*number), device.clone()))
        .collect()
}

fn row(number: u8, at: Ipv4Addr, min_ms: i64) -> Measured {
    let min_latency_ns = min_ms * MS;
    Measured {
        device_pk: key(number).to_string(),
        device_ip: at,
        min_latency_ns,
        avg_latency_ns: min_latency_ns + MS,
        reachable: true,
    }
}

fn request(capacity: CapacityKind) -> DeviceRequest<'static> {
    DeviceRequest {
        capacity,
        named: None,
        taken: BTreeSet::new(),
    }
}

fn with_endpoint(mut device: Device, at: Ipv4Addr) -> Device {
    let mut interface = Interface {
        version: Interface::CURRENT,
        ..samples_interface()
    };
    interface.body.ute = true;
    interface.body.ip_net = Net::new(at, 32);
    device.interfaces.push(interface);
    device
}

fn samples_interface() -> Interface {
    samples::full()
        .into_iter()
        .find_map(|(_, account)| {
            if let Account::Device(device) = account {
                device.interfaces.into_iter().next()
            } else {
                None
            }
        })
        .unwrap()
}

#[test]
fn a_device_in_transit_is_never_chosen_and_one_at_the_edge_is() {
    let of = |device_type| Device {
        device_type,
        ..device(1)
    };
    let network = network(&[
        (1, of(DeviceType::TRANSIT)),
        (
            2,
            Device {
                device_type: DeviceType::EDGE,
                ..device(2)
            },
        ),
    ]);
    let rows = [row(1, ip(1), 1), row(2, ip(2), 9)];
    assert_eq!(
        choose(&network, &rows, &request(CapacityKind::Unicast))
            .unwrap()
            .device,
        key(2)
    );
    let named = DeviceRequest {
        named: Some("dz01"),
        ..request(CapacityKind::Unicast)
    };
    assert!(
        choose(&network, &rows, &named)
            .unwrap_err()
            .to_string()
            .contains("it is a transit device")
    );
}

#[test]
fn an_address_that_means_the_devices_own_is_never_named() {
    let nowhere = Device {
        public_ip: Ipv4Addr::UNSPECIFIED,
        ..device(1)
    };
    let named = DeviceRequest {
        named: Some("dz01"),
        ..request(CapacityKind::Unicast)
    };
    let refused = choose(&network(&[(1, nowhere)]), &[], &named).unwrap_err();
    assert!(
        matches!(
            refused,
            NoDevice::Unusable {
                reason: Unusable::Taken,
                ..
            }
        ),
        "{refused}"
    );
}

#[test]
fn the_lowest_minimum_wins_then_the_lowest_mean_and_then_the_code() {
    let devices = network(&[(1, device(1)), (2, device(2)), (3, device(3))]);
    let mut rows = vec![row(1, ip(1), 9), row(2, ip(2), 4), row(3, ip(3), 4)];
    let choose = |rows: &[Measured]| choose(&devices, rows, &request(CapacityKind::Unicast)).unwrap();
    assert_eq!(
        choose(&rows),
        Choice {
            device: key(2),
            endpoint: ip(2),
            min_latency_ns: Some(4 * MS)
        }
    );
    rows[2].avg_latency_ns -= 1;
    assert_eq!(choose(&rows).device, key(3));
}

#[test]
fn a_device_that_takes_no_users_or_is_full_is_passed_over_and_each_reason_is_told() {
    let drained = Device {
        status: DeviceStatus::DRAINED,
        ..device(1)
    };
    let full = Device {
        users_count: 8,
        reserved_seats: 2,
        ..device(2)
    };
    let no_unicast = Device {
        unicast_users_count: 5,
        max_unicast_users: 5,
        ..device(3)
    };
    let none = Device {
        max_users: 0,
        ..device(4)
    };
    let devices = network(&[(1, drained), (2, full), (3, no_unicast), (4, none)]);
    let rows: Vec<Measured> = (1..=4).map(|number| row(number, ip(number), 1)).collect();
    let error = choose(&devices, &rows, &request(CapacityKind::Unicast)).unwrap_err();
    let text = error.to_string();
    for part in [
        "dz01: it is drained",
        "dz02: it is full (at most 10 users)",
        "dz03: it is full (at most 5 unicast users)",
        "dz04: it takes no",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let multicast = CapacityKind::Multicast {
        publisher: false,
        subscriber: true,
    };
    assert_eq!(
        choose(&devices, &rows, &request(multicast)).unwrap().device,
        key(3)
    );
}

#[test]
fn publishers_and_subscribers_have_room_of_their_own() {
    let devices = network(&[(
        1,
        Device {
            multicast_publishers_count: 2,
            max_multicast_publishers: 2,
            ..device(1)
        },
    )]);
    let ask = |publisher, subscriber| {
        choose(
            &devices,
            &[row(1, ip(1), 1)],
            &request(CapacityKind::Multicast {
                publisher,
                subscriber,
            }),
        )
    };
    assert!(ask(false, true).is_ok());
    assert!(ask(true, false).is_err() && ask(true, true).is_err());
}

#[test]
fn an_address_that_ends_a_tunnel_of_this_host_is_never_chosen_again() {
    let other = Ipv4Addr::new(198, 51, 100, 1);
    let devices = network(&[(1, with_endpoint(device(1), other)), (2, device(2))]);
    let rows = [row(1, ip(1), 1), row(1, other, 2), row(2, ip(2), 9)];
    let mut request = request(CapacityKind::Unicast);
    request.taken.insert(ip(1));
    assert_eq!(choose(&devices, &rows, &request).unwrap().endpoint, other);
    request.taken.insert(other);
    assert_eq!(choose(&devices, &rows, &request).unwrap().device, key(2));
    request.taken.insert(ip(2));
    let error = choose(&devices, &rows, &request).unwrap_err();
    assert!(
        error.to_string().contains("ends a tunnel of this host already")
            && error.advice().starts_with("Disconnect"),
        "{error}"
    );
    request.named = Some("dz01");
    assert!(matches!(
        choose(&devices, &rows, &request),
        Err(NoDevice::Unusable {
            reason: Unusable::Taken,
            ..
        })
    ));
}

#[test]
fn a_device_that_does_not_answer_is_only_taken_when_it_is_named() {
    let devices = network(&[(1, device(1)), (2, device(2))]);
    let silent = Measured {
        reachable: false,
        ..row(1, ip(1), 0)
    };
    let error = choose(
        &devices,
        std::slice::from_ref(&silent),
        &request(CapacityKind::Unicast),
    )
    .unwrap_err();
    assert_eq!(
        error,
        NoDevice::None(vec![
            ("dz01".into(), Unusable::Unreachable),
            ("dz02".into(), Unusable::Unmeasured)
        ])
    );
    let named = |name| {
        choose(
            &devices,
            std::slice::from_ref(&silent),
            &DeviceRequest {
                named: Some(name),
                ..request(CapacityKind::Unicast)
            },
        )
    };
    let choice = Choice {
        device: key(1),
        endpoint: ip(1),
        min_latency_ns: None,
    };
    assert_eq!(named("dz01").as_ref(), Ok(&choice));
    assert_eq!(named("DZ01").as_ref(), Ok(&choice));
    let account = key(1).to_string();
    assert_eq!(named(&account).as_ref(), Ok(&choice));
    assert_eq!(named("dz09"), Err(NoDevice::Unknown("dz09".into())));
}

#[test]
fn an_unmarked_or_unspecified_interface_is_no_endpoint() {
    let mut odd = with_endpoint(device(1), Ipv4Addr::UNSPECIFIED);
    odd = with_endpoint(odd, ip(1));
    let mut unmarked = samples_interface();
    unmarked.body.ute = false;
    unmarked.body.ip_net = Net::new(Ipv4Addr::new(203, 0, 113, 1), 24);
    odd.interfaces.push(unmarked);
    let mut whole = with_endpoint(device(1), Ipv4Addr::new(203, 0, 113, 2));
    whole.interfaces[0].body.ip_net.prefix_len = 0;
    assert_eq!(endpoints(&odd), [ip(1)]);
    assert_eq!(endpoints(&whole), [ip(1)]);
}

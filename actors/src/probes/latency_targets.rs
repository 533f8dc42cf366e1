//! Which addresses are probed.

use std::{collections::BTreeMap, net::Ipv4Addr};

use warren_ledger::accounts::{Device, DeviceStatus};
use warren_protocols::latency::Target;
use warren_state::{Pubkey, View};

use crate::settings::LatencyOptions;

/// The targets that follow from the list of devices: of those that can take a user, and of those that a user of this host
/// has already, which the view tells. Others only on request: they would be load without a use.
pub(crate) fn targets(
    devices: &BTreeMap<Pubkey, Device>,
    view: Option<&View>,
    options: &LatencyOptions,
) -> Vec<Target> {
    let in_use = |key: &Pubkey| view.is_some_and(|view| view.users.values().any(|user| user.device == *key));
    let listed = devices
        .iter()
        .filter(|(key, device)| options.probe_all_devices || in_use(key) || takes_users(device));
    let mut targets: Vec<Target> = listed
        .flat_map(|(key, device)| of_device(*key, device, options.probe_tunnel_endpoints))
        .collect();
    // A device in use that is newer than the list.
    let newer = view
        .into_iter()
        .flat_map(|view| &view.devices)
        .filter(|(key, _)| !devices.contains_key(*key) && in_use(key));
    targets.extend(
        newer
            .filter(|(_, device)| is_host(device.public_ip))
            .map(|(key, device)| Target {
                device: *key,
                address: device.public_ip,
                code: device.code.clone(),
                interface: None,
                is_activated: device.status == DeviceStatus::ACTIVATED.0,
            }),
    );
    targets
}

/// Whether a new user of some kind would find room there (the limits of each kind are off when 0).
fn takes_users(device: &Device) -> bool {
    let total =
        u32::from(device.users_count) + u32::from(device.reserved_seats) < u32::from(device.max_users);
    let kinds = [
        (device.unicast_users_count, device.max_unicast_users),
        (
            device.multicast_subscribers_count,
            device.max_multicast_subscribers,
        ),
        (device.multicast_publishers_count, device.max_multicast_publishers),
    ];
    device.status == DeviceStatus::ACTIVATED
        && total
        && kinds.iter().any(|(count, most)| *most == 0 || count < most)
}

fn of_device(key: Pubkey, device: &Device, endpoints: bool) -> Vec<Target> {
    let target = |address, interface| Target {
        device: key,
        address,
        code: device.code.clone(),
        interface,
        is_activated: device.status == DeviceStatus::ACTIVATED,
    };
    let mut targets: BTreeMap<Ipv4Addr, Target> = BTreeMap::new();
    if is_host(device.public_ip) {
        targets.insert(device.public_ip, target(device.public_ip, None));
    }
    for interface in device
        .interfaces
        .iter()
        .map(|interface| &interface.body)
        .filter(|interface| endpoints && interface.ute)
    {
        let (address, length) = (interface.ip_net.address, interface.ip_net.prefix_len);
        if (1..=32).contains(&length) && is_host(address) {
            targets
                .entry(address)
                .or_insert_with(|| target(address, Some(interface.name.clone())));
        }
    }
    targets.into_values().collect()
}

fn is_host(address: Ipv4Addr) -> bool {
    !address.is_unspecified() && !address.is_multicast() && !address.is_broadcast()
}

#[cfg(test)]
mod tests {
    use warren_ledger::accounts::{Interface, InterfaceV2, Net, samples};
    use warren_protocols::latency::LatencySettings;
    use warren_state::{ServiceKind, view};

    use super::*;

    const OPTIONS: LatencyOptions = LatencyOptions {
        settings: LatencySettings {
            period: std::time::Duration::from_secs(1),
            retry: std::time::Duration::from_secs(1),
            echoes: 1,
            spacing: std::time::Duration::ZERO,
            timeout: std::time::Duration::ZERO,
            stagger: std::time::Duration::ZERO,
            gap: std::time::Duration::ZERO,
            under_way: 1,
            history: 1,
        },
        list_interval: None,
        probe_tunnel_endpoints: true,
        probe_all_devices: false,
    };

    /// An activated device with room for one user and no ends beside its public address.
    fn device(number: u8) -> Device {
        Device {
            public_ip: Ipv4Addr::new(9, 0, 0, number),
            status: DeviceStatus::ACTIVATED,
            code: format!("d{number}"),
            users_count: 1,
            max_users: 2,
            reserved_seats: 0,
            max_unicast_users: 0,
            max_multicast_subscribers: 0,
            max_multicast_publishers: 0,
            interfaces: vec![],
            ..samples::device()
        }
    }

    fn probed(devices: &[(u8, Device)], view: Option<&View>, options: LatencyOptions) -> Vec<Ipv4Addr> {
        let devices = devices
            .iter()
            .map(|(number, device)| (Pubkey([*number; 32]), device.clone()))
            .collect();
        targets(&devices, view, &options)
            .into_iter()
            .map(|target| target.address)
            .collect()
    }

    fn view_with_user_of(number: u8) -> View {
        let user = view::User {
            owner: Pubkey::default(),
            kind: Ok(ServiceKind::Ibrl),
            tenant: Pubkey::default(),
            device: Pubkey([number; 32]),
            client_ip: Ipv4Addr::LOCALHOST,
            dz_ip: Ipv4Addr::LOCALHOST,
            tunnel_number: 0,
            tunnel_net: view::RawNet::default(),
            status: view::UserStatus::Activated,
            publishers: vec![],
            subscribers: vec![],
            tunnel_endpoint: Ipv4Addr::UNSPECIFIED,
        };
        let device = view::Device {
            code: "used".into(),
            exchange: Pubkey::default(),
            public_ip: Ipv4Addr::new(9, 0, 1, number),
            status: 5,
            prefixes: vec![],
        };
        View {
            users: [(Pubkey([99; 32]), user)].into_iter().collect(),
            devices: [(Pubkey([number; 32]), device)].into(),
            ..View::default()
        }
    }

    #[test]
    fn only_devices_that_can_take_a_user_are_probed_unless_one_is_in_use_or_all_are_asked_for() {
        let none_of_any_kind = Device {
            max_unicast_users: 1,
            unicast_users_count: 1,
            max_multicast_subscribers: 1,
            multicast_subscribers_count: 1,
            max_multicast_publishers: 2,
            multicast_publishers_count: 2,
            ..device(7)
        };
        let devices = [
            (1, device(1)),
            (
                2,
                Device {
                    status: DeviceStatus::DRAINED,
                    ..device(2)
                },
            ),
            (
                3,
                Device {
                    users_count: 2,
                    ..device(3)
                },
            ),
            (
                4,
                Device {
                    reserved_seats: 1,
                    ..device(4)
                },
            ),
            (
                5,
                Device {
                    users_count: 0,
                    max_users: 0,
                    ..device(5)
                },
            ),
            (
                6,
                Device {
                    status: DeviceStatus(77),
                    ..device(6)
                },
            ),
            (7, none_of_any_kind.clone()),
            (
                8,
                Device {
                    multicast_publishers_count: 1,
                    public_ip: Ipv4Addr::new(9, 0, 0, 8),
                    ..none_of_any_kind
                },
            ),
        ];
        let address = |number| Ipv4Addr::new(9, 0, 0, number);
        assert_eq!(probed(&devices, None, OPTIONS), [1, 8].map(address));
        assert_eq!(
            probed(&devices, Some(&view_with_user_of(2)), OPTIONS),
            [1, 2, 8].map(address)
        );
        let all = LatencyOptions {
            probe_all_devices: true,
            ..OPTIONS
        };
        assert_eq!(probed(&devices, None, all), [1, 2, 3, 4, 5, 6, 7, 8].map(address));
    }

    #[test]
    fn a_device_in_use_that_the_list_lacks_is_probed_as_the_view_tells_of_it() {
        let view = view_with_user_of(50);
        assert_eq!(
            probed(&[(1, device(1))], Some(&view), OPTIONS),
            [Ipv4Addr::new(9, 0, 0, 1), Ipv4Addr::new(9, 0, 1, 50)]
        );
        let found = targets(&BTreeMap::new(), Some(&view), &OPTIONS);
        assert!(!found[0].is_activated && found[0].code == "used");
    }

    #[test]
    fn ends_for_tunnels_are_probed_where_they_have_an_address_of_their_own_and_not_when_they_are_off() {
        let interface = |name: &str, octets: [u8; 4], prefix_len, ute| {
            let ip_net = Net::new(octets.into(), prefix_len);
            Interface::new(
                InterfaceV2 {
                    name: name.into(),
                    ip_net,
                    ute,
                    ..InterfaceV2::default()
                },
                vec![],
            )
        };
        let interfaces = vec![
            interface("Loopback100", [9, 0, 0, 100], 32, true),
            interface("again", [9, 0, 0, 100], 32, true),
            interface("public", [9, 0, 0, 1], 32, true),
            interface("not for tunnels", [9, 0, 0, 101], 32, false),
            interface("no length", [9, 0, 0, 102], 0, true),
            interface("no address", [0, 0, 0, 0], 32, true),
        ];
        let devices = [(
            1,
            Device {
                interfaces,
                ..device(1)
            },
        )];
        let both = targets(&[(Pubkey([1; 32]), devices[0].1.clone())].into(), None, &OPTIONS);
        let named: Vec<_> = both
            .iter()
            .map(|target| (target.address.octets()[3], target.interface.as_deref()))
            .collect();
        assert_eq!(named, [(1, None), (100, Some("Loopback100"))]);
        let off = LatencyOptions {
            probe_tunnel_endpoints: false,
            ..OPTIONS
        };
        assert_eq!(probed(&devices, None, off), [Ipv4Addr::new(9, 0, 0, 1)]);
    }

    #[test]
    fn addresses_that_no_host_has_are_not_probed() {
        for octets in [[0, 0, 0, 0], [224, 0, 0, 5], [255, 255, 255, 255]] {
            assert!(
                probed(
                    &[(
                        1,
                        Device {
                            public_ip: octets.into(),
                            ..device(1)
                        }
                    )],
                    None,
                    OPTIONS
                )
                .is_empty()
            );
        }
    }
}

use super::*;

#[test]
fn a_device_without_interfaces_gets_them_from_the_deprecated_ones() {
    let (device, decoded) = device_of(&fixture("device_without_interfaces"));
    assert_eq!(decoded.defaulted, ["interfaces"]);
    assert_eq!(device.interfaces.len(), 4);
    assert_eq!(device.interfaces[0].body.name, "Loopback255");
    assert_eq!(
        device.interfaces[0].body.ip_net,
        Net::new(Ipv4Addr::new(172, 16, 0, 1), 32)
    );
    assert_eq!(
        device.interfaces[0].body.mtu, 9000,
        "the first form does not say its MTU"
    );
    assert_eq!(device.interfaces[3].body, samples::device().interfaces[3].body);
    assert_eq!(device.max_multicast_publishers, 8);
}

#[test]
fn a_device_whose_two_interface_lists_differ_in_length_keeps_the_deprecated_ones_and_says_so() {
    let mut device = samples::device();
    device.interfaces.truncate(1);
    let (read, decoded) = device_of(&encode(&device.clone().into()));
    assert_eq!(read.interfaces.len(), 4);
    assert_eq!(decoded.notes.len(), 1);
    assert_eq!((read.code, read.dz_prefixes), (device.code, device.dz_prefixes));
}

#[test]
fn a_device_with_an_unknown_interface_variant_keeps_what_comes_before() {
    let mut device = samples::device();
    device.deprecated_interfaces.truncate(1);
    device.interfaces.truncate(1);
    let mut bytes = encode(&device.clone().into());
    let name = bytes.windows(11).position(|w| w == b"Loopback255").unwrap();
    bytes[name - 6] = 9;
    let (read, decoded) = device_of(&bytes);
    assert_eq!(
        (read.public_ip, read.mgmt_vrf.as_str(), read.dz_prefixes.len()),
        (device.public_ip, "mgmt", 2)
    );
    assert_eq!(
        (
            read.deprecated_interfaces.len(),
            read.interfaces.len(),
            read.max_users
        ),
        (0, 0, 0)
    );
    assert_eq!(decoded.defaulted.first(), Some(&"deprecated_interfaces"));
}

#[test]
fn an_interface_that_is_longer_than_we_know_is_stepped_over() {
    let mut device = samples::device();
    device.deprecated_interfaces.truncate(2);
    device.interfaces.truncate(2);
    let mut bytes = encode(&device.clone().into());
    let (one, rest) = (
        encode_interface(&device.interfaces[0]),
        encode_interface(&device.interfaces[1]),
    );
    bytes.truncate(bytes.len() - one.len() - rest.len());
    let mut longer = [one, vec![0xaa; 5]].concat();
    let size = u16::try_from(longer.len()).unwrap().to_le_bytes();
    longer[..2].copy_from_slice(&size);
    longer[2] = 5;
    bytes.extend([longer, rest].concat());
    let (read, decoded) = device_of(&bytes);
    assert_eq!(read.interfaces[0].version, 5);
    assert_eq!(read.interfaces[0].body, device.interfaces[0].body);
    assert_eq!(read.interfaces[1], device.interfaces[1]);
    assert_eq!(decoded.trailing, 0);
}

#[test]
fn a_sized_interface_that_is_shorter_than_todays_keeps_every_field_that_is_there() {
    let mut device = samples::device();
    device.deprecated_interfaces.truncate(2);
    device.interfaces.truncate(2);
    let [first, second] = &device.interfaces[..] else {
        panic!("two interfaces")
    };
    let (one, two) = (encode_interface(first), encode_interface(second));
    let whole = encode(&device.clone().into());
    let list = whole.len() - one.len() - two.len();
    // Segments, the mark for tunnels, the node's segment, the address.
    let up_to_address = two.len() - (4 + 34) - 1 - 2 - 5;
    for kept in [two.len() - (4 + 34), up_to_address, up_to_address + 3] {
        let mut short = two[..kept].to_vec();
        short[..2].copy_from_slice(&u16::try_from(kept).unwrap().to_le_bytes());
        let (read, _) = device_of(&[&whole[..list], &short[..], &one[..]].concat());
        let found = &read.interfaces[0];
        assert_eq!(
            (usize::from(found.size), found.body.name.as_str(), found.body.vlan),
            (kept, "Ethernet1", 100)
        );
        assert_eq!((found.body.bandwidth, found.body.mtu), (10_000_000_000, 9000));
        let has_address = kept == two.len() - (4 + 34);
        assert_eq!(found.body.ute, has_address);
        assert_eq!(
            found.body.ip_net,
            if has_address {
                second.body.ip_net
            } else {
                Net::NONE
            }
        );
        assert_eq!(read.interfaces[1], *first);
    }
}

pub(super) fn encode_interface(interface: &Interface) -> Vec<u8> {
    let mut out = Vec::new();
    wire::Field::write(interface, &mut out);
    out
}

//! Reading against a ledger that misbehaves.

use std::{net::Ipv4Addr, time::Duration};

use tokio::{net::TcpListener, time::Instant};
use warren_state::{Pubkey, ServiceKind, Slot, View, view::SlotRange};

use super::*;
use crate::{
    accounts::{Device, MulticastGroup, Net, User, UserType, encode, samples, samples::key},
    testing::{CLIENT_IP, FakeLedger, Fault, PROGRAM, Quirks, config, config_key, device, user},
};

mod accounts;
mod endpoints;
mod faults;

const QUERY: Query = Query::Client(CLIENT_IP);

fn settings_of(urls: &[String]) -> RpcSettings {
    let endpoints = urls.iter().map(|url| Endpoint::http(url).unwrap()).collect();
    let mut settings = RpcSettings::new(endpoints, PROGRAM);
    settings.first_backoff = Duration::from_millis(2);
    settings.request_timeout = Duration::from_secs(30);
    settings.max_response = 256 * 1024;
    settings.probe_barred_every = Duration::from_secs(3600);
    settings
}

fn source_of(urls: &[String]) -> RpcSource {
    RpcSource::new(settings_of(urls)).unwrap()
}

fn source(ledger: &FakeLedger) -> RpcSource {
    source_of(&[ledger.url()])
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

async fn read(source: &RpcSource) -> Result<View, ReadError> {
    source.read(&QUERY, soon()).await
}

/// A unicast user of this host with all that it names.
async fn connected() -> FakeLedger {
    let ledger = FakeLedger::start().await;
    ledger.put(key(9), &user(UserType::IBRL).into());
    ledger.put(key(50), &device().into());
    ledger.put(device().exchange_pk, &samples::exchange().into());
    ledger.put(samples::user().tenant_pk, &samples::tenant().into());
    ledger
}

#[tokio::test]
async fn a_clients_view_holds_its_users_and_exactly_what_they_name() {
    let ledger = connected().await;
    let stranger = User {
        client_ip: Ipv4Addr::new(192, 0, 2, 77),
        device_pk: key(51),
        ..samples::user()
    };
    ledger.put(key(10), &stranger.into());
    ledger.put(key(51), &device().into());
    let multicast = User {
        publishers: vec![key(80)],
        subscribers: vec![key(81)],
        ..user(UserType::MULTICAST)
    };
    ledger.put(key(11), &multicast.into());
    ledger.put(key(80), &samples::multicast_group().into());
    ledger.put(
        key(81),
        &MulticastGroup {
            code: "other".into(),
            ..samples::multicast_group()
        }
        .into(),
    );
    ledger.put(key(82), &samples::multicast_group().into());
    let view = read(&source(&ledger)).await.unwrap();
    assert_eq!(view.users.keys().copied().collect::<Vec<_>>(), [key(9), key(11)]);
    assert_eq!(view.users[&key(9)].kind, Ok(ServiceKind::Ibrl));
    assert_eq!(view.devices.keys().copied().collect::<Vec<_>>(), [key(50)]);
    assert_eq!(
        view.groups.keys().copied().collect::<Vec<_>>(),
        [key(80), key(81)]
    );
    assert_eq!(view.exchanges[&device().exchange_pk].code, "xfra");
    assert_eq!(view.tenants.len(), 1);
    assert_eq!(view.config.map(|config| config.remote_asn.0), Some(65342));
    assert_eq!(
        (view.slot, view.device_prefixes, view.quarantined.len()),
        (Slot(1000), None, 0)
    );
}

#[tokio::test]
async fn the_list_of_devices_holds_every_one_that_decodes_and_nothing_else_whatever_a_proxy_answers() {
    let ledger = connected().await;
    ledger.put(
        key(51),
        &Device {
            code: "other".into(),
            ..device()
        }
        .into(),
    );
    ledger.put_raw(key(52), key(1), encode(&device().into()));
    ledger.put_raw(key(53), PROGRAM, encode(&device().into())[..40].to_vec());
    let source = source(&ledger);
    for ignore_filters in [false, true] {
        ledger.state().ignore_filters = ignore_filters;
        let devices = source.devices(soon()).await.unwrap();
        assert_eq!(devices.keys().copied().collect::<Vec<_>>(), [key(50), key(51)]);
        assert_eq!(
            (devices[&key(51)].code.as_str(), &devices[&key(50)].interfaces),
            ("other", &device().interfaces)
        );
    }
    ledger.faults([Fault::Status(503, None)]);
    assert!(matches!(
        source.devices(soon()).await,
        Err(ReadError::Unavailable(_))
    ));
    assert_eq!(
        (source.health().reads_ok, source.health().reads_failed),
        (0, 0),
        "these are no views"
    );
}

#[tokio::test]
async fn from_the_second_read_on_a_client_needs_two_requests_and_their_size_does_not_grow_with_the_network() {
    let ledger = connected().await;
    let source = source(&ledger);
    read(&source).await.unwrap();
    assert_eq!(
        ledger.methods(),
        ["getProgramAccounts", "getMultipleAccounts", "getMultipleAccounts"]
    );
    let (requests, bytes) = (source.health().requests, source.health().bytes_received);
    for n in 0..200 {
        let other = User {
            client_ip: Ipv4Addr::new(198, 18, 0, n),
            ..samples::user()
        };
        ledger.put(Pubkey([n.max(100); 32]), &other.into());
        ledger.put(
            Pubkey([n; 32]),
            &Device {
                code: format!("d{n}"),
                ..device()
            }
            .into(),
        );
    }
    read(&source).await.unwrap();
    assert_eq!(source.health().requests - requests, 2);
    assert!(
        source.health().bytes_received - bytes < 20_000,
        "{} bytes",
        source.health().bytes_received - bytes
    );
}

#[tokio::test]
async fn an_exchange_that_is_not_there_is_not_asked_for_again_and_again_within_a_read() {
    let ledger = connected().await;
    ledger.state().accounts.remove(&device().exchange_pk);
    let source = source(&ledger);
    read(&source).await.unwrap();
    ledger.state().requests.clear();
    assert!(read(&source).await.unwrap().exchanges.is_empty());
    assert_eq!(ledger.methods().len(), 2);
}

#[tokio::test]
async fn a_gateways_view_holds_the_users_of_its_device() {
    let ledger = connected().await;
    ledger.put(
        key(10),
        &User {
            client_ip: Ipv4Addr::new(192, 0, 2, 77),
            ..samples::user()
        }
        .into(),
    );
    ledger.put(
        key(11),
        &User {
            device_pk: key(51),
            ..samples::user()
        }
        .into(),
    );
    let view = source(&ledger)
        .read(&Query::Gateway(key(50)), soon())
        .await
        .unwrap();
    assert_eq!(view.users.keys().copied().collect::<Vec<_>>(), [key(9), key(10)]);
    assert_eq!(view.devices.keys().copied().collect::<Vec<_>>(), [key(50)]);
}

#[tokio::test]
async fn the_prefixes_of_all_devices_are_read_only_when_an_edge_filtering_user_asks() {
    let ledger = connected().await;
    ledger.put(
        key(51),
        &Device {
            dz_prefixes: vec![Net::new([10, 9, 0, 0].into(), 16)],
            ..device()
        }
        .into(),
    );
    let many: Vec<Net> = (0..100).map(|n| Net::new([10, 10, n, 0].into(), 24)).collect();
    ledger.put(
        key(52),
        &Device {
            dz_prefixes: many,
            ..device()
        }
        .into(),
    );
    assert_eq!(read(&source(&ledger)).await.unwrap().device_prefixes, None);
    ledger.put(key(9), &user(UserType::EDGE_FILTERING).into());
    let prefixes = read(&source(&ledger)).await.unwrap().device_prefixes.unwrap();
    assert_eq!(prefixes.len(), 2 + 1 + 100);
    assert!(prefixes.contains(&"10.10.99.0/24".parse().unwrap()));
}

#[tokio::test]
async fn later_requests_ask_for_the_slot_of_the_first_and_the_views_slot_is_the_lowest() {
    let ledger = connected().await;
    ledger.state().slot_step = 3;
    let view = read(&source(&ledger)).await.unwrap();
    assert_eq!(view.slot, Slot(1003));
    let state = ledger.state();
    assert_eq!(state.requests[1]["params"][1]["minContextSlot"], 1003);
    assert_eq!(state.requests[0]["params"][1]["commitment"], "confirmed");
    assert_eq!(state.requests[1]["params"][1]["commitment"], "confirmed");
}

#[tokio::test]
async fn a_node_that_falls_behind_between_two_requests_gives_a_view_that_says_at_which_slots_its_parts_were_read()
 {
    let ledger = connected().await;
    ledger.state().slot_step = -1;
    let view = read(&source(&ledger)).await.unwrap();
    let provenance = view.provenance();
    assert_eq!(provenance.users, SlotRange::at(Slot(999)));
    assert!(
        provenance.rest.newest < Slot(999) && view.slot == provenance.rest.lowest,
        "{provenance:?}"
    );
    let methods = ledger.methods();
    assert_eq!(
        methods
            .iter()
            .filter(|method| *method == "getProgramAccounts")
            .count(),
        1,
        "only the second request is repeated"
    );
}

#[tokio::test]
async fn a_balancer_over_a_node_that_lags_costs_one_more_request_and_no_read() {
    let ledger = connected().await;
    ledger.state().lags = vec![0, 20];
    let source = source(&ledger);
    for _ in 0..20 {
        let view = read(&source).await.unwrap();
        assert_eq!((view.users.len(), view.devices.len()), (1, 1));
        ledger.state().slot += 5;
    }
    let health = source.health();
    assert_eq!(
        (health.reads_ok, health.reads_failed, health.retries),
        (20, 0, 0),
        "{health:?}"
    );
    assert!(health.requests < 20 * 4, "{} requests", health.requests);
}

#[tokio::test]
async fn an_endpoint_that_leaves_parts_of_the_protocol_out_is_read_without_them_and_that_is_told() {
    let odd = Quirks::default;
    let cases = [
        (
            Quirks {
                no_min_slot: true,
                ..odd()
            },
            "minContextSlot",
        ),
        (
            Quirks {
                no_zstd: true,
                ..odd()
            },
            "zstd",
        ),
        (
            Quirks {
                no_context: true,
                ..odd()
            },
            "no slot with lists",
        ),
        (
            Quirks {
                at_most: Some(3),
                ..odd()
            },
            "at most 3",
        ),
        (
            Quirks {
                no_min_slot: true,
                no_zstd: true,
                no_context: true,
                at_most: Some(1),
                ..odd()
            },
            "at most 1",
        ),
        (
            Quirks {
                byte_order_mark: true,
                ..odd()
            },
            "",
        ),
    ];
    for (odd, lack) in cases {
        let ledger = connected().await;
        let source = source(&ledger);
        let whole = read(&source).await.unwrap();
        assert!(source.health().lacks.is_empty());
        ledger.state().odd = odd;
        let requests = source.health().requests;
        let view = read(&source)
            .await
            .unwrap_or_else(|error| panic!("{lack}: {error}"));
        assert!(view.says_the_same_as(&whole), "{lack}");
        let first = source.health().requests - requests;
        read(&source).await.unwrap();
        let second = source.health().requests - requests - first;
        assert!(
            second <= first,
            "what it does without is remembered: {first}, then {second} requests ({lack})"
        );
        let lacks = source.health().lacks.join("; ");
        assert!(
            lacks.contains(lack) && lacks.is_empty() == lack.is_empty(),
            "{lacks:?}"
        );
        assert_eq!(
            (source.health().retries, source.health().reads_failed),
            (0, 0),
            "{lack}"
        );
    }
}

#[tokio::test]
async fn a_list_that_does_not_say_how_old_it_is_proves_nothing_and_users_are_looked_up_by_address() {
    let ledger = connected().await;
    ledger.state().odd.no_context = true;
    let source = source(&ledger);
    assert_eq!(read(&source).await.unwrap().users.len(), 1);
    let whole = ledger.state().accounts.remove(&key(9)).unwrap();
    ledger.state().slot = 1010;
    let gone = read(&source).await.unwrap();
    assert_eq!(
        (gone.users.len(), gone.provenance().users),
        (0, SlotRange::at(Slot(1010))),
        "it is gone at that slot"
    );
    ledger.state().accounts.insert(key(9), whole);
    assert_eq!(read(&source).await.unwrap().users.len(), 1);
}

#[tokio::test]
async fn a_provider_that_does_not_serve_lists_is_left_for_one_that_does_within_one_read() {
    let (first, second) = (connected().await, connected().await);
    first.state().odd.no_lists = true;
    let source = source_of(&[first.url(), second.url()]);
    read(&source).await.unwrap();
    read(&source).await.unwrap();
    assert_eq!(first.methods().len(), 1, "it is left alone");
    first.state().requests.clear();
    second.state().odd.no_lists = true;
    let error = read(&source).await.unwrap_err().to_string();
    assert!(error.contains("not available on your plan"), "{error}");
    assert_eq!(first.methods().len(), 1, "every endpoint was asked once");
}

#[tokio::test]
async fn a_view_says_what_time_the_ledger_had() {
    let ledger = connected().await;
    assert_eq!(read(&source(&ledger)).await.unwrap().provenance().clock, None);
    let mut clock = vec![0; 32];
    clock.extend(1_760_464_781_i64.to_le_bytes());
    ledger.put_raw(read::CLOCK, Pubkey([7; 32]), clock);
    let view = read(&source(&ledger)).await.unwrap();
    assert_eq!(view.provenance().clock, Some(1_760_464_781));
    assert!(
        view.quarantined.is_empty(),
        "the clock is not the program's account: {:?}",
        view.quarantined
    );
}

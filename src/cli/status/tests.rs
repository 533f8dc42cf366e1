use super::*;

#[test]
fn an_idle_daemon_is_one_disconnected_row() {
    let seen: Seen = serde_json::from_str(
        r#"{"reconciler_enabled":false,"client_ip":"","network":"testnet","services":[]}"#,
    )
    .unwrap();
    let row = |name| {
        let rows = rows(&seen, name);
        assert_eq!((rows.len(), rows[0].len()), (1, HEAD.len()));
        rows[0].join("|")
    };
    assert_eq!(
        row(Name::Warren),
        "disconnected|no session data|N/A|N/A|N/A|N/A|N/A|false||N/A|N/A|N/A|testnet|"
    );
    assert_eq!(
        row(Name::Reference),
        "disconnected|no session data||||||false||N/A|N/A|N/A|testnet|"
    );
    let element = json!({
        "schema": 1,
        "response": {"doublezero_status": {"session_status": "disconnected", "last_session_update": null}, "tunnel_name": null,
                     "tunnel_src": null, "tunnel_dst": null, "doublezero_ip": null, "user_type": null},
        "reconciler_enabled": false, "tenant": "", "current_device": "N/A", "lowest_latency_device": "N/A", "metro": "N/A",
        "network": "testnet", "multicast_groups": "", "subscriptions": [],
    });
    assert_eq!(json!(document(&seen, Name::Warren)), json!([element]));
}

#[test]
fn json_is_the_references_array_with_an_element_for_each_service() {
    let seen: Seen = serde_json::from_str(
        r#"{"reconciler_enabled":true,"network":"testnet","services":[
            {"doublezero_status":{"session_status":"BGP Session Up","last_session_update":7},"tunnel_name":"doublezero0",
             "tunnel_src":"192.0.2.1","tunnel_dst":"198.51.100.9","doublezero_ip":"192.0.2.1","user_type":"IBRL",
             "current_device":"ams1","lowest_latency_device":"ams1","metro":"Amsterdam","tenant":"t",
             "multicast_groups":{"publisher":[],"subscriber":[]},"subscriptions":[]},
            {"doublezero_status":{"session_status":"BGP Session Up","last_session_update":8},"tunnel_name":"doublezero1",
             "user_type":"Multicast","multicast_groups":{"publisher":["a"],"subscriber":["b"]},"subscriptions":[{"code":"b","subscriber":true}]}]}"#,
    )
    .unwrap();
    let document = json!(document(&seen, Name::Warren));
    assert_eq!(document.as_array().map(Vec::len), Some(2));
    let up = json!({
        "schema": 1,
        "response": {"doublezero_status": {"session_status": "BGP Session Up", "last_session_update": 7}, "tunnel_name": "doublezero0",
                     "tunnel_src": "192.0.2.1", "tunnel_dst": "198.51.100.9", "doublezero_ip": "192.0.2.1", "user_type": "IBRL"},
        "reconciler_enabled": true, "tenant": "t", "current_device": "ams1", "lowest_latency_device": "ams1", "metro": "Amsterdam",
        "network": "testnet", "multicast_groups": "", "subscriptions": [],
    });
    assert_eq!(document[0], up, "no mark stands before the nearest device");
    assert_eq!(document[1]["multicast_groups"], "P:a,S:b");
    assert_eq!(document[1]["subscriptions"][0]["code"], "b");
}

#[test]
fn a_service_is_shown_with_its_groups_and_the_time_of_its_session() {
    let seen: Seen = serde_json::from_str(
        r#"{"reconciler_enabled":true,"services":[{"tunnel_name":"doublezero1","doublezero_ip":"","user_type":"Multicast",
            "doublezero_status":{"session_status":"BGP Session Up","last_session_update":1760464781},
            "multicast_groups":{"publisher":["a"],"subscriber":["a","b"]}}]}"#,
    )
    .unwrap();
    let row = &rows(&seen, Name::Warren)[0];
    assert_eq!(row[1], "2025-10-14 17:59:41 UTC");
    assert_eq!(row[5], "N/A");
    assert_eq!(row[13], "P:a,S:a,S:b");
    assert_eq!(row[10], "N/A");
}

/// What the reference printed of a host that sends to one group and receives from another.
#[test]
fn under_the_references_name_table_and_json_have_its_very_bytes() {
    let seen: Seen = serde_json::from_str(
        r#"{"reconciler_enabled":true,"client_ip":"9.128.0.2","network":"localnet","services":[{
            "tunnel_name":"doublezero1","tunnel_src":"9.128.0.2","tunnel_dst":"9.128.0.10","doublezero_ip":"148.51.120.1",
            "doublezero_status":{"session_status":"BGP Session Up","last_session_update":1795692555},"user_type":"Multicast",
            "current_device":"ams-dz01","lowest_latency_device":"ams-dz01","metro":"Amsterdam","tenant":"",
            "multicast_groups":{"publisher":["mg01"],"subscriber":["mg02"]},
            "subscriptions":[{"pubkey":"CgFPzZ5uDa67o6QccTo5vkRqJF3iK6aG7kTktKpnvGat","code":"mg01","multicast_ip":"233.84.178.1",
                              "max_bandwidth":1000000000,"publisher":true,"subscriber":false}]}]}"#,
    )
    .unwrap();
    let table = output::table_as(Name::Reference, &HEAD, &rows(&seen, Name::Reference));
    let expected = concat!(
        " Tunnel Status  | Last Session Update     | Tunnel Name | Tunnel Src | Tunnel Dst | Doublezero IP | User Type | Reconciler | Tenant | Current Device | Lowest Latency Device | Metro     | Network  | Multicast Groups \n",
        " BGP Session Up | 2026-11-26 11:29:15 UTC | doublezero1 | 9.128.0.2  | 9.128.0.10 | 148.51.120.1  | Multicast | true       |        | ams-dz01       | ✅ ams-dz01           | Amsterdam | localnet | P:mg01,S:mg02    \n",
    );
    assert_eq!(table, expected);
    assert_eq!(
        serde_json::to_string_pretty(&document(&seen, Name::Reference)).unwrap(),
        AS_JSON
    );
}

const AS_JSON: &str = r#"[
  {
    "response": {
      "doublezero_status": {
        "session_status": "BGP Session Up",
        "last_session_update": 1795692555
      },
      "tunnel_name": "doublezero1",
      "tunnel_src": "9.128.0.2",
      "tunnel_dst": "9.128.0.10",
      "doublezero_ip": "148.51.120.1",
      "user_type": "Multicast"
    },
    "reconciler_enabled": true,
    "tenant": "",
    "current_device": "ams-dz01",
    "lowest_latency_device": "ams-dz01",
    "metro": "Amsterdam",
    "network": "localnet",
    "multicast_groups": "P:mg01,S:mg02",
    "subscriptions": [
      {
        "pubkey": "CgFPzZ5uDa67o6QccTo5vkRqJF3iK6aG7kTktKpnvGat",
        "code": "mg01",
        "multicast_ip": "233.84.178.1",
        "max_bandwidth": 1000000000,
        "publisher": true,
        "subscriber": false
      }
    ]
  }
]"#;

#[test]
fn the_nearest_device_is_marked_while_the_tunnel_works() {
    let shown = |session: &str, current: &str| {
        let text = format!(
            r#"{{"doublezero_status":{{"session_status":"{session}"}},"current_device":"{current}","lowest_latency_device":"ams1"}}"#
        );
        nearest(&serde_json::from_str(&text).unwrap())
    };
    assert_eq!(shown("BGP Session Up", "ams1"), "✅ ams1");
    assert_eq!(shown("BGP Session Up", "fra1"), "⚠️ ams1");
    assert_eq!(shown("Pending BGP Session", "ams1"), "ams1");
}

//! What the reference's command line prints.

use super::*;

#[test]
fn status_shows_the_references_columns() {
    let dir = tempfile::tempdir().unwrap();
    let _server = serve(
        dir.path(),
        vec![
            ("/v2/status", 200, UP),
            ("/v2/status", 200, IDLE),
            ("/v2/status", 200, UP),
        ],
    );
    let table = stdout(&warren(dir.path(), &["status"]));
    let head: Vec<&str> = table.lines().next().unwrap().split('|').map(str::trim).collect();
    assert_eq!(
        head.join("|"),
        "Tunnel Status|Last Session Update|Tunnel Name|Tunnel Src|Tunnel Dst|Doublezero IP|User Type|Reconciler|Tenant|Current Device|Lowest Latency Device|Metro|Network|Multicast Groups"
    );
    let row: Vec<&str> = table.lines().nth(2).unwrap().split('|').map(str::trim).collect();
    assert_eq!(
        row.join("|"),
        "BGP Session Up|2025-10-14 17:59:41 UTC|doublezero0|192.0.2.1|198.51.100.9|192.0.2.1|IBRL|true||ams1|N/A|Amsterdam|testnet|"
    );
    assert!(!table.contains('\u{1b}'), "no colour when piped");
    assert!(stdout(&warren(dir.path(), &["status"])).contains("disconnected"));
    let document: serde_json::Value =
        serde_json::from_str(&stdout(&warren(dir.path(), &["status", "--json"]))).unwrap();
    assert_eq!(document.as_array().map(Vec::len), Some(1), "{document}");
    assert_eq!(
        (&document[0]["schema"], &document[0]["response"]["tunnel_name"]),
        (&json!(1), &json!("doublezero0"))
    );
    assert_eq!(
        document[0]["response"]["doublezero_status"]["session_status"],
        "BGP Session Up"
    );
}

#[test]
fn rows_of_routes_and_latency_are_the_references() {
    let dir = tempfile::tempdir().unwrap();
    let routes = concat!(
        r#"[{"network":"localnet","local_ip":"192.0.2.1","peer_ip":"8.8.8.8","kernel_state":"present","#,
        r#""liveness_last_updated":"2026-11-26T11:26:15Z","liveness_state":"up","liveness_state_reason":null,"peer_client_version":"0.34.0"},"#,
        r#"{"network":"localnet","local_ip":"192.0.2.1","peer_ip":"9.9.9.9","kernel_state":"absent","#,
        r#""liveness_last_updated":null,"liveness_state":null,"liveness_state_reason":null,"peer_client_version":null}]"#
    );
    let near = r#"{"device_pk":"p","device_ip":"192.0.2.9","device_code":"near","min_latency_ns":1,"max_latency_ns":3,"avg_latency_ns":2,"loss_percentage":0,"interface_name":"Loopback100","reachable":true}"#;
    let silent = r#"{"device_pk":"q","device_ip":"192.0.2.8","device_code":"far","min_latency_ns":0,"max_latency_ns":0,"avg_latency_ns":0,"loss_percentage":100,"reachable":false}"#;
    let latency: &str =
        Box::leak(format!(r#"{{"ready":true,"results":[{silent},{near}]}}"#).into_boxed_str());
    let script = vec![
        ("/routes", 200, routes),
        ("/routes", 200, routes),
        ("/routes", 200, "[]"),
        ("/v2/latency", 200, latency),
    ];
    let _server = serve(dir.path(), script);
    let table = stdout(&warren(dir.path(), &["routes"]));
    let cells = |column| {
        table
            .lines()
            .skip(2)
            .map(|line| line.split('|').nth(column).unwrap().trim())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (cells(0), cells(2)),
        (vec!["localnet"; 2], vec!["8.8.8.8", "9.9.9.9"])
    );
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(
        parse(&stdout(&warren(dir.path(), &["routes", "--json"]))),
        parse(routes),
        "the rows of the table"
    );
    let none = warren(dir.path(), &["routes", "--json"]);
    assert_eq!(
        (none.status.code(), stdout(&none).as_str(), stderr(&none).as_str()),
        (Some(1), "[]\n", "warren: No routes found\n")
    );
    let rows = stdout(&warren(dir.path(), &["latency", "--json"]));
    assert_eq!(parse(&rows), parse(&format!("[{near},{silent}]")));
}

/// Runs it by the name that the package links to it.
pub(super) fn as_the_reference(directory: &Path, words: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
    command
        .env_clear()
        .arg0("doublezero")
        .arg("--sock-file")
        .arg(directory.join("w.sock"))
        .args(words)
        .output()
        .unwrap()
}

#[test]
fn the_name_decides_between_the_references_bytes_and_ours() {
    let dir = tempfile::tempdir().unwrap();
    let gone = as_the_reference(dir.path(), &["status"]);
    assert_eq!(
        (gone.status.code(), stderr(&gone).as_str()),
        (Some(1), "Error: Please start the doublezerod service.\n")
    );
    assert_eq!(warren(dir.path(), &["status"]).status.code(), Some(3));

    let version = as_the_reference(
        dir.path(),
        &["--version", "--url", "http://127.0.0.1:1", "--env", "localnet"],
    );
    let warren_ledger::accounts::Version { major, minor, patch } = warren_cli::version::PROGRAM;
    let expected = format!("client version:       {major}.{minor}.{patch}\n");
    assert_eq!(
        stdout(&version),
        expected,
        "without a ledger there is no more to tell: {}",
        stderr(&version)
    );
    assert_eq!(version.status.code(), Some(0));

    let key = dir.path().join("id.json");
    let made = as_the_reference(dir.path(), &["keygen", "-o", key.to_str().unwrap()]);
    assert!(
        stdout(&made).starts_with("Pubkey: ") && stdout(&made).lines().count() == 1,
        "{}",
        stdout(&made)
    );

    let _server = serve(
        dir.path(),
        [
            ("/v2/status", IDLE),
            ("/v2/status", IDLE),
            ("/v2/status", IDLE),
            ("/routes", "[]"),
            ("/routes", "[]"),
        ]
        .map(|(target, body)| (target, 200, body))
        .into(),
    );
    let theirs = as_the_reference(dir.path(), &["status"]);
    let expected = concat!(
        " Tunnel Status | Last Session Update | Tunnel Name | Tunnel Src | Tunnel Dst | Doublezero IP | User Type | Reconciler | Tenant | Current Device | Lowest Latency Device | Metro | Network | Multicast Groups \n",
        " disconnected  | no session data     |             |            |            |               |           | true       |        | N/A            | N/A                   | N/A   | testnet |                  \n",
    );
    assert_eq!(
        (stdout(&theirs).as_str(), stderr(&theirs).as_str()),
        (expected, "")
    );
    let ours = stdout(&warren(dir.path(), &["status"]));
    assert!(
        ours.lines().nth(1).unwrap().starts_with("----") && ours.contains("| N/A         |"),
        "{ours}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&stdout(&as_the_reference(dir.path(), &["status", "--json"]))).unwrap();
    assert_eq!(json[0].get("schema"), None);
    for words in [&["routes"][..], &["routes", "--json"]] {
        let none = as_the_reference(dir.path(), words);
        assert_eq!(
            (none.status.code(), stdout(&none).as_str(), stderr(&none).as_str()),
            (Some(1), "", "Error: No routes found\n")
        );
    }
}

#[test]
fn a_switch_says_what_the_reference_says() {
    let dir = tempfile::tempdir().unwrap();
    let ok = "{\"status\":\"ok\"}\n";
    let script = vec![
        ("/v2/status", 200, IDLE),
        ("/enable", 200, ok),
        ("/v2/status", 200, UP),
        ("/disable?wait=30000ms", 200, ok),
    ];
    let _server = serve(dir.path(), script);
    assert_eq!(
        stdout(&warren(dir.path(), &["enable"])),
        "Reconciler already enabled\n"
    );
    assert_eq!(
        stdout(&warren(dir.path(), &["disable", "--wait", "30s"])),
        "Active tunnel(s) will be torn down\nReconciler disabled\n"
    );
}

//! Answers of the daemon, for tests of what is made of them.

use serde_json::{Value, json};
use warren_api::v3::Status;

/// A daemon that is well and has no tunnels, with changes.
pub fn status(change: impl FnOnce(&mut Value)) -> Status {
    let mut status = json!({
        "schema": 1, "epoch": 1, "sequence": 1, "unix_ms": 0, "uptime_seconds": 3.0, "enabled": true, "converged": true, "stopping": false,
        "role": "client", "client_ip": "192.0.2.1", "client_ip_error": null, "device": null, "network": "localnet", "generation": 0,
        "ledger": {"endpoint": "http://l", "program_id": "p", "subscribed": true, "requests": 1, "bytes_received": 1, "reads_ok": 1,
                   "reads_failed": 0, "retries": 0, "last_error": null},
        "view": {"slot": 5, "age_seconds": 1.0, "stale": false, "held": null, "users": 1, "quarantined": {}},
        "tunnels": [], "refused": [], "dataplane": {"backend": "netlink", "reason": null, "features": [], "missing": []},
        "restarts": {}, "invariants_broken": {},
        "process": {"pid": 1, "uid": 0, "version": "0", "commit": "none", "date": "unknown", "capabilities": 12288},
    });
    change(&mut status);
    serde_json::from_value(status).unwrap()
}

/// A tunnel that is active for 65 seconds.
pub fn tunnel() -> Value {
    json!({
        "id": "11111111111111111111111111111111", "name": "doublezero0", "user_type": "IBRL", "phase": "active",
        "since_unix_ms": 0, "since_seconds": 65.2, "incarnation": 3, "local": "192.0.2.1", "remote": "192.0.2.2",
        "doublezero_ip": null, "session": "BGP Session Up", "session_detail": null, "session_since_unix_ms": null,
        "learned_routes": 0, "repairs": 0, "attempts": 0, "failure": null,
    })
}

/// A tunnel whose name is taken.
pub fn failed() -> Value {
    let mut tunnel = tunnel();
    for (field, value) in [
        ("phase", json!("failed")),
        ("session", json!("Pending BGP Session")),
        ("attempts", json!(2)),
    ] {
        tunnel[field] = value;
    }
    tunnel["failure"] = json!({
        "phase": "linking", "class": "conflict", "operation": "create link doublezero0", "detail": "not ours", "retry_in_seconds": 8.0,
    });
    tunnel
}

//! The table of flags.

use std::path::PathBuf;

use super::{Flag, Set, Value};
use crate::values;

macro_rules! text {
    ($field:ident . $name:ident) => {
        Set::Text(|layer, text| {
            layer.$field.$name = Some(values::text(text)?);
            Ok(())
        })
    };
    ($name:ident) => {
        Set::Text(|layer, text| {
            layer.$name = Some(values::text(text)?);
            Ok(())
        })
    };
}

/// Empty, it is as if it were not given: so the reference has it, whose default it is.
macro_rules! text_or_none {
    ($($field:ident).+) => {
        Set::Text(|layer, text| {
            layer.$($field).+ = if text.is_empty() { None } else { Some(values::text(text)?) };
            Ok(())
        })
    };
}

/// Every flag, ours first in each group.
pub static FLAGS: &[Flag] = &[
    Flag {
        names: &["config"],
        value: Value::Text(" FILE"),
        help: "configuration file (default /etc/warren/warren.toml, if there is one)",
        set: Set::Text(|layer, text| {
            layer.config = Some(PathBuf::from(values::text::<String>(text)?));
            Ok(())
        }),
    },
    Flag {
        names: &["check-config"],
        value: Value::Switch,
        help: "print the configuration in force and exit",
        set: Set::Switch(|layer, on| layer.check_config = on),
    },
    Flag {
        names: &["version"],
        value: Value::Switch,
        help: "print build, version and date and exit",
        set: Set::Switch(|layer, on| layer.version = on),
    },
    Flag {
        names: &["env"],
        value: Value::Text(" NAME"),
        help: "mainnet-beta (or mainnet), testnet, devnet or localnet (default testnet)",
        set: text!(ledger.env),
    },
    Flag {
        names: &["program-id"],
        value: Value::Text(" KEY"),
        help: "the serviceability program, instead of the environment's",
        set: text_or_none!(ledger.program_id),
    },
    Flag {
        names: &["ledger-url", "solana-rpc-endpoint"],
        value: Value::Text(" URL"),
        help: "ledger RPC endpoint; give it several times for several",
        set: Set::Text(|layer, text| {
            match text {
                "" => layer.ledger.urls = None,
                url => layer.ledger.urls.get_or_insert_default().push(values::text(url)?),
            }
            Ok(())
        }),
    },
    Flag {
        names: &["ledger-ws-url"],
        value: Value::Text(" URL"),
        help: "ledger websocket endpoint, instead of the one that follows from the RPC endpoint",
        set: text!(ledger.ws_url),
    },
    Flag {
        names: &["ca-file"],
        value: Value::Text(" FILE"),
        help: "certificate authorities (PEM) that are trusted in addition to the system's, for the ledger, its websocket and the address service",
        set: text!(ledger.ca_file),
    },
    Flag {
        names: &["commitment"],
        value: Value::Text(" LEVEL"),
        help: "processed, confirmed (default) or finalized",
        set: text!(ledger.commitment),
    },
    Flag {
        names: &["poll-interval", "reconciler-poll-interval"],
        value: Value::Seconds,
        help: "how often the ledger is read (default 10s, at least 1s)",
        set: Set::Span(|layer, span| layer.ledger.poll_interval = Some(span.into())),
    },
    Flag {
        names: &["fetch-timeout", "reconciler-fetch-timeout"],
        value: Value::Seconds,
        help: "how long one read may take with its retries (default 60s)",
        set: Set::Timeout(|layer, span| layer.ledger.fetch_timeout = Some(span.into())),
    },
    Flag {
        names: &["request-timeout", "onchain-rpc-timeout"],
        value: Value::Span,
        help: "how long one request may take (default 30s)",
        set: Set::Timeout(|layer, span| layer.ledger.request_timeout = Some(span.into())),
    },
    Flag {
        names: &["max-view-age"],
        value: Value::Span,
        help: "status is stale past this age of the last good read; tunnels stay (default 5m)",
        set: Set::Span(|layer, span| layer.ledger.max_view_age = Some(span.into())),
    },
    Flag {
        names: &["ledger-restart-after"],
        value: Value::Span,
        help: "how long lower slots must keep advancing, at a later time of the ledger's clock, to count as a restart of the ledger (default 3m)",
        set: Set::Span(|layer, span| layer.ledger.restart_after = Some(span.into())),
    },
    Flag {
        names: &["role"],
        value: Value::Text(" client|gateway"),
        help: "which end of the tunnels this host is (default client)",
        set: text!(role),
    },
    Flag {
        names: &["device"],
        value: Value::Text(" KEY"),
        help: "gateway: this device's account",
        set: text!(device),
    },
    Flag {
        names: &["client-ip"],
        value: Value::Text(" IP"),
        help: "client: this host's public IPv4 address, instead of finding it",
        set: text_or_none!(client_ip),
    },
    Flag {
        names: &["owner"],
        value: Value::Text(" auto|any|KEY"),
        help: "client: which owners' accounts of this host's address count: those of whoever connected this host last (auto, the default of a new installation), anyone's, or this owner's",
        set: text!(owner),
    },
    Flag {
        names: &["dataplane"],
        value: Value::Text(" auto|netlink|userspace|simulated"),
        help: "how tunnels are built (default auto)",
        set: text!(dataplane),
    },
    Flag {
        names: &["stop-mode"],
        value: Value::Text(" detach|remove"),
        help: "what a stop does to the tunnels (default detach: they stay)",
        set: text!(stop_mode),
    },
    Flag {
        names: &["state-dir"],
        value: Value::Text(" DIR"),
        help: "durable state (default /var/lib/doublezerod)",
        set: text!(state_dir),
    },
    Flag {
        names: &["tunnel-mtu"],
        value: Value::Count,
        help: "largest packet inside a tunnel, 576 to 8976 (default: what the underlay leaves, 1476 at most)",
        set: Set::Text(|layer, text| {
            layer.tunnel.mtu = Some(values::count(text)?);
            Ok(())
        }),
    },
    Flag {
        names: &["bgp-hold-time"],
        value: Value::Seconds,
        help: "hold time proposed to BGP peers; the lower one of both sides applies (default 90s, at least 3s)",
        set: Set::Span(|layer, span| layer.bgp.hold_time = Some(span.into())),
    },
    Flag {
        names: &["bgp-max-prefixes"],
        value: Value::Count,
        help: "a BGP session whose peer sends more routes is closed (default 20000)",
        set: Set::Text(|layer, text| {
            layer.bgp.max_prefixes = Some(values::count(text)?);
            Ok(())
        }),
    },
    Flag {
        names: &["bgp-password-file"],
        value: Value::Text(" FILE"),
        help: "holds the TCP-MD5 password of the BGP sessions",
        set: text!(bgp.password_file),
    },
    Flag {
        names: &["sock-file"],
        value: Value::Text(" FILE"),
        help: "the API's socket (default /var/run/doublezerod/doublezerod.sock)",
        set: text!(api.sock_file),
    },
    Flag {
        names: &["metrics-enable"],
        value: Value::Switch,
        help: "serve metrics on TCP as well",
        set: Set::Switch(|layer, on| layer.api.metrics_enable = Some(on)),
    },
    Flag {
        names: &["metrics-addr"],
        value: Value::Text(" HOST:PORT"),
        help: "their address (default localhost:0; the port is in the log)",
        set: text!(api.metrics_addr),
    },
    Flag {
        names: &["log-format"],
        value: Value::Text(" text|json"),
        help: "format of the log, which goes to stderr (default text)",
        set: text!(log.format),
    },
    Flag {
        names: &["log-level"],
        value: Value::Text(" LEVEL"),
        help: "error, warn, info (default), debug, trace, or a filter such as warren_actors=debug",
        set: text!(log.level),
    },
    Flag {
        names: &["v"],
        value: Value::Switch,
        help: "the same as -log-level debug",
        set: Set::Switch(|layer, on| layer.verbose = on),
    },
    Flag {
        names: &["latency-probing"],
        value: Value::Switch,
        help: "measure how far devices are (default true)",
        set: Set::Switch(|layer, on| layer.latency.probing = Some(on)),
    },
    Flag {
        names: &["probe-interval"],
        value: Value::Seconds,
        help: "interval between measurements of the devices (default 5m)",
        set: Set::Span(|layer, span| layer.latency.probe_interval = Some(span.into())),
    },
    Flag {
        names: &["cache-update-interval"],
        value: Value::Seconds,
        help: "interval between reads of the list of devices (default: as often as they are measured)",
        set: Set::Span(|layer, span| layer.latency.cache_update_interval = Some(span.into())),
    },
    Flag {
        names: &["enable-latency-metrics"],
        value: Value::Switch,
        help: "metrics of each measured device",
        set: Set::Switch(|layer, on| layer.latency.metrics = Some(on)),
    },
    Flag {
        names: &["latency-probe-tunnel-endpoints"],
        value: Value::Switch,
        help: "measure devices' tunnel endpoints as well as their public addresses (default true)",
        set: Set::Switch(|layer, on| layer.latency.probe_tunnel_endpoints = Some(on)),
    },
    Flag {
        names: &["latency-probe-all-devices"],
        value: Value::Switch,
        help: "also measure devices that accept no users",
        set: Set::Switch(|layer, on| layer.latency.probe_all_devices = Some(on)),
    },
    Flag {
        names: &["latency-single-socket"],
        value: Value::Switch,
        help: "no effect: one socket serves all devices",
        set: Set::Switch(|_layer, _on| {}),
    },
    Flag {
        names: &["route-config"],
        value: Value::Text(" FILE"),
        help: "destinations that are never learned from a session; read again when it changes (default /var/lib/doublezerod/route-config.json, if there is one)",
        set: text!(route_config),
    },
    Flag {
        names: &["record"],
        value: Value::Text(" FILE"),
        help: "record all inputs there, for `sim replay`; the file before becomes FILE.1",
        set: text!(record),
    },
    Flag {
        names: &["record-mib"],
        value: Value::Count,
        help: "how much of it FILE and FILE.1 hold, in MiB (default 64)",
        set: Set::Text(|layer, text| {
            layer.record_mib = Some(values::count(text)?);
            Ok(())
        }),
    },
    Flag {
        names: &["route-liveness-tx-min"],
        value: Value::Span,
        help: "shortest interval between liveness packets sent (default 1s)",
        set: Set::Span(|layer, span| layer.liveness.tx_min = Some(span.into())),
    },
    Flag {
        names: &["route-liveness-rx-min"],
        value: Value::Span,
        help: "shortest interval between liveness packets accepted from a peer (default 1s)",
        set: Set::Span(|layer, span| layer.liveness.rx_min = Some(span.into())),
    },
    Flag {
        names: &["route-liveness-detect-mult"],
        value: Value::Count,
        help: "liveness packets lost in a row after which a peer is lost (default 3)",
        set: Set::Text(|layer, text| {
            // As the reference, the lowest octet of whatever it is.
            let number: u64 = text
                .parse()
                .map_err(|_| values::BadValue(format!("{text:?} is not a whole number")))?;
            layer.liveness.detect_mult = Some(u32::from(number.to_le_bytes()[0]));
            Ok(())
        }),
    },
    Flag {
        names: &["route-liveness-min-tx-floor"],
        value: Value::Span,
        help: "lower bound of liveness intervals (default 50ms)",
        set: Set::Span(|layer, span| layer.liveness.min_tx_floor = Some(span.into())),
    },
    Flag {
        names: &["route-liveness-max-tx-ceil"],
        value: Value::Span,
        help: "upper bound of liveness intervals (default 3s)",
        set: Set::Span(|layer, span| layer.liveness.max_tx_ceil = Some(span.into())),
    },
    Flag {
        names: &["route-liveness-backoff-max"],
        value: Value::Span,
        help: "the longest interval towards a silent peer (default 1m)",
        set: Set::Span(|layer, span| layer.liveness.backoff_max = Some(span.into())),
    },
    Flag {
        names: &["route-liveness-peer-metrics"],
        value: Value::Switch,
        help: "metrics of each liveness peer",
        set: Set::Switch(|layer, on| layer.liveness.peer_metrics = Some(on)),
    },
    Flag {
        names: &["route-liveness-debug"],
        value: Value::Switch,
        help: "log each change of a liveness session",
        set: Set::Switch(|layer, on| layer.liveness.debug = Some(on)),
    },
    Flag {
        names: &["route-liveness-enable-passive"],
        value: Value::Switch,
        help: "probe the hosts behind learned routes (default true)",
        set: Set::Switch(|layer, on| layer.liveness.enable_passive = Some(on)),
    },
    Flag {
        names: &["route-liveness-enable-active"],
        value: Value::Switch,
        help: "probe them, and install their routes only while they answer (default false)",
        set: Set::Switch(|layer, on| layer.liveness.enable_active = Some(on)),
    },
    Flag {
        names: &["datacap-url"],
        value: Value::Text(" URL"),
        help: "the sidecar that says how much may be used (also DATACAP_URL)",
        set: text_or_none!(caps.url),
    },
    Flag {
        names: &["datacap-grpc-api"],
        value: Value::Text(" URL"),
        help: "the service that says how much may be used (also DATACAP_GRPC_API)",
        set: text_or_none!(caps.grpc_api),
    },
    Flag {
        names: &["datacap-batch-interval"],
        value: Value::Span,
        help: "how often usage is reported (default 30s)",
        set: Set::Span(|layer, span| layer.caps.batch_interval = Some(span.into())),
    },
    Flag {
        names: &["datacap-cache-ttl"],
        value: Value::Span,
        help: "how long an answer about a cap is valid (default 5m)",
        set: Set::Span(|layer, span| layer.caps.cache_ttl = Some(span.into())),
    },
    Flag {
        names: &["datacap-ca-cert"],
        value: Value::Text(" FILE"),
        help: "the certificate authority of the service",
        set: text_or_none!(caps.ca_cert),
    },
    Flag {
        names: &["datacap-client-cert"],
        value: Value::Text(" FILE"),
        help: "this host's certificate for the service",
        set: text_or_none!(caps.client_cert),
    },
    Flag {
        names: &["datacap-client-key"],
        value: Value::Text(" FILE"),
        help: "its key",
        set: text_or_none!(caps.client_key),
    },
];

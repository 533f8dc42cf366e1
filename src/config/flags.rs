//! The flags of `warrend`: ours, and those of the reference under their own names.
//!
//! The syntax is that of Go's `flag` package: one dash or two, `-name value` or `-name=value`; a switch is set by its
//! name alone and takes a value only after `=` (`-latency-probing=false`).

use std::{path::PathBuf, time::Duration};

use super::{
    Layer,
    values::{self, BadValue},
};

/// One flag.
pub struct Flag {
    /// Every name it goes by; the first is shown.
    pub names: &'static [&'static str],
    /// The kind of its value, for the help text.
    pub value: Value,
    /// What it does.
    pub help: &'static str,
    /// What becomes of the value.
    set: Set,
}

/// The kind of a flag's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value {
    /// A switch.
    Switch,
    /// A time span; a bare number is seconds.
    Seconds,
    /// A time span with a unit.
    Span,
    /// A whole number.
    Count,
    /// Anything; the text is shown in the help.
    Text(&'static str),
}

/// What becomes of a flag's value.
enum Set {
    /// It goes into the layer.
    Switch(fn(&mut Layer, bool)),
    Span(fn(&mut Layer, Duration)),
    Text(fn(&mut Layer, &str) -> Result<(), BadValue>),
    /// It is checked, and said at start to be without effect when it asks for something.
    Later(&'static str, AsksFor),
}

/// When a flag of something that is not built yet asks for it.
#[derive(Clone, Copy)]
enum AsksFor {
    /// When it differs from this, the value it has when it is not given.
    OtherThan(&'static str),
    /// Always: it has no value that asks for nothing.
    Something,
}

/// A command line that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// No such flag.
    #[error("unknown flag {0:?}; see warrend -help")]
    Unknown(String),
    /// A flag without its value.
    #[error("flag -{0} needs a value")]
    NoValue(String),
    /// A value that does not fit.
    #[error("flag -{flag}: {problem}")]
    Bad {
        /// Which.
        flag: String,
        /// Why.
        problem: BadValue,
    },
    /// Something that is no flag.
    #[error("unexpected argument {0:?}: warrend takes flags only")]
    Positional(String),
}

/// A command line, understood.
#[derive(Debug, Default, PartialEq)]
pub struct Parsed {
    /// What it sets.
    pub layer: Layer,
    /// Print the help and exit.
    pub help: bool,
}

/// Understands a command line, without the program's name.
///
/// # Errors
/// On the first word that is not understood.
pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Parsed, FlagError> {
    let mut parsed = Parsed::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let Some((name, inline)) = split(&word) else {
            return Err(FlagError::Positional(word));
        };
        if matches!(name, "h" | "help") {
            parsed.help = true;
            continue;
        }
        let flag = find(name).ok_or_else(|| FlagError::Unknown(word.clone()))?;
        let value = match (inline, flag.value) {
            (Some(value), _) => value.to_owned(),
            (None, Value::Switch) => "true".to_owned(),
            (None, Value::Seconds | Value::Span | Value::Count | Value::Text(_)) => {
                words.next().ok_or_else(|| FlagError::NoValue(name.to_owned()))?
            }
        };
        apply(flag, name, &value, &mut parsed.layer).map_err(|problem| FlagError::Bad { flag: name.to_owned(), problem })?;
    }
    Ok(parsed)
}

/// The help text.
#[must_use]
pub fn help() -> String {
    let mut text = String::from(
        "warrend keeps this host's tunnels equal to what the ledger says.\n\nUsage: warrend [flags]\n\nFlags (one dash or two):\n",
    );
    for flag in FLAGS {
        let names = flag.names.iter().map(|name| format!("-{name}")).collect::<Vec<_>>().join(", ");
        let value = match flag.value {
            Value::Switch => "",
            Value::Seconds => " SPAN (a bare number is seconds)",
            Value::Span => " SPAN",
            Value::Count => " N",
            Value::Text(text) => text,
        };
        text.push_str(&format!("  {names}{value}\n        {}\n", flag.help));
    }
    text
}

fn split(word: &str) -> Option<(&str, Option<&str>)> {
    let body = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).filter(|body| !body.is_empty() && !body.starts_with('-'))?;
    Some(body.split_once('=').map_or((body, None), |(name, value)| (name, Some(value))))
}

fn find(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.names.contains(&name))
}

fn apply(flag: &Flag, name: &str, text: &str, layer: &mut Layer) -> Result<(), BadValue> {
    match &flag.set {
        Set::Switch(set) => set(layer, values::switch(text)?),
        Set::Span(set) => set(layer, span(flag.value, text)?),
        Set::Text(set) => set(layer, text)?,
        Set::Later(part, asks_for) => {
            check(flag.value, text)?;
            if asks(flag.value, text, *asks_for)? {
                layer.not_built.insert(name.to_owned(), (*part).to_owned());
            } else {
                layer.not_built.remove(name);
            }
        }
    }
    Ok(())
}

fn span(value: Value, text: &str) -> Result<Duration, BadValue> {
    match value {
        Value::Seconds => values::seconds(text),
        Value::Switch | Value::Span | Value::Count | Value::Text(_) => values::span(text),
    }
}

fn check(value: Value, text: &str) -> Result<(), BadValue> {
    match value {
        Value::Switch => values::switch(text).map(drop),
        Value::Seconds | Value::Span => span(value, text).map(drop),
        Value::Count => values::count(text).map(drop),
        Value::Text(_) => Ok(()),
    }
}

fn asks(value: Value, text: &str, asks_for: AsksFor) -> Result<bool, BadValue> {
    let AsksFor::OtherThan(usual) = asks_for else {
        return Ok(true);
    };
    Ok(match value {
        Value::Switch => values::switch(text)? != values::switch(usual)?,
        Value::Seconds | Value::Span => span(value, text)? != span(value, usual)?,
        Value::Count => values::count(text)? != values::count(usual)?,
        Value::Text(_) => text != usual,
    })
}

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

const LATENCY: &str = "latency probing";
const LIVENESS: &str = "route liveness";

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
        set: text!(ledger.program_id),
    },
    Flag {
        names: &["ledger-url", "solana-rpc-endpoint"],
        value: Value::Text(" URL"),
        help: "ledger RPC endpoint; given several times: several endpoints",
        set: Set::Text(|layer, text| {
            layer.ledger.urls.get_or_insert_default().push(values::text(text)?);
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
        set: Set::Span(|layer, span| layer.ledger.fetch_timeout = Some(span.into())),
    },
    Flag {
        names: &["request-timeout", "onchain-rpc-timeout"],
        value: Value::Span,
        help: "how long one request may take (default 30s)",
        set: Set::Span(|layer, span| layer.ledger.request_timeout = Some(span.into())),
    },
    Flag {
        names: &["max-view-age"],
        value: Value::Span,
        help: "status is stale past this age of the last good read; tunnels stay (default 5m)",
        set: Set::Span(|layer, span| layer.ledger.max_view_age = Some(span.into())),
    },
    Flag {
        names: &["role"],
        value: Value::Text(" client|gateway"),
        help: "which end of the tunnels this host is (default client)",
        set: text!(role),
    },
    Flag { names: &["device"], value: Value::Text(" KEY"), help: "gateway: this device's account", set: text!(device) },
    Flag {
        names: &["client-ip"],
        value: Value::Text(" IP"),
        help: "client: this host's public IPv4 address, instead of finding it",
        set: text!(client_ip),
    },
    Flag {
        names: &["dataplane"],
        value: Value::Text(" auto|netlink|userspace|simulated"),
        help: "what makes tunnels real (default auto)",
        set: text!(dataplane),
    },
    Flag {
        names: &["stop-mode"],
        value: Value::Text(" detach|remove"),
        help: "what a stop does to the tunnels (default detach: they stay)",
        set: text!(stop_mode),
    },
    Flag { names: &["state-dir"], value: Value::Text(" DIR"), help: "durable state (default /var/lib/doublezerod)", set: text!(state_dir) },
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
        help: "where (default localhost:0; the port is in the log)",
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
    Flag { names: &["v"], value: Value::Switch, help: "the same as -log-level debug", set: Set::Switch(|layer, on| layer.verbose = on) },
    Flag {
        names: &["latency-probing"],
        value: Value::Switch,
        help: "not built yet",
        set: Set::Later(LATENCY, AsksFor::OtherThan("false")),
    },
    Flag { names: &["probe-interval"], value: Value::Seconds, help: "not built yet", set: Set::Later(LATENCY, AsksFor::OtherThan("300")) },
    Flag {
        names: &["cache-update-interval"],
        value: Value::Seconds,
        help: "not built yet",
        set: Set::Later(LATENCY, AsksFor::OtherThan("30")),
    },
    Flag {
        names: &["enable-latency-metrics"],
        value: Value::Switch,
        help: "not built yet",
        set: Set::Later(LATENCY, AsksFor::OtherThan("false")),
    },
    Flag {
        names: &["latency-probe-tunnel-endpoints"],
        value: Value::Switch,
        help: "not built yet",
        set: Set::Later(LATENCY, AsksFor::OtherThan("false")),
    },
    Flag {
        names: &["latency-single-socket"],
        value: Value::Switch,
        help: "not built yet",
        set: Set::Later(LATENCY, AsksFor::OtherThan("false")),
    },
    Flag {
        names: &["route-config"],
        value: Value::Text(" FILE"),
        help: "not built yet",
        set: Set::Later("route exclusion", AsksFor::Something),
    },
    Flag {
        names: &["route-liveness-tx-min"],
        value: Value::Span,
        help: "not built yet",
        set: Set::Later(LIVENESS, AsksFor::OtherThan("1s")),
    },
    Flag {
        names: &["route-liveness-rx-min"],
        value: Value::Span,
        help: "not built yet",
        set: Set::Later(LIVENESS, AsksFor::OtherThan("1s")),
    },
    Flag {
        names: &["route-liveness-detect-mult"],
        value: Value::Count,
        help: "not built yet",
        set: Set::Later(LIVENESS, AsksFor::OtherThan("3")),
    },
    Flag {
        names: &["route-liveness-min-tx-floor"],
        value: Value::Span,
        help: "not built yet",
        set: Set::Later(LIVENESS, AsksFor::OtherThan("50ms")),
    },
    Flag {
        names: &["route-liveness-max-tx-ceil"],
        value: Value::Span,
        help: "not built yet",
        set: Set::Later(LIVENESS, AsksFor::OtherThan("3s")),
    },
    Flag {
        names: &["route-liveness-backoff-max"],
        value: Value::Span,
        help: "not built yet",
        set: Set::Later(LIVENESS, AsksFor::OtherThan("1m")),
    },
    Flag {
        names: &["route-liveness-peer-metrics"],
        value: Value::Switch,
        help: "not built yet",
        set: Set::Later(LIVENESS, AsksFor::OtherThan("false")),
    },
    Flag {
        names: &["route-liveness-debug"],
        value: Value::Switch,
        help: "not built yet",
        set: Set::Later(LIVENESS, AsksFor::OtherThan("false")),
    },
    Flag {
        names: &["route-liveness-enable-passive"],
        value: Value::Switch,
        help: "not built yet",
        set: Set::Later(LIVENESS, AsksFor::OtherThan("false")),
    },
    Flag {
        names: &["route-liveness-enable-active"],
        value: Value::Switch,
        help: "not built yet",
        set: Set::Later(LIVENESS, AsksFor::OtherThan("false")),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str]) -> Result<Parsed, FlagError> {
        parse(words.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn every_flag_of_the_reference_is_accepted_with_one_dash_and_with_two() {
        for (name, value) in REFERENCE {
            for dashes in ["-", "--"] {
                line(&[&format!("{dashes}{name}={value}")]).unwrap_or_else(|error| panic!("{dashes}{name}: {error}"));
                if !matches!(*value, "true" | "false") {
                    line(&[&format!("{dashes}{name}"), value]).unwrap_or_else(|error| panic!("{dashes}{name}: {error}"));
                }
            }
        }
    }

    #[test]
    fn no_two_flags_share_a_name() {
        let mut seen = std::collections::BTreeSet::new();
        for name in FLAGS.iter().flat_map(|flag| flag.names) {
            assert!(seen.insert(name), "{name} twice");
        }
    }

    #[test]
    fn a_bare_number_is_seconds_where_the_reference_has_seconds_and_an_error_elsewhere() {
        assert_eq!(line(&["-reconciler-poll-interval", "3"]).unwrap().layer.ledger.poll_interval.unwrap().0, Duration::from_secs(3));
        assert_eq!(line(&["--poll-interval=1m30s"]).unwrap().layer.ledger.poll_interval.unwrap().0, Duration::from_secs(90));
        assert_eq!(line(&["-onchain-rpc-timeout", "1500ms"]).unwrap().layer.ledger.request_timeout.unwrap().0, Duration::from_millis(1500));
        assert!(matches!(line(&["-onchain-rpc-timeout", "30"]), Err(FlagError::Bad { .. })));
    }

    #[test]
    fn a_switch_takes_its_value_only_after_an_equals_sign() {
        for (text, on) in [("1", true), ("t", true), ("TRUE", true), ("True", true), ("0", false), ("F", false), ("false", false)] {
            assert_eq!(line(&[&format!("-metrics-enable={text}")]).unwrap().layer.api.metrics_enable, Some(on), "{text}");
        }
        assert_eq!(line(&["-metrics-enable"]).unwrap().layer.api.metrics_enable, Some(true));
        assert_eq!(line(&["-metrics-enable", "false"]), Err(FlagError::Positional("false".into())));
        assert!(matches!(line(&["-metrics-enable=yes"]), Err(FlagError::Bad { .. })));
    }

    #[test]
    fn what_is_not_built_is_noted_only_when_it_is_asked_for() {
        let asked = line(&["-latency-probing=true", "-route-liveness-enable-active", "-route-liveness-tx-min=2s"]).unwrap().layer.not_built;
        assert_eq!(asked.keys().collect::<Vec<_>>(), ["latency-probing", "route-liveness-enable-active", "route-liveness-tx-min"]);
        let silent = line(&[
            "-latency-probing=false",
            "-probe-interval=300",
            "-route-liveness-enable-passive=false",
            "-route-liveness-tx-min=1000ms",
        ]);
        assert!(silent.unwrap().layer.not_built.is_empty());
    }

    #[test]
    fn words_that_are_not_understood_are_named() {
        assert_eq!(line(&["-nope"]), Err(FlagError::Unknown("-nope".into())));
        assert_eq!(line(&["status"]), Err(FlagError::Positional("status".into())));
        assert_eq!(line(&["---env=x"]), Err(FlagError::Positional("---env=x".into())));
        assert_eq!(line(&["-"]), Err(FlagError::Positional("-".into())));
        assert_eq!(line(&["-env"]), Err(FlagError::NoValue("env".into())));
        assert!(matches!(line(&["-route-liveness-detect-mult=-1"]), Err(FlagError::Bad { .. })));
    }

    #[test]
    fn the_help_names_every_flag() {
        let text = help();
        for name in FLAGS.iter().flat_map(|flag| flag.names) {
            assert!(text.contains(&format!("-{name}")), "{name}");
        }
    }

    /// The flags of the reference daemon with a value each.
    const REFERENCE: &[(&str, &str)] = &[
        ("sock-file", "/run/x.sock"),
        ("latency-probing", "false"),
        ("version", "true"),
        ("env", "devnet"),
        ("program-id", "7CTniUa88iJKUHTrCkB4TjAoG6TD7AMivhQeuqN2LPtX"),
        ("solana-rpc-endpoint", "http://localhost:8899"),
        ("probe-interval", "300"),
        ("cache-update-interval", "30"),
        ("v", "true"),
        ("enable-latency-metrics", "true"),
        ("latency-probe-tunnel-endpoints", "false"),
        ("latency-single-socket", "true"),
        ("metrics-enable", "true"),
        ("metrics-addr", "localhost:0"),
        ("route-config", "/var/lib/doublezero/route-config.json"),
        ("client-ip", "192.0.2.1"),
        ("reconciler-poll-interval", "10"),
        ("reconciler-fetch-timeout", "60"),
        ("onchain-rpc-timeout", "30s"),
        ("state-dir", "/var/lib/doublezerod"),
        ("route-liveness-tx-min", "1s"),
        ("route-liveness-rx-min", "1s"),
        ("route-liveness-detect-mult", "3"),
        ("route-liveness-min-tx-floor", "50ms"),
        ("route-liveness-max-tx-ceil", "3s"),
        ("route-liveness-backoff-max", "1m"),
        ("route-liveness-peer-metrics", "true"),
        ("route-liveness-debug", "true"),
        ("route-liveness-enable-passive", "true"),
        ("route-liveness-enable-active", "false"),
    ];
}

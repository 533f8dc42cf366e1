use serde_json::{Value, json};
use warren_api::picture;

use super::*;
use crate::samples;

const PLAIN: Style = Style {
    has_colour: false,
    is_utf8: false,
};
const RICH: Style = Style {
    has_colour: true,
    is_utf8: true,
};

fn shown(style: Style, services: &[ServiceSummary], change: impl FnOnce(&mut Value)) -> String {
    let status = samples::status(change);
    let lines = lines(&picture::of(&status), &status, services, style);
    lines.iter().map(|line| style.line(line) + "\n").collect()
}

#[test]
fn a_tunnel_that_works_is_a_block_with_ages_and_no_time() {
    let services = [ServiceSummary {
        link: "doublezero0".into(),
        words: "at ams1 (Amsterdam)".into(),
    }];
    let text = shown(PLAIN, &services, |status| {
        status["unix_ms"] = json!(65_200);
        status["tunnels"] = json!([samples::tunnel()]);
    });
    let expected = "\
192.0.2.1  localnet, client, as it should be

doublezero0  IBRL  at ams1 (Amsterdam)  11111111111111111111111111111111
  + ledger  localnet, pushed  1s
  + view    IBRL, slot 5
  + tunnel  active, 192.0.2.1 to 192.0.2.2  1m 5s
  + session BGP Session Up
  + routes  0 routes
  ? traffic not measured
";
    assert_eq!(text.replace("localnet, polled", "localnet, pushed"), expected);
}

#[test]
fn a_cap_has_a_line_and_what_a_tunnel_is_held_to_another() {
    let with = |used: u64, held_to: Value| {
        shown(PLAIN, &[], |status| {
            let mut tunnel = samples::tunnel();
            tunnel["cap"] = json!({
                "device": "me", "cap": "5MB/day", "limit": 5_000_000, "used": used, "until_unix": 1_760_464_781, "exempt": false,
                "held_to": held_to,
            });
            status["tunnels"] = json!([tunnel]);
        })
    };
    let under = "  + cap     1.2 MB of 5MB/day used, until 2025-10-14 17:59:41 UTC\n";
    assert!(with(1_200_000, json!(null)).contains(under));
    let held = "  ! cap     5.0 MB of 5MB/day used, until 2025-10-14 17:59:41 UTC\n             held to 655.3 kB/s up, nothing down\n";
    let text = with(5_000_000, json!({"up": 655_360, "down": 0}));
    assert!(text.contains(held), "{text}");
}

#[test]
fn what_is_wrong_comes_before_the_blocks_with_what_to_do() {
    let text = shown(PLAIN, &[], |status| {
        status["tunnels"] = json!([samples::failed()])
    });
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[1].starts_with("x doublezero0 failed 1m 5s ago while linking"),
        "{text}"
    );
    assert!(
        lines[2].starts_with("  what to do: something that is not warren's is in the way"),
        "{text}"
    );
    let tunnel = lines
        .iter()
        .position(|line| line.starts_with("  x tunnel"))
        .unwrap();
    assert!(
        lines[tunnel + 1].contains("create link doublezero0: not ours; tried again in 8s"),
        "{text}"
    );
    assert!(lines[tunnel + 2].starts_with("  . session"), "{text}");
}

#[test]
fn groups_are_told_with_what_passed_and_how_fresh_they_are() {
    for (old, said) in [
        (10_000, "+ group   233.84.178.1 receives  7 in  OK 10s\n"),
        (10_001, "! group   233.84.178.1 receives  7 in  STALE 10s\n"),
        (61_000, "x group   233.84.178.1 receives  7 in  DEAD 1m 1s\n"),
    ] {
        let text = shown(PLAIN, &[], |status| {
            let mut tunnel = samples::tunnel();
            status["unix_ms"] = json!(1_000_000);
            tunnel["multicast"] = json!({
                "joined": ["233.84.178.1"], "joined_total": 1, "announced": ["233.84.178.2"], "announced_total": 1,
                "last_said_unix_ms": 1_000_000, "failing": null, "hellos": 0, "joins": 0, "prunes": 0, "heartbeats": 0, "registers": 0,
                "unsent": 0, "groups": [{
                    "group": "233.84.178.1", "packets_in": 7, "packets_out": null, "last_in_unix_ms": 1_000_000 - old,
                    "last_out_unix_ms": null, "since_unix_ms": 0,
                }],
            });
            status["tunnels"] = json!([tunnel]);
        });
        assert!(text.contains(said), "{text}");
        assert!(
            text.contains("? group   233.84.178.2 sends  not measured\n"),
            "{text}"
        );
        let dead = "nothing arrives for 233.84.178.1";
        assert_eq!(text.contains(dead), said.contains("DEAD"), "{text}");
    }
}

#[test]
fn without_colour_and_without_utf8_nothing_but_ascii_is_written_and_with_them_the_words_are_the_same() {
    let change = |status: &mut Value| status["tunnels"] = json!([samples::failed()]);
    let (plain, rich) = (shown(PLAIN, &[], change), shown(RICH, &[], change));
    assert!(plain.is_ascii() && !plain.contains('\u{1b}'), "{plain:?}");
    assert!(rich.contains('✗') && rich.contains("\u{1b}[31m"), "{rich}");
    let words = |text: &str| text.matches("not ours").count();
    assert_eq!(words(&plain), words(&rich));
}

#[test]
fn names_of_the_ledger_are_written_in_the_locales_letters_only() {
    let services = [ServiceSummary {
        link: "doublezero0".into(),
        words: "at gru1 (São Paulo)".into(),
    }];
    let change = |status: &mut Value| status["tunnels"] = json!([samples::tunnel()]);
    let (plain, rich) = (shown(PLAIN, &services, change), shown(RICH, &services, change));
    assert!(plain.contains("(S?o Paulo)") && plain.is_ascii(), "{plain}");
    assert!(rich.contains("(São Paulo)"), "{rich}");
}

#[test]
fn what_foreign_text_would_do_to_a_terminal_it_does_not() {
    let text = shown(PLAIN, &[], |status| {
        status["refused"] = json!([{"user": "2222", "code": "banned", "reason": "the \u{1b}[2J user"}]);
    });
    assert!(
        !text.contains('\u{1b}') && text.contains("refused (banned)"),
        "{text:?}"
    );
}

#[test]
fn no_tunnels_are_told_with_the_reason() {
    let text = shown(PLAIN, &[], |_| {});
    assert!(text.ends_with("disconnected: the ledger has no activated user for 192.0.2.1: a tunnel is built as soon as it has one\n"), "{text}");
}

#[test]
fn the_first_of_the_locales_variables_that_is_set_counts() {
    let of = |all: Option<&str>, lang: Option<&str>| {
        is_utf8(|name| match name {
            "LC_ALL" => all.map(str::to_owned),
            "LANG" => lang.map(str::to_owned),
            _ => None,
        })
    };
    assert!(of(None, Some("en_GB.UTF-8")) && of(Some("C.utf8"), None));
    assert!(!of(Some("C"), Some("en_GB.UTF-8")) && !of(None, None));
}

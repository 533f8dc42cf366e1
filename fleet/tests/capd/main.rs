//! Hosts and the authority over loopback: the real ones, each a process that can be killed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by it")]

mod host;
mod world;

use std::{
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use libtest_mimic::{Arguments, Trial};
use world::{Capd, Host, Pki, Place};

/// Asked to be a host with these arguments, it is one.
const HOST: &str = "host-of-the-authoritys-tests";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, rest @ ..] = arguments.as_slice()
        && first == HOST
    {
        host::run(rest).unwrap();
        return ExitCode::SUCCESS;
    }
    let trials: [(&str, fn()); 6] = [
        (
            "with_each_tenth_answer_lost_and_kills_on_both_sides_the_sums_are_exact",
            with_each_tenth_answer_lost_and_kills_on_both_sides_the_sums_are_exact,
        ),
        (
            "what_a_stop_cannot_report_is_reported_by_the_next_start",
            what_a_stop_cannot_report_is_reported_by_the_next_start,
        ),
        (
            "a_cap_that_is_set_here_is_the_hosts_word_and_what_it_cannot_have_seen_is_known_there",
            a_cap_that_is_set_here_is_the_hosts_word_and_what_it_cannot_have_seen_is_known_there,
        ),
        (
            "the_sidecars_bytes_are_those_that_its_callers_know",
            the_sidecars_bytes_are_those_that_its_callers_know,
        ),
        (
            "who_is_not_known_by_certificate_reports_nothing_and_a_wrong_or_expired_server_is_told_nothing",
            who_is_not_known_by_certificate_reports_nothing_and_a_wrong_or_expired_server_is_told_nothing,
        ),
        (
            "what_the_command_line_cannot_do_is_said_in_a_line",
            what_the_command_line_cannot_do_is_said_in_a_line,
        ),
    ];
    let trials = trials.map(|(name, trial)| {
        Trial::test(name, move || {
            trial();
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

fn with_each_tenth_answer_lost_and_kills_on_both_sides_the_sums_are_exact() {
    let seconds = std::env::var("WARREN_CAPD_SECONDS").map_or(12, |text| text.parse().unwrap());
    for protocol in ["grpc", "https"] {
        let place = Place::new();
        let mut capd = Capd::start(&place, "lose=10,partial=7,refuse=9");
        let mut hosts = [
            Host::start(&place, &capd, protocol, "a", 1),
            Host::start(&place, &capd, protocol, "b", 1),
        ];
        let (begun, mut sums, mut step) = (Instant::now(), [0u64; 3], 0u64);
        let quarter = Duration::from_secs(seconds) / 5;
        let mut kills = 0;
        while begun.elapsed() < Duration::from_secs(seconds) {
            step += 1;
            let (host, account) = ((step % 2) as usize, (step % 3) as usize);
            hosts[host].uses(&format!("account-{account}"), 1000 + step);
            sums[account] += 1000 + step;
            thread::sleep(Duration::from_millis(20));
            if begun.elapsed() > quarter * (kills + 1) && kills < 4 {
                kills += 1;
                if kills % 2 == 0 {
                    capd = capd.killed("lose=10,partial=7,refuse=9");
                } else {
                    let host = &mut hosts[(kills / 2) as usize];
                    let epoch = host.epoch + 1;
                    host.kill();
                    *host = Host::start(&place, &capd, protocol, ["a", "b"][(kills / 2) as usize], epoch);
                }
            }
        }
        assert_eq!(kills, 4, "two on each side");
        for host in &mut hosts {
            host.waits_for("owed 0");
            host.stop();
        }
        for (account, sum) in sums.iter().enumerate() {
            assert_eq!(
                capd.used(&format!("account-{account}")),
                *sum,
                "{protocol}: account {account}"
            );
        }
        assert!(capd.metric("reports_repeated_total") > 0, "answers were lost");
    }
}

fn what_a_stop_cannot_report_is_reported_by_the_next_start() {
    let place = Place::new();
    let capd = Capd::start(&place, "slow=1ms");
    let mut host = Host::start(&place, &capd, "grpc", "a", 1);
    host.uses("account", 500);
    host.waits_for("owed 0");
    let (ports, place_of) = (capd.ports, capd.directory.clone());
    drop(capd);
    host.uses("account", 700);
    host.stop();
    let capd = Capd::start_at(&place_of, ports, "slow=1ms", &place.pki);
    let mut host = Host::start(&place, &capd, "grpc", "a", 2);
    host.waits_for("owed 0");
    assert_eq!(capd.used("account"), 1200);
}

fn a_cap_that_is_set_here_is_the_hosts_word_and_what_it_cannot_have_seen_is_known_there() {
    let place = Place::new();
    let capd = Capd::start(&place, "slow=1ms");
    let listed = capd.cap(&["set", "account", "5MB/month"]);
    assert!(listed.contains("5MB/month"), "{listed}");
    let mut host = Host::start(&place, &capd, "grpc", "a", 1);
    host.uses("account", 6_000_000);
    host.waits_for("word account 5000000 6000000 6000000");
    assert!(capd.cap(&["get", "account"]).contains("yes"));
    capd.cap(&["clear", "account"]);
    host.waits_for("word account 0 6000000 6000000");
    assert!(capd.cap(&["list", "--json"]).contains("\"cap\":null"));
}

fn what_the_command_line_cannot_do_is_said_in_a_line() {
    let place = Place::new();
    let capd = Capd::start(&place, "slow=1ms");
    for (arguments, why) in [
        (
            &["set", "", "1GB"][..],
            "whose cap is it?: the id of a device is empty",
        ),
        (&["set", "a", "lots"], "not a cap: \"lots\""),
        (&["set", "a", "1GB/30d"], "counts by the day"),
        (&["get", "nobody"], "that account is unknown"),
    ] {
        let done = capd.try_cap(arguments);
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(1), "{arguments:?}");
        assert!(
            said.starts_with("warren-capd: ") && said.contains(why) && said.lines().count() == 1,
            "{arguments:?}: {said}"
        );
    }
}

fn the_sidecars_bytes_are_those_that_its_callers_know() {
    let place = Place::new();
    let capd = Capd::start(&place, "slow=1ms");
    capd.cap(&["set", "device/1", "1000B"]);
    let body = r#"{"deviceId":"device/1","countryCode":"US","platform":"linux","bytesUsed":600}"#;
    let post = format!(
        "POST /data-cap/ HTTP/1.1\r\nHost: h\r\nAccept: application/json\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let under = r#"{"throttle":false,"capLimit":1000,"expiryTime":0}"#;
    let over = r#"{"throttle":true,"capLimit":1000,"expiryTime":0}"#;
    assert_eq!(capd.raw(&post), ("HTTP/1.1 200 OK".to_owned(), under.to_owned()));
    assert_eq!(
        capd.raw(&post),
        ("HTTP/1.1 200 OK".to_owned(), over.to_owned()),
        "who only adds is added"
    );
    let get = "GET /data-cap/device%2F1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    assert_eq!(capd.raw(get), ("HTTP/1.1 200 OK".to_owned(), over.to_owned()));
    let counted = post.replace(
        "Accept:",
        "Warren-Counter: source=n:1;sequence=1;total=50;window=0\r\nAccept:",
    );
    capd.raw(&counted);
    capd.raw(&counted);
    assert_eq!(
        capd.used("device/1"),
        1250,
        "who says its counter is counted once"
    );
    for bad in [body.replace("device/1", " "), body.replace("600", "-1")] {
        let post = post.replace(body, &bad).replace(
            &format!("Length: {}", body.len()),
            &format!("Length: {}", bad.len()),
        );
        assert!(capd.raw(&post).0.contains("400"), "{bad}");
    }
}

fn who_is_not_known_by_certificate_reports_nothing_and_a_wrong_or_expired_server_is_told_nothing() {
    let place = Place::new();
    let other = Place::new();
    let capd = Capd::start(&place, "slow=1ms");
    // A host of another authority; one that knows another authority; and a server whose certificate has expired.
    let stranger = Pki {
        ca: place.pki.ca.clone(),
        ..other.pki.clone()
    };
    let mistaken = Pki {
        ca: other.pki.ca.clone(),
        ..place.pki.clone()
    };
    for (name, pki) in [("stranger", stranger), ("mistaken", mistaken)] {
        let mut host = Host::start_as(&place, &pki, &capd, "grpc", name, 1);
        host.uses("account", 500);
        for _ in 0..5 {
            host.waits_for("owed 500");
        }
        host.kill();
    }
    assert_eq!(capd.metric("reports_total"), 0);
    drop(capd);
    let expired = Place::expired();
    let capd = Capd::start(&expired, "slow=1ms");
    let mut host = Host::start(&expired, &capd, "grpc", "a", 1);
    host.uses("account", 500);
    for _ in 0..5 {
        host.waits_for("owed 500");
    }
    assert_eq!(capd.metric("reports_total"), 0);
}

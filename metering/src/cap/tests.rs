use std::time::Duration;

use proptest::prelude::*;
use warren_state::{Pubkey, Rate};

use super::*;

const LIMIT: i64 = 1_000;

fn known(used: u64) -> Known {
    Known {
        cap: Cap {
            limit: LIMIT,
            window: Window::Endless,
        },
        used,
        until: None,
        since_end: 0,
    }
}

fn usage(known: Option<Known>) -> Usage {
    Usage {
        known,
        ..Usage::default()
    }
}

fn throttled() -> Decision {
    Decision::from(THROTTLED)
}

#[test]
fn what_follows_from_how_much_is_used() {
    let policy = Policy {
        margin_percent: 10,
        ..Policy::default()
    };
    let block = Policy {
        over: Over::Block,
        ..policy.clone()
    };
    let closed = |unsynced| Policy {
        unsynced,
        ..policy.clone()
    };
    let held = |used| Usage {
        held: true,
        ..usage(Some(known(used)))
    };
    let no_limit = |limit| {
        usage(Some(Known {
            cap: Cap {
                limit,
                window: Window::Endless,
            },
            ..known(u64::MAX)
        }))
    };
    let ended = |since_end| {
        usage(Some(Known {
            until: Some(UnixSeconds(100)),
            since_end,
            ..known(5_000)
        }))
    };
    let exempt = Usage {
        exempt: true,
        ..usage(Some(known(5_000)))
    };
    let cases = [
        ("below", usage(Some(known(999))), &policy, Decision::Unlimited),
        ("at the cap", usage(Some(known(1_000))), &policy, throttled()),
        (
            "blocked at the cap",
            usage(Some(known(1_000))),
            &block,
            Decision::Block,
        ),
        ("held, a little below", held(950), &policy, throttled()),
        ("held, well below", held(899), &policy, Decision::Unlimited),
        ("a cap of 0", no_limit(0), &policy, Decision::Unlimited),
        ("a cap below 0", no_limit(-1), &policy, Decision::Unlimited),
        ("exempt", exempt, &block, Decision::Unlimited),
        (
            "not synced",
            usage(None),
            &closed(Unsynced::Open),
            Decision::Unlimited,
        ),
        (
            "not synced, slow",
            usage(None),
            &closed(Unsynced::Throttle),
            throttled(),
        ),
        (
            "not synced, closed",
            usage(None),
            &closed(Unsynced::Block),
            Decision::Block,
        ),
        ("the window is over", ended(999), &policy, Decision::Unlimited),
        ("and used up again", ended(1_000), &policy, throttled()),
    ];
    for (name, usage, policy, expected) in cases {
        assert_eq!(decide(&usage, policy, UnixSeconds(100)), expected, "{name}");
    }
    assert_eq!(
        decide(&ended(0), &policy, UnixSeconds(99)),
        throttled(),
        "not over yet"
    );
}

#[test]
fn throttled_is_640_kib_up_and_16_kib_down_unless_told_otherwise() {
    assert_eq!(
        throttled(),
        Decision::Rate {
            up: 655_360,
            down: 16_384
        }
    );
    assert_eq!(throttled().rate(), THROTTLED);
    assert_eq!(Decision::Block.rate(), Rate::BLOCKED);
    assert_eq!(Decision::Unlimited.rate(), Rate::UNLIMITED);
    let half = Rate {
        up: Some(1),
        down: None,
    };
    assert_eq!(Decision::from(half).rate(), half);
}

#[test]
fn exempt_is_who_pays_or_whose_tenant_is_named() {
    let exempt = Exempt {
        owners: [Pubkey([1; 32])].into(),
        tenants: [Pubkey([2; 32])].into(),
    };
    assert!(exempt.has(Some(&Pubkey([1; 32])), None));
    assert!(exempt.has(Some(&Pubkey([9; 32])), Some(&Pubkey([2; 32]))));
    assert!(!exempt.has(Some(&Pubkey([2; 32])), Some(&Pubkey([1; 32]))));
    assert!(!exempt.has(None, None));
}

#[test]
fn an_empty_id_is_an_error() {
    assert_eq!(DeviceId::new(""), Err(EmptyId));
    assert_eq!(DeviceId::new(" "), Err(EmptyId));
    serde_json::from_str::<DeviceId>("\"\"").unwrap_err();
    assert_eq!(DeviceId::new("a").map(|id| id.to_string()), Ok("a".to_owned()));
}

#[test]
fn a_cap_reads_back_as_it_is_written() {
    let cases = [
        ("500GB/month", 500_000_000_000, Window::Month),
        ("20GiB/day", 20 << 30, Window::Day),
        ("3MB/week", 3_000_000, Window::Week),
        ("1TB/30d", 1_000_000_000_000, Window::Rolling(30 * 86_400)),
        ("5MB/90s", 5_000_000, Window::Rolling(90)),
        ("77B", 77, Window::Endless),
    ];
    for (text, limit, window) in cases {
        let cap: Cap = text.parse().unwrap();
        assert_eq!(cap, Cap { limit, window });
        assert_eq!(cap.to_string(), text);
    }
    for text in [
        "",
        "GB",
        "5XB",
        "-5GB",
        "0GB",
        "5GB/",
        "5GB/moon",
        "5GB/0s",
        "99999999TB",
        "5.5GB",
    ] {
        text.parse::<Cap>().unwrap_err();
    }
}

/// A zone that has summer time, from the host's database.
fn berlin() -> Option<Zone> {
    let data = std::fs::read("/usr/share/zoneinfo/Europe/Berlin").ok()?;
    Zone::from_tzif("Europe/Berlin", &data).ok()
}

#[test]
fn windows_begin_at_midnight_where_the_billing_is() {
    let at = |text: &str| UnixSeconds(text.parse::<jiff::Timestamp>().unwrap().as_second());
    let span = |from: &str, until: &str| Span {
        from: Some(at(from)),
        until: Some(at(until)),
    };
    let utc = Calendar::default();
    let east = Calendar {
        zone: Zone::fixed("+02:00").unwrap(),
        billing_day: 15,
    };
    let cases = [
        (
            &utc,
            Window::Day,
            "2026-11-27T08:00:00Z",
            "2026-11-27T00:00:00Z",
            "2026-11-28T00:00:00Z",
        ),
        (
            &east,
            Window::Day,
            "2026-11-27T22:30:00Z",
            "2026-11-27T22:00:00Z",
            "2026-11-28T22:00:00Z",
        ),
        (
            &utc,
            Window::Week,
            "2026-11-29T23:59:59Z",
            "2026-11-23T00:00:00Z",
            "2026-11-30T00:00:00Z",
        ),
        (
            &utc,
            Window::Month,
            "2026-12-31T23:59:59Z",
            "2026-12-01T00:00:00Z",
            "2027-01-01T00:00:00Z",
        ),
        (
            &east,
            Window::Month,
            "2026-11-14T21:59:59Z",
            "2026-10-14T22:00:00Z",
            "2026-11-14T22:00:00Z",
        ),
        (
            &east,
            Window::Month,
            "2026-11-14T22:00:00Z",
            "2026-11-14T22:00:00Z",
            "2026-12-14T22:00:00Z",
        ),
    ];
    for (calendar, window, now, from, until) in cases {
        assert_eq!(
            window.span(calendar, at(now)),
            span(from, until),
            "{window:?} at {now}"
        );
    }
    if let Some(zone) = berlin() {
        let calendar = Calendar { zone, billing_day: 1 };
        let march = span("2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z");
        assert_eq!(
            Window::Month.span(&calendar, at("2026-03-15T00:00:00Z")),
            march,
            "the clocks change in it"
        );
    }
    for name in ["", "+2:00", "+26:00", "02:00", "Mars/Olympus"] {
        Zone::fixed(name).unwrap_err();
    }
}

fn snapshot(limit: i64, window: Window, used: u64, seen: u64) -> CapSnapshot {
    CapSnapshot {
        cap: Cap { limit, window },
        used,
        seen,
    }
}

#[test]
fn what_the_authority_cannot_have_seen_is_added_once() {
    let calendar = Calendar::default();
    let mut account = Account::default();
    let now = UnixSeconds(1_000);
    let window = Window::Until(UnixSeconds(5_000));
    account.count(700, &calendar, now);
    assert_eq!(account.left(now), None, "nothing is known yet");
    account.hear(snapshot(LIMIT, window, 500, 400), &calendar, now);
    assert_eq!(account.left(now), Some(200), "500, and 300 that it has not seen");
    account.hear(snapshot(LIMIT, window, 600, 700), &calendar, now);
    assert_eq!(account.left(now), Some(400));
    account.hear(snapshot(LIMIT, window, 100, 650), &calendar, now);
    assert_eq!(account.left(now), Some(400), "a snapshot that knows less is late");
    account.count(600, &calendar, now);
    assert_eq!(account.total(), 700, "a total never falls");
}

#[test]
fn the_end_of_a_window_lifts_what_was_held_without_anybodys_word() {
    let policy = Policy::default();
    let calendar = &policy.calendar;
    let (before, end) = (UnixSeconds(999), UnixSeconds(1_000));
    let window = Window::Until(end);
    let mut account = Account::default();
    account.count(1_500, calendar, before);
    account.hear(snapshot(LIMIT, window, 1_500, 1_500), calendar, before);
    assert_eq!(account.decide(false, &policy, before), throttled());
    assert_eq!(account.decide(false, &policy, end), Decision::Unlimited);
    account.count(1_600, calendar, end);
    account.hear(snapshot(LIMIT, window, 1_600, 1_600), calendar, end);
    assert_eq!(
        account.left(end),
        Some(900),
        "a snapshot of the window that is over resets nothing"
    );
    account.count(2_600, calendar, UnixSeconds(1_010));
    assert_eq!(
        account.decide(false, &policy, UnixSeconds(1_010)),
        throttled(),
        "used up again"
    );
    account.hear(
        snapshot(LIMIT, Window::Until(UnixSeconds(2_000)), 10, 2_600),
        calendar,
        UnixSeconds(1_011),
    );
    assert_eq!(
        account.decide(false, &policy, UnixSeconds(1_011)),
        Decision::Unlimited
    );
    account.hear(
        snapshot(LIMIT, window, 5_000, 2_600),
        calendar,
        UnixSeconds(1_012),
    );
    assert_eq!(
        account.left(UnixSeconds(1_012)),
        Some(990),
        "the snapshot before is late"
    );
}

#[test]
fn a_cap_of_this_host_begins_again_with_each_month_and_keeps_what_was_used_when_it_is_raised() {
    let policy = Policy::default();
    let calendar = &policy.calendar;
    let cap = |text: &str| text.parse::<Cap>().unwrap();
    let mut account = Account::default();
    let now = UnixSeconds(1_764_201_600);
    account.count(10_000, calendar, now);
    account.set(cap("1KB/month"), calendar, now);
    account.count(11_500, calendar, now);
    assert_eq!(account.decide(false, &policy, now), throttled());
    account.set(cap("1505B/month"), calendar, now);
    assert_eq!(
        account.decide(false, &policy, now),
        Decision::Unlimited,
        "no margin after a change"
    );
    assert_eq!(account.left(now), Some(5));
    account.count(11_600, calendar, now);
    assert_eq!(account.decide(false, &policy, now), throttled());
    let until = account.span().until.unwrap();
    assert_eq!(
        account
            .next_look(0, Duration::from_secs(1), Duration::MAX, now)
            .as_secs(),
        u64::try_from(until.0 - now.0).unwrap()
    );
    assert_eq!(account.decide(false, &policy, until), Decision::Unlimited);
    account.clear();
    assert_eq!(account.usage(false, until).known, None);
}

#[test]
fn a_rolling_window_lets_go_of_what_was_used_when_it_is_old() {
    let calendar = Calendar::default();
    let mut account = Account::default();
    account.set("1KB/60s".parse().unwrap(), &calendar, UnixSeconds(0));
    for second in 0..30 {
        account.count(
            10 * (second + 1),
            &calendar,
            UnixSeconds(i64::try_from(second).unwrap()),
        );
    }
    assert_eq!(account.left(UnixSeconds(59)), Some(700));
    account.count(300, &calendar, UnixSeconds(75));
    let left = account.left(UnixSeconds(75)).unwrap();
    assert!((840..=850).contains(&left), "{left}");
    account.count(300, &calendar, UnixSeconds(200));
    assert_eq!(account.left(UnixSeconds(200)), Some(1_000));
}

#[test]
fn near_the_cap_and_the_end_it_is_looked_at_sooner() {
    let calendar = Calendar::default();
    let (shortest, longest) = (Duration::from_secs(1), Duration::from_secs(5));
    let mut account = Account::default();
    let now = UnixSeconds(1_000);
    account.hear(
        snapshot(LIMIT, Window::Until(UnixSeconds(1_300)), 400, 0),
        &calendar,
        now,
    );
    let next = |speed| account.next_look(speed, shortest, longest, now).as_secs();
    assert_eq!((next(0), next(10), next(200), next(100_000)), (5, 5, 3, 1));
    let near = UnixSeconds(1_298);
    assert_eq!(account.next_look(0, shortest, longest, near).as_secs(), 2);
    let over = account.clone();
    let mut over = over;
    over.count(5_000, &calendar, now);
    assert_eq!(
        over.next_look(100_000, shortest, longest, now),
        longest,
        "there is nothing left to miss"
    );
}

proptest! {
    /// Whatever words come and however they are ordered: never is less known to be used than the authority said at best, never is
    /// anything counted twice, and what is written down and read back goes on the same.
    #[test]
    fn nothing_is_counted_twice_and_nothing_is_lost(
        steps in proptest::collection::vec((0u64..500, proptest::bool::ANY, 0usize..4), 1..60),
        elsewhere in 0u64..1_000,
    ) {
        let calendar = Calendar::default();
        let now = UnixSeconds(10);
        let window = Window::Until(UnixSeconds(1_000_000));
        let mut account = Account::default();
        account.hear(snapshot(1 << 40, window, elsewhere, 0), &calendar, now);
        let (mut total, mut snapshots) = (0u64, vec![]);
        for (bytes, says, late) in steps {
            total += bytes;
            account.count(total, &calendar, now);
            snapshots.push(snapshot(1 << 40, window, elsewhere + total, total));
            if says {
                // Some words are late; what they have not seen is added here.
                let at = snapshots.len().saturating_sub(1 + late);
                account.hear(snapshots[at], &calendar, now);
            }
            let used = account.usage(false, now).known.unwrap().used;
            prop_assert_eq!(used, elsewhere + total);
            let text = serde_json::to_string(&account).unwrap();
            account = serde_json::from_str(&text).unwrap();
        }
    }

    /// More used is never less held; and a margin never holds who was not held.
    #[test]
    fn holding_is_monotone(limit in 1i64..1_000_000, a in 0u64..2_000_000, b in 0u64..2_000_000, held: bool, margin in 0u8..120) {
        let policy = Policy { margin_percent: margin, ..Policy::default() };
        let of = |used| decide(&Usage {
            exempt: false,
            known: Some(Known { cap: Cap { limit, window: Window::Endless }, ..known(used) }),
            held,
        }, &policy, UnixSeconds(0));
        let (less, more) = (a.min(b), a.max(b));
        prop_assert!(of(less) == Decision::Unlimited || of(more) != Decision::Unlimited);
        prop_assert!(of(u64::try_from(limit).unwrap()) != Decision::Unlimited);
        prop_assert_eq!(of(0), Decision::Unlimited);
    }
}

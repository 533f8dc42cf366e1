//! What was not seen is a gap, and nothing else is.

use super::*;

#[test]
fn counters_that_are_set_to_zero_count_on_and_are_a_gap() {
    let mut host = Host::new();
    host.link(1, 1, 7);
    host.carry(7, 100);
    host.sample();
    host.links[0].carried = bytes_of(30);
    host.pass(2_000);
    host.sample();
    assert_eq!((host.total(), host.gap_ms()), (130, 2_000));
}

#[test]
fn a_restart_loses_nothing_where_the_link_is_still_there() {
    let mut host = Host::new();
    host.link(1, 1, 7);
    host.carry(7, 100);
    host.sample();
    host.carry(7, 1_000);
    host.pass(60_000);
    host.crash();
    host.carry(7, 10);
    host.sample();
    assert_eq!((host.total(), host.gap_ms()), (1_110, 0));
    assert_eq!(host.book.unseen_ms(), 60_000, "a link may have come and gone");
}

#[test]
fn an_ordered_end_leaves_no_gap() {
    let mut host = Host::new();
    host.link(1, 1, 7);
    host.carry(7, 100);
    host.look(None);
    host.write(true);
    host.pass(60_000);
    host.crash();
    host.carry(7, 10);
    host.sample();
    assert_eq!((host.total(), host.gap_ms(), host.book.unseen_ms()), (110, 0, 0));
}

#[test]
fn a_daemon_that_ends_before_its_first_look_may_have_made_links() {
    let ends: [fn(&mut Host); 2] = [Host::crash, Host::crash_before_the_first_batch];
    for end in ends {
        let mut host = Host::new();
        host.sample();
        host.write(true);
        end(&mut host);
        host.pass(5_000);
        host.crash();
        host.sample();
        assert_eq!(host.book.unseen_ms(), 5_000);
    }
    let mut host = Host::new();
    host.pass(5_000);
    host.crash();
    host.sample();
    assert_eq!(host.book.unseen_ms(), 5_000, "the first that ever was");
}

#[test]
fn a_link_that_did_not_outlive_the_daemon_is_a_gap_from_the_last_sample_on() {
    let mut host = Host::new();
    host.link(1, 1, 7);
    host.carry(7, 100);
    host.sample();
    for _ in 0..3 {
        host.pass(5_000);
        host.sample();
    }
    host.pass(2_000);
    host.carry(7, 40);
    host.drop_link(7);
    host.crash();
    host.pass(3_000);
    host.sample();
    assert_eq!(
        (host.total(), host.gap_ms()),
        (100, 5_000),
        "quiet samples count as read"
    );
    host.crash();
    assert_eq!((host.total(), host.gap_ms()), (100, 5_000));
}

#[test]
fn a_link_that_was_made_and_gone_between_two_looks_is_a_gap() {
    let mut host = Host::new();
    host.sample();
    let (now, payer) = (host.now(), host.payer);
    host.book.expect(now, id(1), payer);
    host.pass(1_000);
    host.sample();
    assert_eq!(host.gap_ms(), 0, "it is still being made");
    host.book.made(host.now(), id(1));
    host.pass(2_000);
    host.sample();
    assert_eq!(host.gap_ms(), 3_000);
    host.pass(5_000);
    host.sample();
    assert_eq!(host.gap_ms(), 3_000, "once");
}

#[test]
fn a_part_that_nobody_saw_is_declared_beside_one_that_ended() {
    let mut host = Host::new();
    let make = |host: &mut Host, part: u32| {
        host.book.expect(host.now(), id(1), Payer::default());
        host.pass(1);
        host.link(1, u64::from(part), part);
    };
    make(&mut host, 7);
    host.book.made(host.now(), id(1));
    host.pass(1_000);
    host.drop_link(7);
    make(&mut host, 8);
    host.book.made(host.now(), id(1));
    host.pass(1_000);
    // The next is being made already when the one before is seen.
    host.book.expect(host.now(), id(1), Payer::default());
    host.look(Some(id(1)));
    host.pass(10);
    host.drop_link(8);
    host.link(1, 9, 9);
    host.book.made(host.now(), id(1));
    host.pass(1);
    host.look(Some(id(1)));
    assert_eq!(host.gap_ms(), 2_013, "since the first began to be made");
}

#[test]
fn a_look_that_began_as_a_part_was_seen_does_not_miss_it() {
    let mut host = Host::new();
    host.link(1, 1, 7);
    host.look(Some(id(1)));
    let nothing = CounterReading {
        begun: host.now(),
        begun_ms: host.now_ms,
        ended: host.now(),
        of: None,
        readings: &[],
    };
    assert_eq!(host.book.take(&nothing, |_| Payer::default()), []);
    host.carry(7, 100);
    host.sample();
    assert_eq!((host.total(), host.gap_ms()), (100, 0));
}

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

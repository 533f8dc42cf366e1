use super::*;

#[test]
fn what_another_payer_uses_is_another_account() {
    let mut host = Host::new();
    host.link(1, 1, 7);
    host.carry(7, 100);
    host.sample();
    host.payer = owner(1);
    host.carry(7, 10);
    host.sample();
    host.payer = owner(2);
    host.carry(7, 1);
    host.sample();
    host.crash();
    let question = Question {
        per: GroupBy::Owner,
        ..Question::default()
    };
    let figures = host.figures(question, &[]);
    let by_owner: Vec<_> = figures
        .iter()
        .map(|((_, whose), figure)| (whose.owner, figure.carried.rx_bytes))
        .collect();
    assert_eq!(by_owner, [(owner(1).owner, 110), (owner(2).owner, 1)]);
}

#[test]
fn what_is_told_of_a_tunnel_grows_over_payers_crashes_and_accounts_that_were_closed() {
    let mut host = Host::new();
    host.payer = owner(1);
    host.link(1, 1, 7);
    host.carry(7, 100);
    host.look(None);
    assert_eq!(host.book.samples(), [], "what is not on disk is not told");
    host.write(false);
    let told = |samples: Vec<UsageSample>| -> Vec<(Option<Pubkey>, u64, u64, bool)> {
        let one = |sample: UsageSample| (sample.owner, sample.rx_bytes, sample.gap_seconds, sample.last);
        samples.into_iter().map(one).collect()
    };
    assert_eq!(told(host.book.samples()), [(owner(1).owner, 100, 0, false)]);
    assert_eq!(host.book.samples(), [], "once");
    host.carry(7, 10);
    host.payer = owner(2);
    host.sample();
    assert_eq!(told(host.book.samples()), [(owner(2).owner, 110, 0, false)]);
    host.drop_link(7);
    host.pass(1_500);
    host.sample();
    let last = host.book.sample_of(id(1), true);
    assert_eq!(told(last.into_iter().collect()), [(owner(2).owner, 110, 2, true)]);
    assert_eq!(host.book.sample_of(id(1), false), None, "nothing is new");
    // What was told just before a crash may be told again; what was told long before is not.
    host.write(false);
    host.crash();
    assert_eq!(
        told(host.book.samples()).last(),
        Some(&(owner(2).owner, 110, 2, false))
    );
    assert_eq!(host.book.samples(), []);
    host.write(false);
    host.crash();
    assert_eq!(host.book.samples(), []);
    host.now_ms += 40 * 24 * HOUR;
    host.sample();
    let now = host.book.is_over(host.now_ms).expect("another hour");
    host.book.begin_hour(now, 35 * 24 * HOUR);
    assert_eq!(host.book.accounts().count(), 0, "all are closed");
    host.disk = host.book.everything(false).lines;
    host.crash();
    host.link(1, 2, 8);
    host.carry(8, 1);
    host.sample();
    assert_eq!(told(host.book.samples()), [(owner(2).owner, 111, 0, false)]);
    // A disk that refuses: what it has not is not told.
    host.carry(8, 5);
    host.look(None);
    let _refused = host.book.changes(false);
    host.book.not_written();
    assert_eq!(host.book.samples(), []);
    assert_eq!(
        host.book.sample_of(id(1), true).map(|sample| sample.rx_bytes),
        Some(111)
    );
}

#[test]
fn accounts_of_tunnels_that_are_long_gone_are_closed_and_the_owners_total_stays() {
    let mut host = Host::new();
    host.payer = owner(1);
    host.link(1, 1, 7);
    host.carry(7, 100);
    host.sample();
    host.drop_link(7);
    host.sample();
    host.now_ms += 40 * 24 * HOUR;
    host.sample();
    let now = host.book.is_over(host.now_ms).expect("another hour");
    host.book.begin_hour(now, 35 * 24 * HOUR);
    assert_eq!(host.book.accounts().count(), 0);
    host.disk = host.book.everything(false).lines;
    host.crash();
    let question = Question {
        per: GroupBy::Owner,
        ..Question::default()
    };
    let figures = host.figures(question, &[]);
    assert_eq!(
        figures
            .values()
            .map(|figure| figure.carried.rx_bytes)
            .collect::<Vec<_>>(),
        [100]
    );
}

use std::time::Duration;

use proptest::prelude::*;
use warren_state::{
    CounterRun, Epoch, Incarnation, Monotonic, Pubkey, Reading, Traffic, TunnelId, event::UsageSample,
};

use super::{
    Gap, Look, Payer, UsageBook,
    figures::{Adding, By, Per, Question},
};

const HOUR: u64 = 3_600_000;

/// A host with links that carry, a daemon with a book, and what is on disk.
#[derive(Default)]
struct Host {
    now_ms: u64,
    book: UsageBook,
    disk: Vec<Vec<u8>>,
    links: Vec<Reading>,
    payer: Payer,
    gaps: Vec<Gap>,
    looked_ms: u64,
    /// How often a daemon was started.
    starts: u64,
}

impl Host {
    fn new() -> Self {
        let mut host = Self {
            now_ms: 1_000_000 * HOUR,
            ..Self::default()
        };
        host.crash();
        host
    }

    fn link(&mut self, tunnel: u8, incarnation: u64, part: u32) {
        self.links.push(Reading {
            tunnel: id(tunnel),
            run: CounterRun {
                incarnation: Incarnation(incarnation),
                part,
            },
            carried: Traffic::default(),
        });
        self.links.sort_unstable();
    }

    fn carry(&mut self, part: u32, bytes: u64) {
        for link in self.links.iter_mut().filter(|link| link.run.part == part) {
            link.carried = link.carried.plus(bytes_of(bytes));
        }
    }

    fn drop_link(&mut self, part: u32) {
        self.links.retain(|link| link.run.part != part);
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
    }

    fn now(&self) -> Monotonic {
        Monotonic::from_elapsed(Duration::from_millis(self.now_ms - 999_000 * HOUR))
    }

    /// A look at all tunnels, to the disk.
    fn sample(&mut self) {
        self.look(None);
        self.write(false);
    }

    /// No two looks begin at the same moment.
    fn look(&mut self, of: Option<TunnelId>) {
        self.now_ms += u64::from(self.now_ms == self.looked_ms);
        self.looked_ms = self.now_ms;
        let readings: Vec<Reading> = self
            .links
            .iter()
            .filter(|link| of.is_none_or(|of| link.tunnel == of))
            .copied()
            .collect();
        let (begun, begun_ms, payer) = (self.now(), self.now_ms, self.payer);
        let look = Look {
            begun,
            begun_ms,
            ended: begun,
            of,
            readings: &readings,
        };
        let gaps = self.book.take(&look, |_| payer);
        self.gaps.extend(gaps);
    }

    fn write(&mut self, ended: bool) {
        let batch = self.book.changes(ended);
        self.disk.extend(batch.lines);
        self.book.written(batch.sequence);
    }

    /// The daemon is gone, and another one starts.
    fn crash(&mut self) {
        self.crash_before_the_first_batch();
        self.write(false);
    }

    fn crash_before_the_first_batch(&mut self) {
        self.book = UsageBook::default();
        for line in &self.disk {
            self.book.read_back(line).expect("it was written");
        }
        self.starts += 1;
        self.book.begin(Epoch(self.starts), self.now_ms);
    }

    fn total(&self) -> u64 {
        self.book.accounts().map(|account| account.total.rx_bytes).sum()
    }

    fn gap_ms(&self) -> u64 {
        self.book.accounts().map(|account| account.gap_ms).sum()
    }
}

fn id(n: u8) -> TunnelId {
    TunnelId(Pubkey([n; 32]))
}

fn owner(n: u8) -> Payer {
    Payer {
        owner: Some(Pubkey([n; 32])),
        device: None,
    }
}

fn bytes_of(bytes: u64) -> Traffic {
    Traffic {
        rx_bytes: bytes,
        rx_packets: 1,
        tx_bytes: bytes / 2,
        tx_packets: 1,
    }
}

#[test]
fn a_link_that_is_made_anew_adds_to_the_total() {
    let mut host = Host::new();
    host.link(1, 1, 7);
    host.carry(7, 100);
    host.sample();
    host.drop_link(7);
    host.link(1, 2, 8);
    host.carry(8, 10);
    host.pass(5_000);
    host.sample();
    assert_eq!(
        (host.total(), host.gap_ms()),
        (110, 5_000),
        "the first one ended unseen"
    );
}

#[test]
fn the_next_incarnation_may_have_the_same_number_and_count_further() {
    let mut host = Host::new();
    host.link(1, 1, 7);
    host.carry(7, 100);
    host.sample();
    host.drop_link(7);
    host.link(1, 2, 7);
    host.carry(7, 500);
    host.sample();
    assert_eq!(host.total(), 600);
}

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
fn two_links_of_one_tunnel_count_each_and_the_end_of_one_takes_nothing_away() {
    let mut host = Host::new();
    host.link(1, 1, 7);
    host.carry(7, 1_000);
    host.sample();
    host.link(1, 2, 8);
    host.carry(8, 10);
    host.carry(7, 1);
    host.sample();
    assert_eq!(host.total(), 1_011);
    host.drop_link(7);
    host.carry(8, 5);
    host.sample();
    assert_eq!(host.total(), 1_016);
}

#[test]
fn a_link_that_a_look_passed_over_is_not_counted_again_from_the_beginning() {
    let mut host = Host::new();
    host.link(1, 1, 7);
    host.carry(7, 100);
    host.sample();
    let links = std::mem::take(&mut host.links);
    host.pass(1_000);
    host.sample();
    host.links = links;
    host.carry(7, 5);
    host.sample();
    assert_eq!(host.total(), 105);
}

#[test]
fn an_earlier_look_that_arrives_later_changes_nothing() {
    let mut host = Host::new();
    host.link(1, 1, 7);
    host.carry(7, 100);
    let (begun, before) = (host.now(), host.links.clone());
    host.pass(10);
    host.carry(7, 50);
    host.look(Some(id(1)));
    let late = Look {
        begun,
        begun_ms: host.now_ms - 10,
        ended: host.now(),
        of: None,
        readings: &before,
    };
    assert_eq!(host.book.take(&late, |_| Payer::default()), []);
    let nothing = Look {
        readings: &[],
        ..late
    };
    assert_eq!(host.book.take(&nothing, |_| Payer::default()), []);
    assert_eq!((host.total(), host.gap_ms()), (150, 0));
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
        per: Per::Owner,
        ..Question::default()
    };
    let figures = Adding::new(question).book(&host.book);
    let by_owner: Vec<_> = figures
        .iter()
        .map(|((_, whose), figure)| (whose.owner, figure.carried.rx_bytes))
        .collect();
    assert_eq!(by_owner, [(owner(1).owner, 110), (owner(2).owner, 1)]);
}

#[test]
fn hours_are_told_apart_and_one_that_is_written_twice_counts_once() {
    let mut host = Host::new();
    let mut files: Vec<Vec<u8>> = Vec::new();
    host.link(1, 1, 7);
    for hour in 0..26_u64 {
        host.now_ms = (1_000_000 + hour) * HOUR;
        if let Some(now) = host.book.is_over(host.now_ms) {
            if let Some((_, line)) = host.book.hour_line() {
                // The daemon was killed before the hour's end was on disk.
                files.extend([line.clone(), line]);
            }
            host.book.begin_hour(now, u64::MAX);
        }
        host.carry(7, 100 + hour);
        host.sample();
        host.crash();
    }
    let ask = |by, since_ms| {
        let question = Question {
            by,
            since_ms,
            ..Question::default()
        };
        let mut adding = Adding::new(question);
        files.iter().for_each(|line| adding.hour(line));
        adding.book(&host.book)
    };
    let hours: Vec<u64> = ask(Some(By::Hour), None)
        .values()
        .map(|figure| figure.carried.rx_bytes)
        .collect();
    assert_eq!(hours, (0..26).map(|hour| 100 + hour).collect::<Vec<_>>());
    let days = ask(Some(By::Day), None);
    assert_eq!(days.len(), 2, "{days:?}");
    let sum: u64 = days.values().map(|figure| figure.carried.rx_bytes).sum();
    assert_eq!(sum, host.total());
    let last = ask(None, Some((1_000_000 + 25) * HOUR + 5));
    assert_eq!(
        last.values().map(|figure| figure.carried.rx_bytes).sum::<u64>(),
        125
    );
}

#[test]
fn what_is_told_is_of_the_look_that_is_said() {
    let mut host = Host::new();
    host.link(1, 1, 7);
    host.carry(7, 100);
    host.sample();
    let of = |host: &Host| {
        (
            host.book.told_ms(),
            host.book.of(id(1)).unwrap().on_disk().rx_bytes,
        )
    };
    let first = (host.now_ms, 100);
    assert_eq!(of(&host), first);
    // It was looked at again, and is not on disk.
    host.carry(7, 10);
    host.now_ms += 5_000;
    host.look(None);
    let second = (host.now_ms, 110);
    assert_eq!(of(&host), first);
    let batch = host.book.changes(false);
    host.disk.extend(batch.lines);
    // And again while that is being written.
    host.carry(7, 1);
    host.now_ms += 5_000;
    host.look(None);
    assert_eq!(of(&host), first);
    host.book.written(batch.sequence);
    assert_eq!(of(&host), first);
    host.crash();
    assert_eq!(of(&host), second);
}

#[test]
fn no_hour_begins_while_what_was_seen_is_not_on_disk() {
    let mut host = Host::new();
    host.link(1, 1, 7);
    host.carry(7, 100);
    host.sample();
    host.carry(7, 10);
    host.look(None);
    host.now_ms += HOUR;
    let batch = host.book.changes(false);
    host.disk.extend(batch.lines);
    // Somebody looks while it is being written.
    host.carry(7, 1);
    host.look(Some(id(1)));
    host.book.written(batch.sequence);
    assert_eq!(host.book.is_over(host.now_ms), None);
    host.write(false);
    let now = host.book.is_over(host.now_ms).expect("another hour");
    let (_, line) = host.book.hour_line().expect("something was carried");
    host.book.begin_hour(now, u64::MAX);
    host.write(false);
    host.crash();
    let mut adding = Adding::new(Question {
        by: Some(By::Hour),
        ..Question::default()
    });
    adding.hour(&line);
    let hours = adding.book(&host.book);
    let sum: u64 = hours.values().map(|figure| figure.carried.rx_bytes).sum();
    assert_eq!((sum, host.total()), (111, 111));
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
        per: Per::Owner,
        ..Question::default()
    };
    let figures = Adding::new(question).book(&host.book);
    assert_eq!(
        figures
            .values()
            .map(|figure| figure.carried.rx_bytes)
            .collect::<Vec<_>>(),
        [100]
    );
}

/// What may become of a host.
#[derive(Clone, Debug)]
enum Turn {
    Carry(u32, u64),
    Make(u8, u32),
    Drop(u32),
    Reset(u32),
    Sample,
    Look(u8),
    LookUnwritten,
    Everything,
    Crash,
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        4 => (0..4_u32, 1..2_000_u64).prop_map(|(part, bytes)| Turn::Carry(part, bytes)),
        2 => (0..3_u8, 0..4_u32).prop_map(|(tunnel, part)| Turn::Make(tunnel, part)),
        1 => (0..4_u32).prop_map(Turn::Drop),
        1 => (0..4_u32).prop_map(Turn::Reset),
        3 => Just(Turn::Sample),
        2 => (0..3_u8).prop_map(Turn::Look),
        1 => Just(Turn::LookUnwritten),
        1 => Just(Turn::Everything),
        1 => Just(Turn::Crash),
    ]
}

proptest! {
    /// What is not in a declared gap is counted, and nothing is counted twice.
    #[test]
    fn bytes_are_conserved(turns in proptest::collection::vec(turn(), 1..80)) {
        let mut host = Host::new();
        let (mut carried, mut incarnation) = (Vec::new(), 0);
        for turn in turns {
            host.pass(100);
            match turn {
                Turn::Carry(part, bytes) => {
                    let whose = host.links.iter().find(|link| link.run.part == part).map(|link| link.tunnel);
                    if let Some(tunnel) = whose {
                        host.carry(part, bytes);
                        carried.push((host.now_ms, tunnel, bytes));
                    }
                }
                Turn::Make(tunnel, part) if host.links.iter().all(|link| link.run.part != part) => {
                    incarnation += 1;
                    let (now, payer) = (host.now(), host.payer);
                    host.book.expect(now, id(tunnel), payer);
                    host.link(tunnel, incarnation, part);
                    host.book.made(now, id(tunnel));
                }
                Turn::Make(..) => {}
                Turn::Drop(part) => host.drop_link(part),
                // One that has carried more again before anybody looks cannot be told from one that went on.
                Turn::Reset(part) => {
                    host.sample();
                    let found = host.links.iter_mut().find(|link| link.run.part == part && !link.carried.is_zero());
                    if let Some(link) = found {
                        link.carried = Traffic::default();
                        host.pass(100);
                        host.look(None);
                    }
                }
                Turn::Sample => host.sample(),
                Turn::Look(tunnel) => host.look(Some(id(tunnel))),
                Turn::LookUnwritten => host.look(None),
                Turn::Everything => {
                    let all = host.book.everything(false);
                    host.book.written(all.sequence);
                    host.disk = all.lines;
                }
                Turn::Crash => host.crash(),
            }
        }
        host.pass(100);
        host.sample();
        let declared = |at: u64, tunnel: TunnelId| host.gaps.iter().any(|gap| {
            gap.tunnel.is_none_or(|of| of == tunnel) && gap.from_ms <= at && at <= gap.to_ms
        });
        for tunnel in (0..3).map(id) {
            let of = || carried.iter().filter(|(_, whose, _)| *whose == tunnel);
            let all: u64 = of().map(|(_, _, bytes)| bytes).sum();
            let sure: u64 = of().filter(|(at, ..)| !declared(*at, tunnel)).map(|(_, _, bytes)| bytes).sum();
            let counted: u64 = host.book.accounts().filter(|account| account.tunnel == tunnel).map(|account| account.total.rx_bytes).sum();
            prop_assert!(counted <= all, "{counted} of {all} counted");
            prop_assert!(counted >= sure, "{counted} counted, {sure} of {all} are in no gap: {:?}", host.gaps);
        }
        let on_disk = host.total();
        host.crash();
        prop_assert_eq!(host.total(), on_disk, "what was read back is what was written");
    }
}

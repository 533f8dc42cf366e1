mod accounts;
mod gaps;
mod hours;

use std::time::Duration;

use proptest::prelude::*;
use warren_state::{
    CounterRun, Epoch, Incarnation, Monotonic, Pubkey, Reading, Traffic, TunnelId, event::UsageSample,
};

use super::{
    CounterReading, Gap, Payer, UsageBook,
    figures::{Aggregation, GroupBy, Interval, Question, UsageFigures},
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
        let look = CounterReading {
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

    fn figures(&self, question: Question, lines: &[Vec<u8>]) -> UsageFigures {
        let mut adding = Aggregation::new(question, &self.book);
        lines.iter().for_each(|line| adding.hour(line));
        adding.book(&self.book).expect("no hour began")
    }

    /// What all hours have.
    fn in_hours(&self, lines: &[Vec<u8>]) -> u64 {
        let hours = self.figures(by_hour(), lines);
        hours.values().map(|figure| figure.carried.rx_bytes).sum()
    }

    fn gap_ms(&self) -> u64 {
        self.book.accounts().map(|account| account.gap_ms).sum()
    }
}

fn by_hour() -> Question {
    Question {
        by: Some(Interval::Hour),
        ..Question::default()
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
    let late = CounterReading {
        begun,
        begun_ms: host.now_ms - 10,
        ended: host.now(),
        of: None,
        readings: &before,
    };
    assert_eq!(host.book.take(&late, |_| Payer::default()), []);
    let nothing = CounterReading {
        readings: &[],
        ..late
    };
    assert_eq!(host.book.take(&nothing, |_| Payer::default()), []);
    assert_eq!((host.total(), host.gap_ms()), (150, 0));
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

/// What may become of a host.
#[derive(Clone, Debug)]
enum Turn {
    Carry(u32, u64),
    Make(u8, u32),
    Replace(u8, u32),
    Drop(u32),
    Reset(u32),
    Sample,
    CounterReading(u8),
    LookUnwritten,
    Everything,
    Crash,
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        4 => (0..4_u32, 1..2_000_u64).prop_map(|(part, bytes)| Turn::Carry(part, bytes)),
        2 => (0..3_u8, 0..4_u32).prop_map(|(tunnel, part)| Turn::Make(tunnel, part)),
        1 => (0..3_u8, 0..4_u32).prop_map(|(tunnel, part)| Turn::Replace(tunnel, part)),
        1 => (0..4_u32).prop_map(Turn::Drop),
        1 => (0..4_u32).prop_map(Turn::Reset),
        3 => Just(Turn::Sample),
        2 => (0..3_u8).prop_map(Turn::CounterReading),
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
                Turn::Replace(tunnel, part) if host.links.iter().all(|link| link.run.part != part) => {
                    incarnation += 1;
                    let (now, payer) = (host.now(), host.payer);
                    host.book.expect(now, id(tunnel), payer);
                    host.look(Some(id(tunnel)));
                    host.links.retain(|link| link.tunnel != id(tunnel));
                    host.link(tunnel, incarnation, part);
                    host.pass(1);
                    host.book.made(host.now(), id(tunnel));
                }
                Turn::Make(..) | Turn::Replace(..) => {}
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
                Turn::CounterReading(tunnel) => host.look(Some(id(tunnel))),
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

mod replies;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    time::Duration,
};

use proptest::prelude::*;
use warren_state::{
    Core, Monotonic, Pubkey,
    random::{Random, SplitMix64},
};

use super::*;

const IDENTIFIER: u16 = 0x4711;

/// A network in which every address has a round-trip time, or none.
struct World {
    prober: Prober,
    random: SplitMix64,
    now: Monotonic,
    times: BTreeMap<Ipv4Addr, Duration>,
    /// Replies on their way.
    replies: BTreeMap<(Monotonic, u64), (Ipv4Addr, Vec<u8>)>,
    /// When which address was sent an echo.
    sent: Vec<(Monotonic, Ipv4Addr)>,
    most_under_way: usize,
    passes: Vec<PassReport>,
}

impl World {
    fn new(settings: LatencySettings) -> Self {
        let mut world = Self {
            prober: Prober::new(settings),
            random: SplitMix64::new(7),
            now: at(1_000),
            times: BTreeMap::new(),
            replies: BTreeMap::new(),
            sent: Vec::new(),
            most_under_way: 0,
            passes: Vec::new(),
        };
        world.input(Input::Identifier(IDENTIFIER));
        world
    }

    fn answers(mut self, number: u16, milliseconds: u64) -> Self {
        self.times.insert(address(number), ms(milliseconds));
        self
    }

    fn list(&mut self, numbers: impl IntoIterator<Item = u16>) {
        self.input(Input::Targets(numbers.into_iter().map(target).collect()));
    }

    fn input(&mut self, input: Input<'_>) {
        for output in self.prober.handle(self.now, input, &mut self.random) {
            match output {
                Output::Send {
                    destination, message, ..
                } => {
                    self.sent.push((self.now, destination));
                    let echo = Echo::from_request(&message).unwrap();
                    if let Some(time) = self.times.get(&destination) {
                        let order = self.sent.len() as u64;
                        self.replies
                            .insert((self.now + *time, order), (destination, echo.reply().to_vec()));
                    }
                }
                Output::PassBegins | Output::Measured => {}
                Output::PassEnded => self.passes.push(*self.prober.last_pass().unwrap()),
            }
        }
        self.most_under_way = self.most_under_way.max(self.prober.under_way());
    }

    /// Lets time go on until then.
    fn run_until(&mut self, end: Monotonic) {
        for _ in 0..1_000_000 {
            let reply = self.replies.first_key_value().map(|((at, _), _)| *at);
            let deadline = self.prober.poll_timeout().map(|deadline| deadline.at);
            let Some(next) = [reply, deadline]
                .into_iter()
                .flatten()
                .min()
                .filter(|next| *next <= end)
            else {
                self.now = self.now.max(end);
                return;
            };
            self.now = self.now.max(next);
            if reply == Some(next) {
                let (_, (source, bytes)) = self.replies.pop_first().unwrap();
                self.input(Input::Received {
                    source,
                    at: self.now,
                    bytes: (&bytes).into(),
                });
            } else {
                self.input(Input::Timeout);
            }
        }
        panic!("time does not go on: {:?}", self.prober.poll_timeout());
    }

    fn run_for(&mut self, span: Duration) {
        self.run_until(self.now + span);
    }

    fn report(&self, number: u16) -> TargetReport {
        self.prober
            .reports()
            .find(|report| report.target.address == address(number))
            .unwrap()
            .as_ref()
            .clone()
    }

    fn echoes_to(&self, number: u16) -> usize {
        self.sent.iter().filter(|(_, to)| *to == address(number)).count()
    }
}

fn target(number: u16) -> Target {
    let [high, low] = number.to_be_bytes();
    let mut key = [0; 32];
    key[..2].copy_from_slice(&[high, low]);
    Target {
        device: Pubkey(key),
        address: address(number),
        code: format!("d{number}"),
        interface: None,
        is_activated: true,
    }
}

fn address(number: u16) -> Ipv4Addr {
    Ipv4Addr::from(0x0900_0000 + u32::from(number))
}

fn at(milliseconds: u64) -> Monotonic {
    Monotonic::from_elapsed(ms(milliseconds))
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn settings() -> LatencySettings {
    LatencySettings::default()
}

#[test]
fn a_message_has_the_bytes_that_ping_would_send_and_the_reply_differs_in_its_type() {
    let echo = Echo {
        identifier: 0x1234,
        sequence: 0x5678,
        nonce: *b"0123456789abcdef",
    };
    let request = echo.request();
    assert_eq!(
        (request.len(), &request[..2], &request[4..8]),
        (64, &[8, 0][..], &[0x12, 0x34, 0x56, 0x78][..])
    );
    assert_eq!(
        (&request[8..24], request[24], request[63]),
        (&b"0123456789abcdef"[..], 16, 55)
    );
    assert_eq!(checksum(&request), 0);
    // Type 8 is in the high byte of the first word: its checksum is the reply's less 0x0800.
    let sum = |message: &[u8]| u16::from_be_bytes([message[2], message[3]]);
    assert_eq!(sum(&echo.reply()), sum(&request) + 0x0800);
    assert_eq!(Echo::from_reply(&echo.reply()), Ok(echo));
    assert_eq!(Echo::from_reply(&request), Err(Drop::NotOurs));
}

#[test]
fn a_pass_tells_the_times_and_the_loss_of_each_target_and_the_prober_is_ready_after_it() {
    let mut world = World::new(settings()).answers(1, 10).answers(2, 250);
    world.list([1, 2, 3]);
    assert!(!world.prober.is_ready());
    world.run_for(ms(4_500));
    assert!(world.prober.is_ready());
    for (number, time) in [(1, 10), (2, 250)] {
        let report = world.report(number);
        let latest = *report.latest().unwrap();
        assert_eq!(
            (latest.sent, latest.received, latest.min, latest.avg, latest.max),
            (3, 3, ms(time), ms(time), ms(time))
        );
        assert_eq!(
            (latest.loss_percentage(), report.smoothed, report.jitter),
            (0.0, Some(ms(time)), Duration::ZERO)
        );
    }
    let silent = world.report(3);
    assert!(!silent.is_reachable() && silent.smoothed.is_none());
    assert_eq!(
        (
            silent.latest().unwrap().loss_percentage(),
            silent.latest().unwrap().avg
        ),
        (100.0, Duration::ZERO)
    );
    assert_eq!((world.passes[0].targets, world.passes[0].reachable), (3, 2));
}

#[test]
fn a_list_without_targets_is_ready_at_once_and_an_absent_list_never() {
    let mut world = World::new(settings());
    world.run_for(ms(600_000));
    assert!(!world.prober.is_ready() && world.prober.poll_timeout().is_none());
    world.list([]);
    assert!(world.prober.is_ready());
}

#[test]
fn passes_come_each_period_and_sooner_while_nothing_answers() {
    let mut world = World::new(settings());
    world.list([1]);
    world.run_for(ms(100_000));
    let begun: Vec<_> = world.passes.iter().map(|pass| pass.begun).collect();
    assert!((3..=5).contains(&begun.len()), "{begun:?}");
    assert!(
        begun
            .windows(2)
            .all(|two| (27..=33).contains(&two[1].since(two[0]).as_secs())),
        "{begun:?}"
    );
    world.times.insert(address(1), ms(20));
    world.run_for(ms(1_000_000));
    let begun: Vec<_> = world
        .passes
        .iter()
        .filter(|pass| pass.reachable > 0)
        .map(|pass| pass.begun)
        .collect();
    assert!((3..=4).contains(&begun.len()), "{begun:?}");
    assert!(
        begun
            .windows(2)
            .all(|two| (270..=330).contains(&two[1].since(two[0]).as_secs())),
        "{begun:?}"
    );
}

#[test]
fn three_hundred_targets_take_less_than_five_seconds_answered_or_not_and_the_load_is_spread() {
    for answered in [false, true] {
        let mut world = World::new(settings());
        if answered {
            world.times = (0..300)
                .map(|number| (address(number), ms(5 + u64::from(number))))
                .collect();
        }
        world.list(0..300);
        world.run_for(ms(20_000));
        assert_eq!((world.sent.len(), world.passes.len()), (900, 1));
        assert!(world.passes[0].took < ms(5_000), "{:?}", world.passes[0].took);
        assert!(world.most_under_way <= 600, "{}", world.most_under_way);
        let busiest = world.sent.iter().map(|(from, _)| {
            world
                .sent
                .iter()
                .filter(|(at, _)| at >= from && at.since(*from) < ms(100))
                .count()
        });
        assert!(busiest.max() < Some(110), "packets in a tenth of a second");
        let low = |to: &Ipv4Addr| (0..40).any(|number| address(number) == *to);
        let first = world.sent.iter().take(40).filter(|(_, to)| low(to)).count();
        assert!(
            first < 20,
            "the same devices would be first on every host: {first} of 40"
        );
        for number in 0..300 {
            let times: Vec<_> = world
                .sent
                .iter()
                .filter(|(_, to)| *to == address(number))
                .map(|(at, _)| *at)
                .collect();
            assert!(
                times.windows(2).all(|two| two[1].since(two[0]) >= ms(720)),
                "{times:?}"
            );
        }
    }
}

#[test]
fn more_targets_than_the_bounds_allow_take_longer_and_stay_within_them() {
    let mut world = World::new(LatencySettings {
        under_way: 16,
        ..settings()
    });
    world.list(0..100);
    world.run_for(ms(120_000));
    assert_eq!((world.most_under_way, world.passes[0].targets), (16, 100));
    assert!((0..100).all(|number| world.report(number).latest().unwrap().sent == 3));
}

#[test]
fn a_target_that_comes_between_passes_is_probed_soon_and_the_others_are_left_alone() {
    let mut world = World::new(settings()).answers(1, 10).answers(2, 20);
    world.list([1]);
    world.run_for(ms(10_000));
    world.list([1, 2]);
    world.run_for(ms(3_000));
    assert_eq!(world.report(2).latest().unwrap().received, 3);
    assert_eq!((world.echoes_to(1), world.passes.len()), (3, 1));
}

#[test]
fn a_target_that_goes_is_forgotten_in_the_middle_of_its_round_too_and_begins_anew_when_it_returns() {
    let mut world = World::new(settings()).answers(1, 10).answers(2, 500);
    world.list([1, 2]);
    world.run_for(ms(300));
    assert!(world.echoes_to(2) == 1 && world.prober.under_way() == 1);
    world.list([1]);
    assert_eq!((world.prober.under_way(), world.prober.reports().count()), (0, 1));
    world.run_for(ms(10_000));
    assert_eq!(
        (world.echoes_to(2), world.passes.len(), world.passes[0].targets),
        (1, 1, 1)
    );
    world.list([1, 2]);
    world.run_for(ms(10_000));
    assert_eq!(world.report(2).history.len(), 1);
}

#[test]
fn the_pass_ends_when_all_that_it_waited_for_are_gone() {
    let mut world = World::new(settings());
    world.list([1]);
    world.run_for(ms(100));
    assert!(!world.prober.is_ready());
    world.list([]);
    assert!(world.prober.is_ready() && world.prober.under_way() == 0);
}

#[test]
fn new_facts_of_a_target_keep_its_history() {
    let mut world = World::new(settings()).answers(1, 10);
    world.list([1]);
    world.run_for(ms(10_000));
    let renamed = Target {
        code: "new".into(),
        is_activated: false,
        ..target(1)
    };
    world.input(Input::Targets(vec![renamed.clone()]));
    let report = world.report(1);
    assert_eq!((report.target, report.history.len()), (renamed, 1));
    assert_eq!(world.echoes_to(1), 3);
}

#[test]
fn the_history_is_bounded_and_its_averages_move_towards_what_is_new() {
    let mut world = World::new(LatencySettings {
        period: ms(5_000),
        history: 4,
        ..settings()
    })
    .answers(1, 80);
    world.list([1]);
    world.run_for(ms(12_000));
    world.times.insert(address(1), ms(160));
    world.run_for(ms(4_500));
    let report = world.report(1);
    let smoothed = report.smoothed.unwrap();
    assert!(smoothed > ms(80) && smoothed < ms(160), "{smoothed:?}");
    assert!(
        report.jitter > Duration::ZERO && report.jitter <= ms(5),
        "{:?}",
        report.jitter
    );
    world.run_for(ms(100_000));
    let report = world.report(1);
    assert_eq!(report.history.len(), 4);
    assert!(report.history.iter().is_sorted_by_key(|measured| measured.at));
    assert!(report.smoothed.unwrap().abs_diff(ms(160)) < ms(1), "{report:?}");
}

/// What happens in a property test.
#[derive(Clone, Debug)]
enum Step {
    List(BTreeSet<u16>),
    Wait(u64),
    Noise(u16, Vec<u8>),
    Silence(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        proptest::collection::btree_set(0_u16..12, 0..12).prop_map(Step::List),
        (0_u64..40_000).prop_map(Step::Wait),
        (0_u16..12, proptest::collection::vec(any::<u8>(), 0..70))
            .prop_map(|(from, bytes)| Step::Noise(from, bytes)),
        (0_u16..12).prop_map(Step::Silence),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_comes_and_goes_no_round_hangs_no_bound_breaks_and_reports_are_those_of_the_list(
        steps in proptest::collection::vec(step(), 1..30),
        under_way in 1_usize..8,
        seed in any::<u64>(),
    ) {
        let mut world = World::new(LatencySettings { under_way, period: ms(20_000), ..settings() });
        world.random = SplitMix64::new(seed);
        world.times = (0..12).map(|number| (address(number), ms(1 + world.random.next_u64() % 2_000))).collect();
        let mut listed = None;
        for step in steps {
            match step {
                Step::List(numbers) => {
                    world.list(numbers.iter().copied());
                    listed = Some(numbers);
                }
                Step::Wait(time) => world.run_for(ms(time)),
                Step::Noise(from, bytes) => world.input(Input::Received { source: address(from), at: world.now, bytes: (&bytes).into() }),
                Step::Silence(number) => {
                    world.times.remove(&address(number));
                }
            }
            let reported: BTreeSet<Ipv4Addr> = world.prober.reports().map(|report| report.target.address).collect();
            prop_assert_eq!(reported, listed.iter().flatten().map(|number| address(*number)).collect());
            for report in world.prober.reports() {
                for measured in &report.history {
                    prop_assert!(measured.received <= measured.sent && measured.sent == 3);
                    prop_assert!(measured.min <= measured.avg && measured.avg <= measured.max && measured.max <= ms(1_500));
                }
                prop_assert!(report.smoothed.is_some() || !report.history.iter().any(Measured::is_reachable));
            }
        }
        prop_assert!(world.most_under_way <= under_way);
        // Whatever was under way ends, and everybody has a report.
        world.run_for(ms(120_000));
        if listed.is_some() {
            prop_assert!(world.prober.is_ready());
            prop_assert!(world.prober.reports().all(|report| report.latest().is_some()));
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic_and_what_it_takes_is_what_it_would_write(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        if let Ok(echo) = Echo::from_reply(&bytes) {
            prop_assert_eq!(&echo.reply()[..], &bytes[..]);
        }
    }
}

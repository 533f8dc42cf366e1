use std::{sync::Arc, time::Duration};

use super::*;
use crate::{
    Core, Incarnation, Monotonic, Pubkey, Switch, View,
    guard::AcceptedView,
    polling::{Input, PollSettings, Polling},
    random::Random,
    reconcile::{self, Reader, Reconciler, ReconcilerSettings, Role},
    table::Tables,
    view::Quarantine,
};

const SETTINGS: PollSettings = PollSettings {
    interval: Duration::from_secs(10),
    confirm_after: Duration::from_millis(250),
};

/// A daemon with one machine, that records.
struct Daemon {
    polling: Polling,
    random: SplitMix64,
    track: Track,
    lines: Vec<Vec<u8>>,
}

impl Daemon {
    fn new(part: u64) -> Self {
        let track = Track {
            number: MachineNumber(7),
            of: Some("the ledger".to_owned()),
        };
        let begin = Record::<()>::Begin {
            format: FORMAT,
            version: "1".to_owned(),
            epoch: Epoch(3),
            part,
        }
        .line();
        Self {
            polling: Polling::new(SETTINGS),
            random: SplitMix64::new(5),
            track,
            lines: vec![begin],
        }
    }

    fn begin(&mut self) -> &mut Self {
        self.lines
            .push(self.track.machine(&self.polling, &self.random).line());
        self
    }

    fn give(&mut self, milliseconds: u64, input: Input) -> &mut Self {
        let now = Monotonic::from_elapsed(Duration::from_millis(milliseconds));
        self.lines.push(self.track.input(now, &input).line());
        let effects = self.polling.handle(now, input, &mut self.random);
        self.lines
            .extend(self.track.effects(&effects).map(|record| record.line()));
        self
    }

    fn failing_ledger(&mut self) -> &mut Self {
        self.give(0, Input::Start)
            .give(5, Input::Failed)
            .give(4_000, Input::Timeout)
            .give(4_005, Input::Good)
    }
}

fn play(lines: &[Vec<u8>]) -> Result<Outcome, Failure> {
    let mut player = Replayer::new();
    lines
        .iter()
        .try_for_each(|line| player.play(line.strip_suffix(b"\n").unwrap()))?;
    Ok(player.outcome().clone())
}

fn altered(lines: &[Vec<u8>], what: &str, to: &str) -> Vec<Vec<u8>> {
    let lines: Vec<Vec<u8>> = lines
        .iter()
        .map(|line| String::from_utf8_lossy(line).replace(what, to).into_bytes())
        .collect();
    assert!(
        lines
            .iter()
            .any(|line| String::from_utf8_lossy(line).contains(to)),
        "{what} is there"
    );
    lines
}

#[test]
fn what_is_done_again_is_the_same() {
    let mut daemon = Daemon::new(0);
    let lines = &daemon.begin().failing_ledger().lines;
    let outcome = play(lines).unwrap();
    assert_eq!(
        (outcome.machines, outcome.inputs, outcome.only_read, outcome.lines),
        (1, 4, 0, lines.len() as u64)
    );
}

#[test]
fn a_machine_that_is_read_back_in_the_middle_goes_on_the_same() {
    let mut daemon = Daemon::new(4);
    daemon.failing_ledger();
    daemon.lines.truncate(1);
    let outcome = play(
        &daemon
            .begin()
            .give(4_100, Input::WakeUp)
            .give(14_005, Input::Timeout)
            .give(14_006, Input::Failed)
            .begin()
            .lines,
    )
    .unwrap();
    assert_eq!((outcome.machines, outcome.inputs), (1, 3));
}

#[test]
fn an_input_that_is_another_shows_at_the_line_that_it_leads_to() {
    let mut daemon = Daemon::new(0);
    daemon.begin().failing_ledger();
    // Too early, the timer leads to nothing; recorded is that it led to a read.
    let Failure::Differs {
        line,
        whose,
        recorded,
        replayed,
    } = play(&altered(&daemon.lines, "4000000000", "1000000")).unwrap_err()
    else {
        panic!("it is readable")
    };
    assert_eq!(
        (line, whose.as_str(), replayed.as_str()),
        (7, "polling of the ledger", "nothing")
    );
    assert!(recorded.contains("Read"), "{recorded}");
}

#[test]
fn effects_that_are_missing_or_are_others_differ() {
    let mut daemon = Daemon::new(0);
    daemon.begin().failing_ledger();
    let mut lines = daemon.lines.clone();
    let gone = lines.remove(3);
    assert!(String::from_utf8_lossy(&gone).contains("effects"));
    assert!(matches!(play(&lines), Err(Failure::Differs { line: 4, .. })));
    lines.insert(
        3,
        String::from_utf8_lossy(&gone)
            .replace("Read", "Write")
            .into_bytes(),
    );
    assert!(matches!(play(&lines), Err(Failure::Differs { line: 4, .. })));
}

#[test]
fn random_numbers_are_part_of_it() {
    let mut daemon = Daemon::new(0);
    daemon.begin().failing_ledger();
    let before = serde_json::to_string(&SplitMix64::new(5)).unwrap();
    let mut other = SplitMix64::new(5);
    other.next_u64();
    let lines = altered(
        &daemon.lines,
        &format!("\"random\":{before}"),
        &format!("\"random\":{}", serde_json::to_string(&other).unwrap()),
    );
    let mut daemon = Daemon { lines, ..daemon };
    assert!(
        play(&daemon.begin().lines).is_err(),
        "what the machine is at the end differs"
    );
}

#[test]
fn a_machine_whose_beginning_is_not_there_is_only_read() {
    let mut daemon = Daemon::new(2);
    let outcome = play(&daemon.failing_ledger().lines).unwrap();
    assert_eq!((outcome.machines, outcome.inputs, outcome.only_read), (0, 0, 4));
}

#[test]
fn a_part_that_follows_goes_on_and_one_that_does_not_begins_anew() {
    let mut daemon = Daemon::new(0);
    daemon.begin().failing_ledger();
    for (part, read) in [(1, 0), (2, 1)] {
        let mut lines = daemon.lines.clone();
        lines.push(
            Record::<()>::Begin {
                format: FORMAT,
                version: "1".to_owned(),
                epoch: Epoch(3),
                part,
            }
            .line(),
        );
        lines.push(daemon.track.input(Monotonic::ZERO, &Input::Good).line());
        assert_eq!(play(&lines).unwrap().only_read, read, "part {part}");
    }
}

#[test]
fn a_machine_of_which_something_is_left_out_is_only_read_until_it_is_written_again() {
    let mut daemon = Daemon::new(0);
    daemon.begin().give(0, Input::Start);
    let left_out = daemon.lines.len();
    daemon.give(5, Input::Failed).give(4_000, Input::Timeout);
    let after: Vec<Vec<u8>> = daemon.lines.drain(left_out..).collect();
    let at = Some(Monotonic::from_elapsed(Duration::from_millis(5)));
    daemon.lines.push(daemon.track.omitted(at));
    let timeout = after
        .iter()
        .position(|line| line.starts_with(b"{\"input\""))
        .unwrap()
        + 1;
    daemon.lines.extend(
        after[timeout..]
            .iter()
            .filter(|line| line.starts_with(b"{\"input\""))
            .cloned(),
    );
    daemon.begin().give(4_005, Input::Good);
    let outcome = play(&daemon.lines).unwrap();
    assert_eq!((outcome.inputs, outcome.only_read), (2, 1), "{outcome:?}");
    let short = daemon.track.input(Monotonic::ZERO, &Input::Good);
    assert_eq!(short.line_within(1_000), Some(short.line()));
    assert_eq!(short.line_within(short.line().len() - 1), None);
}

#[test]
fn another_format_and_what_is_no_record_are_told_with_their_lines() {
    for format in [FORMAT - 1, FORMAT + 1] {
        let other = Record::<()>::Begin {
            format,
            version: "9".to_owned(),
            epoch: Epoch(3),
            part: 0,
        }
        .line();
        let error = play(&[other]).unwrap_err().to_string();
        let told = format!("its format is {format}, and this version knows {FORMAT}");
        assert!(error.starts_with("line 1 ") && error.contains(&told), "{error}");
    }
    let mut daemon = Daemon::new(0);
    daemon.begin().lines.push(b"{\"input\":{}}\n".to_vec());
    assert!(matches!(
        play(&daemon.lines),
        Err(Failure::Unreadable { line: 3, .. })
    ));
}

#[test]
fn a_step_is_told_again_by_the_table_and_its_end_is_compared() {
    let step = |position, told: Vec<Event>| {
        Record::<()>::Step {
            by: None,
            told: false,
            position: Sequence(position),
            unix_ms: 9,
            events: told,
            changes: vec![Change::NoTunnels],
        }
        .line()
    };
    let mut table = crate::table::Table::new(
        crate::NodeId::default(),
        Epoch(3),
        crate::table::Bounds::of_events(1),
    );
    let told = vec![Event::Switched { enabled: true }];
    table.append(9, told.clone(), vec![Change::NoTunnels]);
    let end = |position| {
        Record::Table {
            position: Sequence(position),
            tables: table.tables(),
        }
        .line()
    };
    let begin = Daemon::new(0).lines;
    let outcome = play(&[begin.clone(), vec![step(1, told.clone()), end(1)]].concat()).unwrap();
    assert!(outcome.table_compared && outcome.steps == 1);
    assert!(
        play(&[begin.clone(), vec![step(2, told.clone())]].concat()).is_err(),
        "a step was left out"
    );
    assert!(
        play(&[begin, vec![step(1, vec![]), end(1)]].concat()).is_err(),
        "the table has another count of events"
    );
}

/// What a gateway's reconciler makes of these quarantines, one view after the other, told at once.
fn quarantines(reasons: &[Option<&str>]) -> Vec<Vec<u8>> {
    let role = Some(Role::Gateway {
        device: Pubkey([200; 32]),
    });
    let track = Track {
        number: MachineNumber(7),
        of: None,
    };
    let mut core = Reconciler::new(role, ReconcilerSettings::default(), Incarnation(1 << 32));
    let (mut random, mut position) = (SplitMix64::new(5), 0);
    let mut lines = Daemon::new(0).lines;
    lines.push(track.machine(&core, &random).line());
    let view = |reason: &Option<&str>| {
        let quarantined = reason.map(|reason| {
            let why = Quarantine {
                reason: reason.to_owned(),
            };
            (Pubkey([1; 32]), why)
        });
        let view = View {
            quarantined: quarantined.into_iter().collect(),
            ..View::default()
        };
        reconcile::Input::View(AcceptedView::new(Arc::new(view), Monotonic::ZERO))
    };
    let first = [
        reconcile::Input::Switch(Switch::On),
        reconcile::Input::Observed(Ok(Arc::default())),
    ];
    let mut effects = vec![];
    for input in first.into_iter().chain(reasons.iter().map(view)) {
        lines.push(track.input(Monotonic::ZERO, &input).line());
        let led = core.handle(Monotonic::ZERO, input, &mut random);
        lines.extend(track.effects(&led).map(|record| record.line()));
        effects.extend(led);
    }
    let told = Reader::new(0, role, &Tables::default()).part(&core, effects);
    let steps = told.steps.into_iter().map(|step| (step, true));
    for ((events, changes), told) in steps.chain([(told.beside, false)]) {
        position += events.len().max(usize::from(!changes.is_empty())) as u64;
        let step = Record::<()>::Step {
            by: Some(track.number),
            told,
            position: Sequence(position),
            unix_ms: 9,
            events,
            changes,
        };
        lines.push(step.line());
    }
    lines
}

#[test]
fn refusals_are_told_again_with_what_they_change_also_when_they_were_over_by_then() {
    let lines = quarantines(&[Some("too short"), Some("too long"), None, Some("too long")]);
    let outcome = play(&lines).unwrap();
    assert!(outcome.steps >= 4, "{outcome:?}");
    let step = lines
        .iter()
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .find(|line| line.contains("\"step\"") && line.contains("too short"))
        .unwrap();
    let (events, changes) = step.split_once("\"changes\"").unwrap();
    let changed = format!("{events}\"changes\"{}", changes.replace("too short", "too wide"));
    let lines: Vec<Vec<u8>> = lines
        .into_iter()
        .map(|line| {
            if line == step.as_bytes() {
                changed.clone().into_bytes()
            } else {
                line
            }
        })
        .collect();
    assert!(
        matches!(play(&lines), Err(Failure::Differs { .. })),
        "the change is not what its event tells"
    );
}

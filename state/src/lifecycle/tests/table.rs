//! The transition table, exhaustively: every input in every state.

use super::{super::machine::State, *};

const STATES: [&str; 9] = [
    "pending",
    "looking",
    "applying",
    "settled",
    "waiting",
    "compensating",
    "draining",
    "drain-waiting",
    "ended",
];
const INPUTS: [&str; 11] = [
    "assign",
    "observed",
    "applied",
    "removed",
    "session",
    "liveness",
    "recheck",
    "retire",
    "detach",
    "timeout",
    "late-session",
];

fn state_of(bench: &Bench) -> &'static str {
    match bench.machine.state {
        State::Pending => "pending",
        State::Looking(_) => "looking",
        State::Applying(_) => "applying",
        State::Settled => "settled",
        State::Waiting { .. } => "waiting",
        State::Compensating { .. } => "compensating",
        State::Draining(_) => "draining",
        State::DrainWaiting { .. } => "drain-waiting",
        State::Ended => "ended",
    }
}

/// Carries out one pending operation.
fn answer(bench: &mut Bench) {
    while let Some(effect) = bench.pending.pop_front() {
        if let Some(input) = bench.carry_out(effect) {
            bench.give(input);
            return;
        }
    }
    panic!("nothing is under way");
}

fn in_state(state: &str) -> Bench {
    let mut bench = Bench::new();
    match state {
        "pending" => {}
        "looking" => {
            bench.assign(spec(1, "t0"));
        }
        "applying" => {
            bench.assign(spec(1, "t0"));
            answer(&mut bench);
        }
        "settled" => bench = Bench::active(),
        "waiting" => {
            bench.step_faults.push_back(Some(FaultClass::Transient));
            bench.assign(spec(1, "t0"));
            bench.run();
        }
        "compensating" => {
            bench.step_faults.extend([None, Some(FaultClass::Transient)]);
            bench.assign(spec(1, "t0"));
            answer(&mut bench);
            answer(&mut bench);
            answer(&mut bench);
        }
        "draining" => {
            bench = Bench::active();
            bench.retire();
        }
        "drain-waiting" => {
            bench = Bench::active();
            bench.removal_faults.push_back(FaultClass::Transient);
            bench.retire();
            bench.run();
        }
        _ => {
            bench.give(Input::Detach);
        }
    }
    assert_eq!(state_of(&bench), state);
    bench
}

fn give(bench: &mut Bench, input: &str) -> Vec<Effect> {
    match input {
        "assign" => bench.assign(spec(1, "t0")),
        "observed" => {
            let observed = bench.model.observe_link(&name("t0"));
            bench.give(Input::Observed(Ok(observed)))
        }
        "applied" => {
            let steps = bench.log.iter().rev().find_map(|effect| {
                if let Effect::Apply { steps, .. } = effect {
                    Some(steps.clone())
                } else {
                    None
                }
            });
            let steps = steps
                .unwrap_or_default()
                .into_iter()
                .map(|step| (step, StepOutcome::Done))
                .collect();
            bench.give(Input::Applied(ApplyReport {
                generation: Generation(1),
                steps,
                managed: Default::default(),
            }))
        }
        "removed" => bench.give(Input::Removed(RemovalReport::default())),
        "session" => bench.session(SessionUpdate::Status(SessionStatus::Down, None)),
        "liveness" => bench.give(Input::Liveness(vec![(net("198.18.0.0/24"), Usability::Unusable)])),
        "recheck" => bench.give(Input::Recheck),
        "retire" => bench.retire(),
        "detach" => bench.give(Input::Detach),
        "timeout" => {
            bench.now = bench.now + Duration::from_secs(29);
            bench.give(Input::Timeout)
        }
        _ => bench.give(Input::Session(SessionNumber(999), SessionUpdate::Closed)),
    }
}

/// For each state, in the order of [`INPUTS`]: the next state and the effects beside events.
const TABLE: &str = include_str!("table.txt");

#[test]
fn every_input_in_every_state_leads_where_the_table_says() {
    let mut table = String::new();
    for state in STATES {
        for input in INPUTS {
            let mut bench = in_state(state);
            let effects = kinds(&give(&mut bench, input)).join(" ");
            let line = format!("{state:<13} {input:<12} -> {:<13} {effects}", state_of(&bench));
            table.push_str(line.trim_end());
            table.push('\n');
        }
    }
    assert!(table == TABLE, "the table is now:\n{table}");
}

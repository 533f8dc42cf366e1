//! The transition table, exhaustively: every input in every state. It is also the picture in `docs/lifecycle.md`.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use super::{super::state::State, *};

/// States, each with the circumstances that make a difference there.
const SCENES: [(&str, &str); 18] = [
    ("Pending", ""),
    ("Looking", "to build"),
    ("Looking", "to check what is built"),
    ("Looking", "to check, and it is to go"),
    ("Applying", "more steps follow"),
    ("Applying", "the last steps"),
    ("Applying", "the last steps, and it is to go"),
    ("Applying", "the last steps, and it is to be another one"),
    ("Settled", ""),
    ("Waiting", ""),
    ("Waiting", "after a conflict"),
    ("Compensating", ""),
    ("Compensating", "and it is to be another one"),
    ("Compensating", "and it is to go"),
    ("Draining", ""),
    ("Draining", "and it is to come back"),
    ("DrainWaiting", ""),
    ("Ended", ""),
];
const INPUTS: [&str; 18] = [
    "assign",
    "observed",
    "observed: fault",
    "applied",
    "applied: fault",
    "removed",
    "removed: fault",
    "session",
    "routes",
    "late session",
    "liveness",
    "recheck",
    "later recheck",
    "sighted",
    "sighted: a route is missing",
    "retire",
    "detach",
    "timeout",
];

fn state_of(bench: &Bench) -> &'static str {
    match bench.machine.state {
        State::Pending => "Pending",
        State::Looking(_) => "Looking",
        State::Applying(_) => "Applying",
        State::Settled(_) => "Settled",
        State::Waiting(_) => "Waiting",
        State::Compensating(_) => "Compensating",
        State::Draining(_) => "Draining",
        State::DrainWaiting(_) => "DrainWaiting",
        State::Ended(_) => "Ended",
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

fn in_scene((state, circumstance): (&str, &str)) -> Bench {
    let mut bench = match state {
        "Settled" | "Draining" | "DrainWaiting" => Bench::active(),
        "Looking" if circumstance != "to build" => Bench::active(),
        _ => Bench::new(),
    };
    match state {
        "Pending" | "Settled" => {}
        "Looking" if circumstance == "to build" => drop(bench.assign(spec(1, "t0"))),
        "Looking" => drop(bench.give(Input::Recheck)),
        "Applying" if circumstance == "more steps follow" => {
            bench.assign(spec(1, "t0"));
            answer(&mut bench);
        }
        "Applying" => {
            bench.assign(spec(1, "t0"));
            answer(&mut bench);
            answer(&mut bench);
        }
        "Waiting" => {
            let class = if circumstance.is_empty() {
                FaultClass::Transient
            } else {
                FaultClass::Conflict
            };
            bench.step_faults.push_back(Some(class));
            bench.assign(spec(1, "t0"));
            bench.run();
        }
        "Compensating" => {
            bench.step_faults.extend([None, Some(FaultClass::Transient)]);
            bench.assign(spec(1, "t0"));
            answer(&mut bench);
            answer(&mut bench);
            answer(&mut bench);
        }
        "Draining" => drop(bench.retire()),
        "DrainWaiting" => {
            bench.removal_faults.push_back(FaultClass::Transient);
            bench.retire();
            bench.run();
        }
        _ => drop(bench.give(Input::Detach)),
    }
    if circumstance.ends_with("it is to go") {
        bench.retire();
    } else if circumstance.ends_with("it is to be another one")
        || circumstance.ends_with("it is to come back")
    {
        bench.assign(spec(1, "t0"));
    }
    assert_eq!(state_of(&bench), state, "{circumstance}");
    bench.pending.clear();
    bench
}

fn give(bench: &mut Bench, input: &str) -> Vec<Effect> {
    match input {
        "assign" => bench.assign(spec(1, "t0")),
        "observed" => {
            let observed = bench.model.observe_tunnel(tunnel(1), Some(&name("t0")));
            bench.give(Input::Observed(Ok(observed)))
        }
        "observed: fault" => bench.give(Input::Observed(Err(fault(FaultClass::Transient)))),
        "applied" => applied(bench, &StepOutcome::Done),
        "applied: fault" => applied(bench, &StepOutcome::Failed(fault(FaultClass::Transient))),
        "removed" => bench.give(Input::Removed(RemovalReport::default())),
        "removed: fault" => bench.give(Input::Removed(RemovalReport {
            failed: vec![fault(FaultClass::Transient)],
            ..RemovalReport::default()
        })),
        "session" => bench.session(SessionUpdate::Status(SessionStatus::Down, None)),
        "routes" => bench.routes(&["198.18.7.0/24"], &[]),
        "late session" => bench.give(Input::Session(SessionNumber(999), SessionUpdate::Closed)),
        "liveness" => bench.verdicts(vec![(net("198.18.0.0/24"), Usability::Unusable)]),
        "recheck" => bench.give(Input::Recheck),
        "sighted" | "sighted: a route is missing" => {
            let have = bench
                .model
                .observe_tunnel(tunnel(1), None)
                .tunnels
                .remove(&tunnel(1));
            let Some(mut have) = have else { return Vec::new() };
            if input != "sighted" {
                have.routes
                    .retain(|route| route.protocol != crate::RouteProtocol::Bgp);
            }
            bench.give(Input::Sighted(Arc::new(have)))
        }
        "later recheck" => {
            bench.now = bench.now + Duration::from_secs(1);
            bench.give(Input::Recheck)
        }
        "retire" => bench.retire(),
        "detach" => bench.give(Input::Detach),
        "timeout" => {
            bench.now = bench.now + Duration::from_secs(29);
            bench.give(Input::Timeout)
        }
        other => panic!("no input {other}"),
    }
}

/// The steps under way, or none, came to this.
fn applied(bench: &mut Bench, outcome: &StepOutcome) -> Vec<Effect> {
    let last = bench.log.iter().rev().find_map(|effect| {
        if let Effect::Apply { steps, .. } = effect {
            Some(steps.clone())
        } else {
            None
        }
    });
    let steps = last.unwrap_or_default().into_iter();
    bench.give(Input::Applied(ApplyReport {
        generation: Generation(1),
        steps: steps.map(|step| (step, outcome.clone())).collect(),
        managed: Default::default(),
        capabilities: Default::default(),
    }))
}

/// What an input does.
struct Transition {
    scene: (&'static str, &'static str),
    input: &'static str,
    to: &'static str,
    /// Beside events.
    effects: String,
}

impl Transition {
    fn does_something(&self) -> bool {
        self.to != self.scene.0 || !self.effects.is_empty()
    }
}

fn transitions() -> Vec<Transition> {
    let of = |scene, input| {
        let mut bench = in_scene(scene);
        let effects = kinds(&give(&mut bench, input)).join(", ");
        Transition {
            scene,
            input,
            to: state_of(&bench),
            effects,
        }
    };
    SCENES
        .iter()
        .flat_map(|scene| INPUTS.iter().map(move |input| of(*scene, input)))
        .collect()
}

/// The arrows between states, and the table of what is done on the way.
fn document() -> String {
    let mut arrows: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    let mut table = String::new();
    for transition in transitions()
        .iter()
        .filter(|transition| transition.does_something())
    {
        let Transition {
            scene: (state, circumstance),
            input,
            to,
            effects,
        } = transition;
        if state != to {
            let inputs = arrows.entry((state, to)).or_default();
            if !inputs.contains(input) {
                inputs.push(input);
            }
        }
        let _written = writeln!(table, "| {state} | {circumstance} | {input} | {to} | {effects} |");
    }
    let arrows = arrows.iter().map(|((from, to), inputs)| {
        let causes: Vec<String> = inputs.iter().map(|input| input.replace(": ", " ")).collect();
        format!("    {from} --> {to}: {}\n", causes.join(", "))
    });
    format!(
        "{HEAD}```mermaid\nstateDiagram-v2\n    [*] --> Pending\n{}    Ended --> [*]\n```\n\n{TABLE_HEAD}{table}",
        arrows.collect::<String>()
    )
}

const HEAD: &str = "\
# The life of a tunnel

Each tunnel has one machine (`state/src/lifecycle/`), without I/O: inputs go in, and what is to be done comes out. `Looking`,
`Applying`, `Compensating` and `Draining` have exactly one operation of the dataplane under way; what arrives meanwhile is kept
in mind and handled with the answer. Below is what the machine does, as its own test found it out: the test writes this file
(`WARREN_WRITE_GENERATED=1`), and fails when it is not true any more.

The phase that people see follows from the state:

| State | Phase |
|---|---|
| Pending | `pending` |
| Looking, Compensating | as before: `pending`, `linking`, `addressing`, `routing`, `peering`, `active` or `failed` |
| Applying | `linking`, `addressing` or `routing`; only routes of the session change: `peering` or `active` as before |
| Settled | `active`; `peering` while there is a session and it is not up |
| Waiting | `failed` |
| Draining, DrainWaiting | `draining` |
| Ended | `removed`; as before when the daemon lets go of the tunnel |

";

const TABLE_HEAD: &str = "\
An input that is not listed changes nothing but what the machine keeps in mind. `observed`, `applied` and `removed` are the
dataplane's answers; the effects are beside events.

| State | Circumstances | Input | Next | Effects |
|---|---|---|---|---|
";

#[test]
fn the_committed_picture_of_a_tunnels_life_is_what_the_machine_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/lifecycle.md");
    let document = document();
    if std::env::var_os("WARREN_WRITE_GENERATED").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &document).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == document,
        "docs/lifecycle.md is not what the machine does: run make generated\n{document}"
    );
}

#[test]
fn every_state_is_entered_and_left_and_every_input_does_something_somewhere() {
    let transitions = transitions();
    let moves: Vec<_> = transitions.iter().filter(|one| one.to != one.scene.0).collect();
    for (state, _) in SCENES {
        assert!(
            state == "Pending" || moves.iter().any(|one| one.to == state),
            "{state}"
        );
        assert!(
            state == "Ended" || moves.iter().any(|one| one.scene.0 == state),
            "{state}"
        );
    }
    let idle = ["session", "late session", "liveness", "sighted"];
    for input in INPUTS.iter().filter(|input| !idle.contains(input)) {
        assert!(
            transitions
                .iter()
                .any(|one| one.input == *input && one.does_something()),
            "{input}"
        );
    }
}

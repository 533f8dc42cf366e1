//! Hooks, and whether the tunnels can be relied on.

use warren_actors::Snapshot;
use warren_state::{
    health::{HealthVerdict, Purpose},
    hooks::HookStanding,
};

use super::{
    flag,
    page::{Count, Page},
};

pub(super) fn write(page: &mut Page, snapshot: &Snapshot) -> Result<(), prometheus::Error> {
    let of = |value: fn(&HookStanding) -> u64| {
        let hooks = snapshot.hooks.hooks.iter();
        hooks.map(move |(name, hook)| (vec![name.clone()], value(hook)))
    };
    let counts: [Count<HookStanding>; 3] = [
        ("warren_hook_runs_total", "Times that a hook was run.", |hook| {
            hook.runs
        }),
        (
            "warren_hook_failures_total",
            "Runs of a hook that failed.",
            |hook| hook.failures,
        ),
        (
            "warren_hook_dropped_events_total",
            "Events that a hook was not given, because too many waited.",
            |hook| hook.dropped,
        ),
    ];
    for (name, help, count) in counts {
        page.counter(name, help, &["hook"], of(count))?;
    }
    page.gauge(
        "warren_hook_failing",
        "Whether the last run of a hook failed.",
        &["hook"],
        of(|hook| hook.failing.is_some().into()).map(|(labels, value)| (labels, flag(value == 1))),
    )?;
    page.number(
        "warren_hooks_refused",
        "Whether no hook is run, because others could write where they are.",
        flag(snapshot.hooks.problem.is_some()),
    )?;
    let healthy = Purpose::ALL.into_iter().filter_map(|purpose| {
        let standing = snapshot.health.get(&purpose)?;
        let known = standing.verdict != HealthVerdict::Unknown;
        known.then(|| {
            (
                vec![purpose.name().to_owned()],
                flag(standing.verdict == HealthVerdict::Healthy),
            )
        })
    });
    page.gauge(
        "warren_healthy",
        "Whether this host's tunnels can be relied on; absent for a while after a start.",
        &["purpose"],
        healthy,
    )
}

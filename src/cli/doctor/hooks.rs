//! Programs that are given what happens.

use warren_api::v3::Status;

use super::check::Check;

/// Whether they are run, and how their last runs went.
pub fn check(status: &Status) -> Check {
    let hooks = &status.hooks;
    if let Some(problem) = &hooks.problem {
        let advice = "make root its owner, and let nobody else write there";
        return Check::warn("hooks", format!("no hook is run: {problem}"), advice);
    }
    let failing = hooks
        .hooks
        .iter()
        .find_map(|(name, hook)| Some((name, hook.failing.as_ref()?)));
    if let Some((name, failing)) = failing {
        let advice = "`warren events --topic hooks` shows what it said; run it by hand with an event on its standard input";
        return Check::warn("hooks", format!("{name}: {failing}"), advice);
    }
    if let Some((name, hook)) = hooks.hooks.iter().find(|(_, hook)| hook.dropped > 0) {
        let detail = format!("{name} was not given {} events: it is too slow", hook.dropped);
        return Check::warn(
            "hooks",
            detail,
            "make it faster, or name fewer topics under [hooks]",
        );
    }
    let runs: u64 = hooks.hooks.values().map(|hook| hook.runs).sum();
    Check::pass("hooks", format!("{} hooks, run {runs} times", hooks.hooks.len()))
}

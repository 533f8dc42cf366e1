//! `warren plan`.

use warren_api::v3;

use warren_api::client::Client;

use super::output;

/// Prints what the daemon would change now.
///
/// # Errors
/// When the daemon does not answer, or cannot plan.
pub async fn run(client: &Client, as_json: bool) -> anyhow::Result<u8> {
    let plan: v3::PlanReply = client.read("/v3/plan").await?;
    if as_json {
        output::json(&plan)
    } else {
        output::text(&text(&plan))
    }
}

fn text(plan: &v3::PlanReply) -> String {
    let steps = plan.steps.iter().map(|step| output::tame(&step.text) + "\n");
    let conflicts = plan.conflicts.iter().map(|conflict| {
        format!(
            "! {}: {}\n",
            output::tame(&conflict.link),
            output::tame(&conflict.reason)
        )
    });
    let strays = plan.stray_rules.iter();
    let strays = strays.map(|rule| format!("- rule {}\n", output::tame(rule)));
    let mut text: String = strays.chain(steps).chain(conflicts).collect();
    if text.is_empty() {
        text.push_str("Nothing to do: the tunnels are as they should be.\n");
    }
    text.extend(
        plan.last_applied
            .iter()
            .map(|(tunnel, last)| last_applied(tunnel, last)),
    );
    text
}

fn last_applied(tunnel: &str, last: &v3::LastApplied) -> String {
    let (tunnel, backend) = (output::tame(tunnel), output::tame(&last.backend.to_string()));
    let reasons = last.steps.iter().filter_map(|step| step.error.as_deref());
    let failed: Vec<String> = reasons
        .map(|why| format!("  failed: {}\n", output::tame(why)))
        .collect();
    let steps = if last.tried == 1 { "step" } else { "steps" };
    format!(
        "Last applied for {tunnel}: plan {}, {} {steps}, {} failed, dataplane {backend}\n{}",
        last.generation,
        last.tried,
        failed.len(),
        failed.concat()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_applied_last_stands_below_the_plan_with_what_failed() {
        let step = |outcome: &str, error: Option<&str>| v3::StepOutcome {
            text: "+ link doublezero0".to_owned(),
            outcome: outcome.to_owned(),
            error: error.map(str::to_owned),
        };
        let last = v3::LastApplied {
            generation: 7,
            tried: 2,
            steps: vec![step("failed", Some("add rule: busy")), step("done", None)],
            managed: true,
            backend: warren_state::Backend::Netlink.into(),
            features: serde_json::json!([]),
        };
        let plan = v3::PlanReply {
            schema: 1,
            generation: 7,
            steps: vec![],
            conflicts: vec![],
            stray_rules: vec!["to 10.9.0.0/16 lookup 100".to_owned()],
            last_applied: [("A".to_owned(), last)].into(),
        };
        assert_eq!(
            text(&plan),
            "- rule to 10.9.0.0/16 lookup 100\nLast applied for A: plan 7, 2 steps, 1 failed, dataplane netlink\n  failed: add rule: busy\n"
        );
    }
}

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
    text
}

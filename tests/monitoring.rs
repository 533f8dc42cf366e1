//! The dashboard and the alert rules: what they ask for exists, and Prometheus's own tool understands it. Without `promtool` on the
//! machine the trials that need it are skipped by name.
#![allow(missing_docs)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

const RULES: &str = "packaging/prometheus/warren.rules.yml";
const RULE_TESTS: &str = "packaging/prometheus/warren.test.yml";
const DASHBOARD: &str = "packaging/grafana/warren.json";
/// Where metrics get their names.
const METRICS: &str = "src/http/metrics";

fn main() -> ExitCode {
    let no_promtool = Command::new("promtool").arg("--version").output().is_err();
    let trials = vec![
        Trial::test(
            "every_metric_of_the_alert_rules_and_of_the_dashboard_is_one_of_ours",
            every_metric_is_ours,
        ),
        Trial::test(
            "every_alert_rule_has_a_severity_and_says_what_to_do",
            every_alert_says_what_to_do,
        ),
        Trial::test("promtool_takes_the_alert_rules", || {
            promtool(&["check", "rules", RULES])
        })
        .with_ignored_flag(no_promtool),
        Trial::test("alerts_fire_when_they_should_and_not_before", || {
            promtool(&["test", "rules", RULE_TESTS])
        })
        .with_ignored_flag(no_promtool),
        Trial::test(
            "promtool_takes_every_query_of_the_dashboard",
            promtool_takes_the_dashboard,
        )
        .with_ignored_flag(no_promtool),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn every_metric_is_ours() -> Result<(), Failed> {
    let ours = our_metrics()?;
    for file in [RULES, RULE_TESTS, DASHBOARD] {
        let used = names(&fs::read_to_string(path(file))?);
        let strange: Vec<&String> = used
            .iter()
            .filter(|name| !ours.contains(family(name)) && !ours.contains(*name))
            .collect();
        if !strange.is_empty() || used.len() < 5 {
            return Err(format!(
                "{file}: {strange:?} of {} metrics are not in {METRICS}",
                used.len()
            )
            .into());
        }
    }
    Ok(())
}

fn every_alert_says_what_to_do() -> Result<(), Failed> {
    let rules = fs::read_to_string(path(RULES))?;
    for rule in rules.split("- alert: ").skip(1) {
        for part in ["expr:", "labels: {severity: ", "summary: \"", "description: \""] {
            if !rule.contains(part) {
                return Err(format!("no {part} in {rule}").into());
            }
        }
    }
    Ok(())
}

/// Grafana's variables become what it would put there, and each query a rule that promtool reads.
fn promtool_takes_the_dashboard() -> Result<(), Failed> {
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(path(DASHBOARD))?)?;
    let queries = queries(&dashboard);
    if queries.len() < 20 {
        return Err(format!("{} queries only", queries.len()).into());
    }
    let rule = |(at, query): (usize, &String)| {
        let query = query.replace("$host", ".*").replace("$__rate_interval", "1m");
        format!("  - record: query:{at}\n    expr: {}\n", Value::String(query))
    };
    let rules: String = queries.iter().enumerate().map(rule).collect();
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("dashboard.yml");
    fs::write(&file, format!("groups:\n- name: dashboard\n  rules:\n{rules}"))?;
    promtool(&["check", "rules", &file.display().to_string()])
}

fn promtool(arguments: &[&str]) -> Result<(), Failed> {
    let output = Command::new("promtool")
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() && !said.contains("FAILED") {
        Ok(())
    } else {
        Err(said.into())
    }
}

fn queries(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("expr").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(fields.values().flat_map(queries)).collect()
        }
        Value::Array(items) => items.iter().flat_map(queries).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => vec![],
    }
}

fn our_metrics() -> Result<BTreeSet<String>, Failed> {
    let mut text = fs::read_to_string(path("src/http/metrics.rs"))?;
    for file in fs::read_dir(path(METRICS))? {
        text += &fs::read_to_string(file?.path())?;
    }
    Ok(text
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|literal| is_metric(literal))
        .map(str::to_owned)
        .collect())
}

/// A histogram's series have names that are longer than its own.
fn family(name: &str) -> &str {
    ["_bucket", "_sum", "_count"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .unwrap_or(name)
}

fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| is_metric(word)).map(str::to_owned).collect()
}

fn is_metric(word: &str) -> bool {
    ["warren_", "doublezero_"]
        .iter()
        .any(|prefix| word.starts_with(prefix))
}

fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

//! Looking at several things side by side, none longer than its own deadline.

use std::{future::Future, pin::Pin, time::Duration};

use futures_util::future::join_all;
use tokio::time::timeout;

use super::check::Check;

/// Something to look at.
pub struct Job<'a> {
    name: &'static str,
    within: Duration,
    work: Pin<Box<dyn Future<Output = Vec<Check>> + 'a>>,
}

impl<'a> Job<'a> {
    /// Looks for at most this long. `name` stands for its checks when they do not come in time.
    pub fn new(name: &'static str, within: Duration, work: impl Future<Output = Vec<Check>> + 'a) -> Self {
        Self {
            name,
            within,
            work: Box::pin(work),
        }
    }

    /// The same for work that blocks: file systems and name services may.
    pub fn blocking(
        name: &'static str,
        within: Duration,
        work: impl FnOnce() -> Vec<Check> + Send + 'static,
    ) -> Self {
        Self::new(name, within, async move {
            match tokio::task::spawn_blocking(work).await {
                Ok(checks) => checks,
                Err(_panic) => vec![Check::skip(name, "the check failed: a defect of warren")],
            }
        })
    }
}

/// All at once; the answers in the order of the jobs.
pub async fn all(jobs: Vec<Job<'_>>) -> Vec<Check> {
    let jobs = jobs.into_iter().map(|Job { name, within, work }| async move {
        let late = |_elapsed| {
            vec![Check::skip(
                name,
                format!("no answer within {}", humantime::format_duration(within)),
            )]
        };
        timeout(within, work).await.unwrap_or_else(late)
    });
    join_all(jobs).await.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Outcome;

    #[tokio::test]
    async fn one_that_hangs_is_skipped_by_name_and_holds_up_no_other() {
        let long = Duration::from_secs(600);
        let jobs = vec![
            Job::new("hanging", Duration::from_millis(20), std::future::pending()),
            Job::new("quick", long, async { vec![Check::pass("quick", "seen")] }),
            Job::blocking("blocking", long, || vec![Check::pass("blocking", "seen")]),
            Job::blocking("broken", long, || panic!("in a test")),
        ];
        let seen: Vec<_> = all(jobs)
            .await
            .into_iter()
            .map(|check| (check.name, check.outcome, check.detail))
            .collect();
        assert_eq!(
            seen[0],
            ("hanging", Outcome::Skip, "no answer within 20ms".to_owned())
        );
        assert_eq!(
            (seen[1].1, seen[2].1, seen[3].1),
            (Outcome::Pass, Outcome::Pass, Outcome::Skip)
        );
    }
}

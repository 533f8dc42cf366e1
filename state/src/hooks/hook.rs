//! One hook: what waits for it, and what it does now.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{HookEffect, HookFailure, HookStanding};
use crate::{Monotonic, event::Event, journal::JournalEntry};

/// What is known of one.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Hook {
    pub(super) waiting: VecDeque<Arc<JournalEntry>>,
    /// Dropped since the last run began.
    pub(super) lost: u64,
    pub(super) state: State,
    /// Failures in a row, and what was told of them.
    pub(super) failures: u32,
    pub(super) told: Option<HookFailure>,
    /// It is not in the directory any more.
    pub(super) is_gone: bool,
    pub(super) standing: HookStanding,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) enum State {
    /// It may be run.
    #[default]
    Idle,
    /// It runs, until then at most.
    Running(Monotonic),
    /// It was killed, and has not ended yet.
    Killed,
    /// It is not run before that.
    Resting(Monotonic),
}

impl Hook {
    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, State::Running(_) | State::Killed)
    }

    pub(super) fn lose(&mut self, events: u64) {
        self.lost += events;
        self.standing.dropped += events;
    }

    pub(super) fn go_on(
        &mut self,
        name: &str,
        now: Monotonic,
        deadline: Duration,
        effects: &mut Vec<HookEffect>,
    ) {
        match self.state {
            State::Running(until) if until <= now => {
                self.state = State::Killed;
                effects.push(HookEffect::Kill {
                    hook: name.to_owned(),
                });
            }
            State::Resting(until) if until > now => {}
            State::Idle | State::Resting(_) => {
                let Some(entry) = self.waiting.pop_front() else {
                    return;
                };
                let lost = std::mem::take(&mut self.lost);
                if lost > 0 {
                    effects.push(HookEffect::Tell(Event::HookDropped {
                        hook: name.to_owned(),
                        dropped: lost,
                    }));
                }
                self.state = State::Running(now + deadline);
                self.standing.runs += 1;
                effects.push(HookEffect::Run {
                    hook: name.to_owned(),
                    entry,
                    lost,
                });
            }
            State::Running(_) | State::Killed => {}
        }
    }

    pub(super) fn succeeded(&mut self, name: &str) -> Option<Event> {
        (self.state, self.standing.failing) = (State::Idle, None);
        let failures = std::mem::take(&mut self.failures);
        self.told.take().map(|_| Event::HookMended {
            hook: name.to_owned(),
            failures,
        })
    }

    /// Told once for failures in a row that are alike.
    pub(super) fn failed(
        &mut self,
        name: &str,
        until: Monotonic,
        failure: HookFailure,
        detail: Option<String>,
    ) -> Option<Event> {
        self.state = State::Resting(until);
        self.failures = self.failures.saturating_add(1);
        self.standing.failures += 1;
        self.standing.failing = Some(failure.clone());
        let is_news = self.told.as_ref() != Some(&failure);
        self.told = Some(failure.clone());
        is_news.then(|| Event::HookFailed {
            hook: name.to_owned(),
            failure,
            detail,
        })
    }
}

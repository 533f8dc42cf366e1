//! Hooks: programs that are given events. Which of them gets what, when, and for how long is decided here.
//!
//! One event at a time goes to each hook, in order. This many wait for it at most; then the oldest go, and both the hook and the operator
//! are told how many. A hook that takes too long is killed. After a failure it rests, longer after each further one; the event is not given
//! to it again, for nobody knows what it has done already. What happens to hooks is told by events that no hook is given.

mod hook;
mod standing;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    Core, Deadline, Monotonic, NodeId, Position, Sequence,
    event::{Event, Level},
    journal::JournalEntry,
    random::Random,
    stream::{Filter, Topic},
    table::Change,
};

use hook::{Hook, State};
pub use standing::{HookStanding, HooksStanding};

/// What is given to hooks where nothing is configured.
pub const DEFAULT_TOPICS: [Topic; 5] = [
    Topic::Daemon,
    Topic::Switch,
    Topic::Tunnel,
    Topic::Session,
    Topic::Health,
];

/// The numbers of hooks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HookSettings {
    /// Which events they are given.
    pub filter: Filter,
    /// One run may take this long.
    pub deadline: Duration,
    /// This many events wait for a hook at most.
    pub waiting: usize,
    /// It rests this long after a failure; twice as long after each further one.
    pub rest: Duration,
    /// And never longer than this.
    pub longest_rest: Duration,
    /// There are this many hooks at most.
    pub most: usize,
}

impl Default for HookSettings {
    fn default() -> Self {
        Self {
            filter: Filter {
                topics: DEFAULT_TOPICS.into(),
                ..Filter::default()
            },
            deadline: Duration::from_secs(10),
            waiting: 64,
            rest: Duration::from_secs(1),
            longest_rest: Duration::from_secs(60),
            most: 32,
        }
    }
}

/// How a run of a hook failed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "code")]
pub enum HookFailure {
    /// It said so.
    Exit {
        /// Its exit code.
        status: i32,
    },
    /// It was killed, not by us.
    Signal {
        /// By which signal.
        signal: i32,
    },
    /// It took too long, and was killed.
    Deadline {
        /// It had this many seconds.
        seconds: u64,
    },
    /// It was not started.
    NotStarted,
    /// It is not run, because others could have put something else in its place.
    Refused,
    /// It is not run, because there are more hooks than that.
    TooMany {
        /// This many are run at most: those that were there first, and of new ones the first by name.
        most: usize,
    },
}

/// Everything that can happen to [`Hooks`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Input {
    /// These are in the directory now, or none may be run, and why. One that is gone is given nothing any more.
    Found(Result<BTreeSet<String>, String>),
    /// This happened, in order.
    Happened(Vec<Arc<JournalEntry>>),
    /// So many things happened at least that nobody knows any more.
    Missed(u64),
    /// A run is over.
    Ended {
        /// Of which.
        hook: String,
        /// How.
        ended: Ended,
    },
    /// Nothing more is taken, and nobody rests: what waits is given now or never.
    Hurry,
    /// The deadline has passed.
    Timeout,
}

/// How a run ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ended {
    /// What went wrong; none where nothing did.
    pub failure: Option<HookFailure>,
    /// What it, or the system, says to that.
    pub detail: Option<String>,
}

/// What the shell is to do.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub enum HookEffect {
    /// Run this hook with this on its standard input; its end is told by [`Input::Ended`].
    Run {
        /// Which.
        hook: String,
        /// The event.
        entry: Arc<JournalEntry>,
        /// This many were dropped before it.
        lost: u64,
    },
    /// Kill it and whatever it has started.
    Kill {
        /// Which.
        hook: String,
    },
    /// Append this to the table.
    Tell(Event),
}

/// Which hooks there are, and what waits for them.
#[derive(Debug, Serialize, Deserialize)]
pub struct Hooks {
    settings: HookSettings,
    hooks: BTreeMap<String, Hook>,
    /// Those that there is no room for.
    left_out: BTreeSet<String>,
    /// Why none is run.
    problem: Option<String>,
    /// No more is taken: the daemon ends.
    is_last: bool,
}

impl Hooks {
    /// None is known yet.
    #[must_use]
    pub fn new(settings: HookSettings) -> Self {
        Self {
            settings,
            hooks: BTreeMap::new(),
            left_out: BTreeSet::new(),
            problem: None,
            is_last: false,
        }
    }

    fn found(&mut self, found: Result<BTreeSet<String>, String>) -> Vec<HookEffect> {
        let before = self.problem.take();
        let names = match found {
            Ok(names) => names,
            Err(problem) => {
                self.problem = Some(problem.clone());
                let is_news = before.as_ref() != Some(&problem);
                let told = is_news.then_some(HookEffect::Tell(Event::HooksRefused { detail: problem }));
                self.keep(&BTreeSet::new());
                self.left_out.clear();
                return told.into_iter().collect();
            }
        };
        self.keep(&names);
        let mut left_out = BTreeSet::new();
        for name in names {
            if self.hooks.len() < self.settings.most || self.hooks.contains_key(&name) {
                self.hooks.entry(name).or_default().is_gone = false;
            } else {
                left_out.insert(name);
            }
        }
        self.leave_out(left_out).into_iter().collect()
    }

    /// Told of the first of them, whenever there is another one.
    fn leave_out(&mut self, names: BTreeSet<String>) -> Option<HookEffect> {
        let is_news = !names.is_subset(&self.left_out);
        self.left_out = names;
        let hook = self.left_out.first().filter(|_| is_news)?.clone();
        let others = self.left_out.len() - 1;
        Some(HookEffect::Tell(Event::HookFailed {
            hook,
            failure: self.too_many(),
            detail: (others > 0).then(|| format!("nor are {others} others")),
        }))
    }

    fn too_many(&self) -> HookFailure {
        HookFailure::TooMany {
            most: self.settings.most,
        }
    }

    /// Drops those that are not among these; one that runs comes to its end first.
    fn keep(&mut self, names: &BTreeSet<String>) {
        for (name, hook) in &mut self.hooks {
            if !names.contains(name) {
                hook.is_gone = true;
                hook.waiting.clear();
            }
        }
        self.hooks.retain(|_, hook| !hook.is_gone || hook.is_running());
    }

    fn take(&mut self, entry: &Arc<JournalEntry>) {
        let about_hooks = entry.event.kind().topic() == Topic::Hooks;
        if about_hooks || self.is_last || !self.settings.filter.wants_event(&entry.event) {
            return;
        }
        for hook in self.hooks.values_mut().filter(|hook| !hook.is_gone) {
            hook.waiting.push_back(entry.clone());
            if hook.waiting.len() > self.settings.waiting.max(1) {
                hook.waiting.pop_front();
                hook.lose(1);
            }
        }
    }

    fn missed(&mut self, events: u64) {
        self.hooks.values_mut().for_each(|hook| hook.lose(events));
    }

    /// What is to be done now.
    fn go_on(&mut self, now: Monotonic) -> Vec<HookEffect> {
        let deadline = self.settings.deadline;
        let mut effects = Vec::new();
        for (name, hook) in &mut self.hooks {
            hook.go_on(name, now, deadline, &mut effects);
        }
        effects
    }

    /// A run is over. Says what there is to tell of it.
    fn ended(&mut self, now: Monotonic, name: &str, ended: Ended) -> Vec<HookEffect> {
        let Some(hook) = self.hooks.get_mut(name) else {
            return Vec::new();
        };
        let killed = hook.state == State::Killed;
        let failure = match ended.failure {
            Some(HookFailure::Signal { .. }) if killed => Some(HookFailure::Deadline {
                seconds: self.settings.deadline.as_secs(),
            }),
            other => other,
        };
        let told = match failure {
            None => hook.succeeded(name),
            Some(failure) => {
                let doubled = 1 << hook.failures.min(16);
                let rest = (self.settings.rest * doubled).min(self.settings.longest_rest);
                hook.failed(name, now + rest, failure, ended.detail)
            }
        };
        self.hooks.retain(|_, hook| !hook.is_gone || hook.is_running());
        told.map(HookEffect::Tell).into_iter().collect()
    }

    fn hurry(&mut self) {
        self.is_last = true;
        for hook in self.hooks.values_mut() {
            if let State::Resting(_) = hook.state {
                hook.state = State::Idle;
            }
        }
    }

    /// Whether nothing runs, and nothing waits.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.hooks
            .values()
            .all(|hook| !hook.is_running() && hook.waiting.is_empty())
    }

    /// The oldest event that waits for any of them.
    #[must_use]
    pub fn oldest(&self) -> Option<Sequence> {
        let first = |hook: &Hook| hook.waiting.front().map(|entry| entry.sequence);
        self.hooks.values().filter_map(first).min()
    }

    /// How they fare.
    #[must_use]
    pub fn standing(&self) -> HooksStanding {
        let of = |hook: &Hook| HookStanding {
            waiting: hook.waiting.len(),
            running: hook.is_running(),
            ..hook.standing.clone()
        };
        let not_run = || HookStanding {
            failing: Some(self.too_many()),
            ..HookStanding::default()
        };
        let left_out = self.left_out.iter().take(self.settings.most);
        let run = self.hooks.iter().map(|(name, hook)| (name.clone(), of(hook)));
        HooksStanding {
            problem: self.problem.clone(),
            hooks: run
                .chain(left_out.map(|name| (name.clone(), not_run())))
                .collect(),
        }
    }
}

impl Core for Hooks {
    const NAME: &'static str = "hooks";
    type Input<'a> = Input;
    type Effect = HookEffect;
    const TIMEOUT: fn() -> Input = || Input::Timeout;

    fn handle(&mut self, now: Monotonic, input: Input, _random: &mut dyn Random) -> Vec<HookEffect> {
        let mut effects = match input {
            Input::Found(found) => self.found(found),
            Input::Happened(entries) => {
                entries.iter().for_each(|entry| self.take(entry));
                Vec::new()
            }
            Input::Missed(events) => {
                self.missed(events);
                Vec::new()
            }
            Input::Ended { hook, ended } => self.ended(now, &hook, ended),
            Input::Hurry => {
                self.hurry();
                Vec::new()
            }
            Input::Timeout => Vec::new(),
        };
        effects.extend(self.go_on(now));
        effects
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        let deadline = |hook: &Hook| match hook.state {
            State::Running(until) => Some(Deadline {
                at: until,
                name: "hook_deadline",
            }),
            State::Resting(until) if !hook.waiting.is_empty() => Some(Deadline {
                at: until,
                name: "hook_rest",
            }),
            State::Resting(_) | State::Idle | State::Killed => None,
        };
        self.hooks.values().filter_map(deadline).min()
    }

    fn told(effect: &HookEffect) -> Option<&Event> {
        match effect {
            HookEffect::Tell(event) => Some(event),
            HookEffect::Run { .. } | HookEffect::Kill { .. } => None,
        }
    }

    fn vouch(&self, change: &Change) -> Change {
        if matches!(change, Change::Hooks(_)) {
            return Change::Hooks(Arc::new(self.standing()));
        }
        change.clone()
    }
}

/// What a hook reads: the event as streams show it, in one line.
#[must_use]
pub fn input(node: NodeId, entry: &JournalEntry, lost: u64) -> String {
    #[derive(Serialize)]
    struct Told<'a> {
        position: Position,
        #[serde(flatten)]
        entry: &'a JournalEntry,
        level: Level,
        text: String,
        #[serde(skip_serializing_if = "is_none")]
        dropped: u64,
    }
    fn is_none(lost: &u64) -> bool {
        *lost == 0
    }
    let told = Told {
        position: entry.place().of(node),
        entry,
        level: entry.event.level(),
        text: entry.event.to_string(),
        dropped: lost,
    };
    // None of our types has a key that is no text.
    serde_json::to_string(&told).unwrap_or_default() + "\n"
}

impl std::fmt::Display for HookFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exit { status } => write!(f, "it ended with exit code {status}"),
            Self::Signal { signal } => write!(f, "signal {signal} ended it"),
            Self::Deadline { seconds } => write!(f, "it took longer than {seconds} s, and was killed"),
            Self::NotStarted => f.write_str("it cannot be started"),
            Self::Refused => f.write_str(
                "it is not run, because users other than root and the daemon's own could change it",
            ),
            Self::TooMany { most } => write!(f, "it is not run: there are more than {most} hooks"),
        }
    }
}

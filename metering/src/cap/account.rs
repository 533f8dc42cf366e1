//! How much one has used, of which the authority knows a part.

use std::{collections::VecDeque, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Calendar, Cap, Decision, Known, Policy, Span, UnixSeconds, Usage, decide};

/// Of a rolling window this many parts are told apart: it lets go of what was used a part at a time.
const PARTS: u32 = 60;

/// How much one has used.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Account {
    /// All that was counted here, both ways. It only grows.
    total: u64,
    /// What the authority said last.
    #[serde(alias = "word")]
    snapshot: Option<CapSnapshot>,
    /// Its window, as it is known here.
    span: Span,
    /// What was counted by when, within a rolling window: the oldest first.
    parts: VecDeque<(UnixSeconds, u64)>,
    held: bool,
}

/// How one stands at a moment, as an authority knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CapSnapshot {
    /// What may be used.
    pub cap: Cap,
    /// What was used in the window, from everywhere.
    pub used: u64,
    /// How much of this host's total is in it: what was counted beyond it the authority cannot have seen.
    pub seen: u64,
}

impl Account {
    /// Takes the total as it is now. What comes between two looks at either side of a window's end counts as before it.
    pub fn count(&mut self, total: u64, calendar: &Calendar, now: UnixSeconds) {
        self.total = self.total.max(total);
        self.roll(calendar, now);
    }

    /// Takes the authority's word. One that knows less than the last one of the same window is late and changes nothing. One of a
    /// window that is over says what may be used, and not how much of it is: the authority has not begun the next one.
    pub fn hear(&mut self, snapshot: CapSnapshot, calendar: &Calendar, now: UnixSeconds) {
        self.roll(calendar, now);
        let over = snapshot.cap.window.ended(now);
        let snapshot = match self.snapshot {
            Some(last) if last.cap.window == snapshot.cap.window && over => CapSnapshot {
                cap: snapshot.cap,
                ..last
            },
            Some(last) if last.cap.window == snapshot.cap.window && snapshot.seen < last.seen => return,
            Some(last) if over && last.cap.window.ends() > snapshot.cap.window.ends() => return,
            Some(_) | None if over => CapSnapshot {
                used: 0,
                seen: self.total,
                ..snapshot
            },
            Some(_) | None => snapshot,
        };
        if self.snapshot.is_none_or(|last| last.cap != snapshot.cap) {
            self.held = false;
        }
        if self
            .snapshot
            .is_none_or(|last| last.cap.window != snapshot.cap.window)
        {
            self.parts.clear();
            self.span = snapshot.cap.window.span(calendar, now);
        }
        self.snapshot = Some(snapshot);
        self.part(now);
    }

    /// A cap that no authority but this host keeps: nothing of it was used before now. Another limit in the same window keeps what
    /// was used.
    pub fn set(&mut self, cap: Cap, calendar: &Calendar, now: UnixSeconds) {
        self.roll(calendar, now);
        let before = self.snapshot.filter(|snapshot| snapshot.cap.window == cap.window);
        let snapshot = before.map_or(
            CapSnapshot {
                cap,
                used: 0,
                seen: self.total,
            },
            |snapshot| CapSnapshot { cap, ..snapshot },
        );
        self.hear(snapshot, calendar, now);
    }

    /// There is no cap any more.
    pub fn clear(&mut self) {
        *self = Self {
            total: self.total,
            ..Self::default()
        };
    }

    /// Decides, and keeps in mind whether it is held.
    pub fn decide(&mut self, exempt: bool, policy: &Policy, now: UnixSeconds) -> Decision {
        self.roll(&policy.calendar, now);
        let decision = decide(&self.usage(exempt, now), policy, now);
        self.held = self.snapshot.is_some() && decision != Decision::Unlimited;
        decision
    }

    /// How much of the cap is used.
    #[must_use]
    pub fn usage(&self, exempt: bool, now: UnixSeconds) -> Usage {
        Usage {
            exempt,
            known: self.snapshot.map(|snapshot| Known {
                cap: snapshot.cap,
                used: self.used(&snapshot, now),
                until: self.span.until,
                since_end: 0,
            }),
            held: self.held,
        }
    }

    /// What the authority said last.
    #[must_use]
    pub fn snapshot(&self) -> Option<&CapSnapshot> {
        self.snapshot.as_ref()
    }

    /// All that was counted here.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The window.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// How much may be used yet, where there is a limit.
    #[must_use]
    pub fn left(&self, now: UnixSeconds) -> Option<u64> {
        let snapshot = self.snapshot?;
        Some(snapshot.cap.octets()?.saturating_sub(self.used(&snapshot, now)))
    }

    /// How long until this should be looked at again: before the rest can be used up at this speed, in octets a second, and when the
    /// window ends; not before `shortest`.
    #[must_use]
    pub fn next_look(&self, speed: u64, shortest: Duration, longest: Duration, now: UnixSeconds) -> Duration {
        let rest = self.left(now).filter(|left| *left > 0);
        let used_up = rest.map(|left| Duration::from_secs(left.checked_div(speed).unwrap_or(u64::MAX)));
        let end = self.span.until.map(|until| until.0.saturating_sub(now.0));
        let end = end.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
        let soonest = used_up.into_iter().chain(end).min().unwrap_or(longest);
        soonest.clamp(shortest, longest.max(shortest))
    }

    fn used(&self, snapshot: &CapSnapshot, now: UnixSeconds) -> u64 {
        let Some((stretch, part)) = parts(snapshot) else {
            return snapshot
                .used
                .saturating_add(self.total.saturating_sub(snapshot.seen));
        };
        let over = |at: UnixSeconds| at.0.saturating_add(part).saturating_add(stretch) <= now.0;
        let before = self.parts.iter().take_while(|(at, _)| over(*at)).last();
        self.total
            .saturating_sub(before.map_or(snapshot.seen, |(_, total)| *total))
    }

    /// Goes on to the next window where this one has ended.
    fn roll(&mut self, calendar: &Calendar, now: UnixSeconds) {
        self.part(now);
        let Some(snapshot) = &mut self.snapshot else {
            return;
        };
        if self.span.until.is_none_or(|until| now < until) {
            return;
        }
        self.span = snapshot.cap.window.span(calendar, now);
        *snapshot = CapSnapshot {
            used: 0,
            seen: self.total,
            ..*snapshot
        };
        self.held = false;
    }

    /// Notes the total, where the window is a rolling one.
    fn part(&mut self, now: UnixSeconds) {
        let Some((stretch, part)) = self.snapshot.as_ref().and_then(parts) else {
            return;
        };
        let begin = UnixSeconds(now.0 / part * part);
        match self.parts.back_mut() {
            Some((at, total)) if *at >= begin => *total = self.total,
            Some(_) | None => self.parts.push_back((begin, self.total)),
        }
        let out = now.0.saturating_sub(stretch).saturating_sub(part);
        while self.parts.get(1).is_some_and(|(at, _)| at.0 <= out) {
            self.parts.pop_front();
        }
    }
}

/// The length of a rolling window and of its parts, in seconds.
fn parts(snapshot: &CapSnapshot) -> Option<(i64, i64)> {
    let stretch = snapshot.cap.window.rolling()?;
    let seconds = i64::try_from(stretch.as_secs()).unwrap_or(i64::MAX);
    Some((seconds, (seconds / i64::from(PARTS)).max(1)))
}

//! The picture of what a host's tunnels do, as lines for people: what is wrong first, with its fix, and then a block for each tunnel.
//! What a colour says, a sign or a word says too.

use std::{borrow::Cow, io::IsTerminal as _};

use warren_api::{
    notes, phrases,
    picture::name,
    v3::{Freshness, Group, Path, PathCap, PathStep, Picture, Status, StepState, Tunnel},
};

use super::output;

/// What a piece of text is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    Plain,
    Quiet,
    Strong,
    Good,
    Going,
    Attention,
    Bad,
}

/// A piece of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    pub text: String,
    pub tone: Tone,
}

/// A line, piece by piece.
pub type Line = Vec<Span>;

/// What the place where it is shown can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Style {
    pub has_colour: bool,
    pub is_utf8: bool,
}

impl Style {
    /// Of standard output: colour on a terminal only, and more than ASCII where the locale has it.
    pub fn of_stdout() -> Self {
        let named = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let is_dumb = named("TERM").is_some_and(|term| term == "dumb");
        Self {
            has_colour: std::io::stdout().is_terminal() && named("NO_COLOR").is_none() && !is_dumb,
            is_utf8: is_utf8(named),
        }
    }

    /// A line as text.
    pub fn line(self, line: &Line) -> String {
        let each = line.iter().map(|span| match colour(span.tone) {
            Some(code) if self.has_colour => format!("\x1b[{code}m{}\x1b[0m", self.written(&span.text)),
            Some(_) | None => self.written(&span.text).into_owned(),
        });
        each.collect::<String>().trim_end().to_owned()
    }

    /// In letters that the place has: names of the ledger may have others.
    fn written(self, text: &str) -> Cow<'_, str> {
        if self.is_utf8 || text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let letter = |letter: char| if letter.is_ascii() { letter } else { '?' };
        Cow::Owned(text.chars().map(letter).collect())
    }

    fn sign(self, state: StepState) -> &'static str {
        match (state, self.is_utf8) {
            (StepState::Ok, true) => "✓",
            (StepState::Working, true) => "…",
            (StepState::Wrong, true) => "✗",
            (StepState::Waiting, true) => "·",
            (StepState::Ok, false) => "+",
            (StepState::Working, false) => "~",
            (StepState::Wrong, false) => "x",
            (StepState::Waiting, false) => ".",
            (StepState::Attention, _) => "!",
            (StepState::Unknown, _) => "?",
        }
    }
}

/// As a system's library decides: the first of these that is set counts.
fn is_utf8(named: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| named(name));
    locale.is_some_and(|locale| locale.to_lowercase().replace('-', "").contains("utf8"))
}

fn colour(tone: Tone) -> Option<u8> {
    match tone {
        Tone::Plain => None,
        Tone::Quiet => Some(2),
        Tone::Strong => Some(1),
        Tone::Good => Some(32),
        Tone::Going => Some(36),
        Tone::Attention => Some(33),
        Tone::Bad => Some(31),
    }
}

/// What is known of a tunnel's service: where it is connected, and what the ledger says of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ServiceSummary {
    /// The tunnel's interface.
    pub link: String,
    /// In a few words.
    pub words: String,
}

/// Everything, a line for each.
pub fn lines(picture: &Picture, status: &Status, services: &[ServiceSummary], style: Style) -> Vec<Line> {
    let mut lines = vec![head(status)];
    lines.extend(problems(picture, style));
    for path in &picture.paths {
        lines.push(vec![]);
        let tunnel = status.tunnels.iter().find(|tunnel| tunnel.id == path.tunnel);
        lines.extend(block(path, tunnel, services, status.unix_ms, style));
    }
    if picture.paths.is_empty() {
        let why = notes::no_user(status).filter(|_| status.enabled);
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        lines.extend([vec![], vec![span(format!("disconnected{why}"), Tone::Plain)]]);
    }
    lines
}

/// Whose they are, and how all of it stands.
pub fn head(status: &Status) -> Line {
    let whose = status.client_ip.as_deref().or(status.device.as_deref());
    let whose = whose.unwrap_or("no address yet").to_owned();
    let (word, tone) = match (status.enabled, status.converged) {
        (false, _) => ("disabled", Tone::Attention),
        (true, true) => ("as it should be", Tone::Good),
        (true, false) => ("there is something to do", Tone::Going),
    };
    vec![
        span(whose, Tone::Strong),
        span(format!("  {}, {}, ", status.network, status.role), Tone::Quiet),
        span(word, tone),
    ]
}

/// What is wrong, each with what can be done about it.
pub fn problems(picture: &Picture, style: Style) -> Vec<Line> {
    let each = picture.problems.iter().flat_map(|problem| {
        let what = vec![
            span(format!("{} ", style.sign(StepState::Wrong)), Tone::Bad),
            span(output::tame(&problem.text), Tone::Plain),
        ];
        let fix = problem
            .fix
            .as_ref()
            .map(|fix| vec![span(format!("  what to do: {}", output::tame(fix)), Tone::Quiet)]);
        [what].into_iter().chain(fix)
    });
    each.collect()
}

fn block(
    path: &Path,
    tunnel: Option<&Tunnel>,
    services: &[ServiceSummary],
    now: u64,
    style: Style,
) -> Vec<Line> {
    let name = path.link.clone().unwrap_or_else(|| "no interface".to_owned());
    let of_it = services
        .iter()
        .find(|service| Some(&service.link) == path.link.as_ref());
    let kind = tunnel
        .and_then(|tunnel| tunnel.user_type.as_ref())
        .map_or_else(String::new, |kind| format!("  {kind}"));
    let words = of_it.map_or_else(String::new, |service| {
        format!("  {}", output::tame(&service.words))
    });
    let title = vec![
        span(name, Tone::Strong),
        span(format!("{kind}{words}"), Tone::Plain),
        span(format!("  {}", path.tunnel), Tone::Quiet),
    ];
    let steps = path.steps.iter().flat_map(|step| step_lines(step, now, style));
    let cap = path.cap.iter().flat_map(|cap| cap_lines(cap, style));
    let groups = path.groups.iter().map(|group| group_line(group, now, style));
    let after = cap.chain(groups);
    [title].into_iter().chain(steps).chain(after).collect()
}

fn cap_lines(cap: &PathCap, style: Style) -> Vec<Line> {
    let mut lines = vec![vec![
        span(format!("  {} cap     ", style.sign(cap.state)), tone(cap.state)),
        span(output::tame(&cap.text), Tone::Plain),
    ]];
    lines.extend(cap.reason.as_ref().map(|reason| because(reason, cap.state)));
    lines
}

fn because(reason: &str, state: StepState) -> Line {
    vec![span(
        format!("             {}", output::tame(reason)),
        tone(state),
    )]
}

fn step_lines(step: &PathStep, now: u64, style: Style) -> Vec<Line> {
    let age = step
        .since_unix_ms
        .map_or_else(String::new, |since| format!("  {}", age(now, since)));
    let mut lines = vec![vec![
        span(
            format!("  {} {:<8}", style.sign(step.state), name(step.step)),
            tone(step.state),
        ),
        span(output::tame(&step.text), Tone::Plain),
        span(age, Tone::Quiet),
    ]];
    lines.extend(step.reason.as_ref().map(|reason| because(reason, step.state)));
    lines
}

fn group_line(group: &Group, now: u64, style: Style) -> Line {
    let state = match group.freshness {
        Freshness::Ok => StepState::Ok,
        Freshness::Stale => StepState::Attention,
        Freshness::Dead => StepState::Wrong,
        Freshness::Unknown => StepState::Unknown,
    };
    let passed = group.passed();
    let passed = if passed.is_empty() {
        passed
    } else {
        format!("{passed}  ")
    };
    vec![
        span(format!("  {} group   ", style.sign(state)), tone(state)),
        span(format!("{} {}  {passed}", group.group, group.role()), Tone::Plain),
        span(group.seen(now), tone(state)),
    ]
}

fn tone(state: StepState) -> Tone {
    match state {
        StepState::Ok => Tone::Good,
        StepState::Working => Tone::Going,
        StepState::Attention => Tone::Attention,
        StepState::Wrong => Tone::Bad,
        StepState::Waiting | StepState::Unknown => Tone::Quiet,
    }
}

fn age(now: u64, since: u64) -> String {
    let whole = std::time::Duration::from_millis(now.saturating_sub(since)).as_secs();
    phrases::span(std::time::Duration::from_secs(whole).as_secs_f64())
}

pub fn span(text: impl Into<String>, tone: Tone) -> Span {
    Span {
        text: text.into(),
        tone,
    }
}

#[cfg(test)]
mod tests;

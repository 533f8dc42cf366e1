//! The log: a reader that tells what happened, each thing once, and sums up what repeats.

use std::{fmt, sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::{sync::oneshot, time::timeout};
use warren_state::{
    Phase, Sequence, SessionStatus,
    event::{About, Level},
    journal::JournalEntry,
    repeats::{RepeatDecision, Repeats, Suppressed},
};

use crate::{
    env::Env,
    shared_table::{Following, Wants},
    supervision::{
        spec::{Order, Spec, Task, linked},
        wakeup::waker,
        watchdog::Watch,
    },
};

pub(crate) const SPEC: Spec = Spec {
    last_words: Some(flush),
    ..Spec::new("log", Order::Reader, |env, root| linked(Log, env, root))
};

/// How long the last lines may take.
const FLUSH: Duration = Duration::from_secs(2);
/// From one look for sums that are due to the next.
const SUMS: Duration = Duration::from_secs(1);

pub(crate) struct Log;

pub(crate) enum LogMessage {
    /// The table has steps that this reader has not told yet.
    Woken,
    /// Sums may be due.
    Sums,
    /// Tell all that is new, and reply when it is told.
    Flush(oneshot::Sender<()>),
}

pub(crate) struct State {
    env: Arc<Env>,
    watch: Watch,
    following: Following,
    repeats: Repeats,
}

impl Actor for Log {
    type Msg = LogMessage;
    type State = State;
    type Arguments = Arc<Env>;

    async fn pre_start(
        &self,
        myself: ActorRef<LogMessage>,
        env: Arc<Env>,
    ) -> Result<State, ActorProcessingErr> {
        let watch = env.watchdog.watch(SPEC.name, myself.get_cell());
        env.mailboxes.set(myself.clone());
        myself.send_interval(SUMS, || LogMessage::Sums);
        let following = env
            .table
            .follow(Wants::Events, waker(&myself, || LogMessage::Woken));
        Ok(State {
            env,
            watch,
            following,
            repeats: Repeats::default(),
        })
    }

    async fn handle(
        &self,
        _myself: ActorRef<LogMessage>,
        message: LogMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let now = state.env.clock.now();
        state.watch.progress.busy(Some(now));
        match message {
            LogMessage::Woken => {
                state.following.answer();
                state.read();
            }
            LogMessage::Sums => state.repeats.due(now).iter().for_each(log_sum),
            LogMessage::Flush(done) => {
                state.read();
                state.repeats.rest(now).iter().for_each(log_sum);
                let _nobody_waits = done.send(());
            }
        }
        state.watch.progress.busy(None);
        Ok(())
    }
}

impl State {
    /// Tells what happened since the last time, also of an earlier log that failed meanwhile.
    fn read(&mut self) {
        let table = &self.env.table;
        let position = table.cursor(SPEC.name);
        let (now, told) = table.told_since(position);
        let told = told.unwrap_or_else(|gap| {
            tracing::warn!(
                from = gap.asked.0,
                to = gap.oldest.0,
                "events came faster than they could be logged; log lines are missing"
            );
            let (_, kept) = table.told_since(Sequence(gap.oldest.0.saturating_sub(1)));
            kept.unwrap_or_default()
                .into_iter()
                .filter(|entry| entry.sequence <= now)
                .collect()
        });
        table.advance(SPEC.name, now);
        told.iter().for_each(|entry| self.tell(entry));
    }

    fn tell(&mut self, entry: &JournalEntry) {
        match self.repeats.take(self.env.clock.now(), entry) {
            RepeatDecision::Plainly => log(entry, &""),
            RepeatDecision::Times(times) => log(entry, &format_args!(" ({times} times so far)")),
            RepeatDecision::Later => {}
        }
    }
}

/// Tells what was not told yet, if the log is running.
fn flush(env: Arc<Env>) -> Task<()> {
    Box::pin(async move {
        let (done, flushed) = oneshot::channel();
        if env.mailboxes.send(LogMessage::Flush(done)) {
            let _late = timeout(FLUSH, flushed).await;
        }
    })
}

/// What happened again and again, in one line.
fn log_sum(sum: &Suppressed) {
    let times = if sum.times == 1 {
        "once more".to_owned()
    } else {
        format!("{} times", sum.times)
    };
    log(
        &sum.last,
        &format_args!(" ({times} in the last {})", within(sum.within)),
    );
}

fn within(span: Duration) -> String {
    match span.as_secs() {
        60..=61 => "minute".to_owned(),
        seconds => format!("{seconds} s"),
    }
}

/// The one place where events become log lines: the words, and what they are about as fields.
fn log(entry: &JournalEntry, remark: &dyn fmt::Display) {
    macro_rules! line {
        ($level:ident) => {{
            let (event, About { tunnel, link, incarnation, phase, session, class, code, actor }) = (&entry.event, entry.event.about());
            tracing::$level!(
                target: "warren::event",
                event = event.name(),
                sequence = entry.sequence.0,
                tunnel = tunnel.map(display),
                link = link.map(display),
                incarnation = incarnation.map(|incarnation| incarnation.0),
                phase = phase.map(Phase::name),
                session = session.map(SessionStatus::name),
                class = class.map(display),
                code,
                actor,
                "{event}{remark}"
            )
        }};
    }
    match entry.event.level() {
        Level::Debug => line!(debug),
        Level::Info => line!(info),
        Level::Warn => line!(warn),
        Level::Error => line!(error),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    /// Lines of `info` and above that follow from no event, and why. What users are told is an event first: then the stream, the
    /// journal and hooks have it too.
    const PAST_THE_EVENTS: [(&str, &str); 3] = [
        ("log.rs", "events are missing from the log itself"),
        ("env.rs", "the recording ends when nobody reads events any more"),
        (
            "supervision/recorder/file.rs",
            "what is wrong with a recording does not belong into it",
        ),
    ];

    #[test]
    fn what_is_logged_from_info_on_follows_from_events() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = BTreeSet::new();
        let mut directories = vec![source.clone()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else if says_more_than_debug(&fs::read_to_string(&path).unwrap()) {
                    let name = path.strip_prefix(&source).unwrap();
                    found.insert(name.to_string_lossy().into_owned());
                }
            }
        }
        let allowed: BTreeSet<String> = PAST_THE_EVENTS
            .iter()
            .map(|(file, _)| (*file).to_owned())
            .collect();
        assert_eq!(found, allowed, "make it an event");
        assert!(says_more_than_debug("tracing::info!(x)") && !says_more_than_debug("debug!(x)"));
    }

    fn says_more_than_debug(source: &str) -> bool {
        let code = source.split("mod tests {").next().unwrap_or(source);
        let macros = ["info", "warn"].map(|level| format!("{level}!("));
        macros.iter().any(|call| code.contains(call.as_str()))
    }
}

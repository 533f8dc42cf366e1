//! The log: text or JSON, on stderr.

use std::{
    io::{self, Write},
    sync::{Arc, OnceLock},
};

use tracing::Subscriber;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    fmt::MakeWriter,
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use super::{LogConfig, LogFormat};

/// How many lines may wait for whoever takes them. What comes while so many wait is dropped, and a line says how many; what happened is
/// in the journal all the same.
const WAITING: usize = 8_192;

/// Lines that wait are written when this goes, for a second at most.
#[must_use]
pub struct Logging {
    _lines: WorkerGuard,
}

/// Starts logging for a command: each line is written before it goes on. The level was checked with the rest of the configuration.
pub fn init(config: &LogConfig) {
    start(config, std::io::stderr);
}

/// Starts logging for a daemon, which never waits for whoever takes its lines: a pipe that nobody reads, or a terminal that is
/// stopped, must not cost a session.
pub fn init_without_waiting(config: &LogConfig) -> Logging {
    let (writer, guard) = without_waiting(config.format, std::io::stderr());
    start(config, writer);
    Logging { _lines: guard }
}

fn without_waiting(format: LogFormat, to: impl Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    let counter = Arc::new(OnceLock::new());
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING)
        .thread_name("warrend-log")
        .finish(Telling {
            to,
            format,
            counter: Arc::clone(&counter),
            told: 0,
        });
    let _first = counter.set(writer.error_counter());
    (writer, guard)
}

/// Says, before the next line, how many were dropped.
struct Telling<W> {
    to: W,
    format: LogFormat,
    counter: Arc<OnceLock<ErrorCounter>>,
    told: usize,
}

impl<W: Write> Write for Telling<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    /// The log's thread writes each line by this.
    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        let dropped = self.counter.get().map_or(0, ErrorCounter::dropped_lines);
        if dropped > self.told {
            let lines = dropped - self.told;
            match self.format {
                LogFormat::Text => writeln!(
                    self.to,
                    " WARN {lines} lines of the log were dropped: nobody took them"
                )?,
                LogFormat::Json => writeln!(
                    self.to,
                    r#"{{"level":"WARN","message":"lines of the log were dropped: nobody took them","lines":{lines}}}"#
                )?,
            }
            self.told = dropped;
        }
        self.to.write_all(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn start(config: &LogConfig, writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static) {
    let registry = tracing_subscriber::registry().with(filter(&config.level));
    if let Err(error) = registry.with(lines(config.format, writer)).try_init() {
        tracing::debug!(%error, "a log was started already");
    }
}

fn lines<S: Subscriber + for<'s> LookupSpan<'s>>(
    format: LogFormat,
    writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
) -> Box<dyn Layer<S> + Send + Sync> {
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(false);
    match format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    }
}

/// A bare level is for what we say ourselves: libraries speak up from warnings on.
fn filter(level: &str) -> Targets {
    match level.parse::<LevelFilter>() {
        Ok(level) => Targets::new()
            .with_default(level.min(LevelFilter::WARN))
            .with_target("warren", level),
        Err(_) => level.parse().unwrap_or_else(|_| filter("info")),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Mutex,
            mpsc::{Receiver, channel},
        },
        thread,
        time::Duration,
    };

    use tracing::Level;

    use super::*;

    /// Takes nothing until it may.
    struct Stuck {
        until: Receiver<()>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _over = self.until.recv();
            self.taken.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Else the test does not end.
    #[test]
    fn a_log_that_nobody_takes_holds_up_nobody_and_says_how_many_lines_are_lost() {
        let (stuck, until) = channel();
        let taken = Arc::default();
        let to = Stuck {
            until,
            taken: Arc::clone(&taken),
        };
        let (writer, guard) = without_waiting(LogFormat::Text, to);
        let subscriber = tracing_subscriber::registry().with(lines(LogFormat::Text, writer.clone()));
        tracing::subscriber::with_default(subscriber, || {
            (0..WAITING + 100).for_each(|line| tracing::info!(line, "said"));
        });
        let dropped = writer.error_counter().dropped_lines();
        assert!((90..=100).contains(&dropped), "{dropped}");
        drop((stuck, guard));
        let last = format!("line={}", WAITING + 100 - dropped - 1);
        let text = || String::from_utf8(taken.lock().unwrap().clone()).unwrap();
        let written = (0..3_000).any(|_| {
            let is_there = text().contains(&last);
            thread::sleep(Duration::from_millis(if is_there { 0 } else { 10 }));
            is_there
        });
        assert!(written, "{last}");
        let told = format!(" WARN {dropped} lines of the log were dropped: nobody took them");
        assert_eq!(text().lines().filter(|line| *line == told).count(), 1, "{told}");
    }

    #[test]
    fn a_level_is_for_our_own_rooms_and_a_filter_is_taken_as_it_is() {
        let debug = filter("debug");
        assert!(
            debug.would_enable("warren_actors::supervision::root", &Level::DEBUG)
                && debug.would_enable("warren", &Level::DEBUG)
        );
        assert!(
            !debug.would_enable("hyper::client", &Level::INFO)
                && debug.would_enable("hyper::client", &Level::WARN)
        );
        assert!(!filter("error").would_enable("hyper::client", &Level::WARN));
        assert!(filter("hyper=trace").would_enable("hyper::client", &Level::TRACE));
    }
}

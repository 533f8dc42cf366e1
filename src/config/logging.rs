//! The log: text or JSON, on stderr.

use std::io::Write;

use tracing::Subscriber;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    fmt::MakeWriter,
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use super::{LogConfig, LogFormat};

/// How many lines may wait for whoever takes them. What comes while so many wait is dropped; what happened is in the journal all the same.
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
    let (writer, guard) = without_waiting(std::io::stderr());
    start(config, writer);
    Logging { _lines: guard }
}

fn without_waiting(writer: impl Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING)
        .thread_name("warrend-log")
        .finish(writer)
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
        io,
        sync::mpsc::{Receiver, channel},
    };

    use tracing::Level;

    use super::*;

    /// Takes a line for each permission.
    struct Stuck(Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _released = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Else the test does not end.
    #[test]
    fn a_log_that_nobody_takes_holds_up_nobody_and_drops_what_does_not_fit() {
        let (permit, permits) = channel();
        let (writer, guard) = without_waiting(Stuck(permits));
        let dropped = writer.error_counter();
        let subscriber = tracing_subscriber::registry().with(lines(LogFormat::Text, writer));
        tracing::subscriber::with_default(subscriber, || {
            (0..WAITING + 100).for_each(|line| tracing::info!(line, "said"));
        });
        assert!(
            (90..=100).contains(&dropped.dropped_lines()),
            "{}",
            dropped.dropped_lines()
        );
        drop((permit, guard));
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

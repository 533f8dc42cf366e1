//! The log: text or JSON, on stderr.

use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use super::{LogConfig, LogFormat};

/// Starts logging. The level was checked with the rest of the configuration.
pub fn init(config: &LogConfig) {
    let filter = filter(&config.level);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false);
    let started = match config.format {
        LogFormat::Text => registry.with(layer).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "a log was started already");
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
    use tracing::Level;

    use super::*;

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

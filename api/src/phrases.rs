//! Numbers and spans as people read them.

use std::time::Duration;

/// A number with the word that goes with it.
#[must_use]
pub fn count(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// A span for people: whole seconds from a second on.
#[must_use]
pub fn span(seconds: f64) -> String {
    let bounded = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let rounded = if bounded.as_secs() > 0 {
        bounded.as_secs() * 1000
    } else {
        u64::from(bounded.subsec_millis())
    };
    humantime::format_duration(Duration::from_millis(rounded)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_whole_seconds_from_a_second_on() {
        assert_eq!(span(65.7), "1m 5s");
        assert_eq!(span(0.25), "250ms");
        assert_eq!(span(f64::NAN), "0s");
    }
}

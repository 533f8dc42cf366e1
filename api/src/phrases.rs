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

/// This many octets, for people.
#[must_use]
pub fn octets(bytes: u64) -> String {
    scaled(bytes, "B")
}

/// This many octets each second as bits, for people.
#[must_use]
pub fn rate(bytes_per_second: u64) -> String {
    scaled(bytes_per_second.saturating_mul(8), "b/s")
}

/// Unix time in seconds as `2025-10-14 17:59:41 UTC`.
#[must_use]
pub fn date(unix_seconds: u64) -> String {
    let time = std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(unix_seconds));
    // humantime cannot write the year 10000 and later.
    match time.filter(|_| unix_seconds < 253_402_300_800) {
        Some(time) => humantime::format_rfc3339_seconds(time)
            .to_string()
            .replace('T', " ")
            .replace('Z', " UTC"),
        None => format!("{unix_seconds}"),
    }
}

fn scaled(number: u64, unit: &str) -> String {
    const PREFIXES: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    let (mut whole, mut rest, mut step) = (number, 0, 0);
    while whole >= 1000 {
        (whole, rest, step) = (whole / 1000, whole % 1000, step + 1);
    }
    if step == 0 {
        return format!("{whole} {unit}");
    }
    format!("{whole}.{} {}{unit}", rest / 100, PREFIXES[step])
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

    #[test]
    fn dates_are_written_as_the_reference_writes_them() {
        assert_eq!(date(1_760_464_781), "2025-10-14 17:59:41 UTC");
        assert_eq!(date(u64::MAX), u64::MAX.to_string());
    }

    #[test]
    fn numbers_are_short_and_never_rounded_up() {
        let octets = [0, 999, 1000, 1_999_999, u64::MAX].map(octets);
        assert_eq!(octets, ["0 B", "999 B", "1.0 kB", "1.9 MB", "18.4 EB"]);
        assert_eq!(rate(125_000), "1.0 Mb/s");
    }
}

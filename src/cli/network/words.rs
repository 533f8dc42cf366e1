//! The reference's words for what the ledger has as numbers.

use crate::failure::Failure;

/// A name of the ledger's, as tables show it.
pub(super) fn shown(name: &str) -> String {
    if let Some(name) = of_its_own(name) {
        return name.to_owned();
    }
    match name.strip_suffix("_deprecated") {
        Some(name) => format!("{} (deprecated)", name.replace('_', " ")),
        None => name.replace('_', "-"),
    }
}

/// The same in JSON.
pub(super) fn in_json(name: &str) -> String {
    match (name, of_its_own(name)) {
        ("out_of_credits", _) | (_, None) => name.split('_').map(capital).collect(),
        (_, Some(name)) => name.to_owned(),
    }
}

/// Whether a filter's text means this name: the table's word, without case and without what stands in brackets.
pub(super) fn means(text: &str, name: &str) -> bool {
    let shown = shown(name);
    text.eq_ignore_ascii_case(&shown)
        || shown
            .split_once(" (")
            .is_some_and(|(word, _)| text.eq_ignore_ascii_case(word))
}

/// Whether a filter lets this name pass; one that is not given lets all pass.
pub(super) fn passes(filter: Option<&String>, name: &str) -> bool {
    filter.is_none_or(|text| means(text, name))
}

/// Refuses a filter that means none of these names.
///
/// # Errors
/// When it means none.
pub(super) fn must_be(title: &str, names: &[&str], filter: Option<&String>) -> Result<(), Failure> {
    let Some(text) = filter.filter(|text| !names.iter().any(|name| means(text, name))) else {
        return Ok(());
    };
    let choices: Vec<String> = names.iter().map(|name| shown(name)).collect();
    Err(Failure::new(
        format!("Invalid {title} '{text}'"),
        format!("It is one of {}.", choices.join(", ")),
    ))
}

/// Names that do not follow the rule.
fn of_its_own(name: &str) -> Option<&'static str> {
    match name {
        "out_of_credits" => Some("out_of_credits"),
        "gre_over_dia" => Some("GREOverDIA"),
        "gre_over_fabric" => Some("GREOverFabric"),
        "gre_over_private_peering" => Some("GREOverPrivatePeering"),
        "gre_over_public_peering" => Some("GREOverPublicPeering"),
        "gre_over_cable" => Some("GREOverCable"),
        "wan" => Some("WAN"),
        "dzx" => Some("DZX"),
        _ => None,
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// Bits per second.
pub(super) fn bandwidth(bits: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "Gbps"), (1_000_000, "Mbps"), (1_000, "Kbps")];
    match UNITS.into_iter().find(|(unit, _)| bits >= *unit) {
        Some((unit, name)) if bits.is_multiple_of(unit) => format!("{}{name}", bits / unit),
        Some((unit, name)) => format!("{:.2}{name}", bits as f64 / unit as f64),
        None => format!("{bits}bps"),
    }
}

/// Nanoseconds as milliseconds.
pub(super) fn milliseconds(nanoseconds: u64) -> String {
    format!("{:.2}ms", nanoseconds as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_references_words() {
        for (name, text, json) in [
            ("activated", "activated", "Activated"),
            ("ready_for_users", "ready-for-users", "ReadyForUsers"),
            (
                "pending_ban_deprecated",
                "pending ban (deprecated)",
                "PendingBanDeprecated",
            ),
            ("out_of_credits", "out_of_credits", "OutOfCredits"),
            ("gre_over_dia", "GREOverDIA", "GREOverDIA"),
            ("wan", "WAN", "WAN"),
        ] {
            assert_eq!(
                (shown(name).as_str(), in_json(name).as_str()),
                (text, json),
                "{name}"
            );
            assert!(means(&text.to_uppercase(), name), "{name}");
        }
        assert!(
            means("pending ban", "pending_ban_deprecated") && !means("pending", "pending_ban_deprecated")
        );
    }

    #[test]
    fn bandwidth_has_the_largest_unit_that_fits() {
        for (bits, text) in [
            (7, "7bps"),
            (1_234, "1.23Kbps"),
            (100_000_000, "100Mbps"),
            (1_000_000_000, "1Gbps"),
            (2_500_000_000, "2.50Gbps"),
        ] {
            assert_eq!(bandwidth(bits), text);
        }
        assert_eq!(milliseconds(1_234_567), "1.23ms");
    }
}

//! Parts of sentences that several events share.

use std::fmt::{self, Display, Formatter};

use crate::Switch;

pub(super) fn switch_in_words(switch: Switch) -> String {
    match switch {
        Switch::On => "enabled".to_owned(),
        Switch::Off => "disabled".to_owned(),
        Switch::Unknown => switch.to_string(),
    }
}

pub(super) fn then(f: &mut Formatter<'_>, detail: Option<&impl Display>) -> fmt::Result {
    detail.map_or(Ok(()), |detail| write!(f, ": {detail}"))
}

pub(super) fn within(f: &mut Formatter<'_>, reason: Option<&impl Display>) -> fmt::Result {
    reason.map_or(Ok(()), |reason| write!(f, " ({reason})"))
}

pub(super) fn list<T: Display>(all: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = all.into_iter().map(|one| one.to_string()).collect();
    if all.is_empty() {
        "no group".to_owned()
    } else {
        all.join(", ")
    }
}

pub(super) fn changes<T: Display>(f: &mut Formatter<'_>, named: &[T], more: usize) -> fmt::Result {
    let named: Vec<String> = named.iter().map(ToString::to_string).collect();
    f.write_str(&named.join(", "))?;
    if more > 0 {
        write!(f, ", and {more} more changes")
    } else {
        Ok(())
    }
}

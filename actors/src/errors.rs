//! Errors as they are told.

use std::error::Error;

use warren_state::{Fault, FaultClass};

/// An error with its sources.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// An operation on the dataplane that took longer than anybody waits.
pub(crate) fn late(operation: String) -> Fault {
    Fault {
        class: FaultClass::Transient,
        operation,
        detail: "it took too long".to_owned(),
    }
}

/// What is at the bottom of an error; the URL, which may hold a secret, is nowhere there.
pub(crate) fn root(error: &dyn Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    if std::ptr::eq(last, error) {
        "no answer".to_owned()
    } else {
        last.to_string()
    }
}

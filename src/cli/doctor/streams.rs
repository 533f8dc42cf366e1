//! Who follows the streams.

use warren_api::v3::Status;

use super::check::Check;

/// A reader that takes nothing for this many seconds is told of.
const LONG: u64 = 5;

/// Who follows the streams and takes too little.
pub fn check(status: &Status) -> Check {
    let streams = &status.streams;
    if let Some(behind) = streams.behind.iter().find(|reader| reader.seconds >= LONG) {
        let whose = behind
            .uid
            .map_or_else(|| "of an unknown user".to_owned(), |uid| format!("of uid {uid}"));
        return Check::warn(
            "streams",
            format!(
                "reader {} of {} {whose} has taken nothing for {} s, and {} frames wait for it",
                behind.reader, behind.stream, behind.seconds, behind.frames
            ),
            "look at the program that reads it: it will be disconnected, or will miss events and be told so",
        );
    }
    Check::pass(
        "streams",
        format!(
            "{} readers, {} times one was too slow",
            streams.readers, streams.gaps
        ),
    )
}

//! The text of frames: server-sent events, each with one line of data.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::{Position, Sequence, event::Level, journal::JournalEntry};

/// A frame's text, shared by all who send it.
pub type Text = Arc<[u8]>;

/// Something happened, and perhaps the state changed with it. As status shows events, with what follows from them. `after`: the frame
/// before it, where it is one of those that follow each other.
#[must_use]
pub fn event_frame(
    position: Position,
    after: Option<Sequence>,
    entry: &JournalEntry,
    patch: Option<&Value>,
) -> Text {
    #[derive(Serialize)]
    struct Told<'a> {
        position: Position,
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<Sequence>,
        #[serde(flatten)]
        entry: &'a JournalEntry,
        level: Level,
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        patch: Option<&'a Value>,
    }
    let (level, text) = (entry.event.level(), entry.event.to_string());
    write(
        Some("event"),
        Some(&position.to_string()),
        &Told {
            position,
            after,
            entry,
            level,
            text,
            patch,
        },
    )
}

/// The state changed, and nothing happened that anybody would be told.
pub(super) fn change(position: Position, after: Sequence, unix_ms: u64, patch: &Value) -> Text {
    #[derive(Serialize)]
    struct Changed<'a> {
        position: Position,
        after: Sequence,
        unix_ms: u64,
        patch: &'a Value,
    }
    write(
        Some("change"),
        Some(&position.to_string()),
        &Changed {
            position,
            after,
            unix_ms,
            patch,
        },
    )
}

/// Everything up to this position was sent; the last frame was this one.
#[must_use]
pub fn heartbeat(position: Position, after: Sequence, unix_ms: u64) -> Text {
    #[derive(Serialize)]
    struct Beat {
        position: Position,
        after: Sequence,
        unix_ms: u64,
    }
    write(
        Some("heartbeat"),
        None,
        &Beat {
            position,
            after,
            unix_ms,
        },
    )
}

/// What follows follows the position that was asked for; `from` says where it is taken from.
#[must_use]
pub fn resumed(position: Position, from: &'static str) -> Text {
    #[derive(Serialize)]
    struct Resumed {
        position: Position,
        from: &'static str,
    }
    write(Some("resumed"), None, &Resumed { position, from })
}

/// What came after the position that was asked for is not known.
#[must_use]
pub fn reset(asked: Position, reason: &str) -> Text {
    #[derive(Serialize)]
    struct Reset<'a> {
        asked: Position,
        reason: &'a str,
    }
    write(Some("reset"), None, &Reset { asked, reason })
}

/// This many frames after one position and up to another are left out.
#[must_use]
pub fn gap_frame(from: Position, to: Position, dropped: u64) -> Text {
    #[derive(Serialize)]
    struct Gap {
        from: Position,
        to: Position,
        dropped: u64,
    }
    write(Some("gap"), None, &Gap { from, to, dropped })
}

/// All that there was up to this position was sent, and more was not asked for.
#[must_use]
pub fn end(position: Position) -> Text {
    #[derive(Serialize)]
    struct End {
        position: Position,
    }
    write(Some("end"), None, &End { position })
}

/// The last one.
#[must_use]
pub fn shutdown(position: Position, reason: &str) -> Text {
    #[derive(Serialize)]
    struct Shutdown<'a> {
        position: Position,
        reason: &'a str,
    }
    write(Some("shutdown"), None, &Shutdown { position, reason })
}

/// A frame. JSON in one line has no line break that would end the data.
pub(super) fn write(name: Option<&str>, id: Option<&str>, data: &impl Serialize) -> Text {
    let mut text = String::new();
    for (field, value) in [("event", name), ("id", id)] {
        if let Some(value) = value {
            text.extend([field, ": ", value, "\n"]);
        }
    }
    // None of our types has a key that is no text.
    text.extend(["data: ", &serde_json::to_string(data).unwrap_or_default(), "\n\n"]);
    Text::from(text.into_bytes())
}

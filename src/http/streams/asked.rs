//! What a request for a stream asks for.

use std::time::Duration;

use axum::http::HeaderMap;
use warren_actors::{Clock, streams};
use warren_state::{Position, TunnelId, stream::Filter};

use crate::http::Api;

/// Browsers send it when they come back.
const LAST_EVENT_ID: &str = "last-event-id";

/// # Errors
/// What makes no sense, for people.
pub fn filter(topics: Option<&str>, named: Option<&str>, api: &Api) -> Result<Filter, String> {
    let tunnel = named.map(|name| tunnel(api, name)).transpose()?;
    Filter::parse(topics, tunnel).map_err(|unknown| unknown.to_string())
}

fn tunnel(api: &Api, name: &str) -> Result<TunnelId, String> {
    let named = || api.engine.streams().tunnel_named(name);
    name.parse().ok().or_else(named).ok_or_else(|| {
        let name: String = name.chars().take(100).collect();
        format!("tunnel is the account of a tunnel, or the name of a link that is in use, and not {name:?}")
    })
}

/// The span, or the span since a time in milliseconds since 1970, where that is what a request names: a browser that comes back names the position that it came to.
pub(super) fn ago(query: Option<&str>, headers: &HeaderMap) -> Option<Duration> {
    let text = query.filter(|_| !headers.contains_key(LAST_EVENT_ID))?;
    if let Ok(unix_ms) = text.parse::<u64>() {
        return Some(Duration::from_millis(Clock::unix_ms().saturating_sub(unix_ms)));
    }
    humantime::parse_duration(text.strip_prefix('-').unwrap_or(text)).ok()
}

/// What came within a span.
pub(super) async fn within(span: Duration, api: &Api) -> streams::Since {
    streams::Since::Position(api.engine.streams().position_ago(span).await)
}

/// What the reader had last: the header wins, which a browser sends by itself.
///
/// # Errors
/// When that is no position, for people.
pub(super) fn since(query: Option<&str>, headers: &HeaderMap) -> Result<Option<streams::Since>, String> {
    let header = headers
        .get(LAST_EVENT_ID)
        .map(|value| value.to_str().unwrap_or("?"));
    let Some(text) = header.or(query).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let (position, part) = match text.split_once('~') {
        Some((position, part)) => (position, Some(part)),
        None => (text, None),
    };
    let position: Position = position.parse().map_err(|invalid| format!("since: {invalid}"))?;
    match part.map(str::parse::<u32>) {
        None => Ok(Some(streams::Since::Position(position))),
        Some(Ok(_)) => Ok(Some(streams::Since::Part(position))),
        Some(Err(_)) => Err(format!(
            "since: {position} is not followed by the number of a part"
        )),
    }
}

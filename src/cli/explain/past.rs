//! What the journal on disk knows beyond what the daemon has in memory: what happened before it was started last, and to tunnels that are gone.

use std::time::Duration;

use serde_json::Value;
use warren_api::{
    client::{Client, ClientError},
    v3::{JOURNAL_HIGHEST, JournalPage, TunnelReply},
};
use warren_state::event::Event;

use super::{SHOWN, read, tell_event};
use crate::output;

/// Events that are shown without their own paragraph of a tunnel.
const AT_MOST: usize = JOURNAL_HIGHEST;

/// The account of a tunnel that is gone: of the newest one whose link had this name, or whose account begins so.
pub async fn gone(client: &Client, wanted: &str) -> Option<String> {
    let page = newest(client, &format!("topics=tunnel&limit={AT_MOST}"))
        .await
        .ok()?;
    let account = |entry: &Value| {
        let is_meant = entry["link"] == wanted || entry["tunnel"].as_str()?.starts_with(wanted);
        is_meant.then(|| entry["tunnel"].as_str().map(str::to_owned))?
    };
    page.entries.iter().rev().find_map(account)
}

/// Puts before the events that the daemon has in memory those of earlier starts, where it has few.
pub async fn complete(client: &Client, replies: &mut [TunnelReply]) {
    let few = replies.iter().filter(|reply| reply.events.len() < SHOWN).count();
    let query = match (few, &*replies) {
        (0, _) => return,
        (_, [only]) => format!("tunnel={}&limit={SHOWN}", only.tunnel.id),
        (_, _) => format!("limit={AT_MOST}"),
    };
    // One of an earlier version has no journal to read.
    let Ok(page) = newest(client, &query).await else {
        return;
    };
    for reply in replies.iter_mut().filter(|reply| reply.events.len() < SHOWN) {
        let known: Vec<(Option<u64>, Option<u64>)> = reply.events.iter().map(place).collect();
        let is_its =
            |entry: &&Value| about(entry) == Some(&reply.tunnel.id) && !known.contains(&place(entry));
        let mut earlier: Vec<Value> = page.entries.iter().filter(is_its).cloned().collect();
        earlier.append(&mut reply.events);
        earlier.sort_by_key(place);
        reply.events = earlier;
    }
}

/// What happened within a span, or to a tunnel that is gone; nothing where neither is asked for. With a tunnel: to it, and to the daemon itself.
///
/// # Errors
/// When the daemon does not answer, or refuses.
pub async fn of(
    client: &Client,
    since: Option<Duration>,
    tunnel: Option<&str>,
    is_gone: bool,
) -> Result<Option<Vec<Value>>, ClientError> {
    let from = match (since, is_gone) {
        (Some(since), _) => Some(format!("{}s", since.as_secs())),
        (None, true) => None,
        (None, false) => return Ok(None),
    };
    let Some(tunnel) = tunnel else {
        return all(client, from, "").await.map(Some);
    };
    let has_more = from.is_some();
    let mut entries = all(client, from.clone(), &format!("tunnel={tunnel}&")).await?;
    if has_more {
        entries.extend(all(client, from, "topics=daemon,store,switch&").await?);
        entries.sort_by_key(place);
        entries.dedup_by_key(|entry| place(entry));
    }
    Ok(Some(entries))
}

/// In words, a line for each.
pub fn tell(entries: &[Value], of_one: bool) -> String {
    if entries.is_empty() {
        return "The journal has nothing about it.\n".to_owned();
    }
    let line = |entry: &Value| match about(entry).filter(|_| !of_one) {
        Some(tunnel) => format!(
            "  {}  [{}]\n",
            output::tame(&tell_event(entry)),
            output::tame(tunnel)
        ),
        None => format!("  {}\n", output::tame(&tell_event(entry))),
    };
    let lines: String = entries.iter().map(line).collect();
    format!("What happened:\n{lines}")
}

/// Page by page, as far as one command may show; without a beginning the newest.
async fn all(client: &Client, mut from: Option<String>, which: &str) -> Result<Vec<Value>, ClientError> {
    let mut entries = Vec::new();
    loop {
        let since = from.map_or_else(String::new, |from| format!("since={from}&"));
        let mut page = newest(client, &format!("{since}{which}limit={AT_MOST}")).await?;
        entries.append(&mut page.entries);
        if !page.more || entries.len() >= 4 * AT_MOST {
            return Ok(entries);
        }
        from = Some(page.next);
    }
}

async fn newest(client: &Client, query: &str) -> Result<JournalPage, ClientError> {
    client.read(&format!("/v3/journal?{query}")).await
}

/// Where it stands on its installation.
fn place(entry: &Value) -> (Option<u64>, Option<u64>) {
    (entry["epoch"].as_u64(), entry["sequence"].as_u64())
}

/// The account that it is about, as a later version tells it too.
fn about(entry: &Value) -> Option<&str> {
    let by_name = entry["tunnel"].as_str();
    let refused =
        read(entry).is_some_and(|event| matches!(event, Event::Refused { .. } | Event::RefusalOver { .. }));
    by_name.or_else(|| entry["user"].as_str().filter(|_| refused))
}

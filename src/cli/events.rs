//! `warren events`.

use serde_json::{Value, json};
use warren_api::{
    client::{Client, ClientError},
    follow::{Follower, Received},
    sse::Frame,
    v3::SCHEMA,
};
use warren_state::{Position, Pubkey};

use super::{command::Events, failure::Failure, output};

/// Longer than anything is kept.
const EVER: &str = "36500d";

/// Prints what happened, and what happens from then on where that is asked for.
///
/// # Errors
/// When the daemon does not answer, or refuses; once it answered, only the latter while somebody follows.
pub async fn run(client: &Client, asked: Events, as_json: bool) -> anyhow::Result<u8> {
    let target = target(client, &asked).await?;
    let mut follower = Follower::new(client.clone(), target);
    let mut teller = FramePrinter::new(asked.follow, as_json);
    loop {
        let told = match follower.next().await {
            Ok(Received::Frame(frame)) => teller.frame(&frame)?,
            Ok(Received::Lost { error, .. }) => teller.lost(error)?,
            Err(error) => return Err(refused(error)),
        };
        match told {
            Next::More => {}
            Next::After(position) => follower.connect_again(Some(position)),
            Next::Nothing => return Ok(super::OK),
        }
    }
}

/// What is asked of the daemon.
async fn target(client: &Client, asked: &Events) -> anyhow::Result<String> {
    let since = match (&asked.since, asked.follow) {
        (Some(since), _) => Some(since.trim_start_matches('-')),
        (None, false) => Some(EVER),
        (None, true) => None,
    };
    let tunnel = match &asked.tunnel {
        Some(name) => Some(account(client, name).await?),
        None => None,
    };
    let topics = (!asked.topics.is_empty()).then(|| asked.topics.join(","));
    let fields = [
        ("follow", (!asked.follow).then_some("false")),
        ("since", since),
        ("topics", topics.as_deref()),
        ("tunnel", tunnel.as_deref()),
    ];
    let fields: Vec<String> = fields
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", escaped(value?))))
        .collect();
    Ok(format!("/v3/events?{}", fields.join("&")))
}

/// The account of a tunnel that is named by it, by the beginning of it, or by an interface: after a restart of the daemon an
/// interface may have no tunnel for a moment. What no tunnel has is left to the daemon.
async fn account(client: &Client, name: &str) -> anyhow::Result<String> {
    if name.parse::<Pubkey>().is_ok() {
        return Ok(name.to_owned());
    }
    let status = client.status().await?;
    let is_meant = |tunnel: &&warren_api::v3::Tunnel| {
        tunnel.name.as_deref() == Some(name) || tunnel.id.starts_with(name)
    };
    let found = status.tunnels.iter().find(is_meant);
    Ok(found.map_or_else(|| name.to_owned(), |tunnel| tunnel.id.clone()))
}

/// As a value in a query (RFC 3986).
fn escaped(value: &str) -> String {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~,".contains(&octet);
    value
        .bytes()
        .map(|octet| match is_plain(octet) {
            true => char::from(octet).to_string(),
            false => format!("%{octet:02X}"),
        })
        .collect()
}

fn refused(error: ClientError) -> anyhow::Error {
    if matches!(&error, ClientError::Answer { status, .. } if status.as_u16() == 404) {
        return Failure::new(
            "this daemon has no stream of events",
            "It is of an older version: update it, or see `warren explain`.",
        )
        .into();
    }
    error.into()
}

/// What follows a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    /// The next one.
    More,
    /// What comes after this position, on another connection.
    After(Position),
    /// All was told, or nobody reads any more.
    Nothing,
}

/// Tells frames: what happened on standard output, what became of the stream on standard error.
struct FramePrinter {
    follows: bool,
    as_json: bool,
    /// The daemon answered.
    is_connected: bool,
    /// Since the last frame the daemon was gone.
    was_away: bool,
    /// The start of the daemon that the last frame was of.
    epoch: Option<u64>,
    /// The last event on this connection.
    last: Option<Position>,
}

impl FramePrinter {
    fn new(follows: bool, as_json: bool) -> Self {
        Self {
            follows,
            as_json,
            is_connected: false,
            was_away: false,
            epoch: None,
            last: None,
        }
    }

    fn frame(&mut self, frame: &Frame) -> anyhow::Result<Next> {
        self.is_connected = true;
        let data: Value = serde_json::from_str(&frame.data)?;
        let position = |name: &str| -> Option<Position> { data.get(name)?.as_str()?.parse().ok() };
        match frame.name.as_str() {
            "event" => {
                self.last = position("position");
                return self.event(data);
            }
            "end" => return Ok(Next::Nothing),
            "resumed" if self.was_away => {
                let how = match data.get("from").and_then(Value::as_str) {
                    Some("memory") => "nothing is missing",
                    Some(_) | None => "what its journal has from the meantime follows",
                };
                output::note(&format!("warrend is back: {how}"));
            }
            "snapshot" => self.begin(position("position")),
            "reset" => return self.reset(&data, position("asked")),
            "gap" => {
                let frames = data.get("dropped").and_then(Value::as_u64).unwrap_or_default();
                let frames = output::count(usize::try_from(frames).unwrap_or(usize::MAX), "frame", "frames");
                output::note(&format!(
                    "{frames} arrived faster than they were read, and are requested again"
                ));
                return Ok(position("from").map_or(Next::More, Next::After));
            }
            "shutdown" if self.follows => {
                let reason = data.get("reason").and_then(Value::as_str).unwrap_or("it ends");
                output::note(&format!("{reason}: waiting for warrend to come back"));
                self.was_away = true;
            }
            _ => {}
        }
        if frame.name != "shutdown" {
            self.was_away = false;
        }
        Ok(Next::More)
    }

    /// The state is no event; what it is of may be another start.
    fn begin(&mut self, position: Option<Position>) {
        let epoch = position.map(|position| position.epoch.0);
        if self.epoch.is_some() && epoch != self.epoch {
            output::note(&format!(
                "this is start {} of the daemon; it was start {} before",
                epoch.unwrap_or_default(),
                self.epoch.unwrap_or_default()
            ));
        }
        self.epoch = epoch;
    }

    fn reset(&mut self, data: &Value, asked: Option<Position>) -> anyhow::Result<Next> {
        // This much is not told at once: what comes after the last of it is.
        if let Some(last) = self.last.take().filter(|last| Some(*last) == asked) {
            return Ok(Next::After(last));
        }
        let reason = data.get("reason").and_then(Value::as_str).unwrap_or_default();
        let asked = asked.map_or_else(String::new, |asked| format!(" after {asked}"));
        output::note(&format!(
            "what happened{asked} is not known: {reason}; what happens from now on is shown"
        ));
        self.was_away = false;
        if self.as_json {
            return self.line(&json!({ "schema": SCHEMA, "reset": data }).to_string());
        }
        Ok(Next::More)
    }

    fn event(&mut self, mut data: Value) -> anyhow::Result<Next> {
        if self.as_json {
            if let Value::Object(fields) = &mut data {
                fields.remove("patch");
                fields.insert("schema".to_owned(), json!(SCHEMA));
            }
            return self.line(&data.to_string());
        }
        self.line(&in_words(&data))
    }

    fn lost(&mut self, error: ClientError) -> anyhow::Result<Next> {
        if !self.follows || !self.is_connected {
            return Err(error.into());
        }
        if !self.was_away {
            output::note(&format!("{error}; waiting for warrend to come back"));
        }
        (self.was_away, self.last) = (true, None);
        Ok(Next::More)
    }

    fn line(&self, text: &str) -> anyhow::Result<Next> {
        Ok(match output::line(text)? {
            true => Next::More,
            false => Next::Nothing,
        })
    }
}

/// The daemon's own words: it may know kinds that this version does not.
fn in_words(data: &Value) -> String {
    let field = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
    let when = data.get("unix_ms").and_then(Value::as_u64).unwrap_or_default();
    let text = match field("text") {
        "" => field("kind"),
        text => text,
    };
    output::tame(&format!(
        "{}  {:<5}  {text}",
        output::date(when / 1000),
        field("level")
    ))
}

#[cfg(test)]
mod tests;

//! Following a stream of the daemon over its restarts: connects again by itself, with what was applied last.

use std::{
    collections::VecDeque,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hyper::StatusCode;
use tokio::time::{Instant, sleep_until, timeout};
use warren_state::{
    Monotonic, Position,
    backoff::{Backoff, Jitter, Waits},
    random::SplitMix64,
};

use crate::{
    client::{Body, Client, ClientError},
    replica::{Applied, Replica},
    sse::{Frame, Frames},
};

/// How long somebody who follows waits.
struct Pace {
    /// Between attempts: a socket that is not there costs nothing to look for.
    waits: Waits,
    /// A connection that lasted this long was a good one.
    healthy: Duration,
    /// One on which nothing came for this long is none any more: three heartbeats.
    silence: Duration,
}

const PACE: Pace = Pace {
    waits: Waits {
        first: Duration::from_millis(50),
        longest: Duration::from_secs(2),
        jitter: Jitter::HALF_AROUND,
    },
    healthy: Duration::from_secs(10),
    silence: Duration::from_secs(45),
};

/// Who follows a stream.
pub struct Follower {
    client: Client,
    target: String,
    /// Where whoever follows is: what comes after it is asked for.
    cursor: Option<String>,
    /// Where the frame leaves them that they were given last, once they are done with it.
    next_cursor: Option<String>,
    connection: Option<(Body, Frames)>,
    ready: VecDeque<Frame>,
    attempt_at: Instant,
    backoff: Backoff,
    random: SplitMix64,
    begun: Instant,
    silence: Duration,
}

/// What came of waiting.
#[derive(Debug)]
pub enum Received {
    /// The next frame. It counts as applied once the next one is asked for.
    Frame(Frame),
    /// The connection broke, or none came about, and the next one is tried after this long.
    Lost {
        /// Why.
        error: ClientError,
        /// How long until the next attempt.
        wait: Duration,
    },
}

impl Follower {
    /// Of what this target serves: a path, with what is asked for.
    #[must_use]
    pub fn new(client: Client, target: impl Into<String>) -> Self {
        Self::at_pace(client, target, PACE)
    }

    fn at_pace(client: Client, target: impl Into<String>, pace: Pace) -> Self {
        let now = Instant::now();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Two that are started at once have other processes, and two of one process other times.
        let seed = since.as_nanos() as u64 ^ u64::from(std::process::id()).rotate_left(32);
        Self {
            client,
            target: target.into(),
            cursor: None,
            next_cursor: None,
            connection: None,
            ready: VecDeque::new(),
            attempt_at: now,
            backoff: Backoff::new(pace.waits, pace.healthy),
            random: SplitMix64::new(seed),
            begun: now,
            silence: pace.silence,
        }
    }

    /// The next frame. A caller that gives up waiting loses nothing.
    ///
    /// # Errors
    /// When trying again is of no use: the daemon has no such stream (404), or refuses.
    pub async fn next(&mut self) -> Result<Received, ClientError> {
        if let Some(cursor) = self.next_cursor.take() {
            self.cursor = Some(cursor);
        }
        loop {
            if let Some(frame) = self.ready.pop_front() {
                self.next_cursor = cursor_of(&frame);
                return Ok(Received::Frame(frame));
            }
            let failed = if self.connection.is_some() {
                self.read().await.err()
            } else {
                sleep_until(self.attempt_at).await;
                self.connect().await.err()
            };
            if let Some(error) = failed {
                return self.lost(error);
            }
        }
    }

    /// Connects again at once, and asks for what comes after this position.
    pub fn connect_again(&mut self, after: Option<Position>) {
        self.end();
        self.cursor = after.map(|position| position.to_string());
        self.attempt_at = Instant::now() + self.backoff.fail(&mut self.random);
    }

    /// What comes after this position is asked for next time.
    pub fn go_on_after(&mut self, position: Option<Position>) {
        (self.cursor, self.next_cursor) = (position.map(|position| position.to_string()), None);
    }

    async fn connect(&mut self) -> Result<(), ClientError> {
        let body = self.client.open(&self.target, self.cursor.as_deref()).await?;
        self.connection = Some((body, Frames::default()));
        Ok(())
    }

    async fn read(&mut self) -> Result<(), ClientError> {
        let Some((body, frames)) = &mut self.connection else {
            return Ok(());
        };
        let next = timeout(self.silence, body.next()).await;
        let bytes = next.unwrap_or_else(|_elapsed| Err("nothing more arrived".to_owned()));
        let taken = bytes.and_then(|bytes| match bytes {
            Some(bytes) => frames.take(&bytes).map_err(|error| error.to_string()),
            None => Err("the stream ended".to_owned()),
        });
        let frames = taken.map_err(|problem| ClientError::Broken {
            path: self.client.socket().to_owned(),
            problem,
        })?;
        if !frames.is_empty() {
            self.backoff.well(Monotonic::from_elapsed(self.begun.elapsed()));
        }
        self.ready.extend(frames);
        Ok(())
    }

    fn lost(&mut self, error: ClientError) -> Result<Received, ClientError> {
        let is_full = matches!(&error, ClientError::Answer { status, .. } if *status == StatusCode::SERVICE_UNAVAILABLE);
        let full = is_full || error.is_unreachable();
        self.end();
        if !full {
            return Err(error);
        }
        let wait = self.backoff.fail(&mut self.random);
        self.attempt_at = Instant::now() + wait;
        Ok(Received::Lost { error, wait })
    }

    fn end(&mut self) {
        self.backoff.unwell(Monotonic::from_elapsed(self.begun.elapsed()));
        (self.connection, self.next_cursor) = (None, None);
        self.ready.clear();
    }
}

/// Where a frame leaves who has applied it. A heartbeat says where everything was sent up to.
fn cursor_of(frame: &Frame) -> Option<String> {
    if frame.id.is_some() || frame.name != "heartbeat" {
        return frame.id.clone();
    }
    let data: serde_json::Value = serde_json::from_str(&frame.data).ok()?;
    Some(data.get("position")?.as_str()?.to_owned())
}

/// A copy of the daemon's state that is kept right over restarts of it.
pub struct Mirror {
    follower: Follower,
    replica: Replica,
}

/// What came of waiting for a change.
#[derive(Debug)]
pub enum MirrorUpdate {
    /// A frame was taken in: this became of the copy by it.
    Frame(Frame, Applied),
    /// The daemon is not there, for this reason; the copy is as right as it was, and is of the past.
    Lost(ClientError),
}

impl Mirror {
    /// Of everything.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            follower: Follower::new(client, "/v3/events"),
            replica: Replica::default(),
        }
    }

    /// The copy.
    #[must_use]
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    /// Waits for what changes next. A caller that gives up waiting loses nothing.
    ///
    /// # Errors
    /// As for [`Follower::next`].
    pub async fn next(&mut self) -> Result<MirrorUpdate, ClientError> {
        // Where the copy is, and not where the last frame was.
        self.follower.go_on_after(self.replica.position());
        match self.follower.next().await? {
            Received::Lost { error, .. } => Ok(MirrorUpdate::Lost(error)),
            Received::Frame(frame) => {
                let applied = self.replica.apply(&frame);
                if self.replica.must_connect_again() {
                    self.follower.connect_again(self.replica.position());
                }
                Ok(MirrorUpdate::Frame(frame, applied))
            }
        }
    }

    /// Waits for what changes next, and takes in all that came with it.
    ///
    /// # Errors
    /// As for [`Follower::next`].
    pub async fn changed(&mut self) -> Result<Vec<MirrorUpdate>, ClientError> {
        let mut all = vec![self.next().await?];
        while let Ok(more) = timeout(Duration::ZERO, self.next()).await {
            all.push(more?);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests;

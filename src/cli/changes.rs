//! Waking whoever waits for something of the daemon when it may have come about.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use warren_api::{
    client::Client,
    follow::{Follower, Received},
    sse::Frame,
};
use warren_state::Position;

/// From one look to the next where the daemon tells nobody of changes: it is of an older version.
const PAUSE: Duration = Duration::from_millis(100);
/// Not everything that is shown is told: how long something lasts is not.
const LONGEST: Duration = Duration::from_secs(1);

/// Follows what changes of the daemon's state, where the daemon tells.
pub struct Changes {
    follower: Option<Follower>,
    told: Option<Position>,
}

impl Changes {
    /// Of this daemon. It is asked once somebody waits.
    pub fn of(client: &Client) -> Self {
        Self {
            follower: Some(Follower::new(client.clone(), "/v3/events?topics=state")),
            told: None,
        }
    }

    /// The position of what was told last: a look has to be at that, or later.
    pub fn told(&self) -> Option<Position> {
        self.told
    }

    /// Waits until something may have changed since the last time, for this long at most. The first time it may have.
    pub async fn next(&mut self, most: Duration) {
        let most = most.min(LONGEST);
        let Some(follower) = &mut self.follower else {
            return sleep(most.min(PAUSE)).await;
        };
        match timeout(most, follower.next()).await {
            Err(_elapsed) => {}
            Ok(Err(_without_streams)) => self.follower = None,
            // The look says it better; what comes next is the next attempt.
            Ok(Ok(Received::Lost { .. })) => {}
            Ok(Ok(Received::Frame(frame))) => {
                let mut told = position(&frame);
                // What came with it is seen by the same look.
                while let Ok(Ok(Received::Frame(frame))) = timeout(Duration::ZERO, follower.next()).await {
                    told = position(&frame).or(told);
                }
                self.told = told.or(self.told);
            }
        }
    }
}

fn position(frame: &Frame) -> Option<Position> {
    frame.id.as_deref()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{UnixListener, UnixStream},
        time::Instant,
    };

    use warren_state::Sequence;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    async fn answered(listener: &UnixListener, answer: &str) -> UnixStream {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            asked.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream
    }

    fn at(sequence: u64) -> Position {
        Position {
            sequence: Sequence(sequence),
            ..Position::default()
        }
    }

    fn daemon(directory: &Path) -> (UnixListener, Changes) {
        let path = directory.join("w.sock");
        let listener = UnixListener::bind(&path).unwrap();
        (listener, Changes::of(&Client::new(&path)))
    }

    #[tokio::test]
    async fn a_frame_wakes_whoever_waits_and_no_clock() {
        let directory = tempfile::tempdir().unwrap();
        let (listener, mut changes) = daemon(directory.path());
        let head = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nevent: snapshot\nid: {}\ndata: {{}}\n\n",
            at(1)
        );
        let (mut stream, ()) = tokio::join!(answered(&listener, &head), changes.next(PATIENCE));
        assert_eq!(changes.told(), Some(at(1)));
        // It is only looked at again when something comes, or after a second.
        let begun = Instant::now();
        changes.next(PATIENCE).await;
        assert!(begun.elapsed() > PAUSE, "nothing came: {:?}", begun.elapsed());
        stream
            .write_all(format!("event: change\nid: {}\ndata: {{}}\n\n", at(2)).as_bytes())
            .await
            .unwrap();
        let frame = timeout(PATIENCE, changes.next(PATIENCE)).await;
        assert!(frame.is_ok() && changes.follower.is_some());
        assert_eq!(
            changes.told(),
            Some(at(2)),
            "and says up to where a look must reach"
        );
    }

    #[tokio::test]
    async fn a_daemon_without_streams_is_asked_again_and_again() {
        let directory = tempfile::tempdir().unwrap();
        let (listener, mut changes) = daemon(directory.path());
        let gone = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
        let (_, ()) = tokio::join!(answered(&listener, gone), changes.next(PATIENCE));
        assert!(changes.follower.is_none());
        for _ in 0..3 {
            changes.next(PATIENCE).await;
        }
    }
}

//! Waking whoever waits for something of the daemon when it may have come about.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use warren_api::{
    client::Client,
    follow::{Follower, Heard},
};

/// From one look to the next where the daemon tells nobody of changes: it is of an older version.
const PAUSE: Duration = Duration::from_millis(100);
/// Not everything that is shown is told: how long something lasts is not.
const LONGEST: Duration = Duration::from_secs(1);

/// Follows what changes of the daemon's state, where the daemon tells.
pub struct Changes {
    follower: Option<Follower>,
}

impl Changes {
    /// Of this daemon. It is asked once somebody waits.
    pub fn of(client: &Client) -> Self {
        Self {
            follower: Some(Follower::new(client.clone(), "/v3/events?topics=state")),
        }
    }

    /// Waits until something may have changed since the last time, for so long at most. The first time it may have.
    pub async fn next(&mut self, most: Duration) {
        let most = most.min(LONGEST);
        let Some(follower) = &mut self.follower else {
            return sleep(most.min(PAUSE)).await;
        };
        match timeout(most, follower.next()).await {
            Err(_elapsed) => {}
            Ok(Err(_without_streams)) => self.follower = None,
            // The look says it better; what comes next is the next attempt.
            Ok(Ok(Heard::Lost { .. })) => {}
            Ok(Ok(Heard::Frame(_))) => {
                // What came with it is seen by the same look.
                while let Ok(Ok(Heard::Frame(_))) = timeout(Duration::ZERO, follower.next()).await {}
            }
        }
    }
}

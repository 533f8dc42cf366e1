//! The states that streams begin with: rendered once for all who ask while frames go on from there.

use std::sync::{self, Arc};

use tokio::sync::Mutex;
use warren_state::{
    Sequence, TunnelId,
    stream::{Connections, Feed, Mask, Start, Text, state_frame, status_snapshot},
    table::Tables,
};

use super::asked::StreamKind;
use crate::{lock::lock, supervision::clock::Clock};

/// A state of more tunnels is rendered beside the runtime.
const FEW: usize = 64;
/// A state is used as long as the frames after it take no more than it, or than this.
const SMALL: usize = 16 * 1024;

/// The newest of each.
#[derive(Default)]
pub(super) struct Snapshots {
    kept: [Mutex<Option<(Sequence, Text)>>; 4],
}

/// What is needed to render one.
struct Work {
    sort: StreamKind,
    start: Start,
    /// Before the state was taken: whatever was so until then is in it.
    unix_ms: u64,
    at: Sequence,
    tables: Tables,
    open: Connections,
    mask: Mask,
    only: Option<TunnelId>,
}

impl Snapshots {
    /// A state and its position, from which the ring goes on. One at a time is rendered: whoever waited takes that one.
    pub(super) async fn state(
        &self,
        feed: &sync::Mutex<Option<Feed>>,
        sort: StreamKind,
        only: Option<TunnelId>,
    ) -> Option<(Sequence, Text)> {
        if only.is_some() {
            return Some(render(work(feed, sort, only)?).await);
        }
        let mut kept = self.kept[sort as usize].lock().await;
        if let Some(fresh) = kept.as_ref().filter(|kept| is_fresh(feed, sort, kept)) {
            return Some(fresh.clone());
        }
        let rendered = render(work(feed, sort, None)?).await;
        *kept = Some(rendered.clone());
        Some(rendered)
    }
}

fn is_fresh(feed: &sync::Mutex<Option<Feed>>, sort: StreamKind, (at, text): &(Sequence, Text)) -> bool {
    let feed = lock(feed);
    let ring = feed.as_ref().map(|feed| sort.ring(feed));
    ring.and_then(|ring| Some(ring.bytes_from(ring.number_after(*at)?)))
        .is_some_and(|bytes| bytes <= text.len().max(SMALL))
}

fn work(feed: &sync::Mutex<Option<Feed>>, sort: StreamKind, only: Option<TunnelId>) -> Option<Work> {
    let unix_ms = Clock::unix_ms();
    let feed = lock(feed);
    let feed = feed.as_ref()?;
    let (at, tables) = feed.state();
    let open = match sort {
        StreamKind::Connections | StreamKind::Pseudonyms => feed.open().clone(),
        StreamKind::Events | StreamKind::Status => Connections::default(),
    };
    let (tables, mask) = (tables.clone(), Arc::clone(feed.mask()));
    Some(Work {
        sort,
        start: feed.start(),
        unix_ms,
        at,
        tables,
        open,
        mask,
        only,
    })
}

async fn render(work: Work) -> (Sequence, Text) {
    let at = work.at;
    if work.only.is_some() || work.tables.tunnels.len() <= FEW {
        return (at, work.text());
    }
    let text = tokio::task::spawn_blocking(move || work.text()).await;
    (at, text.unwrap_or_else(|_panic| Text::default()))
}

impl Work {
    fn text(&self) -> Text {
        let position = self.start.position(self.at);
        match self.sort {
            StreamKind::Events => state_frame(self.start, self.at, self.unix_ms, &self.tables, self.only),
            StreamKind::Connections => self.open.snapshot(position, None),
            StreamKind::Pseudonyms => self.open.snapshot(position, Some(&self.mask)),
            StreamKind::Status => status_snapshot(position, &self.tables),
        }
    }
}

#[cfg(test)]
mod tests {
    use warren_state::{Epoch, NodeId};

    use super::*;

    #[test]
    fn a_state_that_is_rendered_late_says_when_it_was_taken() {
        let start = Start {
            node: NodeId(1),
            epoch: Epoch(1),
            started_unix_ms: 0,
        };
        let state = (Sequence(0), Tables::default());
        let feed = Feed::new(start, state, Arc::new(|address| address.to_string()), 1 << 16);
        let work = work(&sync::Mutex::new(Some(feed)), StreamKind::Events, None).expect("somebody follows");
        let taken = Clock::unix_ms();
        while Clock::unix_ms() == taken {
            std::thread::yield_now();
        }
        let text = String::from_utf8_lossy(&work.text()).into_owned();
        let (_, data) = text.split_once("data: ").expect("a frame");
        let said: serde_json::Value =
            serde_json::from_str(data.lines().next().unwrap_or_default()).expect("JSON");
        assert!(
            said["unix_ms"].as_u64().is_some_and(|said| said <= taken),
            "{said}"
        );
    }
}

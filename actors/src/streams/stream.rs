//! One reader's stream, as bytes.

use std::{collections::VecDeque, pin::Pin, sync::Arc};

use bytes::Bytes;
use tokio::{
    sync::watch,
    time::{Sleep, sleep_until},
};
use warren_state::{
    Monotonic, Position, Sequence,
    stream::{Feed, Next, Reader, Text, heartbeat},
};

use super::{
    asked::{Asked, Since, StreamKind},
    hub::{Progress, RING, Streams},
    readers::{Disconnect, Entry},
    shared_frames::shared,
};
use crate::{lock::lock, supervision::clock::Clock};

/// Events of the past that are looked at before other readers have their turn.
const PAGE: usize = 256;

/// One reader's stream. Dropping it ends it.
pub struct Stream {
    streams: Arc<Streams>,
    sort: StreamKind,
    entry: Arc<Entry>,
    reader: Reader,
    news: watch::Receiver<Progress>,
    /// A state that is given once the past up to it was told.
    at_hand: Option<(Sequence, Text)>,
    ready: VecDeque<Bytes>,
    /// The next heartbeat is not before this.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Streams {
    /// A stream from here on. `cut` ends the reader's connection, where it takes nothing of what it was given any more.
    #[must_use]
    pub fn open(self: &Arc<Self>, asked: Asked, cut: Disconnect) -> Stream {
        let now = self.clock.now();
        let entry = self.readers.enter(asked.sort, &asked.filter, asked.uid, cut, now);
        *lock(&self.left) = None;
        lock(&self.feed).get_or_insert_with(|| {
            Feed::new(self.start(), self.table.snapshot(), self.pseudonyms.mask(), RING)
        });
        self.waker.wake();
        let Asked {
            sort,
            filter,
            since,
            ends,
            ..
        } = asked;
        tracing::debug!(reader = entry.number, stream = sort.name(), uid = ?entry.uid, ?filter, ?since, "a reader came");
        let reader = match (sort, since) {
            (StreamKind::Status, _) => Reader::of_the_latest(now),
            (_, Some(Since::Part(asked))) => Reader::after_a_part(filter, asked, now),
            (_, Some(Since::Position(position))) => Reader::new(filter, Some(position), now),
            (_, None) => Reader::new(filter, None, now),
        };
        let reader = if ends {
            // What was done before it was asked for is there.
            self.catch_up();
            reader.up_to_now()
        } else {
            reader
        };
        Stream::new(self.clone(), sort, entry, reader)
    }
}

impl Stream {
    pub(super) fn new(streams: Arc<Streams>, sort: StreamKind, entry: Arc<Entry>, reader: Reader) -> Self {
        let news = streams.news.subscribe();
        Self {
            streams,
            sort,
            entry,
            reader,
            news,
            at_hand: None,
            ready: VecDeque::new(),
            timer: None,
        }
    }

    /// What is sent next; nothing when it is over. Asking for more says that what was given before was taken.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.entry.waits(None);
        let next = self.find().await;
        self.entry.waits(next.as_ref().map(|_| self.streams.clock.now()));
        next
    }

    async fn find(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                return Some(bytes);
            }
            let over = self.news.borrow_and_update().over;
            match self.step(over)? {
                Next::Text(text) => self.ready.push_back(shared(text)),
                Next::Frames(frames) => self.ready.extend(self.streams.shared_frames.of(frames)),
                Next::State => self.give_state().await?,
                Next::History(after) => self.tell_history(after).await?,
                Next::Heartbeat(after) => {
                    let position = self.streams.start().position(self.reader.at());
                    self.ready
                        .push_back(shared(heartbeat(position, after, Clock::unix_ms())));
                }
                Next::Wait(until) => self.wait(until).await,
                Next::Over => return None,
            }
        }
    }

    async fn wait(&mut self, until: Monotonic) {
        let until = self.streams.clock.instant(until);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        // Each frame moves it on. To set it anew for each costs more than to look once too early.
        if timer.is_elapsed() || timer.deadline() > until {
            timer.as_mut().reset(until);
        }
        tokio::select! {
            _ = self.news.changed() => {}
            () = timer => {}
        }
    }

    fn step(&mut self, over: Option<&str>) -> Option<Next> {
        let now = self.streams.clock.now();
        let feed = lock(&self.streams.feed);
        let feed = feed.as_ref()?;
        let ring = self.sort.ring(feed);
        let behind = self.reader.behind(ring);
        let next = self.reader.next(ring, feed.start(), feed.state().0, now, over);
        self.entry.note(self.reader.kept, self.reader.at(), behind);
        Some(next)
    }

    async fn give_state(&mut self) -> Option<()> {
        let (at, text) = match self.at_hand.take() {
            Some(at_hand) => at_hand,
            None => self.state().await?,
        };
        let now = self.streams.clock.now();
        let feed = lock(&self.streams.feed);
        let feed = feed.as_ref()?;
        let why = self.reader.given(at, self.sort.ring(feed), feed.start(), now);
        self.ready.extend(why.into_iter().chain([text]).map(shared));
        Some(())
    }

    async fn tell_history(&mut self, after: Position) -> Option<()> {
        if self.at_hand.is_none() {
            self.at_hand = Some(self.state().await?);
        }
        let up_to = self.at_hand.as_ref()?.0;
        let page = if self.sort.has_history() {
            self.streams.history(after, up_to, PAGE).await
        } else {
            Err("what happened since then is no longer kept".to_owned())
        };
        self.ready
            .extend(self.reader.replay(page).into_iter().map(shared));
        Some(())
    }

    async fn state(&self) -> Option<(Sequence, Text)> {
        let streams = &self.streams;
        let only = self.reader.filter().tunnel;
        streams.snapshots.state(&streams.feed, self.sort, only).await
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let kept = self.streams.readers.leave(&self.entry);
        let (at, stream) = (self.reader.at().0, self.sort.name());
        tracing::debug!(reader = self.entry.number, stream, uid = ?self.entry.uid, at, ?kept, "a reader left");
    }
}

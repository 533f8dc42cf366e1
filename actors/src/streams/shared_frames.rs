//! What several frames are sent as.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use warren_state::stream::{Frame, Text};

use crate::lock::lock;

/// What was put together last. Most readers ask for everything and are at the same place: what the first of them is given serves the others.
#[derive(Default)]
pub(super) struct SharedFrames(Mutex<Option<(Vec<Arc<Frame>>, Bytes)>>);

impl SharedFrames {
    /// One alone is sent as it is; several are put together.
    pub(super) fn of(&self, frames: Vec<Arc<Frame>>) -> Option<Bytes> {
        match &frames[..] {
            [] => None,
            [one] => Some(shared(one.text.clone())),
            several => {
                let mut last = lock(&self.0);
                if let Some((of, bytes)) = &*last
                    && of.len() == several.len()
                    && of.iter().zip(several).all(|(one, other)| Arc::ptr_eq(one, other))
                {
                    return Some(bytes.clone());
                }
                let bytes = Bytes::from(several.iter().fold(Vec::new(), |mut all, frame| {
                    all.extend_from_slice(&frame.text);
                    all
                }));
                *last = Some((frames, bytes.clone()));
                Some(bytes)
            }
        }
    }
}

pub(super) fn shared(text: Text) -> Bytes {
    Bytes::from_owner(text)
}

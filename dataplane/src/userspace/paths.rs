//! What the ways to the peers take in one piece.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::{gre::Outer, sys};

/// How long the kernel's word that a packet is too large is believed. The next packet that is refused shows that a path
/// has become narrower; that it has become wider is only seen by asking again.
const BELIEVED: Duration = Duration::from_secs(1);

/// More ways than a forwarder has tunnels: what is known is forgotten then, and learned again.
const PATHS_MAX: usize = 4096;

/// The ways that have refused a packet. Of others there is nothing to know.
#[derive(Default)]
pub struct Paths(HashMap<Outer, PathMtu>);

struct PathMtu {
    mtu: usize,
    asked: Instant,
}

impl Paths {
    /// Whether a packet of this many bytes may be tried.
    pub fn takes(&mut self, outer: Outer, length: usize) -> bool {
        match self.0.get(&outer) {
            Some(known) if length > known.mtu && known.asked.elapsed() >= BELIEVED => {
                length <= self.ask(outer)
            }
            Some(known) => length <= known.mtu,
            None => true,
        }
    }

    /// The largest packet that may be tried.
    pub fn limit(&self, outer: Outer) -> usize {
        self.0.get(&outer).map_or(usize::MAX, |known| known.mtu)
    }

    /// What the kernel says now, after it has refused a packet.
    pub fn ask(&mut self, outer: Outer) -> usize {
        if self.0.len() >= PATHS_MAX {
            self.0.clear();
        }
        match sys::path_mtu(outer.source, outer.destination) {
            Ok(mtu) => {
                self.0.insert(
                    outer,
                    PathMtu {
                        mtu,
                        asked: Instant::now(),
                    },
                );
            }
            Err(error) => {
                tracing::debug!(to = %outer.destination, %error, "the path MTU is not known");
                self.0.remove(&outer);
            }
        }
        self.limit(outer)
    }
}

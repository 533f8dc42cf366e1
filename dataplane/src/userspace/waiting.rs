//! Packets from peers that wait for their tunnel's turn. Each tunnel has a queue of its own, so that none waits for another.

use std::{
    collections::{BTreeMap, VecDeque},
    io::IoSlice,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    bucket::Leave,
    drops::DropReason,
    offload,
    receive::write,
    tunnels::{Tunnel, Tunnels},
};

/// Of one tunnel as much waits as goes in this part of a second, and this many octets at least and at most.
const WAITS_A_SECOND: u64 = 10;
const LEAST: u64 = 32 << 10;
const MOST: u64 = 1 << 20;
/// With nothing that waits, whoever carries looks again after this long.
const IDLE: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(2);

/// What waits, by the number of the tunnel.
#[derive(Debug, Default)]
pub struct Waiting {
    queues: Mutex<BTreeMap<u64, Queue>>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    packets: VecDeque<Vec<u8>>,
    octets: u64,
}

impl Waiting {
    /// Has a packet of a limited tunnel wait for its turn, or drops it where too much waits already.
    pub fn push(&self, tunnel: &Tunnel, packet: &[u8]) {
        let Some(rate) = tunnel.down.rate().filter(|rate| *rate > 0) else {
            tunnel.traffic.drops.add(DropReason::Throttled, 1);
            return;
        };
        let octets = packet.len() as u64;
        let mut queues = self.queues();
        let queue = queues.entry(tunnel.number).or_default();
        if queue.octets + octets > (rate / WAITS_A_SECOND).clamp(LEAST, MOST) {
            drop(queues);
            tunnel.traffic.drops.add(DropReason::Throttled, 1);
            return;
        }
        queue.octets += octets;
        queue.packets.push_back(packet.to_vec());
        drop(queues);
        self.more.notify_one();
    }

    /// Whether packets of this tunnel wait: others go behind them.
    pub fn has(&self, tunnel: &Tunnel) -> bool {
        self.queues().contains_key(&tunnel.number)
    }

    /// The rate of a tunnel is another one now.
    pub fn wake(&self) {
        self.more.notify_one();
    }

    fn queues(&self) -> MutexGuard<'_, BTreeMap<u64, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers what waits, when it is time.
    pub fn carry(&self, tunnels: &Tunnels) -> ! {
        loop {
            let mut soonest = IDLE;
            let numbers: Vec<u64> = self.queues().keys().copied().collect();
            for number in numbers {
                if let Some(wait) = self.carry_one(number, tunnels.get(number)) {
                    soonest = soonest.min(wait);
                }
            }
            let queues = self.queues();
            // What came since it was looked for is found soon.
            let wait = if queues.is_empty() {
                IDLE
            } else {
                soonest.min(SOON)
            };
            drop(
                self.more
                    .wait_timeout(queues, wait)
                    .unwrap_or_else(PoisonError::into_inner),
            );
        }
    }

    /// How long the rest of one tunnel's waits, if anything is left.
    fn carry_one(&self, number: u64, tunnel: Option<Arc<Tunnel>>) -> Option<Duration> {
        let Some(tunnel) = tunnel else {
            self.queues().remove(&number);
            return None;
        };
        loop {
            let packet = {
                let mut queues = self.queues();
                let queue = queues.get_mut(&number)?;
                let Some(next) = queue.packets.front() else {
                    queues.remove(&number);
                    return None;
                };
                match tunnel.down.take(next.len() as u64, Instant::now()) {
                    Leave::Go => {}
                    Leave::Wait(wait) => return Some(wait),
                    Leave::Drop => {
                        let dropped = queue.packets.len() as u64;
                        queues.remove(&number);
                        tunnel.traffic.drops.add(DropReason::Throttled, dropped);
                        return None;
                    }
                }
                let packet = queue.packets.pop_front()?;
                queue.octets -= packet.len() as u64;
                packet
            };
            let parts = [IoSlice::new(&offload::PLAIN), IoSlice::new(&packet)];
            write(&tunnel, &parts, 1, packet.len() as u64);
        }
    }
}

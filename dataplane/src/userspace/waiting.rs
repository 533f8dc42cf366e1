//! Packets of tunnels that are held to a rate, which wait for their tunnel's turn. Each tunnel has a queue of its own each way, so that none
//! waits for another; what keeps its session does not wait (see [`super::session`]).

use std::{
    collections::{BTreeMap, VecDeque},
    io::IoSlice,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    bucket::{Bucket, Leave},
    drops::DropReason,
    offload,
    receive::write,
    tunnels::{Tunnel, Tunnels},
};

/// Of one tunnel as much waits, each way, as goes in this part of a second, and this many octets at least and at most.
const WAITS_A_SECOND: u64 = 10;
const LEAST: u64 = 32 << 10;
const MOST: u64 = 1 << 20;
/// What a packet takes besides its octets counts, too: small ones must not take more memory than large ones.
const BESIDES: u64 = 64;
/// With nothing that waits, whoever carries looks again after this long.
const IDLE: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(2);

/// What waits one way, by the number of the tunnel.
#[derive(Debug)]
pub struct Waiting {
    bucket: fn(&Tunnel) -> &Bucket,
    queues: Mutex<BTreeMap<u64, Queue>>,
    more: Condvar,
}

/// An inner packet, whole.
#[derive(PartialEq, Eq, Debug)]
pub struct Packet {
    /// It.
    pub inner: Vec<u8>,
    /// As how much its device has counted it: packets and octets. Of a segment that was cut the first piece is the packet.
    pub counted: (u64, u64),
}

/// What a tunnel's queue says.
#[derive(PartialEq, Eq, Debug)]
pub enum Next {
    /// This one may go, and was taken from the bucket.
    Packet(Packet),
    /// None before this long has passed.
    Wait(Duration),
    /// None waits.
    Nothing,
}

#[derive(Debug, Default)]
struct Queue {
    packets: VecDeque<Packet>,
    /// What they take.
    octets: u64,
}

impl Waiting {
    /// For the packets that this bucket of their tunnel lets through.
    #[must_use]
    pub fn new(bucket: fn(&Tunnel) -> &Bucket) -> Self {
        Self {
            bucket,
            queues: Mutex::default(),
            more: Condvar::new(),
        }
    }

    /// Has a packet wait for its turn, or drops it where too much waits already.
    pub fn push(&self, tunnel: &Tunnel, packet: Packet) {
        let most = match (self.bucket)(tunnel).rate() {
            Some(0) => 0,
            Some(rate) => (rate / WAITS_A_SECOND).clamp(LEAST, MOST),
            // It was let go just now, and what waits goes first.
            None => MOST,
        };
        if most > 0 && self.queues().entry(tunnel.number).or_default().push(packet, most) {
            self.more.notify_one();
        } else {
            tunnel.traffic.drops.add(DropReason::Throttled, 1);
        }
    }

    /// The packet whose turn it is, if it may go now. A tunnel that is blocked loses what waits.
    pub fn next(&self, tunnel: &Tunnel, now: Instant) -> Next {
        let mut queues = self.queues();
        let Some(queue) = queues.get_mut(&tunnel.number) else {
            return Next::Nothing;
        };
        let Some(octets) = queue.packets.front().map(Packet::octets) else {
            // Only now: others went behind the last one until it had gone.
            queues.remove(&tunnel.number);
            return Next::Nothing;
        };
        match (self.bucket)(tunnel).take(octets, now) {
            Leave::Go => queue.pop().map_or(Next::Nothing, Next::Packet),
            Leave::Wait(wait) => Next::Wait(wait),
            Leave::Drop => {
                let dropped = queue.packets.len() as u64;
                queues.remove(&tunnel.number);
                tunnel.traffic.drops.add(DropReason::Throttled, dropped);
                Next::Nothing
            }
        }
    }

    /// Whether packets of this tunnel wait, or the last one is on its way: others go behind them.
    pub fn has(&self, tunnel: &Tunnel) -> bool {
        self.queues().contains_key(&tunnel.number)
    }

    /// The tunnel is gone.
    pub fn forget(&self, number: u64) {
        self.queues().remove(&number);
    }

    /// The rate of a tunnel is another one now.
    pub fn wake(&self) {
        self.more.notify_one();
    }

    fn queues(&self) -> MutexGuard<'_, BTreeMap<u64, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the host what waits, when it is time.
    pub fn deliver(&self, tunnels: &Tunnels) -> ! {
        loop {
            let mut soonest = IDLE;
            let numbers: Vec<u64> = self.queues().keys().copied().collect();
            for number in numbers {
                if let Some(wait) = self.deliver_one(number, tunnels.get(number)) {
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
    fn deliver_one(&self, number: u64, tunnel: Option<Arc<Tunnel>>) -> Option<Duration> {
        let Some(tunnel) = tunnel else {
            self.forget(number);
            return None;
        };
        loop {
            match self.next(&tunnel, Instant::now()) {
                Next::Packet(packet) => {
                    let parts = [IoSlice::new(&offload::PLAIN), IoSlice::new(&packet.inner)];
                    let (packets, octets) = packet.counted;
                    write(&tunnel, &parts, packets, octets);
                }
                Next::Wait(wait) => return Some(wait),
                Next::Nothing => return None,
            }
        }
    }
}

impl Packet {
    /// One that is counted as what it is.
    #[must_use]
    pub fn whole(inner: Vec<u8>) -> Self {
        let counted = (1, inner.len() as u64);
        Self { inner, counted }
    }

    fn octets(&self) -> u64 {
        self.inner.len() as u64
    }
}

impl Queue {
    /// Behind the others, if there is room; the last is dropped, not the first.
    fn push(&mut self, packet: Packet, most: u64) -> bool {
        let takes = packet.octets() + BESIDES;
        if self.octets + takes > most {
            return false;
        }
        self.octets += takes;
        self.packets.push_back(packet);
        true
    }

    fn pop(&mut self) -> Option<Packet> {
        let packet = self.packets.pop_front()?;
        self.octets -= packet.octets() + BESIDES;
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u64 = 655_360;

    fn waiting() -> (Waiting, Tunnel) {
        (Waiting::new(|tunnel| &tunnel.up), Tunnel::for_tests())
    }

    fn numbered(number: u8) -> Packet {
        Packet::whole(vec![number; 1_000])
    }

    fn dropped(tunnel: &Tunnel) -> u64 {
        tunnel.traffic.drops.read().values().sum()
    }

    #[test]
    fn what_waits_goes_in_the_order_in_which_it_came_and_at_the_rate() {
        let (waiting, tunnel) = waiting();
        let begun = Instant::now();
        tunnel.up.set(Some(RATE), begun);
        for number in 0..50 {
            waiting.push(&tunnel, numbered(number));
        }
        let (mut now, mut went) = (begun, Vec::new());
        loop {
            match waiting.next(&tunnel, now) {
                Next::Packet(packet) => went.push(packet.inner[0]),
                Next::Wait(wait) => now += wait,
                Next::Nothing => break,
            }
        }
        assert_eq!(went, (0..50).collect::<Vec<u8>>());
        // The last goes as soon as all before it are paid.
        let took = (now - begun).as_secs_f64();
        assert!((took - 49_001.0 / RATE as f64).abs() < 0.001, "{took}");
        assert!(!waiting.has(&tunnel));
        assert_eq!(dropped(&tunnel), 0);
    }

    #[test]
    fn no_more_waits_than_a_tenth_of_a_second_and_a_mebibyte_and_the_rest_is_counted() {
        for (rate, most) in [
            (Some(1), LEAST),
            (Some(16_384), LEAST),
            (Some(RATE), RATE / 10),
            (Some(1 << 40), MOST),
            (None, MOST),
        ] {
            for size in [20, 1_000, 1_476] {
                let (waiting, tunnel) = waiting();
                tunnel.up.set(rate, Instant::now());
                let offered = 2 * MOST / size;
                for _ in 0..offered {
                    waiting.push(&tunnel, Packet::whole(vec![0; size as usize]));
                }
                let fit = most / (size + BESIDES);
                assert_eq!(dropped(&tunnel), offered - fit, "{rate:?} {size}");
                assert_eq!(
                    waiting.queues()[&tunnel.number].packets.len() as u64,
                    fit,
                    "{rate:?} {size}"
                );
            }
        }
    }

    #[test]
    fn what_a_block_finds_waiting_is_dropped_and_counted_and_what_a_lift_finds_goes_at_once() {
        let (waiting, tunnel) = waiting();
        let now = Instant::now();
        tunnel.up.set(Some(RATE), now);
        for number in 0..4 {
            waiting.push(&tunnel, numbered(number));
        }
        assert!(matches!(waiting.next(&tunnel, now), Next::Wait(_)));
        tunnel.up.set(None, now);
        assert_eq!(waiting.next(&tunnel, now), Next::Packet(numbered(0)));
        assert_eq!(waiting.next(&tunnel, now), Next::Packet(numbered(1)));
        tunnel.up.set(Some(0), now);
        assert_eq!(waiting.next(&tunnel, now), Next::Nothing);
        assert_eq!(dropped(&tunnel), 2);
        waiting.push(&tunnel, numbered(4));
        assert!(!waiting.has(&tunnel));
        assert_eq!(dropped(&tunnel), 3);
    }

    #[test]
    fn others_go_behind_the_last_one_until_it_has_gone() {
        let (waiting, tunnel) = waiting();
        waiting.push(&tunnel, numbered(0));
        assert_eq!(waiting.next(&tunnel, Instant::now()), Next::Packet(numbered(0)));
        assert!(waiting.has(&tunnel), "it is being written");
        assert_eq!(waiting.next(&tunnel, Instant::now()), Next::Nothing);
        assert!(!waiting.has(&tunnel));
        waiting.push(&tunnel, numbered(1));
        waiting.forget(tunnel.number);
        assert_eq!(waiting.next(&tunnel, Instant::now()), Next::Nothing);
    }
}

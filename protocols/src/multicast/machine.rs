//! The machine of one tunnel.

use warren_state::{Deadline, Monotonic, random::Random};

use super::{Counters, Input, MulticastSettings, Output, Report};

/// The multicast services of one tunnel.
#[derive(Clone, Debug)]
pub struct Multicast {
    settings: MulticastSettings,
    counters: Counters,
}

impl Multicast {
    /// Does nothing until [`Input::Run`].
    #[must_use]
    pub fn new(settings: MulticastSettings) -> Self {
        Self { settings, counters: Counters::default() }
    }

    /// Takes one input and says what is to be done, in order.
    pub fn handle(&mut self, now: Monotonic, input: Input, random: &mut dyn Random) -> Vec<Output> {
        let _ = (now, random, self.settings);
        match input {
            Input::Run { .. } | Input::Timeout => Vec::new(),
            Input::Stop => vec![Output::Stopped],
        }
    }

    /// When to call with [`Input::Timeout`], and what is due then.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Deadline> {
        None
    }

    /// Everything that can be said about the services.
    #[must_use]
    pub fn report(&self) -> Report {
        Report { joined: 0, announced: 0, generation_id: None, counters: self.counters }
    }
}

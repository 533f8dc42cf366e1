//! The machine of one tunnel.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use serde::{Deserialize, Serialize};
use warren_state::{
    Core, Deadline, Monotonic, MulticastSpec,
    random::Random,
    standing::{Groups, MulticastStanding, Paced},
};

use super::{
    Input, MulticastSettings, Output,
    publisher::{Ends, Publisher},
    sender::{Neighbours, Sender},
    subscriber::Subscriber,
};

#[cfg(test)]
mod tests;

/// The multicast services of one tunnel: two roles that come and go independently of each other.
///
/// ```text
///          first subscribed group: Hello, Join
///   silent ────────────────────────────────────────────────────▶ subscriber
///          ◀────────────────────────────────────────────────────
///          last group gone, or stop: Prune, Hello with hold time 0
///
///          first published group, with announce and a source: heartbeats, and Registers after a random wait
///   silent ────────────────────────────────────────────────────▶ publisher
///          ◀────────────────────────────────────────────────────
///          last group, announce or source gone, or stop: nothing is said
/// ```
///
/// Guarantees: a change of groups says exactly the difference; every subscribed group is in exactly one Join of every
/// refresh; nothing is announced before `announce`; at most [`MulticastSettings::burst`] heartbeats and Registers leave at
/// a time. PIM messages are not paced: one of 1456 bytes carries 72 groups.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Multicast {
    settings: MulticastSettings,
    subscriber: Option<Subscriber>,
    publisher: Option<Publisher>,
    standing: MulticastStanding,
    paced: Paced<MulticastStanding>,
}

/// Counters alone are told at most this often: heartbeats never end.
const COUNTED: Duration = Duration::from_secs(10);

impl Multicast {
    /// Does nothing until [`Input::Run`].
    #[must_use]
    pub fn new(settings: MulticastSettings) -> Self {
        Self {
            settings,
            subscriber: None,
            publisher: None,
            standing: MulticastStanding::default(),
            paced: Paced::new(COUNTED),
        }
    }
}

impl Core for Multicast {
    const NAME: &'static str = "multicast";
    type Input<'a> = Input;
    type Effect = Output;
    const TIMEOUT: fn() -> Input = || Input::Timeout;

    fn handle(&mut self, now: Monotonic, input: Input, random: &mut dyn Random) -> Vec<Output> {
        let mut sender = Sender {
            settings: self.settings,
            now,
            standing: &mut self.standing,
            outputs: Vec::new(),
        };
        let ends = matches!(input, Input::Stop);
        match input {
            Input::Run { spec, announce } => {
                self.subscriber = subscribe(self.subscriber.take(), now, &spec, random, &mut sender);
                self.publisher = publish(self.publisher.take(), now, &spec, announce, random, &mut sender);
            }
            Input::Stop => {
                self.publisher = None;
                if let Some(subscriber) = self.subscriber.take() {
                    subscriber.stop(&mut sender);
                }
            }
            Input::Unsent(reason) => {
                sender.standing.counters.unsent += 1;
                sender.standing.failing = Some(reason);
            }
            Input::SentAgain => sender.standing.failing = None,
            Input::Timeout => {
                if let Some(subscriber) = &mut self.subscriber {
                    subscriber.timeout(now, &mut sender);
                }
                if let Some(publisher) = &mut self.publisher {
                    publisher.timeout(now, &mut sender);
                }
            }
        }
        let mut outputs = sender.outputs;
        self.standing = self.standing();
        outputs.extend(self.paced.look(now, self.standing.clone()).map(Output::Standing));
        outputs.extend(ends.then_some(Output::Stopped));
        outputs
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        let subscriber = self.subscriber.as_ref().map(Subscriber::poll_timeout);
        let publisher = self.publisher.as_ref().and_then(Publisher::poll_timeout);
        let standing = self.paced.poll_timeout().map(|at| Deadline {
            at,
            name: "multicast_standing",
        });
        subscriber.into_iter().chain(publisher).chain(standing).min()
    }
}

impl Multicast {
    /// How the services stand.
    #[must_use]
    pub fn standing(&self) -> MulticastStanding {
        MulticastStanding {
            joined: self
                .subscriber
                .as_ref()
                .map_or_else(Groups::default, Subscriber::joined),
            announced: self
                .publisher
                .as_ref()
                .map_or_else(Groups::default, Publisher::announced),
            generation_id: self.subscriber.as_ref().map(Subscriber::generation_id),
            ..self.standing.clone()
        }
    }
}

fn subscribe(
    before: Option<Subscriber>,
    now: Monotonic,
    spec: &MulticastSpec,
    random: &mut dyn Random,
    sender: &mut Sender<'_>,
) -> Option<Subscriber> {
    let neighbours = Neighbours {
        local: spec.local_address,
        upstream: spec.upstream,
        root: spec.rendezvous_point,
    };
    match (before, groups(&spec.subscribe)) {
        (None, wanted) if wanted.is_empty() => None,
        (None, wanted) => Some(Subscriber::start(now, neighbours, wanted, random, sender)),
        (Some(before), wanted) if wanted.is_empty() => {
            before.stop(sender);
            None
        }
        (Some(before), wanted) => Some(before.change(now, neighbours, wanted, random, sender)),
    }
}

fn publish(
    before: Option<Publisher>,
    now: Monotonic,
    spec: &MulticastSpec,
    announce: bool,
    random: &mut dyn Random,
    sender: &mut Sender<'_>,
) -> Option<Publisher> {
    let wanted = groups(&spec.publish);
    let source = spec.source.filter(|_| announce && !wanted.is_empty())?;
    let ends = Ends {
        local: spec.local_address,
        source,
        root: spec.rendezvous_point,
    };
    Some(match before {
        None => Publisher::start(now, ends, wanted, random, sender),
        Some(before) => before.change(now, ends, wanted, random, sender),
    })
}

/// Those that are groups, and not ones that never leave a link.
fn groups(all: &BTreeSet<Ipv4Addr>) -> BTreeSet<Ipv4Addr> {
    all.iter()
        .filter(|group| group.is_multicast() && group.octets()[..3] != [224, 0, 0])
        .copied()
        .collect()
}

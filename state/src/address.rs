//! Which of its addresses a client host uses.
//!
//! What the host's routes prefer, and what a service on the Internet says, are guesses. A guess is enough to begin with; it
//! is no proof against an address that works. An address that is on the host and in use stays, whatever would be chosen
//! today, until it has left the host or an operator names another one.
//!
//! An operator names one with a flag, for a run, or pins one, which is kept. A pin is held against the host when the
//! daemon starts: a host that no longer has it goes on as if nobody had pinned it.

mod look;
mod why;

use std::{collections::BTreeSet, net::Ipv4Addr};

pub use look::{AddressObservation, Chosen, InPlace, Outcome, Seen, Source, Unusable};
pub use why::{FoundBecause, KeptBecause, PinChange};

/// Holds an address that is to be pinned, or was, against the addresses of a host's links that are up.
///
/// # Errors
/// Why it cannot be in force.
pub fn may_pin(address: Ipv4Addr, up: &BTreeSet<Ipv4Addr>) -> Result<(), Unusable> {
    if !is_public(address) {
        return Err(Unusable::NotPublic(address));
    }
    if up.contains(&address) {
        Ok(())
    } else {
        Err(Unusable::NotHere(address))
    }
}

/// Decides which address is in force.
///
/// * An address that is on the host stays while a tunnel is in place or the ledger may still name a user of it.
/// * An address that others see stays while a tunnel works.
/// * Another one takes over when two looks in a row found it.
/// * At a start the address that was in force last counts before those of tunnels in place, and these before the guess.
/// * A change that the ledger has not borne out yet is taken back when the address before is on the host again and has
///   its tunnel still.
/// * A pinned address stays for the rest of the run once it was seen on the host. Until then, two looks that do not
///   find it drop it.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    in_force: Option<Chosen>,
    source: Source,
    pin: Option<Pin>,
    /// In this run the host no longer has it.
    pin_away: bool,
    dropped: Option<Unusable>,
    remembered: Option<Chosen>,
    /// The one before, until the ledger names users of the one in force.
    before: Option<Ipv4Addr>,
    /// Seen once instead of the one in force.
    candidate: Option<Ipv4Addr>,
    /// What would be chosen today instead.
    other: Option<Ipv4Addr>,
}

#[derive(Clone, Copy, Debug)]
struct Pin {
    address: Ipv4Addr,
    trust: Trust,
}

/// What is known of a pin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Trust {
    /// The host was not looked at.
    Untried,
    /// It was looked at, and has it not.
    Missed,
    /// It was seen to have it.
    Proven,
}

enum AddressDecision {
    /// No guess says anything.
    Unknown,
    Stay,
    /// Although this one would be chosen today.
    Hold(Ipv4Addr, KeptBecause),
    Change(Chosen, FoundBecause),
    /// At once.
    Return(Chosen),
}

impl Addresses {
    /// Goes on with the address in force; without one, with the one that was in force when the daemon ran last.
    #[must_use]
    pub fn new(in_force: Option<Chosen>, remembered: Option<Chosen>) -> Self {
        Self {
            in_force,
            remembered,
            ..Self::default()
        }
    }

    /// Somebody named this address: it is in force.
    #[must_use]
    pub fn named(address: Ipv4Addr) -> Self {
        let chosen = Chosen {
            address,
            seen: Seen::Outside,
        };
        Self {
            in_force: Some(chosen),
            source: Source::Flag,
            ..Self::default()
        }
    }

    /// This address is pinned. `proven`: the host was seen to have it, and it is in force at once.
    pub fn pin(&mut self, address: Ipv4Addr, proven: bool) {
        let trust = if proven { Trust::Proven } else { Trust::Untried };
        (self.pin, self.pin_away, self.dropped) = (Some(Pin { address, trust }), false, None);
        if proven {
            self.put_pin(address);
        }
    }

    /// The host cannot be looked at: what is pinned is in force, and held against it later. Gives whether that is news.
    pub fn trust_pin(&mut self) -> bool {
        let Some(pin) = self.pin.filter(|pin| pin.trust == Trust::Untried) else {
            return false;
        };
        self.put_pin(pin.address)
    }

    /// The address that is pinned.
    #[must_use]
    pub fn pinned(&self) -> Option<Ipv4Addr> {
        self.pin.map(|pin| pin.address)
    }

    /// The pin in force, although the host no longer has it: only a start drops it.
    #[must_use]
    pub fn pin_away(&self) -> Option<Ipv4Addr> {
        self.pinned().filter(|_| self.pin_away)
    }

    /// The pin that was dropped, told once.
    pub fn take_dropped(&mut self) -> Option<Unusable> {
        self.dropped.take()
    }

    /// Where the address in force comes from.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// The address in force.
    #[must_use]
    pub fn in_force(&self) -> Option<Chosen> {
        self.in_force
    }

    /// Another address that would be chosen today.
    #[must_use]
    pub fn other(&self) -> Option<Ipv4Addr> {
        self.other
    }

    /// Takes a look.
    ///
    /// # Errors
    /// When no address is in force and none is found: why.
    pub fn look(&mut self, look: &AddressObservation) -> Result<Outcome, String> {
        let other = self.other;
        let outcome = self.decide(look)?;
        Ok(Outcome {
            hold_over: other.is_some() && self.other.is_none(),
            ..outcome
        })
    }

    fn decide(&mut self, look: &AddressObservation) -> Result<Outcome, String> {
        if let Some(outcome) = self.look_at_pin(look) {
            return outcome;
        }
        let Some(in_force) = &mut self.in_force else {
            let (first, source) = self.first(look)?;
            (self.in_force, self.source) = (Some(first), source);
            let other = self.other_guess(look);
            let held = other.map(|_| KeptBecause::InForceBefore);
            self.other = other;
            return Ok(Outcome {
                changed: Some(FoundBecause::Found),
                held,
                ..Outcome::default()
            });
        };
        if look.host.contains(&in_force.address) {
            in_force.seen = Seen::Host;
        }
        if look.users == Some(true) {
            self.before = None;
        }
        Ok(match self.verdict(look) {
            AddressDecision::Unknown => Outcome::default(),
            AddressDecision::Stay => {
                (self.candidate, self.other, self.source) = (None, None, Source::Discovered);
                Outcome::default()
            }
            AddressDecision::Hold(other, why) => {
                self.candidate = None;
                let is_new = self.other.replace(other) != Some(other);
                Outcome {
                    held: is_new.then_some(why),
                    ..Outcome::default()
                }
            }
            AddressDecision::Change(chosen, _) if self.candidate != Some(chosen.address) => {
                self.candidate = Some(chosen.address);
                Outcome {
                    again: true,
                    ..Outcome::default()
                }
            }
            AddressDecision::Change(chosen, why) => {
                let before = self.in_force.map(|chosen| chosen.address);
                self.replace(chosen, before, look, why)
            }
            AddressDecision::Return(chosen) => {
                let outcome = self.replace(chosen, None, look, FoundBecause::Returned);
                Outcome {
                    held: self.other.map(|_| KeptBecause::TunnelInPlace),
                    ..outcome
                }
            }
        })
    }

    /// The verdict on a pin; nothing when there is no pin, or it has just been dropped.
    fn look_at_pin(&mut self, look: &AddressObservation) -> Option<Result<Outcome, String>> {
        let Pin { address, trust } = self.pin?;
        match (may_pin(address, &look.up), trust) {
            (here @ Ok(()), _) | (here @ Err(_), Trust::Proven) => {
                let pin = match (self.pin_away, here.is_err()) {
                    (false, true) => Some(PinChange::Away),
                    (true, false) => Some(PinChange::Back),
                    (true, true) | (false, false) => None,
                };
                self.pin_away = here.is_err();
                self.pin = Some(Pin {
                    address,
                    trust: Trust::Proven,
                });
                let changed = self.put_pin(address).then_some(FoundBecause::Pinned);
                Some(Ok(Outcome {
                    changed,
                    pin,
                    ..Outcome::default()
                }))
            }
            (Err(Unusable::NotHere(_)), Trust::Untried) => {
                self.pin = Some(Pin {
                    address,
                    trust: Trust::Missed,
                });
                let again = Outcome {
                    again: true,
                    ..Outcome::default()
                };
                let told = || {
                    format!(
                        "{address} is pinned, and on no interface that is up on this host: looking for it once more"
                    )
                };
                Some(self.in_force.map(|_| again).ok_or_else(told))
            }
            (Err(unusable), Trust::Untried | Trust::Missed) => {
                (self.pin, self.dropped, self.in_force) = (None, Some(unusable), None);
                None
            }
        }
    }

    /// Gives whether it is another one than before.
    fn put_pin(&mut self, address: Ipv4Addr) -> bool {
        let before = self.in_force.replace(Chosen {
            address,
            seen: Seen::Host,
        });
        (self.source, self.before, self.candidate, self.other) = (Source::Pin, None, None, None);
        before.map(|before| before.address) != Some(address)
    }

    fn replace(
        &mut self,
        chosen: Chosen,
        before: Option<Ipv4Addr>,
        look: &AddressObservation,
        why: FoundBecause,
    ) -> Outcome {
        (self.in_force, self.before, self.candidate, self.source) =
            (Some(chosen), before, None, Source::Discovered);
        self.other = self.other_guess(look);
        Outcome {
            changed: Some(why),
            ..Outcome::default()
        }
    }

    fn first(&self, look: &AddressObservation) -> Result<(Chosen, Source), String> {
        let on_host = |address| Chosen {
            address,
            seen: Seen::Host,
        };
        if let Some(Chosen { address, seen }) = self.remembered {
            let has_tunnels = !look.tunnels.is_empty();
            if look.host.contains(&address) && (has_tunnels || is_public(address)) {
                return Ok((on_host(address), Source::Hint));
            }
            if seen == Seen::Outside && has_tunnels {
                return Ok((Chosen { address, seen }, Source::Hint));
            }
        }
        let locals = look.tunnels.iter().filter_map(|tunnel| tunnel.local);
        let locals: BTreeSet<Ipv4Addr> = locals
            .filter(|local| look.host.contains(local) && is_public(*local))
            .collect();
        match (&look.guess, locals.first()) {
            (Ok(guess), _) if locals.contains(&guess.address) => Ok((*guess, Source::Discovered)),
            (_, Some(local)) => Ok((on_host(*local), Source::Hint)),
            (guess, None) => guess.clone().map(|guess| (guess, Source::Discovered)),
        }
    }

    fn verdict(&self, look: &AddressObservation) -> AddressDecision {
        let Some(chosen) = self.in_force else {
            return AddressDecision::Unknown;
        };
        let has_tunnel = |address| look.tunnels.iter().any(|tunnel| tunnel.local == Some(address));
        if let Some(address) = self
            .before
            .filter(|before| look.host.contains(before) && has_tunnel(*before))
        {
            return AddressDecision::Return(Chosen {
                address,
                seen: Seen::Host,
            });
        }
        let guess = match &look.guess {
            Ok(guess) if guess.address != chosen.address => *guess,
            Ok(_) => return AddressDecision::Stay,
            Err(_) => return AddressDecision::Unknown,
        };
        let on_host = look.host.contains(&chosen.address);
        match (on_host, chosen.seen) {
            (true, _) if !look.tunnels.is_empty() => {
                AddressDecision::Hold(guess.address, KeptBecause::TunnelInPlace)
            }
            (true, _) if look.users == Some(true) => {
                AddressDecision::Hold(guess.address, KeptBecause::LedgerNamesIt)
            }
            (true, _) if look.users.is_none() => {
                AddressDecision::Hold(guess.address, KeptBecause::LedgerNotAsked)
            }
            (true, _) => AddressDecision::Change(guess, FoundBecause::Preferred),
            (false, Seen::Outside) if look.tunnels.iter().any(|tunnel| tunnel.works) => {
                AddressDecision::Hold(guess.address, KeptBecause::TunnelWorks)
            }
            (false, Seen::Outside) => AddressDecision::Change(guess, FoundBecause::SeenElsewhere),
            (false, Seen::Host) => AddressDecision::Change(guess, FoundBecause::Left),
        }
    }

    fn other_guess(&self, look: &AddressObservation) -> Option<Ipv4Addr> {
        let guess = look.guess.as_ref().ok().map(|guess| guess.address);
        guess.filter(|guess| self.in_force.is_some_and(|chosen| chosen.address != *guess))
    }
}

/// Whether a host can have this address on the public Internet (IANA special-purpose registry, RFC 6890). The network's
/// program, its daemon and its command line have this same list.
#[must_use]
pub fn is_public(address: Ipv4Addr) -> bool {
    const SPECIAL: [(Ipv4Addr, u32); 13] = [
        (Ipv4Addr::new(0, 0, 0, 0), 8),
        (Ipv4Addr::new(10, 0, 0, 0), 8),
        (Ipv4Addr::new(100, 64, 0, 0), 10),
        (Ipv4Addr::new(127, 0, 0, 0), 8),
        (Ipv4Addr::new(169, 254, 0, 0), 16),
        (Ipv4Addr::new(172, 16, 0, 0), 12),
        (Ipv4Addr::new(192, 0, 0, 0), 24),
        (Ipv4Addr::new(192, 0, 2, 0), 24),
        (Ipv4Addr::new(192, 168, 0, 0), 16),
        (Ipv4Addr::new(198, 51, 100, 0), 24),
        (Ipv4Addr::new(203, 0, 113, 0), 24),
        (Ipv4Addr::new(224, 0, 0, 0), 4),
        (Ipv4Addr::new(240, 0, 0, 0), 4),
    ];
    !SPECIAL
        .iter()
        .any(|(network, length)| u32::from(address) >> (32 - length) == u32::from(*network) >> (32 - length))
}

#[cfg(test)]
mod tests;

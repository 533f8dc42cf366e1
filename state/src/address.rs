//! Which of its addresses a client host goes by.
//!
//! What the host's routes prefer, and what a service on the Internet says, are guesses. A guess is enough to begin with; it
//! is no proof against an address that works. An address that is on the host and in use stays, whatever would be chosen
//! today, until it has left the host or an operator names another one.

use std::{collections::BTreeSet, net::Ipv4Addr};

/// An address, and who sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chosen {
    /// The address.
    pub address: Ipv4Addr,
    /// Who sees it.
    pub seen: Seen,
}

/// Who sees an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// The host has it.
    Host,
    /// Others do: a translator is between them and the host, or an operator named it.
    Outside,
}

/// A tunnel of ours that is on the host and that the ledger once asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InPlace {
    /// Its outer source.
    pub local: Option<Ipv4Addr>,
    /// Whether its session is up.
    pub works: bool,
}

/// What one look at the host found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Look {
    /// What would be chosen if nothing were in force, or why nothing would.
    pub guess: Result<Chosen, String>,
    /// The host's addresses on links that are not ours.
    pub host: BTreeSet<Ipv4Addr>,
    /// Tunnels in place.
    pub tunnels: Vec<InPlace>,
    /// Whether the ledger names activated users of the address in force; `None` until it was asked about this address.
    pub users: Option<bool>,
}

/// What a look led to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// Another address is in force, and why it replaced the one before.
    pub changed: Option<&'static str>,
    /// Another address would be chosen from now on, and why the one in force stays.
    pub held: Option<&'static str>,
    /// The host is to be looked at again soon: a change must be seen twice.
    pub again: bool,
}

/// Decides which address is in force.
///
/// * An address that is on the host stays while a tunnel is in place or the ledger is not known to name no user of it.
/// * An address that others see stays while a tunnel works.
/// * Another one takes over when two looks in a row found it.
/// * At a start the address that was in force last counts before those of tunnels in place, and these before the guess.
/// * A change that the ledger has not borne out yet is taken back when the address before is on the host again and has
///   its tunnel still.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    in_force: Option<Chosen>,
    remembered: Option<Chosen>,
    /// The one before, until the ledger names users of the one in force.
    before: Option<Ipv4Addr>,
    /// Seen once instead of the one in force.
    candidate: Option<Ipv4Addr>,
    /// What would be chosen today instead.
    other: Option<Ipv4Addr>,
}

enum Verdict {
    /// No guess says anything.
    Unknown,
    Stay,
    /// Although this one would be chosen today.
    Hold(Ipv4Addr, &'static str),
    Change(Chosen, &'static str),
    /// At once.
    Return(Chosen, &'static str),
}

impl Addresses {
    /// Goes on with the address in force; without one, with the one that was in force when the daemon ran last.
    #[must_use]
    pub fn new(in_force: Option<Chosen>, remembered: Option<Chosen>) -> Self {
        Self { in_force, remembered, ..Self::default() }
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
    pub fn look(&mut self, look: &Look) -> Result<Outcome, String> {
        let Some(in_force) = &mut self.in_force else {
            self.in_force = Some(self.first(look)?);
            let other = self.other_guess(look);
            let held = other.map(|_| "it was in force before, or a tunnel of it is in place");
            self.other = other;
            return Ok(Outcome { changed: Some("it was found"), held, again: false });
        };
        if look.host.contains(&in_force.address) {
            in_force.seen = Seen::Host;
        }
        if look.users == Some(true) {
            self.before = None;
        }
        Ok(match self.verdict(look) {
            Verdict::Unknown => Outcome::default(),
            Verdict::Stay => {
                (self.candidate, self.other) = (None, None);
                Outcome::default()
            }
            Verdict::Hold(other, why) => {
                self.candidate = None;
                let is_new = self.other.replace(other) != Some(other);
                Outcome { held: is_new.then_some(why), ..Outcome::default() }
            }
            Verdict::Change(chosen, _) if self.candidate != Some(chosen.address) => {
                self.candidate = Some(chosen.address);
                Outcome { again: true, ..Outcome::default() }
            }
            Verdict::Change(chosen, why) => {
                let before = self.in_force.map(|chosen| chosen.address);
                self.replace(chosen, before, look, why)
            }
            Verdict::Return(chosen, why) => self.replace(chosen, None, look, why),
        })
    }

    fn replace(&mut self, chosen: Chosen, before: Option<Ipv4Addr>, look: &Look, why: &'static str) -> Outcome {
        (self.in_force, self.before, self.candidate) = (Some(chosen), before, None);
        self.other = self.other_guess(look);
        Outcome { changed: Some(why), ..Outcome::default() }
    }

    fn first(&self, look: &Look) -> Result<Chosen, String> {
        let on_host = |address| Chosen { address, seen: Seen::Host };
        if let Some(Chosen { address, seen }) = self.remembered {
            let has_tunnels = !look.tunnels.is_empty();
            if look.host.contains(&address) && (has_tunnels || is_public(address)) {
                return Ok(on_host(address));
            }
            if seen == Seen::Outside && has_tunnels {
                return Ok(Chosen { address, seen });
            }
        }
        let locals = look.tunnels.iter().filter_map(|tunnel| tunnel.local);
        let locals: BTreeSet<Ipv4Addr> = locals.filter(|local| look.host.contains(local) && is_public(*local)).collect();
        match (&look.guess, locals.first()) {
            (Ok(guess), _) if locals.contains(&guess.address) => Ok(*guess),
            (_, Some(local)) => Ok(on_host(*local)),
            (guess, None) => guess.clone(),
        }
    }

    fn verdict(&self, look: &Look) -> Verdict {
        let Some(chosen) = self.in_force else { return Verdict::Unknown };
        let has_tunnel = |address| look.tunnels.iter().any(|tunnel| tunnel.local == Some(address));
        if let Some(address) = self.before.filter(|before| look.host.contains(before) && has_tunnel(*before)) {
            return Verdict::Return(Chosen { address, seen: Seen::Host }, "it is on this host again, and its tunnel is in place");
        }
        let guess = match &look.guess {
            Ok(guess) if guess.address != chosen.address => *guess,
            Ok(_) => return Verdict::Stay,
            Err(_) => return Verdict::Unknown,
        };
        let on_host = look.host.contains(&chosen.address);
        match (on_host, chosen.seen) {
            (true, _) if !look.tunnels.is_empty() => Verdict::Hold(guess.address, "it is on this host, and a tunnel is in place"),
            (true, _) if look.users == Some(true) => Verdict::Hold(guess.address, "it is on this host, and the ledger names a user of it"),
            (true, _) if look.users.is_none() => {
                Verdict::Hold(guess.address, "it is on this host, and the ledger was not asked about it yet")
            }
            (true, _) => Verdict::Change(guess, "nobody uses the one before, and this one is preferred"),
            (false, Seen::Outside) if look.tunnels.iter().any(|tunnel| tunnel.works) => {
                Verdict::Hold(guess.address, "a tunnel works with it")
            }
            (false, Seen::Outside) => Verdict::Change(guess, "the host is seen at another address"),
            (false, Seen::Host) => Verdict::Change(guess, "the one before has left this host"),
        }
    }

    fn other_guess(&self, look: &Look) -> Option<Ipv4Addr> {
        let guess = look.guess.as_ref().ok().map(|guess| guess.address);
        guess.filter(|guess| self.in_force.is_some_and(|chosen| chosen.address != *guess))
    }
}

/// Whether a host can have this address on the public Internet (IANA special-purpose registry, RFC 6890).
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
    !SPECIAL.iter().any(|(network, length)| u32::from(address) >> (32 - length) == u32::from(*network) >> (32 - length))
}

#[cfg(test)]
mod tests;

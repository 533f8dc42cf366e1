//! All caps of a host: whose tunnels they are for, what was used of each, and what follows for every tunnel.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use warren_state::{
    Pubkey, Rate, RateWant, Rates, TunnelId,
    caps::{CapStanding, CapsStanding},
    event::Event,
};

use super::{Account, Calendar, Cap, CapSnapshot, DeviceId, Policy, UnixSeconds, Window};

/// Not sooner than this is a tunnel near its cap looked at again, and not later than that any.
pub const SHORTEST_LOOK: Duration = Duration::from_millis(500);
const LONGEST_LOOK: Duration = Duration::from_secs(60);
/// A tunnel is looked at by itself when its cap may be used up within this.
const NEAR: Duration = Duration::from_secs(10);

/// All caps of a host. Written down and read back it goes on the same: what was carried meanwhile is counted then.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CapBook {
    accounts: BTreeMap<DeviceId, Account>,
    /// What each tunnel had carried when it was looked at last.
    seen: BTreeMap<TunnelId, u64>,
    /// For whom each counts: what one carried until it went counts also when it is not known any more whose it was.
    #[serde(default)]
    whose: BTreeMap<TunnelId, DeviceId>,
    /// The rates that were told.
    told: BTreeMap<TunnelId, Rate>,
    /// Whether what tunnels carried before the first look was put aside.
    begun: bool,
}

/// A tunnel, as it is looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CappedTunnel {
    /// Which.
    pub id: TunnelId,
    /// Whether it is there: what it carried until it went counts after that too.
    pub is_there: bool,
    /// Whom its cap is for, where that is known.
    pub device: Option<DeviceId>,
    /// The key that pays.
    pub owner: Option<Pubkey>,
    /// Whose member it is.
    pub tenant: Option<Pubkey>,
    /// Octets that it carried since it was first seen, both ways.
    pub carried: u64,
    /// Octets a second that it carries now.
    pub speed: u64,
}

/// What came of a look.
#[derive(Clone, PartialEq, Debug)]
pub struct Looked {
    /// What the rates of tunnels are to be.
    pub rates: Rates,
    /// Who is held now and was not, or the other way.
    pub events: Vec<Event>,
    /// For whoever shows it.
    pub standing: CapsStanding,
    /// Tunnels that may use their caps up soon.
    pub near: BTreeSet<TunnelId>,
    /// When to look again.
    pub next: Duration,
}

/// Whose word counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Authority {
    /// Operators of this host: whom they gave no cap has none.
    Here,
    /// Somebody else: of whom nothing was said yet is not known.
    Elsewhere,
}

impl CapBook {
    /// Takes in what tunnels carried, and decides for each.
    pub fn look(
        &mut self,
        tunnels: &[CappedTunnel],
        authority: Authority,
        policy: &Policy,
        now: UnixSeconds,
    ) -> Looked {
        let devices = self.count(tunnels, &policy.calendar, now);
        let mut looked = Looked {
            rates: Rates {
                rest: RateWant::default(),
                ..Rates::default()
            },
            events: Vec::new(),
            standing: CapsStanding::default(),
            near: BTreeSet::new(),
            next: LONGEST_LOOK,
        };
        for (device, of) in &devices {
            self.decide(device, of, authority, policy, now, &mut looked);
        }
        let idle: Vec<DeviceId> = self
            .caps()
            .map(|(device, _)| device)
            .filter(|device| !devices.contains_key(*device))
            .cloned()
            .collect();
        for device in &idle {
            self.decide(device, &[], authority, policy, now, &mut looked);
        }
        self.tell(tunnels, &mut looked);
        self.forget(&devices, tunnels, now);
        looked
    }

    /// Takes in what tunnels carried, and decides nothing: it is not known yet which of them there are.
    pub fn take(&mut self, tunnels: &[CappedTunnel], calendar: &Calendar, now: UnixSeconds) {
        let _undecided = self.count(tunnels, calendar, now);
    }

    /// What an authority elsewhere says.
    pub fn hear(&mut self, device: DeviceId, snapshot: CapSnapshot, calendar: &Calendar, now: UnixSeconds) {
        self.accounts
            .entry(device)
            .or_default()
            .hear(snapshot, calendar, now);
    }

    /// An operator sets a cap; what was used in the same window stays used.
    pub fn set(&mut self, device: DeviceId, cap: Cap, calendar: &Calendar, now: UnixSeconds) {
        self.accounts.entry(device).or_default().set(cap, calendar, now);
    }

    /// An operator lifts a cap. False when there is none.
    pub fn clear(&mut self, device: &DeviceId) -> bool {
        let Some(account) = self
            .accounts
            .get_mut(device)
            .filter(|account| account.snapshot().is_some())
        else {
            return false;
        };
        account.clear();
        true
    }

    /// The caps there are.
    pub fn caps(&self) -> impl Iterator<Item = (&DeviceId, &Account)> {
        self.accounts
            .iter()
            .filter(|(_, account)| account.snapshot().is_some())
    }

    /// What was counted of each here: it only grows.
    pub fn totals(&self) -> impl Iterator<Item = (&DeviceId, u64)> {
        self.accounts
            .iter()
            .map(|(device, account)| (device, account.total()))
    }

    /// What tunnels carried before caps were looked at for the first time is nobody's use.
    fn count<'a>(
        &mut self,
        tunnels: &'a [CappedTunnel],
        calendar: &Calendar,
        now: UnixSeconds,
    ) -> BTreeMap<DeviceId, Vec<&'a CappedTunnel>> {
        let mut devices = BTreeMap::<DeviceId, Vec<&CappedTunnel>>::new();
        let mut grown = BTreeMap::<DeviceId, u64>::new();
        for tunnel in tunnels {
            if let Some(device) = &tunnel.device {
                self.whose.insert(tunnel.id, device.clone());
            }
            let Some(device) = self.whose.get(&tunnel.id) else {
                // Counted when it is known whose it was.
                if !self.begun {
                    self.seen.insert(tunnel.id, tunnel.carried);
                }
                continue;
            };
            let before = self.seen.insert(tunnel.id, tunnel.carried);
            let more = match before {
                Some(before) => tunnel.carried.checked_sub(before).unwrap_or(tunnel.carried),
                None if self.begun => tunnel.carried,
                None => 0,
            };
            *grown.entry(device.clone()).or_default() += more;
            if tunnel.is_there {
                devices.entry(device.clone()).or_default().push(tunnel);
            }
        }
        self.begun = true;
        for (device, more) in grown {
            let account = self.accounts.entry(device).or_default();
            account.count(account.total().saturating_add(more), calendar, now);
        }
        devices
    }

    fn decide(
        &mut self,
        device: &DeviceId,
        tunnels: &[&CappedTunnel],
        authority: Authority,
        policy: &Policy,
        now: UnixSeconds,
        looked: &mut Looked,
    ) {
        let account = self.accounts.entry(device.clone()).or_default();
        if account.snapshot().is_none() && authority == Authority::Here {
            return;
        }
        let first = tunnels.first();
        let exempt = tunnels
            .iter()
            .any(|tunnel| policy.exempt.has(tunnel.owner.as_ref(), tunnel.tenant.as_ref()));
        let rate = account.decide(exempt, policy, now).rate();
        let speed = tunnels.iter().map(|tunnel| tunnel.speed).sum();
        let next = account.next_look(speed, SHORTEST_LOOK, LONGEST_LOOK, now);
        looked.next = looked.next.min(next);
        for tunnel in tunnels {
            if !rate.is_unlimited() {
                looked.rates.of.insert(tunnel.id, rate);
            } else if next < NEAR && account.left(now).is_some() && !exempt {
                looked.near.insert(tunnel.id);
            }
        }
        let known = account.usage(exempt, now).known;
        let standing = CapStanding {
            cap: known.map(|known| known.cap.to_string()),
            limit: known.and_then(|known| known.cap.octets()),
            used: known.map_or(0, |known| known.used),
            until: account.span().until.map(|until| until.0),
            exempt,
            held_to: Some(rate).filter(|rate| !rate.is_unlimited()),
            tunnels: tunnels.iter().map(|tunnel| tunnel.id).collect(),
            owner: first.and_then(|tunnel| tunnel.owner),
        };
        let of_tunnels = tunnels.iter().map(|tunnel| (tunnel.id, device.to_string()));
        looked.standing.of_tunnels.extend(of_tunnels);
        looked.standing.devices.insert(device.to_string(), standing);
    }

    fn tell(&mut self, tunnels: &[CappedTunnel], looked: &mut Looked) {
        let used = |id: &TunnelId| {
            let of = looked.standing.of(id);
            of.map_or((0, None), |(_, standing)| (standing.used, standing.limit))
        };
        for tunnel in tunnels {
            let (id, owner) = (tunnel.id, tunnel.owner);
            match (self.told.get(&id), looked.rates.of.get(&id)) {
                (before, Some(rate)) if before != Some(rate) => {
                    let (used, limit) = used(&id);
                    looked.events.push(Event::ThrottleSet {
                        tunnel: id,
                        owner,
                        rate: *rate,
                        used,
                        limit,
                    });
                    self.told.insert(id, *rate);
                }
                (Some(_), None) => {
                    looked.events.push(Event::ThrottleClear { tunnel: id, owner });
                    self.told.remove(&id);
                }
                (_, _) => {}
            }
        }
        let gone: Vec<TunnelId> = self
            .told
            .keys()
            .filter(|id| !looked.rates.of.contains_key(*id))
            .copied()
            .collect();
        for tunnel in gone {
            self.told.remove(&tunnel);
            looked.events.push(Event::ThrottleClear { tunnel, owner: None });
        }
    }

    /// Of whom there is neither a cap nor a tunnel, and who has used nothing, nothing is kept. Totals only grow.
    fn forget(
        &mut self,
        devices: &BTreeMap<DeviceId, Vec<&CappedTunnel>>,
        tunnels: &[CappedTunnel],
        now: UnixSeconds,
    ) {
        let known: BTreeSet<TunnelId> = tunnels.iter().map(|tunnel| tunnel.id).collect();
        self.seen.retain(|id, _| known.contains(id));
        self.whose.retain(|id, _| known.contains(id));
        self.accounts.retain(|device, account| {
            let over = account
                .snapshot()
                .is_none_or(|snapshot| snapshot.cap.window.ended(now));
            devices.contains_key(device) || account.total() > 0 || !over
        });
    }
}

impl CapBook {
    /// Whether a cap of this kind can be kept by this host alone.
    #[must_use]
    pub fn may_set(cap: &Cap) -> bool {
        !matches!(cap.window, Window::Until(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tunnel(n: u8, owner: &str, carried: u64) -> CappedTunnel {
        CappedTunnel {
            id: TunnelId(Pubkey([n; 32])),
            is_there: true,
            device: DeviceId::new(owner).ok(),
            owner: Some(Pubkey([100; 32])),
            tenant: None,
            carried,
            speed: 0,
        }
    }

    fn look(book: &mut CapBook, tunnels: &[CappedTunnel], at: i64) -> Looked {
        book.look(tunnels, Authority::Here, &Policy::default(), UnixSeconds(at))
    }

    fn capped(cap: &str) -> CapBook {
        let mut book = CapBook::default();
        book.set(
            DeviceId::new("a").unwrap(),
            cap.parse().unwrap(),
            &Calendar::default(),
            UnixSeconds(0),
        );
        book
    }

    #[test]
    fn what_all_tunnels_of_one_carry_is_counted_together_and_holds_them_all_and_nobody_else() {
        let mut book = capped("1KB/90d");
        let first = look(
            &mut book,
            &[tunnel(1, "a", 9_000), tunnel(2, "a", 0), tunnel(3, "b", 0)],
            1,
        );
        assert_eq!(
            (first.rates.of.len(), first.events.len()),
            (0, 0),
            "what was carried before is nobody's use"
        );
        let held = look(
            &mut book,
            &[tunnel(1, "a", 9_600), tunnel(2, "a", 400), tunnel(3, "b", 5_000)],
            2,
        );
        let ids: Vec<u8> = held.rates.of.keys().map(|id| id.0.0[0]).collect();
        assert_eq!(ids, [1, 2]);
        assert!(
            matches!(
                held.events[..],
                [
                    Event::ThrottleSet {
                        used: 1_000,
                        limit: Some(1_000),
                        ..
                    },
                    Event::ThrottleSet { .. }
                ]
            ),
            "{:?}",
            held.events
        );
        assert_eq!(held.standing.devices.len(), 1, "whom nobody gave a cap has none");
        let again = look(&mut book, &[tunnel(1, "a", 9_600), tunnel(2, "a", 400)], 3);
        assert_eq!((again.rates, again.events.len()), (held.rates, 0), "told once");
    }

    #[test]
    fn a_start_again_tells_nothing_twice_and_counts_what_was_carried_meanwhile() {
        let mut book = capped("1KB/90d");
        look(&mut book, &[tunnel(1, "a", 0)], 1);
        look(&mut book, &[tunnel(1, "a", 700)], 2);
        let text = serde_json::to_string(&book).unwrap();
        let mut book: CapBook = serde_json::from_str(&text).unwrap();
        let held = look(&mut book, &[tunnel(1, "a", 1_000)], 3);
        assert_eq!(held.events.len(), 1);
        let mut book: CapBook = serde_json::from_str(&serde_json::to_string(&book).unwrap()).unwrap();
        let again = look(&mut book, &[tunnel(1, "a", 1_000)], 4);
        assert_eq!((again.rates, again.events.len()), (held.rates, 0));
    }

    #[test]
    fn a_cap_that_is_lifted_or_raised_lets_go_and_so_does_a_tunnels_end() {
        let mut book = capped("1KB");
        look(&mut book, &[tunnel(1, "a", 0)], 1);
        look(&mut book, &[tunnel(1, "a", 1_000)], 2);
        assert!(book.clear(&DeviceId::new("a").unwrap()));
        let lifted = look(&mut book, &[tunnel(1, "a", 1_000)], 3);
        assert!(matches!(lifted.events[..], [Event::ThrottleClear { .. }]));
        assert!(lifted.rates.of.is_empty());
        assert!(!book.clear(&DeviceId::new("a").unwrap()));
        let mut book = capped("1KB");
        look(&mut book, &[tunnel(1, "a", 0)], 1);
        look(&mut book, &[tunnel(1, "a", 1_000)], 2);
        let gone = look(&mut book, &[], 3);
        assert!(matches!(
            gone.events[..],
            [Event::ThrottleClear { owner: None, .. }]
        ));
        assert_eq!(book.caps().count(), 1, "the cap is still there");
    }

    #[test]
    fn a_tunnel_that_goes_and_comes_back_is_counted_on_and_what_it_carried_before_there_were_caps_never_is() {
        let gone = |carried| CappedTunnel {
            is_there: false,
            ..tunnel(1, "a", carried)
        };
        let mut book = capped("1MB");
        let used = |book: &CapBook| book.totals().next().map(|(_, total)| total);
        look(&mut book, &[gone(9_000)], 1);
        look(&mut book, &[tunnel(1, "a", 9_100)], 2);
        assert_eq!(used(&book), Some(100));
        look(&mut book, &[gone(9_150)], 3);
        assert_eq!(used(&book), Some(150), "its last octets too");
        look(&mut book, &[tunnel(1, "a", 9_160)], 4);
        assert_eq!(used(&book), Some(160));
        let nobodys = CappedTunnel {
            device: None,
            ..gone(9_200)
        };
        look(&mut book, &[nobodys], 5);
        assert_eq!(
            used(&book),
            Some(200),
            "also when nobody knows any more whose it was"
        );
        look(&mut book, &[tunnel(1, "a", 9_210)], 6);
        assert_eq!(used(&book), Some(210));
    }

    #[test]
    fn before_an_authority_elsewhere_has_spoken_its_policy_holds() {
        for (unsynced, held) in [
            (super::super::Unsynced::Open, None),
            (super::super::Unsynced::Block, Some(Rate::BLOCKED)),
        ] {
            let policy = Policy {
                unsynced,
                ..Policy::default()
            };
            let mut book = CapBook::default();
            let looked = book.look(
                &[tunnel(1, "a", 0)],
                Authority::Elsewhere,
                &policy,
                UnixSeconds(1),
            );
            assert_eq!(looked.rates.of.values().next().copied(), held);
        }
    }

    #[test]
    fn a_tunnel_near_its_cap_is_looked_at_sooner() {
        let mut book = capped("1MB");
        let quick = |carried| CappedTunnel {
            speed: 100_000,
            ..tunnel(1, "a", carried)
        };
        look(&mut book, &[quick(0)], 1);
        let far = look(&mut book, &[tunnel(1, "a", 10)], 2);
        assert!(far.near.is_empty());
        let near = look(&mut book, &[quick(900_000)], 3);
        assert_eq!(near.near.len(), 1);
        assert!(near.next <= Duration::from_secs(1), "{:?}", near.next);
    }
}

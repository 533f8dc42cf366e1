//! The simulated ledger: the truth, and what a read makes of it.

use std::{net::Ipv4Addr, time::Duration};

use ipnet::Ipv4Net;
use warren_state::{
    Asn, Monotonic, Pubkey, ServiceKind, Slot, View,
    reconcile::Role,
    view::{
        Device, GlobalConfig, MulticastGroup, Provenance, Quarantine, RawIp, RawNet, SlotRange, User,
        UserStatus,
    },
};

use crate::chance::Chance;

pub(crate) const CLIENT_IP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// What the host's routes prefer at times.
pub(crate) const OTHER_SOURCE: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 7);
const SLOT: Duration = Duration::from_millis(400);

/// What is wrong with reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LedgerFault {
    /// No answer, an HTTP error, a body that does not decode: all are one error to us.
    Error,
    /// Answers take seconds.
    Slow,
    /// No users.
    Empty,
    /// Some of the users.
    Truncated,
    /// An earlier answer, with its slot.
    Stale,
    /// The truth, with a slot that went backwards.
    SlotBack,
    /// A user's account does not decode.
    Quarantine,
    /// The devices are missing.
    NoDevices,
    /// The configuration is missing.
    NoConfig,
    /// Each read is something else.
    Mixed,
}

impl LedgerFault {
    pub(crate) const ALL: [Self; 10] = [
        Self::Error,
        Self::Slow,
        Self::Empty,
        Self::Truncated,
        Self::Stale,
        Self::SlotBack,
        Self::Quarantine,
        Self::NoDevices,
        Self::NoConfig,
        Self::Mixed,
    ];
}

pub(crate) struct Ledger {
    /// As it is; the slot comes with the read.
    pub(crate) truth: View,
    pub(crate) fault: Option<(LedgerFault, Monotonic)>,
    /// When it was restarted from an earlier slot for the first time.
    pub(crate) restarted_at: Option<Monotonic>,
    first_slot: u64,
    earlier: Vec<View>,
}

impl Ledger {
    pub(crate) fn new(role: Role) -> Self {
        let mut truth = View {
            config: Some(GlobalConfig {
                local_asn: Asn(0),
                remote_asn: Asn(0),
            }),
            ..View::default()
        };
        for n in 1..=2 {
            truth.devices.insert(device_key(n), device(n, 0));
        }
        truth.device_prefixes = Some([0, 1].map(device_prefix).into());
        for n in 0..3 {
            let multicast_ip = Ipv4Addr::new(233, 84, 178, n);
            truth.groups.insert(
                group_key(n),
                MulticastGroup {
                    code: format!("mg{n}"),
                    multicast_ip,
                    max_bandwidth: 0,
                    status: 1,
                },
            );
        }
        if let Role::Gateway { device: key } = role {
            truth.devices.insert(key, device(3, 0));
        }
        Self {
            truth,
            fault: None,
            restarted_at: None,
            first_slot: 1_000_000,
            earlier: Vec::new(),
        }
    }

    /// It goes on from an earlier slot, with what it said in some earlier answer. Nodes that are left behind may still say what
    /// it said until now.
    pub(crate) fn restart(&mut self, now: Monotonic, slots: u64, chance: &mut Chance) {
        self.first_slot = self.first_slot.saturating_sub(slots);
        self.restarted_at.get_or_insert(now);
        if let Some(earlier) = chance.pick(&self.earlier) {
            self.truth = View {
                slot: Slot::default(),
                provenance: None,
                ..earlier.clone()
            };
        }
    }

    /// How long a read takes and what it gives.
    pub(crate) fn read(&mut self, now: Monotonic, chance: &mut Chance) -> (Duration, Result<View, String>) {
        let slot = self.first_slot + u64::try_from(now.elapsed().as_millis() / SLOT.as_millis()).unwrap_or(0);
        let mut view = at(slot, now.elapsed(), &self.truth);
        let fault = self
            .fault
            .filter(|(_, until)| *until > now)
            .map(|(fault, _)| fault);
        let fault = match fault {
            Some(LedgerFault::Mixed) => chance.pick(&LedgerFault::ALL[..9]).copied(),
            other => other,
        };
        let latency = if fault == Some(LedgerFault::Slow) {
            chance.millis(1_000, 9_000)
        } else {
            chance.millis(5, 250)
        };
        if fault.is_none() && (self.earlier.is_empty() || chance.one_in(8)) {
            self.earlier.push(view.clone());
        }
        let read = match fault {
            None | Some(LedgerFault::Slow | LedgerFault::Mixed) => Ok(view),
            Some(LedgerFault::Error) => Err("the ledger could not be reached".to_owned()),
            Some(LedgerFault::Empty) => {
                view.users.clear();
                Ok(view)
            }
            Some(LedgerFault::Truncated) => {
                view.retain_users(|(_, _)| chance.one_in(2));
                Ok(view)
            }
            Some(LedgerFault::Stale) => Ok(chance.pick(&self.earlier).cloned().unwrap_or(view)),
            Some(LedgerFault::SlotBack) => {
                let slots = chance.below(200);
                Ok(at(
                    slot.saturating_sub(slots),
                    now.elapsed()
                        .saturating_sub(SLOT * u32::try_from(slots).unwrap_or(0)),
                    &view,
                ))
            }
            Some(LedgerFault::Quarantine) => {
                let keys: Vec<Pubkey> = view.users.keys().copied().collect();
                if let Some(key) = chance.pick(&keys) {
                    view.users.remove(key);
                    view.quarantined.insert(
                        *key,
                        Quarantine {
                            reason: "it is cut short".to_owned(),
                        },
                    );
                }
                Ok(view)
            }
            Some(LedgerFault::NoDevices) => {
                view.devices.clear();
                Ok(view)
            }
            Some(LedgerFault::NoConfig) => {
                view.config = None;
                Ok(view)
            }
        };
        (latency, read)
    }
}

/// What is read at a slot, and the ledger's own time there.
fn at(slot: u64, clock: Duration, content: &View) -> View {
    let slot = Slot(slot);
    let (users, clock) = (SlotRange::at(slot), i64::try_from(clock.as_secs()).ok());
    View {
        slot,
        provenance: Some(Provenance {
            users,
            rest: users,
            clock,
            endpoint: 0,
        }),
        ..content.clone()
    }
}

pub(crate) fn device_key(n: u8) -> Pubkey {
    Pubkey([200 + n; 32])
}

pub(crate) fn user_key(n: u8) -> Pubkey {
    Pubkey([n + 1; 32])
}

pub(crate) fn group_key(n: u8) -> Pubkey {
    Pubkey([150 + n; 32])
}

/// A prefix that some device has.
pub(crate) fn device_prefix(n: u8) -> Ipv4Net {
    Ipv4Net::new(Ipv4Addr::new(45, 33, n, 0), 24).unwrap_or_default()
}

/// The n-th device as it stands after this many moves.
pub(crate) fn device(n: u8, moves: u8) -> Device {
    Device {
        code: format!("dev{n}"),
        exchange: Pubkey::default(),
        public_ip: Ipv4Addr::new(203, 0, 113, n * 16 + moves % 16),
        status: 1,
        prefixes: Vec::new(),
    }
}

/// The n-th user that this host may have.
pub(crate) fn user(role: Role, n: u8) -> User {
    let (kind, client_ip, device) = match role {
        Role::Client { client_ip } if n == 2 => (ServiceKind::IbrlWithAllocatedIp, client_ip, device_key(2)),
        Role::Client { client_ip } if n == 3 => (ServiceKind::Multicast, client_ip, device_key(2)),
        Role::Client { client_ip } => (ServiceKind::Ibrl, client_ip, device_key(1)),
        Role::Gateway { device } => (ServiceKind::Ibrl, Ipv4Addr::new(198, 51, 100, n + 1), device),
    };
    let multicast = kind == ServiceKind::Multicast;
    User {
        owner: Pubkey([9; 32]),
        kind: Ok(kind),
        tenant: Pubkey::default(),
        device,
        client_ip,
        dz_ip: if kind == ServiceKind::Ibrl {
            client_ip
        } else {
            Ipv4Addr::new(100, 64, 0, n + 1)
        },
        tunnel_number: 500 + u16::from(n),
        tunnel_net: RawNet {
            address: RawIp(Ipv4Addr::new(169, 254, n, 0)),
            prefix_len: 31,
        },
        status: UserStatus::Activated,
        publishers: multicast.then(|| group_key(0)).into_iter().collect(),
        subscribers: multicast.then(|| group_key(1)).into_iter().collect(),
        // Not between the ends of a unicast tunnel.
        tunnel_endpoint: if multicast {
            Ipv4Addr::new(203, 0, 113, 250)
        } else {
            Ipv4Addr::UNSPECIFIED
        },
    }
}

/// The overlay address of the device in the n-th user's tunnel.
pub(crate) fn peer_address(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(169, 254, n, 0)
}

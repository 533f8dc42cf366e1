//! Which device, and which of its addresses: pure.
//!
//! The reference's rules: activated devices that take users and have room, the lowest minimum of the round trip first, then the lowest mean. But
//! never an address that another tunnel of this host ends at already: two tunnels between the same addresses cannot be told
//! apart, so where no address is left, the device is passed over, instead of naming 0.0.0.0, which means one that is taken.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::Ipv4Addr,
};

use serde::Deserialize;
use warren_ledger::accounts::{Device, DeviceStatus, DeviceType};
use warren_state::Pubkey;

/// As many reasons as a person reads.
const SHOWN: usize = 5;

/// What the tunnel is for: devices have room for each kind by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CapacityKind {
    /// A unicast tunnel.
    Unicast,
    /// A multicast tunnel, and what its host will do.
    Multicast {
        /// Sends.
        publisher: bool,
        /// Receives.
        subscriber: bool,
    },
}

/// One measurement, as the daemon tells it.
#[derive(Clone, Debug, Deserialize)]
pub struct Measured {
    /// The address of the device's account.
    pub device_pk: String,
    /// The address that was asked.
    pub device_ip: Ipv4Addr,
    /// The shortest round trip, in nanoseconds.
    pub min_latency_ns: i64,
    /// The mean round trip, in nanoseconds.
    pub avg_latency_ns: i64,
    /// Whether any answer came.
    pub reachable: bool,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct DeviceRequest<'a> {
    /// The service.
    pub capacity: CapacityKind,
    /// This device and no other, by code or account.
    pub named: Option<&'a str>,
    /// Where this host's other tunnels end.
    pub taken: BTreeSet<Ipv4Addr>,
}

/// A device, and where the tunnel will end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choice {
    /// Its account.
    pub device: Pubkey,
    /// One of its addresses.
    pub endpoint: Ipv4Addr,
    /// The shortest round trip to that address, in nanoseconds, where it was measured.
    pub min_latency_ns: Option<i64>,
}

/// Why there is no device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoDevice {
    /// None has this code or account.
    Unknown(String),
    /// The one that was named cannot be used.
    Unusable {
        /// Its short name, such as `ams-dz01`.
        code: String,
        /// The reason, in words for people.
        reason: Unusable,
    },
    /// None can be used.
    None(Vec<(String, Unusable)>),
}

/// Why a device cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unusable {
    /// It takes no users now: its status.
    Status(&'static str),
    /// It is no device for users: its type.
    Type(&'static str),
    /// It has no prefixes, without which the program makes no users.
    NoPrefixes,
    /// No room at all: how many it may have.
    Full(u16),
    /// No room for this service: how many it may have.
    FullOf(&'static str, u16),
    /// Each of its addresses ends a tunnel of this host already.
    Taken,
    /// It did not answer.
    Unreachable,
    /// It has not been measured.
    Unmeasured,
}

/// Chooses. Measurements do not matter for a device that was named.
pub fn choose(
    devices: &BTreeMap<Pubkey, Device>,
    measured: &[Measured],
    request: &DeviceRequest<'_>,
) -> Result<Choice, NoDevice> {
    if let Some(name) = request.named {
        let (key, device) = find(devices, name).ok_or_else(|| NoDevice::Unknown(name.to_owned()))?;
        return named(key, device, measured, request).map_err(|reason| NoDevice::Unusable {
            code: device.code.clone(),
            reason,
        });
    }
    let mut reasons = Vec::new();
    let mut candidates = Vec::new();
    for (key, device) in devices {
        match nearest(key, device, measured, request) {
            Ok((rank, choice)) => candidates.push((rank, device.code.as_str(), choice)),
            Err(reason) => reasons.push((device.code.clone(), reason)),
        }
    }
    candidates.sort_by(|one, other| (one.0, one.1, one.2.device).cmp(&(other.0, other.1, other.2.device)));
    candidates
        .into_iter()
        .next()
        .map(|(_, _, choice)| choice)
        .ok_or(NoDevice::None(reasons))
}

/// The device with this code or account; codes count without case.
pub fn find<'a>(devices: &'a BTreeMap<Pubkey, Device>, name: &str) -> Option<(&'a Pubkey, &'a Device)> {
    let exact = devices
        .iter()
        .find(|(key, device)| device.code == name || key.to_string() == name);
    exact.or_else(|| {
        devices
            .iter()
            .find(|(_, device)| device.code.eq_ignore_ascii_case(name))
    })
}

/// Where tunnels can end on a device: its public address, and the interfaces that are marked for it.
pub fn endpoints(device: &Device) -> Vec<Ipv4Addr> {
    let marked = device.interfaces.iter().map(|interface| &interface.body);
    let marked = marked
        .filter(|body| body.ute && (1..=32).contains(&body.ip_net.prefix_len))
        .map(|body| body.ip_net.address);
    let mut all = vec![device.public_ip];
    all.extend(marked);
    all.retain(|ip| !ip.is_unspecified());
    let mut seen = BTreeSet::new();
    all.retain(|ip| seen.insert(*ip));
    all
}

fn named(
    key: &Pubkey,
    device: &Device,
    measured: &[Measured],
    request: &DeviceRequest<'_>,
) -> Result<Choice, Unusable> {
    has_room(device, request.capacity)?;
    let free: Vec<Ipv4Addr> = endpoints(device)
        .into_iter()
        .filter(|ip| !request.taken.contains(ip))
        .collect();
    let best = answers(key, measured)
        .filter(|row| free.contains(&row.device_ip))
        .min_by_key(|row| rank(row));
    let endpoint = best
        .map(|row| row.device_ip)
        .or_else(|| free.first().copied())
        .ok_or(Unusable::Taken)?;
    Ok(Choice {
        device: *key,
        endpoint,
        min_latency_ns: best.map(|row| row.min_latency_ns),
    })
}

fn nearest(
    key: &Pubkey,
    device: &Device,
    measured: &[Measured],
    request: &DeviceRequest<'_>,
) -> Result<((i64, i64), Choice), Unusable> {
    has_room(device, request.capacity)?;
    let free: Vec<Ipv4Addr> = endpoints(device)
        .into_iter()
        .filter(|ip| !request.taken.contains(ip))
        .collect();
    if free.is_empty() {
        return Err(Unusable::Taken);
    }
    let best = answers(key, measured)
        .filter(|row| free.contains(&row.device_ip))
        .min_by_key(|row| rank(row));
    let Some(best) = best else {
        let known = measured.iter().any(|row| row.device_pk == key.to_string());
        return Err(if known {
            Unusable::Unreachable
        } else {
            Unusable::Unmeasured
        });
    };
    Ok((
        rank(best),
        Choice {
            device: *key,
            endpoint: best.device_ip,
            min_latency_ns: Some(best.min_latency_ns),
        },
    ))
}

fn answers<'a>(key: &Pubkey, measured: &'a [Measured]) -> impl Iterator<Item = &'a Measured> {
    let key = key.to_string();
    measured
        .iter()
        .filter(move |row| row.reachable && row.device_pk == key)
}

fn rank(row: &Measured) -> (i64, i64) {
    (row.min_latency_ns, row.avg_latency_ns)
}

/// The program's own conditions, so that nobody pays for a transaction that it refuses.
fn has_room(device: &Device, capacity: CapacityKind) -> Result<(), Unusable> {
    if device.status != DeviceStatus::ACTIVATED {
        return Err(Unusable::Status(device.status.name()));
    }
    if ![DeviceType::EDGE, DeviceType::HYBRID].contains(&device.device_type) {
        return Err(Unusable::Type(device.device_type.name()));
    }
    if device.dz_prefixes.is_empty() {
        return Err(Unusable::NoPrefixes);
    }
    if device.users_count.saturating_add(device.reserved_seats) >= device.max_users {
        return Err(Unusable::Full(device.max_users));
    }
    let limits = match capacity {
        CapacityKind::Unicast => vec![(
            "unicast users",
            device.unicast_users_count,
            device.max_unicast_users,
        )],
        CapacityKind::Multicast {
            publisher,
            subscriber,
        } => {
            let publishers = (
                "multicast publishers",
                device.multicast_publishers_count,
                device.max_multicast_publishers,
            );
            let subscribers = (
                "multicast subscribers",
                device.multicast_subscribers_count,
                device.max_multicast_subscribers,
            );
            [(publisher, publishers), (subscriber && !publisher, subscribers)]
                .into_iter()
                .filter(|(asked, _)| *asked)
                .map(|(_, limit)| limit)
                .collect()
        }
    };
    // A limit of zero means no limit.
    match limits
        .into_iter()
        .find(|(_, count, limit)| *limit > 0 && count >= limit)
    {
        Some((what, _, limit)) => Err(Unusable::FullOf(what, limit)),
        None => Ok(()),
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "it is {status} and takes no users"),
            Self::Type(name) => write!(f, "it is a {name} device, and users need an edge or hybrid one"),
            Self::NoPrefixes => f.write_str("it has no prefixes to give addresses from"),
            Self::Full(0) => f.write_str("it takes no users"),
            Self::Full(limit) => write!(f, "it is full (at most {limit} users)"),
            Self::FullOf(what, limit) => write!(f, "it is full (at most {limit} {what})"),
            Self::Taken => f.write_str("each of its addresses ends a tunnel of this host already"),
            Self::Unreachable => f.write_str("it does not answer pings"),
            Self::Unmeasured => f.write_str("its latency is not measured"),
        }
    }
}

impl fmt::Display for NoDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "there is no device {name:?}"),
            Self::Unusable { code, reason } => write!(f, "device {code} cannot be used: {reason}"),
            Self::None(reasons) if reasons.is_empty() => f.write_str("the ledger has no device"),
            Self::None(reasons) => {
                f.write_str("no device can be used: ")?;
                let shown: Vec<String> = reasons
                    .iter()
                    .take(SHOWN)
                    .map(|(code, reason)| format!("{code}: {reason}"))
                    .collect();
                f.write_str(&shown.join("; "))?;
                let more = reasons.len().saturating_sub(SHOWN);
                if more > 0 {
                    write!(f, "; and {more} more")
                } else {
                    Ok(())
                }
            }
        }
    }
}

impl NoDevice {
    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "`warren latency` lists the devices.",
            Self::Unusable { .. } => {
                "Name another device, or none: then the nearest one that can be used is taken."
            }
            Self::None(reasons)
                if !reasons.is_empty() && reasons.iter().all(|(_, reason)| *reason == Unusable::Taken) =>
            {
                "Disconnect another tunnel of this host first."
            }
            Self::None(reasons)
                if reasons
                    .iter()
                    .any(|(_, reason)| matches!(reason, Unusable::Unreachable | Unusable::Unmeasured)) =>
            {
                "Check that this host may send ICMP, or name a device with --device: then it need not answer pings."
            }
            Self::None(_) => "Wait for a place to become free, and tell the network's operators.",
        }
    }
}

#[cfg(test)]
mod tests;

//! The bodies of `/status` and `/v2/status`, put together from a piece for each service: a piece is rendered anew only when
//! something that it shows has changed.

use std::{collections::BTreeMap, fmt, net::Ipv4Addr, sync::Arc, time::Duration};

use bytes::Bytes;
use imbl::ordmap::DiffItem;
use warren_actors::{Snapshot, latency::LatencyStatus, snapshot::Tunnels};
use warren_state::{ServiceClass, TunnelId, View, lifecycle::TunnelReport};

use super::{DISCONNECTED, is_provisioned, v2_service};

/// The wall clock was set when it differs by more than this from where it should be.
const CLOCK_SET: Duration = Duration::from_secs(1);

/// What is rendered, and what of.
#[derive(Default)]
pub struct Services {
    of: Option<Inputs>,
    unicast: BTreeMap<TunnelId, Piece>,
    multicast: BTreeMap<TunnelId, Piece>,
    status: Option<Bytes>,
    v2_status: Option<Bytes>,
}

/// A service in `/v2/status`. Up to `own` it is, but for a brace, the same in `/status`.
struct Piece {
    text: String,
    own: usize,
}

/// Everything that is shown.
#[derive(Clone)]
struct Inputs {
    tunnels: Tunnels,
    view: Option<Arc<View>>,
    latency: Option<Arc<LatencyStatus>>,
    /// When the daemon's clock began, in milliseconds since 1970.
    began: u64,
    head: Head,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Head {
    enabled: bool,
    client_ip: Option<Ipv4Addr>,
    network: &'static str,
}

impl Services {
    /// Takes in what has changed.
    pub fn follow(&mut self, snapshot: &Snapshot, network: &'static str) {
        let mut now = Inputs::of(snapshot, network);
        match self.of.take() {
            Some(before) if before.says_the_same_of_all(&now) => {
                now.began = before.began;
                self.follow_view(&before, &now, snapshot);
                self.follow_tunnels(&before, &now, snapshot);
                if before.head != now.head {
                    self.v2_status = None;
                }
            }
            Some(_) | None => {
                *self = Self::default();
                snapshot
                    .tunnels
                    .values()
                    .for_each(|report| self.put(snapshot, report));
            }
        }
        self.of = Some(now);
    }

    /// The body of `/status`.
    pub fn status(&mut self) -> Bytes {
        let pieces = || self.unicast.values().chain(self.multicast.values());
        let status = self.status.take().unwrap_or_else(|| {
            if pieces().next().is_none() {
                return Bytes::from_static(DISCONNECTED.as_bytes());
            }
            let own = pieces().map(|piece| [piece.text.get(..piece.own).unwrap_or_default(), "}"]);
            joined("[", own, "]\n")
        });
        self.status = Some(status.clone());
        status
    }

    /// The body of `/v2/status`.
    pub fn v2_status(&mut self) -> Bytes {
        let pieces = || self.unicast.values().chain(self.multicast.values());
        let status = self.v2_status.take().unwrap_or_else(|| {
            let head = self
                .of
                .as_ref()
                .map_or_else(String::new, |of| of.head.to_string());
            joined(&head, pieces().map(|piece| [piece.text.as_str(), ""]), "]}\n")
        });
        self.v2_status = Some(status.clone());
        status
    }

    /// Of which users the ledger says something else now.
    fn follow_view(&mut self, before: &Inputs, now: &Inputs, snapshot: &Snapshot) {
        let (Some(old), Some(new)) = (&before.view, &now.view) else {
            return;
        };
        if Arc::ptr_eq(old, new) {
            return;
        }
        for (id, report) in &snapshot.tunnels {
            // A manual tunnel's user is looked for among all.
            if id.is_manual() || old.users.get(&id.0) != new.users.get(&id.0) {
                self.put(snapshot, report);
            }
        }
    }

    fn follow_tunnels(&mut self, before: &Inputs, now: &Inputs, snapshot: &Snapshot) {
        for change in before.tunnels.diff(&now.tunnels) {
            match change {
                DiffItem::Add(_, report) | DiffItem::Update { new: (_, report), .. } => {
                    self.put(snapshot, report)
                }
                DiffItem::Remove(id, _) => self.remove(*id),
            }
        }
    }

    fn put(&mut self, snapshot: &Snapshot, report: &TunnelReport) {
        self.remove(report.tunnel);
        let Some(spec) = report.spec.as_ref().filter(|_| is_provisioned(report)) else {
            return;
        };
        let pieces = match spec.kind.class() {
            ServiceClass::Unicast => &mut self.unicast,
            ServiceClass::Multicast => &mut self.multicast,
        };
        let service = v2_service(snapshot, report, spec);
        let (Ok(own), Ok(text)) = (
            serde_json::to_string(&service.service),
            serde_json::to_string(&service),
        ) else {
            return;
        };
        pieces.insert(
            report.tunnel,
            Piece {
                text,
                own: own.len() - 1,
            },
        );
    }

    fn remove(&mut self, id: TunnelId) {
        self.unicast.remove(&id);
        self.multicast.remove(&id);
        (self.status, self.v2_status) = (None, None);
    }
}

impl Inputs {
    fn of(snapshot: &Snapshot, network: &'static str) -> Self {
        Self {
            tunnels: snapshot.tunnels.clone(),
            view: snapshot.view.clone(),
            latency: snapshot.latency.clone(),
            began: snapshot.unix_ms_of(warren_state::Monotonic::ZERO),
            head: Head {
                enabled: snapshot.switch.has_tunnels(),
                client_ip: snapshot.client_ip(),
                network,
            },
        }
    }

    /// Whether everything that more than one service shows is as before.
    fn says_the_same_of_all(&self, now: &Self) -> bool {
        // Tunnels, and what the head says beside the network, are followed one by one.
        let Self {
            tunnels: _,
            view,
            latency,
            began,
            head:
                Head {
                    enabled: _,
                    client_ip: _,
                    network,
                },
        } = self;
        let latency = match (latency, &now.latency) {
            (None, None) => true,
            (Some(before), Some(now)) => Arc::ptr_eq(before, now),
            (Some(_), None) | (None, Some(_)) => false,
        };
        let view = match (view, &now.view) {
            (None, None) => true,
            (Some(before), Some(now)) => Arc::ptr_eq(before, now) || shared(before) == shared(now),
            (Some(_), None) | (None, Some(_)) => false,
        };
        let clock = Duration::from_millis(began.abs_diff(now.began));
        latency && view && clock <= CLOCK_SET && *network == now.head.network
    }
}

/// What several users name.
fn shared(view: &View) -> impl PartialEq + '_ {
    (&view.devices, &view.exchanges, &view.groups, &view.tenants)
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client_ip = self.client_ip.map_or_else(String::new, |ip| ip.to_string());
        write!(
            f,
            r#"{{"reconciler_enabled":{},"client_ip":"{client_ip}","network":"{}","services":["#,
            self.enabled, self.network
        )
    }
}

fn joined<'a>(head: &str, pieces: impl Iterator<Item = [&'a str; 2]> + Clone, tail: &str) -> Bytes {
    let length: usize = pieces
        .clone()
        .map(|[piece, end]| piece.len() + end.len() + 1)
        .sum();
    let mut text = String::with_capacity(head.len() + length + tail.len());
    text.push_str(head);
    for (number, [piece, end]) in pieces.enumerate() {
        if number > 0 {
            text.push(',');
        }
        text.push_str(piece);
        text.push_str(end);
    }
    text.push_str(tail);
    Bytes::from(text)
}

#[cfg(test)]
mod tests;

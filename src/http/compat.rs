//! The reference's JSON, field by field and in its order, from a snapshot.

mod distance;
pub mod services;

use std::{collections::BTreeMap, net::Ipv4Addr};

use distance::Distance;
use warren_actors::Snapshot;
use warren_api::compat::{Groups, Service, SessionState, Subscription, V2Service, V2Status};
use warren_state::{Phase, Pubkey, ServiceClass, TunnelSpec, View, lifecycle::TunnelReport, view};

/// `/status` when nothing is provisioned: these very bytes, without a line feed.
pub const DISCONNECTED: &str = r#"[{"doublezero_status": {"session_status": "disconnected"}}]"#;

/// The body of `/status`, all of it at once.
#[must_use]
pub fn status(snapshot: &Snapshot) -> String {
    let services: Vec<Service> = provisioned(snapshot)
        .into_iter()
        .map(|(report, spec)| service(snapshot, report, spec))
        .collect();
    if services.is_empty() {
        return DISCONNECTED.to_owned();
    }
    serde_json::to_string(&services).map_or_else(|_| DISCONNECTED.to_owned(), |text| text + "\n")
}

/// The body of `/v2/status`, all of it at once. Nothing but the snapshot is asked: it answers at once, also when the ledger does not.
#[must_use]
pub fn v2_status(snapshot: &Snapshot, network: &'static str) -> V2Status {
    V2Status {
        reconciler_enabled: snapshot.switch.has_tunnels(),
        client_ip: snapshot.client_ip().map_or_else(String::new, |ip| ip.to_string()),
        network,
        services: provisioned(snapshot)
            .into_iter()
            .map(|(report, spec)| v2_service(snapshot, report, spec))
            .collect(),
    }
}

/// One of its services.
fn v2_service(snapshot: &Snapshot, report: &TunnelReport, spec: &TunnelSpec) -> V2Service {
    let empty = View::default();
    let view = snapshot.view.as_deref().unwrap_or(&empty);
    let user = user_of(view, report, spec);
    let device = device_of(view, user, spec);
    let distance = Distance::of(snapshot.latency.as_deref(), device, spec.link.remote);
    enrich(service(snapshot, report, spec), view, user, device, distance)
}

/// The tunnels that the reference would call provisioned: those that have a link, unicast first.
#[must_use]
pub fn provisioned(snapshot: &Snapshot) -> Vec<(&TunnelReport, &TunnelSpec)> {
    let mut services: Vec<_> = snapshot
        .tunnels
        .values()
        .filter(|report| is_provisioned(report))
        .filter_map(|report| report.spec.as_deref().map(|spec| (report.as_ref(), spec)))
        .collect();
    services.sort_by_key(|(_, spec)| match spec.kind.class() {
        ServiceClass::Unicast => 0,
        ServiceClass::Multicast => 1,
    });
    services
}

/// The account that speaks of the tunnel. For a manual one, as in the reference, that of a user of this service with this
/// address in the overlay, else of one on this host.
fn user_of<'a>(view: &'a View, report: &TunnelReport, spec: &TunnelSpec) -> Option<&'a view::User> {
    if !report.tunnel.is_manual() {
        return view.users.get(&report.tunnel.0);
    }
    let alike = || view.users.values().filter(|user| user.kind == Ok(spec.kind));
    let of_overlay = alike().find(|user| spec.dz_ip == Some(user.dz_ip));
    of_overlay.or_else(|| alike().find(|user| user.client_ip == spec.link.local))
}

/// The account of the device that the tunnel goes to.
fn device_of(view: &View, user: Option<&view::User>, spec: &TunnelSpec) -> Option<Pubkey> {
    let by_address = || {
        view.devices
            .iter()
            .find(|(_, device)| device.public_ip == spec.link.remote)
            .map(|(key, _)| *key)
    };
    user.map(|user| user.device).or_else(by_address)
}

/// The address in the overlay: a user without one of its own has the ledger's, which is its host's. Hosts that only receive
/// groups have none, whatever the ledger says.
#[must_use]
pub fn overlay_address(snapshot: &Snapshot, report: &TunnelReport, spec: &TunnelSpec) -> Option<Ipv4Addr> {
    let user = snapshot
        .view
        .as_deref()
        .and_then(|view| view.users.get(&report.tunnel.0));
    let of_ledger = || user.map(|user| user.dz_ip).filter(|ip| !ip.is_unspecified());
    match spec.kind.class() {
        ServiceClass::Unicast => spec.dz_ip.or_else(of_ledger),
        ServiceClass::Multicast => spec.dz_ip,
    }
}

/// Whether it has a link.
fn is_provisioned(report: &TunnelReport) -> bool {
    let phase = report
        .failure
        .as_ref()
        .map_or(report.phase, |failure| failure.phase);
    match phase {
        Phase::Addressing | Phase::Routing | Phase::Peering | Phase::Active | Phase::Draining => true,
        Phase::Pending | Phase::Linking | Phase::Removed | Phase::Failed => false,
    }
}

fn service(snapshot: &Snapshot, report: &TunnelReport, spec: &TunnelSpec) -> Service {
    Service {
        tunnel_name: spec.link.name.to_string(),
        tunnel_src: spec.link.local.to_string(),
        tunnel_dst: spec.link.remote.to_string(),
        doublezero_ip: overlay_address(snapshot, report, spec).map_or_else(String::new, |ip| ip.to_string()),
        doublezero_status: SessionState {
            session_status: report.session.name(),
            last_session_update: report.session_since.map_or(0, |since| {
                i64::try_from(snapshot.unix_ms_of(since) / 1000).unwrap_or(i64::MAX)
            }),
        },
        user_type: spec.kind.name(),
    }
}

fn enrich(
    service: Service,
    view: &View,
    user: Option<&view::User>,
    device: Option<Pubkey>,
    distance: Distance,
) -> V2Service {
    let device = device.and_then(|device| view.devices.get(&device));
    let exchange = device.and_then(|device| view.exchanges.get(&device.exchange));
    let tenant = user.and_then(|user| view.tenants.get(&user.tenant));
    let subscriptions = user.map_or_else(Vec::new, |user| subscriptions(view, user));
    // In the ledger's own order, which need not be the same for both roles.
    let codes = |keys: fn(&view::User) -> &Vec<Pubkey>| {
        let keys = user.into_iter().flat_map(keys);
        keys.filter_map(|key| view.groups.get(key))
            .map(|group| group.code.clone())
            .collect()
    };
    V2Service {
        service,
        current_device: device.map_or_else(String::new, |device| device.code.clone()),
        current_device_rtt_nanoseconds: distance.rtt_nanoseconds,
        current_device_loss_percentage: distance.loss_percentage,
        lowest_latency_device: distance.nearest,
        metro: exchange.map_or_else(String::new, |exchange| exchange.name.clone()),
        tenant: tenant.map_or_else(String::new, |tenant| tenant.code.clone()),
        multicast_groups: Groups {
            publisher: codes(|user| &user.publishers),
            subscriber: codes(|user| &user.subscribers),
        },
        subscriptions,
    }
}

fn subscriptions(view: &View, user: &view::User) -> Vec<Subscription> {
    let mut seen: BTreeMap<Pubkey, ()> = BTreeMap::new();
    user.publishers
        .iter()
        .chain(&user.subscribers)
        .filter(|key| seen.insert(**key, ()).is_none())
        .filter_map(|key| view.groups.get(key).map(|group| (key, group)))
        .map(|(key, group)| Subscription {
            pubkey: key.to_string(),
            code: group.code.clone(),
            multicast_ip: group.multicast_ip.to_string(),
            max_bandwidth: group.max_bandwidth,
            publisher: user.publishers.contains(key),
            subscriber: user.subscribers.contains(key),
        })
        .collect()
}

#[cfg(test)]
mod tests;
